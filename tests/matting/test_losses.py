"""The losses and the metrics have the values that their equations give on pictures small enough to work out."""

import math

import numpy as np
import pytest
import torch

from matting import losses, metrics


def half() -> tuple[torch.Tensor, torch.Tensor]:
    """An alpha of 0 beside the true one, which is 1 in the right half; both (1, 1, 4, 4)."""
    true = torch.zeros(1, 1, 4, 4)
    true[..., 2:] = 1
    return torch.zeros(1, 1, 4, 4), true


def test_alpha_and_composition_losses() -> None:
    alpha, true = half()
    assert losses.alpha_loss(alpha, true) == 0.5
    white, black = torch.ones(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)
    assert losses.composition_loss(alpha, true, white, black) == 0.5
    # An error that no one sees in the picture costs nothing there.
    assert losses.composition_loss(alpha, true, white, white) == 0


def test_trimap_loss_is_cross_entropy() -> None:
    logits = torch.zeros(1, 3, 2, 2)
    trimaps = torch.zeros(1, 2, 2, dtype=torch.int64)
    assert float(losses.trimap_loss(logits, trimaps)) == pytest.approx(math.log(3))


def test_variation_counts_less_where_the_photo_changes() -> None:
    _, alpha = half()
    plain = torch.zeros(1, 3, 4, 4)
    edge = alpha.expand(1, 3, 4, 4)
    # One of three horizontal steps changes by 1: a third, with weight 1 on a plain photo.
    assert float(losses.weighted_variation_loss(alpha, plain)) == pytest.approx(1 / 3)
    assert float(losses.weighted_variation_loss(alpha, edge)) == pytest.approx(math.exp(-3 / 0.1) / 3)


def test_gradient_loss() -> None:
    alpha, true = half()
    assert float(losses.gradient_loss(alpha, true)) == pytest.approx(1 / 3)
    assert losses.gradient_loss(true + 0.25, true) == 0  # the gradients are the same


def test_gabor_filters_see_edges_and_not_brightness() -> None:
    bank = losses.gabor_bank()
    assert torch.allclose(bank.sum(dim=(2, 3)), torch.zeros(4, 1), atol=1e-5)
    assert torch.allclose(bank.square().sum(dim=(2, 3)), torch.ones(4, 1), atol=1e-5)
    true = torch.zeros(1, 1, 32, 32)
    true[..., 16:] = 1
    middle = torch.zeros(1, 1, 32, 32)
    middle[..., 8:24, 8:24] = 0.5
    shifted = true.roll(1, dims=3)
    assert losses.gabor_loss(true, true) == 0
    assert losses.gabor_loss(shifted, true) > losses.gabor_loss(true * 0.98, true) > 0


def test_unknown_classes_cost_nothing() -> None:
    logits = torch.tensor([[2.0, 0.0], [0.0, 2.0]])
    both = losses.class_loss(logits, torch.tensor([0, 1]))
    assert losses.class_loss(logits, torch.tensor([0, -1])) == pytest.approx(float(both))
    assert losses.class_loss(logits, torch.tensor([-1, -1])) == 0


def square(size: int = 100, left: int = 20, right: int = 60) -> np.ndarray:
    alpha = np.zeros((size, size), np.float32)
    alpha[20:60, left:right] = 1
    return alpha


def test_metrics_of_equal_alphas() -> None:
    alpha = square()
    for measure in (
        metrics.sum_of_absolute_differences,
        metrics.mean_squared_error,
        metrics.gradient_error,
        metrics.connectivity_error,
    ):
        assert measure(alpha, alpha) == 0
    assert metrics.intersection_over_union(alpha, alpha) == 1


def test_metrics_have_the_published_units() -> None:
    true, alpha = square(), square(right=50)  # 400 of 10,000 pixels are missing
    assert metrics.sum_of_absolute_differences(alpha, true) == pytest.approx(0.4)
    assert metrics.mean_squared_error(alpha, true) == pytest.approx(40)
    assert metrics.intersection_over_union(alpha, true) == pytest.approx(0.75)
    # Pixels missing from one alpha connect at no threshold: each counts 1 in the other's connectedness.
    assert metrics.connectivity_error(alpha, true) == pytest.approx(0.4)


def test_gradient_error_is_in_the_published_unit() -> None:
    """Seen through two filters of unit norm, a single pixel has squares that sum up to 2; the unit is a thousand."""
    alpha = np.zeros((30, 30), np.float32)
    alpha[15, 15] = 1
    assert metrics.gradient_error(alpha, np.zeros_like(alpha)) == pytest.approx(0.002)


def test_connectivity_finds_islands_that_a_sum_does_not() -> None:
    true = square()
    near, far = true.copy(), true.copy()
    near[20:60, 60] = 1  # a row more at the edge
    far[80:84, 80:90] = 1  # as many pixels far away
    assert metrics.sum_of_absolute_differences(near, true) == metrics.sum_of_absolute_differences(far, true)
    assert metrics.gradient_error(far, true) > 0
    assert metrics.connectivity_error(far, true) == pytest.approx(0.04)


def test_gradient_error_prefers_the_right_sharpness() -> None:
    true = square()
    soft = np.clip(np.linspace(-4, 5, 100, dtype=np.float32)[None] * np.ones((100, 1), np.float32), 0, 1)
    slightly_soft = true.copy()
    slightly_soft[20:60, 19] = slightly_soft[20:60, 60] = 0.3
    assert metrics.gradient_error(slightly_soft, true) < metrics.gradient_error(soft, true)


def test_two_empty_alphas_agree() -> None:
    empty = np.zeros((8, 8), np.float32)
    assert metrics.intersection_over_union(empty, empty) == 1
    assert metrics.connectivity_error(empty, empty) == 0
