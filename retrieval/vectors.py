"""From what the network sees to the vectors that are searched.

An attribute's vector has two parts. The *value part* holds the calibrated probabilities of the values: its product with
another photo's is, up to their lengths, the probability that both show the same value, which is what a search by value
asks for. The *look part* holds the direction of the branches' vectors: among photos of one value it ranks by likeness.
"""

import numpy as np
from numpy.typing import NDArray

LOOK_SHARE = 0.15  # of a vector's squared length


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


def attribute_vectors(of_values: NDArray[np.float32], look: NDArray[np.float32]) -> NDArray[np.float32]:
    """The vectors of one attribute.

    Args:
        of_values: (N, V + 1), as `probabilities` gives them.
        look: (N, L), unit rows.

    Returns:
        (N, V + 1 + L), float32, unit rows.
    """
    # Squared, "does not apply" counts where it is nearly sure: garments that may have the attribute can be found.
    values = np.concatenate([of_values[:, :-1], of_values[:, -1:] ** 2], axis=1)
    values = values / np.linalg.norm(values, axis=1, keepdims=True)
    both: NDArray[np.float32] = np.concatenate([(1 - LOOK_SHARE) ** 0.5 * values, LOOK_SHARE**0.5 * look], axis=1)
    return both


def value_directions(values: int, look: int) -> NDArray[np.float32]:
    """The unit vectors (values, values + 1 + look) that stand for each value itself, of no particular look."""
    return np.eye(values, values + 1 + look, dtype=np.float32)
