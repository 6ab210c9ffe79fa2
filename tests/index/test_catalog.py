"""The catalogue: what is stored stays, whatever happens; filters and several photos an item are right."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from index import catalog as catalog_module
from index.catalog import Catalog, NewPhoto, open_catalog, remove_items, write_catalog
from index.rows import Base
from index.storage import CatalogError, ModelInfo
from index.vectors import FaissIndex
from index.where import WhereError, parse_where

MODEL = ModelInfo("model-1", {"shape": 2, "hue": 2}, {"shape": {"round": [1.0, 0.0]}}, "")


def unit(angle: float) -> list[float]:
    return [float(np.cos(angle)), float(np.sin(angle))]


def photo(item: str, shape: float, hue: float, path: str | None = None, value: str = "round") -> NewPhoto:
    vector = np.array(unit(shape) + unit(hue), np.float32)
    values, confidences = {"shape": value, "hue": "red"}, {"shape": 0.9, "hue": 0.8}
    return NewPhoto(item, path or f"/photos/{item}.jpg", 10, 20, vector, values, confidences)


def query(shape: float, hue: float) -> np.ndarray:
    return np.array([unit(shape) + unit(hue)], np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A catalogue of 50 items whose shapes turn one way and hues the other; every tenth is square."""
    folder = tmp_path / "catalog"
    with write_catalog(folder) as catalog:
        photos = [photo(f"i{n}", n / 50, 1 - n / 50, value="square" if n % 10 == 0 else "round") for n in range(50)]
        catalog.store(photos, MODEL.fingerprint)
        catalog.set_facts({f"i{n}": {"price": str(n), "brand": "あ 'x'" if n % 2 else "b"} for n in range(50)})
        catalog.finish(MODEL)
    return folder


def found(catalog: Catalog, shape: float, hue: float, /, **weights: float) -> list[str]:
    return [hit.id for hit in catalog.search(query(shape, hue), weights, 3)]


def test_one_attribute_and_weighted_sums(folder: Path) -> None:
    catalog = open_catalog(folder)
    assert found(catalog, 0.5, 0.9, shape=1)[0] == "i25"
    assert found(catalog, 0.5, 0.9, hue=1)[0] == "i5"
    hits = catalog.search(query(0.5, 0.9), {"shape": 3, "hue": 1}, 50)
    expected = [(3 * np.cos(n / 50 - 0.5) + np.cos(1 - n / 50 - 0.9)) / 4 for n in range(50)]
    assert [hit.score for hit in hits] == pytest.approx(sorted(expected, reverse=True), abs=1e-5)
    assert hits[0].attributes["shape"].score == pytest.approx(np.cos(int(hits[0].id[1:]) / 50 - 0.5), abs=1e-5)
    assert hits[0].attributes["shape"].confidence == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("shape=square", [n for n in range(50) if n % 10 == 0]),
        ("shape!=square and price<12", [n for n in range(12) if n % 10]),
        ("price>=48", [48, 49]),
        ("price=7", [7]),
        ("brand=\"あ 'x'\" and price<=3", [1, 3]),
        ("id in (i3, i4)", [3, 4]),
        ("id=i3 or (price>47 and not shape=square)", [3, 48, 49]),
        ("price>1000", []),
    ],
)
def test_filters(folder: Path, where: str, expected: list[int]) -> None:
    hits = open_catalog(folder).search(query(0, 0), {"shape": 1}, 50, parse_where(where))
    assert sorted(hit.id for hit in hits) == sorted(f"i{n}" for n in expected)


@pytest.mark.parametrize("where", ["size=3", "shape<round"])
def test_filters_that_make_no_sense(folder: Path, where: str) -> None:
    with pytest.raises(WhereError):
        open_catalog(folder).search(query(0, 0), {"shape": 1}, 5, parse_where(where))


def test_a_label_goes_before_what_was_seen_and_can_be_taken_away(folder: Path) -> None:
    def shape_of_i1() -> tuple[str, bool]:
        catalog = open_catalog(folder)
        hit = catalog.search(query(0, 0), {"shape": 1}, 1, parse_where("id=i1"))[0]
        squares = catalog.search(query(0, 0), {"shape": 1}, 50, parse_where("shape=square"))
        assert ("i1" in {hit.id for hit in squares}) == (hit.attributes["shape"].value == "square")
        return hit.attributes["shape"].value, hit.attributes["shape"].labelled

    assert shape_of_i1() == ("round", False)
    with write_catalog(folder) as catalog:
        catalog.set_labels({"i1": {"shape": "square"}, "nobody": {"shape": "round"}})
    assert shape_of_i1() == ("square", True)
    with write_catalog(folder) as catalog:
        catalog.set_labels({"i1": {"shape": ""}})
    assert shape_of_i1() == ("round", False)


def test_the_best_photo_of_an_item_counts(folder: Path) -> None:
    with write_catalog(folder) as catalog:
        more = [photo("i0", 0.7 + n / 1000, 0, f"/photos/more{n}.jpg") for n in range(40)]
        catalog.store(more, MODEL.fingerprint)
        catalog.finish(MODEL)
    catalog = open_catalog(folder)
    hits = catalog.search(query(0.7, 0), {"shape": 1}, 5)
    assert [hit.id for hit in hits] == sorted({hit.id for hit in hits}, key=[hit.id for hit in hits].index)
    assert len(hits) == 5
    assert hits[0].id == "i0"
    assert hits[0].photo == "/photos/more0.jpg"
    assert "i0" not in [hit.id for hit in catalog.search(query(0.7, 0), {"shape": 1}, 5, without="i0")]


def test_a_query_of_many_photos_finds_what_is_most_alike(tmp_path: Path) -> None:
    """Its own photos take the places of the best; what one odd photo of it finds is no answer yet."""
    folder = tmp_path / "catalog"
    with write_catalog(folder) as catalog:
        own = [photo("dress", 0.0, 0.0, f"/photos/{n}.jpg") for n in range(11)] + [
            photo("dress", 2.0, 0.0, "/label.jpg")
        ]
        alike = [photo(f"alike{n}", 0.1 + n / 1000, 0.0) for n in range(20)]
        odd = [photo(f"odd{n}", 2.6 + n / 1000, 0.0) for n in range(20)]
        catalog.store(own + alike + odd, MODEL.fingerprint)
        catalog.finish(MODEL)
    catalog = open_catalog(folder)
    rows = catalog.item("dress")[0]
    for k in (1, 2, 3, 10):
        hits = catalog.search(rows, {"shape": 1}, k, without="dress")
        assert [hit.id for hit in hits] == [f"alike{n}" for n in range(k)]


def test_codes_dates_and_numbers_in_metadata(folder: Path) -> None:
    cells = {"i1": "0012", "i2": "12", "i3": "2024-03-01", "i4": "2023_01", "i5": "12.0", "i6": "123456789012345678"}
    with write_catalog(folder) as catalog:
        catalog.set_facts({item: {"code": cell} for item, cell in cells.items()} | {"i7": {"code": "none"}})
        catalog.finish(MODEL)

    def items(where: str) -> list[str]:
        found = open_catalog(folder).search(query(0, 0), {"shape": 1}, 50, parse_where(where))
        return sorted(hit.id for hit in found)

    assert items("code='0012'") == ["i1"]
    assert items("code=12") == ["i2", "i5"]
    assert items("code in (12, 0012)") == ["i1", "i2", "i5"]
    assert items("code>=2024") == ["i3"]
    assert items('code>="2024-01-01" and code<"2025"') == ["i3"]
    assert items("code=2023_01") == ["i4"]
    assert items("code=123456789012345679") == []
    assert items("code<100") == ["i1", "i2", "i5"]
    many = ", ".join(f"i{n}" for n in range(3000))
    assert len(items(f"id in ({many})")) == 50


def test_removed_items_are_gone(folder: Path) -> None:
    assert remove_items(["i25", "never"], folder) == ["never"]
    catalog = open_catalog(folder)
    assert found(catalog, 0.5, 0, shape=1)[0] != "i25"
    assert catalog.info()["items"] == 49
    assert catalog.verify() == [f"{folder}: 49 photos are no longer where they were; build with --prune drops them"]


@pytest.fixture(params=["index", "manifest", "checksum"])
def broken_finish(request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """From now on `finish` dies while it writes one of the files of `folder`."""
    if request.param == "index":

        def die(self: FaissIndex, path: Path) -> None:
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device", str(path))

        monkeypatch.setattr(FaissIndex, "save", die)
    else:

        def die_later(*_: object) -> None:
            raise OSError(28, "No space left on device")

        name = "write_manifest" if request.param == "manifest" else "sha256"
        monkeypatch.setattr(catalog_module, name, die_later)
    yield
    monkeypatch.undo()


@pytest.mark.usefixtures("broken_finish")
def test_a_crash_leaves_the_last_good_state(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = found(open_catalog(folder), 0.5, 0, shape=1)
    with pytest.raises(OSError, match="space"), write_catalog(folder) as catalog:
        catalog.store([photo("new", 0.5, 0)], MODEL.fingerprint)
        catalog.finish(MODEL)
    assert found(open_catalog(folder), 0.5, 0, shape=1) == before
    assert open_catalog(folder).info()["waiting"] == 1
    monkeypatch.undo()
    with write_catalog(folder) as catalog:
        catalog.finish(MODEL)
    assert "new" in found(open_catalog(folder), 0.5, 0, shape=1)
    assert len(list(folder.glob("index-*"))) == 1


def test_photos_embedded_again_replace_the_old_ones_only_when_finished(folder: Path) -> None:
    other = ModelInfo("model-2", MODEL.blocks, MODEL.prototypes, "")
    with write_catalog(folder) as catalog:
        catalog.store([photo(f"i{n}", 1 - n / 50, 0) for n in range(50)], other.fingerprint)
    assert found(open_catalog(folder), 0.5, 0, shape=1)[0] == "i25"
    assert found(open_catalog(folder), 0.1, 0, shape=1)[0] == "i5"
    with write_catalog(folder) as catalog:
        catalog.finish(other)
    assert found(open_catalog(folder), 0.1, 0, shape=1)[0] == "i45"
    assert open_catalog(folder).info()["photos"] == 50
    assert open_catalog(folder).info()["waiting"] == 0


def test_a_stopped_build_with_other_weights_goes_on_after_others_have_written(folder: Path) -> None:
    other = ModelInfo("model-2", MODEL.blocks, MODEL.prototypes, "")
    with write_catalog(folder) as catalog:
        catalog.store([photo(f"i{n}", 1 - n / 50, 0) for n in range(30)], other.fingerprint)
        assert {known.model for known in catalog.known_photos()} == {MODEL.fingerprint}
    with write_catalog(folder) as catalog:  # an upload, meanwhile
        catalog.store([photo("new", 0.5, 0)], MODEL.fingerprint)
        catalog.finish(MODEL)
    assert open_catalog(folder).info()["items"] == 51
    assert sum(open_catalog(folder).info()["values"]["shape"].values()) == 51
    with write_catalog(folder) as catalog:
        assert sum(known.model == "model-2" for known in catalog.known_photos("model-2")) == 30


def test_a_database_restored_from_a_backup_is_not_searched_by_a_later_index(folder: Path) -> None:
    backup = (folder / "catalog.db").read_bytes()
    with write_catalog(folder) as catalog:
        catalog.store([photo(f"lost{n}", 0.1, 0) for n in range(5)], MODEL.fingerprint)
        catalog.finish(MODEL)
    (folder / "catalog.db").write_bytes(backup)
    with write_catalog(folder) as catalog:
        catalog.store([photo(f"later{n}", 3 + n / 10, 0) for n in range(5)], MODEL.fingerprint)
        catalog.finish(MODEL)
    assert found(open_catalog(folder), 3.2, 0, shape=1)[0] == "later2"
    assert found(open_catalog(folder), 0.1, 0, shape=1)[0] == "i5"


def test_a_catalogue_keeps_its_database(folder: Path, tmp_path: Path) -> None:
    with (
        pytest.raises(CatalogError, match="has a database already"),
        write_catalog(folder, f"sqlite:///{tmp_path / 'other.db'}"),
    ):
        pass


@pytest.mark.parametrize("damage", ["missing", "short", "garbled"])
def test_a_damaged_index_is_made_anew(folder: Path, damage: str) -> None:
    before = found(open_catalog(folder), 0.5, 0, shape=1)
    file = next(folder.glob("index-*.faiss"))
    if damage == "missing":
        file.unlink()
    elif damage == "short":
        file.write_bytes(file.read_bytes()[:100])
    else:
        file.write_bytes(bytes(len(file.read_bytes())))
    catalog = open_catalog(folder)
    assert any(".faiss: " in problem for problem in catalog.verify())
    assert found(catalog, 0.5, 0, shape=1) == before
    assert "made anew" in catalog.warnings[0]
    with write_catalog(folder) as catalog:
        catalog.finish(MODEL)
    assert not [problem for problem in open_catalog(folder).verify() if ".faiss: " in problem]


def test_a_catalogue_that_was_opened_before_another_command_finished_is_read_as_it_is_now(folder: Path) -> None:
    opened = open_catalog(folder)
    with write_catalog(folder) as catalog:
        catalog.store([photo("new", 0.5, 0)], MODEL.fingerprint)
        catalog.finish(MODEL)
    assert "new" in found(opened, 0.5, 0, shape=1)
    assert opened.warnings == []


def test_only_one_writes_at_a_time(folder: Path) -> None:
    with write_catalog(folder), pytest.raises(CatalogError, match="another command"), write_catalog(folder):
        pass


def test_catalogues_of_other_versions_are_refused(folder: Path) -> None:
    manifest = folder / "manifest.json"
    text = manifest.read_text()
    manifest.write_text(json.dumps({**json.loads(text), "format": 99}))
    with pytest.raises(CatalogError, match="format 99"):
        open_catalog(folder)
    manifest.write_text(text[:50])
    with pytest.raises(CatalogError, match="damaged"):
        open_catalog(folder)
    manifest.write_text(text)
    with sqlite3.connect(folder / "catalog.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    for opened in (open_catalog, lambda folder: write_catalog(folder).__enter__()):
        with pytest.raises(CatalogError, match="9999"):
            opened(folder)


def test_no_catalogue_and_an_unfinished_one(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="no catalogue here"):
        open_catalog(tmp_path / "nowhere")
    with pytest.raises(CatalogError, match="no catalogue here"):
        remove_items(["x"], tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
    with write_catalog(tmp_path / "unfinished") as catalog:
        catalog.store([photo("a", 0, 0)], MODEL.fingerprint)
    with pytest.raises(CatalogError, match="same build command"):
        open_catalog(tmp_path / "unfinished")


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_lost_database_is_named_and_not_made_anew(tmp_path: Path, elsewhere: bool) -> None:
    folder = tmp_path / "lost"
    file = tmp_path / "other.db" if elsewhere else folder / "catalog.db"
    with write_catalog(folder, f"sqlite:///{file}" if elsewhere else None) as catalog:
        catalog.store([photo("a", 0, 0)], MODEL.fingerprint)
        catalog.finish(MODEL)
    file.unlink()
    with pytest.raises(CatalogError, match=rf"{file.name}: missing; restore it"):
        open_catalog(folder)
    with pytest.raises(CatalogError, match=rf"{file.name}: missing; restore it"), write_catalog(folder):
        pass
    assert not file.exists()


def test_migrations_make_the_tables_that_the_code_uses(folder: Path) -> None:
    with create_engine(f"sqlite:///{folder / 'catalog.db'}").connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
