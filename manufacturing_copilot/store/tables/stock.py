"""What lies where, by day, and counts that nothing explains."""

from __future__ import annotations

import sqlalchemy as sa

from manufacturing_copilot.store.tables.columns import metadata, reference, row_id, soft_reference
from manufacturing_copilot.store.types import ExactDecimal

inventory_snapshot = sa.Table(
    "inventory_snapshot",
    metadata,
    sa.Column("day", sa.Date, primary_key=True),
    soft_reference("item_id", "item", primary_key=True),
    soft_reference("location_id", "location", primary_key=True),
    sa.Column("on_hand", ExactDecimal, nullable=False),
    sa.Column("reserved", ExactDecimal, nullable=False),
    sa.Column("on_order", ExactDecimal, nullable=False),
    sa.Column(
        "in_inspection",
        ExactDecimal,
        nullable=False,
        default=0,
        server_default="0",
        comment="in addition to on_hand, blocked until it has been inspected",
    ),
    sa.Column("unit_cost", ExactDecimal),
    sa.Column("counted_on", sa.Date, nullable=False, comment="the day of the count or movement that this is based on"),
    soft_reference("batch_id", "batch"),
    sa.Index("ix_inventory_snapshot_item", "item_id", "day"),
)

stock_spell = sa.Table(
    "stock_spell",
    metadata,
    soft_reference("item_id", "item", primary_key=True),
    soft_reference("location_id", "location", primary_key=True),
    sa.Column("from_day", sa.Date, primary_key=True),
    sa.Column("to_day", sa.Date, nullable=False, comment="last day; the newest spell ends with the last day known"),
    sa.Column("in_stock", sa.Boolean, nullable=False, comment="false: there was nothing from morning to evening"),
    comment="days of which it is known whether there was stock; of all other days nothing is known",
)

stock_difference = sa.Table(
    "stock_difference",
    metadata,
    row_id(),
    reference("item_id", "item", index=True),
    reference("location_id", "location", nullable=True),
    sa.Column("from_day", sa.Date, nullable=False),
    sa.Column("to_day", sa.Date, nullable=False),
    sa.Column("counted_before", ExactDecimal, nullable=False),
    sa.Column("moved", ExactDecimal, nullable=False),
    sa.Column("counted", ExactDecimal, nullable=False),
    sa.Column("difference", ExactDecimal, nullable=False, comment="counted less what was expected"),
    comment="counts that are not the count before and what moved since; no location: all of the item's together",
)
