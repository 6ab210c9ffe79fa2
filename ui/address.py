"""The search as the page's address holds it, so that it can be shared and reopened."""

import base64
import hashlib
import math
import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

import numpy as np

from retrieval.attributes import Schema
from retrieval.search import Garment

MOST_KEPT = 100
HEAVIEST = 5.0


@dataclass(frozen=True)
class Search:
    """All that a person has asked for.

    `item` is an id, `seen` what was seen in a photo (see `encode_garment`); at most one of them is given. `whole`: an
    item is searched with as all of its photo shows it, without its cut-out. `weights` holds the attributes that are
    switched on. `filters` maps an attribute or a column of the metadata to the values of which one must hold, `between`
    a column to bounds. `kept` are the ids of selected items.
    """

    item: str | None = None
    seen: str | None = None
    whole: bool = False
    weights: dict[str, float] = field(default_factory=dict)
    change: dict[str, str] = field(default_factory=dict)
    filters: dict[str, tuple[str, ...]] = field(default_factory=dict)
    between: dict[str, tuple[float, float]] = field(default_factory=dict)
    page: int = 1
    kept: tuple[str, ...] = ()


def everything_counts(search: Search) -> bool:
    """Whether all that the garment has counts: where nothing is on, or only what shall be another value."""
    return set(search.weights) == set(search.change)


def to_address(search: Search) -> dict[str, list[str]]:
    """The parameters of the address; what is as it was at the start is left out."""
    found = {
        "item": [search.item] if search.item else [],
        "seen": [search.seen] if search.seen else [],
        "whole": ["1"] if search.whole else [],
        "by": [key if weight == 1 else f"{key}:{weight:g}" for key, weight in search.weights.items()],
        "set": [f"{key}:{value}" for key, value in search.change.items()],
        "is": [f"{quote(name, safe='')}:{value}" for name, values in search.filters.items() for value in values],
        "between": [f"{quote(name, safe='')}:{low!r}:{high!r}" for name, (low, high) in search.between.items()],
        "page": [str(search.page)] if search.page > 1 else [],
        "kept": list(search.kept),
    }
    return {key: values for key, values in found.items() if values}


def from_address(parameters: Mapping[str, list[str]], schema: Schema, columns: Collection[str]) -> Search:
    """The search that an address holds; what can't be understood in it is left out.

    Args:
        parameters: those of the address.
        schema: the attributes.
        columns: the metadata's; filters by others are left out, as of a table that the catalogue had before.
    """
    weights: dict[str, float] = {}
    for part in parameters.get("by", []):
        key, _, weight = part.partition(":")
        if key in schema.keys:
            weights[key] = min(max(_number(weight, 1.0), 0.1), HEAVIEST)
    change = {}
    for part in parameters.get("set", []):
        key, _, value = part.partition(":")
        if key in schema.keys and value in schema[key].values:
            change[key] = value
            weights.setdefault(key, 1.0)
    filters: dict[str, tuple[str, ...]] = {}
    for part in parameters.get("is", []):
        name, _, value = part.partition(":")
        name = unquote(name)
        if value and (name in columns if name not in schema.keys else value in schema[name].values):
            filters[name] = (*filters.get(name, ()), value)
    between = {}
    for part in parameters.get("between", []):
        name, *bounds = part.split(":")
        low, high = (_number(bound, math.nan) for bound in [*bounds, "", ""][:2])
        if low <= high and unquote(name) in columns:
            between[unquote(name)] = (low, high)
    item = next(iter(parameters.get("item", [])), None)
    seen = next(iter(parameters.get("seen", [])), None) if item is None else None
    whole = item is not None and "1" in parameters.get("whole", [])
    page = int(_number(next(iter(parameters.get("page", [])), ""), 1))
    kept = tuple(dict.fromkeys(parameters.get("kept", [])))[:MOST_KEPT]
    return Search(
        item=item,
        seen=seen,
        whole=whole,
        weights=weights,
        change=change,
        filters=filters,
        between=between,
        page=max(page, 1),
        kept=kept,
    )


def where_text(search: Search, without: str | None = None) -> str | None:
    """The filters as an expression of `--where`, without those of one name; None if there are none."""
    parts = [
        f"{_quoted(name)} in ({', '.join(_quoted(value) for value in values)})"
        for name, values in search.filters.items()
        if values and name != without
    ]
    parts += [
        f"{_quoted(name)} >= {low!r} and {_quoted(name)} <= {high!r}"
        for name, (low, high) in search.between.items()
        if name != without
    ]
    return " and ".join(parts) or None


def encode_garment(garment: Garment, schema: Schema, fingerprint: str) -> str:
    """What was seen in a photo, in about 200 letters: its vectors in steps of 1/127, values and confidences.

    It lets an address be reopened where the photo is not.
    """
    numbers = np.rint(garment.rows[0] * 127).astype(np.int8).tobytes()
    values = [schema[key].values.index(garment.values[key]) if garment.values.get(key) else 255 for key in schema.keys]
    confidences = [round(255 * min(max(garment.confidences.get(key, 0.0), 0.0), 1.0)) for key in schema.keys]
    packed = numbers + bytes(values) + bytes(confidences)
    return f"{_short(fingerprint)}.{base64.urlsafe_b64encode(packed).decode().rstrip('=')}"


def _short(fingerprint: str) -> str:
    """A few letters of all that a fingerprint is made of: weights, and how photos are shown and vectors made."""
    return hashlib.sha256(fingerprint.encode()).hexdigest()[:8]


def decode_garment(text: str, schema: Schema, blocks: dict[str, int], fingerprint: str) -> Garment:
    """What `encode_garment` wrote. Raises ValueError if it is damaged or of another model."""
    made_with, _, letters = text.partition(".")
    packed = base64.urlsafe_b64decode(letters + "=" * (-len(letters) % 4))
    length, attributes = sum(blocks.values()), len(schema.keys)
    if made_with != _short(fingerprint) or len(packed) != length + 2 * attributes:
        raise ValueError("seen with another model")
    row = np.array(struct.unpack(f"{length}b", packed[:length]), np.float32)
    start = 0
    for block in blocks.values():
        row[start : start + block] /= max(float(np.linalg.norm(row[start : start + block])), 1e-6)
        start += block
    values, confidences = {}, {}
    for position, key in enumerate(schema.keys):
        value = packed[length + position]
        known = schema[key].values
        values[key] = known[value] if value < len(known) else ""
        confidences[key] = packed[length + attributes + position] / 255
    return Garment(row[None], values, confidences, model=fingerprint)


def _number(text: str, otherwise: float) -> float:
    try:
        number = float(text)
    except ValueError:
        return otherwise
    return number if math.isfinite(number) else otherwise


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
