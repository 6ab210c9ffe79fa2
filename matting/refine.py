"""Alpha from coarse to fine: at each doubling of the size M-Net looks again at the uncertain band, in tiles."""

import torch
from torch import Tensor
from torch.nn import functional

from matting.network import UNKNOWN, MattingNetwork, normalise
from matting.trimap import make_trimap, one_hot

TILE = 256  # pixels, without the margin
MARGIN = 32  # pixels around a tile that M-Net sees besides
BAND = 3  # pixels by which the uncertain band is widened at each size


@torch.inference_mode()
def refine(network: MattingNetwork, photo: Tensor, class_features: Tensor | None, alpha: Tensor) -> Tensor:
    """Bring an alpha to its photo's size.

    Args:
        network: the matting network.
        photo: (3, H, W), uint8.
        class_features: (1, 4, h', w'), on the network's device, or None if the network has none.
        alpha: (h, w) in [0, 1], of the photo at a smaller size.

    Returns:
        (H, W); the alpha itself if it has that size already.
    """
    height, width = photo.shape[1:]
    while alpha.shape != (height, width):
        # Both sides reach the photo's own together: the last step may be less than a doubling.
        last = 2 * alpha.shape[0] >= height or 2 * alpha.shape[1] >= width
        size = (height, width) if last else (2 * alpha.shape[0], 2 * alpha.shape[1])
        alpha = _refine_at(network, at_size(photo, size), class_features, alpha)
    return alpha


def at_size(photo: Tensor, size: tuple[int, int]) -> Tensor:
    """A photo (3, H, W), uint8, at this height and width."""
    if tuple(photo.shape[1:]) == size:
        return photo
    return functional.interpolate(photo[None], size=size, mode="bilinear", antialias=True, align_corners=False)[0]


def _refine_at(network: MattingNetwork, photo: Tensor, class_features: Tensor | None, alpha: Tensor) -> Tensor:
    """One step: the alpha at the size of this photo (3, H, W), its band seen anew."""
    height, width = photo.shape[1:]
    refined = functional.interpolate(alpha[None, None], size=(height, width), mode="bilinear", align_corners=False)
    trimap = make_trimap(refined, torch.tensor([BAND]))[0]
    device = next(network.parameters()).device
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            own = (slice(top, min(top + TILE, height)), slice(left, min(left + TILE, width)))
            if not bool((trimap[own] == UNKNOWN).any()):
                continue
            # Beyond the photo's edge its last pixels are repeated.
            rows = torch.arange(top - MARGIN, top + TILE + MARGIN).clamp(0, height - 1)
            columns = torch.arange(left - MARGIN, left + TILE + MARGIN).clamp(0, width - 1)
            seen = normalise(photo[None][:, :, rows][:, :, :, columns].to(device), network.config)
            features = None
            if class_features is not None:
                y, x = ((2 * at + 1) / side - 1 for at, side in ((rows, height), (columns, width)))
                grid = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], dim=-1)[None].to(device)
                features = functional.grid_sample(class_features, grid, padding_mode="border", align_corners=False)
            tile = network.alpha(seen, features, one_hot(trimap[rows][:, columns][None]).to(device))[0, 0]
            inner = tile[MARGIN : MARGIN + own[0].stop - top, MARGIN : MARGIN + own[1].stop - left]
            refined[0, 0][own] = inner.float().cpu()
    return refined[0, 0]
