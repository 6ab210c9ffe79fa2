"""Draws what the matting network makes of photographs: photo, trimap, alpha and cut-out on a colour, side by side.

python benchmarks/matting_figures.py PHOTOS OUT.jpg --grades CSV [--grade bad] [--split dev] [--count 20]
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image

from matting.cutout import compose, cut_out
from matting.matter import Matter
from matting.photo import find_photos, read_photo
from matting.tables import read_table

CELL = (120, 160)
PICTURES = 4


def main(
    photos: Path,
    out: Path,
    grades: Annotated[Path, typer.Option(help="CSV: id, split, grade")],
    grade: Annotated[str, typer.Option(help="only photos whose reference has this grade; '' for all")] = "",
    split: Annotated[str, typer.Option()] = "dev",
    count: Annotated[int, typer.Option(min=1, help="at most so many, chosen at random")] = 20,
    across: Annotated[int, typer.Option(min=1, help="photos in a row")] = 4,
    weights: Path | None = None,
) -> None:
    """Draw the sheet."""
    rows = read_table(grades, ("id", "split", "grade")).rows
    wanted = {row["id"] for row in rows if row["split"] == split and grade in {"", row["grade"]}}
    found = [path for path in find_photos([photos]) if path.stem in wanted]
    chosen = sorted(np.random.default_rng(0).permutation(len(found))[:count].tolist())
    matter = Matter.load(weights)
    width, height = CELL
    lines = -(-len(chosen) // across)
    sheet = Image.new("RGB", (across * (PICTURES * width + 8), lines * (height + 4)), "white")
    for place, row in enumerate(chosen):
        photo = read_photo(found[row])
        cutting = matter.cut(photo)
        green = Image.new("RGB", (1, 1), (120, 200, 160))
        pictures = [
            photo,
            Image.fromarray((cutting.trimap * 255).astype(np.uint8)),
            Image.fromarray((cutting.alpha * 255).astype(np.uint8)),
            compose(cut_out(photo, cutting.alpha), green),
        ]
        for column, picture in enumerate(pictures):
            small = picture.convert("RGB")
            small.thumbnail(CELL, Image.Resampling.LANCZOS)
            left = place % across * (PICTURES * width + 8) + column * width
            sheet.paste(small, (left, place // across * (height + 4)))
    sheet.save(out, quality=82)
    print(f"drew {len(chosen)} photos to {out}")


if __name__ == "__main__":
    typer.run(main)
