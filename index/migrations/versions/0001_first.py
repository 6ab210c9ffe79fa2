"""The first tables: items, their photos, predictions, labels, metadata and what was rejected."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "item",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("key", sa.String, nullable=False, unique=True),
    )
    op.create_table(
        "photo",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("item_id", sa.Integer, sa.ForeignKey("item.id", ondelete="CASCADE"), nullable=False),
        sa.Column("path", sa.String, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("modified", sa.BigInteger, nullable=False),
        sa.Column("model", sa.String(64), nullable=False),
        sa.Column("vectors", sa.LargeBinary, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_photo_item_id", "photo", ["item_id"])
    op.create_index("ix_photo_path", "photo", ["path"])
    op.create_table(
        "prediction",
        sa.Column("photo_id", sa.Integer, sa.ForeignKey("photo.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("attribute", sa.String(64), primary_key=True),
        sa.Column("value", sa.String(64), nullable=False),
        sa.Column("confidence", sa.Float, nullable=False),
    )
    op.create_index("prediction_by_value", "prediction", ["attribute", "value"])
    op.create_table(
        "label",
        sa.Column("item_id", sa.Integer, sa.ForeignKey("item.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("attribute", sa.String(64), primary_key=True),
        sa.Column("value", sa.String(64), nullable=False),
    )
    op.create_index("label_by_value", "label", ["attribute", "value"])
    op.create_table(
        "fact",
        sa.Column("item_id", sa.Integer, sa.ForeignKey("item.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("text", sa.String, nullable=False),
        sa.Column("number", sa.Float),
    )
    op.create_index("fact_by_text", "fact", ["name", "text"])
    op.create_index("fact_by_number", "fact", ["name", "number"])
    op.create_table(
        "rejected",
        sa.Column("path", sa.String, primary_key=True),
        sa.Column("reason", sa.String, nullable=False),
    )


def downgrade() -> None:
    for table in ("rejected", "fact", "label", "prediction", "photo", "item"):
        op.drop_table(table)
