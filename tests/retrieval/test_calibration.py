"""Confidences: how often values of a probability are right."""

import numpy as np

from retrieval.calibration import AS_IT_IS, certainty, fit_curve
from retrieval.measure import expected_calibration_error

PROBABILITIES = np.random.default_rng(0).uniform(0.2, 0.99, 3000)


def test_no_curve_changes_nothing() -> None:
    assert np.allclose(certainty(PROBABILITIES, AS_IT_IS), PROBABILITIES, atol=1e-5)
    assert fit_curve(np.zeros(0), np.zeros(0)) == AS_IT_IS


def test_a_curve_mends_what_is_too_sure_in_the_middle() -> None:
    truly = 0.35 + 0.64 * PROBABILITIES**4
    right = np.random.default_rng(1).random(len(truly)) < truly
    curve = fit_curve(PROBABILITIES[:2000], right[:2000].astype(float))
    before = expected_calibration_error(PROBABILITIES[2000:], right[2000:])
    after = expected_calibration_error(certainty(PROBABILITIES[2000:], curve), right[2000:])
    assert before > 0.06
    assert after < 0.5 * before


def test_a_curve_is_found_again() -> None:
    for curve in ((-0.5, 1.5, -1.0), (1.0, 1.0, 1.0), (0.3, 0.8, -0.5)):
        found = fit_curve(PROBABILITIES, certainty(PROBABILITIES, curve))
        assert np.abs(certainty(PROBABILITIES, found) - certainty(PROBABILITIES, curve)).max() < 0.03


def test_surer_values_stay_surer() -> None:
    rising = np.linspace(0, 1, 200)
    for curve in ((-1.5, 1.8, -2.3), (1.0, 1.0, 0.5), (0.0, 1.4, -1.2), (-9.0, 0.5, 0.0)):
        told = certainty(rising, curve)
        assert (np.diff(told) >= -1e-6).all()
        assert (told >= 0).all()
        assert (told <= 1).all()


def test_a_few_values_move_a_curve_little() -> None:
    few = np.array([0.9, 0.8, 0.95])
    assert np.abs(certainty(few, fit_curve(few, np.zeros(3))) - few).max() < 0.4
