"""Close-ups: that they show a garment's upper part in detail, and become a part of a network that reads better."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from safetensors.numpy import load_file, save_file
from typer.testing import CliRunner

from matting import read_matte, read_photo
from matting.weights import WeightsError, read_weights
from retrieval import train as train_module
from retrieval.attributes import Attribute, Schema
from retrieval.data import close_up, cut_square, load_squares
from retrieval.embedder import Embedder
from retrieval.held_out import fit_close_up_shares
from retrieval.network import RegionPatchNet
from retrieval.train import TrainConfig, adapt, with_close_up
from retrieval.weights import FORMAT, Model, load_model, save_model


def without_close_ups(model: Model) -> Model:
    """The same model, but that its close-ups count nothing."""
    model.network.close_up_share.zero_()
    return model


def garments_alone(model: Model) -> Model:
    """The same model as one that has never been added a network of close-ups."""
    network = RegionPatchNet(replace(model.network.config, close_up=None)).eval()
    own = {name: of for name, of in model.network.state_dict().items() if not name.startswith("close_up.")}
    network.load_state_dict(own)
    network.close_up_share.zero_()
    return replace(model, network=network, temperatures=model.temperatures_alone, temperatures_alone=())


def test_a_close_up_shows_the_upper_part_as_large_as_it_is() -> None:
    random = np.random.default_rng(0)
    square = np.zeros((200, 200, 4), np.uint8)
    square[40:190, 90:180] = (*random.integers(0, 256, 3), 255)
    square[40:60, 120:150, :3] = random.integers(0, 256, (20, 30, 3))  # a collar
    shown = close_up(square)
    assert shown.shape == (100, 100, 4)
    at = int(np.flatnonzero(shown[..., 3].any(axis=1))[0])
    assert 0 < at < 15
    columns = np.flatnonzero(shown[..., 3].any(axis=0))
    assert abs(columns.mean() - 49.5) <= 1
    left = 134 - 50  # the garment's middle
    assert np.array_equal(shown[at : at + 20], square[40:60, left : left + 100])
    assert close_up(np.zeros_like(square)).shape == (100, 100, 4)


def test_a_close_up_lies_on_grey_whatever_is_left_around_the_garment(samples: Path) -> None:
    alpha = sorted((samples / "alphas").iterdir())[0]
    photo = read_photo(samples / "photos" / f"{alpha.stem}.jpg")
    matte = read_matte(alpha, photo.size)
    on_grey = close_up(cut_square(photo, matte, 400)).astype(int)
    around = on_grey[..., 3] == 0
    for surroundings in (0.3, 1.0):
        square = cut_square(photo, matte, 400, surroundings)
        assert np.abs(close_up(square)[around][:, :3].astype(int) - 127).mean() > 3
        shown = close_up(square, surroundings).astype(int)
        assert np.abs(shown[around][:, :3] - 127).max() == 0
        assert np.abs(shown - on_grey).mean() < 0.5


def test_a_close_up_stays_inside_of_the_square() -> None:
    for rows, columns in ((slice(0, 20), slice(0, 10)), (slice(180, 200), slice(190, 200))):
        square = np.zeros((200, 200, 4), np.uint8)
        square[rows, columns, 3] = 255
        assert (close_up(square)[..., 3] > 0).sum() == 200


def test_close_ups_count_in_vectors_and_confidences(sample_photos: list[Path], tmp_path: Path) -> None:
    save_model(without_close_ups(load_model()), tmp_path / "without.safetensors")
    embedders = (Embedder.load(path, device="cpu") for path in (None, tmp_path / "without.safetensors"))
    told = [embedder.embed(sample_photos[:8]) for embedder in embedders]
    for key in told[0].vectors:
        assert not np.allclose(told[0].vectors[key], told[1].vectors[key], atol=1e-3), key
        assert not np.allclose(told[0].confidences[key], told[1].confidences[key], atol=1e-3), key


def test_detail_of_the_upper_part_is_read_by_close_ups(samples: Path, tmp_path: Path) -> None:
    """With it blurred away the network is less sure of collars; without close-ups that makes little difference."""
    photos = sorted((samples / "photos").iterdir())[:24]
    save_model(without_close_ups(load_model()), tmp_path / "without.safetensors")
    lost = []
    for path in (None, tmp_path / "without.safetensors"):
        embedder = Embedder.load(path, device="cpu")
        squares = np.stack([embedder.prepare(photo) for photo in photos])
        coarse = np.repeat(np.repeat(squares[:, 3::7, 3::7], 7, axis=1), 7, axis=2)
        coarse[..., 3] = squares[..., 3]
        fine, blurred = (embedder.embed_squares(of).confidences["collar"].mean() for of in (squares, coarse))
        lost.append(fine - blurred)
    assert lost[0] > 0.08
    assert lost[0] > 2 * lost[1]


def test_weights_of_before_close_ups_were_read_can_be_used(tmp_path: Path, sample_photos: list[Path]) -> None:
    save_model(garments_alone(load_model()), tmp_path / "now.safetensors")
    header, _ = read_weights(tmp_path / "now.safetensors", FORMAT)
    header["network"] = header["network"].replace(', "close_up": null', "")
    assert "close_up" not in header["network"]
    del header["close_up"], header["temperatures_alone"]
    tensors = load_file(tmp_path / "now.safetensors")
    del tensors["close_up_share"]
    save_file(tensors, tmp_path / "before.safetensors", metadata=header)
    now, before = (Embedder.load(tmp_path / f"{name}.safetensors", device="cpu") for name in ("now", "before"))
    assert now.size == before.size == 224
    for key, vectors in now.embed(sample_photos[:2]).vectors.items():
        assert np.array_equal(vectors, before.embed(sample_photos[:2]).vectors[key])


def test_a_damaged_header_is_said_to_be_damaged(tmp_path: Path) -> None:
    save_model(garments_alone(load_model()), tmp_path / "w.safetensors")
    header, _ = read_weights(tmp_path / "w.safetensors", FORMAT)
    header["network"] = header["network"].replace('"close_up": null', '"close_up": 3')
    save_file(load_file(tmp_path / "w.safetensors"), tmp_path / "damaged.safetensors", metadata=header)
    with pytest.raises(WeightsError, match="damaged"):
        load_model(tmp_path / "damaged.safetensors")


@pytest.mark.parametrize("weighed", [True, False])
def test_new_attributes_leave_others_and_their_close_ups_alone(samples: Path, tmp_path: Path, weighed: bool) -> None:
    """Also where close-ups count nothing yet, and photos that could tell their worth are held out."""
    model = load_model() if weighed else without_close_ups(load_model())
    save_model(model, tmp_path / "known.safetensors")
    sleeve = replace(model.schema["sleeve"], values=("yes", "no"), value_names={})
    wanted = Schema((sleeve, Attribute("wearer", ("woman", "man"), {}, {})))
    labelled = train_module.read_labels(samples / "photos", samples / "labels.csv", model.schema)
    labelled = labelled.subset(np.arange(24))
    some = np.eye(3, dtype=np.float32)[np.arange(24) % 2]
    labelled = replace(labelled, targets=labelled.targets | {"sleeve": some, "wearer": some})
    config = TrainConfig(epochs=1, batch=8, held_out=0.4)
    adapted = adapt(
        labelled, wanted, tmp_path / "known.safetensors", config, tmp_path, torch.device("cpu"), samples / "alphas"
    )
    assert adapted is not None
    shares = dict(zip(adapted.schema.keys, adapted.network.close_up_share.tolist(), strict=True))
    known = dict(zip(model.schema.keys, model.network.close_up_share.tolist(), strict=True))
    assert shares == known | {"sleeve": 0, "wearer": 0}
    save_model(adapted, tmp_path / "adapted.safetensors")
    photos = sorted((samples / "photos").iterdir())[:4]
    before, after = (Embedder.load(tmp_path / f"{name}.safetensors").embed(photos) for name in ("known", "adapted"))
    for key in set(model.schema.keys) - {"sleeve"}:
        assert np.allclose(before.vectors[key], after.vectors[key], atol=1e-4), key


def test_training_on_close_ups_and_joining(samples: Path, tmp_path: Path) -> None:
    """The two commands of the README, on a few photos: what they write embeds, and each part is refused elsewhere."""
    program = typer.Typer()
    program.command()(train_module.main)
    data = ["--photos", str(samples / "photos"), "--labels", str(samples / "labels.csv"), "--split", ""]
    data += ["--size", "64", "--held-out", "0.3", "--mattes", str(samples / "alphas")]
    main, close, joined = (str(tmp_path / f"{name}.safetensors") for name in ("main", "close", "joined"))
    save_model(replace(garments_alone(load_model()), size=64), Path(main))

    def run(out: str, *more: str, given: list[str] = data) -> str:
        result = CliRunner().invoke(program, [*given, "--run", f"{out}.run", "--out", out, *more])
        return f"{result.exit_code}: {result.output}"

    assert run(close, "--close-up", "--epochs", "1").startswith("0")
    join = ["--epochs", "0", "--start", main, "--add-close-up", close]
    for expected, said in (
        ("1: .*not on close-ups", run(joined, "--close-up", "--start", main)),
        ("1: .*not on close-ups", run(joined, "--epochs", "0", "--start", main, "--add-close-up", main)),
        ("2: .*give --start", run(joined, "--epochs", "0", "--add-close-up", close)),
        ("2: .*no --held-out 0", run(joined, *join, "--held-out", "0")),
        ("2: .*give --start.*--mattes", run(joined, *join, given=data[:-2])),
        ("2: .*no --add-close-up", run(joined, *join, "--close-up")),
        ("2: .*--adapt: keeps size.* close-ups", run(joined, *join, "--adapt")),
        ("2: .*leave out .*--size", run(joined, "--adapt")),
        ("1: .*reads close-ups alone", run(joined, "--adapt", "--start", close, given=data[:6])),
        ("1: .*--seed 0 --held-out 0.3", run(joined, *join, "--seed", "1")),
        ("1: .*of 64 px, the other network 96 px", run(joined, *join, "--size", "96")),
    ):
        assert re.match(expected, said), said
    with pytest.raises(WeightsError, match="--add-close-up"):
        Embedder.load(Path(close), device="cpu")
    assert not Path(joined).exists()
    assert run(joined, *join).startswith("0")
    model = load_model(Path(joined))
    assert model.network.close_up is not None
    assert model.network.close_up_share.any()
    assert model.temperatures != model.temperatures_alone
    taught = load_model(Path(close)).network.state_dict()
    for name, tensor in model.network.close_up.state_dict().items():
        assert torch.equal(tensor, taught[name])
    shutil.rmtree(f"{joined}.run")
    assert run(joined, "--epochs", "0", "--start", joined, "--add-close-up", close).startswith("0")
    assert torch.equal(load_model(Path(joined)).network.close_up_share, model.network.close_up_share)


def test_close_ups_that_help_count_and_others_do_not(samples: Path, tmp_path: Path) -> None:
    """A close-up network that knows the answers counts; one that was never taught counts less, or nothing."""
    model = load_model()
    labelled = train_module.read_labels(samples / "photos", samples / "labels.csv", model.schema)
    labelled = labelled.subset(np.arange(40))
    squares = load_squares(labelled.paths, 64, tmp_path).cut
    torch.manual_seed(0)
    knowing = garments_alone(model).network
    untaught, blind = RegionPatchNet(knowing.config), RegionPatchNet(knowing.config)
    shares = []
    for own in (knowing, untaught):
        joined = with_close_up(blind, own).eval()
        fit_close_up_shares(joined, squares, squares, labelled, model.schema, 64)
        shares.append(joined.close_up_share)
    assert (shares[0] > shares[1]).all()
