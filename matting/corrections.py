"""What people say about a matte: boxes and masks of what to keep or to drop."""

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from matting.photo import PHOTO_SUFFIXES, PhotoError, read_matte

BOX = re.compile(r"(\d+),(\d+),(\d+),(\d+)")
NO_CORRECTION = "neither a box LEFT,TOP,RIGHT,BOTTOM nor a mask nor a folder of masks"


class CorrectionError(ValueError):
    """A correction that can't be understood; the message is one line that names it."""


def read_correction(
    name: str, photo: Path, size: tuple[int, int], within: Path | None = None
) -> NDArray[np.float32] | None:
    """The region that a user names for a photo.

    Args:
        name: a box "LEFT,TOP,RIGHT,BOTTOM" in the photo's pixels, the file of a mask (white or, where parts are
            transparent, opaque: inside), or a folder of masks named like their photos, in the same subfolders.
        photo: the photo's file.
        size: the photo's width and height.
        within: the photo's path in the folder that was given; by default its name.

    Returns:
        (H, W), float32 in [0, 1]; None if the folder holds no mask for this photo.

    Raises:
        CorrectionError: it is none of these, or the mask can't be read.
    """
    width, height = size
    if box := BOX.fullmatch(name):
        left, top, right, bottom = (int(number) for number in box.groups())
        if left >= min(right, width) or top >= min(bottom, height):
            raise CorrectionError(f"{name}: the box holds no pixel of {photo} ({width} x {height})")
        region = np.zeros((height, width), np.float32)
        region[top:bottom, left:right] = 1
        return region
    path = Path(name)
    if path.is_dir():
        found = mask_in(path, within or Path(photo.name))
        if found is None:
            return None
        path = found
    elif not path.is_file():
        raise CorrectionError(f"{name}: {NO_CORRECTION}")
    try:
        return read_matte(path, size)
    except PhotoError as error:
        raise CorrectionError(f"{path}: the mask can't be read") from error


def is_correction(name: str) -> bool:
    """Whether this is a box, or a file or folder that is there."""
    return BOX.fullmatch(name) is not None or Path(name).exists()


def mask_in(folder: Path, photo: Path) -> Path | None:
    """The file in a folder of masks that is named like a photo's path within its own, whatever the suffix."""
    like = folder / photo.with_suffix("")
    for suffix in sorted(PHOTO_SUFFIXES):
        for file in (like.with_name(like.name + suffix), like.with_name(like.name + suffix.upper())):
            if file.is_file():
                return file
    return None
