"""How often a floor without any product is told as such: pieces of floor cut from photographs, between their products.

python benchmarks/empty_floors.py samples/photos samples/alphas
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from matting import find_by_name, read_matte, read_photo
from matting.data import find_floor
from matting.matter import Matter


def main(
    photos: Annotated[Path, typer.Argument(help="folder of photos")],
    alphas: Annotated[Path, typer.Argument(help="folder of their mattes, by which floors are found")],
    weights: Annotated[Path | None, typer.Option(help="weights file; by default the one that ships")] = None,
) -> None:
    """Print how many of the largest pieces of floor, one a photo, are taken for a product."""
    matter = Matter.load(weights)
    matte_of = find_by_name(alphas)
    kept = []
    for id_, path in find_by_name(photos).items():
        if id_ not in matte_of:
            continue
        photo = read_photo(path)
        floor = find_floor((read_matte(matte_of[id_], photo.size) * 255).astype(np.uint8))
        if floor is None:
            continue
        top, left, height, width = floor
        cutting = matter.cut(photo.crop((left, top, left + width, top + height)))
        kept.append(float((cutting.alpha > 0.5).mean()) if cutting.product_found else 0.0)
    taken = [share for share in kept if share > 0]
    print(f"{len(taken)} of {len(kept)} pieces of floor are taken for a product, {np.mean(taken or [0]):.0%} of them")


if __name__ == "__main__":
    typer.run(main)
