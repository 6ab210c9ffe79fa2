"""How often a value that the network gives is right.

Temperatures (`retrieval.measure.fit_temperature`) make the probabilities of all values as likely as can be, but
networks that learn from smoothed and mixed labels are too sure in the middle, and not sure enough where they are
surest. A curve of three numbers, the same for all attributes, mends that. It bends only what is told of a value, not
the vectors.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

Curve = tuple[float, float, float]

AS_IT_IS: Curve = (1.0, 1.0, 0.0)
COMMON_VALUES = 100  # a curve is fitted as if so many more were right as often as their probability says


def certainty(probability: NDArray[np.floating], curve: Curve) -> NDArray[np.float32]:
    """How often a value of this probability is right.

    log q / (1 - q) = a log p - b log(1 - p) + c, of Kull, Silva Filho and Flach, "Beta calibration: a well-founded and
    easily implemented improvement on logistic calibration for binary classifiers" (2017), equation 1. Where that would
    fall as p rises (a below 0 and p small) q stays at its lowest.

    Args:
        probability: (N,), in [0, 1].
        curve: a, b and c.

    Returns:
        (N,), float32, in [0, 1].
    """
    a, b, c = curve
    lowest = -a / (b - a) if a < 0 else 0.0
    p = np.clip(np.maximum(np.asarray(probability, np.float64), lowest), 1e-6, 1 - 1e-6)
    logit = a * np.log(p) - b * np.log1p(-p) + c
    found: NDArray[np.float32] = (1 / (1 + np.exp(-logit))).astype(np.float32)
    return found


def fit_curve(probability: NDArray[np.floating], right: NDArray[np.floating]) -> Curve:
    """The curve by which values are most likely as often right as `certainty` says.

    Args:
        probability: (N,), in [0, 1], of the most probable value.
        right: (N,), in [0, 1]: how surely that is the true one.

    Returns:
        a, b and c; `AS_IT_IS` if N is 0. a is at least -1: what is hardly probable is not called as sure as a coin.
    """
    if len(right) == 0:
        return AS_IT_IS
    share = COMMON_VALUES / (COMMON_VALUES + len(right))
    expected = (1 - share) * right + share * probability

    def unlikelihood(of: NDArray[np.float64]) -> float:
        q = np.clip(certainty(probability, (of[0], of[1], of[2])), 1e-6, 1 - 1e-6)
        return float(-(expected * np.log(q) + (1 - expected) * np.log(1 - q)).mean())

    start = np.array(AS_IT_IS)
    # Its own first steps are a part of each number, and of 0 nearly none.
    simplex = start + np.vstack([np.zeros(3), 0.3 * np.eye(3)])
    options = {"initial_simplex": simplex, "xatol": 1e-3, "fatol": 1e-7, "maxiter": 2000}
    bounds = [(-1.0, None), (1e-3, None), (None, None)]
    a, b, c = minimize(unlikelihood, start, method="Nelder-Mead", bounds=bounds, options=options).x
    return float(a), float(b), float(c)
