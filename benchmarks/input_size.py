"""Which input serves trained weights best? `python benchmarks/input_size.py WEIGHTS PHOTOS MATTES LABELS CACHE`.

Tries several sizes, and how much is left of a cut-out's surroundings. Close-ups are not read.

Measures MAP on the training senders that were held out while these weights were trained, so that the choice has seen
neither their labels nor the dev split's.
"""

import json
from pathlib import Path

import numpy as np
import typer

from matting import find_by_name
from matting.training import hold_out_senders
from retrieval.attributes import CATEGORY
from retrieval.data import load_squares, read_labels
from retrieval.held_out import measure_held_out
from retrieval.train import CACHE_SIZE
from retrieval.weights import load_model

SIZES = (192, 224, 256, 288)
SURROUNDINGS = (0.0, 0.15, 0.3, 0.5, 1.0)


def main(weights: Path, photos: Path, mattes: Path, labels: Path, cache: Path) -> None:
    """Print the MAP of each attribute of cut-outs, one JSON object a line."""
    model = load_model(weights)
    training = json.loads(model.notes["training"])
    labelled = read_labels(photos, labels, model.schema, "train")
    held_out = hold_out_senders(labelled.senders, training["held_out"], training["seed"])
    unseen = labelled.subset(np.flatnonzero(held_out))
    matte_of = find_by_name(mattes)
    files = [matte_of.get(id_) for id_ in unseen.ids]
    squares = load_squares(unseen.paths, CACHE_SIZE, cache, mattes=files)
    tried = [(size, model.surroundings) for size in SIZES] + [(model.size, share) for share in SURROUNDINGS]
    for size, surroundings in tried:
        measured = measure_held_out(model.network, squares.cut_with(surroundings), unseen, model.schema, size)
        mean = float(np.mean([percent for key, percent in measured.items() if key != CATEGORY]))
        shown = {"size": size, "surroundings": surroundings, "mean": mean} | measured
        print(json.dumps({key: round(of, 2) for key, of in shown.items()}))


if __name__ == "__main__":
    typer.run(main)
