"""The catalogue's tables. `migrations/` holds how they came to be; a test holds the two together."""

from sqlalchemy import BigInteger, Float, ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

REVISION = "0002"  # the migration that makes these tables


class Base(DeclarativeBase):
    """Base of the catalogue's tables."""


class Item(Base):
    """An entry of the catalogue; `key` is its id for people."""

    __tablename__ = "item"
    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String, unique=True)


class Photo(Base):
    """A photo of an item, its vectors one after another (float32), and what tells whether its file has changed.

    A photo that is embedded anew gets a new row; the old one is dropped once the index no longer holds it.
    """

    __tablename__ = "photo"
    id: Mapped[int] = mapped_column(primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("item.id", ondelete="CASCADE"), index=True)
    path: Mapped[str] = mapped_column(String, index=True)
    size: Mapped[int] = mapped_column(BigInteger)
    modified: Mapped[int] = mapped_column(BigInteger)
    model: Mapped[str] = mapped_column(String(64))
    vectors: Mapped[bytes] = mapped_column(LargeBinary)

    # Ids name rows of the vector index, so they are never used twice.
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012


class Prediction(Base):
    """The value that the network saw for an attribute of a photo; "" where the attribute does not apply."""

    __tablename__ = "prediction"
    photo_id: Mapped[int] = mapped_column(ForeignKey("photo.id", ondelete="CASCADE"), primary_key=True)
    attribute: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[str] = mapped_column(String(64))
    confidence: Mapped[float] = mapped_column(Float)

    __table_args__ = (Index("prediction_by_value", "attribute", "value"),)


class Label(Base):
    """A value that a person gave for an attribute of an item; it goes before what the network saw."""

    __tablename__ = "label"
    item_id: Mapped[int] = mapped_column(ForeignKey("item.id", ondelete="CASCADE"), primary_key=True)
    attribute: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[str] = mapped_column(String(64))

    __table_args__ = (Index("label_by_value", "attribute", "value"),)


class Correction(Base):
    """A value by which a person replaced what was shown for an attribute of an item, until it is undone.

    The newest one that is not undone counts, before labels and before what the network saw. `predicted` is what the
    network had seen then; `made` and `undone` are moments in ISO form, UTC.
    """

    __tablename__ = "correction"
    id: Mapped[int] = mapped_column(primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("item.id", ondelete="CASCADE"))
    attribute: Mapped[str] = mapped_column(String(64))
    value: Mapped[str] = mapped_column(String(64))
    predicted: Mapped[str] = mapped_column(String(64))
    who: Mapped[str] = mapped_column(String(200))
    made: Mapped[str] = mapped_column(String(32))
    undone: Mapped[str | None] = mapped_column(String(32))

    __table_args__ = (Index("correction_by_item", "item_id", "attribute"), {"sqlite_autoincrement": True})


class Fact(Base):
    """A cell of the metadata of an item: its text, and its number where it is one."""

    __tablename__ = "fact"
    item_id: Mapped[int] = mapped_column(ForeignKey("item.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String, primary_key=True)
    text: Mapped[str] = mapped_column(String)
    number: Mapped[float | None] = mapped_column(Float)

    __table_args__ = (Index("fact_by_text", "name", "text"), Index("fact_by_number", "name", "number"))


class Rejected(Base):
    """A file or a table's row that could not be used, and why."""

    __tablename__ = "rejected"
    path: Mapped[str] = mapped_column(String, primary_key=True)
    reason: Mapped[str] = mapped_column(String)
