"""Training pictures: composed by the matting equation, from floors without product, the same whenever asked for."""

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageColor

from matting.data import (
    LayerCache,
    Layers,
    TrainingPhoto,
    _grid,
    _into_place,
    cast_shadow,
    empty_scene,
    find_floor,
    lay_box,
    lay_lump,
    lay_sheet,
    make_example,
    photo_pixels,
    placing_grid,
    read_training_photos,
    sample,
    window_grid,
    window_of,
)
from matting.pretrain import PretrainBatches, make_patch_example
from matting.tables import TableError
from matting.train import Batches, TrainConfig

CONFIG = TrainConfig(steps=4, batch=4, size=96)


@pytest.fixture(scope="module")
def photos(samples: Path) -> list[TrainingPhoto]:
    found = read_training_photos(
        samples / "photos", [samples / "alphas"], None, samples / "labels.csv", "", ["t-shirt", "dress"]
    )
    return [*[photo for photo in found if photo.matte][:8], *[photo for photo in found if not photo.matte][:2]]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> LayerCache:
    return LayerCache(tmp_path_factory.mktemp("layers"))


def test_what_is_known_of_photos(samples: Path, tmp_path: Path) -> None:
    ids = sorted(path.stem for path in (samples / "alphas").iterdir())
    grades = tmp_path / "grades.csv"
    with grades.open("w", newline="") as file:
        csv.writer(file).writerows([["id", "grade"], [ids[0], "minor"], [ids[1], "good"]])
    found = {
        photo.id: photo
        for photo in read_training_photos(
            samples / "photos", [samples / "alphas"], grades, samples / "labels.csv", "", ["t-shirt"]
        )
    }
    assert found[ids[0]].matte is None
    assert found[ids[1]].matte == samples / "alphas" / f"{ids[1]}.webp"
    with (samples / "labels.csv").open() as file:
        for row in csv.DictReader(file):
            assert found[row["id"]].class_ == (0 if row["category"] == "t-shirt" else -1)
            assert found[row["id"]].sender == row["sender"]


def test_only_mattes_of_the_last_folder_are_references(samples: Path, tmp_path: Path) -> None:
    ids = sorted(path.stem for path in (samples / "alphas").iterdir())
    Image.new("L", (4, 4), 255).save(tmp_path / f"{ids[0]}.png")
    found = {
        photo.id: photo
        for photo in read_training_photos(samples / "photos", [tmp_path, samples / "alphas"], None, None, "", [])
    }
    assert found[ids[0]].matte == tmp_path / f"{ids[0]}.png"
    assert not found[ids[0]].reference
    assert found[ids[1]].reference
    assert found[ids[0]].sender != found[ids[1]].sender  # nobody is named, so nobody has taken both


def test_mattes_of_other_photos_are_an_error(samples: Path, tmp_path: Path) -> None:
    Image.new("L", (4, 4)).save(tmp_path / "other.png")
    with pytest.raises(TableError, match="none of the photos"):
        read_training_photos(samples / "photos", [tmp_path], None, None, "", [])


def test_floors_hold_no_product(photos: list[TrainingPhoto], cache: LayerCache) -> None:
    found = 0
    for photo in photos:
        alpha = cache.load(photo).alpha[0].numpy()
        if photo.matte and (place := find_floor(alpha)):
            top, left, height, width = place
            found += 1
            assert min(height, width) >= 64
            assert alpha[top : top + height, left : left + width].max() <= 5
    assert found >= 4


def test_the_largest_floor_is_found() -> None:
    alpha = np.zeros((240, 320), np.uint8)
    alpha[:, 100:112] = 255
    top, left, height, width = find_floor(alpha) or (0, 0, 0, 0)
    assert (top, height) == (0, 240)
    assert left in range(112, 124)
    assert left + width == 320
    assert find_floor(np.full((240, 320), 255, np.uint8)) is None


def test_examples_obey_the_matting_equation(photos: list[TrainingPhoto], cache: LayerCache) -> None:
    """What is composed or photographed is alpha F + (1 - alpha) B up to what the camera adds."""
    layers, scene = cache.load(photos[0]), cache.load(photos[1])
    floors = [cache.load(photo).photo[:, :80, :80] for photo in photos[1:4]]
    for seed in range(12):
        example = make_example(layers, scene, floors, 96, 64, np.random.default_rng(seed))
        assert example.photo.shape == example.background.shape == (3, 96, 64)
        assert example.alpha.shape == (1, 96, 64)
        # Inside, the picture shows the foreground; the camera's noise and blur are small in the middle of an area.
        inside = -torch.nn.functional.max_pool2d(-example.alpha, 5, stride=1, padding=2) > 0.999
        if inside.sum() > 200:
            error = (example.photo - example.foreground).abs().mean(dim=0, keepdim=True)[inside]
            assert float(error.mean()) < 0.05


def test_a_scene_keeps_its_surroundings(photos: list[TrainingPhoto], cache: LayerCache) -> None:
    for photo in photos:
        layers = cache.load(photo)
        far = torch.nn.functional.max_pool2d(layers.alpha.float()[None], 25, stride=1, padding=12)[0, 0] == 0
        assert torch.equal(layers.scene[:, far], layers.photo[:, far])


def test_a_scene_has_lost_its_product() -> None:
    random = np.random.default_rng(0)
    photo = random.integers(90, 120, (200, 160, 3)).astype(np.uint8)
    alpha = np.zeros((200, 160), np.uint8)
    alpha[90:190, 30:130] = 255
    photo[alpha > 0] = (220, 20, 20)
    inside = empty_scene(photo, alpha)[90:190, 30:130].reshape(-1, 3)
    assert np.abs(inside.mean(axis=0) - 105).max() < 5
    assert inside.std(axis=0).min() > 5  # the floor's texture is there, too


def test_a_product_takes_the_place_of_another() -> None:
    """Products of one shape, elsewhere and larger in photos of other sizes, come to lie on each other."""
    own, other = torch.zeros(1, 120, 200, dtype=torch.uint8), torch.zeros(1, 200, 150, dtype=torch.uint8)
    own[:, 20:80, 110:190] = 255
    other[:, 60:150, 20:140] = 255
    for seed in range(20):
        random = np.random.default_rng(seed)
        window = window_of(other.shape[1:], 128, 96, random)
        place = _into_place(own, other, random) @ window
        placed = sample(own, _grid(place, own.shape[1:], 128, 96), "zeros") > 0.5
        covered = sample(other, _grid(window, other.shape[1:], 128, 96), "zeros") > 0.5
        assert float((placed & covered).sum() / (placed | covered).sum()) > 0.6


def test_a_product_of_another_shape_becomes_as_large_as_the_one_before() -> None:
    long, wide = torch.zeros(1, 200, 150, dtype=torch.uint8), torch.zeros(1, 200, 150, dtype=torch.uint8)
    long[:, 20:180, 60:90] = 255
    wide[:, 70:130, 20:130] = 255
    random = np.random.default_rng(0)
    areas = [
        float((sample(long, _grid(_into_place(long, wide, random), (200, 150), 200, 150), "zeros") > 0.5).sum())
        for _ in range(20)
    ]
    assert np.mean(areas) == pytest.approx(60 * 110, rel=0.15)


def test_a_scene_is_seen_around_its_new_product(
    photos: list[TrainingPhoto], cache: LayerCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("matting.data.KINDS", {"scene": 1.0})
    layers = cache.load(photos[1])
    floors = [torch.zeros(3, 80, 80, dtype=torch.uint8)] * 3
    green = torch.tensor([20, 200, 20], dtype=torch.uint8)[:, None, None]
    scene = Layers(layers.photo, layers.foreground, green.expand_as(layers.scene).contiguous(), layers.alpha)
    for seed in range(8):
        example = make_example(layers, scene, floors, 96, 64, np.random.default_rng(seed))
        around = example.background[:, example.alpha[0] < 0.01]
        assert (around[1] > around[0]).float().mean() > 0.6


def test_pictures_are_hardly_enlarged() -> None:
    """However small a part of a photo is shown, M-Net is to see its edges as sharp as they are in photos."""
    alpha = torch.zeros(1, 130, 98, dtype=torch.uint8)
    alpha[:, 60:80, 40:50] = 255
    seen = {"window": [], "place": [], "place of any size": []}
    for seed in range(20):
        random = np.random.default_rng(seed)
        seen["window"].append(photo_pixels(window_grid((130, 98), 128, 96, random), (130, 98)))
        seen["place"].append(photo_pixels(placing_grid(alpha, 128, 96, random, 0.9), (130, 98)))
        seen["place of any size"].append(photo_pixels(placing_grid(alpha, 128, 96, random), (130, 98)))
    assert min(seen["window"]) >= 0.9 - 1e-4
    assert max(seen["window"]) > 1
    assert min(seen["place"]) == pytest.approx(0.9, abs=1e-4)
    assert max(seen["place of any size"]) < 0.6


def test_scenes_are_mirrored_on_their_own(
    photos: list[TrainingPhoto], cache: LayerCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scene that is red at its left is red at either side of its new product."""
    monkeypatch.setattr("matting.data.KINDS", {"scene": 1.0})
    layers = cache.load(photos[0])
    half = torch.zeros_like(layers.scene)
    half[0, :, : half.shape[2] // 2] = 220
    half[1, :, half.shape[2] // 2 :] = 220
    scene = Layers(layers.photo, layers.foreground, half, layers.alpha)
    floors = [torch.full((3, 80, 80), 128, dtype=torch.uint8)] * 3
    sides = set()
    for seed in range(12):
        background = make_example(layers, scene, floors, 96, 64, np.random.default_rng(seed)).background
        redness = background[0] - background[1]
        sides.add(bool(redness[:, :20].mean() > redness[:, -20:].mean()))
    assert sides == {True, False}


def test_what_becomes_smaller_becomes_smooth() -> None:
    """A fine check is grey where two of its pixels go into one, and itself where they do not."""
    check = (torch.arange(32)[:, None] + torch.arange(32)).remainder(2).mul(255).byte()[None]
    whole = torch.tensor([[[1.0, 0, 0], [0, 1, 0]]])
    for side, spread in ((16, 0.0), (32, 0.5)):
        grid = torch.nn.functional.affine_grid(whole, [1, 1, side, side], align_corners=False)
        seen = sample(check, grid, "reflection")
        assert float(seen.mean()) == pytest.approx(0.5)
        assert float(seen.std(correction=0)) == pytest.approx(spread, abs=1e-3)


def test_a_step_has_one_batch(photos: list[TrainingPhoto], cache: LayerCache) -> None:
    batches = Batches(photos, cache, CONFIG)
    first, again, other = batches[1], batches[1], batches[2]
    assert torch.equal(first.matted.photos, again.matted.photos)
    assert torch.equal(first.classed, again.classed)
    assert not torch.equal(first.matted.alphas, other.matted.alphas)
    for step, batch in ((0, batches[0]), (1, first)):
        height, width = CONFIG.fine_shape_at(step)
        assert batch.matted.photos.shape == (4, 3, height, width)
        assert batch.matted.trimaps.shape == (4, height, width)
        assert batch.classed.shape[2:] == CONFIG.shape_at(step)
        assert height % 32 == width % 32 == 0
    assert CONFIG.fine_shape_at(0) > CONFIG.shape_at(0)


def test_each_photo_comes_once_before_any_comes_again(photos: list[TrainingPhoto], cache: LayerCache) -> None:
    batches = Batches(photos, cache, CONFIG)
    rows = [row for step in range(4) for row in batches._rows(step)]
    assert sorted(rows[:8]) == sorted(rows[8:]) == list(range(8))


def test_some_photos_come_twice(photos: list[TrainingPhoto], cache: LayerCache) -> None:
    matted = [replace(photo, turns=1 + row // 4) for row, photo in enumerate(photos[:8])]
    batches = Batches(matted, cache, CONFIG)
    shown = [batches.turns[row].id for step in range(3) for row in batches._rows(step)]
    assert [shown.count(photo.id) for photo in matted] == 4 * [1] + 4 * [2]


def test_pseudo_alphas_agree_with_their_random_trimaps(photos: list[TrainingPhoto], cache: LayerCache) -> None:
    first, second = cache.load(photos[0]).photo, cache.load(photos[1]).photo
    example, trimap = make_patch_example(first, second, 96, 64, np.random.default_rng(0))
    assert (example.alpha[0][trimap == 2] == 1).all()
    assert (example.alpha[0][trimap == 0] == 0).all()
    between = example.alpha[0][trimap == 1]
    assert between.std() > 0.05
    expected = example.alpha * example.foreground + (1 - example.alpha) * example.background
    assert float((example.photo - expected).abs().mean()) < 0.03


def test_pretraining_looks_at_no_matte(photos: list[TrainingPhoto], cache: LayerCache) -> None:
    bare = [TrainingPhoto(photo.id, photo.photo, None, "", -1) for photo in photos]
    batch = PretrainBatches(bare, cache, CONFIG)[0]
    assert (batch.shapes.classes == -1).all()
    for truth in (batch.shapes, batch.patches):
        assert truth.alphas.amax() == pytest.approx(1, abs=0.01)
        assert truth.alphas.amin() == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("seed", range(12))
def test_a_sheet_lies_in_the_middle_and_the_floor_shows_beside_it(seed: int) -> None:
    floor, sheet = torch.zeros(3, 96, 72), torch.ones(3, 96, 72)
    laid = lay_sheet(sheet, floor, np.random.default_rng(seed))
    assert laid.shape == floor.shape
    assert 0 <= laid.min() <= laid.max() <= 1
    assert (laid[:, 40:56, 30:42] > 0.05).all()
    assert (laid == 0).all(dim=0).any()


@pytest.mark.parametrize("lay", [lay_box, lay_lump])
def test_things_lie_somewhere_on_the_floor(lay: Callable[..., torch.Tensor]) -> None:
    floor, surface = torch.zeros(3, 96, 72), torch.ones(3, 96, 72)
    covered = []
    for seed in range(12):
        laid = lay(surface, floor, np.random.default_rng(seed))
        assert laid.shape == floor.shape
        assert 0 <= laid.min() <= laid.max() <= 1
        covered.append(float((laid > 0.02).any(dim=0).float().mean()))
    assert max(covered) < 0.9
    assert sum(share > 0.02 for share in covered) > 9


def test_shadows_fall_beside_the_product_and_nowhere_else() -> None:
    floor, alpha = torch.ones(3, 128, 128), torch.zeros(1, 128, 128)
    alpha[:, :, 80:] = 1  # up to the right edge
    shadows = [1 - cast_shadow(floor, alpha, np.random.default_rng(seed)) for seed in range(40)]
    assert max(float(shadow[:, :, :16].max()) for shadow in shadows) < 0.01
    assert max(float(shadow[:, :, 112:].min()) for shadow in shadows) > 0.1


def test_a_photo_that_has_changed_is_read_again(tmp_path: Path) -> None:
    photo = TrainingPhoto("a", tmp_path / "a.png", None, "", 0)
    for colour in ("red", "blue"):
        Image.new("RGB", (64, 64), colour).save(photo.photo)
        shown = LayerCache(tmp_path / "layers").load(photo).photo[:, 0, 0]
        assert shown.tolist() == list(ImageColor.getrgb(colour))
