"""Reading photographs, in whatever form they come."""

import errno
import struct
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

pillow_heif.register_heif_opener()

PHOTO_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jfif", ".png", ".webp", ".avif", ".heic", ".heif", ".tif", ".tiff", ".bmp", ".gif"}
)
PIXEL_LIMIT = 100_000_000
# Pillow's decoders raise many kinds of errors on damaged files; each of them means the same to the user.
DECODER_ERRORS = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    LookupError,
    TypeError,
    RuntimeError,
    struct.error,
    MemoryError,
)


class PhotoError(ValueError):
    """A photo that can't be used; the message says why, in a few words and without the file's name."""


def find_photos(places: Iterable[Path]) -> list[Path]:
    """All photo files in folders, at any depth and following links once, and the files named themselves.

    They come in the order given, each folder's own sorted.

    A folder that can't be listed stands for its photos, so that it is refused by name when it is read. Raises OSError,
    with the name, for a place that is not there.
    """
    found: dict[Path, None] = {}
    for place in places:
        if place.is_dir():
            found.update(dict.fromkeys(_walk(place, set())))
        else:
            place.stat()
            found[place] = None
    return list(found)


def _walk(folder: Path, seen: set[tuple[int, int]]) -> list[Path]:
    try:
        status = folder.stat()
        # A link that leads back up would be walked for ever.
        if (status.st_dev, status.st_ino) in seen:
            return []
        seen.add((status.st_dev, status.st_ino))
        entries = [(entry, entry.is_dir()) for entry in sorted(folder.iterdir())]
    except PermissionError:
        return [folder]
    found: list[Path] = []
    for entry, is_folder in entries:
        if is_folder:
            found += _walk(entry, seen)
        elif entry.suffix.lower() in PHOTO_SUFFIXES and not entry.name.startswith("."):
            found.append(entry)
    return found


def find_by_name(folder: Path) -> dict[str, Path]:
    """The picture files in a folder by their paths within it, without suffixes; of two of one name the first.

    Raises NotADirectoryError if it is a file.
    """
    if folder.is_file():
        raise NotADirectoryError(errno.ENOTDIR, "not a folder", str(folder))
    found: dict[str, Path] = {}
    for path in find_photos([folder]):
        found.setdefault(path.relative_to(folder).with_suffix("").as_posix(), path)
    return found


def read_matte(path: Path, size: tuple[int, int]) -> NDArray[np.float32]:
    """A grey matte of 8 or 16 bits, or a cut-out's alpha, as (height, width) in [0, 1] at this width and height.

    A grey picture that is opaque everywhere is no cut-out: its grey counts. The EXIF orientation is applied.

    Raises PhotoError if it can't be read.
    """
    try:
        with Image.open(path) as image:
            resized = _matte_channel(_upright(image)).resize(size, Image.Resampling.BILINEAR)
    except (*DECODER_ERRORS, Image.DecompressionBombError) as error:
        raise PhotoError(f"{path}: the matte can't be read") from error
    return np.asarray(resized, np.float32) / np.float32(255)


def _matte_channel(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        return _from_high_depth(image)
    if "transparency" in image.info:
        image = image.convert("RGBA")
    if "A" not in image.getbands():
        return image.convert("L")
    alpha, (red, green, blue) = image.getchannel("A"), image.convert("RGB").split()
    is_grey = red.tobytes() == green.tobytes() == blue.tobytes()
    return red if is_grey and alpha.getextrema() == (255, 255) else alpha


def read_photo(path: Path, at_least: int | None = None) -> Image.Image:
    """Read a photo as upright 8-bit RGB.

    The EXIF orientation is applied; the first frame of an animation is taken; transparent parts become white; CMYK,
    palette, grey and 16-bit pictures are converted.

    Args:
        path: the file.
        at_least: if given, a JPEG may be decoded at a reduced size whose shorter side is still at least this many
            pixels, which is several times faster for large photos.

    Returns:
        The photo, mode "RGB".

    Raises:
        PhotoError: the file is empty, not an image, damaged, unreadable or over 100 megapixels.
    """
    try:
        if path.stat().st_size == 0:
            raise PhotoError("the file is empty")
        # Pillow warns of large pictures before we have compared their size with our own limit.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                return _decode(image, at_least)
    except UnidentifiedImageError as error:
        raise PhotoError("not an image, or of a kind that can't be read") from error
    except Image.DecompressionBombError as error:
        raise PhotoError(f"larger than {PIXEL_LIMIT // 1_000_000} megapixels") from error
    except PermissionError as error:
        raise PhotoError("no permission to read it") from error
    except IsADirectoryError as error:
        raise PhotoError("a folder, not a photo, and what is in it can't be read") from error
    except FileNotFoundError as error:
        raise PhotoError("there is no such file") from error
    except PhotoError:
        raise
    except DECODER_ERRORS as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "damaged or cut short"
        raise PhotoError(reason) from error


def _decode(image: Image.Image, at_least: int | None) -> Image.Image:
    width, height = image.size
    if width < 1 or height < 1:
        raise PhotoError("the picture has no pixels")
    if width * height > PIXEL_LIMIT:
        raise PhotoError(
            f"{width * height / 1e6:.0f} megapixels; the limit is {PIXEL_LIMIT // 1_000_000}, make it smaller"
        )
    if at_least is not None and image.format == "JPEG":
        scale = at_least / min(width, height)
        image.draft("RGB", (int(width * scale) + 1, int(height * scale) + 1))
    image.load()
    return _to_rgb(_upright(image))


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except DECODER_ERRORS:
        return image  # EXIF data that can't be read spoils no picture


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        return _from_high_depth(image).convert("RGB")
    if image.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _from_high_depth(image: Image.Image) -> Image.Image:
    """8-bit grey from a picture of 16 or 32 bits a pixel, whose white is 65,535, 1.0 or its own brightest pixel."""
    pixels = np.nan_to_num(np.asarray(image, dtype=np.float64), posinf=0.0, neginf=0.0)
    brightest = float(pixels.max(initial=0.0))
    if image.mode == "F":
        white = max(1.0, brightest)
    else:
        white = 255.0 if brightest <= 255 and image.mode == "I" else max(65535.0, brightest)
    return Image.fromarray((pixels.clip(0, white) / white * 255).round().astype(np.uint8))
