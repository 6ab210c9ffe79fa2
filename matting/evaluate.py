"""How good mattes are, measured against others."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from matting import metrics
from matting.matter import Matter
from matting.photo import PhotoError, find_by_name, read_matte, read_photo
from matting.tables import TableError, read_table


@dataclass(frozen=True)
class Measured:
    """One photo's matte, in the units of `matting.metrics`, and the time it took; None where it was only read."""

    photo: str
    iou: float
    sad: float
    mse: float
    gradient: float
    connectivity: float
    product_found: bool
    seconds: float | None


@dataclass(frozen=True)
class Evaluation:
    """Means over photos, in the units of `matting.metrics`, the 10th percentile of IoU, and the median time a photo.

    `seconds` is None where mattes were only read.
    """

    photos: int
    sad: float
    mse: float
    gradient: float
    connectivity: float
    iou: float
    iou_10th_percentile: float
    no_product_found: int
    seconds: float | None


def find_pairs(photos: Path, alphas: Path, grades: Path | None, split: str) -> dict[str, tuple[Path, Path]]:
    """Photos and their true alphas, by their name.

    Args:
        photos: folder of photos.
        alphas: folder of grey mattes of the same names.
        grades: CSV with the columns id and grade, of which only those graded "good" are taken.
        split: if given, only rows of `grades` whose column `split` holds this.

    Raises:
        TableError: nothing is left to compare.
    """
    alpha_of, photo_of = find_by_name(alphas), find_by_name(photos)
    names = [name for name in photo_of if name in alpha_of]
    if grades is not None:
        rows = read_table(grades, ("id", "grade", "split") if split else ("id", "grade")).rows
        good = {row["id"] for row in rows if row["grade"] == "good" and (not split or row["split"] == split)}
        names = [name for name in names if name in good]
    if not names:
        raise TableError(f"{alphas}: holds no matte of a photo in {photos}, or none that is graded good")
    return {name: (photo_of[name], alpha_of[name]) for name in names}


def measure_each(
    pairs: dict[str, tuple[Path, Path]],
    make: Matter | Path,
    progress: Callable[[int], None] = lambda _: None,
) -> list[Measured]:
    """Measure mattes of photos against their true alphas.

    Args:
        pairs: photos and true alphas, by their name.
        make: what makes the mattes, or a folder that holds them under the photos' names.
        progress: called with the number of photos just done.

    Raises:
        TableError: a matte is missing.
        PhotoError: a file can't be read; the message names it.
    """
    made = find_by_name(make) if isinstance(make, Path) else {}
    measured = []
    for name, (path, alpha_path) in pairs.items():
        try:
            photo = read_photo(path)
        except PhotoError as error:
            raise PhotoError(f"{path}: {error}") from error
        product_found, seconds = True, None
        if isinstance(make, Matter):
            began = time.perf_counter()
            cutting = make.cut(photo)
            seconds = time.perf_counter() - began
            alpha, product_found = cutting.alpha, cutting.product_found
        elif name in made:
            alpha = read_matte(made[name], photo.size)
        else:
            raise TableError(f"{make}: holds no matte of {path.name}")
        true = read_matte(alpha_path, photo.size)
        measured.append(
            Measured(
                name,
                metrics.intersection_over_union(alpha, true),
                metrics.sum_of_absolute_differences(alpha, true),
                metrics.mean_squared_error(alpha, true),
                metrics.gradient_error(alpha, true),
                metrics.connectivity_error(alpha, true),
                product_found,
                seconds,
            )
        )
        progress(1)
    return measured


def summarise(measured: list[Measured]) -> Evaluation:
    """The figures of all photos, of which there is one at least, together."""
    times = [one.seconds for one in measured if one.seconds is not None]
    ious = [one.iou for one in measured]
    return Evaluation(
        len(measured),
        float(np.mean([one.sad for one in measured])),
        float(np.mean([one.mse for one in measured])),
        float(np.mean([one.gradient for one in measured])),
        float(np.mean([one.connectivity for one in measured])),
        float(np.mean(ious)),
        float(np.percentile(ious, 10)),
        sum(not one.product_found for one in measured),
        float(np.median(times)) if times else None,
    )


def as_dictionary(figures: Evaluation | Measured) -> dict[str, str | float | int | None]:
    """The figures by name, rounded to what is worth reading."""
    return {key: round(value, 4) if isinstance(value, float) else value for key, value in asdict(figures).items()}
