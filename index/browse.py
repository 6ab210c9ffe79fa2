"""Looking through a catalogue without a query: its items page by page, and how many have which value."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, case, func, select

from index.catalog import EFFECTIVE_VALUE, Catalog, effective_values
from index.filters import photos_where
from index.rows import Fact, Item, Label, Photo, Prediction
from index.where import Condition

MOST_VALUES = 200  # of a column of the metadata; who has more of them searches by typing
BARS = 16  # most parts into which the bounds of a column of numbers are divided for counting


@dataclass(frozen=True)
class Column:
    """A column of the metadata.

    Of all items: `bounds`, its least and greatest number if all its cells are numbers, else None; `whole`, whether
    those are all whole ones. Of those that were asked for: `items`, how many have a cell, and `counts`, how many which
    text, at most `MOST_VALUES` of them; where there are bounds, `bars`, how many items lie in each of at most `BARS`
    equal parts between them.
    """

    name: str
    bounds: tuple[float, float] | None
    whole: bool
    items: int
    counts: dict[str, int]
    bars: tuple[int, ...] = ()


def items_page(catalog: Catalog, where: Condition | None, start: int, count: int) -> list[tuple[str, str]]:
    """Some items in the order of their ids: ids and first photos' paths.

    Args:
        catalog: where to look.
        where: which items; None: all.
        start: how many to leave out at the front.
        count: how many to give at most.
    """
    with catalog.engine.connect() as connection:
        query = select(Item.key, func.min(Photo.id).label("photo")).join(Photo, Photo.item_id == Item.id)
        found = query.where(_shown(connection, catalog, where)).group_by(Item.key).subquery()
        rows = select(found.c.key, Photo.path).join(Photo, Photo.id == found.c.photo).order_by(found.c.key)
        page = connection.execute(rows.offset(start).limit(count))
        return [(key, path) for key, path in page]


def count_items(catalog: Catalog, where: Condition | None) -> int:
    """How many items there are for which a condition holds; None: in all."""
    with catalog.engine.connect() as connection:
        counted = select(func.count(Photo.item_id.distinct())).where(_shown(connection, catalog, where))
        return connection.scalar(counted) or 0


def _shown(connection: Connection, catalog: Catalog, where: Condition | None) -> ColumnElement[bool]:
    """Photos of the catalogue's model for which a condition holds."""
    shown = Photo.model == catalog.model.fingerprint
    if where is not None:
        shown &= Photo.id.in_(photos_where(connection, where, tuple(catalog.model.blocks)))
    return shown


def value_counts(catalog: Catalog, where: Condition | None) -> dict[str, dict[str, int]]:
    """For each attribute how many items have each value, a person's word before what was seen."""
    counted = effective_values(catalog.model.fingerprint, Prediction.attribute, func.count(Photo.item_id.distinct()))
    counted = counted.group_by(Prediction.attribute, EFFECTIVE_VALUE)
    counts: dict[str, dict[str, int]] = {key: {} for key in catalog.model.blocks}
    with catalog.engine.connect() as connection:
        if where is not None:
            counted = counted.where(Photo.id.in_(photos_where(connection, where, tuple(catalog.model.blocks))))
        for value, attribute, count in connection.execute(counted):
            if attribute in counts:
                counts[attribute][value] = count
    return counts


def columns(catalog: Catalog, where: Condition | None) -> list[Column]:
    """The metadata's columns, with counts of the items for which a condition holds; the most frequent texts first."""
    found = []
    with catalog.engine.connect() as connection:
        cells = func.count(Fact.item_id), func.count(Fact.number), func.min(Fact.number), func.max(Fact.number)
        broken = func.sum(case((Fact.number != func.round(Fact.number), 1), else_=0))
        for name, texts, numbers, low, high, fractions in connection.execute(
            select(Fact.name, *cells, broken).group_by(Fact.name).order_by(Fact.name)
        ).all():
            of_column = Fact.name == name
            if where is not None:
                allowed = photos_where(connection, where, tuple(catalog.model.blocks))
                of_column &= Fact.item_id.in_(select(Photo.item_id).where(Photo.id.in_(allowed)))
            counted = select(Fact.text, func.count()).where(of_column).group_by(Fact.text)
            counted = counted.order_by(func.count().desc(), Fact.text).limit(MOST_VALUES)
            counts = {text: count for text, count in connection.execute(counted)}
            items = connection.scalar(select(func.count()).select_from(Fact).where(of_column)) or 0
            bounds = (float(low), float(high)) if texts == numbers and low is not None and high is not None else None
            whole = bounds is not None and fractions == 0
            bars: tuple[int, ...] = ()
            if bounds is not None and bounds[0] < bounds[1]:
                # No part is narrower than the step between whole numbers.
                parts = min(BARS, int(bounds[1] - bounds[0]) + 1) if whole else BARS
                bars = _count_bars(connection, of_column, *bounds, parts)
            found.append(Column(name, bounds, whole, items, counts, bars))
    return found


def _count_bars(
    connection: Connection, of_column: ColumnElement[bool], low: float, high: float, parts: int
) -> tuple[int, ...]:
    place = (Fact.number - low) * (parts / (high - low))
    # Rounded down; SQLite's own function for that is not everywhere.
    bar = func.round(place) - case((func.round(place) > place, 1), else_=0)
    counts = [0] * parts
    for position, items in connection.execute(select(bar, func.count()).where(of_column).group_by(bar)):
        counts[min(int(position), parts - 1)] += items  # the highest number closes the last part
    return tuple(counts)


def given(catalog: Catalog, item: str) -> tuple[dict[str, str], dict[str, str]]:
    """An item's labels by attribute, corrections not among them, and its metadata by column."""
    of_item = select(Item.id).where(Item.key == item).scalar_subquery()
    with catalog.engine.connect() as connection:
        labels = connection.execute(select(Label.attribute, Label.value).where(Label.item_id == of_item))
        facts = connection.execute(select(Fact.name, Fact.text).where(Fact.item_id == of_item))
        return {key: value for key, value in labels}, {key: value for key, value in facts}
