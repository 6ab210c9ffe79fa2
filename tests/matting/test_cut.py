"""Cutting photos: by the class and by the command, on real photographs, with corrections and with bad input."""

import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pymatting
import pytest
import torch
from PIL import Image
from scipy import ndimage
from typer.testing import CliRunner

from matting import inference
from matting.__main__ import app
from matting.cutout import compose, cut_out, read_background
from matting.inference import Look
from matting.matter import Matter, NoProductWarning
from matting.metrics import intersection_over_union
from matting.photo import read_matte, read_photo
from matting.tables import read_table


@pytest.fixture(scope="module")
def matter() -> Matter:
    return Matter.load(device="cpu")


@pytest.fixture
def photo(samples: Path) -> Path:
    """A photo with a matte that was graded good."""
    return samples / "photos" / f"{sorted((samples / 'alphas').iterdir())[0].stem}.jpg"


@pytest.fixture
def true_alpha(samples: Path, photo: Path) -> np.ndarray:
    return read_matte(samples / "alphas" / f"{photo.stem}.webp", read_photo(photo).size)


def command(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout, result.stderr


def test_samples_are_cut_out_well(matter: Matter, samples: Path) -> None:
    """On every fourth sample: what a shop would call cut out, on the whole and almost everywhere."""
    ious = []
    for alpha in sorted((samples / "alphas").iterdir())[::4]:
        photo = read_photo(samples / "photos" / f"{alpha.stem}.jpg")
        matte = matter.matte(photo)
        assert matte.dtype == np.float32
        assert matte.shape == (photo.height, photo.width)
        assert 0 <= matte.min() < matte.max() <= 1
        ious.append(intersection_over_union(matte, read_matte(alpha, photo.size)))
    assert np.mean(ious) > 0.95
    assert np.mean(np.array(ious) > 0.9) > 0.85


def test_small_products_are_looked_at_again(matter: Matter, samples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Products a third as wide as their picture: the second look, closer, makes mattes of most of them better."""
    twice, once = [], []
    for alpha in sorted((samples / "alphas").iterdir())[::12]:
        photo = read_photo(samples / "photos" / f"{alpha.stem}.jpg")
        width, height = photo.size
        around = ((height, height), (width, width))
        wide = np.pad(np.asarray(photo), (*around, (0, 0)), mode="edge")
        true = np.pad(read_matte(alpha, photo.size), around)
        twice.append(intersection_over_union(matter.matte(wide), true))
        with monkeypatch.context() as without:
            without.setattr(inference, "_with_second_look", lambda network, photo, trimap, keep, drop: trimap)
            once.append(intersection_over_union(matter.matte(wide), true))
    assert np.mean(twice) > np.mean(once) + 0.01
    assert np.median(np.subtract(twice, once)) > 0


def test_a_photo_may_be_a_file_a_picture_or_an_array(matter: Matter, photo: Path) -> None:
    picture = read_photo(photo)
    expected = matter.matte(photo)
    assert np.array_equal(matter.matte(picture), expected)
    assert np.array_equal(matter.matte(np.asarray(picture)), expected)


def test_large_photos_keep_their_size_and_their_edges(matter: Matter, photo: Path, true_alpha: np.ndarray) -> None:
    """At five times the size the edge is as sharp as the photo, not the blurred edge of a small matte."""
    small = read_photo(photo)
    size = (small.width * 5, small.height * 5)
    large = small.resize(size, Image.Resampling.LANCZOS)
    matte = matter.matte(large)
    assert matte.shape == (size[1], size[0])
    shrunk = np.asarray(Image.fromarray(matte).resize(small.size, Image.Resampling.BOX))
    assert intersection_over_union(shrunk, true_alpha) > 0.9
    upsampled = np.asarray(Image.fromarray(matter.matte(small)).resize(size, Image.Resampling.BILINEAR))
    uncertain = [float(((alpha > 0.05) & (alpha < 0.95)).mean()) for alpha in (matte, upsampled)]
    assert uncertain[0] < uncertain[1]


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (300, 7), (33, 31)])
def test_tiny_and_narrow_photos(matter: Matter, size: tuple[int, int]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoProductWarning)
        assert matter.matte(Image.new("RGB", size, "white")).shape == (size[1], size[0])


def test_without_a_product_the_whole_picture_is_kept(
    matter: Matter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def see_nothing(_network: object, photo: torch.Tensor, *_: object) -> Look:
        nothing = torch.zeros(photo.shape[1:])
        return Look(torch.stack([1 - nothing, nothing, nothing]), nothing, None)

    monkeypatch.setattr("matting.matter.matte_at", see_nothing)
    floor = Image.effect_noise((400, 300), 20).convert("RGB")
    with pytest.warns(NoProductWarning):
        assert (matter.matte(floor) == 1).all()
    floor.save(tmp_path / "floor.jpg")
    status, _, errors = command("cut", tmp_path / "floor.jpg", "--out", tmp_path / "out")
    assert status == 0
    assert "floor.jpg: no product found" in errors
    assert np.asarray(Image.open(tmp_path / "out" / "floor.png"))[..., 3].min() == 255


def test_corrections_are_obeyed(matter: Matter, photo: Path) -> None:
    picture = read_photo(photo)
    keep, drop = (np.zeros((picture.height, picture.width), np.float32) for _ in range(2))
    keep[:40, :40] = 1
    drop[picture.height // 2 :] = 1
    matte = matter.cut(picture, keep=keep, drop=drop).alpha
    assert (matte[:40, :40] == 1).all()
    assert (matte[picture.height // 2 :] == 0).all()


def test_corrections_leave_what_lies_beside_them(matter: Matter, photo: Path) -> None:
    """The border of a correction is no product's edge, at whatever size the photo is."""
    original = read_photo(photo)
    for scale in (1, 3):
        picture = original.resize((scale * original.width, scale * original.height))
        before = matter.cut(picture).alpha
        cloth = np.argwhere(ndimage.minimum_filter(before > 0.99, 61 * scale))
        floor = np.argwhere(ndimage.minimum_filter(before < 0.01, 61 * scale))
        drop, keep = np.zeros_like(before), np.zeros_like(before)
        for region, places in ((drop, cloth), (keep, floor)):
            row, column = places[len(places) // 2]
            reach = slice(row - 20 * scale, row + 20 * scale), slice(column - 20 * scale, column + 20 * scale)
            region[reach] = 1
        after = matter.cut(picture, keep=keep, drop=drop).alpha
        beside = (ndimage.maximum_filter(np.maximum(keep, drop), 41 * scale) > 0) & (keep + drop == 0)
        assert np.abs(after - before)[beside].max() < 0.1


def test_corrections_hold_with_closed_form_matting_and_where_nothing_else_is_left(matter: Matter, photo: Path) -> None:
    picture = read_photo(photo).resize((600, 800))
    inside = np.zeros((800, 600), np.float32)
    inside[10:20, 10:20] = 1  # far from the product, and tiny
    assert (matter.cut(picture, keep=inside, closed_form=True).alpha[10:20, 10:20] == 1).all()
    outside = np.ones((800, 600), np.float32)
    outside[10:20, 10:20] = 0
    cutting = matter.cut(picture, keep=inside, drop=outside)
    assert cutting.product_found
    assert cutting.alpha.sum() == 100
    nothing = matter.cut(picture, drop=outside)
    assert not nothing.product_found
    assert nothing.alpha.sum() == 100


@pytest.mark.parametrize("closed_form", [False, True])
def test_a_coarse_mask_is_refined(matter: Matter, photo: Path, true_alpha: np.ndarray, closed_form: bool) -> None:
    """From a mask of rough blocks, by M-Net and by closed-form matting, to an edge that follows the product."""
    picture = read_photo(photo)
    small = Image.fromarray(true_alpha).resize((picture.width // 12, picture.height // 12), Image.Resampling.BOX)
    rough = (np.asarray(small.resize(picture.size, Image.Resampling.NEAREST)) > 0.5).astype(np.float32)
    matte = matter.cut(picture, mask=rough, closed_form=closed_form).alpha
    assert intersection_over_union(matte, true_alpha) > intersection_over_union(rough, true_alpha)


def test_masks_need_not_be_exact(matter: Matter, samples: Path) -> None:
    """Masks 5 pixels too wide or too narrow give the product's edge."""
    ious = []
    for alpha in sorted((samples / "alphas").iterdir())[::15]:
        photo = read_photo(samples / "photos" / f"{alpha.stem}.jpg")
        true = read_matte(alpha, photo.size)
        for change in (ndimage.binary_dilation, ndimage.binary_erosion):
            mask = change(true > 0.5, iterations=5).astype(np.float32)
            ious.append(intersection_over_union(matter.cut(photo, mask=mask).alpha, true))
    assert np.mean(ious) > 0.955


def test_masks_are_obeyed_where_the_network_contradicts_them(
    matter: Matter, photo: Path, true_alpha: np.ndarray
) -> None:
    """A strip that a mask leaves out of a product is left out, and half a product is kept alone, but for the edges."""
    middle = int(np.median(np.nonzero(true_alpha > 0.5)[0]))
    strip = np.zeros_like(true_alpha)
    strip[middle - 12 : middle + 12] = 1
    without = matter.cut(photo, mask=true_alpha * (1 - strip)).alpha
    well_inside = (strip * true_alpha > 0.5) & (ndimage.uniform_filter(strip, 9) == 1)
    assert without[well_inside].mean() < 0.4
    assert matter.matte(photo)[well_inside].mean() > 0.9
    lower = np.where(np.arange(len(true_alpha))[:, None] > middle, true_alpha, 0)
    half = matter.cut(photo, mask=lower).alpha
    assert half[: middle - 12].max() < 0.05
    assert intersection_over_union(half, lower) > 0.93


def test_cut_outs_show_nothing_of_the_old_background() -> None:
    """A soft-edged grey disc photographed on red has grey edges on white, and its own colour inside."""
    y, x = np.mgrid[:120, :120]
    alpha = np.clip((40 - np.hypot(x - 60, y - 60)) / 6 + 0.5, 0, 1).astype(np.float32)
    grey, red = np.array([90.0, 90, 90]), np.array([230.0, 20, 20])
    photo = Image.fromarray((alpha[..., None] * grey + (1 - alpha[..., None]) * red).round().astype(np.uint8))
    cutout = np.asarray(cut_out(photo, alpha)).astype(int)
    assert (cutout[alpha == 1][:, :3] == 90).all()
    assert (cutout[alpha == 0] == 0).all()
    edge = cutout[(alpha > 0.3) & (alpha < 0.9)][:, :3]
    assert np.abs(edge - 90).mean() < 10
    on_white = np.asarray(compose(cut_out(photo, alpha), read_background("white"))).astype(int)
    assert np.abs(on_white[..., 0] - on_white[..., 1]).max() < 30  # no red is left


def test_cut_writes_one_picture_a_photo(some_photos: Path, tmp_path: Path) -> None:
    (some_photos / "more").mkdir()
    first = sorted(some_photos.glob("*.jpg"))[0]
    shutil.copy(first, some_photos / "more" / "again.jpg")
    status, output, errors = command("cut", some_photos, "--out", tmp_path / "out")
    assert status == 0, errors
    assert output == ""
    assert "wrote 7 of 7" in errors
    assert (tmp_path / "out" / "more" / "again.png").exists()
    with Image.open(tmp_path / "out" / f"{first.stem}.png") as cutout, Image.open(first) as photo:
        assert cutout.mode == "RGBA"
        assert cutout.size == photo.size


def test_cut_writes_mattes_and_backgrounds(photo: Path, samples: Path, tmp_path: Path) -> None:
    assert command("cut", photo, "--out", tmp_path / "alpha", "--alpha")[0] == 0
    with Image.open(tmp_path / "alpha" / f"{photo.stem}.png") as matte, Image.open(photo) as original:
        assert (matte.mode, matte.size) == ("L", original.size)
        outside = np.asarray(matte) == 0
    assert command("cut", photo, "--out", tmp_path / "colour", "--on", "#00ff7f")[0] == 0
    with Image.open(tmp_path / "colour" / f"{photo.stem}.png") as composed:
        assert composed.mode == "RGB"
        assert (np.asarray(composed)[outside] == [0, 255, 127]).all()
    other = sorted((samples / "photos").iterdir())[-1]
    assert command("cut", photo, "--out", tmp_path / "picture", "--on", other)[0] == 0
    with Image.open(tmp_path / "picture" / f"{photo.stem}.png") as composed:
        assert np.asarray(composed)[outside].std() > 1


def test_boxes_and_masks_by_command(photo: Path, tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    with Image.open(photo) as picture:
        size = picture.size
    mask = Image.new("L", size)
    mask.paste(255, (0, 0, 30, 30))
    mask.save(masks / f"{photo.stem}.png")
    status, _, errors = command(
        "cut", photo, "--out", tmp_path, "--alpha", "--keep", masks, "--drop", f"0,{size[1] // 2},{size[0]},{size[1]}"
    )
    assert status == 0, errors
    matte = np.asarray(Image.open(tmp_path / f"{photo.stem}.png"))
    assert (matte[:29, :29] == 255).all()
    assert (matte[size[1] // 2 :] == 0).all()


@pytest.mark.parametrize(
    ("arguments", "status", "complaint"),
    [
        (["{tmp}/none.jpg"], 1, "none.jpg: No such file"),
        (["{tmp}"], 1, "no photos found"),
        (["{photo}", "--on", "greenish"], 1, "--on greenish: neither a picture's file nor a colour"),
        (["{photo}", "--on", "white", "--alpha"], 2, "--alpha and --on can't be given together"),
        (["{photo}", "--keep", "5,5,5,9"], 1, "5,5,5,9: the box holds no pixel"),
        (["{photo}", "--drop", "nowhere"], 1, "nowhere: neither a box LEFT,TOP,RIGHT,BOTTOM nor a mask"),
        (["{photo}", "--weights", "{photo}"], 1, "not a weights file"),
        (["{photo}", "--device", "tpu"], 1, "--device tpu"),
    ],
)
def test_what_can_not_be_done_is_one_line(
    photo: Path, tmp_path: Path, arguments: list[str], status: int, complaint: str
) -> None:
    filled = [argument.format(photo=photo, tmp=tmp_path) for argument in arguments]
    found, output, errors = command("cut", *filled, "--out", tmp_path / "out")
    assert found == status
    assert complaint in errors
    assert "Traceback" not in errors
    assert output == ""


def test_a_damaged_photo_does_not_stop_the_others(some_photos: Path, tmp_path: Path) -> None:
    (some_photos / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    status, _, errors = command("cut", some_photos, "--out", tmp_path / "out")
    assert status == 1
    assert "broken.jpg" in errors
    assert "wrote 6 of 7" in errors
    assert len(list((tmp_path / "out").iterdir())) == 6


def test_nothing_is_overwritten_by_another_photo(photo: Path, tmp_path: Path) -> None:
    for name in ("a.jpg", "a.webp"):
        Image.open(photo).save(tmp_path / name)
    status, _, errors = command("cut", tmp_path / "a.jpg", tmp_path / "a.webp", "--out", tmp_path / "out")
    assert status == 1
    assert "would both be written to" in errors
    (tmp_path / "b.png").write_bytes((tmp_path / "a.webp").read_bytes())
    before = (tmp_path / "b.png").read_bytes()
    status, _, errors = command("cut", tmp_path / "b.png", "--out", tmp_path)
    assert status == 1
    assert "would be overwritten" in errors
    assert (tmp_path / "b.png").read_bytes() == before


def test_masks_may_be_transparent_where_nothing_is_meant(photo: Path, tmp_path: Path) -> None:
    size = read_photo(photo).size
    stroke = Image.new("RGBA", size, (0, 0, 0, 0))
    stroke.paste("white", (0, 0, 40, 40))
    stroke.save(tmp_path / "stroke.png")
    arguments = ["cut", photo, "--alpha", "--out"]
    assert command(*arguments, tmp_path / "own")[0] == 0
    assert command(*arguments, tmp_path / "kept", "--keep", tmp_path / "stroke.png")[0] == 0
    own, kept = (read_matte(tmp_path / name / f"{photo.stem}.png", size) for name in ("own", "kept"))
    assert (kept[:40, :40] == 1).all()
    assert intersection_over_union(own[60:], kept[60:]) > 0.95
    assert command("cut", photo, "--out", tmp_path / "cut")[0] == 0
    mask = ["--mask", tmp_path / "cut" / f"{photo.stem}.png"]
    assert command(*arguments, tmp_path / "masked", *mask)[0] == 0
    assert intersection_over_union(own, read_matte(tmp_path / "masked" / f"{photo.stem}.png", size)) > 0.95


def test_a_photo_without_a_closed_form_leaves_the_others(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    shutil.copy(photo, tmp_path / "photos" / "b.jpg")
    noise = np.random.default_rng(0).integers(0, 256, (60, 2, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "photos" / "a.png")
    options = ["--closed-form", "--mask", "0,0,2,30"]
    status, _, errors = command("cut", tmp_path / "photos", "--out", tmp_path / "photos" / "out", *options)
    assert status == 1
    assert "a.png: closed-form matting finds no solution" in errors
    assert "wrote 1 of 2" in errors
    # What an earlier run has made is no photo.
    assert "wrote 1 of 2" in command("cut", tmp_path / "photos", "--out", tmp_path / "photos" / "out", *options)[2]


def test_a_solver_that_tries_again_prints_nothing(
    photo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    solve = pymatting.estimate_alpha_cf

    def solve_and_advise(*arguments: object) -> np.ndarray:
        print("PERFORMANCE WARNING")
        return solve(*arguments)

    monkeypatch.setattr(pymatting, "estimate_alpha_cf", solve_and_advise)
    Matter.load(device="cpu").cut(photo, closed_form=True)
    assert capsys.readouterr().out == ""


def test_closed_form_matting_is_not_refined_by_the_network(
    matter: Matter, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = read_photo(photo).resize((600, 800))
    own, whole = matter.cut(picture).alpha, matter.cut(picture, closed_form=True).alpha
    monkeypatch.setattr(inference, "CLOSED_FORM_SIDE", 400)
    smaller = matter.cut(picture, closed_form=True).alpha
    edge = ndimage.maximum_filter(own > 0.5, 9) & ~ndimage.minimum_filter(own > 0.5, 9)
    assert np.abs(smaller - whole)[edge].mean() < np.abs(smaller - own)[edge].mean()


def test_masks_of_subfolders_are_for_the_photos_of_the_same(photo: Path, tmp_path: Path) -> None:
    for place in ("a", "b"):
        (tmp_path / "photos" / place).mkdir(parents=True)
        shutil.copy(photo, tmp_path / "photos" / place / "1.jpg")
    size = read_photo(photo).size
    (tmp_path / "masks" / "b").mkdir(parents=True)
    Image.new("L", size, 255).save(tmp_path / "masks" / "b" / "1.png")
    arguments = ["cut", tmp_path / "photos", "--out", tmp_path / "out", "--alpha", "--drop"]
    status, _, errors = command(*arguments, tmp_path / "masks")
    assert status == 0, errors
    assert read_matte(tmp_path / "out" / "a" / "1.png", size).max() == 1
    assert read_matte(tmp_path / "out" / "b" / "1.png", size).max() == 0
    status, _, errors = command(*arguments, tmp_path / "masks", "--keep", tmp_path / "masks" / "b")
    assert status == 1
    assert "--keep" in errors
    assert "holds no mask" in errors


def test_evaluate_measures_against_true_mattes(samples: Path, tmp_path: Path) -> None:
    (tmp_path / "alphas").mkdir()
    for alpha in sorted((samples / "alphas").iterdir())[:5]:
        shutil.copy(alpha, tmp_path / "alphas")
    arguments = ["evaluate", "--photos", samples / "photos", "--alphas", tmp_path / "alphas"]
    status, output, errors = command(*arguments, "--json")
    assert status == 0, errors
    found = json.loads(output)
    assert found["photos"] == 5
    assert found["iou"] > 0.9
    assert found["seconds"] > 0
    status, output, _ = command(*arguments, "--mattes", tmp_path / "alphas", "--json")
    perfect = json.loads(output)
    assert (perfect["sad"], perfect["mse"], perfect["iou"]) == (0, 0, 1)
    assert "SAD" in command(*arguments)[1].upper()


def test_evaluate_tells_which_photos_went_wrong(samples: Path, tmp_path: Path) -> None:
    (tmp_path / "alphas").mkdir()
    true = sorted((samples / "alphas").iterdir())[:3]
    shutil.copytree(samples / "alphas", tmp_path / "mattes")
    for alpha in true:
        shutil.copy(alpha, tmp_path / "alphas")
    Image.new("L", Image.open(true[1]).size).save(tmp_path / "mattes" / f"{true[1].stem}.png")
    (tmp_path / "mattes" / true[1].name).unlink()
    arguments = ["evaluate", "--photos", samples / "photos", "--alphas", tmp_path / "alphas"]
    each = tmp_path / "each.csv"
    status, _, errors = command(*arguments, "--mattes", tmp_path / "mattes", "--each", each)
    assert status == 0, errors
    rows = read_table(each, ("photo", "iou", "sad")).rows
    assert {row["photo"] for row in rows} == {alpha.stem for alpha in true}
    assert (rows[0]["photo"], float(rows[0]["iou"])) == (true[1].stem, 0)
    assert [float(row["iou"]) for row in rows[1:]] == [1, 1]
    status, _, errors = command(*arguments, "--mattes", tmp_path / "mattes", "--each", tmp_path / "none" / "each.csv")
    assert status == 2
    assert "make it first" in errors


def test_evaluate_without_pairs_is_one_line(samples: Path, tmp_path: Path) -> None:
    status, _, errors = command("evaluate", "--photos", samples / "photos", "--alphas", tmp_path)
    assert status == 1
    assert "holds no matte" in errors


def test_one_thread_is_taken_where_one_is_asked_for() -> None:
    """Commands that share a machine's cores take many times as long where each takes all of them."""
    told = {key: value for key, value in os.environ.items() if key != "NUMBA_NUM_THREADS"} | {"OMP_NUM_THREADS": "1"}
    script = "import torch, matting.cutout; print(torch.get_num_threads())"
    done = subprocess.run([sys.executable, "-c", script], env=told, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
