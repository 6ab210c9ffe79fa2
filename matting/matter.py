"""The matter: photographs in, alpha mattes out."""

import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from pymatting import estimate_alpha_cf
from torch import Tensor
from torch.nn import functional

from matting.device import choose_device, keep_freed_memory
from matting.network import BACKGROUND, FOREGROUND, STRIDE, UNKNOWN, MattingNetwork, fuse_normalisation, normalise
from matting.photo import read_photo
from matting.refine import at_size, harden, refine
from matting.trimap import make_trimap, one_hot
from matting.weights import SHIPPED_WEIGHTS, Model, load_model

Matte = NDArray[np.float32]
Photo = Image.Image | Path | NDArray[np.uint8]

SMALLER_BY_ENOUGH = 0.9  # photos are not made smaller for the sake of a few pixels
MASK_BAND = 0.015  # half the width of the unknown band around a given mask's edge, of the coarse photo's longest side
SOFT_BAND = 0.015  # how far from the edge an alpha may be between 0 and 1, of the coarse photo's longest side
SMALLEST_PRODUCT = 0.002  # share of the photo; what is smaller is no product


class NoProductWarning(UserWarning):
    """No product was found in a photo, and its matte is 1 everywhere."""


@dataclass(frozen=True)
class Cutting:
    """What was found in a photo.

    `alpha`: (H, W), float32 in [0, 1], at the photo's size. `trimap`: (h, w), float32, at the size at which the whole
    photo was looked at: 0 background, 0.5 unknown, 1 foreground. `product_found`: False if there is none, in which
    case the alpha is 1 everywhere.
    """

    alpha: Matte
    trimap: Matte
    product_found: bool


class Matter:
    """Makes mattes of photographs; owns the device and the sizes."""

    def __init__(self, model: Model, fingerprint: str, device: torch.device) -> None:
        if device.type == "cpu":
            keep_freed_memory()
        self.fingerprint = fingerprint
        self.size = model.size
        self._network = fuse_normalisation(model.network).to(device).to(memory_format=torch.channels_last)

    @classmethod
    def load(cls, weights: Path | None = None, device: str = "auto") -> "Matter":
        """Load weights, by default the ones that erimoto ships.

        Args:
            weights: a file that `python -m matting train` wrote.
            device: "auto", "cpu" or "cuda".

        Raises:
            WeightsError, DeviceError: with one line for the user.
        """
        path = weights or SHIPPED_WEIGHTS
        chosen = choose_device(device)
        model = load_model(path)
        return cls(model, hashlib.sha256(path.read_bytes()).hexdigest()[:16], chosen)

    def matte(self, photo: Photo) -> Matte:
        """The matte of a photo: (H, W), float32 in [0, 1], at the photo's size.

        Warns with NoProductWarning where no product is found; the matte is then 1 everywhere.

        Args:
            photo: an RGB picture, the file of one, or (H, W, 3), uint8.

        Raises:
            PhotoError: the file can't be read.
        """
        cutting = self.cut(photo)
        if not cutting.product_found:
            warnings.warn("no product found; the whole photo is kept", NoProductWarning, stacklevel=2)
        return cutting.alpha

    def cut(
        self,
        photo: Photo,
        mask: Matte | None = None,
        keep: Matte | None = None,
        drop: Matte | None = None,
        closed_form: bool = False,
    ) -> Cutting:
        """The matte of a photo, with what led to it, and with a person's corrections.

        Args:
            photo: an RGB picture, the file of one, or (H, W, 3), uint8.
            mask: (H, W) in [0, 1], a coarse mask of the product, in place of the network's own trimap.
            keep: (H, W) in [0, 1]; where it is above one half the alpha becomes 1.
            drop: the same, where the alpha becomes 0; it outdoes `keep`.
            closed_form: let closed-form matting (Levin et al. 2008) fill the unknown band instead of M-Net.

        Raises:
            PhotoError: the file can't be read.
        """
        pixels = torch.from_numpy(_pixels(photo)).permute(2, 0, 1)
        height, width = pixels.shape[1:]
        seen = matte_at(self._network, pixels, self.size, mask, keep, drop, closed_form)
        alpha = seen.alpha
        for correction, value in ((keep, 1.0), (drop, 0.0)):
            if correction is not None:
                alpha = alpha.masked_fill(_region(correction, (height, width)), value)
        found = bool((alpha > 0.5).float().mean() >= SMALLEST_PRODUCT)
        trimap = (seen.trimap[FOREGROUND] + 0.5 * seen.trimap[UNKNOWN]).numpy()
        return Cutting(alpha.numpy() if found else np.ones((height, width), np.float32), trimap, found)


def matte_at(
    network: MattingNetwork,
    photo: Tensor,
    size: int,
    mask: Matte | None = None,
    keep: Matte | None = None,
    drop: Matte | None = None,
    closed_form: bool = False,
) -> "Look":
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
    kept, dropped = (None if region is None else _region(region, coarse_size) for region in (keep, drop))
    looked = look(network, coarse, trimap, kept, dropped)
    alpha = _closed_form(coarse, looked.trimap) if closed_form else looked.alpha
    alpha = torch.from_numpy(harden(alpha.numpy(), SOFT_BAND * max(coarse_size)))
    alpha = refine(network, photo, looked.class_features, alpha)
    alpha = torch.where(alpha < 0.03, 0.0, torch.where(alpha > 0.97, 1.0, alpha))
    return Look(looked.trimap, alpha, looked.class_features)


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
    return Look(used[0, :, :height, :width].float().cpu(), alpha[0, 0, :height, :width].float().cpu(), class_features)


def _pixels(photo: Photo) -> NDArray[np.uint8]:
    if isinstance(photo, Path):
        photo = read_photo(photo)
    return np.array(photo.convert("RGB") if isinstance(photo, Image.Image) else photo)


def _fit(mask: Matte, size: tuple[int, int]) -> Tensor:
    """A mask (H, W) as (1, 1, height, width)."""
    return functional.interpolate(torch.from_numpy(mask)[None, None].float(), size=size, mode="area")


def _region(correction: Matte, size: tuple[int, int]) -> Tensor:
    return _fit(correction, size)[0, 0] > 0.5


def _closed_form(photo: Tensor, trimap: Tensor) -> Tensor:
    """Closed-form matting of a photo (3, H, W), uint8, within a trimap (3, H, W)."""
    levels = torch.tensor([0.0, 0.5, 1.0])[trimap.argmax(dim=0)]  # background, unknown, foreground
    if not bool((levels == 0).any()) or not bool((levels == 1).any()):
        return trimap[FOREGROUND] + 0.5 * trimap[UNKNOWN]  # nothing to start from
    picture = photo.permute(1, 2, 0).double() / 255
    return torch.from_numpy(estimate_alpha_cf(picture.numpy(), levels.double().numpy())).float()
