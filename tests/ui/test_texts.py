"""No text is missing in either language, and the page asks for none that is not there."""

import re
import string
from pathlib import Path

import pytest

from retrieval.attributes import load_schema
from retrieval.staff import REJECTIONS
from ui import texts as texts_module
from ui.language import replacements
from ui.texts import LANGUAGES, language_for, load_texts, plain

UI = Path(texts_module.__file__).parent


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_both_languages_have_the_same_texts_with_the_same_fields() -> None:
    ja, en = (load_texts(language).strings for language in LANGUAGES)
    assert ja.keys() == en.keys()
    assert all(ja.values())
    assert all(en.values())
    for key, text in en.items():
        assert fields(text) == fields(ja[key]), key


def test_japanese_is_japanese() -> None:
    for key, text in load_texts("ja").strings.items():
        words = re.sub(r"\{\w+\}", "", text)
        assert re.search(r"[぀-ヿ一-鿿]", words) or not re.search(r"[A-Za-z]{3}", words), key


def test_every_text_that_the_page_asks_for_is_there_and_none_is_left_over() -> None:
    source = "".join(file.read_text(encoding="utf-8") for file in UI.glob("*.py"))
    strings = load_texts("en").strings
    sections = {key.split(".")[0] for key in strings}
    source = re.sub(r'"\w+\.(csv|png)"', "", source)  # names of downloads look alike
    asked = {key for key in re.findall(r"[\"'](\w+\.\w+)[\"']", source) if key.split(".")[0] in sections}
    assert asked <= strings.keys()
    computed = {"query.upload", "query.camera", "query.item", "mark.crop", "mark.keep", "mark.drop"}
    computed |= {"mark.crop_hint", "mark.keep_hint", "mark.drop_hint", "mark.brush", "mark.box"}
    computed |= {"filters.low", "filters.high"}
    computed |= {f"rejected.{kind}" for kind in REJECTIONS}
    elsewhere = ("problem.", "streamlit.")  # asked for by what went wrong, and by what Streamlit says
    left_over = {key for key in strings.keys() - asked - computed if not key.startswith(elsewhere)}
    assert computed <= strings.keys()
    assert not left_over


def test_every_problem_has_a_text() -> None:
    source = "".join(file.read_text(encoding="utf-8") for file in UI.glob("*.py"))
    kinds = {"bytes", "pixels", "photo"} | set(re.findall(r'say_problem\([\w.()]*, "(\w+)"', source))
    assert {f"problem.{kind}" for kind in kinds} <= load_texts("ja").strings.keys()


def test_what_streamlit_says_is_said_in_the_pages_language() -> None:
    def said(words: str, language: str) -> str:
        exact, patterns = replacements(language)
        if words in exact:
            return exact[words]
        for pattern, text in patterns:
            # Python writes a group of this name otherwise than JavaScript.
            if found := re.match(pattern.replace("(?<", "(?P<"), words):
                return found.expand(re.sub(r"\$<(\w+)>", r"\\g<\1>", text))
        return words

    assert said("No results", "ja") == load_texts("ja")("streamlit.no_results")
    assert said("Remove red (12)", "ja") == "red (12)を外す"
    assert said("File must be 100.0MB or smaller.", "ja") == "100.0MB 以下のファイルを選んでください。"
    assert said("No results", "en") == "No results"
    assert said(load_texts("ja")("streamlit.no_results"), "en") == "No results"


@pytest.mark.parametrize("language", LANGUAGES)
def test_attributes_and_values_have_names(language: str) -> None:
    texts = load_texts(language)
    for attribute in load_schema().attributes:
        assert attribute.names[language] == texts.attribute(attribute)
        assert all(attribute.value_names[value][language] for value in attribute.values)
        assert texts.value(attribute, "")


@pytest.mark.parametrize(
    ("locale", "language"), [("ja", "ja"), ("ja-JP", "ja"), ("en-GB", "en"), ("fr", "en"), (None, "en")]
)
def test_the_browser_chooses_the_language(locale: str | None, language: str) -> None:
    assert language_for(locale) == language


def test_names_are_no_markdown() -> None:
    assert plain("*a* [b](c) <d> :e: $f$\ng") == r"\*a\* \[b\]\(c\) \<d\> \:e\: \$f\$ g"
