"""Conditions of `--where` as database queries."""

import re
from operator import ge, gt, le, lt

from sqlalchemy import ColumnElement, Connection, Select, and_, false, not_, or_, select, true

from index.corrections import counting_corrections
from index.rows import Fact, Item, Label, Photo, Prediction
from index.where import All, Any, Comparison, Condition, Not, WhereError

NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?(e[+-][0-9]+)?")


def photos_where(connection: Connection, condition: Condition, attributes: tuple[str, ...]) -> Select[int]:
    """The query for the ids of the photos for which a condition holds.

    Names are `id` (the item's), attributes (a person's correction or label of the item, else what was seen in the
    photo) and columns of the metadata. Raises WhereError if there is no such name, or if an attribute's values are to
    be ordered.
    """
    facts = set(connection.scalars(select(Fact.name).distinct()))
    return select(Photo.id).where(_clause(condition, attributes, facts))


def as_number(cell: str) -> float | None:
    """The number that a cell holds, None if it holds something else.

    Codes are no numbers, though they hold nothing but digits: 0012, 2023_01, or more digits than can be told apart.
    """
    number = float(cell) if NUMBER.fullmatch(cell) else None
    return number if number is not None and abs(number) < 2**53 else None


def _clause(condition: Condition, attributes: tuple[str, ...], facts: set[str]) -> ColumnElement[bool]:
    match condition:
        case Not(inner):
            return not_(_clause(inner, attributes, facts))
        case All(parts):
            return and_(true(), *(_clause(part, attributes, facts) for part in parts))
        case Any([Comparison(name, "="), *_] as parts) if all(
            isinstance(part, Comparison) and (part.name, part.operator) == (name, "=") for part in parts
        ):
            return _is_one_of(name, [part.value for part in parts if isinstance(part, Comparison)], attributes, facts)
        case Any(parts):
            return or_(false(), *(_clause(part, attributes, facts) for part in parts))
        case Comparison(name, operator, value):
            if operator == "=":
                return _is_one_of(name, [value], attributes, facts)
            if name in attributes or name == "id":
                raise WhereError(f"--where: {name} has no order; compare it with = or !=")
            return _fact_is(_known_fact(name, attributes, facts), operator, value)


def _is_one_of(name: str, values: list[str], attributes: tuple[str, ...], facts: set[str]) -> ColumnElement[bool]:
    if name == "id":
        return Photo.item_id.in_(select(Item.id).where(Item.key.in_(values)))
    if name in attributes:
        return _attribute_is_one_of(name, values)
    numbers = [number for value in values if (number := as_number(value)) is not None]
    holds = or_(Fact.text.in_(values), Fact.number.in_(numbers))
    return Photo.item_id.in_(select(Fact.item_id).where(Fact.name == _known_fact(name, attributes, facts), holds))


def _known_fact(name: str, attributes: tuple[str, ...], facts: set[str]) -> str:
    if name not in facts:
        known = ", ".join(["id", *attributes, *sorted(facts)])
        raise WhereError(f"--where: there is no attribute or metadata column '{name}'; there are {known}")
    return name


def _attribute_is_one_of(attribute: str, values: list[str]) -> ColumnElement[bool]:
    corrections = counting_corrections()
    corrected = select(corrections.c.item_id).where(corrections.c.attribute == attribute)
    labelled = select(Label.item_id).where(Label.attribute == attribute)
    predicted = select(Prediction.photo_id).where(Prediction.attribute == attribute, Prediction.value.in_(values))
    uncorrected = or_(
        Photo.item_id.in_(labelled.where(Label.value.in_(values))),
        and_(Photo.id.in_(predicted), Photo.item_id.not_in(labelled)),
    )
    return or_(
        Photo.item_id.in_(corrected.where(corrections.c.value.in_(values))),
        and_(uncorrected, Photo.item_id.not_in(corrected)),
    )


def _fact_is(name: str, operator: str, value: str) -> ColumnElement[bool]:
    """Numbers are compared as numbers where both sides are numbers, everything else as text (dates in ISO form too).

    Cells that are no numbers are compared with a number only where they begin with a digit, as dates do with a year.
    """
    compare = {"<": lt, "<=": le, ">": gt, ">=": ge}[operator]
    as_text: ColumnElement[bool] = compare(Fact.text, value)
    number = as_number(value)
    if number is None:
        holds = as_text
    else:
        like_a_date = and_(Fact.number.is_(None), Fact.text >= "0", Fact.text < ":")  # ":" follows "9"
        holds = or_(compare(Fact.number, number), and_(like_a_date, as_text))
    return Photo.item_id.in_(select(Fact.item_id).where(Fact.name == name, holds))
