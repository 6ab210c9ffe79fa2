"""Training data: photographs decoded and resized once into one array, and what is known of their values."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from matting import PhotoError, find_by_name, read_matte, read_photo
from matting.tables import TableError, read_table
from retrieval.attributes import CATEGORY, Schema
from retrieval.tables import check_values

MARGIN_GREY = 127  # what the trunk's normalisation maps to zero
MARGIN = 0.08  # around a garment that is cut out, of its longer side

Matte = NDArray[np.float32]  # (H, W) in [0, 1]


@dataclass(frozen=True)
class LabelledPhotos:
    """Photos of one split with what is known of their values.

    `targets` holds for each attribute an array (N, V + 1) float32: a row is a distribution over the values that the
    photo may have, the last column standing for "does not apply"; a row of zeros: not known.
    """

    ids: list[str]
    paths: list[Path]
    senders: list[str]
    targets: dict[str, NDArray[np.float32]]

    def subset(self, rows: NDArray[np.int64]) -> "LabelledPhotos":
        """The photos at these positions."""
        return LabelledPhotos(
            [self.ids[row] for row in rows],
            [self.paths[row] for row in rows],
            [self.senders[row] for row in rows],
            {key: target[rows] for key, target in self.targets.items()},
        )

    def values(self, schema: Schema) -> dict[str, list[str]]:
        """For each attribute the value of every photo, "" where it does not apply or is not known for certain."""
        found: dict[str, list[str]] = {}
        for attribute in schema.attributes:
            names = [*attribute.values, ""]
            target = self.targets[attribute.key]
            found[attribute.key] = [names[row.argmax()] if row.max(initial=0) == 1 else "" for row in target]
        return found


def read_labels(
    photos: Path, labels: Path, schema: Schema, split: str = "", readings: Path | None = None
) -> LabelledPhotos:
    """Read labels and find their photos.

    Args:
        photos: the folder of photos named by id.
        labels: CSV with the columns id, optionally sender and split, and attributes of the schema.
        schema: the attributes.
        split: if given, only rows whose column `split` holds this.
        readings: CSV with several rows an id; where the label is empty and readings differ, each of the values read
            gets its share of the target.

    Raises:
        TableError: a file lacks what is needed, or no row has a photo.
    """
    table = read_table(labels, required=("id", "split") if split else ("id",))
    check_values(labels, table, schema)
    rows = [row for row in table.rows if not split or row["split"] == split]
    by_id = find_by_name(photos)
    rows = [row for row in rows if row["id"] in by_id]
    if not rows:
        raise TableError(f"{labels}: none of its ids{f' of split {split}' if split else ''} has a photo in {photos}")
    possible = _read_possible_values(readings, schema) if readings else {}
    targets = {key: np.zeros((len(rows), len(schema[key].values) + 1), np.float32) for key in schema.keys}
    for number, row in enumerate(rows):
        for attribute in schema.attributes:
            target = targets[attribute.key][number]
            if value := row.get(attribute.key, ""):
                target[attribute.value_index(value)] = 1
            elif not attribute.applies(row.get(CATEGORY, "")):
                target[-1] = 1
            else:
                for value in possible.get((row["id"], attribute.key), []):
                    target[attribute.value_index(value)] += 1
                target /= max(target.sum(), 1)
    return LabelledPhotos(
        [row["id"] for row in rows],
        [by_id[row["id"]] for row in rows],
        [row.get("sender", "") for row in rows],
        targets,
    )


def _read_possible_values(path: Path, schema: Schema) -> dict[tuple[str, str], list[str]]:
    table = read_table(path, required=("id",))
    possible: dict[tuple[str, str], list[str]] = {}
    for row in table.rows:
        for attribute in schema.attributes:
            value = row.get(attribute.key, "")
            if value in attribute.values:
                possible.setdefault((row["id"], attribute.key), []).append(value)
    return possible


def crop_to_garment(photo: Image.Image, matte: Matte) -> Image.Image:
    """The photo's garment on grey, cropped to the garment's box and a margin.

    The photo itself where the matte, (H, W) at the photo's size, holds nothing.
    """
    rows, columns = (np.flatnonzero((matte > 0.5).any(axis=axis)) for axis in (1, 0))
    if len(rows) == 0:
        return photo
    pixels = np.asarray(photo, np.float32) * matte[..., None] + MARGIN_GREY * (1 - matte[..., None])
    margin = round(MARGIN * max(rows[-1] - rows[0], columns[-1] - columns[0]))
    left, top = max(0, int(columns[0]) - margin), max(0, int(rows[0]) - margin)
    right, bottom = int(columns[-1]) + 1 + margin, int(rows[-1]) + 1 + margin
    box = (left, top, min(photo.width, right), min(photo.height, bottom))
    return Image.fromarray(pixels.round().astype(np.uint8)).crop(box)


def letterbox(photo: Image.Image, size: int) -> NDArray[np.uint8]:
    """Fit a photo into a square with grey margins.

    Args:
        photo: mode "RGB", any size.
        size: the square's side in pixels.

    Returns:
        (size, size, 3), uint8.
    """
    scale = size / max(photo.size)
    width, height = (max(1, round(side * scale)) for side in photo.size)
    square = Image.new("RGB", (size, size), (MARGIN_GREY,) * 3)
    resized = photo.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
    square.paste(resized, ((size - width) // 2, (size - height) // 2))
    return np.asarray(square)


def load_photo_array(
    paths: list[Path],
    size: int,
    cache: Path,
    progress: Callable[[int], None] = lambda _: None,
    mattes: list[Path | None] | None = None,
) -> NDArray[np.uint8]:
    """Decode and letterbox photos once; the next call with the same files reads the cache.

    Args:
        paths: the files.
        size: the squares' side in pixels.
        cache: folder for the array; made if it is not there.
        progress: called with the number of photos done.
        mattes: if given, for each photo the file of its matte, by which it is cut out first, or None.

    Returns:
        (N, size, size, 3), uint8. A photo that can't be read is grey all over, and named on standard output.
    """
    of_photo = mattes or [None] * len(paths)
    files = [file for pair in zip(paths, of_photo, strict=True) for file in pair if file is not None]
    names = "\n".join(f"{path.resolve()} {path.stat().st_size}" for path in files)
    file = cache / f"photos-{size}-{hashlib.sha256(names.encode()).hexdigest()[:16]}.npy"
    if not file.exists():
        cache.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_suffix(".unfinished")
        squares = np.lib.format.open_memmap(unfinished, mode="w+", dtype=np.uint8, shape=(len(paths), size, size, 3))
        for number, (path, matte) in enumerate(zip(paths, of_photo, strict=True)):
            try:
                photo = read_photo(path, at_least=size)
                if matte is not None:
                    photo = crop_to_garment(photo, read_matte(matte, photo.size))
                squares[number] = letterbox(photo, size)
            except PhotoError as error:
                squares[number] = MARGIN_GREY
                print(f"{path}: {error}; it is left grey")
            progress(number + 1)
        squares.flush()
        unfinished.replace(file)
    array: NDArray[np.uint8] = np.load(file, mmap_mode="r")
    return array
