"""What people do with a catalogue beside searching it: look through it, correct values, add photos."""

import csv
import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from index import browse, corrections
from index.browse import MOST_VALUES, Column
from index.catalog import Hit, KnownPhoto
from index.corrections import StoredCorrection
from index.storage import BusyError, VersionError
from matting import PhotoError
from retrieval.search import Matte, SearchError, SearchService
from retrieval.tables import DOES_NOT_APPLY
from retrieval.thumbnails import read_thumbnail, thumbnail_file

__all__ = [  # what the page knows, Column, Hit and StoredCorrection being the index's
    "MOST_VALUES",
    "Column",
    "Hit",
    "Look",
    "PhotoError",
    "StoredCorrection",
    "add_photos",
    "all_corrections",
    "columns",
    "correct",
    "count_items",
    "has_cut_out",
    "is_of_another_version",
    "items_page",
    "labels_csv",
    "rejection_kind",
    "state",
    "thumbnail",
    "undo",
    "value_counts",
    "where_it_looked",
    "why_not_added",
]

# Words in the reasons that `read_photo` and `build` give, by the kind of reason.
REJECTIONS = {
    "empty": ("file is empty", "has no pixels"),
    "kind": ("not an image", "a folder, not a photo"),
    "large": ("megapixels",),
    "permission": ("permission",),
    "missing": ("no such file",),
    "damaged": ("damaged or cut short",),
    "duplicate": ("duplicate id",),
    "name": ("not UTF-8",),
    "no_photo": ("no such photo",),
    "row": ("names no photo", "in an earlier row"),
}


@dataclass(frozen=True)
class Look:
    """Where the network looked: the square that it was shown (S, S, 3), and how much at each place, (S, S), 0 to 1."""

    square: NDArray[np.uint8]
    attention: NDArray[np.float32]


def where_it_looked(
    service: SearchService, photo: Image.Image | Path, attribute: str, matte: Matte | None = None
) -> Look:
    """Where the network looks for an attribute in a photo. Raises PhotoError, SearchError."""
    embedder = service.embedder()
    square = embedder.prepare(photo, matte)
    return Look(square[..., :3], embedder.attention(square, attribute))


def thumbnail(service: SearchService, photo: str, cut_out: bool = False) -> bytes | None:
    """The small picture of a photo of the catalogue, see `retrieval.thumbnails`."""
    return read_thumbnail(service.catalog.folder, photo, cut_out)


def has_cut_out(service: SearchService, photo: str) -> bool:
    """Whether there is a small picture of a photo's cut-out, as there is where the network is shown cut-outs."""
    return thumbnail_file(service.catalog.folder, photo, cut_out=True).is_file()


def items_page(service: SearchService, where: str | None, start: int, count: int) -> list[tuple[str, str]]:
    """Some items' ids and photos in the order of their ids. Raises WhereError."""
    return browse.items_page(service.catalog, service.condition(where), start, count)


def count_items(service: SearchService, where: str | None) -> int:
    """How many items pass a filter. Raises WhereError."""
    return browse.count_items(service.catalog, service.condition(where))


def value_counts(service: SearchService, where: str | None) -> dict[str, dict[str, int]]:
    """How many items have each value of each attribute. Raises WhereError."""
    return browse.value_counts(service.catalog, service.condition(where))


def columns(service: SearchService, where: str | None) -> list[Column]:
    """The metadata's columns, with counts. Raises WhereError."""
    return browse.columns(service.catalog, service.condition(where))


def correct(service: SearchService, item: str, attribute: str, value: str, who: str) -> None:
    """Store a person's value of an attribute; "" says that it does not apply. Raises SchemaError, CatalogError."""
    if value:
        service.schema[attribute].value_index(value)
    corrections.correct(service.catalog.engine, item, attribute, value, who)


def undo(service: SearchService, correction: int) -> bool:
    """Let a correction count no longer. Returns False if it was undone or gone already."""
    return corrections.undo(service.catalog.engine, correction)


def all_corrections(service: SearchService) -> list[StoredCorrection]:
    """All corrections, the newest first, those that were undone too."""
    return corrections.corrections(service.catalog.engine)


def state(service: SearchService) -> tuple[str, int, int]:
    """Changes with every build, correction and undoing: what was counted before no longer holds."""
    manifest = service.catalog.manifest
    return str(manifest.generation) if manifest else "", *corrections.state(service.catalog.engine)


def labels_csv(service: SearchService) -> str:
    """What people said of the items that they corrected, as the CSV that `--labels` of training and of builds reads.

    A row a photo, since an item may have several and training knows them by their paths in their folder; cells that
    nobody gave or corrected are empty, which training takes as not known; "-" says that an attribute does not apply.
    """
    of_item: dict[str, dict[str, str]] = {}
    for one in reversed(all_corrections(service)):  # the newest last, so that it stays
        if one.undone is None:
            of_item.setdefault(one.item, {})[one.attribute] = one.value
    cells: dict[str, dict[str, str]] = {}
    for item, corrected in of_item.items():
        labels, facts = browse.given(service.catalog, item)
        sent = {"sender": facts.get("sender", ""), "split": facts.get("split", "train")}
        values = (labels | corrected).items()
        cells[item] = sent | {key: value or DOES_NOT_APPLY for key, value in values if key in service.schema.keys}
    photos = service.catalog.known_photos()
    names = _names_for_training(service.catalog.folder, photos)
    rows = [{"id": names[photo.path]} | cells[photo.item] for photo in photos if photo.item in cells]
    text = io.StringIO()
    writer = csv.DictWriter(text, ["id", "sender", "split", *service.schema.keys], restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(sorted(rows, key=lambda row: row["id"]))
    return text.getvalue()


def _names_for_training(catalog: Path, photos: list[KnownPhoto]) -> dict[str, str]:
    """The names by which training finds photos, by their paths as the catalogue knows them.

    An item's id is its photo's place in the folder given. Where a table named the item otherwise, it is the place in
    the folder that holds all photos, but those that were uploaded.
    """
    from retrieval.uploads import UPLOADS  # imports torch

    uploads = os.path.abspath(catalog / UPLOADS)  # noqa: PTH100 (as builds do, which follow no links)
    folders = [str(Path(photo.path).parent) for photo in photos if not photo.path.startswith(uploads + os.sep)]
    common = Path(os.path.commonpath(folders)) if folders else Path(uploads)
    names = {}
    for photo in photos:
        path = Path(photo.path).with_suffix("")
        if path.as_posix().endswith(f"/{photo.item}"):
            names[photo.path] = photo.item
        else:
            names[photo.path] = path.relative_to(common).as_posix() if path.is_relative_to(common) else path.name
    return names


def rejection_kind(reason: str) -> str | None:
    """What kind of reason a photo was rejected for; None for the operating system's own words."""
    said = reason.lower()
    return next((kind for kind, words in REJECTIONS.items() if any(of.lower() in said for of in words)), None)


def is_of_another_version(error: Exception) -> bool:
    """Whether a catalogue can't be opened because another version of erimoto made it."""
    return isinstance(error, VersionError)


def why_not_added(error: Exception) -> str:
    """What kind of thing kept photos from being added: "busy", "weights" or "unexpected"."""
    if isinstance(error, BusyError):
        return "busy"
    return "weights" if isinstance(error, SearchError) else "unexpected"


def add_photos(
    service: SearchService, uploads: list[tuple[str, bytes]], progress: Callable[[int, int], None]
) -> tuple[int, dict[str, str]]:
    """Add photos that somebody sent, each a name and its bytes.

    Returns how many were added, and for each name that was refused the reason, see `retrieval.uploads`. Raises
    CatalogError if another build is going on.
    """
    from retrieval.uploads import Upload, add_uploads  # imports torch

    files = [Upload(name, content) for name, content in uploads]
    report, refused = add_uploads(service.catalog.folder, files, service.embedder(), progress)
    service.refresh()
    return report.embedded, refused
