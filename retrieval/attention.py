"""Where the attribute network looks for an attribute."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch.nn import functional

from retrieval.network import AttributeAttention, AttributeNetwork, normalise

SPREAD = 0.03  # of the photo's side


@torch.inference_mode()
def attention_map(network: AttributeNetwork, square: NDArray[np.uint8], attribute: int) -> NDArray[np.float32]:
    """Where the network looks for one attribute, all levels and heads together.

    Each level has the same share. It is spread a little, because a single position of a shallow level sees more of the
    photo than the few pixels that it stands for.

    Args:
        network: the network.
        square: (S, S, 3), uint8, as `Embedder.prepare` gives it.
        attribute: position of the attribute in the schema.

    Returns:
        (S, S), float32 in [0, 1]; 1 where the network looks most.
    """
    size = square.shape[0]
    config = network.config
    photo = normalise(torch.from_numpy(square.copy()).permute(2, 0, 1)[None].to(next(network.parameters()).device))
    mean, std = (photo.new_tensor(of).view(1, 3, 1, 1) for of in (config.mean, config.std))
    keys = network.keys(network.trunk((photo * (128 / 255) + 127 / 255 - mean) / std))
    total = torch.zeros(size, size)
    for attend, key in zip(network.attention, keys, strict=True):
        assert isinstance(attend, AttributeAttention)
        positions = attend.attend(key)[0, attribute].mean(dim=0)  # (N,)
        side = math.isqrt(len(positions))
        level = positions.reshape(1, 1, side, side) * len(positions)
        total += functional.interpolate(level, size=(size, size), mode="bilinear", align_corners=False)[0, 0].cpu()
    spread = gaussian_filter(total.numpy(), size * SPREAD, mode="nearest")
    spread -= spread.min()
    found: NDArray[np.float32] = spread / max(float(spread.max()), 1e-6)
    return found
