"""A customer's own attributes: taught in minutes, while all others stay as they are."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from index.catalog import open_catalog
from index.storage import CatalogError
from retrieval.adapt import extended_network, merged_schema, unchanged
from retrieval.attributes import Schema, load_schema
from retrieval.build import build
from retrieval.data import LabelledPhotos, read_labels
from retrieval.embedder import Embedder
from retrieval.network import RegionPatchNet
from retrieval.thumbnails import thumbnail_file
from retrieval.train import TrainConfig, TrainError, adapt
from retrieval.trunks import new_network
from retrieval.weights import Model, fingerprint, save_model

CPU = torch.device("cpu")
CONFIG = TrainConfig(epochs=3, batch=12, held_out=0.0)


@pytest.fixture
def wanted(tmp_path: Path) -> Schema:
    """Who wears it, and sleeves of two lengths in place of four."""
    file = tmp_path / "own.toml"
    file.write_text(
        '[wearer]\nen = "For"\n[wearer.values]\nfeet = { en = "Feet" }\nothers = {}\n'
        "[sleeve]\n[sleeve.values]\nyes = {}\nno = {}\n"
    )
    return load_schema(file)


@pytest.fixture
def labelled(samples: Path, tmp_path: Path, wanted: Schema) -> LabelledPhotos:
    rows = [line.split(",") for line in (samples / "labels.csv").read_text().splitlines()]
    names = rows[0]
    lines = ["id,sender,wearer,sleeve"]
    for cells in rows[1:]:
        row = dict(zip(names, cells, strict=False))
        sleeve = "" if not row["sleeve"] else "no" if row["sleeve"] == "sleeveless" else "yes"
        lines.append(f"{row['id']},{row['sender']},{'feet' if row['category'] == 'shoes' else 'others'},{sleeve}")
    (tmp_path / "own.csv").write_text("\n".join(lines))
    return read_labels(samples / "photos", tmp_path / "own.csv", wanted).subset(np.arange(36))


@pytest.fixture
def model() -> Model:
    torch.manual_seed(0)
    schema = load_schema()
    network: RegionPatchNet = new_network(tuple(len(attribute.values) for attribute in schema.attributes))
    return Model(network.eval(), schema, 64, tuple(range(1, 8)), {}, cut_outs=False)


def test_new_attributes_are_learned_and_the_others_do_not_move(
    model: Model, wanted: Schema, labelled: LabelledPhotos, tmp_path: Path
) -> None:
    save_model(model, tmp_path / "before")
    adapted = adapt(labelled, wanted, tmp_path / "before", CONFIG, tmp_path / "run", CPU)
    assert adapted is not None
    save_model(adapted, tmp_path / "after")
    assert adapted.schema.keys == (*model.schema.keys, "wearer")
    assert adapted.schema["sleeve"].values == ("yes", "no")
    assert adapted.temperatures[:2] == model.temperatures[:2]
    embedders = [Embedder.load(tmp_path / name, device="cpu") for name in ("before", "after")]
    before, after = (embedder.embed(labelled.paths[:12]) for embedder in embedders)
    for key in model.schema.keys:
        if key != "sleeve":
            assert np.allclose(before.vectors[key], after.vectors[key], atol=1e-5), key
            assert before.values[key] == after.values[key]
    assert set(after.values["sleeve"]) <= {"yes", "no", ""}
    learned = (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    assert float(learned[-1].split('"loss": ')[1].split(",")[0]) < float(learned[0].split('"loss": ')[1].split(",")[0])


def test_nothing_new_is_said(model: Model, labelled: LabelledPhotos, tmp_path: Path) -> None:
    save_model(model, tmp_path / "before")
    with pytest.raises(TrainError, match="has all attributes"):
        adapt(labelled, Schema(model.schema.attributes[:2]), tmp_path / "before", CONFIG, tmp_path, CPU)


@pytest.mark.parametrize("cut_outs", [True, False])
def test_a_catalogue_gets_a_new_attribute_and_keeps_what_it_has(
    model: Model, wanted: Schema, labelled: LabelledPhotos, some_photos: Path, tmp_path: Path, cut_outs: bool
) -> None:
    save_model(replace(model, cut_outs=cut_outs), tmp_path / "before")
    old = Embedder.load(tmp_path / "before", device="cpu")
    catalog = tmp_path / "catalog"
    build([some_photos], catalog, old)
    before = open_catalog(catalog)
    schema = merged_schema(model.schema, wanted)
    adapted = Model(
        extended_network(model, schema).eval(),
        schema,
        model.size,
        (*model.temperatures, 6.0),  # an untrained head is not to be sure of anything
        {},
        cut_outs,
        adapted_from=fingerprint(tmp_path / "before"),
        kept=tuple(unchanged(model.schema, schema)),
    )
    save_model(adapted, tmp_path / "after")
    items = sorted(photo.stem for photo in some_photos.iterdir())
    rows = {item: before.item(item)[0][0] for item in items}
    old_spans = before.model.spans()
    gone = next(iter(some_photos.iterdir()))
    gone.unlink()  # its small picture is enough

    new = Embedder.load(tmp_path / "after", device="cpu")
    others = tmp_path / "others"
    others.mkdir()
    shutil.copy(labelled.paths[30], others)
    report = build([others], catalog, new)
    assert (report.extended, report.embedded, report.items) == (6, 1, 7)
    after = open_catalog(catalog)
    spans = after.model.spans()
    for item in items:
        row, values, _ = after.item(item)
        assert set(values) == set(schema.keys)
        for key in adapted.kept:
            assert np.array_equal(row[0][slice(*spans[key])], rows[item][slice(*old_spans[key])])
    # What is read in the small pictures is what is read in the photos, nearly, and in no other.
    kept_photos = sorted(some_photos.iterdir())
    direct = new.embed(kept_photos).vectors["wearer"]
    extended = np.stack([after.item(photo.stem)[0][0][slice(*spans["wearer"])] for photo in kept_photos])
    assert (direct * extended).sum(axis=1).min() > 0.8
    assert ((direct @ extended.T).argmax(axis=1) == np.arange(5)).all()
    assert build([others], catalog, new).unchanged == 1


def test_other_weights_lose_no_photo(model: Model, some_photos: Path, tmp_path: Path) -> None:
    save_model(model, tmp_path / "one")
    save_model(replace(model, temperatures=(1.0,) * len(model.schema.keys)), tmp_path / "other")
    one, other = (Embedder.load(tmp_path / name, device="cpu") for name in ("one", "other"))
    catalog = tmp_path / "catalog"
    build([some_photos], catalog, one)
    first, second, *_ = sorted(some_photos.iterdir())
    report = build([first], catalog, other)  # those that are not given are embedded anew as well
    assert (report.embedded, report.items) == (6, 6)
    second.unlink()
    with pytest.raises(CatalogError, match=f"1 of its photos can't be read, such as .*{second.name}"):
        build([first], catalog, one)
    assert open_catalog(catalog).model.fingerprint == other.fingerprint
    assert open_catalog(catalog).item(second.stem)
    assert build([first], catalog, one, prune=True).items == 5


def test_photos_that_were_moved_are_not_doubled_by_other_weights(
    model: Model, some_photos: Path, tmp_path: Path
) -> None:
    save_model(replace(model, cut_outs=True), tmp_path / "one")
    save_model(model, tmp_path / "other")
    catalog = tmp_path / "catalog"
    build([some_photos], catalog, Embedder.load(tmp_path / "one", device="cpu"))
    moved = some_photos.rename(tmp_path / "moved")
    report = build([moved], catalog, Embedder.load(tmp_path / "other", device="cpu"))
    assert (report.embedded, report.items, report.remarks) == (6, 6, [])
    photos = open_catalog(catalog).known_photos()
    assert {Path(photo.path).parent for photo in photos} == {moved}
    # Their small pictures went along.
    assert all(thumbnail_file(catalog, photo.path, cut_out=True).is_file() for photo in photos)


def test_mattes_for_adapting_are_found_in_subfolders(
    model: Model, wanted: Schema, some_photos: Path, tmp_path: Path
) -> None:
    save_model(replace(model, cut_outs=True), tmp_path / "before")
    within = tmp_path / "tree" / "sku"
    within.parent.mkdir()
    some_photos.rename(within)
    rows = [f"sku/{photo.stem},feet" for photo in within.iterdir()]
    (tmp_path / "mine.csv").write_text("\n".join(["id,wearer", *rows]))
    labelled = read_labels(tmp_path / "tree", tmp_path / "mine.csv", wanted)
    adapted = adapt(labelled, wanted, tmp_path / "before", replace(CONFIG, batch=4), tmp_path / "run", CPU)
    assert adapted is not None
    squares = np.load(next((tmp_path / "run").glob("shown-*.npy")))
    assert (squares[0] != squares[1]).any(axis=(1, 2, 3)).all()  # each was cut out


def test_a_run_of_other_labels_is_not_gone_on_with(
    model: Model, wanted: Schema, labelled: LabelledPhotos, tmp_path: Path
) -> None:
    save_model(model, tmp_path / "before")
    assert adapt(labelled, wanted, tmp_path / "before", CONFIG, tmp_path / "run", CPU)
    corrected = {key: target[:, ::-1].copy() for key, target in labelled.targets.items()}
    with pytest.raises(TrainError, match="other settings or data"):
        adapt(replace(labelled, targets=corrected), wanted, tmp_path / "before", CONFIG, tmp_path / "run", CPU)
