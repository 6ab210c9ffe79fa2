"""The attributes of a garment: their values, their names for people, and where each applies.

The schema is data (`attributes.toml`, or a user's file of the same form). But for the category and the
demo's three searches, no other module knows an attribute by name.
"""

import json
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path

DEFAULT_SCHEMA = Path(__file__).with_name("attributes.toml")
CATEGORY = "category"
NAME_LIMIT = 64


class SchemaError(ValueError):
    """A schema file, attribute or value that can't be used; the message is one line for the user."""


@dataclass(frozen=True)
class Attribute:
    """One attribute of a garment.

    `values` are the keys used in files and commands, in the order of the classifier's outputs. `names` and
    `value_names` map a language ("en", "ja") to what people read. `applies_to` lists the categories that have this
    attribute; empty means all of them.
    """

    key: str
    values: tuple[str, ...]
    names: dict[str, str]
    value_names: dict[str, dict[str, str]]
    applies_to: tuple[str, ...] = ()

    @property
    def always_applies(self) -> bool:
        """Whether garments of every category have this attribute."""
        return not self.applies_to

    def applies(self, category: str) -> bool:
        """Whether a garment of this category has the attribute; True where the category is not known ("")."""
        return not category or self.always_applies or category in self.applies_to

    def value_index(self, value: str) -> int:
        """Position of a value in `values`. Raises SchemaError, naming the values there are."""
        if value not in self.values:
            raise SchemaError(f"{self.key} has no value '{value}'; its values are {', '.join(self.values)}")
        return self.values.index(value)


@dataclass(frozen=True)
class Schema:
    """All attributes, in the order in which networks and indexes store them."""

    attributes: tuple[Attribute, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """The attributes' keys, in order."""
        return tuple(attribute.key for attribute in self.attributes)

    def __getitem__(self, key: str) -> Attribute:
        for attribute in self.attributes:
            if attribute.key == key:
                return attribute
        raise SchemaError(f"there is no attribute '{key}'; the attributes are {', '.join(self.keys)}")

    def to_json(self) -> str:
        """The schema as JSON text, as stored beside weights and in catalogues."""
        return json.dumps([asdict(attribute) for attribute in self.attributes], ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Schema":
        """The schema that `to_json` wrote."""
        return cls(
            tuple(
                Attribute(
                    key=entry["key"],
                    values=tuple(entry["values"]),
                    names=entry["names"],
                    value_names=entry["value_names"],
                    applies_to=tuple(entry["applies_to"]),
                )
                for entry in json.loads(text)
            )
        )


def load_schema(path: Path = DEFAULT_SCHEMA) -> Schema:
    """Read a schema file (TOML, see `attributes.toml`).

    Raises SchemaError with one line that names the file and what is wrong in it.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SchemaError(f"{path}: can't be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SchemaError(f"{path}: not a TOML file in UTF-8 ({error})") from error
    if not tables:
        raise SchemaError(f"{path}: holds no attribute")
    schema = Schema(tuple(_parse_attribute(path, key, table) for key, table in tables.items()))
    _check_categories(path, schema)
    return schema


def _parse_attribute(path: Path, key: str, table: object) -> Attribute:
    if not isinstance(table, dict) or not isinstance(table.get("values"), dict) or not table["values"]:
        raise SchemaError(f"{path}: [{key}] needs a table [{key}.values] with at least one value")
    if not key.isidentifier() or len(key) > NAME_LIMIT:
        raise SchemaError(f"{path}: '{key}' can't name an attribute; use letters, digits and _, at most {NAME_LIMIT}")
    too_long = [value for value in table["values"] if not value or len(value) > NAME_LIMIT]
    if too_long:
        raise SchemaError(f"{path}: [{key}] has a value that is empty or longer than {NAME_LIMIT} characters")
    languages = ("en", "ja")
    for value, names in table["values"].items():
        if not isinstance(names, dict):
            raise SchemaError(f'{path}: [{key}.values] {value}: write {value} = {{ en = "…" }}, or {value} = {{}}')
    if not isinstance(table.get("applies_to", []), list):
        raise SchemaError(f"{path}: [{key}] applies_to: write a list of categories")
    return Attribute(
        key=key,
        values=tuple(table["values"]),
        names={language: str(table.get(language, key)) for language in languages},
        value_names={
            value: {language: str(names.get(language, value)) for language in languages}
            for value, names in table["values"].items()
        },
        applies_to=tuple(table.get("applies_to", ())),
    )


def _check_categories(path: Path, schema: Schema) -> None:
    known = set(schema[CATEGORY].values) if CATEGORY in schema.keys else set()
    for attribute in schema.attributes:
        unknown = sorted(set(attribute.applies_to) - known)
        if unknown:
            raise SchemaError(f"{path}: [{attribute.key}] applies_to names no category: {', '.join(unknown)}")
