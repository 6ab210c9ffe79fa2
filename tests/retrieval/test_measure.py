"""The measure agrees with scikit-learn, and with rankings whose value is known."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from retrieval.measure import average_precision, expected_calibration_error, fit_temperature, mean_average_precision


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
    found, each = mean_average_precision(vectors, values, senders)
    assert len(each) == len(expected)
    assert found == pytest.approx(100 * np.mean(expected), abs=1e-4)


def test_map_leaves_out_the_own_sender_and_queries_without_a_match() -> None:
    vectors = np.eye(4, dtype=np.float32)
    # Two crews of one sender can't find each other; the two hoods can, among one crew each.
    found, each = mean_average_precision(vectors, ["crew", "crew", "hood", "hood"], ["a", "a", "b", "c"])
    assert len(each) == 2
    assert 0 < found <= 100


def test_map_of_nothing_is_nan() -> None:
    found, each = mean_average_precision(np.zeros((2, 3), np.float32), ["", ""], ["a", "b"])
    assert np.isnan(found)
    assert len(each) == 0


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
    assert fit_temperature(true_logits * 3, values) == pytest.approx(3, rel=0.15)
