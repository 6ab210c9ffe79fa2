"""Pictures as the page shows them."""

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retrieval.staff import Look

SHOWN = 640  # pixels, the longer side of pictures in the page

# Dark blue, through green and yellow, to red: where the network looked least and most.
HEAT = np.array([[38, 56, 120], [42, 140, 160], [250, 215, 90], [214, 60, 40]], np.float32)


def shown(picture: Image.Image) -> Image.Image:
    """A picture in the size in which the page shows it."""
    small = picture.copy()
    small.thumbnail((SHOWN, SHOWN), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return small


def cut_out(photo: Image.Image, matte: NDArray[np.float32]) -> Image.Image:
    """A photo by its matte (H, W), on a checked ground that tells what is gone from what is white; mode "RGB"."""
    small = shown(photo)
    alpha = Image.fromarray((matte * 255).round().astype(np.uint8)).resize(small.size, Image.Resampling.BILINEAR)
    rows, columns = np.indices((small.height, small.width)) // 10
    ground = np.where((rows + columns) % 2 == 0, 255, 236).astype(np.uint8)
    return Image.composite(small, Image.fromarray(ground).convert("RGB"), alpha)


def heat(look: Look) -> Image.Image:
    """Where the network looked, laid over what it was shown; mode "RGB", without the margins of the square."""
    place = look.attention[..., None] * (len(HEAT) - 1)
    low = np.clip(place.astype(int), 0, len(HEAT) - 2)
    colours = HEAT[low[..., 0]] + (HEAT[low[..., 0] + 1] - HEAT[low[..., 0]]) * (place - low)
    share = np.clip(1.4 * look.attention[..., None], 0, 0.6)
    grey = look.square.astype(np.float32).mean(axis=2, keepdims=True)
    picture = Image.fromarray((grey * (1 - share) + colours * share).round().astype(np.uint8))
    inside = np.abs(look.square.astype(int) - 127).max(axis=2) > 1
    rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
    if len(rows) == 0:
        return picture
    box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    return picture.crop(box).resize((2 * (box[2] - box[0]), 2 * (box[3] - box[1])), Image.Resampling.BICUBIC)


def data_address(content: bytes) -> str:
    """A JPEG's or WebP's bytes as an address that stands inside a page."""
    kind = "webp" if content[8:12] == b"WEBP" else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def score_text(score: float) -> str:
    """A score as people read it: 100 is alike in everything that counts."""
    return str(max(0, round(100 * score)))


def png(picture: Image.Image) -> bytes:
    """A picture as the bytes of a PNG file."""
    content = io.BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()


def jpeg(picture: Image.Image) -> bytes:
    """A picture, in the size in which the page shows it, as the bytes of a JPEG file."""
    content = io.BytesIO()
    shown(picture).save(content, "JPEG", quality=85)
    return content.getvalue()
