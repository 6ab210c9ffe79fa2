"""The page's texts: one file a language in `languages/`, with the same keys in each."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from retrieval.attributes import Attribute

FOLDER = Path(__file__).with_name("languages")
LANGUAGES = ("ja", "en")


@dataclass(frozen=True)
class Texts:
    """All texts in one language; `strings` maps "section.key" to a text with {fields}."""

    language: str
    strings: dict[str, str]

    def __call__(self, key: str, **fields: object) -> str:
        """A text with its fields filled in. Raises KeyError if there is no such text."""
        return self.strings[key].format(**fields)

    def attribute(self, attribute: Attribute) -> str:
        """An attribute's name for people; its key where the schema has no name in this language."""
        return attribute.names.get(self.language, attribute.key)

    def value(self, attribute: Attribute, value: str) -> str:
        """A value's name for people; "" is what does not apply."""
        if not value:
            return self("correct.none")
        return attribute.value_names.get(value, {}).get(self.language, value)


@cache
def load_texts(language: str) -> Texts:
    """Read a language's file."""
    sections = tomllib.loads((FOLDER / f"{language}.toml").read_text(encoding="utf-8"))
    strings = {f"{section}.{key}": text for section, texts in sections.items() for key, text in texts.items()}
    return Texts(language, strings)


def language_for(locale: str | None) -> str:
    """The language for a browser that asks for this locale: Japanese for Japanese ones, else English."""
    return "ja" if (locale or "").lower().startswith("ja") else "en"


def plain(text: str) -> str:
    """Text that Streamlit shows as it is: names from files and tables are no Markdown."""
    return "".join(f"\\{sign}" if sign in r"\`*_{}[]()#+-.!|$:<>~&" else sign for sign in text.replace("\n", " "))
