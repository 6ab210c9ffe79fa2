"""Corrections count at once, are undone one by one, and overwrite nothing; pages and counts follow them."""

import sqlite3
from pathlib import Path

import numpy as np
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, inspect

from index import browse, corrections
from index import catalog as catalog_module
from index.catalog import Catalog, NewPhoto, open_catalog, write_catalog
from index.storage import CatalogError, ModelInfo
from index.where import parse_where

MODEL = ModelInfo("model-1", {"shape": 2}, {"shape": {"round": [1.0, 0.0]}}, "")


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """Ten round items; i1 is labelled square, all have a price and a brand."""
    with write_catalog(tmp_path / "catalog") as writer:
        vector = np.array([1, 0], np.float32)
        photos = [NewPhoto(f"i{n}", f"/p/{n}.jpg", 1, 1, vector, {"shape": "round"}, {"shape": 0.9}) for n in range(10)]
        writer.store(photos, MODEL.fingerprint)
        writer.set_labels({"i1": {"shape": "square"}})
        writer.set_facts({f"i{n}": {"price": str(n), "brand": "a" if n % 2 else "b"} for n in range(10)})
        writer.finish(MODEL)
    return open_catalog(tmp_path / "catalog")


def shaped(catalog: Catalog, value: str) -> list[str]:
    hits = catalog.search(np.array([[1, 0]], np.float32), {"shape": 1}, 20, parse_where(f"shape={value}"))
    return sorted(hit.id for hit in hits)


def test_the_newest_correction_counts_before_labels_until_it_is_undone(catalog: Catalog) -> None:
    corrections.correct(catalog.engine, "i1", "shape", "oval", "Aoi")
    corrections.correct(catalog.engine, "i1", "shape", "flat", "Ren")
    assert shaped(catalog, "flat") == ["i1"]
    assert shaped(catalog, "oval") == shaped(catalog, "square") == []
    assert catalog.item("i1")[1]["shape"] == ("flat", 1.0, True)
    newest, oldest = corrections.corrections(catalog.engine)
    assert (newest.value, newest.who, newest.predicted, newest.undone) == ("flat", "Ren", "round", None)
    assert corrections.undo(catalog.engine, newest.id)
    assert not corrections.undo(catalog.engine, newest.id)
    assert shaped(catalog, "oval") == ["i1"]
    assert corrections.undo(catalog.engine, oldest.id)
    assert shaped(catalog, "square") == ["i1"]
    assert len(corrections.corrections(catalog.engine)) == 2


def test_an_attribute_can_be_said_not_to_apply(catalog: Catalog) -> None:
    before = corrections.state(catalog.engine)
    corrections.correct(catalog.engine, "i2", "shape", "", "Aoi")
    assert "i2" not in shaped(catalog, "round")
    assert browse.value_counts(catalog, None)["shape"] == {"": 1, "round": 8, "square": 1}
    assert corrections.state(catalog.engine) != before
    with pytest.raises(CatalogError):
        corrections.correct(catalog.engine, "nobody", "shape", "oval", "Aoi")


def test_corrections_survive_the_next_build_and_go_with_their_item(catalog: Catalog) -> None:
    corrections.correct(catalog.engine, "i3", "shape", "oval", "Aoi")
    with write_catalog(catalog.folder) as writer:
        writer.finish(MODEL)
    assert shaped(open_catalog(catalog.folder), "oval") == ["i3"]
    catalog_module.remove_items(["i3"], catalog.folder)
    assert corrections.corrections(open_catalog(catalog.folder).engine) == []


def test_pages_and_columns(catalog: Catalog) -> None:
    assert browse.items_page(catalog, None, 8, 5) == [("i8", "/p/8.jpg"), ("i9", "/p/9.jpg")]
    assert browse.items_page(catalog, parse_where("price<3"), 0, 1) == [("i0", "/p/0.jpg")]
    assert browse.count_items(catalog, None) == 10
    assert browse.count_items(catalog, parse_where("price<3")) == 3
    brand, price = browse.columns(catalog, parse_where("price<3"))
    assert (brand.name, brand.bounds, brand.counts) == ("brand", None, {"b": 2, "a": 1})
    assert (price.name, price.bounds, price.whole, price.items) == ("price", (0, 9), True, 3)
    assert price.bars == (1, 1, 1, 0, 0, 0, 0, 0, 0, 0)
    assert browse.columns(catalog, None)[1].bars == (1,) * 10


def test_catalogues_of_before_are_brought_up_to_date(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'catalog.db'}")
    config = Config()
    config.set_main_option("script_location", str(Path(catalog_module.__file__).with_name("migrations")))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    assert not inspect(engine).has_table("correction")
    engine.dispose()
    with write_catalog(tmp_path):
        pass
    with sqlite3.connect(tmp_path / "catalog.db") as connection:
        assert connection.execute("SELECT count(*) FROM correction").fetchone() == (0,)
