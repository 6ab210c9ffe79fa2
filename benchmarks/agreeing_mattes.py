"""Which mattes of another program can be trusted for training: those that our network agrees with.

    python benchmarks/agreeing_mattes.py PHOTOS MATTES OUT [--at-least 0.95]

Copies to OUT the mattes in MATTES (named like their photos) whose IoU with the mattes of the shipped, or the named,
weights is high enough: two networks that were trained on different photographs rarely make the same mistake.
"""

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from matting.evaluate import find_pairs
from matting.matter import Matter
from matting.metrics import intersection_over_union
from matting.photo import read_matte, read_photo


def main(
    photos: Path,
    mattes: Path,
    out: Path,
    at_least: Annotated[float, typer.Option(min=0, max=1)] = 0.95,
    weights: Path | None = None,
) -> None:
    """Copy the mattes that our network agrees with."""
    matter = Matter.load(weights)
    out.mkdir(parents=True, exist_ok=True)
    kept = 0
    pairs = find_pairs(photos, mattes, None, "")
    for path, matte in pairs:
        photo = read_photo(path)
        if intersection_over_union(matter.cut(photo).alpha, read_matte(matte, photo.size)) >= at_least:
            shutil.copy(matte, out)
            kept += 1
    print(f"kept {kept} of {len(pairs)} mattes", file=sys.stderr)


if __name__ == "__main__":
    typer.run(main)
