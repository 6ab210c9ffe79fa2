"""The embedder as other programs use it."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from matting import read_photo
from matting.metrics import intersection_over_union
from matting.photo import read_matte
from retrieval.embed import embed_files
from retrieval.embedder import CUT_AT, SEEN_AT, Embedder
from retrieval.thumbnails import save_thumbnails, thumbnail_square
from retrieval.weights import load_model, save_model


@pytest.fixture
def garment(samples: Path) -> tuple[Image.Image, np.ndarray]:
    """A photograph and its matte."""
    alpha = sorted((samples / "alphas").iterdir())[0]
    photo = read_photo(samples / "photos" / f"{alpha.stem}.jpg")
    return photo, np.asarray(Image.open(alpha).convert("L"), np.float32) / 255


def test_pictures_files_and_batches_give_the_same(embedder: Embedder, sample_photos: list[Path]) -> None:
    together = embedder.embed(sample_photos[:20])
    for row in (0, 17):
        alone = embedder.embed([read_photo(sample_photos[row])])
        for key in embedder.schema.keys:
            assert alone.vectors[key][0] @ together.vectors[key][row] > 0.98
            assert alone.values[key][0] == together.values[key][row]
    assert embedder.embed([]).vectors["collar"].shape == (0, embedder.dimensions["collar"])


def test_with_a_matte_the_background_does_not_matter(
    embedder: Embedder, garment: tuple[Image.Image, np.ndarray], sample_photos: list[Path]
) -> None:
    photo, matte = garment
    other = np.asarray(read_photo(sample_photos[-1]).resize(photo.size), np.float32)
    moved = np.asarray(photo, np.float32) * matte[..., None] + other * (1 - matte[..., None])
    pictures = [photo, Image.fromarray(moved.astype(np.uint8))]
    shown_whole = Embedder.load(device="cpu", cut_out=False)
    with_matte, without = embedder.embed(pictures, [matte, matte]), shown_whole.embed(pictures)
    for key in embedder.schema.keys:
        assert with_matte.values[key][0] == with_matte.values[key][1]
        assert np.ptp(with_matte.confidences[key]) < 0.1
        assert with_matte.vectors[key][0] @ with_matte.vectors[key][1] > 0.95  # sharp: 0.1 less sure is 0.95 or so
    assert min(of_key[0] @ of_key[1] for of_key in without.vectors.values()) < 0.98
    empty = embedder.embed([photo], [np.zeros_like(matte)])
    assert np.allclose(empty.vectors["collar"], shown_whole.embed([photo]).vectors["collar"], atol=1e-4)


def test_confidences_follow_the_curve_and_vectors_do_not(sample_photos: list[Path], tmp_path: Path) -> None:
    told = []
    for curve in ((1.0, 1.0, 0.0), (1.0, 1.0, -2.0)):
        save_model(replace(load_model(), curve=curve), tmp_path / "w.safetensors")
        told.append(Embedder.load(tmp_path / "w.safetensors", device="cpu").embed(sample_photos[:4]))
    for key in told[0].values:
        assert (told[1].confidences[key] < told[0].confidences[key]).all()
        assert told[1].values[key] == told[0].values[key]
        assert np.array_equal(told[1].vectors[key], told[0].vectors[key])


def test_ctrl_c_waits_until_a_batch_is_done(
    embedder: Embedder, sample_photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pressed while photos are read, it must not tear the threads that read them out of their locks."""
    before, read = signal.getsignal(signal.SIGINT), embedder.read

    def read_and_interrupt(path: Path) -> Image.Image:
        if path == sample_photos[0]:
            os.kill(os.getpid(), signal.SIGINT)
        return read(path)

    monkeypatch.setattr(embedder, "read", read_and_interrupt)
    batches = embed_files(embedder, sample_photos[:6], batch=2)
    assert next(batches).positions == [0, 1]
    with pytest.raises(KeyboardInterrupt):
        next(batches)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_cut_out_keeps_the_share_of_its_surroundings_that_was_learned(
    garment: tuple[Image.Image, np.ndarray], tmp_path: Path
) -> None:
    photo, matte = garment
    shown = []
    for surroundings in (0.0, 0.3, 1.0):
        save_model(replace(load_model(), surroundings=surroundings), tmp_path / "weights")
        square = Embedder.load(tmp_path / "weights", device="cpu").prepare(photo, matte)
        save_thumbnails(tmp_path, ["a"], [photo], [matte])
        again = thumbnail_square(tmp_path, "a", True, len(square), surroundings)
        assert again is not None
        assert np.abs(again.astype(int) - square).mean() < 4
        shown.append(square[..., :3].astype(int) - 127)
    around = square[..., 3] == 0
    garment_itself = square[..., 3] == 255
    none, some, all_of_it = shown
    assert np.abs(all_of_it[around]).max() > 60
    assert np.abs(none[around]).max() <= 1
    assert np.abs(some[around] - 0.3 * all_of_it[around]).max() <= 2
    assert np.abs(some[garment_itself] - all_of_it[garment_itself]).max() <= 1


def test_garments_are_cut_out_on_request(garment: tuple[Image.Image, np.ndarray]) -> None:
    """Cutting out by itself is as good as by a given matte: both see the same garment."""
    photo, matte = garment
    cutting = Embedder.load(device="cpu", cut_out=True)
    by_itself, given = cutting.embed([photo]), cutting.embed([photo], [matte])
    for key in cutting.schema.keys:
        assert by_itself.vectors[key][0] @ given.vectors[key][0] > 0.9
    assert cutting.fingerprint != Embedder.load(device="cpu", cut_out=False).fingerprint


def test_prototypes_are_what_values_gather_around(embedder: Embedder, sample_photos: list[Path]) -> None:
    seen = embedder.embed(sample_photos[:40])
    prototypes = embedder.prototypes()
    for key in ("sleeve", "pattern"):
        for vector, value in zip(seen.vectors[key], seen.values[key], strict=True):
            if value:
                nearest = max(prototypes[key], key=lambda name: float(vector @ prototypes[key][name]))
                assert nearest == value


def test_what_has_no_sleeves_gets_none(embedder: Embedder, sample_photos: list[Path]) -> None:
    """A pair of shorts spread out looks like a shirt's two sleeves."""
    seen = embedder.embed(sample_photos)
    sleeve = embedder.schema["sleeve"]
    categories = zip(seen.values["category"], seen.confidences["category"], strict=True)
    without = [row for row, (value, sure) in enumerate(categories) if sure > 0.8 and not sleeve.applies(value)]
    assert len(without) > 20
    assert {seen.values["sleeve"][row] for row in without} == {""}


def test_small_garments_are_cut_out_by_the_larger_photo(samples: Path) -> None:
    """Garments half as wide as their picture, which is made smaller for cutting: most mattes become better by it."""
    embedder = Embedder.load(cut_out=True)
    assert embedder.matter is not None
    closer, alone = [], []
    for alpha in sorted((samples / "alphas").iterdir())[::12]:
        photo = read_photo(samples / "photos" / f"{alpha.stem}.jpg")
        width, height = photo.size
        around = ((height // 2, height // 2), (width // 2, width // 2))
        wide = Image.fromarray(np.pad(np.asarray(photo), (*around, (0, 0)), mode="edge"))
        wide.thumbnail((SEEN_AT, SEEN_AT))
        small = wide.copy()
        small.thumbnail((CUT_AT, CUT_AT))
        true = np.pad(read_matte(alpha, photo.size), around)
        true = np.asarray(Image.fromarray(true).resize(wide.size, Image.Resampling.BOX))
        cut_alone = Image.fromarray(embedder.matter.cut(small).alpha).resize(wide.size, Image.Resampling.BILINEAR)
        matte = embedder.matte(wide)
        assert matte is not None
        closer.append(intersection_over_union(matte, true))
        alone.append(intersection_over_union(np.asarray(cut_alone), true))
    assert np.mean(closer) > 0.94
    assert np.median(np.subtract(closer, alone)) > 0.003
