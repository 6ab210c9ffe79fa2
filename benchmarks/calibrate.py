"""Calibrates weights as if all training senders had been held out: `calibrate.py WEIGHTS CLOTHING MATTES RUN OUT`.

The senders that a training holds out are few, and may be easier or harder to read than most. Here small networks are
trained, each without a part of the senders, and read those; they tell by how much the temperatures of all senders
differ from those of the few, and the temperatures of WEIGHTS are corrected by as much. CLOTHING holds photos/,
labels.csv and readings.csv; MATTES the mattes of its train photos; RUN gets the small networks' runs.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray

from matting import find_by_name
from matting.device import choose_device, keep_freed_memory
from matting.training import hold_out_senders
from retrieval.data import LabelledPhotos, load_squares, read_labels
from retrieval.measure import fit_temperature
from retrieval.train import CACHE_SIZE, TrainConfig, run_network, train
from retrieval.trunks import new_network
from retrieval.weights import load_model, save_model

PARTS = 2


def parts_of_senders(senders: list[str]) -> NDArray[np.int64]:
    """Which of `PARTS` parts, of about as many photos, each photo belongs to; a sender's photos stay together."""
    names, counts = np.unique(np.array(senders, dtype=np.str_), return_counts=True)
    sizes, part_of = np.zeros(PARTS, np.int64), {}
    for sender in np.argsort(-counts, kind="stable"):
        part_of[str(names[sender])] = int(sizes.argmin())
        sizes[sizes.argmin()] += counts[sender]
    return np.array([part_of[sender] for sender in senders])


def temperatures_of(
    logits: list[NDArray[np.float32]], labelled: LabelledPhotos, rows: NDArray[np.bool_]
) -> list[float]:
    """One temperature an attribute, fitted on these rows' certain values."""
    found = []
    for of_attribute, target in zip(logits, labelled.targets.values(), strict=True):
        certain = rows & (target[:, :-1].max(axis=1) == 1)
        found.append(fit_temperature(of_attribute[certain], target[certain].argmax(axis=1)))
    return found


def main(
    weights: Path,
    clothing: Path,
    mattes: Path,
    run: Path,
    out: Path,
    epochs: Annotated[int, typer.Option(min=1, help="of the small networks")] = 6,
    size: Annotated[int, typer.Option(min=64, help="side of their squares in pixels")] = 160,
) -> None:
    """Train the small networks, and write the weights with their corrected temperatures."""
    keep_freed_memory()
    model = load_model(weights)
    training = json.loads(model.notes["training"])
    labelled = read_labels(
        clothing / "photos", clothing / "labels.csv", model.schema, "train", clothing / "readings.csv"
    )
    config = TrainConfig(epochs=epochs, size=size, held_out=0, surroundings=model.surroundings)
    part_of = parts_of_senders(labelled.senders)
    counts = tuple(len(attribute.values) for attribute in model.schema.attributes)
    logits = [np.zeros((len(labelled.ids), count + 1), np.float32) for count in counts]
    matte_of = find_by_name(mattes)
    for part in range(PARTS):
        taught, unseen = labelled.subset(np.flatnonzero(part_of != part)), np.flatnonzero(part_of == part)
        torch.manual_seed(config.seed)
        small = train(taught, model.schema, new_network(counts), config, run / str(part), choose_device("auto"), mattes)
        if small is None:
            raise typer.Exit(1)
        of_part = labelled.subset(unseen)
        files = [matte_of.get(id_) for id_ in of_part.ids]
        squares = load_squares(of_part.paths, CACHE_SIZE, run / str(part), mattes=files).cropped
        for of_all, of_unseen in zip(
            logits, run_network(small.network, squares, size, config.surroundings)[1], strict=True
        ):
            of_all[unseen] = of_unseen
    held_out = hold_out_senders(labelled.senders, training["held_out"], training["seed"])
    few, many = (temperatures_of(logits, labelled, rows) for rows in (held_out, np.ones_like(held_out)))
    corrected = [of * many_ / few_ for of, many_, few_ in zip(model.temperatures, many, few, strict=True)]
    for key, before, after in zip(model.schema.keys, model.temperatures, corrected, strict=True):
        print(f"{key}: {before:.2f} -> {after:.2f}")
    save_model(replace(model, temperatures=tuple(corrected)), out)


if __name__ == "__main__":
    typer.run(main)
