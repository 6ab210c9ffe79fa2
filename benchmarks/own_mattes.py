"""Mattes of our own for training: those that a reader found good, or those that were mended by drawn polygons.

    python benchmarks/own_mattes.py PHOTOS OUT --weights WEIGHTS --graded benchmarks/own_mattes.csv
    python benchmarks/own_mattes.py PHOTOS OUT --weights WEIGHTS --drawn benchmarks/drawn_corrections.jsonl

The table tells how good the mattes of the weights of commit 4d8a11e are (`kind`: what is wrong with the others). In the
drawings is what was kept wrongly or was missing (`drop`, `keep`: polygons in hundredths of the photo's width and
height); the network finds the edges of what they leave.
"""

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from matting.matter import Matter
from matting.photo import find_by_name, read_photo
from matting.tables import read_table

BESIDE_DRAWING = 0.02  # of the photo's longer side
Polygons = list[list[tuple[float, float]]]
Matte = NDArray[np.float32]


def main(
    photos: Path,
    out: Path,
    weights: Annotated[Path, typer.Option(help="of the network whose mattes were read")],
    graded: Annotated[Path | None, typer.Option(help="CSV: id, grade; mattes of those graded good are written")] = None,
    drawn: Annotated[Path | None, typer.Option(help="JSON lines: id, keep, drop")] = None,
) -> None:
    """Make the mattes."""
    matter = Matter.load(weights)
    of_name = find_by_name(photos)
    out.mkdir(parents=True, exist_ok=True)
    for row in read_table(graded, ("id", "grade")).rows if graded else []:
        if row["grade"] == "good" and row["id"] in of_name:
            save(matter.cut(of_name[row["id"]]).alpha, out / f"{row['id']}.webp")
    for line in drawn.read_text().splitlines() if drawn else []:
        drawing = json.loads(line)
        if drawing["id"] in of_name:
            photo = read_photo(of_name[drawing["id"]])
            alpha = mend(matter, photo, matter.cut(photo).alpha, drawing["keep"], drawing["drop"])
            save(alpha, out / f"{drawing['id']}.webp")


def mend(matter: Matter, photo: Image.Image, alpha: Matte, keep: Polygons, drop: Polygons) -> Matte:
    """A matte as the drawings want it: about them the edges are found anew, elsewhere they stay."""
    kept, dropped = filled(keep, photo.size), filled(drop, photo.size)
    mask = ((alpha > 0.5) | kept) & ~dropped
    beside = ndimage.distance_transform_edt(~(kept | dropped)) <= BESIDE_DRAWING * max(photo.size)
    return np.where(beside, matter.cut(photo, mask=mask.astype(np.float32)).alpha, alpha)


def filled(polygons: Polygons, size: tuple[int, int]) -> NDArray[np.bool_]:
    """What lies in any of the polygons: (H, W) for a photo of this width and height."""
    picture = Image.new("1", size)
    draw = ImageDraw.Draw(picture)
    for polygon in polygons:
        draw.polygon([(x * size[0] / 100, y * size[1] / 100) for x, y in polygon], fill=1)
    return np.asarray(picture)


def save(alpha: Matte, file: Path) -> None:
    """Write a matte without loss."""
    Image.fromarray((alpha * 255).round().astype(np.uint8)).save(file, lossless=True)


if __name__ == "__main__":
    typer.run(main)
