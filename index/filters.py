"""Conditions of `--where` as database queries."""

import math

from sqlalchemy import ColumnElement, Connection, Select, and_, false, not_, or_, select, true

from index.corrections import counting_corrections
from index.rows import Fact, Item, Label, Photo, Prediction
from index.where import All, Any, Comparison, Condition, Not, WhereError


def photos_where(connection: Connection, condition: Condition, attributes: tuple[str, ...]) -> Select[int]:
    """The query for the ids of the photos for which a condition holds.

    Names are `id` (the item's), attributes (a person's correction or label of the item, else what was seen in the
    photo) and columns of the metadata. Raises WhereError if there is no such name, or if an attribute's values are to
    be ordered.
    """
    facts = set(connection.scalars(select(Fact.name).distinct()))
    return select(Photo.id).where(_clause(condition, attributes, facts))


def as_number(cell: str) -> float | None:
    """The finite number that a cell holds, None if it holds something else."""
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _clause(condition: Condition, attributes: tuple[str, ...], facts: set[str]) -> ColumnElement[bool]:
    match condition:
        case Not(inner):
            return not_(_clause(inner, attributes, facts))
        case All(parts):
            return and_(true(), *(_clause(part, attributes, facts) for part in parts))
        case Any(parts):
            return or_(false(), *(_clause(part, attributes, facts) for part in parts))
        case Comparison(name, operator, value):
            if name in attributes or name == "id":
                if operator != "=":
                    raise WhereError(f"--where: {name} has no order; compare it with = or !=")
                return _item_is(value) if name == "id" else _attribute_is(name, value)
            if name not in facts:
                known = ", ".join(["id", *attributes, *sorted(facts)])
                raise WhereError(f"--where: there is no attribute or metadata column '{name}'; there are {known}")
            return _fact_is(name, operator, value)


def _item_is(key: str) -> ColumnElement[bool]:
    return Photo.item_id.in_(select(Item.id).where(Item.key == key))


def _attribute_is(attribute: str, value: str) -> ColumnElement[bool]:
    corrections = counting_corrections()
    corrected = select(corrections.c.item_id).where(corrections.c.attribute == attribute)
    labelled = select(Label.item_id).where(Label.attribute == attribute)
    predicted = select(Prediction.photo_id).where(Prediction.attribute == attribute, Prediction.value == value)
    uncorrected = or_(
        Photo.item_id.in_(labelled.where(Label.value == value)),
        and_(Photo.id.in_(predicted), Photo.item_id.not_in(labelled)),
    )
    return or_(
        Photo.item_id.in_(corrected.where(corrections.c.value == value)),
        and_(uncorrected, Photo.item_id.not_in(corrected)),
    )


def _fact_is(name: str, operator: str, value: str) -> ColumnElement[bool]:
    """Numbers are compared as numbers where both sides are numbers, everything else as text (dates in ISO form too)."""
    number = as_number(value)
    column, bound = (Fact.text, value) if number is None else (Fact.number, number)
    holds = {
        "=": column == bound,
        "<": column < bound,
        "<=": column <= bound,
        ">": column > bound,
        ">=": column >= bound,
    }
    return Photo.item_id.in_(select(Fact.item_id).where(Fact.name == name, holds[operator]))
