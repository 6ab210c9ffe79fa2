"""The catalogue: a folder that holds items, their photos' vectors and values, and the index over them.

The database is the truth; the vector index is made from it. Photos are stored in small transactions as they are
embedded, so a build that is killed loses at most the last few. `finish` then writes the index beside the old one and
replaces the manifest in one step: whoever opens the catalogue sees the old state or the new one.
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Select,
    delete,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.orm import InstrumentedAttribute

from index.corrections import counting_corrections
from index.database import DATABASE, as_stored, check_is_there, check_revision, connect, migrate
from index.filters import as_number, photos_where
from index.rows import Correction, Fact, Item, Label, Photo, Prediction, Rejected
from index.storage import (
    BusyError,
    CatalogError,
    Manifest,
    ModelInfo,
    is_there,
    read_manifest,
    replace_file,
    sha256,
    write_manifest,
)
from index.vectors import FaissIndex, Ids, IndexFileError, Vectors
from index.where import Condition

REJECTED = "rejected.csv"
IDS_AT_ONCE = 500  # databases limit the parameters of one statement
ROUNDING = 1e-5  # of scores that the index and we have summed in another order


@dataclass(frozen=True)
class NewPhoto:
    """An embedded photo to store.

    `size`: of its file, in bytes; `modified`: its file's time in nanoseconds since 1970. `vector`: (D,), a whole row.
    `values` and `confidences` have an entry an attribute.
    """

    item: str
    path: str
    size: int
    modified: int
    vector: NDArray[np.float32]
    values: dict[str, str]
    confidences: dict[str, float]


@dataclass(frozen=True)
class KnownPhoto:
    """A photo that is stored already."""

    id: int
    path: str
    item: str
    size: int
    modified: int
    model: str


@dataclass(frozen=True)
class Seen:
    """An attribute of a hit: the cosine with the query's, its value, how sure, and whether a person gave it."""

    score: float
    value: str
    confidence: float
    labelled: bool


@dataclass(frozen=True)
class Hit:
    """A found item, by its best photo; `score` is the weighted mean of the cosines of the attributes asked for."""

    id: str
    photo: str
    score: float
    attributes: dict[str, Seen]


class Catalog:
    """An open catalogue; see `open_catalog` and `write_catalog`."""

    def __init__(self, folder: Path, engine: Engine, manifest: Manifest | None) -> None:
        self.folder = folder
        self.manifest = manifest
        self.engine = engine  # the database, for the functions of `index.browse` and `index.corrections`
        self.warnings: list[str] = []
        self._index: FaissIndex | None = None
        self._highest: int | None = None  # photo's id when it was opened for writing

    # Reading

    @property
    def model(self) -> ModelInfo:
        """The model of the last finished state. Raises CatalogError if there is none."""
        return self._finished().model

    def _finished(self) -> Manifest:
        if self.manifest is None:
            raise CatalogError(f"{self.folder}: its first build was not finished; run the same build command again")
        return self.manifest

    def item(self, key: str) -> tuple[Vectors, dict[str, tuple[str, float, bool]], str]:
        """An item's rows (M, D), one a photo, and what is known of its first photo, and that one's path.

        For each attribute that is the value, how sure, and whether a person gave it. Raises CatalogError if there is no
        such item.
        """
        query = (
            select(Photo.id, Photo.vectors, Photo.path)
            .join(Item)
            .where(Item.key == key, Photo.model == self.model.fingerprint)
            .order_by(Photo.id)
        )
        with self.engine.connect() as connection:
            photos = connection.execute(query).all()
            if not photos:
                raise CatalogError(f"{self.folder}: there is no item '{key}'")
            seen = self._values(connection, [photos[0].id])[photos[0].id]
        rows = np.stack([np.frombuffer(photo.vectors, np.float32) for photo in photos])
        return rows, seen, photos[0].path

    def values(self, attribute: str) -> list[tuple[str, str, float]]:
        """Each photo's item, value of an attribute (a person's where there is one) and confidence."""
        query = effective_values(self.model.fingerprint, Item.key, Prediction.confidence)
        query = query.join(Item, Item.id == Photo.item_id)
        with self.engine.connect() as connection:
            found = connection.execute(query.where(Prediction.attribute == attribute).order_by(Item.key))
            return [(item, value, confidence) for value, item, confidence in found]

    def search(
        self,
        queries: Vectors,
        weights: dict[str, float],
        k: int,
        where: Condition | None = None,
        without: str | None = None,
    ) -> list[Hit]:
        """The k items whose best photo has the largest weighted mean of cosines with the query.

        Args:
            queries: (M, D) rows, one a photo of the query; the best of them counts.
            weights: for each attribute that counts, how much (positive).
            k: how many items at most.
            where: only photos for which this holds are compared.
            without: id of an item that is left out.
        """
        spans = self.model.spans()
        masked = np.zeros_like(queries)
        for key, weight in weights.items():
            start, stop = spans[key]
            masked[:, start:stop] = queries[:, start:stop] * weight / sum(weights.values())
        index = self._opened_index()
        with self.engine.connect() as connection:
            allowed = None
            if where is not None:
                found = connection.scalars(photos_where(connection, where, tuple(spans)))
                allowed = np.fromiter(found, np.int64)
            wanted = len(index) if allowed is None else len(allowed)
            ask = min(wanted, k + 8)
            while ask:
                scores, ids = index.search(masked, ask, allowed)
                hits = self._hits(connection, _best_first(scores, ids), queries, masked, spans, without)
                # What no row of the query has found yet is no better than the last that one of them has.
                if ask >= wanted or (len(hits) >= k and hits[k - 1].score >= scores[:, -1].max() - ROUNDING):
                    return hits[:k]
                # Several photos of one item were among the best, or the item left out, or removed photos.
                ask = min(wanted, ask * 4)
            return []

    def _hits(
        self,
        connection: Connection,
        ids: Ids,
        queries: Vectors,
        masked: Vectors,
        spans: dict[str, tuple[int, int]],
        without: str | None,
    ) -> list[Hit]:
        wanted = list(dict.fromkeys(int(one) for one in ids if one >= 0))
        rows = {}
        for some in _chunks(wanted):
            query = select(Photo.id, Photo.path, Photo.vectors, Item.key).join(Item).where(Photo.id.in_(some))
            rows.update({row.id: row for row in connection.execute(query)})
        best: dict[str, tuple[float, int, Vectors, Vectors]] = {}
        for photo_id in wanted:
            # A photo that is gone from the database is only waiting to be dropped from the index.
            if photo_id not in rows or rows[photo_id].key == without:
                continue
            vector = np.frombuffer(rows[photo_id].vectors, np.float32)
            scores = masked @ vector
            query_row = queries[int(scores.argmax())]
            key = rows[photo_id].key
            if key not in best or scores.max() > best[key][0]:
                best[key] = (float(scores.max()), photo_id, vector, query_row)
        ranked = sorted(best.items(), key=lambda entry: -entry[1][0])
        seen = self._values(connection, [entry[1][1] for entry in ranked])
        hits = []
        for key, (score, photo_id, vector, query_row) in ranked:
            attributes = {
                name: Seen(
                    float(vector[start:stop] @ query_row[start:stop]), *seen[photo_id].get(name, ("", 0.0, False))
                )
                for name, (start, stop) in spans.items()
            }
            hits.append(Hit(key, rows[photo_id].path, score, attributes))
        return hits

    def _values(self, connection: Connection, photos: list[int]) -> dict[int, dict[str, tuple[str, float, bool]]]:
        found: dict[int, dict[str, tuple[str, float, bool]]] = {photo: {} for photo in photos}
        for some in _chunks(photos):
            predicted = select(Prediction.photo_id, Prediction.attribute, Prediction.value, Prediction.confidence)
            for photo, name, value, confidence in connection.execute(predicted.where(Prediction.photo_id.in_(some))):
                found[photo][name] = (value, confidence, False)
            labelled = select(Photo.id, Label.attribute, Label.value).join(Label, Label.item_id == Photo.item_id)
            corrections = counting_corrections()
            corrected = select(Photo.id, corrections.c.attribute, corrections.c.value).join(
                corrections, corrections.c.item_id == Photo.item_id
            )
            for given in (labelled, corrected):
                for photo, name, value in connection.execute(given.where(Photo.id.in_(some))):
                    found[photo][name] = (value, 1.0, True)
        return found

    def _opened_index(self) -> FaissIndex:
        if self._index is None:
            self._index = self._load_index()
        return self._index

    def _load_index(self) -> FaissIndex:
        """The index's file, or if it is damaged one made anew in memory, with a warning."""
        index = self._stored_index()
        if index is None and (latest := read_manifest(self.folder)) not in (None, self.manifest):
            self.manifest = latest  # another command has finished since this one began
            index = self._stored_index()
        if index is not None:
            return index
        manifest = self._finished()
        self.warnings.append(
            f"{self.folder}: the index file is missing or damaged; made anew from the database, run build to keep it"
        )
        index = _empty_index(manifest.model)
        with self.engine.connect() as connection:
            _bring_up_to_date(connection, index, manifest.model)
        return index

    def _stored_index(self) -> FaissIndex | None:
        manifest = self._finished()
        path = self.folder / manifest.index_file
        try:
            return FaissIndex.load(path) if path.stat().st_size == manifest.index_bytes else None
        except (IndexFileError, OSError):
            return None

    def info(self) -> dict[str, object]:
        """Counts and facts about the catalogue, ready for JSON."""
        manifest = self._finished()
        model = manifest.model
        with self.engine.connect() as connection:
            stored = connection.scalar(select(func.count()).select_from(Photo)) or 0
            rejected = connection.scalar(select(func.count()).select_from(Rejected)) or 0
            values: dict[str, dict[str, int]] = {key: {} for key in model.blocks}
            counted = effective_values(model.fingerprint, Prediction.attribute, func.count()).group_by(
                Prediction.attribute, EFFECTIVE_VALUE
            )
            for value, attribute, count in connection.execute(counted):
                if attribute in values:
                    values[attribute][value] = count
        return {
            "items": self.count_items(),
            "photos": manifest.photos,
            "waiting": stored - manifest.photos,
            "rejected": rejected,
            "built": manifest.built,
            "model": model.fingerprint,
            "index": self._opened_index().kind,
            "index_bytes": manifest.index_bytes,
            "database": manifest.database or DATABASE,
            "values": values,
        }

    def verify(self) -> list[str]:
        """Check everything that is stored against everything else; returns what is wrong, a line each."""
        problems = []
        manifest = self._finished()
        model = manifest.model
        path = self.folder / manifest.index_file
        if not path.is_file():
            problems.append(f"{path}: missing; run build again, no photo is embedded anew")
        elif sha256(path) != manifest.index_sha256:
            problems.append(f"{path}: its checksum is wrong; run build again, no photo is embedded anew")
        with self.engine.connect() as connection:
            if self.engine.dialect.name == "sqlite":
                answers = list(connection.scalars(text("PRAGMA integrity_check")))
                if answers != ["ok"]:
                    problems.append(f"{self.folder / DATABASE}: damaged ({answers[0]}); restore it from a backup")
            lengths = select(Photo.path).where(func.length(Photo.vectors) != 4 * model.dimensions)
            if wrong := connection.scalars(lengths.where(Photo.model == model.fingerprint)).all():
                problems.append(
                    f"{self.folder}: {len(wrong)} photos have vectors of a wrong length, such as {wrong[0]}; "
                    "remove their items and build again"
                )
            stored = set(connection.scalars(select(Photo.id)))
            gone = sum(not is_there(name) for name in connection.scalars(select(Photo.path)))
        if not problems and (lost := len(stored - set(self._opened_index().ids().tolist()))):
            problems.append(f"{self.folder}: {lost} photos are not searchable yet; run build again")
        if gone:
            problems.append(
                f"{self.folder}: {gone} photos are no longer where they were; build with --prune drops them"
            )
        return problems

    def known_photos(self, model: str | None = None) -> list[KnownPhoto]:
        """A row of every stored photo: the newest of a model's, where it has one, else the newest.

        The model is, unless given by its fingerprint, that of the last finished state.
        """
        if model is None and self.manifest is not None:
            model = self.manifest.model.fingerprint
        query = (
            select(Photo.id, Photo.path, Item.key, Photo.size, Photo.modified, Photo.model)
            .join(Item)
            .order_by(Photo.model == model, Photo.id)
        )
        with self.engine.connect() as connection:
            newest = {row.path: KnownPhoto(*row) for row in connection.execute(query)}
        return list(newest.values())

    def embedded(self, photos: Sequence[KnownPhoto]) -> list[NewPhoto]:
        """What was stored of photos when they were embedded, in the same order."""
        vectors: dict[int, Vectors] = {}
        values: dict[int, dict[str, str]] = {photo.id: {} for photo in photos}
        confidences: dict[int, dict[str, float]] = {photo.id: {} for photo in photos}
        predicted = select(Prediction.photo_id, Prediction.attribute, Prediction.value, Prediction.confidence)
        with self.engine.connect() as connection:
            for some in _chunks([photo.id for photo in photos]):
                rows = connection.execute(select(Photo.id, Photo.vectors).where(Photo.id.in_(some)))
                vectors |= {id_: np.frombuffer(row, np.float32) for id_, row in rows}
                for id_, key, value, confidence in connection.execute(predicted.where(Prediction.photo_id.in_(some))):
                    values[id_][key], confidences[id_][key] = value, confidence
        return [
            NewPhoto(of.item, of.path, of.size, of.modified, vectors[of.id], values[of.id], confidences[of.id])
            for of in photos
        ]

    def count_items(self) -> int:
        """How many items there are with a photo that the model has seen."""
        counted = select(func.count(Photo.item_id.distinct())).where(Photo.model == self.model.fingerprint)
        with self.engine.connect() as connection:
            return connection.scalar(counted) or 0

    def rejected(self) -> dict[str, str]:
        """What could not be used, and why."""
        with self.engine.connect() as connection:
            query = select(Rejected.path, Rejected.reason).order_by(Rejected.path)
            return {path: reason for path, reason in connection.execute(query)}

    # Writing

    def store(self, photos: Sequence[NewPhoto], model: str) -> None:
        """Store embedded photos in one transaction, with items for those that have none yet."""
        if not photos:
            return
        with self.engine.begin() as connection:
            items = _item_ids(connection, [photo.item for photo in photos])
            rows = [
                {
                    "item_id": items[photo.item],
                    "path": photo.path,
                    "size": photo.size,
                    "modified": photo.modified,
                    "model": model,
                    "vectors": np.ascontiguousarray(photo.vector, np.float32).tobytes(),
                }
                for photo in photos
            ]
            ids = connection.scalars(insert(Photo).returning(Photo.id, sort_by_parameter_order=True), rows).all()
            connection.execute(
                insert(Prediction),
                [
                    {"photo_id": row, "attribute": key, "value": value, "confidence": float(photo.confidences[key])}
                    for row, photo in zip(ids, photos, strict=True)
                    for key, value in photo.values.items()
                ],
            )
            _forget_rejected(connection, [photo.path for photo in photos])

    def move(self, path: str, item: str, to: str) -> None:
        """Note that the stored photo of a path lies elsewhere now, or belongs to another item.

        What people said of an item that has no photo left goes with its last one; of labels and metadata only what the
        other item lacks.
        """
        with self.engine.begin() as connection:
            item_id = _item_ids(connection, [item])[item]
            before = connection.scalar(select(Photo.item_id).where(Photo.path == path))
            connection.execute(update(Photo).where(Photo.path == path).values(item_id=item_id, path=to))
            if before is None or connection.scalar(select(func.count()).where(Photo.item_id == before)):
                return
            connection.execute(update(Correction).where(Correction.item_id == before).values(item_id=item_id))
            for table, name in ((Label, Label.attribute), (Fact, Fact.name)):
                has = connection.scalars(select(name).where(table.item_id == item_id)).all()
                lacks = (table.item_id == before, name.not_in(has))
                connection.execute(update(table).where(*lacks).values(item_id=item_id))

    def reject(self, reasons: dict[str, str]) -> None:
        """Note files or rows that can't be used, and why."""
        with self.engine.begin() as connection:
            _forget_rejected(connection, list(reasons))
            if reasons:
                rows = [{"path": path, "reason": reason} for path, reason in reasons.items()]
                connection.execute(insert(Rejected), rows)

    def forget_rejected(self) -> None:
        """Empty the list of what could not be used."""
        with self.engine.begin() as connection:
            connection.execute(delete(Rejected))

    def set_labels(self, labels: dict[str, dict[str, str]]) -> None:
        """Set people's values of items' attributes; an empty value takes the label away. Unknown items are ignored."""
        with self.engine.begin() as connection:
            items = _known_item_ids(connection, list(labels))
            for key, item_id in items.items():
                given = labels[key]
                connection.execute(delete(Label).where(Label.item_id == item_id, Label.attribute.in_(list(given))))
            rows = [
                {"item_id": item_id, "attribute": name, "value": value}
                for key, item_id in items.items()
                for name, value in labels[key].items()
                if value
            ]
            if rows:
                connection.execute(insert(Label), rows)

    def set_facts(self, facts: dict[str, dict[str, str]]) -> None:
        """Set metadata of items; an empty text takes it away. Unknown items are ignored."""
        with self.engine.begin() as connection:
            items = _known_item_ids(connection, list(facts))
            for key, item_id in items.items():
                connection.execute(delete(Fact).where(Fact.item_id == item_id, Fact.name.in_(list(facts[key]))))
            rows = [
                {"item_id": item_id, "name": name, "text": cell, "number": as_number(cell)}
                for key, item_id in items.items()
                for name, cell in facts[key].items()
                if cell
            ]
            if rows:
                connection.execute(insert(Fact), rows)

    def remove(self, items: Sequence[str]) -> list[str]:
        """Remove items with all that is known of them. Returns those that are not in here."""
        with self.engine.begin() as connection:
            known = _known_item_ids(connection, items)
            for some in _chunks(list(known.values())):
                connection.execute(delete(Item).where(Item.id.in_(some)))
        return [key for key in items if key not in known]

    def remove_photos(self, paths: Sequence[str]) -> None:
        """Remove photos; items that have no photo left go at the next `finish`."""
        with self.engine.begin() as connection:
            for some in _chunks(list(paths)):
                connection.execute(delete(Photo).where(Photo.path.in_(some)))

    def finish(self, model: ModelInfo) -> None:
        """Make what is stored the current state: write the index, the list of rejected files and the manifest."""
        changed = self.manifest is None or self.manifest.model.fingerprint != model.fingerprint
        with self.engine.connect() as connection:
            index = self._reusable_index(model) or _empty_index(model)
            _bring_up_to_date(connection, index, model)
        generation = self.manifest.generation + 1 if self.manifest else 1
        name = f"index-{generation}.faiss"
        replace_file(self.folder / name, index.save)
        replace_file(self.folder / REJECTED, self._write_rejected)
        url = self.engine.url
        manifest = Manifest(
            generation=generation,
            index_file=name,
            index_bytes=(self.folder / name).stat().st_size,
            index_sha256=sha256(self.folder / name),
            photos=len(index),
            built=datetime.now(UTC).isoformat(timespec="seconds"),
            model=model,
            database=as_stored(url, self.folder),
        )
        write_manifest(self.folder, manifest)
        self.manifest, self._index = manifest, index
        for old in self.folder.glob("index-*.faiss*"):
            if old.name != name:
                old.unlink(missing_ok=True)
        self._drop_superseded(model, index, of_all_models=changed)

    def _reusable_index(self, model: ModelInfo) -> FaissIndex | None:
        if self.manifest is None or self.manifest.model.fingerprint != model.fingerprint:
            return None
        path = self.folder / self.manifest.index_file
        try:
            if sha256(path) != self.manifest.index_sha256:
                return None
            index = FaissIndex.load(path)
        except (IndexFileError, OSError):
            return None
        # Ids are never used twice: an index that knows later ones is of a database from before a backup was restored.
        ids = index.ids()
        return None if self._highest is not None and len(ids) and ids.max() > self._highest else index

    def _drop_superseded(self, model: ModelInfo, index: FaissIndex, of_all_models: bool) -> None:
        """Delete rows of photos that were embedded again, and items without photos, now that no index needs them.

        Rows of another model stay, unless this one has taken its place: a build with other weights may have been
        stopped, and goes on.
        """
        with self.engine.begin() as connection:
            rows = select(Photo.id) if of_all_models else select(Photo.id).where(Photo.model == model.fingerprint)
            stored = np.fromiter(connection.scalars(rows), np.int64)
            for some in _chunks(np.setdiff1d(stored, index.ids()).tolist()):
                connection.execute(delete(Photo).where(Photo.id.in_(some)))
            connection.execute(delete(Item).where(~select(Photo.id).where(Photo.item_id == Item.id).exists()))

    def _write_rejected(self, path: Path) -> None:
        with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
            writer = csv.writer(file)
            writer.writerow(["path", "reason"])
            writer.writerows(self.rejected().items())


def open_catalog(folder: Path) -> Catalog:
    """Open a finished catalogue for searching. Raises CatalogError if there is none, or one of another version."""
    manifest = read_manifest(folder)
    if manifest is None:
        if (folder / DATABASE).exists():
            raise CatalogError(f"{folder}: its first build was not finished; run the same build command again")
        raise CatalogError(f"{folder}: there is no catalogue here; build one with python -m retrieval.index build")
    engine = connect(folder, manifest.database)
    check_is_there(folder, engine)
    check_revision(folder, engine)
    return Catalog(folder, engine, manifest)


@contextmanager
def write_catalog(folder: Path, database: str | None = None, create: bool = True) -> Iterator[Catalog]:
    """Open a catalogue for writing, alone; it is made if it is not there.

    Args:
        folder: the catalogue's folder.
        database: URL of the database for a new catalogue; default: an SQLite file in the folder.
        create: whether to make a catalogue where there is none.

    Raises:
        CatalogError: another command is writing to it, or it is of another version, or there is none to change.
    """
    manifest = read_manifest(folder)
    if manifest is None and not create:
        open_catalog(folder)  # says why not
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "lock", timeout=0)
    try:
        with lock:
            manifest = read_manifest(folder)
            engine = connect(folder, database or (manifest.database if manifest else None))
            if manifest is not None and as_stored(engine.url, folder) != manifest.database:
                raise CatalogError(f"{folder}: has a database already; --database is for a new catalogue")
            if manifest is not None:
                check_is_there(folder, engine)
            migrate(folder, engine)
            catalog = Catalog(folder, engine, manifest)
            with engine.connect() as connection:
                catalog._highest = connection.scalar(select(func.max(Photo.id))) or 0
            try:
                yield catalog
            finally:
                engine.dispose()
    except Timeout as error:
        raise BusyError(f"{folder}: another command is writing to it; wait until that ends") from error


def remove_items(
    items: Sequence[str], folder: Path, then: Callable[[Path, list[str]], None] = lambda _folder, _paths: None
) -> list[str]:
    """Remove items from a catalogue, then call for the folder and the paths that stay, while nobody else writes.

    Returns the ids that are not in it. Raises CatalogError.
    """
    with write_catalog(folder, create=False) as catalog:
        unknown = catalog.remove(items)
        if len(unknown) < len(items):
            catalog.finish(catalog.model)
            then(folder, [photo.path for photo in catalog.known_photos()])
    return unknown


# What a person said of the item goes before what the network saw in the photo.
_CORRECTIONS = counting_corrections()
EFFECTIVE_VALUE = func.coalesce(_CORRECTIONS.c.value, Label.value, Prediction.value)


def effective_values(model: str, *columns: ColumnElement[Any] | InstrumentedAttribute[Any]) -> Select[Any]:
    """Effective values of all photos that a model has seen and of all attributes, and further columns."""
    return (
        select(EFFECTIVE_VALUE, *columns)
        .select_from(Prediction)
        .join(Photo, (Photo.id == Prediction.photo_id) & (Photo.model == model))
        .outerjoin(Label, (Label.item_id == Photo.item_id) & (Label.attribute == Prediction.attribute))
        .outerjoin(
            _CORRECTIONS,
            (_CORRECTIONS.c.item_id == Photo.item_id) & (_CORRECTIONS.c.attribute == Prediction.attribute),
        )
    )


def _best_first(scores: Vectors, ids: Ids) -> Ids:
    """Ids found for several queries (M, k), by falling score."""
    return ids.ravel()[np.argsort(-scores.ravel(), kind="stable")]


def _empty_index(model: ModelInfo) -> FaissIndex:
    return FaissIndex(model.dimensions, list(model.spans().values()))


def _bring_up_to_date(connection: Connection, index: FaissIndex, model: ModelInfo) -> None:
    """Make the index hold the newest row of each photo path that the model embedded, and no others."""
    newest = select(func.max(Photo.id)).where(Photo.model == model.fingerprint).group_by(Photo.path)
    wanted = np.fromiter(connection.scalars(newest), np.int64)
    held = index.ids()
    index.remove(np.setdiff1d(held, wanted))
    missing = np.setdiff1d(wanted, held)
    ids, rows = [], []
    for some in _chunks(missing.tolist()):
        for photo, vectors in connection.execute(select(Photo.id, Photo.vectors).where(Photo.id.in_(some))):
            ids.append(photo)
            rows.append(np.frombuffer(vectors, np.float32))
    if ids:
        index.add(np.array(ids, np.int64), np.stack(rows))


def _known_item_ids(connection: Connection, keys: Sequence[str]) -> dict[str, int]:
    known: dict[str, int] = {}
    for some in _chunks(list(dict.fromkeys(keys))):
        known.update(
            {row[0]: row[1] for row in connection.execute(select(Item.key, Item.id).where(Item.key.in_(some)))}
        )
    return known


def _item_ids(connection: Connection, keys: Sequence[str]) -> dict[str, int]:
    known = _known_item_ids(connection, keys)
    if new := [{"key": key} for key in dict.fromkeys(keys) if key not in known]:
        connection.execute(insert(Item), new)
        known = _known_item_ids(connection, keys)
    return known


def _forget_rejected(connection: Connection, paths: list[str]) -> None:
    for some in _chunks(paths):
        connection.execute(delete(Rejected).where(Rejected.path.in_(some)))


def _chunks(values: list) -> Iterator[list]:  # type: ignore[type-arg]
    for start in range(0, len(values), IDS_AT_ONCE):
        yield values[start : start + IDS_AT_ONCE]
