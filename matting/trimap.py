"""Trimaps: what is surely background, surely product, and the band between, which is left to M-Net."""

import torch
from torch import Tensor
from torch.nn import functional

from matting.network import BACKGROUND, FOREGROUND, UNKNOWN


def make_trimap(alphas: Tensor, widths: Tensor) -> Tensor:
    """Trimaps from alphas or coarse masks: the unknown band reaches `widths` pixels into product and background.

    Args:
        alphas: (B, 1, H, W) in [0, 1].
        widths: (B,), integers from 0.

    Returns:
        (B, H, W), int64: the trimap's channel of each pixel.
    """
    return torch.stack([_trimap_of_one(alpha[None], int(width)) for alpha, width in zip(alphas, widths, strict=True)])


def one_hot(trimaps: Tensor) -> Tensor:
    """(B, H, W), int64 -> (B, 3, H, W), float32."""
    return functional.one_hot(trimaps, 3).permute(0, 3, 1, 2).float()


def dilate(mask: Tensor, width: int) -> Tensor:
    """A mask (B, 1, H, W), bool, grown by a square that reaches this many pixels to each side."""
    side = 2 * width + 1
    # A mean over rows, then columns, is above zero where any of the square's pixels is set.
    grown = functional.avg_pool2d(mask.float(), (1, side), stride=1, padding=(0, width))
    return functional.avg_pool2d(grown, (side, 1), stride=1, padding=(width, 0)) > 0


def _trimap_of_one(alpha: Tensor, width: int) -> Tensor:
    certain = ~dilate(alpha <= 0.95, width)
    possible = dilate(alpha > 0.05, width)
    trimap = torch.full(alpha.shape[2:], UNKNOWN)
    trimap[certain[0, 0]] = FOREGROUND
    trimap[~possible[0, 0]] = BACKGROUND
    return trimap
