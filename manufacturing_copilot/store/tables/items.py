"""What the sources' codes mean: items, locations, suppliers, units, and what people decided about them."""

from __future__ import annotations

from enum import StrEnum

import sqlalchemy as sa

from manufacturing_copilot.store.tables.columns import Id, metadata, reference, row_id, value_check
from manufacturing_copilot.store.types import ExactDecimal, Json, UtcTimestamp


class ItemEventKind(StrEnum):
    """What a person decided about items."""

    MERGE = "merge"
    SPLIT = "split"
    UNDO = "undo"


item = sa.Table(
    "item",
    metadata,
    row_id(),
    sa.Column("sku", sa.Text, nullable=False, unique=True),
    sa.Column("name", sa.Text),
    sa.Column("category", sa.Text),
    sa.Column("base_unit", sa.Text),
    sa.Column("abc", sa.String(1), comment="A, B or C by annual value of demand: 80/15/5"),
    sa.Column("made", sa.Boolean),
    sa.Column("service", sa.Boolean, nullable=False, default=False, server_default=sa.false()),
    sa.Column("phantom", sa.Boolean, nullable=False, default=False, server_default=sa.false()),
    sa.Column("active", sa.Boolean, nullable=False, default=True, server_default=sa.true()),
    reference("supplier_id", "supplier", nullable=True),
    sa.Column("lead_time_days", sa.Integer),
    sa.Column("reorder_point", ExactDecimal),
    sa.Column("safety_stock", ExactDecimal),
    sa.Column("minimum_order", ExactDecimal),
    sa.Column("order_multiple", ExactDecimal),
    sa.Column("unit_cost", ExactDecimal),
    sa.Column("list_price", ExactDecimal),
    sa.Column("discontinued_on", sa.Date),
    reference("batch_id", "batch", nullable=True),
    sa.Column("file_id", Id, sa.ForeignKey("batch_file.id")),
    sa.Column("line", sa.BigInteger),
)

external_id = sa.Table(
    "external_id",
    metadata,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("external_id", sa.Text, primary_key=True),
    reference("item_id", "item", index=True),
    sa.Column(
        "matched_by", sa.Text, nullable=False, comment="the key by which it was, or item_references, merge, split"
    ),
    reference("batch_id", "batch", nullable=True),
    sa.Index("ix_external_id_external_id", "external_id"),
)

item_conflict = sa.Table(
    "item_conflict",
    metadata,
    reference("item_id", "item"),
    sa.Column("field", sa.Text),
    sa.Column("kept_source", sa.Text, nullable=False),
    sa.Column("kept", sa.Text),
    sa.Column("other_source", sa.Text),
    sa.Column("other", sa.Text),
    sa.PrimaryKeyConstraint("item_id", "field", "other_source"),
)

item_event = sa.Table(
    "item_event",
    metadata,
    row_id(),
    sa.Column("at", UtcTimestamp, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("kept_codes", Json, nullable=False, comment="[[source, code]]: by which the item that stays is known"),
    sa.Column("moved_codes", Json, nullable=False, comment="[[source, code]]: what joins it, or leaves it"),
    sa.Column("said", sa.Text, nullable=False, comment="what was decided, in the SKUs of that day"),
    # The row of an item that was merged stays while its event does, so that undoing gives it its id back.
    sa.Column("moved_item_id", Id, sa.ForeignKey("item.id", ondelete="SET NULL")),
    reference("undoes_event_id", "item_event", nullable=True),
    value_check("item_event", "kind", ItemEventKind),
    comment="what people decided about items; applied, in order, to what the sources' codes say by themselves",
)

location = sa.Table(
    "location",
    metadata,
    row_id(),
    sa.Column("code", sa.Text, nullable=False, unique=True),
    sa.Column("name", sa.Text),
)

supplier = sa.Table(
    "supplier",
    metadata,
    row_id(),
    sa.Column("code", sa.Text, nullable=False, unique=True),
    sa.Column("name", sa.Text),
    sa.Column("active", sa.Boolean, nullable=False, default=True, server_default=sa.true()),
)

unit_conversion = sa.Table(
    "unit_conversion",
    metadata,
    row_id(),
    reference("item_id", "item", nullable=True),
    sa.Column("from_unit", sa.Text, nullable=False),
    sa.Column("to_unit", sa.Text, nullable=False),
    sa.Column("factor", ExactDecimal, nullable=False),
    reference("batch_id", "batch", nullable=True),
)

unmapped_id = sa.Table(
    "unmapped_id",
    metadata,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("records", sa.Text, primary_key=True),
    sa.Column("external_id", sa.Text, primary_key=True),
    sa.Column("problem", sa.Text, primary_key=True, comment="no item, or no unit factor"),
    sa.Column("sentence", sa.Text, nullable=False, comment="what is missing and what to do"),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("example_file_id", Id, sa.ForeignKey("batch_file.id")),
    sa.Column("example_line", sa.BigInteger),
    comment="codes whose records cannot be used yet: no item answers to them, or their unit has no factor",
)

code_count = sa.Table(
    "code_count",
    metadata,
    sa.Column("means", sa.Text, primary_key=True, comment="item, location or supplier"),
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("records", sa.Text, primary_key=True),
    sa.Column("code", sa.Text, primary_key=True),
    sa.Column("unit", sa.Text, primary_key=True, comment="of the records; empty where they name none"),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("example_file_id", Id, nullable=False, comment="batch_file.id of the newest"),
    sa.Column("example_line", sa.BigInteger, nullable=False),
    comment="how many accepted records speak of each code, so that the records need not be read again to know",
)
