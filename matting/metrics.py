"""How far an alpha is from the true one. Alphas are (H, W), float32 in [0, 1].

SAD, gradient and connectivity error follow C. Rhemann et al., "A Perceptually Motivated Online Benchmark for Image
Matting" (2009), with the units in which the field reports them; all are taken over the whole picture.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Alpha = NDArray[np.float32]


def sum_of_absolute_differences(alpha: Alpha, true_alpha: Alpha) -> float:
    """SAD, in thousands."""
    return float(np.abs(alpha - true_alpha).sum(dtype=np.float64)) / 1000


def mean_squared_error(alpha: Alpha, true_alpha: Alpha) -> float:
    """MSE, in thousandths."""
    return float(np.square(alpha - true_alpha).mean(dtype=np.float64)) * 1000


def gradient_error(alpha: Alpha, true_alpha: Alpha, sigma: float = 1.4) -> float:
    """Squared difference of the magnitudes of both Gaussian gradients (sigma 1.4 pixels), summed, in thousands.

    As in the benchmark's own program, the derivative's filter has a unit norm.
    """
    steps = np.arange(-4, 5)
    bell = np.exp(-(steps**2) / (2 * sigma**2))
    slope = -steps * bell
    bell, slope = bell / np.sqrt(np.square(bell).sum()), slope / np.sqrt(np.square(slope).sum())

    def derivative(of: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
        along = ndimage.convolve1d(of, slope, axis=axis, mode="nearest")
        smooth: NDArray[np.float64] = ndimage.convolve1d(along, bell, axis=1 - axis, mode="nearest")
        return smooth

    doubles = (alpha.astype(np.float64), true_alpha.astype(np.float64))
    magnitudes = [np.hypot(derivative(each, 1), derivative(each, 0)) for each in doubles]
    return float(np.square(magnitudes[0] - magnitudes[1]).sum()) / 1000


def connectivity_error(alpha: Alpha, true_alpha: Alpha, step: float = 0.1, tolerance: float = 0.15) -> float:
    """How differently the alphas connect to what both are sure of, summed, in thousands.

    For each pixel l is the threshold (in steps of 0.1) up to which it belongs to the largest region where both alphas
    reach the threshold. Its connectedness is 1 - (alpha - l) where alpha exceeds l by 0.15 or more, else 1;
    the error is the sum of the differences of both alphas' connectedness.
    """
    reached, inside = np.zeros(alpha.shape), np.ones(alpha.shape, bool)
    for threshold in np.arange(step, 1 + step / 2, step):
        regions, count = ndimage.label((alpha >= threshold) & (true_alpha >= threshold))
        if count == 0:
            break
        largest = 1 + int(np.argmax(np.bincount(regions.ravel())[1:]))
        inside &= regions == largest
        reached[inside] = threshold
    connected = []
    for each in (alpha, true_alpha):
        distance = each - reached
        connected.append(1 - distance * (distance >= tolerance))
    return float(np.abs(connected[0] - connected[1]).sum()) / 1000


def intersection_over_union(alpha: Alpha, true_alpha: Alpha) -> float:
    """IoU of what both alphas hold at 0.5; 1 if neither holds anything."""
    mine, true = alpha >= 0.5, true_alpha >= 0.5
    union = int((mine | true).sum())
    return int((mine & true).sum()) / union if union else 1.0
