"""The measure agrees with scikit-learn, and with rankings whose value is known."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from retrieval.measure import (
    average_precision,
    bootstrap_maps,
    expected_calibration_error,
    fit_temperature,
    rank_other_senders,
    rank_query,
)


@pytest.mark.parametrize("decimals", [12, 1])  # with one decimal many scores are equal
def test_average_precision_agrees_with_scikit_learn(decimals: int) -> None:
    random = np.random.default_rng(0)
    for _ in range(200):
        count = int(random.integers(2, 300))
        scores = random.normal(size=count).round(decimals)
        relevant = random.random(count) < random.random()
        if relevant.any():
            expected = average_precision_score(relevant, scores)
            assert average_precision(scores, relevant) == pytest.approx(expected, abs=1e-6)


def test_map_agrees_with_scikit_learn() -> None:
    random = np.random.default_rng(1)
    count = 120
    vectors = random.normal(size=(count, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    values = random.choice(["crew", "hood", "lapel", ""], count).tolist()
    senders = random.choice(list("abcdef"), count).tolist()
    expected = []
    for query in range(count):
        others = [i for i in range(count) if senders[i] != senders[query] and values[i]]
        relevant = [values[i] == values[query] for i in others]
        if values[query] and any(relevant):
            expected.append(average_precision_score(relevant, vectors[others] @ vectors[query]))
    found = rank_other_senders(vectors, values, senders)
    assert len(found.precisions) == len(expected)
    assert found.mean_average_precision == pytest.approx(100 * np.mean(expected), abs=1e-4)


def test_map_leaves_out_the_own_sender_and_queries_without_a_match() -> None:
    vectors = np.eye(4, dtype=np.float32)
    # Two crews of one sender can't find each other; the two hoods can, among one crew each.
    found = rank_other_senders(vectors, ["crew", "crew", "hood", "hood"], ["a", "a", "b", "c"])
    assert len(found.precisions) == 2
    assert 0 < found.mean_average_precision <= 100


def test_map_of_nothing_is_nan() -> None:
    found = rank_other_senders(np.zeros((2, 3), np.float32), ["", ""], ["a", "b"])
    assert np.isnan(found.mean_average_precision)
    assert np.isnan(found.recall(1))
    assert len(found.precisions) == 0


def test_recall_counts_queries_with_a_hit_among_the_first() -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.6])
    assert rank_query(scores, np.array([False, True, False, True]))[1] == 2
    assert rank_query(scores, np.array([False] * 4))[1] == np.inf
    vectors = np.array([[1, 0], [0.8, 0.6], [0.9, 0.43589]], np.float32)  # the hood stands between the two crews
    found = rank_other_senders(vectors, ["crew", "crew", "hood"], ["a", "b", "c"])
    assert (found.recall(1), found.recall(5)) == (0, 100)


def test_bootstrap_interval_holds_the_mean_and_narrows_with_more_queries() -> None:
    few, many = (np.random.default_rng(0).random(count) for count in (20, 2000))
    low, high = np.percentile(bootstrap_maps(few), (2.5, 97.5))
    assert low < few.mean() * 100 < high
    assert np.ptp(np.percentile(bootstrap_maps(many), (2.5, 97.5))) < (high - low) / 5


def test_calibration_error() -> None:
    sure_and_right = np.full(100, 0.99), np.ones(100, bool)
    sure_and_half_right = np.full(100, 0.99), np.arange(100) < 50
    assert expected_calibration_error(*sure_and_right) == pytest.approx(0.01)
    assert expected_calibration_error(*sure_and_half_right) == pytest.approx(0.49)
    assert expected_calibration_error(np.array([1.0, 1.0]), np.array([True, True])) == 0


def test_temperature_mends_overconfidence() -> None:
    random = np.random.default_rng(2)
    true_logits = random.normal(size=(4000, 5))
    probability = np.exp(true_logits) / np.exp(true_logits).sum(axis=1, keepdims=True)
    values = np.array([random.choice(5, p=row) for row in probability])
    assert fit_temperature(true_logits * 3, np.eye(5)[values]) == pytest.approx(3, rel=0.15)
