"""Which of our own mattes can be trusted for training: those of photographs that are cut out alike however shown.

    python benchmarks/consistent_mattes.py PHOTOS OUT [--weights WEIGHTS] [--without FOLDER]

Every photograph is cut out four times, mirrored or not, at the network's own size and an eighth larger. Where each of
the four mattes agrees with their mean, that mean is written to OUT: it is a little better than any of them, and a
network that learns from it sees the product on other floors, and other products on its floor (Xie et al.,
"Self-training with Noisy Student improves ImageNet classification", 2020).
"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from PIL import Image, ImageOps

from matting.device import choose_device
from matting.matter import Matter
from matting.metrics import intersection_over_union
from matting.photo import find_by_name, read_photo
from matting.weights import SHIPPED_WEIGHTS, load_model

LARGER = 1.125


def main(
    photos: Path,
    out: Path,
    weights: Annotated[Path, typer.Option(help="of the network that looks")] = SHIPPED_WEIGHTS,
    at_least: Annotated[float, typer.Option(min=0, max=1, help="IoU of each matte with their mean")] = 0.98,
    without: Annotated[Path | None, typer.Option(help="folder of mattes; their photos are left out")] = None,
) -> None:
    """Write the mean mattes of photographs that are cut out alike four times."""
    model = load_model(weights)
    device = choose_device("auto")
    matters = [Matter(replace(model, size=size), "", device) for size in (model.size, round(model.size * LARGER))]
    out.mkdir(parents=True, exist_ok=True)
    left_out = set() if without is None else set(find_by_name(without))
    todo = {id_: path for id_, path in find_by_name(photos).items() if id_ not in left_out}
    kept = 0
    for id_, path in todo.items():
        photo = read_photo(path)
        mirrored = ImageOps.mirror(photo)
        cuttings = [matter.cut(photo) for matter in matters]
        of_mirrored = [matter.cut(mirrored) for matter in matters]
        alphas = np.stack([of.alpha for of in cuttings] + [of.alpha[:, ::-1] for of in of_mirrored])
        mean = alphas.mean(axis=0)
        agreement = min(intersection_over_union(alpha, mean) for alpha in alphas)
        if agreement >= at_least and all(of.product_found for of in (*cuttings, *of_mirrored)):
            Image.fromarray((mean * 255).round().astype(np.uint8)).save(out / f"{id_}.png")
            kept += 1
        print(f"{id_},{agreement:.4f}", flush=True)
    print(f"kept {kept} of {len(todo)} photographs", file=sys.stderr)


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    typer.run(main)
