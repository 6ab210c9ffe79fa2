"""Training data: photographs with their mattes, composited anew for every batch on floors and in scenes of others.

Only what a photo shows of a product is known, not its floor behind the product, so new pictures are made by
I = alpha F + (1 - alpha) B (equation 1 of S. Yamaguchi et al.) from estimated foreground colours F and floors B, and
the photographs themselves are used beside them.
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pymatting import estimate_foreground_ml
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from matting.losses import Truth
from matting.photo import PhotoError, find_by_name, read_matte, read_photo
from matting.refine import box_of, harden
from matting.tables import TableError, read_table, rows_of_split
from matting.trimap import make_trimap

LONGEST_SIDE = 640  # of the cached photos, in pixels
SMALLEST_FLOOR = 64
# Shares of the training pictures: photos, products on a floor, products in another's place in its scene.
KINDS = {"photo": 0.4, "floor": 0.25, "scene": 0.35}
SMOOTHED_FROM = 1.2  # photo pixels a new pixel
# Photo pixels a new pixel, at least: M-Net is to see edges as sharp as photos have them. Only photos smaller than the
# new picture are enlarged more, and products that take the place of a larger one.
LEAST_REDUCTION = 0.9
PAINTED_BEYOND = 5  # pixels around a product that are painted over with it
SCENE_BLUR = 9.0  # pixels, the deviation of what a product is painted over with


@dataclass(frozen=True)
class TrainingPhoto:
    """A photo for training: its matte's file, or None if only its class is known (-1: not even that).

    `reference`: whether its matte may tell how good others are, too. `turns`: how many times it comes where others come
    once.
    """

    id: str
    photo: Path
    matte: Path | None
    sender: str
    class_: int
    reference: bool = True
    turns: int = 1


def read_training_photos(
    photos: Path,
    mattes: list[Path],
    grades: Path | None,
    labels: Path | None,
    split: str,
    classes: list[str],
) -> list[TrainingPhoto]:
    """Find photos, the mattes of those that have one, and their classes.

    Args:
        photos: folder of photos, named by id.
        mattes: folders of grey mattes named by id; an id's first one counts, and is a reference if it lies in the last
            folder. Without any, none is used.
        grades: CSV with the columns id and grade; a matte that is listed with another grade than "good" is left out.
        labels: CSV with the columns id, category, and optionally sender and split; without it no class is known.
        split: if given, only rows of `labels` whose column `split` holds this.
        classes: names of the classes in the network's order.

    Raises:
        TableError: a file lacks what is needed, or no photo has a matte.
    """
    doubtful = set()
    if grades is not None:
        rows = read_table(grades, required=("id", "grade")).rows
        doubtful = {row["id"] for row in rows if row["grade"] != "good"}
    matte_of: dict[str, Path] = {}
    others: set[str] = set()
    for folder in mattes:
        others = set(matte_of)
        matte_of = find_by_name(folder) | matte_of
    row_of = None
    if labels is not None:
        rows = rows_of_split(labels, read_table(labels, ("id", "category")), split)
        row_of = {row["id"]: row for row in rows}
    found = []
    for id_, path in find_by_name(photos).items():
        if row_of is not None and id_ not in row_of:
            continue
        row = row_of[id_] if row_of is not None else {}
        category = row.get("category", "")
        found.append(
            TrainingPhoto(
                id=id_,
                photo=path,
                matte=None if id_ in doubtful else matte_of.get(id_),
                sender=row.get("sender", "") or id_,
                class_=classes.index(category) if category in classes else -1,
                reference=id_ not in others,
            )
        )
    if not found:
        raise TableError(f"{photos}: holds no photo{f' of split {split} in {labels}' if row_of is not None else ''}")
    if mattes and not any(photo.matte for photo in found):
        raise TableError(f"{mattes[0]}: none of the photos in {photos} has a matte of its name there")
    return found


@dataclass(frozen=True)
class Layers:
    """A photo and what was made of it, uint8: its colours, those of its foreground, those of its scene without the
    product (3, H, W each), and its alpha (1, H, W).
    """

    photo: Tensor
    foreground: Tensor
    scene: Tensor
    alpha: Tensor


class LayerCache:
    """Photos with their foreground's and their scene's estimated colours, made once and kept as arrays on disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def load(self, photo: TrainingPhoto) -> Layers:
        """The photo's layers; without a matte its foreground is the photo and its alpha 0."""
        file = self._file(photo)
        if not file.exists():
            self._make(photo, file)
        array = torch.from_numpy(np.load(file))
        if photo.matte is None:
            return Layers(array, array, array, torch.zeros_like(array[:1]))
        return Layers(array[:3], array[3:6], array[6:9], array[9:])

    def fill(self, photos: list[TrainingPhoto], progress: Callable[[int], None]) -> None:
        """Make what is missing; `progress` is called with the number of photos done."""
        for number, photo in enumerate(photos):
            if not self._file(photo).exists():
                self._make(photo, self._file(photo))
            progress(number + 1)

    def _file(self, photo: TrainingPhoto) -> Path:
        states = [(of.resolve(), of.stat().st_size, of.stat().st_mtime_ns) for of in (photo.photo, photo.matte) if of]
        made = ("photo, foreground, scene, alpha", LONGEST_SIDE, PAINTED_BEYOND, SCENE_BLUR)
        name = hashlib.sha256(repr((made, states)).encode()).hexdigest()[:24]
        return self.folder / f"{name}.npy"

    def _make(self, photo: TrainingPhoto, file: Path) -> None:
        try:
            picture = read_photo(photo.photo)
        except PhotoError as error:
            raise PhotoError(f"{photo.photo}: {error}") from error
        picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
        layers = [np.asarray(picture)]
        if photo.matte is not None:
            alpha = (harden(read_matte(photo.matte, picture.size)) * 255).round().astype(np.uint8)
            foreground = estimate_foreground_ml(layers[0] / 255.0, alpha / 255.0)
            scene = empty_scene(layers[0], alpha)
            layers += [(foreground.clip(0, 1) * 255).round().astype(np.uint8), scene, alpha[..., None]]
        unfinished = file.with_suffix(".unfinished")
        with unfinished.open("wb") as stream:
            np.save(stream, np.ascontiguousarray(np.concatenate(layers, axis=2).transpose(2, 0, 1)))
        unfinished.replace(file)


def empty_scene(photo: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A photo (H, W, 3) whose product (alpha: H, W) is painted over.

    The colours are those of what lies around it, nearest first, softly; the texture is that of its floor. Where nothing
    lies around it all becomes grey.
    """
    product = ndimage.binary_dilation(alpha > 5, iterations=PAINTED_BEYOND)
    if product.all():
        return np.full_like(photo, 128)
    if not product.any():
        return photo
    filled = colours_around(photo, product)
    floor = find_floor(alpha)
    if floor is not None:
        top, left, high, wide = floor
        piece = photo[top : top + high, left : left + wide]
        beyond = [(0, alpha.shape[0] - high), (0, alpha.shape[1] - wide), (0, 0)]
        filled = filled + np.pad(piece - _blurred(piece), beyond, mode="symmetric")
    return np.where(product[..., None], filled.clip(0, 255).round(), photo).astype(np.uint8)


def colours_around(photo: NDArray[np.uint8], product: NDArray[np.bool_]) -> NDArray[np.float32]:
    """A photo (H, W, 3) with its product (H, W, somewhere false) filled by what lies nearest around it; all blurred."""
    nearest = ndimage.distance_transform_edt(product, return_distances=False, return_indices=True)
    return _blurred(photo[tuple(nearest)])


def _blurred(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A picture (H, W, 3) without its texture."""
    smooth: NDArray[np.float32] = ndimage.gaussian_filter(picture.astype(np.float32), (SCENE_BLUR, SCENE_BLUR, 0))
    return smooth


def find_floor(alpha: NDArray[np.uint8]) -> tuple[int, int, int, int] | None:
    """The largest rectangle (top, left, height, width) without product in an alpha (H, W).

    None if its sides are not both at least 64 pixels.
    """
    step = 4
    height, width = (side // step * step for side in alpha.shape)
    blocks = alpha[:height, :width].reshape(height // step, step, width // step, step).max(axis=(1, 3))
    occupied = functional.max_pool2d(torch.from_numpy(blocks > 5).float()[None, None], 3, stride=1, padding=1)[0, 0]
    best, found = 0, None
    free_above = np.zeros(width // step, int)
    for row, empty in enumerate(occupied.numpy() == 0):
        free_above = np.where(empty, free_above + 1, 0)
        # Largest rectangle under a histogram: a column's bar closes all higher ones before it.
        open_bars: list[tuple[int, int]] = []
        for column, bar in enumerate([*free_above.tolist(), 0]):
            start = column
            while open_bars and open_bars[-1][1] >= bar:
                start, high = open_bars.pop()
                area = high * (column - start)
                if area > best and min(high, column - start) * step >= SMALLEST_FLOOR:
                    best = area
                    found = ((row - high + 1) * step, start * step, high * step, (column - start) * step)
            open_bars.append((start, bar))
    return found


@dataclass(frozen=True)
class Example:
    """One training picture: `photo`, `foreground`, `background` (3, H, W), `alpha` (1, H, W), float32 in [0, 1]."""

    photo: Tensor
    foreground: Tensor
    background: Tensor
    alpha: Tensor


def make_example(
    layers: Layers, scene: Layers, floors: list[Tensor], height: int, width: int, random: np.random.Generator
) -> Example:
    """A new picture of a product: its photo; or composed on a floor; or in its place in the scene of another photo.

    One in twenty is of a floor alone, with an alpha of 0: a floor is not to be taken for a product.

    Args:
        layers: the product's photo.
        scene: the other photo, whose product this one may take the place of.
        floors: three or more pieces of other photos, (3, h, w), uint8, to choose from.
        height, width: of the new picture.
        random: where chance comes from.
    """
    layers = _turn(layers, random)
    kind, empty = str(random.choice(list(KINDS), p=list(KINDS.values()))), random.random() < 0.05
    composed = kind != "photo"
    size = layers.alpha.shape[1:]
    if kind == "scene":
        scene = _turn(scene, random)
        window = window_of(scene.alpha.shape[1:], height, width, random)
        background = sample(scene.scene, _grid(window, scene.alpha.shape[1:], height, width), "reflection")
        grid = _grid(_into_place(layers.alpha, scene.alpha, random) @ window, size, height, width)
    elif kind == "floor":
        grid = placing_grid(layers.alpha, height, width, random, LEAST_REDUCTION)
    else:
        grid = window_grid(size, height, width, random)
    colours = sample(torch.cat([layers.photo, layers.foreground]), grid, "reflection")
    photo, foreground = colours[:3], colours[3:]
    # Where a photo is continued by its mirror image so is its matte; a composed product ends where its photo ends.
    alpha = sample(layers.alpha, grid, "zeros" if composed else "reflection")
    # A floor as sharp as the product: else sharpness alone would tell them apart.
    reduced = max(1.0, photo_pixels(grid, size))
    floor, *others = _order_floors(floors, foreground, alpha, random)
    if kind != "scene":
        background = lay_floor(floor, height, width, random, reduced)
    if kind == "floor" and random.random() < 0.4:
        background = lay_sheet(lay_floor(others[0], height, width, random, reduced), background, random)
    if composed and random.random() < 0.25:
        lay_thing = lay_box if random.random() < 0.5 else lay_lump
        background = lay_thing(lay_floor(others[1], height, width, random, reduced), background, random)
    if not composed and random.random() < 0.4:
        photo, foreground = _light_apart(photo, foreground, alpha, random)
    if composed:
        foreground, background = light(foreground[None], random)[0], light(background[None], random)[0]
        if kind == "floor" and random.random() < 0.25:
            background = _draw_hanger(background, alpha, random)
        background = cast_shadow(background, alpha, random)
    if empty:
        alpha = torch.zeros_like(alpha)
    if composed or empty:
        photo = alpha * foreground + (1 - alpha) * background
    photo, foreground, background = light(torch.stack([photo, foreground, background]), random)
    return Example(take(photo, random), foreground, background, alpha)


def to_truth(examples: list[Example], classes: list[int], random: np.random.Generator) -> Truth:
    """Stack examples of one size, with trimaps of random width, into what the losses need."""
    alphas = torch.stack([example.alpha for example in examples])
    return Truth(
        photos=torch.stack([example.photo for example in examples]),
        foregrounds=torch.stack([example.foreground for example in examples]),
        backgrounds=torch.stack([example.background for example in examples]),
        alphas=alphas,
        trimaps=make_trimap(alphas, torch.from_numpy(random.integers(1, 6, len(examples)))),
        # An empty floor is of no class.
        classes=torch.where(alphas.sum(dim=(1, 2, 3)) > 0, torch.tensor(classes), -1),
    )


def class_picture(photo: Tensor, height: int, width: int, random: np.random.Generator) -> Tensor:
    """A photo (3, H, W), uint8, seen and lit anew, for learning its class: (3, height, width) in [0, 1]."""
    layers = _turn(Layers(photo, photo, photo, photo[:1]), random)
    grid = window_grid(layers.photo.shape[1:], height, width, random)
    return take(light(sample(layers.photo, grid, "reflection")[None], random)[0], random)


def _turn(layers: Layers, random: np.random.Generator) -> Layers:
    """Mirrored, and now and then lying on a side or upside down: photographers walk around what lies on a floor."""
    quarter_turns = int(random.choice([0, 1, 2, 3], p=[0.8, 0.07, 0.06, 0.07]))
    mirrored = random.random() < 0.5

    def turned(picture: Tensor) -> Tensor:
        picture = picture.rot90(quarter_turns, (1, 2))
        return picture.flip(2) if mirrored else picture

    return Layers(*(turned(picture) for picture in (layers.photo, layers.foreground, layers.scene, layers.alpha)))


def _grid(matrix: NDArray[np.float64], source: Sequence[int], height: int, width: int) -> Tensor:
    """A sampling grid (1, height, width, 2) from an affine map (3, 3), output pixels to source pixels, from centres."""
    old_height, old_width = source
    scale_out = np.diag([width / 2, height / 2, 1.0])
    scale_in = np.diag([2 / old_width, 2 / old_height])
    theta = torch.from_numpy(scale_in @ matrix[:2] @ scale_out).float()[None]
    return functional.affine_grid(theta, [1, 1, height, width], align_corners=False)


def photo_pixels(grid: Tensor, source: Sequence[int]) -> float:
    """How many pixels of a photo, of this height and width, an affine sampling grid (1, h, w, 2) goes on at a step."""
    return float((grid[0, 0, 1] - grid[0, 0, 0]).mul(torch.tensor([source[1] / 2, source[0] / 2])).norm())


def sample(picture: Tensor, grid: Tensor, padding: str) -> Tensor:
    """A picture (C, H, W), uint8, at an affine sampling grid (1, h, w, 2): (C, h, w) in [0, 1].

    Where it becomes smaller it is sampled twice as finely and averaged: a photo made smaller for the network is smooth.
    """
    pixels = picture.float()[None] / 255
    if photo_pixels(grid, picture.shape[1:]) <= SMOOTHED_FROM:
        return functional.grid_sample(pixels, grid, padding_mode=padding, align_corners=False)[0]
    right, down = grid[:, :1, 1:2] - grid[:, :1, :1], grid[:, 1:2, :1] - grid[:, :1, :1]
    fine = torch.stack([grid + (x * right + y * down) for y in (-0.25, 0.25) for x in (-0.25, 0.25)])
    finely = functional.grid_sample(pixels.expand(4, -1, -1, -1), fine[:, 0], padding_mode=padding, align_corners=False)
    return finely.mean(dim=0)


def _affine(scale: float, degrees: float, shift: tuple[float, float]) -> NDArray[np.float64]:
    """(3, 3): turned, made larger, then shifted."""
    cosine, sine = scale * math.cos(math.radians(degrees)), scale * math.sin(math.radians(degrees))
    return np.array([[cosine, -sine, shift[0]], [sine, cosine, shift[1]], [0.0, 0.0, 1.0]])


def window_of(source: Sequence[int], height: int, width: int, random: np.random.Generator) -> NDArray[np.float64]:
    """A view of a photo of this size, slightly turned: an affine map like `_grid`'s.

    It shows nearly all of the photo or, if that is large enough not to be enlarged for it, a part.
    """
    old_height, old_width = source
    # Photo pixels a new pixel, when the new picture just fits into the photo, or the photo into the new picture.
    inside, outside = min(old_height / height, old_width / width), max(old_height / height, old_width / width)
    largest = outside if random.random() < 0.1 else inside
    smallest = 0.6 if random.random() < 0.5 else 0.88
    least = max(smallest * inside, min(LEAST_REDUCTION, inside))
    scale = float(np.exp(random.uniform(math.log(least), math.log(largest * 1.02))))
    free_x = max(0.0, old_width - width * scale) / 2
    free_y = max(0.0, old_height - height * scale) / 2
    shift = (random.uniform(-free_x, free_x), random.uniform(-free_y, free_y))
    degrees = random.normal(0, 5) if random.random() < 0.5 else 0.0
    return _affine(scale, degrees, shift)


def window_grid(source: Sequence[int], height: int, width: int, random: np.random.Generator) -> Tensor:
    """The sampling grid of `window_of`."""
    return _grid(window_of(source, height, width, random), source, height, width)


def _into_place(alpha: Tensor, other: Tensor, random: np.random.Generator) -> NDArray[np.float64]:
    """By which a product takes another's place: an affine map (3, 3) from the other's photo to its own, from centres.

    Args:
        alpha: (1, H, W), of the product.
        other: (1, H', W'), of the one in whose place it comes. The areas of their boxes become about the same.
        random: where chance comes from.
    """
    centres, sides = [], []
    for of in (alpha, other):
        box = box_of(of[0] > 127)
        if box is None:
            return _affine(1.0, 0.0, (0.0, 0.0))
        rows, columns = box
        middle = [columns.start + columns.stop - of.shape[2], rows.start + rows.stop - of.shape[1]]
        centres.append(np.array(middle) / 2)
        sides.append(np.array([columns.stop - columns.start, rows.stop - rows.start]))
    scale = math.sqrt(float(np.prod(sides[0] / sides[1]))) / random.uniform(0.9, 1.15)
    turned = _affine(scale, random.normal(0, 4), (0.0, 0.0))
    turned[:2, 2] = centres[0] - turned[:2, :2] @ centres[1]
    return turned


def placing_grid(
    alpha: Tensor, height: int, width: int, random: np.random.Generator, least_reduction: float = 0.0
) -> Tensor:
    """The product anywhere in the picture, at 0.4 to 1.1 of its size, turned; smaller if its photo shows it small.

    `least_reduction`: photo pixels a new pixel, at least.
    """
    box = box_of(alpha[0] > 127)
    if box is None:
        return window_grid(alpha.shape[1:], height, width, random)
    top, bottom, left, right = box[0].start, box[0].stop, box[1].start, box[1].stop
    degrees = random.normal(0, 12)
    cosine, sine = abs(math.cos(math.radians(degrees))), abs(math.sin(math.radians(degrees)))
    box_width = cosine * (right - left) + sine * (bottom - top)
    box_height = sine * (right - left) + cosine * (bottom - top)
    size = random.uniform(0.4, 1.1)
    scale = max(least_reduction, max(box_width / width, box_height / height) / size)
    # Where the box's centre comes to lie, from the new picture's centre, in new pixels.
    free_x, free_y = abs(width - box_width / scale) / 2, abs(height - box_height / scale) / 2
    x, y = random.uniform(-free_x, free_x), random.uniform(-free_y, free_y)
    matrix = _affine(scale, degrees, (0.0, 0.0))
    old_height, old_width = alpha.shape[1:]
    centre = np.array([(left + right - old_width) / 2, (top + bottom - old_height) / 2])
    matrix[:2, 2] = centre - matrix[:2, :2] @ np.array([x, y])
    return _grid(matrix, (old_height, old_width), height, width)


def _order_floors(floors: list[Tensor], foreground: Tensor, alpha: Tensor, random: np.random.Generator) -> list[Tensor]:
    """The floors; often first what mattes fail on: the one most like the product, or the one with most pattern."""
    kind = random.random()
    if kind < 0.45 or float(alpha.sum()) < 1:
        return floors
    if kind < 0.7:
        return sorted(floors, key=lambda floor: -float(floor.float().std(dim=(1, 2)).mean()))
    product = (foreground * alpha).sum(dim=(1, 2)) / alpha.sum()
    return sorted(floors, key=lambda floor: float((floor.float().mean(dim=(1, 2)) / 255 - product).square().sum()))


def lay_floor(
    piece: Tensor, height: int, width: int, random: np.random.Generator, reduced: float | None = None
) -> Tensor:
    """A floor of the wanted size, continued by its mirror images.

    The piece is enlarged a little; or, given how many pixels of a product's photo go into one, made smaller as that is.
    """
    old_height, old_width = piece.shape[1:]
    if random.random() < 0.5:
        piece, old_height, old_width = piece.rot90(1, (1, 2)), old_width, old_height
    fill = max(height / old_height, width / old_width)
    enlarged = (
        random.uniform(0.7, max(1.0, min(2.0, fill)) + 0.3) if reduced is None else random.uniform(0.7, 1.4) / reduced
    )
    shift = (random.uniform(-old_width, old_width), random.uniform(-old_height, old_height))
    degrees = random.uniform(-180, 180) if random.random() < 0.3 else 0.0
    grid = _grid(_affine(1 / enlarged, degrees, shift), (old_height, old_width), height, width)
    return sample(piece, grid, "reflection")


def lay_sheet(sheet: Tensor, floor: Tensor, random: np.random.Generator) -> Tensor:
    """A sheet, blanket or board laid on a floor, which shows beyond one to three of its edges; all (3, H, W).

    Photographers lay a sheet under a garment, and what shows beyond its edge is not a part of the garment.
    """
    height, width = floor.shape[1:]
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    if random.random() < 0.4:  # plain, as most of them are
        plain = torch.tensor(random.uniform(0.2, 1.0) + random.normal(0, 0.04, 3)).float()
        sheet = plain[:, None, None] + 0.3 * (sheet - sheet.mean(dim=(1, 2), keepdim=True))
    if random.random() < 0.5:  # creased
        for _ in range(int(random.integers(1, 5))):
            angle, place, wide = random.uniform(0, math.pi), random.uniform(-1, 1), random.uniform(0.01, 0.06)
            away = (math.cos(angle) * x + math.sin(angle) * y - place) / wide
            sheet = sheet * (1 + random.uniform(-0.2, 0.2) * torch.exp(-away.square()) * away)
    turned = random.normal(0, 0.15)
    inside = torch.full((height, width), 1e3)  # how far inside of the nearest edge, in pixels
    for side in random.permutation(4)[: int(random.integers(1, 4))]:
        angle = turned + side * math.pi / 2 + random.normal(0, 0.08)
        along = math.cos(angle) * y - math.sin(angle) * x
        wave = random.uniform(0, 0.02) * torch.sin(along * random.uniform(2, 12) + random.uniform(0, 2 * math.pi))
        edge = random.uniform(0.35, 0.95) + wave - math.cos(angle) * x - math.sin(angle) * y
        inside = torch.minimum(inside, edge * (max(height, width) / 2))
    thrown = random.uniform(0.0, 0.4) * torch.exp(inside.clamp(max=0) / random.uniform(1, 8))
    on_sheet = (inside + 0.5).clamp(0, 1)
    return (on_sheet * sheet + (1 - on_sheet) * floor * (1 - thrown)).clamp(0, 1)


def lay_box(surface: Tensor, floor: Tensor, random: np.random.Generator) -> Tensor:
    """A box, a book or a bag somewhere on a floor: another thing in the picture is not the product; all (3, H, W)."""
    height, width = floor.shape[1:]
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    angle = random.uniform(0, math.pi)
    x, y = x - random.uniform(-1, 1), y - random.uniform(-1, 1)
    along, across = math.cos(angle) * x + math.sin(angle) * y, math.cos(angle) * y - math.sin(angle) * x
    beyond = torch.maximum(along.abs() - random.uniform(0.1, 0.5), across.abs() - random.uniform(0.1, 0.5))
    beyond = beyond * (max(height, width) / 2)  # in pixels
    on_box = (0.5 - beyond).clamp(0, 1)
    thrown = random.uniform(0.0, 0.5) * torch.exp(-beyond.clamp(min=0) / random.uniform(2, 10))
    shade = 1 + random.uniform(-0.4, 0.4) * along
    return (on_box * light(surface[None], random)[0] * shade + (1 - on_box) * floor * (1 - thrown)).clamp(0, 1)


def lay_lump(surface: Tensor, floor: Tensor, random: np.random.Generator) -> Tensor:
    """A cushion, a knee or a hand somewhere on a floor: something round, often of one colour; all (3, H, W)."""
    height, width = floor.shape[1:]
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    x, y = (x - random.uniform(-1, 1)) * random.uniform(0.6, 1.6), y - random.uniform(-1, 1)
    angle, reach = torch.atan2(y, x), random.uniform(0.2, 0.8)
    outline = torch.full_like(angle, reach)
    for wave in range(1, 5):
        bulge = reach * random.normal(0, 0.15 / wave)
        outline = outline + bulge * torch.cos(wave * angle + random.uniform(0, 2 * math.pi))
    inside = outline - torch.hypot(x, y)
    in_pixels = inside * (max(height, width) / 2)  # about so, since x is stretched
    on_lump = (in_pixels + 0.5).clamp(0, 1)
    look = random.random()  # a part are of skin, a part plain, the others of a floor's cloth
    if look < 0.6:
        skin = random.uniform(0.35, 1.0) * np.array([1.0, 0.78, 0.65])
        colour = torch.from_numpy(skin if look < 0.25 else random.uniform(0.05, 1.0, 3)).float()
        surface = colour[:, None, None] + 0.3 * (surface - surface.mean(dim=(1, 2), keepdim=True))
    rounded = 1 - random.uniform(0, 0.6) * (1 - inside / reach).clamp(0, 1).square()
    thrown = random.uniform(0.0, 0.5) * torch.exp(-(-in_pixels).clamp(min=0) / random.uniform(2, 20))
    lump = light(surface[None], random)[0] * rounded
    return (on_lump * lump + (1 - on_lump) * floor * (1 - thrown)).clamp(0, 1)


def _light_apart(
    photo: Tensor, foreground: Tensor, alpha: Tensor, random: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """A photo whose product and surroundings have other colours and light each: the photo and its foreground anew.

    So sheets, boxes and hands, which composed pictures lack, come in many colours beside a product.
    """
    nearly = alpha.clamp(max=0.9)
    around = torch.where(alpha < 0.9, (photo - nearly * foreground) / (1 - nearly), photo).clamp(0, 1)
    if random.random() < 0.4:
        around = around[torch.from_numpy(random.permutation(3))]
    foreground, around = light(foreground[None], random)[0], light(around[None], random)[0]
    return alpha * foreground + (1 - alpha) * around, foreground


def cast_shadow(background: Tensor, alpha: Tensor, random: np.random.Generator) -> Tensor:
    """The floor darkened by the product's blurred, shifted outline."""
    if random.random() < 0.2:
        return background
    height, width = alpha.shape[1:]
    reduction = int(random.choice([4, 8, 16]))  # blurred by way of a smaller picture
    small = functional.interpolate(
        alpha[None], size=(max(2, height // reduction), max(2, width // reduction)), mode="area"
    )
    blurred = functional.avg_pool2d(small, 3, stride=1, padding=1, count_include_pad=False)
    outline = functional.interpolate(blurred, size=(height, width), mode="bilinear", align_corners=False)[0]
    reach = random.choice([0.02, 0.06], p=[0.7, 0.3]) * max(height, width)  # at times far: a lamp at one side
    down, right = (round(step) for step in random.normal(0, reach, 2).clip(-2 * reach, 2 * reach))
    beside = (max(0, right), max(0, -right), max(0, down), max(0, -down))
    padded = functional.pad(outline[None], beside, mode="replicate")[0]
    shadow = padded[:, max(0, -down) :, max(0, -right) :][:, :height, :width]
    return background * (1 - random.uniform(0.1, 0.7) * shadow)


def _draw_hanger(background: Tensor, alpha: Tensor, random: np.random.Generator) -> Tensor:
    """A hanger or a line behind the product: what lies beside it is not part of it."""
    height = alpha.shape[1]
    _, rows, columns = torch.nonzero(alpha > 0.5, as_tuple=True)
    if len(rows) == 0:
        return background
    top, left, right = int(rows.min()), int(columns.min()), int(columns.max())
    x = random.uniform(0.4, 0.6) * (left + right)
    shoulder = top + random.uniform(0.0, 0.15) * height
    hook = shoulder - random.uniform(0.05, 0.2) * height
    half = random.uniform(0.2, 0.55) * (right - left)
    drop = random.uniform(0.02, 0.12) * height
    colour = tuple(int(value) for value in random.integers(0, 256, 3))
    if random.random() < 0.6:
        colour = (int(colour[0]),) * 3
    picture = Image.fromarray((background.clamp(0, 1) * 255).byte().permute(1, 2, 0).numpy())
    draw = ImageDraw.Draw(picture)
    thickness = int(random.integers(2, max(3, height // 25)))
    draw.line([(x - half, shoulder + drop), (x, shoulder), (x + half, shoulder + drop)], fill=colour, width=thickness)
    draw.line([(x, shoulder), (x, hook)], fill=colour, width=max(2, thickness // 2))
    radius = random.uniform(0.015, 0.04) * height
    draw.arc([x - 2 * radius, hook - 2 * radius, x, hook], 180, 90, fill=colour, width=max(2, thickness // 2))
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255


def light(pictures: Tensor, random: np.random.Generator) -> Tensor:
    """Other light on pictures (N, 3, H, W), the same on each: brightness, colour, contrast, a falloff to one side."""
    gain = float(np.exp(random.normal(0, 0.15))) * np.exp(random.normal(0, 0.04, 3))
    lit = pictures * torch.from_numpy(gain).float()[:, None, None]
    if random.random() < 0.3:
        height, width = pictures.shape[2:]
        x, y = torch.linspace(-1, 1, width), torch.linspace(-1, 1, height)[:, None]
        lit = lit * (1 + random.uniform(-0.25, 0.25) * x + random.uniform(-0.25, 0.25) * y)
    lit = lit.clamp(1e-3, 1) ** float(np.exp(random.normal(0, 0.15)))
    if random.random() < 0.1:
        grey = lit.mean(dim=1, keepdim=True)
        lit = grey + random.uniform(0, 1) * (lit - grey)
    return lit


def take(photo: Tensor, random: np.random.Generator) -> Tensor:
    """The picture as a telephone would store it: at times blurred, at times noisy."""
    if random.random() < 0.15:
        size = photo.shape[1:]
        smaller = [max(2, round(side / random.uniform(1.2, 2.2))) for side in size]
        photo = functional.interpolate(photo[None], size=smaller, mode="bilinear", antialias=True)
        photo = functional.interpolate(photo, size=size, mode="bilinear", align_corners=False)[0]
    if random.random() < 0.25:
        noise = torch.from_numpy(random.standard_normal(photo.shape, dtype=np.float32))
        photo = photo + random.uniform(0.005, 0.03) * noise
    return photo.clamp(0, 1)
