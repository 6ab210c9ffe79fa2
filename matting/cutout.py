"""Cut-outs: the product's own colours with an alpha, alone or on another background."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageOps
from pymatting import estimate_foreground_ml

from matting.photo import PhotoError, read_photo


class BackgroundError(ValueError):
    """Neither a colour nor a picture; the message is one line."""


def estimate_foreground(photo: Image.Image, matte: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The product's colours, free of the background that shines through its soft edges.

    Where the matte is 1 the photo's colours are kept exactly; elsewhere they are estimated from those around (Germer et
    al., "Fast Multi-Level Foreground Estimation", 2020).

    Args:
        photo: mode "RGB".
        matte: (H, W) in [0, 1], at the photo's size.

    Returns:
        (H, W, 3), uint8.
    """
    pixels = np.asarray(photo)
    if not ((matte > 0) & (matte < 1)).any():
        return pixels
    estimated = estimate_foreground_ml(pixels.astype(np.float32) / 255, matte)
    colours = (np.clip(estimated, 0, 1) * 255).round().astype(np.uint8)
    return np.where(matte[..., None] == 1, pixels, colours)


def cut_out(photo: Image.Image, matte: NDArray[np.float32]) -> Image.Image:
    """The cut-out of a photo, mode "RGBA", at the photo's size; see `estimate_foreground`.

    Fully transparent pixels are black, so that nothing of the old background is left in the file.
    """
    alpha = (matte * 255).round().astype(np.uint8)[..., None]
    colours = np.where(alpha > 0, estimate_foreground(photo, matte), 0).astype(np.uint8)
    return Image.fromarray(np.concatenate([colours, alpha], axis=2), "RGBA")


def compose(cutout: Image.Image, background: Image.Image) -> Image.Image:
    """A cut-out on a background picture, which is scaled and cropped at its middle to cover it; mode "RGB"."""
    picture = ImageOps.fit(background.convert("RGBA"), cutout.size, Image.Resampling.LANCZOS)
    return Image.alpha_composite(picture, cutout).convert("RGB")


def read_background(name: str) -> Image.Image:
    """The background that a user names: a picture's file, or a colour as in HTML ("white", "#f4f4f4").

    Raises BackgroundError if it is neither, or the file can't be read.
    """
    if Path(name).is_file():
        try:
            return read_photo(Path(name))
        except PhotoError as error:
            raise BackgroundError(f"--on {name}: {error}") from error
    try:
        return Image.new("RGB", (1, 1), ImageColor.getrgb(name)[:3])
    except ValueError as error:
        raise BackgroundError(f"--on {name}: neither a picture's file nor a colour such as white or #f4f4f4") from error
