"""Checking the attributes' columns of CSV files."""

from pathlib import Path

from matting.tables import Table, TableError
from retrieval.attributes import Schema, SchemaError

DOES_NOT_APPLY = "-"  # in a cell of labels, where the garment's category does not say so by itself


def known_value(cell: str) -> str:
    """The value in a cell of labels; "" where it is not known or does not apply."""
    return "" if cell == DOES_NOT_APPLY else cell


def check_values(path: Path, table: Table, schema: Schema) -> None:
    """Raise TableError if a cell in an attribute's column is neither empty, "-" nor one of the attribute's values."""
    for attribute in schema.attributes:
        if attribute.key not in table.columns:
            continue
        for number, row in enumerate(table.rows, start=2):
            value = row[attribute.key]
            if value not in {"", DOES_NOT_APPLY}:
                try:
                    attribute.value_index(value)
                except SchemaError as error:
                    raise TableError(f"{path}: row {number}: {error}") from error
