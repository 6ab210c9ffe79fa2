"""Bring photographs into a catalogue, new, changed or moved ones, from folders and CSV files."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from index.catalog import Catalog, KnownPhoto, NewPhoto, write_catalog
from index.storage import CatalogError, ModelInfo, is_there
from matting import PHOTO_SUFFIXES, find_photos
from matting.console import progress_bar
from matting.tables import TableError, read_table
from retrieval.attributes import CATEGORY, Schema
from retrieval.embed import embed_files, photo_ids
from retrieval.embedder import Embedder
from retrieval.tables import check_values, known_value
from retrieval.thumbnails import FOLDER as THUMBNAILS
from retrieval.thumbnails import drop_thumbnails, move_thumbnails, save_thumbnails, thumbnail_square

EXTENDED_AT_ONCE = 64  # photos of a transaction


@dataclass
class BuildReport:
    """What a build did: photos by what became of them, items, and what the user should know.

    `extended`: photos of which only attributes were embedded that the catalogue did not have.
    """

    embedded: int = 0
    extended: int = 0
    unchanged: int = 0
    removed: int = 0
    rejected: int = 0
    items: int = 0
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class ItemTables:
    """What CSV files say: the item of each photo's own id, and labels and metadata of each item."""

    item_of_photo: dict[str, str]
    labels: dict[str, dict[str, str]]
    facts: dict[str, dict[str, str]]
    named_photos: dict[str, str]  # photo ids that a file names -> where it does
    left_out: dict[str, str]  # row -> why it was left out
    remarks: list[str]


def model_info(embedder: Embedder) -> ModelInfo:
    """What a catalogue keeps of an embedder."""
    prototypes = {
        key: {value: vector.tolist() for value, vector in of_key.items()}
        for key, of_key in embedder.prototypes().items()
    }
    return ModelInfo(embedder.fingerprint, embedder.dimensions, prototypes, embedder.schema.to_json())


def build(
    places: Sequence[Path],
    folder: Path,
    embedder: Embedder,
    labels: Path | None = None,
    metadata: Path | None = None,
    database: str | None = None,
    prune: bool = False,
    create: bool = True,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> BuildReport:
    """Bring photos into a catalogue: new and changed ones are embedded, others left as they are.

    With weights that were adapted from the catalogue's (see `retrieval.adapt`), attributes that have not changed keep
    what is stored of them; the others are embedded from the catalogue's small pictures, no photo is cut out again.

    Args:
        places: photo files and folders.
        folder: the catalogue.
        embedder: with the weights that the catalogue was built with, unless `create`: other weights embed all anew,
            photos too that are stored and not given.
        labels: CSV with the column id and attributes; a value given goes before the one seen. Other columns become
            metadata.
        metadata: CSV with the column id and any others. With a column `photo` (a photo's path in its folder, with or
            without suffix), `id` names the item that the photo belongs to.
        database: URL of the database for a new catalogue.
        prune: whether to remove photos that are no longer at their place, or can't be embedded with other weights.
        create: whether the catalogue may be new, or built with other weights.
        progress: called with the number of photos done and of those to embed.

    Raises:
        CatalogError, TableError: with one line for the user. What was stored before stays.
    """
    paths = _without_own_pictures(find_photos(places), folder)
    if not paths:
        raise CatalogError(f"{places[0]}: no photos there; give files or folders of photos")
    tables = read_item_tables(embedder.schema, labels, metadata)
    report = BuildReport(remarks=list(tables.remarks))
    with write_catalog(folder, database, create) as catalog:
        if not create and catalog.model.fingerprint != embedder.fingerprint:
            raise CatalogError(f"{folder}: was built with other weights; name them with --weights, or build it anew")
        if create:
            catalog.forget_rejected()  # everything given is looked at again
        _embed_new(catalog, places, paths, embedder, tables, report, progress)
        _drop_vanished(catalog, embedder, prune, report)
        _reject_rows(catalog, places, paths, tables)
        item_of_photo = _items_of_photos(catalog, places, paths)
        named = set(tables.item_of_photo.values())
        catalog.set_labels(_by_item(tables.labels, item_of_photo, named))
        catalog.set_facts(_by_item(tables.facts, item_of_photo, named))
        catalog.finish(model_info(embedder))
        report.rejected = len(catalog.rejected())
        report.items = catalog.count_items()
    return report


def _without_own_pictures(paths: list[Path], folder: Path) -> list[Path]:
    """The photos that are not small pictures of the catalogue itself, which may lie among what it is made of."""
    thumbnails = (folder / THUMBNAILS).resolve()
    # Folders are few beside the photos in them, and resolving a path asks the disk.
    own = {place for place in {path.parent for path in paths} if place.resolve().is_relative_to(thumbnails)}
    return [path for path in paths if path.parent not in own]


def read_item_tables(schema: Schema, labels: Path | None, metadata: Path | None) -> ItemTables:
    """Read the CSV files given with --labels and --metadata. Raises TableError."""
    tables = ItemTables({}, {}, {}, {}, {}, [])
    for path in (metadata, labels):  # in this order: labels of a photo are for the item that it belongs to
        if path is None:
            continue
        by_photo = path is metadata and "photo" in read_table(path).columns
        table = read_table(path, required=("photo",) if by_photo else ("id",))
        attributes = [key for key in schema.keys if key in table.columns] if path is labels else []
        if path is labels:
            if not attributes:
                raise TableError(f"{path}: has no column of an attribute ({', '.join(schema.keys)})")
            check_values(path, table, schema)
        tables.remarks.extend(
            f"{path}: column '{key}' is left out, since it has an attribute's name; rename it, or give it with --labels"
            for key in schema.keys
            if key in table.columns and key not in attributes
        )
        seen: set[str] = set()
        for number, row in enumerate(table.rows, start=2):
            photo = row["photo"] if by_photo else row["id"]
            if by_photo and Path(photo).suffix.lower() in PHOTO_SUFFIXES:
                photo = Path(photo).with_suffix("").as_posix()
            item = (by_photo and row.get("id")) or tables.item_of_photo.get(photo, photo)
            if not photo:
                tables.left_out[f"{path.name}, row {number}"] = "names no photo"
                continue
            if photo in seen:
                tables.left_out[f"{path.name}, row {number}"] = f"'{photo}' stands in an earlier row already"
                continue
            seen.add(photo)
            tables.named_photos.setdefault(photo, path.name)
            if by_photo:
                tables.item_of_photo[photo] = item
            if attributes:
                values = tables.labels.setdefault(item, {})
                values.update({key: known_value(row[key]) for key in attributes if row[key] or key not in values})
            others = {key: row[key] for key in table.columns if key not in {"id", "photo", *schema.keys}}
            facts = tables.facts.setdefault(item, {})
            facts.update({key: value for key, value in others.items() if value or key not in facts})
    return tables


@dataclass(frozen=True)
class _Found:
    """A photo file that was found: its absolute path as text, its item, and its state on disk."""

    path: Path
    name: str
    item: str
    size: int
    modified: int


def _embed_new(
    catalog: Catalog,
    places: Sequence[Path],
    paths: list[Path],
    embedder: Embedder,
    tables: ItemTables,
    report: BuildReport,
    progress: Callable[[int, int], None],
) -> None:
    """Embed the photos given that are not stored as they are on disk, and stored ones that other weights have seen."""
    model = embedder.fingerprint
    known = catalog.known_photos(model)
    found, rejected = _look_at(known, places, paths, tables)
    catalog.reject(rejected)
    if _note_moves(catalog, known, found):
        known = catalog.known_photos(model)
    by_path = {photo.path: photo for photo in known}
    wanted = [
        photo
        for photo in found
        if (stored := by_path.get(photo.name)) is None
        or (stored.size, stored.modified, stored.model) != (photo.size, photo.modified, model)
    ]
    report.unchanged = len(found) - len(wanted)
    given = {photo.name for photo in found}
    wanted += [
        _Found(Path(photo.path), photo.path, photo.item, photo.size, photo.modified)
        for photo in known
        if photo.model != model and photo.path not in given
    ]
    if not wanted:
        return
    total = len(wanted)
    with progress_bar("embedding", total) as advance:
        extensible = _extensible(catalog, known, wanted, embedder)
        extended: set[str] = set()
        for start in range(0, len(extensible), EXTENDED_AT_ONCE):
            done = _extend(catalog, extensible[start : start + EXTENDED_AT_ONCE], embedder)
            extended |= done
            report.extended += len(done)
            advance(len(done))
            progress(report.extended, total)
        wanted = [photo for photo in wanted if photo.name not in extended]
        for batch in embed_files(embedder, [photo.path for photo in wanted]):
            seen = batch.embeddings
            rows = np.concatenate([seen.vectors[key] for key in embedder.schema.keys], axis=1)
            photos = [
                NewPhoto(
                    wanted[position].item,
                    wanted[position].name,
                    wanted[position].size,
                    wanted[position].modified,
                    rows[row],
                    {key: values[row] for key, values in seen.values.items()},
                    {key: float(confidences[row]) for key, confidences in seen.confidences.items()},
                )
                for row, position in enumerate(batch.positions)
            ]
            save_thumbnails(catalog.folder, [photo.path for photo in photos], batch.photos, batch.mattes)
            catalog.store(photos, embedder.fingerprint)
            catalog.reject({wanted[position].name: reason for position, reason in batch.rejected.items()})
            report.embedded += len(photos)
            advance(len(batch.positions) + len(batch.rejected))
            progress(report.extended + max([*batch.positions, *batch.rejected]) + 1, total)


def _extensible(
    catalog: Catalog, known: list[KnownPhoto], wanted: list[_Found], embedder: Embedder
) -> list[KnownPhoto]:
    """Stored photos that lack only the attributes which the embedder's weights were adapted to."""
    if catalog.manifest is None or catalog.model.fingerprint != embedder.adapted_from:
        return []
    unchanged = {(photo.name, photo.item, photo.size, photo.modified) for photo in wanted}
    return [
        photo
        for photo in known
        if photo.model == embedder.adapted_from and (photo.path, photo.item, photo.size, photo.modified) in unchanged
    ]


def _extend(catalog: Catalog, photos: list[KnownPhoto], embedder: Embedder) -> set[str]:
    """Store photos with the attributes that they lack; returns the paths of those whose small picture is there."""
    squares = [
        thumbnail_square(catalog.folder, photo.path, embedder.cuts_out, embedder.size, embedder.surroundings)
        for photo in photos
    ]
    there = [position for position, square in enumerate(squares) if square is not None]
    if not there:
        return set()
    seen = embedder.embed_squares(np.stack([square for square in squares if square is not None]))
    spans, before = catalog.model.spans(), Schema.from_json(catalog.model.schema)
    same_reading = {
        key
        for key in embedder.kept
        if before[key].applies_to == embedder.schema[key].applies_to
        and (before[key].always_applies or CATEGORY in embedder.kept)
    }
    extended = []
    for row, stored in enumerate(catalog.embedded([photos[position] for position in there])):
        vectors, values, confidences = {}, {}, {}
        for key in embedder.schema.keys:
            kept = key in embedder.kept
            vectors[key] = stored.vector[slice(*spans[key])] if kept else seen.vectors[key][row]
            # What is read also depends on whether the garment's category has the attribute.
            if key in same_reading:
                values[key], confidences[key] = stored.values[key], stored.confidences[key]
            else:
                values[key], confidences[key] = seen.values[key][row], float(seen.confidences[key][row])
        joined = np.concatenate(list(vectors.values()))
        extended.append(replace(stored, vector=joined, values=values, confidences=confidences))
    catalog.store(extended, embedder.fingerprint)
    return {photo.path for photo in extended}


def _look_at(
    known: list[KnownPhoto], places: Sequence[Path], paths: list[Path], tables: ItemTables
) -> tuple[list[_Found], dict[str, str]]:
    """The files' items and states; and the files that can't be taken, with the reason."""
    # A stored photo keeps its item unless a table says otherwise, and its id against newcomers while its file is there.
    item_of_stored = {photo.path: photo.item for photo in known}
    taken = {photo.item: photo.path for photo in known if is_there(photo.path)}
    found: list[_Found] = []
    rejected: dict[str, str] = {}
    for path, own_id in zip(paths, photo_ids(places, paths), strict=True):
        name = os.path.abspath(path)  # noqa: PTH100 (Path.resolve would follow links: two links, one photo)
        told = tables.item_of_photo.get(own_id) or item_of_stored.get(name)
        item = told or own_id
        try:
            name.encode("utf-8")
            if told is None and taken.setdefault(item, name) != name:
                rejected[name] = f"duplicate id '{item}', which {taken[item]} has"
                continue
            status = path.stat()
        except UnicodeEncodeError:
            rejected[os.fsencode(name).decode("utf-8", "backslashreplace")] = "its name is not UTF-8; rename it"
        except OSError as error:
            rejected[name] = error.strerror or "can't be read"
        else:
            found.append(_Found(path, name, item, status.st_size, status.st_mtime_ns))
    return found, rejected


def _note_moves(catalog: Catalog, known: list[KnownPhoto], found: list[_Found]) -> bool:
    """Note which stored photos lie elsewhere now, or belong to another item; returns whether there are any."""
    moved = False
    by_path = {photo.path: photo for photo in known}
    gone = {(photo.item, photo.size, photo.modified): photo for photo in known if not is_there(photo.path)}
    for photo in found:
        stored = by_path.get(photo.name) or gone.pop((photo.item, photo.size, photo.modified), None)
        if stored is not None and (stored.path, stored.item) != (photo.name, photo.item):
            catalog.move(stored.path, photo.item, photo.name)
            move_thumbnails(catalog.folder, stored.path, photo.name)
            moved = True
    return moved


def _reject_rows(catalog: Catalog, places: Sequence[Path], paths: list[Path], tables: ItemTables) -> None:
    """List the rows of CSV files that were left out, and those whose photo is nowhere."""
    known = catalog.known_photos()
    there = set(photo_ids(places, paths)) | {photo.item for photo in known}
    missing = [photo for photo in tables.named_photos if photo not in there]
    if missing:
        # Photos of former builds are named by their paths in the folders that were given then.
        stored: dict[str, list[str]] = {}
        for of in known:
            stored.setdefault(Path(of.path).stem, []).append(Path(of.path).with_suffix("").as_posix())
        missing = [
            photo
            for photo in missing
            if not any(path.endswith(f"/{photo}") for path in stored.get(photo.rpartition("/")[2], []))
        ]
    rows = {f"{photo} ({tables.named_photos[photo]})": "there is no such photo" for photo in missing}
    catalog.reject(tables.left_out | rows)


def _drop_vanished(catalog: Catalog, embedder: Embedder, prune: bool, report: BuildReport) -> None:
    """Drop photos that are no longer there, if they may be dropped.

    Raises CatalogError if stored photos could not be embedded with other weights, and so would be lost.
    """
    known = catalog.known_photos(embedder.fingerprint)
    gone = {photo.path for photo in known if not is_there(photo.path)}
    lost = [photo.path for photo in known if photo.model != embedder.fingerprint]
    for path in lost:
        if path not in gone or not prune:
            mend = "bring them back, or let --prune drop them" if path in gone else "mend them, or `remove` their items"
            raise CatalogError(
                f"{catalog.folder}: {len(lost)} of its photos can't be read, such as {path}, and other weights need "
                f"them; {mend}"
            )
    if gone and prune:
        catalog.remove_photos(sorted(gone))
        report.removed = len(gone)
        drop_thumbnails(catalog.folder, [photo.path for photo in known if photo.path not in gone])
    elif gone:
        report.remarks.append(f"{len(gone)} photos are no longer where they were; --prune removes them")


def _items_of_photos(catalog: Catalog, places: Sequence[Path], paths: list[Path]) -> dict[str, str]:
    """The item of each photo given, by the photo's own id."""
    item_of = {photo.path: photo.item for photo in catalog.known_photos()}
    names = (os.path.abspath(path) for path in paths)  # noqa: PTH100 (as in `_look_at`)
    return {own: item_of[name] for own, name in zip(photo_ids(places, paths), names, strict=True) if name in item_of}


def _by_item(
    of_ids: dict[str, dict[str, str]], item_of_photo: dict[str, str], named: set[str]
) -> dict[str, dict[str, str]]:
    """What tables say, by item: an id may be a photo's own, whose item a table of an earlier build has named.

    Those `named` in this build's tables are items already, though a photo may be called the same.
    """
    found: dict[str, dict[str, str]] = {}
    for id_, cells in of_ids.items():
        of_item = found.setdefault(id_ if id_ in named else item_of_photo.get(id_, id_), {})
        of_item.update({key: cell for key, cell in cells.items() if cell or key not in of_item})
    return found
