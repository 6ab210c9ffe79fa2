"""Averages two networks of which one was trained on from the other: `average_weights.py ONE OTHER OUT [--share 0.5]`.

A mean of such weights often errs less than either (Wortsman et al., "Model soups", 2022). It takes weights of matting
and of retrieval alike; the rest of the file is ONE's, which `retrieval.train --start OUT --epochs 0` calibrates anew.
"""

from pathlib import Path
from typing import Annotated

import typer
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from matting.console import fail


def main(
    one: Path, other: Path, out: Path, share: Annotated[float, typer.Option(min=0, max=1, help="of OTHER")] = 0.5
) -> None:
    """Write the weighted mean of two networks' weights."""
    first, second = load_file(one), load_file(other)
    headers = []
    for path in (one, other):
        with safe_open(path, "pt") as file:
            headers.append(file.metadata())
    shown = [header.get("close_up", "false") for header in headers]  # whole garments or close-ups, to like networks
    shapes = [{name: of.shape for name, of in each.items()} for each in (first, second)]
    if shown[0] != shown[1] or shapes[0] != shapes[1]:
        fail(f"{other}: is of another network than {one}")
    mean = {
        name: (1 - share) * of + share * second[name] if of.is_floating_point() else of for name, of in first.items()
    }
    for name in {"colour_branch.share", "close_up_share"} & mean.keys():
        mean[name].zero_()  # calibrating finds out anew what such a branch of the mean is worth
    save_file(mean, out, headers[0])


if __name__ == "__main__":
    typer.run(main)
