"""Composes the pictures on which mattes most often fail, with their true alphas, from cut-outs that are good.

    python benchmarks/stress_set.py PHOTOS ALPHAS OUT --labels CSV --grades CSV [--split dev]

Writes OUT/KIND/images/NNN.jpg and OUT/KIND/alphas/NNN.png for each kind: white on white, black on black, patterned on
patterned, sheer cloth, fur edges, knit edges, a hanger in the picture, a hand in the picture. Measure each with
`python -m matting evaluate --photos OUT/KIND/images --alphas OUT/KIND/alphas`.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from matting.data import (
    LayerCache,
    Layers,
    TrainingPhoto,
    cast_shadow,
    find_floor,
    lay_floor,
    placing_grid,
    read_training_photos,
)
from matting.tables import read_table

SIZE = 512


def soft_field(random: np.random.Generator, cells: int) -> NDArray[np.float32]:
    """A smooth random field (SIZE, SIZE) about 0 with deviation about 1."""
    coarse = Image.fromarray(random.standard_normal((cells, cells), dtype=np.float32))
    return np.asarray(coarse.resize((SIZE, SIZE), Image.Resampling.BICUBIC))


def sheer(alpha: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """Cloth that lets a third to a half of the floor through, with solid seams at its edge."""
    inside = ndimage.distance_transform_edt(alpha > 0.5)
    cloth = np.clip(random.uniform(0.5, 0.7) + 0.06 * soft_field(random, 12), 0, 1)
    seam = np.clip((6 - inside) / 3, 0, 1)
    return (alpha * np.maximum(cloth, seam)).astype(np.float32)


def fur(alpha: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """An edge of hairs of 4 to 14 pixels."""
    scale = 2
    picture = Image.fromarray((alpha * 255).astype(np.uint8)).resize(
        (SIZE * scale, SIZE * scale), Image.Resampling.BILINEAR
    )
    draw = ImageDraw.Draw(picture)
    edge = np.argwhere((alpha > 0.5) & (ndimage.minimum_filter(alpha, 3) <= 0.5))
    down, right = np.gradient(ndimage.gaussian_filter(alpha, 3))
    for y, x in edge[random.random(len(edge)) < 0.8]:
        angle = math.atan2(-down[y, x], -right[y, x]) + random.normal(0, 0.5)
        length = random.uniform(4, 14) * scale
        end = (x * scale + length * math.cos(angle), y * scale + length * math.sin(angle))
        draw.line([(x * scale, y * scale), end], fill=int(random.integers(120, 256)), width=1)
    return np.asarray(picture.resize((SIZE, SIZE), Image.Resampling.BOX), np.float32) / 255


def knit(alpha: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """An edge of stitches: waves of a few pixels."""
    rough = ndimage.gaussian_filter(alpha, 2) + 0.12 * soft_field(random, SIZE // 5)
    return np.clip((rough - 0.5) * 4 + 0.5, 0, 1).astype(np.float32)


def draw_hanger(picture: Image.Image, alpha: NDArray[np.float32], random: np.random.Generator) -> Image.Image:
    """A hanger behind the product, whose hook stands out at the top and whose bar shows at the shoulders."""
    rows, columns = np.nonzero(alpha > 0.5)
    x, top = float(np.median(columns[rows < rows.min() + 20])), float(rows.min())
    half, grey = 0.3 * (columns.max() - columns.min()), int(random.integers(20, 230))
    colour = (grey, int(grey * random.uniform(0.7, 1)), int(grey * random.uniform(0.5, 1)))
    draw = ImageDraw.Draw(picture)
    neck = max(2.0, top - random.uniform(10, 45))
    draw.line(
        [(x - half, top + 18), (x, neck + 8), (x + half, top + 18)], fill=colour, width=int(random.integers(4, 10))
    )
    draw.arc([x - 14, neck - 22, x + 14, neck + 8], 150, 90, fill=(150, 150, 155), width=4)
    return picture.filter(ImageFilter.GaussianBlur(0.6))


def draw_hand(
    picture: Image.Image, alpha: NDArray[np.float32], random: np.random.Generator
) -> tuple[Image.Image, Image.Image]:
    """An arm from the picture's edge with fingers that hold the product; returns the picture and the hand's mask."""
    rows, columns = np.nonzero(alpha > 0.5)
    from_left = bool(random.random() < 0.5)
    y = float(np.quantile(rows, random.uniform(0.05, 0.5)))
    in_row = columns[np.abs(rows - y) < 3]
    x = float(in_row.min() if from_left else in_row.max())
    side, edge = (-1, 0) if from_left else (1, SIZE)
    skin = np.array([[235, 190, 160], [200, 150, 115], [120, 80, 60], [245, 210, 190]][int(random.integers(4))])
    mask = Image.new("L", (SIZE, SIZE))
    draw = ImageDraw.Draw(mask)
    palm = (x + side * 28, y)
    draw.line([(edge, y + random.uniform(-60, 60)), palm], fill=255, width=44)
    draw.ellipse([palm[0] - 28, palm[1] - 28, palm[0] + 28, palm[1] + 28], fill=255)
    for finger in range(4):
        tip = (x - side * random.uniform(4, 22), y - 24 + 16 * finger)
        draw.line([(palm[0], y - 18 + 12 * finger), tip], fill=255, width=13)
        draw.ellipse([tip[0] - 6, tip[1] - 6, tip[0] + 6, tip[1] + 6], fill=255)
    mask = mask.filter(ImageFilter.GaussianBlur(1.2))
    shade = np.clip(1 + 0.06 * soft_field(random, 20), 0.7, 1.3)[..., None]
    hand = Image.fromarray((skin * shade).clip(0, 255).astype(np.uint8))
    return Image.composite(hand, picture, mask), mask


def compose(
    layers: Layers,
    floor: Tensor,
    change: Callable[[NDArray[np.float32], np.random.Generator], NDArray[np.float32]] | None,
    thing: Callable[..., object] | None,
    random: np.random.Generator,
) -> tuple[Image.Image, NDArray[np.float32]]:
    """A product on a floor, with its alpha.

    Args:
        layers: the product's photo.
        floor: (3, h, w), uint8.
        change: what becomes of the alpha.
        thing: `draw_hanger` behind the product, `draw_hand` before it, or nothing.
        random: where chance comes from.
    """
    grid = placing_grid(layers.alpha, SIZE, SIZE, random)
    stacked = torch.cat([layers.foreground, layers.alpha]).float()[None] / 255
    placed = functional.grid_sample(stacked, grid, padding_mode="zeros", align_corners=False)[0]
    alpha = placed[3].numpy()
    if change is not None:
        # Colours beyond the old edge: those of the nearest pixel within.
        nearest = ndimage.distance_transform_edt(alpha < 0.9, return_distances=False, return_indices=True)
        placed[:3] = placed[:3][:, nearest[0], nearest[1]]
        alpha = change(alpha, random)
    matte = torch.from_numpy(alpha)[None]
    background = cast_shadow(lay_floor(floor, SIZE, SIZE, random), (matte > 0.3).float(), random)
    if thing is draw_hanger:
        background = to_tensor(draw_hanger(to_image(background), alpha, random))
    picture = to_image(matte * placed[:3] + (1 - matte) * background)
    if thing is draw_hand:
        picture, hand = draw_hand(picture, alpha, random)
        alpha = alpha * (1 - np.asarray(hand, np.float32) / 255)
    return picture, alpha


def to_image(picture: Tensor) -> Image.Image:
    """(3, H, W) in [0, 1] as a picture."""
    return Image.fromarray((picture.clamp(0, 1) * 255).byte().permute(1, 2, 0).numpy())


def to_tensor(picture: Image.Image) -> Tensor:
    """A picture as (3, H, W) in [0, 1]."""
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255


def brightness(floor: Tensor) -> tuple[float, float]:
    """Mean and deviation of a floor's grey levels."""
    grey = floor.float().mean(dim=0)
    return float(grey.mean()), float(grey.std())


def main(
    photos: Path,
    alphas: Path,
    out: Path,
    labels: Annotated[Path, typer.Option()],
    grades: Annotated[Path, typer.Option()],
    split: Annotated[str, typer.Option()] = "dev",
    count: Annotated[int, typer.Option(min=1, help="pictures of each kind")] = 20,
    seed: Annotated[int, typer.Option()] = 0,
) -> None:
    """Compose the stress set."""
    row_of = {row["id"]: row for row in read_table(labels, ("id", "color", "pattern")).rows}
    found = read_training_photos(photos, [alphas], grades, labels, split, [])
    good = [photo for photo in found if photo.matte]
    cache = LayerCache(out / "layers")
    places = {photo.id: find_floor(cache.load(photo).alpha[0].numpy()) for photo in good}
    floors: list[tuple[Tensor, TrainingPhoto]] = []
    for photo in good:
        if place := places[photo.id]:
            top, left, height, width = place
            if min(height, width) >= 96:
                floors.append((cache.load(photo).photo[:, top : top + height, left : left + width].clone(), photo))
    plain = [floor for floor, _ in floors]
    white = [floor for floor, _ in floors if brightness(floor)[0] > 185 and brightness(floor)[1] < 25]
    black = [floor for floor, _ in floors if brightness(floor)[0] < 65 and brightness(floor)[1] < 25]
    patterned = [floor for floor, _ in floors if brightness(floor)[1] > 35]

    def of(column: str, *values: str) -> list[TrainingPhoto]:
        return [photo for photo in good if row_of[photo.id][column] in values]

    has_pattern = of("pattern", "striped", "checked", "dotted", "floral", "allover")
    kinds = {
        "white-on-white": (of("color", "white"), white, None, None),
        "black-on-black": (of("color", "black"), black, None, None),
        "pattern-on-pattern": (has_pattern, patterned, None, None),
        "sheer": (good, plain, sheer, None),
        "fur": (good, plain, fur, None),
        "knit": (good, plain, knit, None),
        "hanger": (good, plain, None, draw_hanger),
        "hand": (good, plain, None, draw_hand),
    }
    for number, (kind, (products, grounds, change, thing)) in enumerate(kinds.items()):
        random = np.random.default_rng((seed, number))
        for folder in ("images", "alphas"):
            (out / kind / folder).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            product = products[int(random.integers(len(products)))]
            ground = grounds[int(random.integers(len(grounds)))]
            picture, alpha = compose(cache.load(product), ground, change, thing, random)
            picture.save(out / kind / "images" / f"{index:03d}.jpg", quality=92)
            Image.fromarray((alpha * 255).round().astype(np.uint8)).save(out / kind / "alphas" / f"{index:03d}.png")
        print(f"{kind}: {len(products)} products, {len(grounds)} floors")


if __name__ == "__main__":
    typer.run(main)
