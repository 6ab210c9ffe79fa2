"""The language of --where."""

import pytest

from index.where import All, Any, Comparison, Not, WhereError, comparisons, parse_where

A, B, C = Comparison("a", "=", "1"), Comparison("b", "=", "2"), Comparison("c", "=", "3")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=b", Comparison("a", "=", "b")),
        ("a == b", Comparison("a", "=", "b")),
        ("a!=b", Not(Comparison("a", "=", "b"))),
        ("price <= 30.5", Comparison("price", "<=", "30.5")),
        ("ブランド='H & M'", Comparison("ブランド", "=", "H & M")),
        (r'name="say \"hi\""', Comparison("name", "=", 'say "hi"')),
        ("category=t-shirt", Comparison("category", "=", "t-shirt")),
        ("a in (b, 'c d')", Any((Comparison("a", "=", "b"), Comparison("a", "=", "c d")))),
        ("a=1 or b=2 and c=3", Any((A, All((B, C))))),
        ("(a=1 OR b=2) AND NOT c=3", All((Any((A, B)), Not(C)))),
    ],
)
def test_understood(text: str, expected: object) -> None:
    assert parse_where(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "  ", "a", "a=", "=b", "a=b c=d", "(a=b", "a=b)", "a in b", "a in ()", "a ~ b", "a='b", "not", "a = and"],
)
def test_not_understood(text: str) -> None:
    with pytest.raises(WhereError, match="--where") as error:
        parse_where(text)
    assert "\n" not in str(error.value)


def test_all_comparisons_are_found() -> None:
    assert [c.name for c in comparisons(parse_where("a=1 and not (b=2 or c in (3, 4))"))] == ["a", "b", "c", "c"]
