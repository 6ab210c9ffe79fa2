"""Small pictures of photos, and of their cut-outs, in the catalogue's folder, so that pages of hits load fast."""

import hashlib
import io
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from matting import PhotoError, read_photo
from retrieval.data import cut_square, letterbox, with_alpha

SIDE = 320  # pixels, the longer one
FOLDER = "thumbnails"


def thumbnail_file(catalog: Path, photo: str, cut_out: bool = False) -> Path:
    """Where the small picture of a photo lies; named by the photo's path, so that no path of the server shows."""
    name = hashlib.sha256(photo.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return catalog / FOLDER / name[:2] / f"{name}{'-cut.webp' if cut_out else '.jpg'}"


def save_thumbnails(
    catalog: Path, photos: list[str], pictures: list[Image.Image], mattes: list[NDArray[np.float32] | None]
) -> None:
    """Write the small pictures of photos, and of their cut-outs where there is a matte.

    Args:
        catalog: the catalogue's folder.
        photos: their paths as the catalogue knows them.
        pictures: the photos, mode "RGB".
        mattes: (H, W) in [0, 1], at the pictures' sizes, or None.
    """
    with ThreadPoolExecutor() as threads:
        list(threads.map(partial(_save_one, catalog), photos, pictures, mattes))


def _save_one(catalog: Path, photo: str, picture: Image.Image, matte: NDArray[np.float32] | None) -> None:
    file = thumbnail_file(catalog, photo)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(_small(picture, "JPEG"))
    if matte is not None:
        alpha = Image.fromarray((matte * 255).round().astype(np.uint8))
        cut = picture.copy()
        cut.putalpha(alpha)
        thumbnail_file(catalog, photo, cut_out=True).write_bytes(_small(cut, "WEBP"))


def read_thumbnail(catalog: Path, photo: str, cut_out: bool = False) -> bytes | None:
    """The small picture of a photo (JPEG) or of its cut-out (WebP); None if there is neither it nor the photo.

    Without a small picture, as in catalogues built before there were any, one is made of the photo.
    """
    for file in (thumbnail_file(catalog, photo, cut_out), thumbnail_file(catalog, photo)):
        try:
            return file.read_bytes()
        except OSError:
            continue
    try:
        return _small(read_photo(Path(photo), at_least=SIDE), "JPEG")
    except PhotoError:
        return None


def thumbnail_square(
    catalog: Path, photo: str, cut_out: bool, size: int, surroundings: float = 0.0
) -> NDArray[np.uint8] | None:
    """What the embedder would be shown of a photo, (size, size, 4), made from its small pictures; None without them.

    `surroundings` is how much of them a cut-out keeps, as `cut_square` takes it.
    """
    try:
        with Image.open(thumbnail_file(catalog, photo)) as file:
            whole = file.convert("RGB")
        if not cut_out:
            return letterbox(with_alpha(whole, None), size)
        with Image.open(thumbnail_file(catalog, photo, cut_out=True)) as file:
            matte = np.asarray(file.convert("RGBA").getchannel("A"), np.float32) / np.float32(255)
    except OSError:
        return None
    return cut_square(whole, matte, size, surroundings)


def move_thumbnails(catalog: Path, photo: str, to: str) -> None:
    """Let the small pictures of a photo be those of a path where it lies now."""
    for cut_out in (False, True):
        old, new = thumbnail_file(catalog, photo, cut_out), thumbnail_file(catalog, to, cut_out)
        if old.exists():
            new.parent.mkdir(parents=True, exist_ok=True)
            old.replace(new)


def drop_thumbnails(catalog: Path, keep: Iterable[str]) -> None:
    """Delete the small pictures of all photos but these."""
    kept = {thumbnail_file(catalog, photo, cut_out) for photo in keep for cut_out in (False, True)}
    for file in (catalog / FOLDER).glob("*/*"):
        if file not in kept:
            file.unlink(missing_ok=True)


def _small(picture: Image.Image, kind: str) -> bytes:
    small = picture.copy()
    small.thumbnail((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=2.0)
    content = io.BytesIO()
    small.save(content, kind, quality=85, **({"method": 2} if kind == "WEBP" else {}))
    return content.getvalue()
