"""How well vectors and values serve: mean average precision, accuracy, calibration error. Plain functions."""

import numpy as np
from numpy.typing import NDArray


def average_precision(scores: NDArray[np.floating], relevant: NDArray[np.bool_]) -> float:
    """Average precision of one ranking, as scikit-learn computes it: candidates of equal score count together.

    Args:
        scores: (N,), higher is earlier.
        relevant: (N,).

    Returns:
        In [0, 1]; nan if nothing is relevant.
    """
    total = int(relevant.sum())
    if total == 0:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    last_of_tie = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
    found = np.cumsum(relevant[order])[last_of_tie]
    precision = found / (last_of_tie + 1)
    return float((np.diff(found, prepend=0) * precision).sum() / total)


def mean_average_precision(
    vectors: NDArray[np.float32], values: list[str], senders: list[str]
) -> tuple[float, NDArray[np.float64]]:
    """MAP of one attribute by the project's measure.

    Every photo that has a value is a query; its candidates are all other senders' photos that have one, ranked by
    cosine; relevant are those of the same value. Queries without a relevant candidate are left out.

    Args:
        vectors: (N, d), unit rows.
        values: N values, "" where there is none.
        senders: N senders.

    Returns:
        MAP in percent (nan without queries), and the average precision of each query that counts, in [0, 1].
    """
    rows = np.array([row for row, value in enumerate(values) if value], dtype=np.int64)
    names, value_codes = np.unique(
        np.array([values[row] for row in rows], dtype=object).astype(str), return_inverse=True
    )
    _, sender_codes = np.unique(np.array([senders[row] for row in rows], dtype=object).astype(str), return_inverse=True)
    if len(names) == 0:
        return float("nan"), np.zeros(0)
    labelled = vectors[rows]
    precisions = []
    for query in range(len(rows)):
        others = sender_codes != sender_codes[query]
        scores = labelled[others] @ labelled[query]
        precisions.append(average_precision(scores, value_codes[others] == value_codes[query]))
    each = np.array(precisions)
    each = each[~np.isnan(each)]
    return (float(each.mean() * 100) if len(each) else float("nan")), each


def expected_calibration_error(confidence: NDArray[np.floating], right: NDArray[np.bool_], bins: int = 15) -> float:
    """Expected calibration error: the mean gap of confidence and accuracy over equal-width bins, weighted by size.

    Args:
        confidence: (N,), in [0, 1].
        right: (N,), whether the value was right.
        bins: the number of bins.

    Returns:
        In [0, 1]; nan if N is 0. Source: Guo et al., "On Calibration of Modern Neural Networks", 2017, equation 3.
    """
    if len(confidence) == 0:
        return float("nan")
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    gap = 0.0
    for one in np.unique(which):
        inside = which == one
        gap += inside.mean() * abs(confidence[inside].mean() - right[inside].mean())
    return float(gap)


def fit_temperature(logits: NDArray[np.floating], values: NDArray[np.int64]) -> float:
    """The temperature by which logits must be divided so that their softmax is most likely right.

    Args:
        logits: (N, V).
        values: (N,), the right column of each row.

    Returns:
        A temperature in [0.1, 10]; 1 if N is 0. Source: Guo et al. 2017, section 4.2.
    """
    if len(values) == 0:
        return 1.0
    candidates = np.geomspace(0.1, 10, 401)
    likelihood = []
    for temperature in candidates:
        scaled = logits / temperature
        scaled = scaled - scaled.max(axis=1, keepdims=True)
        log_probability = scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))
        likelihood.append(log_probability[np.arange(len(values)), values].mean())
    return float(candidates[int(np.argmax(likelihood))])
