"""What form of vectors ranks best, from the same probabilities, and what counting colours adds.

    python benchmarks/vector_forms.py CLOTHING MATTES RUN [--split dev]

CLOTHING holds photos/, labels.csv and readings.csv, MATTES their mattes, RUN gets the photos' arrays. Measures the
weights that ship on the training senders that were held out from them, or on all photos of another split, and prints
MAP in percent of each attribute for each form of vectors, and of what colours and the network tell, alone and together.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray

from matting import find_by_name
from matting.training import hold_out_senders
from retrieval.attributes import CATEGORY
from retrieval.colour_training import count_squares
from retrieval.data import load_squares, read_labels
from retrieval.held_out import run_network
from retrieval.measure import fit_temperature, rank_other_senders
from retrieval.train import CACHE_SIZE, TrainConfig
from retrieval.vectors import attribute_vectors, probabilities
from retrieval.weights import load_model

Rows = NDArray[np.floating]
Form = Callable[[Rows, Rows], Rows]


def to_unit_length(rows: Rows) -> Rows:
    """Rows scaled to unit length."""
    scaled: Rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return scaled


def sharpened(of_values: Rows, power: float) -> Rows:
    """Probabilities (N, V + 1) to a power, 1 in all again, without the last column."""
    sharp = of_values.astype(np.float64) ** power
    found: Rows = (sharp / sharp.sum(axis=1, keepdims=True))[:, :-1]
    return found


def lacking_laid(of_values: Rows, power: float, directions: Rows) -> Rows:
    """Sharpened probabilities with what they lack to unit length along directions (N, K)."""
    values = sharpened(of_values, power)
    lacking = np.sqrt(np.maximum(0, 1 - (values**2).sum(axis=1, keepdims=True)))
    return np.concatenate([values, lacking * directions], axis=1)


def at_random(count: int, axes: int) -> Rows:
    """A random direction a row, (count, axes)."""
    return to_unit_length(np.random.default_rng(0).normal(size=(count, axes)))


def along_axes(count: int, axes: int) -> Rows:
    """A random axis a row, up or down, (count, axes)."""
    random = np.random.default_rng(0)
    rows = np.zeros((count, axes))
    rows[np.arange(count), random.integers(axes, size=count)] = random.choice([-1, 1], count)
    return rows


FORMS: dict[str, Form] = {
    "plain products": lambda p, _: p[:, :-1],
    "scaled to unit length": lambda p, _: to_unit_length(p[:, :-1]),
    "square roots": lambda p, _: to_unit_length(p[:, :-1] ** 0.5),
    "as they ship": attribute_vectors,  # type: ignore[dict-item]
}
for numbers in (8, 16, 64):
    FORMS[f"lacking in {numbers} numbers at random"] = lambda p, _, n=numbers: lacking_laid(p, 1, at_random(len(p), n))
    for exponent in (1, 2, 3, 4):
        FORMS[f"lacking along one of {numbers} axes, power {exponent}"] = lambda p, _, n=numbers, e=exponent: (
            lacking_laid(p, e, along_axes(len(p), n))
        )


def main(
    clothing: Path,
    mattes: Path,
    run: Path,
    split: Annotated[str, typer.Option(help="measure all of it; default: the held-out senders of train")] = "",
) -> None:
    """Measure and print."""
    model = load_model()
    schema, network = model.schema, model.network.to(memory_format=torch.channels_last)
    labelled = read_labels(
        clothing / "photos", clothing / "labels.csv", schema, split or "train", clothing / "readings.csv"
    )
    if not split:
        held_out = hold_out_senders(labelled.senders, TrainConfig.held_out, TrainConfig.seed)
        labelled = labelled.subset(np.flatnonzero(held_out))
    matte_of = find_by_name(mattes)
    run.mkdir(parents=True, exist_ok=True)
    files = [matte_of.get(id_) for id_ in labelled.ids]
    squares = load_squares(labelled.paths, CACHE_SIZE, run, mattes=files).cut_with(model.surroundings)
    close_ups = load_squares(labelled.paths, model.size, run, mattes=files, close_ups=True).cut
    shares = network.colour_branch.share.clone()
    _, together, appearance = run_network(network, squares, model.size, close_ups)
    network.colour_branch.share.zero_()
    _, alone, _ = run_network(network, squares, model.size, close_ups)
    network.colour_branch.share.copy_(shares)
    values = labelled.values(schema)

    def show(name: str, vectors_of: Callable[[int], Rows]) -> None:
        found = {
            key: rank_other_senders(
                vectors_of(row).astype(np.float32), values[key], labelled.senders
            ).mean_average_precision
            for row, key in enumerate(schema.keys)
        }
        mean = np.mean([of for key, of in found.items() if key != CATEGORY])
        print(f"{name:45}", *(f"{key} {of:.1f}" for key, of in found.items()), f"mean {mean:.2f}")

    def of_network(row: int) -> Rows:
        targets = labelled.targets[schema.keys[row]]
        known = targets[:, :-1].sum(axis=1) > 0
        temperature = (
            model.temperatures[row] if shares[row] == 0 else fit_temperature(alone[row][known], targets[known])
        )
        return probabilities(alone[row], temperature)

    for name, form in FORMS.items():
        show(f"without colours, {name}", lambda row, form=form: form(of_network(row), appearance))  # type: ignore[misc]
    with torch.inference_mode():
        told = [of.exp().numpy() for of in network.colour_branch(count_squares(squares))]
    show("colours alone, plain products", lambda row: told[row][:, :-1])
    for name in ("plain products", "as they ship"):
        form = FORMS[name]
        show(
            f"with colours, {name}",
            lambda row, form=form: form(probabilities(together[row], model.temperatures[row]), appearance),  # type: ignore[misc]
        )


if __name__ == "__main__":
    typer.run(main)
