"""Tells the browser the page's language, and says Streamlit's own words in it."""

import re
from functools import cache
from pathlib import Path

import streamlit as st

from ui.texts import LANGUAGES, Texts, load_texts

OWN_WORDS = "streamlit."  # the section of the language files that holds, in English, what Streamlit says by itself

_component = st.components.v2.component(
    "erimoto_language", js=Path(__file__).with_name("language.js").read_text("utf-8")
)


def speak(texts: Texts) -> None:
    """Set the page's language, and say Streamlit's own words in it."""
    words, patterns = replacements(texts.language)
    data = {"language": texts.language, "words": list(words.items()), "patterns": patterns}
    _component(key="page-language", data=data, height=1)


@cache
def replacements(language: str) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """What is said in a language in place of Streamlit's own words in the others.

    Returns:
        Words and what is said instead; and for those with {fields} a regular expression and what is said instead, both
        JavaScript's, in which fields are groups with their names.
    """
    texts = load_texts(language)
    words, patterns = {}, []
    for other in (load_texts(one) for one in LANGUAGES if one != language):
        for key, text in other.strings.items():
            own = texts.strings[key]
            if not key.startswith(OWN_WORDS) or text == own:
                continue
            if "{" in text:
                group = re.sub(r"\\{(\w+)\\}", r"(?<\1>.*)", re.escape(text))
                patterns.append((f"^{group}$", re.sub(r"\{(\w+)\}", r"$<\1>", own.replace("$", "$$"))))
            else:
                words[text] = own
    return words, patterns
