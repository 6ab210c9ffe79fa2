"""How well vectors and values serve: mean average precision, recall@k, calibration error. Plain functions."""

from dataclasses import dataclass

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


@dataclass(frozen=True)
class Rankings:
    """What became of one attribute's queries.

    `precisions` (Q,) is each query's average precision in [0, 1], `first_ranks` (Q,) the place of its first relevant
    candidate, counted from 1 and infinite where there is none.
    """

    precisions: NDArray[np.float64]
    first_ranks: NDArray[np.float64]

    @property
    def mean_average_precision(self) -> float:
        """MAP in percent; nan without queries."""
        return float(self.precisions.mean() * 100) if len(self.precisions) else float("nan")

    def recall(self, k: int) -> float:
        """Recall@k in percent: how many of the queries have something relevant among their first k hits."""
        return float((self.first_ranks <= k).mean() * 100) if len(self.first_ranks) else float("nan")


def rank_query(scores: NDArray[np.floating], relevant: NDArray[np.bool_]) -> tuple[float, float]:
    """Average precision of one query's scores (N,), and the place of its first relevant candidate.

    Without anything relevant they are nan and infinity.
    """
    if not relevant.any():
        return float("nan"), float("inf")
    return average_precision(scores, relevant), float((scores > scores[relevant].max()).sum() + 1)


def rank_other_senders(vectors: NDArray[np.float32], values: list[str], senders: list[str]) -> Rankings:
    """Rank one attribute's photos by the project's measure.

    Every photo that has a value is a query; its candidates are all other senders' photos that have one, ranked by
    cosine; relevant are those of the same value. Queries without a relevant candidate are left out.

    Args:
        vectors: (N, d), unit rows.
        values: N values, "" where there is none.
        senders: N senders.
    """
    rows = np.array([row for row, value in enumerate(values) if value], dtype=np.int64)
    _, value_codes = np.unique(np.array([values[row] for row in rows], dtype=np.str_), return_inverse=True)
    _, sender_codes = np.unique(np.array([senders[row] for row in rows], dtype=np.str_), return_inverse=True)
    labelled = vectors[rows]
    ranked = []
    for query in range(len(rows)):
        others = sender_codes != sender_codes[query]
        relevant = value_codes[others] == value_codes[query]
        if relevant.any():
            ranked.append(rank_query(labelled[others] @ labelled[query], relevant))
    each = np.array(ranked, dtype=np.float64).reshape(-1, 2)
    return Rankings(each[:, 0], each[:, 1])


def bootstrap_maps(precisions: NDArray[np.float64], draws: int = 1000, seed: int = 0) -> NDArray[np.float64]:
    """MAP in percent (draws,) of as many queries drawn at random, with replacement, as there are.

    The 2.5th and 97.5th percentiles bound the 95 % confidence interval (Efron, "Bootstrap Methods", 1979).
    """
    if len(precisions) == 0:
        return np.full(draws, np.nan)
    random = np.random.default_rng(seed)
    counts = random.multinomial(len(precisions), np.full(len(precisions), 1 / len(precisions)), size=draws)
    maps: NDArray[np.float64] = counts @ precisions / len(precisions) * 100
    return maps


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


def fit_temperature(logits: NDArray[np.floating], targets: NDArray[np.floating]) -> float:
    """The temperature by which logits must be divided so that their softmax is most likely right.

    Args:
        logits: (N, V).
        targets: (N, V), each row a distribution over the columns that may be right.

    Returns:
        A temperature in [0.1, 10]; 1 if N is 0. Source: Guo et al. 2017, section 4.2.
    """
    if len(targets) == 0:
        return 1.0
    candidates = np.geomspace(0.1, 10, 401)
    likelihood = []
    for temperature in candidates:
        scaled = logits / temperature
        scaled = scaled - scaled.max(axis=1, keepdims=True)
        log_probability = scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))
        likelihood.append((log_probability * targets).sum(axis=1).mean())
    return float(candidates[int(np.argmax(likelihood))])
