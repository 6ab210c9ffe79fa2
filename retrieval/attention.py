"""Where the attribute network looks for an attribute."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from retrieval.network import RegionPatchNet, network_input

SPREAD = 0.03  # of the photo's side


@torch.inference_mode()
def attention_map(network: RegionPatchNet, square: NDArray[np.uint8], size: int, attribute: int) -> NDArray[np.float32]:
    """Where the network's region branch looks for one attribute, all levels and heads together.

    Each level has the same share. It is spread a little, because a single position of a shallow level sees more of the
    photo than the few pixels that it stands for.

    Args:
        network: the network.
        square: (S, S, 4), uint8, as `Embedder.prepare` gives it.
        size: the side of the squares that the network reads.
        attribute: position of the attribute in the schema.

    Returns:
        (S, S), float32 in [0, 1]; 1 where the network looks most.
    """
    side = len(square)
    photos, _ = network_input(square[None], size, next(network.parameters()).device)
    total = network.attend(photos).on_grid(side, side)[0, attribute].cpu().numpy()
    spread = gaussian_filter(total, side * SPREAD, mode="nearest")
    spread -= spread.min()
    found: NDArray[np.float32] = spread / max(float(spread.max()), 1e-9)
    return found
