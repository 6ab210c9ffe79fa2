"""Values that people corrected: who, when, and what the network had seen. Nothing predicted is overwritten."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Engine, Subquery, func, insert, select, update

from index.rows import Correction, Item, Photo, Prediction
from index.storage import CatalogError


@dataclass(frozen=True)
class StoredCorrection:
    """A correction as it is stored; `made` and `undone` are moments in ISO form, UTC, `undone` None if it counts."""

    id: int
    item: str
    attribute: str
    value: str
    predicted: str
    who: str
    made: str
    undone: str | None


def counting_corrections() -> Subquery:
    """For each item and attribute the newest correction that is not undone: columns item_id, attribute, value."""
    newest = (
        select(func.max(Correction.id))
        .where(Correction.undone.is_(None))
        .group_by(Correction.item_id, Correction.attribute)
    )
    return (
        select(Correction.item_id, Correction.attribute, Correction.value)
        .where(Correction.id.in_(newest))
        .subquery("counting_correction")
    )


def correct(engine: Engine, item: str, attribute: str, value: str, who: str) -> None:
    """Store a person's value of an item's attribute; "" says that the attribute does not apply.

    Raises CatalogError if there is no such item.
    """
    with engine.begin() as connection:
        item_id = connection.scalar(select(Item.id).where(Item.key == item))
        if item_id is None:
            raise CatalogError(f"there is no item '{item}' any more")
        seen = (
            select(Prediction.value)
            .join(Photo, Photo.id == Prediction.photo_id)
            .where(Photo.item_id == item_id, Prediction.attribute == attribute)
        )
        row = {
            "item_id": item_id,
            "attribute": attribute,
            "value": value,
            "predicted": connection.scalar(seen.order_by(Photo.id).limit(1)) or "",
            "who": who,
            "made": _now(),
        }
        connection.execute(insert(Correction), [row])


def undo(engine: Engine, correction: int) -> bool:
    """Let a correction count no longer; it stays in the list. Returns False if it was undone or gone already."""
    still = update(Correction).where(Correction.id == correction, Correction.undone.is_(None))
    with engine.begin() as connection:
        return connection.execute(still.values(undone=_now())).rowcount > 0


def corrections(engine: Engine) -> list[StoredCorrection]:
    """All corrections, the newest first, those that were undone too."""
    query = select(
        Correction.id,
        Item.key,
        Correction.attribute,
        Correction.value,
        Correction.predicted,
        Correction.who,
        Correction.made,
        Correction.undone,
    ).join(Item, Item.id == Correction.item_id)
    with engine.connect() as connection:
        return [StoredCorrection(*row) for row in connection.execute(query.order_by(Correction.id.desc()))]


def state(engine: Engine) -> tuple[int, int]:
    """Two numbers that change with every correction and every undoing."""
    with engine.connect() as connection:
        last, undone = connection.execute(select(func.max(Correction.id), func.count(Correction.undone))).one()
    return last or 0, undone


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
