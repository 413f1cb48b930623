"""Stock in inspection, lines that nobody pays for, and quality by reason."""

import sqlalchemy as sa
from alembic import op

from manufacturing_copilot.store import types

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply this revision."""
    op.add_column(
        "accepted_stock_levels",
        sa.Column(
            "in_inspection", types.ExactDecimal(), comment="there besides, but not free until it has been inspected"
        ),
    )
    op.add_column(
        "accepted_order_lines",
        sa.Column("free_of_charge", sa.Boolean(), comment="a sample, a replacement, a gift: nobody pays for it"),
    )
    op.add_column(
        "inventory_snapshot",
        sa.Column(
            "in_inspection",
            types.ExactDecimal(),
            nullable=False,
            server_default="0",
            comment="there besides on_hand, but not free until it has been inspected",
        ),
    )
    op.create_table(
        "quality_reason",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("item_id", _ID, nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("supplier_id", _ID, nullable=True),
        sa.Column("origin", sa.Text(), nullable=False, comment="inspections, work_orders or receipts"),
        sa.Column("reason", sa.Text(), nullable=False, comment="empty where none was named"),
        sa.Column("defective", types.ExactDecimal(), nullable=False),
        sa.Column("scrapped", types.ExactDecimal(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_quality_reason_item_id")),
        sa.ForeignKeyConstraint(["supplier_id"], ["supplier.id"], name=op.f("fk_quality_reason_supplier_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quality_reason")),
        comment="what was wrong, reason by reason: adds up to the defects of quality_day",
    )
    op.create_index(op.f("ix_quality_reason_day"), "quality_reason", ["day"])
    op.create_index(op.f("ix_quality_reason_item_id"), "quality_reason", ["item_id"])


def downgrade() -> None:
    """Take this revision back."""
    op.drop_table("quality_reason")
    op.drop_column("inventory_snapshot", "in_inspection")
    op.drop_column("accepted_order_lines", "free_of_charge")
    op.drop_column("accepted_stock_levels", "in_inspection")
