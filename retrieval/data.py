"""Training data: photographs decoded and resized once into one array, and what is known of their values."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from matting import PhotoError, find_by_name, read_matte, read_photo
from matting.console import warn
from matting.tables import TableError, read_table, rows_of_split
from retrieval.attributes import CATEGORY, Schema
from retrieval.tables import DOES_NOT_APPLY, check_values, known_value

MARGIN_GREY = 127  # what the trunk's normalisation maps to zero
MARGIN = 0.08  # around a garment that is cut out, of its longer side
ABOVE = 1 / 14  # of a close-up's side, the free space above a garment

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
    table = read_table(labels, required=("id",))
    check_values(labels, table, schema)
    rows = rows_of_split(labels, table, split)
    by_id = find_by_name(photos)
    rows = [row for row in rows if row["id"] in by_id]
    if not rows:
        raise TableError(f"{labels}: none of its ids{f' of split {split}' if split else ''} has a photo in {photos}")
    possible = _read_possible_values(readings, schema) if readings else {}
    targets = {key: np.zeros((len(rows), len(schema[key].values) + 1), np.float32) for key in schema.keys}
    for number, row in enumerate(rows):
        for attribute in schema.attributes:
            target = targets[attribute.key][number]
            cell = row.get(attribute.key, "")
            if value := known_value(cell):
                target[attribute.value_index(value)] = 1
            elif cell == DOES_NOT_APPLY or not attribute.applies(known_value(row.get(CATEGORY, ""))):
                target[-1] = 1
            else:
                for value in possible.get((row["id"], attribute.key), []):
                    target[attribute.value_index(value)] += 1
                target /= max(target.sum(), 1)
    return LabelledPhotos(
        [row["id"] for row in rows],
        [by_id[row["id"]] for row in rows],
        [row.get("sender", "") or row["id"] for row in rows],
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


def garment_box(matte: Matte) -> tuple[int, int, int, int] | None:
    """The box (left, top, right, bottom) of what a matte (H, W) holds and a margin around it; None if it is nothing."""
    rows, columns = (np.flatnonzero((matte > 0.5).any(axis=axis)) for axis in (1, 0))
    if len(rows) == 0:
        return None
    margin = round(MARGIN * max(rows[-1] - rows[0], columns[-1] - columns[0]))
    left, top = max(0, int(columns[0]) - margin), max(0, int(rows[0]) - margin)
    right, bottom = int(columns[-1]) + 1 + margin, int(rows[-1]) + 1 + margin
    return left, top, min(matte.shape[1], right), min(matte.shape[0], bottom)


def with_alpha(photo: Image.Image, matte: Matte | None) -> Image.Image:
    """A photo with its matte (H, W) at the photo's size as its alpha; all opaque without one. Mode "RGBA"."""
    photo = photo.convert("RGBA")
    if matte is not None:
        photo.putalpha(Image.fromarray((matte * 255).round().astype(np.uint8)))
    return photo


def letterbox(photo: Image.Image, size: int) -> NDArray[np.uint8]:
    """Fit a photo into a square with margins of transparent grey.

    Args:
        photo: mode "RGBA", any size.
        size: the square's side in pixels.

    Returns:
        (size, size, 4), uint8.
    """
    scale = size / max(photo.size)
    width, height = (max(1, round(side * scale)) for side in photo.size)
    square = np.full((size, size, 4), (MARGIN_GREY, MARGIN_GREY, MARGIN_GREY, 0), np.uint8)
    left, top = (size - width) // 2, (size - height) // 2
    # Colours and alpha apart: Pillow would weigh the colours by alpha, and what is transparent would lose its own.
    for band, channel in enumerate(photo.split()):
        resized = channel.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
        square[top : top + height, left : left + width, band] = np.asarray(resized)
    return square


def cut_square(photo: Image.Image, matte: Matte, size: int, surroundings: float = 0.0) -> NDArray[np.uint8]:
    """The square (size, size, 4) of a photo's garment, cropped to the garment's box and a margin.

    Args:
        photo: mode "RGB", any size.
        matte: (H, W) at the photo's size; where it holds nothing, the whole photo is shown.
        size: the square's side in pixels.
        surroundings: how much of them is left, in [0, 1]; at 0 the garment lies on grey.
    """
    box = garment_box(matte)
    if box is None:
        return letterbox(with_alpha(photo, None), size)
    # Faded before it is made smaller, so that no more of the floor is left in the garment's edge.
    left = (surroundings + (1 - surroundings) * matte)[..., None]
    colours = np.asarray(photo, np.float32) * left + MARGIN_GREY * (1 - left)
    faded = Image.fromarray(colours.round().astype(np.uint8))
    return letterbox(with_alpha(faded, matte).crop(box), size)


def close_up(square: NDArray[np.uint8], surroundings: float = 0.0) -> NDArray[np.uint8]:
    """The part of a garment's square that shows its upper part, in the middle of its width, on grey.

    Args:
        square: (2 S, 2 S, 4), uint8, as `cut_square` gives it.
        surroundings: how much of them is left in it, in [0, 1]; nothing is changed at 0.

    Returns:
        (S, S, 4), uint8.
    """
    size = len(square) // 2
    rows, columns = np.nonzero(square[..., 3] > 127)
    if len(rows) == 0:
        rows = columns = np.array([size])
    top = min(max(int(rows.min()) - round(ABOVE * size), 0), size)
    left = min(max(int(columns.mean()) - size // 2, 0), size)
    part = square[top : top + size, left : left + size]
    if surroundings == 0:
        return part
    matte = part[..., 3:].astype(np.float32) / 255
    faded = (part[..., :3] - np.float32(MARGIN_GREY)) * (matte / (surroundings + (1 - surroundings) * matte))
    return np.concatenate([(faded + MARGIN_GREY).round().clip(0, 255).astype(np.uint8), part[..., 3:]], axis=2)


@dataclass(frozen=True)
class Squares:
    """Photos decoded and resized once: squares (N, S, S, 4), uint8, with the matte as alpha, opaque without one.

    `whole` shows whole photos as they are, `cut` what `cut_square` makes of them, on grey, and `cropped` the same with
    all that surrounds the garment; without a matte both are the whole photo.
    """

    whole: NDArray[np.uint8]
    cut: NDArray[np.uint8]
    cropped: NDArray[np.uint8]

    def subset(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> "Squares":
        """The squares at these positions, or where `rows` (N,) is True; no others are read from a file."""
        whole = self.whole[rows]
        if self.cut is self.whole:
            return Squares(whole, whole, whole)
        return Squares(whole, self.cut[rows], self.cropped[rows])

    def cut_with(self, surroundings: float) -> NDArray[np.uint8]:
        """Cut-outs that keep a share, in [0, 1], of what surrounds them."""
        if surroundings == 0 or self.cut is self.whole:
            return self.cut
        mixed = (1 - surroundings) * self.cut.astype(np.float32) + surroundings * self.cropped.astype(np.float32)
        return mixed.round().astype(np.uint8)


def _ways_to_show(
    photo: Image.Image, matte: Matte | None, size: int, close_ups: bool
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """A photo whole, cut out and cropped, as `Squares` has it, or what stands for these in close-ups."""
    if close_ups:
        known = np.zeros(photo.size[::-1], np.float32) if matte is None else matte
        cut, cropped = (close_up(cut_square(photo, known, 2 * size, left)) for left in (0.0, 1.0))
        return cropped, cut, cropped
    whole = letterbox(with_alpha(photo, matte), size)
    if matte is None:
        return whole, whole, whole
    return whole, cut_square(photo, matte, size, 0.0), cut_square(photo, matte, size, 1.0)


def load_squares(
    paths: list[Path],
    size: int,
    cache: Path,
    progress: Callable[[int], None] = lambda _: None,
    mattes: list[Path | None] | None = None,
    close_ups: bool = False,
) -> Squares:
    """Decode and letterbox photos once; the next call with the same files reads the cache.

    Args:
        paths: the files.
        size: the squares' side in pixels.
        cache: folder for the arrays; made if it is not there.
        progress: called with the number of photos done.
        mattes: if given, for each photo the file of its matte, or None.
        close_ups: whether squares show close-ups, whole photos too those of the garment with all that surrounds it.

    Returns:
        The squares. A photo that can't be read is grey all over, and named in a warning.
    """
    of_photo = mattes or [None] * len(paths)
    files = [file for pair in zip(paths, of_photo, strict=True) for file in pair if file is not None]
    names = "\n".join(f"{path.resolve()} {path.stat().st_size}" for path in files)
    kind = "close" if close_ups else "whole" if mattes is None else "shown"
    file = cache / f"{kind}-{size}-{hashlib.sha256(names.encode()).hexdigest()[:16]}.npy"
    if not file.exists():
        cache.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_suffix(".unfinished")
        kinds = 1 if mattes is None else 3
        shape = (kinds, len(paths), size, size, 4)
        squares = np.lib.format.open_memmap(unfinished, mode="w+", dtype=np.uint8, shape=shape)
        for number, (path, matte_file) in enumerate(zip(paths, of_photo, strict=True)):
            try:
                photo = read_photo(path, at_least=(4 if close_ups else 2) * size)
                matte = None if matte_file is None else read_matte(matte_file, photo.size)
                for place, square in enumerate(_ways_to_show(photo, matte, size, close_ups)[:kinds]):
                    squares[place, number] = square
            except PhotoError as error:
                squares[:, number] = MARGIN_GREY
                warn(f"{path}: {error}; it is left grey")
            progress(number + 1)
        squares.flush()
        unfinished.replace(file)
    stored = np.load(file, mmap_mode="r")
    whole = stored[0]
    return Squares(whole, whole, whole) if mattes is None else Squares(whole, stored[1], stored[2])
