"""A customer's own attributes: taught in minutes, while all others stay as they are."""

from pathlib import Path

import numpy as np
import pytest
import torch

from retrieval.attributes import Schema, load_schema
from retrieval.data import LabelledPhotos, read_labels
from retrieval.embedder import Embedder
from retrieval.network import RegionPatchNet
from retrieval.train import TrainConfig, TrainError, adapt
from retrieval.trunks import new_network
from retrieval.weights import Model, save_model

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
    adapted = adapt(labelled, wanted, model, CONFIG, tmp_path / "run", CPU)
    assert adapted is not None
    assert adapted.schema.keys == (*model.schema.keys, "wearer")
    assert adapted.schema["sleeve"].values == ("yes", "no")
    assert adapted.temperatures[:2] == model.temperatures[:2]
    embedders = []
    for name, one in (("before", model), ("after", adapted)):
        save_model(one, tmp_path / name)
        embedders.append(Embedder.load(tmp_path / name, device="cpu"))
    before, after = (embedder.embed(labelled.paths[:12]) for embedder in embedders)
    for key in model.schema.keys:
        if key != "sleeve":
            assert np.allclose(before.vectors[key], after.vectors[key], atol=1e-5), key
            assert before.values[key] == after.values[key]
    assert set(after.values["sleeve"]) <= {"yes", "no", ""}
    learned = (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    assert float(learned[-1].split('"loss": ')[1].split(",")[0]) < float(learned[0].split('"loss": ')[1].split(",")[0])


def test_nothing_new_is_said(model: Model, labelled: LabelledPhotos, tmp_path: Path) -> None:
    with pytest.raises(TrainError, match="has all attributes"):
        adapt(labelled, Schema(model.schema.attributes[:2]), model, CONFIG, tmp_path, CPU)
