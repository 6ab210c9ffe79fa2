"""Photographs that people send over the network: read within limits, and stored under names that can do no harm."""

import os
import re
import tempfile
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from index.catalog import open_catalog
from index.storage import CatalogError
from matting import PHOTO_SUFFIXES, PhotoError, read_photo
from retrieval.build import BuildReport, build
from retrieval.embedder import Embedder

UPLOADS = "uploads"
BYTE_LIMIT = 20_000_000
PIXEL_LIMIT = 50_000_000
BYTES_OF_NAME = 120  # of an item's id; file systems allow 255, and a number and a suffix come after it
SIDE = 2000  # pixels; a query is made smaller than this, nothing needs it larger


@dataclass(frozen=True)
class Upload:
    """A file that somebody sent: its name as they call it, and what is in it."""

    name: str
    content: bytes


class UploadError(ValueError):
    """An upload that can't be used; `reason` is one of "bytes", "pixels" and "photo", the message says more."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def read_upload(content: bytes) -> Image.Image:
    """Read a photo that somebody sent, at most `SIDE` pixels a side; mode "RGB". Raises UploadError."""
    if len(content) > BYTE_LIMIT:
        raise UploadError("bytes", f"{len(content) / 1e6:.0f} MB; the limit is {BYTE_LIMIT // 1_000_000} MB")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "upload"
        path.write_bytes(content)
        _check_pixels(path)
        try:
            photo = read_photo(path, at_least=SIDE // 2)
        except PhotoError as error:
            raise UploadError("photo", str(error)) from error
    photo.thumbnail((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return photo


def add_uploads(
    folder: Path,
    uploads: list[Upload],
    embedder: Embedder,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> tuple[BuildReport, dict[str, str]]:
    """Store photos that somebody sent in the catalogue's own folder `uploads`, and add them to the catalogue.

    Args:
        folder: the catalogue.
        uploads: the files; each one's name, without the suffix, becomes the item's id, with a number if it is taken.
        embedder: with the weights that the catalogue was built with.
        progress: called with the number of photos done and of all.

    Returns:
        What was done; and for the name of each file that could not be used the reason.

    Raises:
        CatalogError: the catalogue can't be written to now.
    """
    refused: dict[str, str] = {}
    uploaded = folder / UPLOADS
    uploaded.mkdir(exist_ok=True)
    # Also those of photos that somebody else is adding in this moment, which the catalogue does not know yet.
    taken = {photo.item for photo in open_catalog(folder).known_photos()} | {file.stem for file in uploaded.iterdir()}
    stored: list[Path] = []
    try:
        for upload in uploads:
            try:
                read_upload(upload.content)
            except UploadError as error:
                refused[upload.name] = error.reason
            else:
                _store(upload, uploaded, taken, stored)
        report = build(stored, folder, embedder, create=False, progress=progress) if stored else BuildReport()
    except BaseException:
        _delete_unknown(stored, folder)
        raise
    return report, refused


def _store(upload: Upload, folder: Path, taken: set[str], stored: list[Path]) -> None:
    """Write an upload under a name of its own, which becomes one of those taken; its file one of those stored."""
    while True:
        path = folder / _free_name(upload.name, taken)
        taken.add(path.stem)
        try:
            with path.open("xb") as file:
                stored.append(path)
                file.write(upload.content)
        except FileExistsError:
            continue
        return


def _delete_unknown(files: list[Path], folder: Path) -> None:
    """Delete files of which the catalogue knows nothing; none if it can't be asked."""
    with suppress(CatalogError):
        known = {photo.path for photo in open_catalog(folder).known_photos()}
        for file in files:
            if os.path.abspath(file) not in known:  # noqa: PTH100 (as `build` names them)
                file.unlink(missing_ok=True)


def _check_pixels(path: Path) -> None:
    """Refuse a picture by its header, before anything of it is decoded."""
    try:
        with Image.open(path) as picture:
            pixels = picture.width * picture.height
    except Image.DecompressionBombError:
        pixels = PIXEL_LIMIT + 1
    except (OSError, ValueError, SyntaxError):
        return  # reading it says what is wrong
    if pixels > PIXEL_LIMIT:
        raise UploadError("pixels", f"more than {PIXEL_LIMIT // 1_000_000} megapixels")


def _free_name(name: str, taken: set[str]) -> str:
    """A file name of letters, digits, - and _ that makes an id which is not taken."""
    given = Path(unicodedata.normalize("NFC", name.replace("\\", "/")).rsplit("/", 1)[-1])
    suffix = given.suffix.lower() if given.suffix.lower() in PHOTO_SUFFIXES else ".jpg"
    stem = re.sub(r"[^\w-]+", "-", given.stem).strip("-") or "photo"
    stem = stem.encode()[:BYTES_OF_NAME].decode(errors="ignore")
    free, number = stem, 2
    while free in taken:
        free, number = f"{stem}-{number}", number + 1
    return free + suffix
