"""The search service: what the command line and the page ask."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from index.catalog import Catalog, Hit, open_catalog
from index.where import comparisons, parse_where
from matting import PhotoError
from retrieval.attributes import Schema

if TYPE_CHECKING:
    from retrieval.embedder import Embedder


class SearchError(ValueError):
    """A question that can't be answered; the message is one line."""


@dataclass(frozen=True)
class Query:
    """A question: like this photo or item, by these attributes.

    `photo` is an RGB picture or the file of one; else `item` is an id of the catalogue. `by` weighs the attributes that
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

    @classmethod
    def open(cls, folder: Path, weights: Path | None = None, device: str = "auto") -> "SearchService":
        """Open a catalogue. `weights` are those it was built with, if they are not the ones that erimoto ships."""
        return cls(open_catalog(folder), weights, device)

    def search(self, query: Query) -> Answer:
        """Answer a query. Raises ValueErrors (SearchError, WhereError, PhotoError, …) with one line for the user."""
        if (query.photo is None) == (query.item is None):
            raise SearchError("give either --image or --item")
        if query.k < 1:
            raise SearchError(f"-k {query.k}: ask for at least one hit")
        for key in (*query.by, *query.change):
            self.schema[key]  # raises if there is no such attribute
        for key, weight in query.by.items():
            if not (weight > 0 and np.isfinite(weight)):
                raise SearchError(f"--by {key}={weight}: a weight is a number above 0")
        where = parse_where(query.where) if query.where else None
        for comparison in comparisons(where) if where else ():
            if comparison.name in self.schema.keys:
                self.schema[comparison.name].value_index(comparison.value)
        rows, values, photo = self._look_at(query)
        for key, value in query.change.items():
            self.schema[key].value_index(value)
            start, stop = self.catalog.model.spans()[key]
            rows[:, start:stop] = self.catalog.model.prototypes[key][value]
        weights, remarks = self._weights_of(query, values)
        hits = self.catalog.search(rows, weights, query.k, where, without=query.item)
        remarks += self.catalog.warnings
        self.catalog.warnings.clear()
        return Answer(hits, weights, values, photo, remarks)

    def _look_at(self, query: Query) -> tuple[NDArray[np.float32], dict[str, str], str | None]:
        """The query's rows (M, D), the values seen in it, and the file of its photo."""
        if query.item is not None:
            rows, values, path = self.catalog.item(query.item)
            return rows.copy(), values, path
        assert query.photo is not None
        file = str(query.photo) if isinstance(query.photo, Path) else None
        try:
            seen = self._loaded_embedder().embed([query.photo])
        except PhotoError as error:
            raise SearchError(f"{file or 'the photo'}: {error}") from error
        values = {key: of_key[0] for key, of_key in seen.values.items()}
        return np.concatenate([seen.vectors[key] for key in self.catalog.model.blocks], axis=1), values, file

    def _loaded_embedder(self) -> "Embedder":
        if self._embedder is None:
            # torch takes seconds to import, which a search by item need not wait for.
            from retrieval.embedder import Embedder

            embedder = Embedder.load(self._weights, self._device)
            if embedder.fingerprint != self.catalog.model.fingerprint:
                raise SearchError(
                    f"{self.catalog.folder}: was built with other weights ({self.catalog.model.fingerprint}); "
                    "name them with --weights, or build it anew"
                )
            self._embedder = embedder
        return self._embedder

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
