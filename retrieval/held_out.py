"""What photos of held-out senders tell of a network that never saw them: how well it finds, and how sure it may be.

Temperatures, the curve of confidences, and how much colours and close-ups count are fitted here.
"""

from dataclasses import dataclass

import numpy as np
import torch

from retrieval.appearance import whole_appearance
from retrieval.attributes import Schema
from retrieval.calibration import Curve, fit_curve
from retrieval.colour_training import count_squares
from retrieval.data import LabelledPhotos
from retrieval.measure import fit_temperature, rank_other_senders
from retrieval.network import RegionPatchNet, network_input
from retrieval.vectors import attribute_vectors, probabilities

COMMON_PHOTOS = 100  # an attribute's numbers are drawn to those of all as if by so many photos more
COLOUR_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5)
CERTAIN_GAIN = 2.0  # points of MAP; one comes by chance
CLOSE_UP_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)


@dataclass(frozen=True)
class Calibration:
    """How a network's logits become probabilities and confidences.

    `temperatures`: one an attribute. `curve`: of all confidences, see `retrieval.calibration`. `temperatures_alone`: of
    the logits without close-ups; empty for a network that reads none.
    """

    temperatures: tuple[float, ...]
    curve: Curve
    temperatures_alone: tuple[float, ...]


@torch.inference_mode()
def run_network(
    network: RegionPatchNet, squares: np.ndarray, size: int, close_ups: np.ndarray | None = None, batch: int = 32
) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
    """Looks (N, A, L), A logits (N, V + 1) and appearances (N, AXES) of squares (N, S, S, 4), resized to `size`.

    `close_ups` are other squares of the same photos, if they are to be read, too.
    """
    device = next(network.parameters()).device
    looks, logits, appearances = [], [], []
    for start in range(0, len(squares), batch):
        photos, foreground = network_input(np.array(squares[start : start + batch]), size, device)
        closely = None
        if close_ups is not None:
            closely = network_input(np.array(close_ups[start : start + batch]), size, device)
        seen = network(photos, foreground, closely)
        looks.append(seen.look.float().cpu().numpy())
        appearances.append(whole_appearance(photos, foreground).cpu().numpy())
        logits.append([values.float().cpu().numpy() for values in seen.logits])
    of_attributes = [np.concatenate(parts) for parts in zip(*logits, strict=True)]
    return np.concatenate(looks), of_attributes, np.concatenate(appearances)


def measure_held_out(
    network: RegionPatchNet, squares: np.ndarray, labelled: LabelledPhotos, schema: Schema, size: int
) -> dict[str, float]:
    """MAP in percent of each attribute on held-out photos."""
    _, logits, appearance = run_network(network, squares, size)
    temperatures = fit_temperatures(logits, labelled, schema)
    values = labelled.values(schema)
    found = {}
    for key, of_key, temperature in zip(schema.keys, logits, temperatures, strict=True):
        vectors = attribute_vectors(probabilities(of_key, temperature), appearance)
        found[key] = rank_other_senders(vectors, values[key], labelled.senders).mean_average_precision
    return found


def fit_colour_shares(
    network: RegionPatchNet, squares: np.ndarray, labelled: LabelledPhotos, schema: Schema, size: int
) -> None:
    """Find how much a network's colour branch shall count for each attribute, on photos that nobody learned from.

    It counts nothing where that would gain little: most attributes have nothing to do with colour.
    """
    branch = network.colour_branch
    branch.share.zero_()
    _, logits, appearance = run_network(network, squares, size)
    with torch.inference_mode():
        told = [of.numpy() for of in branch(count_squares(squares))]
    values = labelled.values(schema)
    for index, key in enumerate(schema.keys):
        target = labelled.targets[key]
        has_value = target[:, :-1].sum(axis=1) > 0
        found = {}
        for share in COLOUR_SHARES:
            both = logits[index] + share * told[index]
            of_values = probabilities(both, fit_temperature(both[has_value], target[has_value]))
            ranked = rank_other_senders(attribute_vectors(of_values, appearance), values[key], labelled.senders)
            found[share] = ranked.mean_average_precision
        best = max(found, key=found.__getitem__)
        branch.share[index] = best if found[best] > found[0.0] + CERTAIN_GAIN else 0.0


def fit_close_up_shares(
    network: RegionPatchNet,
    squares: np.ndarray,
    close_ups: np.ndarray,
    labelled: LabelledPhotos,
    schema: Schema,
    size: int,
) -> None:
    """Find how much a network's close-ups shall count for each attribute, on photos that nobody learned from.

    A share is the most likely one by the attribute's values and, as if they were `COMMON_PHOTOS` more, by those of all
    attributes; 0 where no value is known, or the network of close-ups knows others.
    """
    network.close_up_share.zero_()
    if network.close_up is None:
        return
    logits = run_network(network, squares, size)[1]
    told = run_network(network.close_up, close_ups, size)[1]
    known = [labelled.targets[key][:, :-1].sum(axis=1) > 0 for key in schema.keys[: len(told)]]
    rows = [row for row, own in enumerate(known) if own.any() and told[row].shape == logits[row].shape]
    unlikelihood = np.zeros((len(rows), len(CLOSE_UP_SHARES)))
    for column, share in enumerate(CLOSE_UP_SHARES):
        network.close_up_share[rows] = share
        added = network.add_close_ups([torch.from_numpy(of) for of in logits], [torch.from_numpy(of) for of in told])
        for place, row in enumerate(rows):
            of_values, wanted = added[row].numpy()[known[row]], labelled.targets[schema.keys[row]][known[row]]
            likelihood = probabilities(of_values, fit_temperature(of_values, wanted))
            unlikelihood[place, column] = -(wanted * np.log(likelihood + 1e-9)).sum()
    common = unlikelihood.sum(axis=0) / max(1, sum(int(known[row].sum()) for row in rows))
    best = (unlikelihood + COMMON_PHOTOS * common).argmin(axis=1)
    network.close_up_share[rows] = torch.tensor(CLOSE_UP_SHARES)[best]


def calibrate(
    network: RegionPatchNet,
    squares: np.ndarray,
    close_ups: np.ndarray | None,
    labelled: LabelledPhotos,
    schema: Schema,
    size: int,
) -> Calibration:
    """Fit temperatures and the curve on photos that nobody learned from; `close_ups` where the network reads them."""
    alone: tuple[float, ...] = ()
    if close_ups is not None:
        alone = fit_temperatures(run_network(network, squares, size)[1], labelled, schema)
    logits = run_network(network, squares, size, close_ups)[1]
    temperatures = fit_temperatures(logits, labelled, schema)
    return Calibration(temperatures, fit_common_curve(logits, temperatures, labelled, schema), alone)


def fit_temperatures(logits: list[np.ndarray], labelled: LabelledPhotos, schema: Schema) -> tuple[float, ...]:
    """One temperature an attribute, fitted on photos that have a value; 1 where there is none at all.

    Photos on which readers differed count, each value by its share: without them the network would seem to be right
    more often than it is.

    Few photos tell little of one attribute: its logarithm is drawn to the mean of all attributes', as if by
    `COMMON_PHOTOS` photos more.
    """
    counts, own = [], []
    for key, of_attribute in zip(schema.keys, logits, strict=True):
        target = labelled.targets[key]
        has_value = target[:, :-1].sum(axis=1) > 0
        counts.append(int(has_value.sum()))
        own.append(np.log(fit_temperature(of_attribute[has_value], target[has_value])))
    if sum(counts) == 0:
        return (1.0,) * len(schema.keys)
    common = np.average(own, weights=counts)
    drawn = [(n * of + COMMON_PHOTOS * common) / (n + COMMON_PHOTOS) for n, of in zip(counts, own, strict=True)]
    return tuple(float(np.exp(of)) for of in drawn)


def fit_common_curve(
    logits: list[np.ndarray], temperatures: tuple[float, ...], labelled: LabelledPhotos, schema: Schema
) -> Curve:
    """How often the values that a network gives are right, of all attributes together: few photos tell little of one.

    Photos on which readers differed count, as for temperatures; those without a value do not.
    """
    surest, right = [], []
    for key, of_attribute, temperature in zip(schema.keys, logits, temperatures, strict=True):
        target = labelled.targets[key]
        rows = np.flatnonzero(target[:, :-1].sum(axis=1) > 0)
        of_values = probabilities(of_attribute[rows], temperature)
        surest.append(of_values.max(axis=1))
        right.append(target[rows, of_values.argmax(axis=1)])
    return fit_curve(np.concatenate(surest), np.concatenate(right))
