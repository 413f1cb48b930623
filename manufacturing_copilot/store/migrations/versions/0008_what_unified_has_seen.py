"""What unified has seen already, so that a refresh reads what is new and not all there is."""

import sqlalchemy as sa
from alembic import op

from manufacturing_copilot.store import types

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply this revision."""
    op.add_column(
        "demand_day",
        sa.Column("priced_lines", sa.Integer(), nullable=False, server_default="0", comment="of them, with a price"),
    )
    op.add_column(
        "refresh",
        sa.Column(
            "held", types.Json, nullable=True, comment="of unified: the rules it was made by, and what its tables hold"
        ),
    )
    op.create_table(
        "demand_ahead",
        sa.Column("counts_from", sa.Date(), nullable=False, comment="the day from which on it is part of demand_day"),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("item_id", _ID, nullable=False),
        sa.Column("location_id", _ID, nullable=False),
        sa.Column("quantity", types.ExactDecimal(), nullable=False),
        sa.Column("value", types.ExactDecimal(), nullable=True),
        sa.Column("order_lines", sa.Integer(), nullable=False),
        sa.Column("priced_lines", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_demand_ahead_item_id")),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_demand_ahead_location_id")),
        sa.PrimaryKeyConstraint("counts_from", "day", "item_id", "location_id", name=op.f("pk_demand_ahead")),
        comment="demand of days that are still to come when unified was brought up to date",
    )
    op.create_index("ix_demand_ahead_item", "demand_ahead", ["item_id"], unique=False)
    op.create_table(
        "demand_year",
        sa.Column("item_id", _ID, autoincrement=False, nullable=False),
        sa.Column("quantity", types.ExactDecimal(), nullable=False),
        sa.Column("value", types.ExactDecimal(), nullable=False),
        sa.Column("order_lines", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_demand_year_item_id")),
        sa.PrimaryKeyConstraint("item_id", name=op.f("pk_demand_year")),
        comment="demand_day of the last 365 days, added up, so that classes need not read the year again",
    )
    op.create_table(
        "code_count",
        sa.Column("means", sa.Text(), nullable=False, comment="item, location or supplier"),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("records", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False, comment="of the records; empty where they name none"),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("example_file_id", _ID, nullable=False, comment="batch_file.id of the newest"),
        sa.Column("example_line", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("means", "source", "records", "code", "unit", name=op.f("pk_code_count")),
        comment="how many accepted records speak of each code, so that the records need not be read again to know",
    )
    op.create_table(
        "batch_seen",
        sa.Column("batch_id", _ID, autoincrement=False, nullable=False),
        sa.Column("event_id", _ID, nullable=False, comment="the newest batch_event.id of its success by then; 0: none"),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_batch_seen_batch_id")),
        sa.PrimaryKeyConstraint("batch_id", name=op.f("pk_batch_seen")),
        comment="the batches whose records unified holds, and in which state",
    )


def downgrade() -> None:
    """Undo this revision."""
    for table in ("batch_seen", "code_count", "demand_year", "demand_ahead"):
        op.drop_table(table)
    op.drop_column("refresh", "held")
    op.drop_column("demand_day", "priced_lines")
