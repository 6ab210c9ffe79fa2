"""From a photo to its matte: one look at the whole, then the edge at the photo's own size."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from matting.network import BACKGROUND, FOREGROUND, STRIDE, MattingNetwork, normalise
from matting.refine import at_size, harden, refine, without_lesser_parts
from matting.trimap import make_trimap, one_hot

Matte = NDArray[np.float32]

SMALLER_BY_ENOUGH = 0.9  # photos are not made smaller for the sake of a few pixels
MASK_BAND = 0.015  # half the width of the unknown band around a given mask's edge, of the coarse photo's longest side
SOFT_BAND = 0.015  # how far from the edge an alpha may be between 0 and 1, of the coarse photo's longest side
CLOSED_FORM_SIDE = 1024  # pixels; closed-form matting takes minutes and gigabytes beyond


@dataclass(frozen=True)
class Look:
    """What the network sees in one photo at one size: `trimap` probabilities (3, H, W), `alpha` (H, W), both on the
    processor, and the class features (1, 4, H', W') on the network's device.
    """

    trimap: Tensor
    alpha: Tensor
    class_features: Tensor | None


@torch.inference_mode()
def look(
    network: MattingNetwork,
    photo: Tensor,
    trimap: Tensor | None = None,
    keep: Tensor | None = None,
    drop: Tensor | None = None,
) -> Look:
    """Let the network look at a whole photo (3, H, W), uint8, once.

    Args:
        network: the matting network.
        photo: the photo.
        trimap: (3, H, W), to use in place of T-Net's.
        keep: (H, W), bool; where true the trimap is foreground.
        drop: (H, W), bool; where true the trimap is background.
    """
    height, width = photo.shape[1:]
    device = next(network.parameters()).device
    padding = (0, -width % STRIDE, 0, -height % STRIDE)
    padded = functional.pad(photo[None].float(), padding, mode="replicate").to(device)
    batch = normalise(padded, network.config).contiguous(memory_format=torch.channels_last)
    class_features, _ = network.class_features(batch)
    if trimap is None:
        used = network.trimap_network(batch, class_features).softmax(dim=1)
    else:
        used = functional.pad(trimap[None], padding, mode="replicate").to(device)
    for region, channel in ((keep, FOREGROUND), (drop, BACKGROUND)):
        if region is not None:
            sure = functional.one_hot(torch.tensor(channel), 3).to(used)[None, :, None, None]
            used = torch.where(functional.pad(region, (0, padding[1], 0, padding[3])).to(device), sure, used)
    alpha = network.alpha(batch, class_features, used)
    features = None if class_features is None else class_features[:, :, :height, :width]
    return Look(used[0, :, :height, :width].float().cpu(), alpha[0, 0, :height, :width].float().cpu(), features)


def matte_at(
    network: MattingNetwork,
    photo: Tensor,
    size: int,
    mask: Matte | None = None,
    keep: Matte | None = None,
    drop: Matte | None = None,
    closed_form: bool = False,
) -> Look:
    """The matte of a photo that is first looked at in a given size, then refined to its own.

    Args:
        network: the matting network.
        photo: (3, H, W), uint8.
        size: the longest side in pixels at which the network looks at the whole photo.
        mask, keep, drop, closed_form: see `Matter.cut`.

    Returns:
        The alpha at the photo's size; the trimap and the class features at the smaller one.
    """
    height, width = photo.shape[1:]
    scale = size / max(height, width)
    scale = 1.0 if scale > SMALLER_BY_ENOUGH else scale
    coarse_size = (max(1, round(height * scale)), max(1, round(width * scale)))
    coarse = at_size(photo, coarse_size)
    trimap = None
    if mask is not None:
        band = max(2, round(MASK_BAND * max(coarse_size)))
        trimap = one_hot(make_trimap(_fit(mask, coarse_size), torch.tensor([band])))[0]
    kept, dropped = (None if region is None else region_of(region, coarse_size) for region in (keep, drop))
    looked = look(network, coarse, trimap, kept, dropped)
    alpha = _closed_form(photo, looked.trimap) if closed_form else looked.alpha
    size_now = (alpha.shape[0], alpha.shape[1])  # closed-form matting gives a larger one
    hardened = harden(alpha.numpy(), SOFT_BAND * max(size_now))
    if mask is None:
        spoken = (None if region is None else region_of(region, size_now).numpy() for region in (keep, drop))
        hardened = without_lesser_parts(hardened, *spoken)
    alpha = torch.from_numpy(hardened)
    alpha = refine(network, photo, looked.class_features, alpha)
    alpha = torch.where(alpha < 0.03, 0.0, torch.where(alpha > 0.97, 1.0, alpha))
    return Look(looked.trimap, alpha, looked.class_features)


def _fit(mask: Matte, size: tuple[int, int]) -> Tensor:
    """A mask (H, W) as (1, 1, height, width)."""
    return functional.interpolate(torch.from_numpy(mask)[None, None].float(), size=size, mode="area")


def region_of(correction: Matte, size: tuple[int, int]) -> Tensor:
    """Where a correction (H, W) in [0, 1] speaks, at this height and width."""
    return _fit(correction, size)[0, 0] > 0.5


def _closed_form(photo: Tensor, trimap: Tensor) -> Tensor:
    """Closed-form matting of a photo (3, H, W), uint8, within a trimap (3, h, w), at up to 1,024 pixels a side.

    A. Levin et al., "A Closed-Form Solution to Natural Image Matting" (2008), by pymatting.
    """
    from pymatting import estimate_alpha_cf  # takes a second, and is rarely needed

    height, width = photo.shape[1:]
    scale = min(1.0, CLOSED_FORM_SIDE / max(height, width))
    picture = at_size(photo, (max(1, round(height * scale)), max(1, round(width * scale)))).double() / 255
    channel = functional.interpolate(trimap[None], size=picture.shape[1:], mode="bilinear").argmax(dim=1)[0]
    levels = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)[channel]  # background, unknown, foreground
    if not bool((levels == 0).any()) or not bool((levels == 1).any()):
        return levels.float()  # there is nothing to start from
    return torch.from_numpy(estimate_alpha_cf(picture.permute(1, 2, 0).numpy(), levels.numpy())).float()
