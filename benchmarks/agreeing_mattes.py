"""Which mattes of another program can be trusted for training: those that our network agrees with.

    python benchmarks/agreeing_mattes.py PHOTOS MATTES OUT --weights WEIGHTS [--graded benchmarks/graded_mattes.csv]

Copies to OUT the mattes in MATTES (named like their photos) whose IoU with the mattes of the weights is high enough:
two networks that were trained on different photographs rarely make the same mistake. Where they differ, a person may
have looked at both: of the ids in the file of grades that matte is taken that is good, the other program's or our own.
"""

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image

from matting.device import choose_device
from matting.evaluate import find_pairs
from matting.matter import Matter
from matting.metrics import intersection_over_union
from matting.photo import read_matte, read_photo
from matting.tables import read_table
from matting.weights import load_model


def main(
    photos: Path,
    mattes: Path,
    out: Path,
    weights: Annotated[Path, typer.Option(help="of the network that has to agree")],
    size: Annotated[int | None, typer.Option(help="longer side in pixels that it looks at; default: its own")] = None,
    at_least: Annotated[float, typer.Option(min=0, max=1, help="IoU of mattes that agree")] = 0.95,
    graded: Annotated[Path | None, typer.Option(help="CSV: id, reference, own; 'good' or 'bad'")] = None,
) -> None:
    """Copy the mattes that our network agrees with, and those that were graded good."""
    model = load_model(weights)
    matter = Matter(replace(model, size=size or model.size), "", choose_device("auto"))
    grades = {row["id"]: row for row in read_table(graded, ("id", "reference", "own")).rows} if graded else {}
    out.mkdir(parents=True, exist_ok=True)
    kept = own = 0
    pairs = find_pairs(photos, mattes, None, "")
    for path, matte in pairs.values():
        photo = read_photo(path)
        alpha = matter.cut(photo).alpha
        grade = grades.get(path.stem, {})
        if (
            intersection_over_union(alpha, read_matte(matte, photo.size)) >= at_least
            or grade.get("reference") == "good"
        ):
            shutil.copy(matte, out)
            kept += 1
        elif grade.get("own") == "good":
            Image.fromarray((alpha * 255).round().astype(np.uint8)).save(out / f"{path.stem}.webp", lossless=True)
            own += 1
        else:
            (out / matte.name).unlink(missing_ok=True)  # of an earlier run, whose weights may have agreed
    print(f"kept {kept} of {len(pairs)} mattes, and {own} of our own", file=sys.stderr)


if __name__ == "__main__":
    typer.run(main)
