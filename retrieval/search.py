"""The search service: what the command line and the page ask."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from index.catalog import Catalog, Hit, open_catalog
from index.storage import read_manifest
from index.where import Condition, comparisons, parse_where
from matting import PhotoError, read_photo
from retrieval.attributes import Schema

if TYPE_CHECKING:
    from matting.matter import Cutting, Matter
    from retrieval.embedder import Embedder

Matte = NDArray[np.float32]  # (H, W) in [0, 1]


class SearchError(ValueError):
    """A question that can't be answered; the message is one line."""


@dataclass(frozen=True)
class Garment:
    """What is seen in a query, so that it can be searched with again and again.

    `rows`: (M, D) float32, one a photo. `values` and `confidences` have an entry an attribute. `item` is the id if it
    is one of the catalogue's, `photo` its picture or file. `by_people`: the attributes whose values people gave.
    `model`: the fingerprint of the weights that saw it.
    """

    rows: NDArray[np.float32]
    values: dict[str, str]
    confidences: dict[str, float]
    item: str | None = None
    photo: Image.Image | Path | None = None
    by_people: frozenset[str] = frozenset()
    model: str = ""


@dataclass(frozen=True)
class Query:
    """A question: like this photo or item, by these attributes.

    `photo` is an RGB picture or the file of one; else `item` is an id of the catalogue; else `garment` is what
    `SearchService.look_at` or `SearchService.item` saw before. `by` weighs the attributes that
    count; empty: all that the garment has. `change` replaces attributes by a value (the same, but with long sleeves);
    a changed attribute that `by` does not weigh counts as much as all the others together.
    `where` filters, see `index.where`.
    """

    photo: Image.Image | Path | None = None
    item: str | None = None
    by: dict[str, float] = field(default_factory=dict)
    change: dict[str, str] = field(default_factory=dict)
    where: str | None = None
    k: int = 10
    garment: Garment | None = None


@dataclass(frozen=True)
class Answer:
    """Hits, best first; the weights that counted, the values seen in the query, and what the user should know."""

    hits: list[Hit]
    weights: dict[str, float]
    values: dict[str, str]
    photo: str | None
    remarks: list[str]


class SearchService:
    """Answers queries on one catalogue; loads the network only when a photo is asked for."""

    def __init__(self, catalog: Catalog, weights: Path | None = None, device: str = "auto") -> None:
        self.catalog = catalog
        self.schema = Schema.from_json(catalog.model.schema)
        self._weights = weights
        self._device = device
        self._embedder: Embedder | None = None
        self._matter: Matter | None = None
        self._loading = Lock()

    @classmethod
    def open(cls, folder: Path, weights: Path | None = None, device: str = "auto") -> "SearchService":
        """Open a catalogue. `weights` are those it was built with, if they are not the ones that erimoto ships."""
        return cls(open_catalog(folder), weights, device)

    def search(self, query: Query) -> Answer:
        """Answer a query. Raises ValueErrors (SearchError, WhereError, PhotoError, …) with one line for the user."""
        if [query.photo, query.item, query.garment].count(None) != 2:
            raise SearchError("give either --image or --item")
        if query.k < 1:
            raise SearchError(f"-k {query.k}: ask for at least one hit")
        for key in (*query.by, *query.change):
            self.schema[key]  # raises if there is no such attribute
        for key, weight in query.by.items():
            if not (weight > 0 and np.isfinite(weight)):
                raise SearchError(f"--by {key}={weight}: a weight is a number above 0")
        where = self.condition(query.where)
        garment = self._garment(query)
        if garment.model != self.catalog.model.fingerprint:
            raise SearchError("the catalogue was built with other weights since; give the photo again")
        rows = garment.rows.copy()
        for key, value in query.change.items():
            self.schema[key].value_index(value)
            start, stop = self.catalog.model.spans()[key]
            rows[:, start:stop] = self.catalog.model.prototypes[key][value]
        weights, remarks = self._weights_of(query, garment.values)
        hits = self.catalog.search(rows, weights, query.k, where, without=garment.item)
        remarks += self.catalog.warnings
        self.catalog.warnings.clear()
        photo = str(garment.photo) if isinstance(garment.photo, Path) else None
        return Answer(hits, weights, garment.values, photo, remarks)

    def condition(self, where: str | None) -> Condition | None:
        """The condition that a text says, see `index.where`. Raises WhereError, SchemaError."""
        condition = parse_where(where) if where else None
        for comparison in comparisons(condition) if condition else ():
            if comparison.name in self.schema.keys:
                self.schema[comparison.name].value_index(comparison.value)
        return condition

    def item(self, key: str) -> Garment:
        """What is known of an item. Raises CatalogError if there is no such item."""
        rows, known, path = self.catalog.item(key)
        values = {name: value for name, (value, _, _) in known.items()}
        sure = {name: confidence for name, (_, confidence, _) in known.items()}
        by_people = frozenset(name for name, (_, _, of_people) in known.items() if of_people)
        return Garment(rows, values, sure, key, Path(path), by_people, self.catalog.model.fingerprint)

    def item_without_cut_out(self, key: str) -> Garment:
        """An item as the network sees all of its photo; what people said of it stands.

        Raises CatalogError if there is no such item, PhotoError or SearchError if its photo can't be looked at.
        """
        known = self.item(key)
        assert isinstance(known.photo, Path)
        seen = self.look_at(*whole_photo(known.photo))
        of_people = {name: known.values[name] for name in known.by_people}
        sure = {name: known.confidences[name] for name in known.by_people}
        return replace(known, rows=seen.rows, values=seen.values | of_people, confidences=seen.confidences | sure)

    def look_at(self, photo: Image.Image | Path, matte: Matte | None = None) -> Garment:
        """See a photo's garment, with the network; `matte` (H, W) cuts it out first. Raises SearchError."""
        try:
            seen = self.embedder().embed([photo], [matte])
        except PhotoError as error:
            raise SearchError(f"{photo if isinstance(photo, Path) else 'the photo'}: {error}") from error
        return Garment(
            np.concatenate([seen.vectors[key] for key in self.catalog.model.blocks], axis=1),
            {key: of_key[0] for key, of_key in seen.values.items()},
            {key: float(of_key[0]) for key, of_key in seen.confidences.items()},
            photo=photo,
            model=self.embedder().fingerprint,
        )

    def cut(self, photo: Image.Image, keep: Matte | None = None, drop: Matte | None = None) -> "Cutting":
        """Cut a photo's garment out; `keep` and `drop` are a person's corrections, (H, W) in [0, 1]."""
        with self._loading:
            if self._matter is None:
                from matting.matter import Matter

                # One in memory: the embedder's, where it has one.
                of_embedder = self._embedder.matter if self._embedder is not None else None
                self._matter = of_embedder or Matter.load(device=self._device)
        return self._matter.cut(photo, keep=keep, drop=drop)

    def _garment(self, query: Query) -> Garment:
        if query.garment is not None:
            return query.garment
        if query.photo is not None:
            return self.look_at(query.photo)
        return self.item(query.item or "")

    def embedder(self) -> "Embedder":
        """The network that the catalogue was built with, loaded once.

        Raises SearchError if the catalogue was built with other weights, or if they can't be read.
        """
        with self._loading:
            if self._embedder is None:
                # torch takes seconds to import, which a search by item need not wait for.
                from matting.weights import WeightsError
                from retrieval.embedder import Embedder

                try:
                    self._embedder = Embedder.load(self._weights, self._device)
                except WeightsError as error:
                    raise SearchError(str(error)) from error
        if self._embedder.fingerprint != self.catalog.model.fingerprint:
            raise SearchError(
                f"{self.catalog.folder}: was built with other weights ({self.catalog.model.fingerprint}); "
                "name them with --weights, or build it anew"
            )
        return self._embedder

    def refresh(self) -> None:
        """Open the catalogue anew if it was built again since. Raises CatalogError."""
        if read_manifest(self.catalog.folder) != self.catalog.manifest:
            self.catalog = open_catalog(self.catalog.folder)
            self.schema = Schema.from_json(self.catalog.model.schema)

    def _weights_of(self, query: Query, values: dict[str, str]) -> tuple[dict[str, float], list[str]]:
        """The attributes that count and how much, and a remark for each that was asked for but does not apply."""
        has = [key for key in self.schema.keys if values.get(key) or key in query.change]
        weights = dict(query.by) or {key: 1.0 for key in has if key not in query.change}
        # Who asks for long sleeves means them: a change counts as much as all the rest, unless --by says otherwise.
        rest = max(1.0, sum(weights.values()))
        weights |= {key: rest for key in query.change if key not in weights}
        remarks = []
        for key in [key for key in weights if key not in has]:
            remarks.append(f"the query seems to have no {key}; hits by it mean little")
        return weights, remarks


def whole_photo(path: Path) -> tuple[Image.Image, Matte]:
    """A photo, and the matte (H, W) that keeps all of it. Raises PhotoError if it can't be read."""
    photo = read_photo(path)
    return photo, np.ones(photo.size[::-1], np.float32)


def parse_weights(options: list[str]) -> dict[str, float]:
    """What `--by` was given: ATTR or ATTR=WEIGHT. Raises SearchError."""
    weights: dict[str, float] = {}
    for option in options:
        key, _, weight = option.partition("=")
        try:
            weights[key.strip()] = float(weight) if weight else 1.0
        except ValueError as error:
            raise SearchError(f"--by {option}: '{weight}' is not a number; write for example --by collar=2") from error
    return weights


def parse_changes(options: list[str]) -> dict[str, str]:
    """What `--set` was given: ATTR=VALUE. Raises SearchError."""
    changes: dict[str, str] = {}
    for option in options:
        key, sign, value = option.partition("=")
        if not sign or not value.strip():
            raise SearchError(f"--set {option}: write ATTRIBUTE=VALUE, for example --set sleeve=long")
        changes[key.strip()] = value.strip()
    return changes
