"""The address holds a search, whole, and survives whatever stands in it."""

import numpy as np
import pytest

from index.where import parse_where
from retrieval.attributes import load_schema
from retrieval.search import Garment
from ui.address import Search, decode_garment, encode_garment, from_address, to_address, where_text

SCHEMA = load_schema()
COLUMNS = ("brand:x", "price", "received")
BLOCKS = dict.fromkeys(SCHEMA.keys, 16)


@pytest.fixture
def garment() -> Garment:
    rows = np.random.default_rng(1).normal(size=(1, 16 * len(BLOCKS))).astype(np.float32).reshape(-1, 16)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    values = dict.fromkeys(SCHEMA.keys, "") | {"category": "dress", "collar": "v-neck"}
    return Garment(rows.reshape(1, -1), values, dict.fromkeys(SCHEMA.keys, 0.75))


def test_a_search_comes_back_from_its_address() -> None:
    search = Search(
        item="a/b c:ü",
        whole=True,
        weights={"collar": 1.0, "color": 2.5},
        change={"collar": "v-neck"},
        filters={"category": ("dress", "skirt"), "brand:x": ('"H" & M:',)},
        between={"price": (10.0, 19.5), "received": (20261126.0, 20261231.0)},
        page=3,
        kept=("one", "two"),
    )
    assert from_address(to_address(search), SCHEMA, COLUMNS) == search
    assert to_address(Search()) == {}


@pytest.mark.parametrize(
    "parameters",
    [
        {"by": ["nothing", "collar:x"], "set": ["collar:nothing", "sleeve"], "page": ["-7"]},
        {"is": ["category:nothing", ":", "x"], "between": ["price", "price:9:1", "price:nan:2"], "page": ["1e999"]},
        {"is": ["gone:x"], "between": ["gone:1:2"]},  # columns that the catalogue had once
        {"kept": ["a"] * 500, "page": ["x"], "seen": ["%%%"]},
    ],
)
def test_what_can_not_be_understood_is_left_out(parameters: dict[str, list[str]]) -> None:
    search = from_address(parameters, SCHEMA, COLUMNS)
    assert search.weights in ({}, {"collar": 1.0})
    assert not search.change
    assert not search.filters
    assert not search.between
    assert search.page == 1
    assert len(search.kept) <= 1


def test_filters_are_a_condition_whatever_their_values_hold() -> None:
    search = Search(filters={"brand": ('a" or "b', "c\\"), "collar": ("crew",)}, between={"price": (1.0, 2.0)})
    text = where_text(search)
    assert text is not None
    parse_where(text)
    assert "collar" not in str(where_text(search, without="collar"))
    assert where_text(Search()) is None


def test_what_was_seen_in_a_photo_comes_back(garment: Garment) -> None:
    text = encode_garment(garment, SCHEMA, "0123456789abcdef")
    assert len(text) < 250
    back = decode_garment(text, SCHEMA, BLOCKS, "0123456789abcdef")
    assert back.values == garment.values
    assert back.confidences["collar"] == pytest.approx(0.75, abs=0.01)
    cosines = (back.rows * garment.rows).reshape(-1, 16).sum(axis=1)
    assert cosines.min() > 0.999


def test_what_was_seen_is_refused_when_photos_are_shown_or_vectors_made_otherwise(garment: Garment) -> None:
    text = encode_garment(garment, SCHEMA, "0123456789abcdef-2-320")
    with pytest.raises(ValueError):
        decode_garment(text, SCHEMA, BLOCKS, "0123456789abcdef-2-480")


@pytest.mark.parametrize("text", ["", "x", "01234567.AAAA", "ffffffff.", "01234567.é", "01234567.A"])
def test_what_was_seen_by_another_model_or_is_damaged_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        decode_garment(text, SCHEMA, BLOCKS, "0123456789abcdef")
