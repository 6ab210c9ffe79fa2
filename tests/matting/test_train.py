"""Training: it can be stopped and goes on the same, starts from pre-training, and writes weights that can be used."""

import json
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from matting import train as train_module
from matting.__main__ import _with_turns, app
from matting.data import LayerCache, TrainingPhoto, read_training_photos
from matting.network import MattingNetwork
from matting.pretrain import pretrain
from matting.train import Batches, TrainConfig, TrainError, new_network, run_steps, start_from, start_training, train
from matting.trunks import packaged_weights
from matting.weights import Model, WeightsError, load_model, save_model

CPU = torch.device("cpu")
CONFIG = TrainConfig(steps=4, batch=2, size=64, held_out=0.3)
CLASSES = ["t-shirt", "dress"]


@pytest.fixture(scope="module")
def photos(samples: Path) -> list[TrainingPhoto]:
    found = read_training_photos(samples / "photos", [samples / "alphas"], None, samples / "labels.csv", "", CLASSES)
    return [photo for photo in found if photo.matte][:12]


def run(photos: list[TrainingPhoto], folder: Path, config: TrainConfig = CONFIG) -> MattingNetwork | None:
    torch.manual_seed(config.seed)
    return train(photos, new_network(config, len(CLASSES)), config, folder, CPU)


def test_a_stopped_run_goes_on_the_same(
    photos: list[TrainingPhoto], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(photos, tmp_path / "whole")
    assert whole is not None
    step = train_module.train_step

    def interrupted(state: train_module.TrainState[MattingNetwork], *rest: object) -> float:
        loss = step(state, *rest)  # type: ignore[arg-type]
        if state.step == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return loss

    monkeypatch.setattr(train_module, "train_step", interrupted)
    assert run(photos, tmp_path / "stopped") is None
    monkeypatch.undo()
    continued = run(photos, tmp_path / "stopped")
    assert continued is not None
    for name, tensor in whole.state_dict().items():
        assert torch.allclose(tensor.float(), continued.state_dict()[name].float(), atol=1e-6), name


def test_held_out_senders_are_measured(photos: list[TrainingPhoto], tmp_path: Path) -> None:
    run(photos, tmp_path)
    (row,) = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert row["step"] == 4
    assert 0 <= row["iou_10th_percentile"] <= row["iou"] <= 1


def test_a_run_with_other_settings_is_not_continued(photos: list[TrainingPhoto], tmp_path: Path) -> None:
    run(photos, tmp_path)
    with pytest.raises(TrainError, match="other settings"):
        run(photos, tmp_path, TrainConfig(steps=4, batch=2, size=64, held_out=0.3, seed=1))
    with pytest.raises(TrainError, match="other settings or data"):
        run(photos[1:], tmp_path)
    (tmp_path / "checkpoint.pt").write_bytes(b"no checkpoint")
    with pytest.raises(TrainError, match="damaged"):
        run(photos, tmp_path)


def test_training_lowers_the_error(photos: list[TrainingPhoto], tmp_path: Path) -> None:
    """A few steps on a few photos are enough to tell product from floor better than chance."""
    config = TrainConfig(steps=150, batch=4, size=96, held_out=0.0, average_decay=0.9)
    trained = run(photos, tmp_path, config)
    assert trained is not None
    cache = train_module.LayerCache(tmp_path / "layers")
    before = train_module.measure(new_network(config, len(CLASSES)).eval(), photos, cache, 96)
    after = train_module.measure(trained, photos, cache, 96)
    assert after["mse"] < 0.6 * before["mse"]


def test_weights_keep_the_network(tmp_path: Path) -> None:
    network = new_network(TrainConfig(), 3).eval()
    save_model(Model(network, ("a", "b", "c"), 96, {"training": "none"}), tmp_path / "w.safetensors")
    loaded = load_model(tmp_path / "w.safetensors")
    photo = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(network(photo).alpha, loaded.network(photo).alpha, atol=5e-3)
    assert (loaded.classes, loaded.size) == (("a", "b", "c"), 96)
    assert not list(tmp_path.glob("*.unfinished"))


def test_weights_that_can_not_be_used_are_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"none\.safetensors: there is no such"):
        load_model(tmp_path / "none.safetensors")
    (tmp_path / "w.safetensors").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match=r"w\.safetensors: not a weights file"):
        load_model(tmp_path / "w.safetensors")


def test_pretraining_and_training_by_command(samples: Path, photos: list[TrainingPhoto], tmp_path: Path) -> None:
    """What the pre-training command writes starts the training command, whose weights cut photos."""
    for folder in ("photos", "alphas"):
        (tmp_path / folder).mkdir()
    for photo in photos[:6]:
        (tmp_path / "photos" / photo.photo.name).symlink_to(photo.photo)
        assert photo.matte is not None
        (tmp_path / "alphas" / photo.matte.name).symlink_to(photo.matte)
    common = ["--photos", str(tmp_path / "photos"), "--batch", "4", "--size", "64", "--steps", "2"]
    pretraining = ["pretrain", *common, "--run", str(tmp_path / "a"), "--out", str(tmp_path / "a.safetensors")]
    result = CliRunner().invoke(app, [*pretraining, "--classes", "17"])
    assert result.exit_code == 0, result.output
    training = ["train", *common, "--alphas", str(tmp_path / "alphas"), "--labels", str(samples / "labels.csv")]
    training += ["--split", "", "--run", str(tmp_path / "b"), "--out", str(tmp_path / "b.safetensors")]
    result = CliRunner().invoke(app, [*training, "--start", str(tmp_path / "a.safetensors")])
    assert result.exit_code == 0, result.output
    cutting = ["cut", str(tmp_path / "photos"), "--out", str(tmp_path / "cut")]
    result = CliRunner().invoke(app, [*cutting, "--weights", str(tmp_path / "b.safetensors")])
    assert result.exit_code == 0, result.output
    assert len(list((tmp_path / "cut").glob("*.png"))) == 6


def test_pretraining_needs_two_photos(photos: list[TrainingPhoto], tmp_path: Path) -> None:
    with pytest.raises(TrainError, match="give two or more"):
        pretrain(photos[:1], new_network(CONFIG, 0), CONFIG, tmp_path, CPU)


def test_what_a_worker_fails_of_is_told_in_one_line(photos: list[TrainingPhoto], tmp_path: Path) -> None:
    """A photo that can't be read any more, after all were read once."""
    for name in ("photos", "run"):
        (tmp_path / name).mkdir()
    own = [replace(photo, photo=tmp_path / "photos" / photo.photo.name) for photo in photos]
    for photo, moved in zip(photos, own, strict=True):
        moved.photo.symlink_to(photo.photo)
    batches = Batches(own, LayerCache(tmp_path / "run" / "layers"), CONFIG)
    shutil.rmtree(tmp_path / "run" / "layers")
    for moved in own:
        moved.photo.unlink()
        moved.photo.write_bytes(b"nothing")
    state = start_training(new_network(CONFIG, len(CLASSES)), CONFIG)
    with pytest.raises(TrainError) as told:
        run_steps(state, CONFIG, batches, lambda _: 0.0, lambda _: {}, own, tmp_path / "run")
    assert "\n" not in str(told.value)
    assert "Traceback" not in str(told.value)


def test_starting_weights_are_taken_over_by_name(tmp_path: Path) -> None:
    """Pre-trained weights of a network with another number of classes serve too, but for its last layer."""
    first, second = new_network(TrainConfig(), 3), new_network(TrainConfig(), 5)
    save_model(Model(first, (), 96, {}), tmp_path / "w.safetensors")
    start_from(second, tmp_path / "w.safetensors")
    assert torch.allclose(second.matte_network.stem.weight, first.matte_network.stem.weight, atol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--alphas", "{tmp}/none"], "none"),
        (["--labels", "{tmp}/none.csv"], "none.csv"),
        (["--start", "{tmp}/none.safetensors"], "none.safetensors: there is no such weights file"),
        (["--trunk", "resnet17"], "no model 'resnet17'"),
    ],
)
def test_training_on_what_is_not_there_is_one_line(
    samples: Path, tmp_path: Path, arguments: list[str], complaint: str
) -> None:
    given = dict(zip(arguments[::2], arguments[1::2], strict=True))
    options = {
        "--photos": str(samples / "photos"),
        "--alphas": str(samples / "alphas"),
        "--labels": str(samples / "labels.csv"),
        "--split": "",
        "--run": str(tmp_path / "run"),
        "--out": str(tmp_path / "w.safetensors"),
        **{name: value.format(tmp=tmp_path) for name, value in given.items()},
    }
    result = CliRunner().invoke(app, ["train", *[word for pair in options.items() for word in pair]])
    assert result.exit_code == 1
    assert complaint in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_photos_of_a_category_or_a_folder_come_twice(samples: Path) -> None:
    photos = read_training_photos(samples / "photos", [samples / "alphas"], None, samples / "labels.csv", "", CLASSES)
    found = _with_turns(photos, CLASSES, ["dress", str(samples / "alphas")])
    assert [photo.turns for photo in found] == [
        (3 if photo.class_ == CLASSES.index("dress") else 2) if photo.matte else 1 for photo in found
    ]
    assert {photo.turns for photo in found} >= {2, 3}


def test_only_known_classes_come_twice(samples: Path, tmp_path: Path) -> None:
    options = ["--photos", samples / "photos", "--alphas", samples / "alphas", "--labels", samples / "labels.csv"]
    options += ["--split", ""]
    options += ["--run", tmp_path / "run", "--out", tmp_path / "w.safetensors", "--twice", "sandal"]
    result = CliRunner().invoke(app, ["train", *map(str, options)])
    assert result.exit_code == 2
    assert "--twice sandal" in result.stderr
    assert "shoes" in result.stderr


def test_weights_of_the_other_kind_are_taken_over_as_far_as_they_go(tmp_path: Path) -> None:
    """With and without class features, networks share all that reads the photo."""
    aware, plain = (new_network(TrainConfig(class_aware=of), 2) for of in (True, False))
    for network, name in ((aware, "aware"), (plain, "plain")):
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter)
        save_model(Model(network, (), 64, {}), tmp_path / f"{name}.safetensors")
    for name, other in (("aware", new_network(TrainConfig(class_aware=False), 2)), ("plain", new_network(CONFIG, 2))):
        known = load_model(tmp_path / f"{name}.safetensors").network
        start_from(other, tmp_path / f"{name}.safetensors")
        for part in ("trimap_network.trunk.conv_stem", "matte_network.stem"):
            one, taken = known.get_parameter(f"{part}.weight"), other.get_parameter(f"{part}.weight")
            shared = min(one.shape[1], taken.shape[1])
            assert torch.equal(one[:, :shared], taken[:, :shared])


def test_larger_trunks_come_from_their_packages() -> None:
    network = new_network(TrainConfig(trunk="tf_efficientnet_lite1"), 2)
    stored = torch.load(str(packaged_weights("tf_efficientnet_lite1")), weights_only=True, map_location="cpu")
    assert torch.equal(network.trimap_network.trunk.conv_stem.weight[:, :3], next(iter(stored.values())))
