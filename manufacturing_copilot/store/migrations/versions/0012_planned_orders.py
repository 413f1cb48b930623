"""What has to be ordered or made, with its arithmetic."""

import sqlalchemy as sa
from alembic import op

from manufacturing_copilot.store.types import ExactDecimal

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply this revision."""
    op.create_table(
        "planned_order",
        sa.Column("as_of", sa.Date(), nullable=False, comment="the day it was made for"),
        sa.Column("item_id", _ID, nullable=False),
        sa.Column("location_id", _ID, nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False, comment="the day it has to be there"),
        sa.Column("source", sa.Text(), nullable=False, comment="buy or make"),
        sa.Column("release_on", sa.Date(), nullable=False, comment="the day on which it has to be ordered, or begun"),
        sa.Column("late_days", sa.Integer(), nullable=False, comment="days by which it comes after it is needed"),
        sa.Column("quantity", ExactDecimal(), nullable=False, comment="how much to order, by the lot rule"),
        sa.Column("gross", ExactDecimal(), nullable=False, comment="demand of the day or week in which it is due"),
        sa.Column(
            "balance",
            ExactDecimal(),
            nullable=False,
            comment="stock at its end without the order; below 0: short",
        ),
        sa.Column("pulled_in", ExactDecimal(), nullable=False, comment="of it, open orders that come a little later"),
        sa.Column("net", ExactDecimal(), nullable=False, comment="missing to the safety stock over the order's cover"),
        sa.Column("safety_stock", ExactDecimal(), nullable=False, comment="what is kept for demand above the expected"),
        sa.Column("lead_time_days", sa.Integer(), nullable=False, comment="days from release to due"),
        sa.Column("level", sa.Integer(), nullable=False, comment="low-level code: 0 where nothing is made of the item"),
        sa.Column("stock_known", sa.Boolean(), nullable=False, comment="false: never counted there, taken as nothing"),
        sa.CheckConstraint("source in ('buy', 'make')", name=op.f("ck_planned_order_source")),
        sa.PrimaryKeyConstraint("as_of", "item_id", "location_id", "due_on", name=op.f("pk_planned_order")),
        comment="what has to be ordered or made, over all levels of the bills, with the arithmetic of each order",
    )


def downgrade() -> None:
    """Undo this revision."""
    op.drop_table("planned_order")
