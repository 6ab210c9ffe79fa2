"""The matter: photographs in, alpha mattes out."""

import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from matting.device import choose_device, keep_freed_memory
from matting.inference import Matte, matte_at, region_of
from matting.network import FOREGROUND, UNKNOWN, fuse_normalisation
from matting.photo import read_photo
from matting.weights import SHIPPED_WEIGHTS, Model, load_model

Photo = Image.Image | Path | NDArray[np.uint8]

SMALLEST_PRODUCT = 0.002  # share of the photo; what is smaller is no product


class NoProductWarning(UserWarning):
    """No product was found in a photo, and its matte is 1 everywhere."""


@dataclass(frozen=True)
class Cutting:
    """What was found in a photo.

    `alpha`: (H, W), float32 in [0, 1], at the photo's size. `trimap`: (h, w), float32, at the size at which the whole
    photo was looked at: 0 background, 0.5 unknown, 1 foreground. `product_found`: False if there is none, in which
    case the alpha is 1 everywhere but in what a person has dropped.
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
        larger: Photo | None = None,
    ) -> Cutting:
        """The matte of a photo, with what led to it, and with a person's corrections.

        Args:
            photo: an RGB picture, the file of one, or (H, W, 3), uint8.
            mask: (H, W) in [0, 1], a coarse mask of the product, whose edge is looked for near the mask's.
            keep: (H, W) in [0, 1]; where it is above one half the alpha becomes 1.
            drop: the same, where the alpha becomes 0; it outdoes `keep`.
            closed_form: let closed-form matting (Levin et al. 2008) fill the unknown band instead of M-Net, at up to
                1,024 pixels a side.
            larger: the same photo with more pixels, in which a small product is looked at; the matte has the size of
                `photo` all the same.

        Raises:
            PhotoError: the file can't be read, or closed-form matting finds no solution.
        """
        pixels, more = _pixels(photo), None if larger is None else _pixels(larger)
        height, width = pixels.shape[1:]
        seen = matte_at(self._network, pixels, self.size, mask, keep, drop, closed_form, more)
        alpha = seen.alpha
        kept, dropped = (None if of is None else region_of(of, (height, width)) for of in (keep, drop))
        if kept is not None:
            alpha = alpha.masked_fill(kept, 1.0)
        if dropped is not None:
            alpha = alpha.masked_fill(dropped, 0.0)
        # What a person has pointed at is a product however small it is.
        smallest = SMALLEST_PRODUCT if keep is None and mask is None else 0.0
        found = bool((alpha > 0.5).float().mean() > smallest)
        if not found:
            alpha = torch.ones(height, width)
            if dropped is not None:
                alpha = alpha.masked_fill(dropped, 0.0)
        trimap = (seen.trimap[FOREGROUND] + 0.5 * seen.trimap[UNKNOWN]).numpy()
        return Cutting(alpha.numpy(), trimap, found)


def _pixels(photo: Photo) -> Tensor:
    """(3, H, W), uint8."""
    if isinstance(photo, Path):
        photo = read_photo(photo)
    pixels = np.array(photo.convert("RGB") if isinstance(photo, Image.Image) else photo)
    return torch.from_numpy(pixels).permute(2, 0, 1)
