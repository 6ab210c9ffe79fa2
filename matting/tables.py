"""Reading CSV files that people made, with errors that they understand."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

# What spreadsheet programs write: UTF-8 with or without a mark, and on Japanese Windows code page 932.
ENCODINGS = ("utf-8-sig", "cp932")


class TableError(ValueError):
    """A CSV file that can't be used; the message is one line that names the file."""


@dataclass(frozen=True)
class Table:
    """A CSV file: its columns in order, and one dictionary a row."""

    columns: tuple[str, ...]
    rows: list[dict[str, str]]


def read_table(path: Path, required: tuple[str, ...] = ()) -> Table:
    """Read a CSV file with a header, in UTF-8, UTF-16 or code page 932.

    Cells are stripped of surrounding blanks; missing cells are empty. Raises TableError if the file can't be read or
    decoded, has no header, or lacks one of the `required` columns.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TableError(f"{path}: can't be read ({error.strerror})") from error
    text = _decode(path, content)
    # Lines are left to the reader: quoted cells may hold newlines, others what `splitlines` takes for an end of line.
    try:
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        header = [name.strip() for name in next(reader, [])]
        cells = [row for row in reader if row]
    except csv.Error as error:
        raise TableError(f"{path}: not a CSV file ({error})") from error
    missing = [name for name in required if name not in header]
    if missing:
        found = ", ".join(header) or "nothing"
        raise TableError(f"{path}: has no column '{missing[0]}' (its first line holds: {found})")
    twice = {name for name in header if header.count(name) > 1}
    if twice:
        raise TableError(f"{path}: has two columns '{min(twice)}'")
    padded = [[cell.strip() for cell in row] + [""] * (len(header) - len(row)) for row in cells]
    return Table(tuple(header), [dict(zip(header, row[: len(header)], strict=True)) for row in padded])


def rows_of_split(path: Path, table: Table, split: str) -> list[dict[str, str]]:
    """The rows of a file's table whose column `split` holds this, all of them if it is "".

    Raises TableError if there is no such column.
    """
    if split and "split" not in table.columns:
        raise TableError(f"{path}: has no column 'split'; --split '' takes all rows")
    return [row for row in table.rows if not split or row["split"] == split]


def _decode(path: Path, content: bytes) -> str:
    encodings = ("utf-16",) if content.startswith((b"\xff\xfe", b"\xfe\xff")) else ENCODINGS
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise TableError(f"{path}: not text in UTF-8; save it as CSV in UTF-8")
