"""Tells the browser the page's language, and says Streamlit's own words in it."""

import re
from pathlib import Path

import streamlit as st

from ui.texts import LANGUAGES, Texts, load_texts

OWN_WORDS = "streamlit."  # the section of the language files that holds, in English, what Streamlit says by itself

_component = st.components.v2.component(
    "erimoto_language", js=Path(__file__).with_name("language.js").read_text("utf-8")
)


def speak(texts: Texts) -> None:
    """Set the page's language, and say Streamlit's own words in it."""
    _component(key="page-language", data={"language": texts.language, "words": replacements(texts)}, height=1)


def replacements(texts: Texts) -> list[tuple[str, str]]:
    """For each of Streamlit's own words in another language: a regular expression, and what is said instead.

    Both are JavaScript's: {fields} become groups with their names.
    """
    found = []
    for other in (load_texts(language) for language in LANGUAGES if language != texts.language):
        for key, text in other.strings.items():
            if key.startswith(OWN_WORDS) and text != texts.strings[key]:
                group = re.sub(r"\\{(\w+)\\}", r"(?<\1>.*)", re.escape(text))
                found.append((f"^{group}$", re.sub(r"\{(\w+)\}", r"$<\1>", texts.strings[key].replace("$", "$$"))))
    return found
