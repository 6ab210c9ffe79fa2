"""From what the network sees to the vectors that are searched.

An attribute's vector has two parts. The *value part* holds the calibrated probabilities of the values, sharpened: its
product with a sure photo's tells how probable it is that both show the same value, which is what a search by value asks
for. An unsure photo's value part is shorter than 1, and what it lacks to unit length lies along one axis of the other
part, the one along which the garment's whole appearance lies farthest. If it were scaled to unit length instead, photos
would be alike for being unsure of the same values: what may be navy or black is rather like all that is surely navy.
"""

import numpy as np
from numpy.typing import NDArray

# Changes whenever vectors, or the mattes under them, are made otherwise: catalogues of the former are built anew.
VECTORS = "4"
SHARPNESS = 3.5


def probabilities(logits: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Logits (N, V + 1) of one attribute -> calibrated probabilities (N, V + 1), the last of "does not apply"."""
    scaled = logits / temperature
    exponentials = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    found: NDArray[np.float32] = exponentials / exponentials.sum(axis=1, keepdims=True)
    return found


def where_it_applies(of_values: NDArray[np.float32], applies: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities of one attribute's values, lowered where the garment is hardly of a kind that has the attribute.

    A pair of shorts has no sleeve, whatever of it looks like one.

    Args:
        of_values: (N, V + 1), as `probabilities` gives them.
        applies: (N,), how probable it is that the garment's category has the attribute; half of it and more lowers
            nothing.

    Returns:
        (N, V + 1); "does not apply" gets what the values lose.
    """
    values = of_values[:, :-1] * np.minimum(1, 2 * applies)[:, None]
    return np.concatenate([values, 1 - values.sum(axis=1, keepdims=True)], axis=1)


def attribute_vectors(of_values: NDArray[np.float32], appearance: NDArray[np.float32]) -> NDArray[np.float32]:
    """The vectors of one attribute.

    Further columns hold what a vector lacks to unit length, so that cosines rank as inner products do, after Neyshabur
    and Srebro, "On Symmetric and Asymmetric LSHs for Inner Product Search" (2015); theirs differ between queries and
    candidates, and here every photo is both. One axis, in one of two directions, holds all of it, as in the hashing of
    Andoni et al., "Practical and Optimal LSH for Angular Distance" (2015): most pairs of unsure photos share none, and
    only their values tell how alike they are.

    Args:
        of_values: (N, V + 1), as `probabilities` gives them.
        appearance: (N, AXES), as `whole_appearance` gives it.

    Returns:
        (N, V + AXES), float32, unit rows.
    """
    sharp = of_values.astype(np.float64) ** SHARPNESS
    values = sharp[:, :-1] / sharp.sum(axis=1, keepdims=True)
    lacking = np.sqrt(np.maximum(0, 1 - (values**2).sum(axis=1)))
    rows, farthest = np.arange(len(values)), np.abs(appearance).argmax(axis=1)
    axes = np.zeros(appearance.shape)
    axes[rows, farthest] = np.copysign(lacking, appearance[rows, farthest])
    return np.concatenate([values, axes], axis=1).astype(np.float32)


def value_directions(values: int, axes: int) -> NDArray[np.float32]:
    """The unit vectors (values, values + axes) that stand for each value itself, of no particular appearance."""
    return np.eye(values, values + axes, dtype=np.float32)
