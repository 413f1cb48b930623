"""How items are made: versions of a process, bills of materials, routings."""

from __future__ import annotations

import sqlalchemy as sa

from manufacturing_copilot.store.tables.columns import metadata, reference, row_id
from manufacturing_copilot.store.types import ExactDecimal

process = sa.Table(
    "process",
    metadata,
    row_id(),
    reference("item_id", "item", index=True),
    sa.Column("version", sa.Integer, nullable=False, comment="from 1, the oldest first; of one day by preference"),
    sa.Column("bill", sa.Text, comment="which of the item's bills of materials, where it has several"),
    sa.Column("valid_from", sa.Date, comment="first day of the version; empty: always"),
    sa.Column("valid_to", sa.Date, comment="last day of the version; empty: open"),
    sa.Column("components", sa.Integer, nullable=False, comment="number of lines valid in this version"),
    sa.Column("steps", sa.Integer, nullable=False, comment="number of operations valid in this version"),
    sa.Column("share", ExactDecimal, comment="share of the item that is made this way now; empty: not in force"),
    sa.Column("problem", sa.Text, comment="a cycle or a missing component, in words"),
    sa.UniqueConstraint("item_id", "version"),
    comment="how an item is made, version by version: one for each bill and each period in which nothing changes",
)

bom_line = sa.Table(
    "bom_line",
    metadata,
    row_id(),
    reference("item_id", "item", index=True),
    reference("component_id", "item", index=True),
    sa.Column("quantity_per", ExactDecimal, nullable=False, comment="of the component, in its base unit, for one item"),
    sa.Column("scrap_ratio", ExactDecimal),
    sa.Column("valid_from", sa.Date),
    sa.Column("valid_to", sa.Date),
    sa.Column("bill", sa.Text, comment="which of the item's bills of materials, where it has several"),
    sa.Column("bill_priority", sa.Integer),
    sa.Column("bill_share", ExactDecimal),
    sa.Column("alternate_group", sa.Text, comment="lines of a bill with the same group are alternatives to each other"),
    sa.Column("priority", sa.Integer),
    sa.Column("share", ExactDecimal),
    sa.Column(
        "has_alternative",
        sa.Boolean,
        nullable=False,
        comment="the item has several bills, or the line is one of a group of alternates",
    ),
    sa.Column(
        "optional", sa.Boolean, nullable=False, default=False, server_default=sa.false(), comment="never used by itself"
    ),
    reference("batch_id", "batch", nullable=True),
)

routing_step = sa.Table(
    "routing_step",
    metadata,
    row_id(),
    reference("item_id", "item", index=True),
    sa.Column("step", sa.Integer, nullable=False),
    sa.Column("operation", sa.Text, nullable=False),
    sa.Column("work_center", sa.Text),
    sa.Column("setup_minutes", ExactDecimal, comment="minutes per order"),
    sa.Column("run_minutes", ExactDecimal, comment="minutes per unit"),
    sa.Column("valid_from", sa.Date),
    sa.Column("valid_to", sa.Date),
    reference("batch_id", "batch", nullable=True),
)
