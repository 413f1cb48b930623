"""Every table of the database, room by room, and the views that people and BI tools read.

Integer keys inside, codes only at the doors. Every row that came from outside carries its batch.
"""

from __future__ import annotations

import sqlalchemy as sa

from manufacturing_copilot.records import RECORD_KINDS, Field, FieldType, RecordKind
from manufacturing_copilot.store.types import ExactDecimal, Json, UtcTimestamp

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _id() -> sa.Column[int]:
    return sa.Column("id", Id, primary_key=True, autoincrement=True)


def _ref(name: str, to: str, *, nullable: bool = False, index: bool = False) -> sa.Column[int]:
    return sa.Column(name, Id, sa.ForeignKey(f"{to}.id"), nullable=nullable, index=index)


def _number_of(name: str, to: str) -> sa.Column[int]:
    # Rows that come by the million name their batch and file without a constraint: see docs/decisions/0007.
    return sa.Column(name, Id, nullable=False, comment=f"{to}.id")


def _points_at(name: str, to: str, *, primary_key: bool = False) -> sa.Column[int]:
    # Named here, so that joins and deletions know of it, but not held by the database: see docs/decisions/0007.
    key = sa.ForeignKey(f"{to}.id", info={"held": False})
    return sa.Column(name, Id, key, primary_key=primary_key)


def _batch_number(table: str) -> tuple[sa.Column[int], sa.Index]:
    # Rows of a batch lie together, so an index of their ranges serves; it costs nothing to write.
    index = sa.Index(f"ix_{table}_batch_id", "batch_id", postgresql_using="brin")
    return _number_of("batch_id", "batch"), index


# --- ingest -------------------------------------------------------------------------------------------

feed = sa.Table(
    "feed",
    metadata,
    _id(),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("contract", Json, comment="what was detected in the first files and is held since"),
)

batch = sa.Table(
    "batch",
    metadata,
    _id(),
    _ref("feed_id", "feed", index=True),
    sa.Column("reference", sa.Text, nullable=False, unique=True, comment="the Dagster partition key"),
    sa.Column("status", sa.Text, nullable=False, index=True),
    sa.Column("claimed_at", UtcTimestamp, nullable=False),
    sa.Column("started_at", UtcTimestamp),
    sa.Column("finished_at", UtcTimestamp),
    sa.Column("attempts", sa.Integer, nullable=False, default=0, server_default="0"),
    sa.Column("run_id", sa.Text, comment="the Dagster run that last worked on it"),
    sa.Column("rows_received", sa.Integer, nullable=False, default=0, server_default="0"),
    sa.Column("rows_accepted", sa.Integer, nullable=False, default=0, server_default="0"),
    sa.Column("rows_duplicate", sa.Integer, nullable=False, default=0, server_default="0"),
    sa.Column("rows_rejected", sa.Integer, nullable=False, default=0, server_default="0"),
    sa.Column("rows_changed", sa.Integer, nullable=False, default=0, server_default="0"),
    sa.Column("problem", sa.Text, comment="why it failed, in a sentence"),
    sa.CheckConstraint(
        "status in ('pending', 'in_progress', 'success', 'failed', 'withdrawn')", name="ck_batch_status"
    ),
    sa.CheckConstraint("rows_received = rows_accepted + rows_duplicate + rows_rejected", name="ck_batch_conservation"),
)

batch_file = sa.Table(
    "batch_file",
    metadata,
    _id(),
    _ref("batch_id", "batch", index=True),
    _ref("feed_id", "feed"),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("modified_ns", sa.BigInteger, nullable=False),
    sa.Column(
        "order_ns",
        sa.BigInteger,
        nullable=False,
        server_default="0",
        comment="when it was written, at the latest when it was claimed: the order of the feed's files",
    ),
    sa.Column("sha256", sa.String(64), comment="of the original bytes"),
    sa.Column("archived_as", sa.Text),
    sa.Column("received_as", sa.Text, comment="the rows as received, as Parquet"),
    sa.Column("watermark", Json, comment="of rows read from a table: which of them, {column, after, up_to, …}"),
    _ref("repeats_file_id", "batch_file", nullable=True),
    sa.Column("rows_received", sa.Integer, nullable=False, default=0, server_default="0"),
    sa.Column("found", Json, comment="encoding, delimiter, columns and drift found in it"),
    sa.UniqueConstraint("feed_id", "path", "size", "modified_ns"),
    sa.Index("ix_batch_file_content", "feed_id", "sha256"),
    sa.Index("ix_batch_file_order", "feed_id", "order_ns", "id"),
)

batch_event = sa.Table(
    "batch_event",
    metadata,
    _id(),
    _ref("batch_id", "batch", index=True),
    sa.Column("at", UtcTimestamp, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("from_status", sa.Text),
    sa.Column("to_status", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
)

duplicate_record = sa.Table(
    "duplicate_record",
    metadata,
    _id(),
    *_batch_number("duplicate_record"),
    _number_of("file_id", "batch_file"),
    sa.Column("line", sa.BigInteger, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    _number_of("of_file_id", "batch_file"),
    sa.Column("of_line", sa.BigInteger, nullable=False, comment="the record it repeats"),
)

rejected_record = sa.Table(
    "rejected_record",
    metadata,
    _id(),
    *_batch_number("rejected_record"),
    _number_of("file_id", "batch_file"),
    sa.Column("line", sa.BigInteger, nullable=False),
    sa.Column("reasons", Json, nullable=False, comment="[{column, value, rule, sentence}]"),
    sa.Column("received", Json, nullable=False, comment="the original columns and texts, or those last mended"),
)

mended_record = sa.Table(
    "mended_record",
    metadata,
    _id(),
    _ref("batch_id", "batch", index=True),
    _ref("file_id", "batch_file"),
    sa.Column("line", sa.BigInteger, nullable=False),
    sa.Column("received", Json, nullable=False, comment="the columns and texts that were rejected"),
    sa.Column("reasons", Json, nullable=False, comment="why they were"),
    sa.Column("mended", Json, nullable=False, comment="the columns and texts that a person put in their place"),
    sa.Column("released", Json, nullable=False, comment="the guards that a person let the row pass"),
    sa.Column("at", UtcTimestamp, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.UniqueConstraint("file_id", "line"),
    comment="rejected rows that a person mended or released: they are what the row says from then on",
)

changed_record = sa.Table(
    "changed_record",
    metadata,
    _id(),
    *_batch_number("changed_record"),
    _number_of("file_id", "batch_file"),
    sa.Column("line", sa.BigInteger, nullable=False),
    sa.Column("records", sa.Text, nullable=False),
    sa.Column("record_key", sa.Text, nullable=False),
    _number_of("was_file_id", "batch_file"),
    sa.Column("was_line", sa.BigInteger, nullable=False),
    sa.Column("was", Json, nullable=False, comment="the content that was replaced"),
)

_FIELD_TYPES: dict[FieldType, type[sa.types.TypeEngine]] = {
    FieldType.CODE: sa.Text,
    FieldType.TEXT: sa.Text,
    FieldType.QUANTITY: ExactDecimal,
    FieldType.MONEY: ExactDecimal,
    FieldType.RATIO: ExactDecimal,
    FieldType.INTEGER: sa.BigInteger,
    FieldType.DATE: sa.Date,
    FieldType.FLAG: sa.Boolean,
}


def _field_column(field: Field) -> sa.Column:
    return sa.Column(field.name, _FIELD_TYPES[field.type], nullable=not field.required, comment=field.meaning)


def _accepted(kind: RecordKind) -> sa.Table:
    return sa.Table(
        f"accepted_{kind.name}",
        metadata,
        sa.Column("feed_id", Id, primary_key=True, autoincrement=False, comment="feed.id"),
        sa.Column("record_key", sa.Text, primary_key=True, comment="the feed's key fields, joined"),
        *(_field_column(field) for field in kind.fields),
        *_batch_number(f"accepted_{kind.name}"),
        _number_of("file_id", "batch_file"),
        sa.Column("line", sa.BigInteger, nullable=False),
        comment=f"accepted records: {kind.meaning}",
    )


accepted: dict[str, sa.Table] = {kind.name: _accepted(kind) for kind in RECORD_KINDS.values()}

past_day = sa.Table(
    "past_day",
    metadata,
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("made_at", UtcTimestamp, nullable=False),
    comment="only in a database that holds what was known on that day: it takes nothing in and tells nobody",
)

# --- unified ------------------------------------------------------------------------------------------

item = sa.Table(
    "item",
    metadata,
    _id(),
    sa.Column("sku", sa.Text, nullable=False, unique=True),
    sa.Column("name", sa.Text),
    sa.Column("category", sa.Text),
    sa.Column("base_unit", sa.Text),
    sa.Column("abc", sa.String(1), comment="A, B or C by annual value of demand: 80/15/5"),
    sa.Column("made", sa.Boolean),
    sa.Column("service", sa.Boolean, nullable=False, default=False, server_default=sa.false()),
    sa.Column("phantom", sa.Boolean, nullable=False, default=False, server_default=sa.false()),
    sa.Column("active", sa.Boolean, nullable=False, default=True, server_default=sa.true()),
    _ref("supplier_id", "supplier", nullable=True),
    sa.Column("lead_time_days", sa.Integer),
    sa.Column("reorder_point", ExactDecimal),
    sa.Column("safety_stock", ExactDecimal),
    sa.Column("minimum_order", ExactDecimal),
    sa.Column("order_multiple", ExactDecimal),
    sa.Column("unit_cost", ExactDecimal),
    sa.Column("list_price", ExactDecimal),
    sa.Column("discontinued_on", sa.Date),
    _ref("batch_id", "batch", nullable=True),
    sa.Column("file_id", Id, sa.ForeignKey("batch_file.id")),
    sa.Column("line", sa.BigInteger),
)

external_id = sa.Table(
    "external_id",
    metadata,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("external_id", sa.Text, primary_key=True),
    _ref("item_id", "item", index=True),
    sa.Column(
        "matched_by", sa.Text, nullable=False, comment="the key by which it was, or item_references, merge, split"
    ),
    _ref("batch_id", "batch", nullable=True),
    sa.Index("ix_external_id_external_id", "external_id"),
)

item_conflict = sa.Table(
    "item_conflict",
    metadata,
    _ref("item_id", "item"),
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
    _id(),
    sa.Column("at", UtcTimestamp, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("kept_codes", Json, nullable=False, comment="[[source, code]]: by which the item that stays is known"),
    sa.Column("moved_codes", Json, nullable=False, comment="[[source, code]]: what joins it, or leaves it"),
    sa.Column("said", sa.Text, nullable=False, comment="what was decided, in the SKUs of that day"),
    # The row of an item that was merged stays while its event does, so that undoing gives it its id back.
    sa.Column("moved_item_id", Id, sa.ForeignKey("item.id", ondelete="SET NULL")),
    _ref("undoes_event_id", "item_event", nullable=True),
    sa.CheckConstraint("kind in ('merge', 'split', 'undo')", name="ck_item_event_kind"),
    comment="what people decided about items; applied, in order, to what the sources' codes say by themselves",
)

location = sa.Table(
    "location",
    metadata,
    _id(),
    sa.Column("code", sa.Text, nullable=False, unique=True),
    sa.Column("name", sa.Text),
)

supplier = sa.Table(
    "supplier",
    metadata,
    _id(),
    sa.Column("code", sa.Text, nullable=False, unique=True),
    sa.Column("name", sa.Text),
    sa.Column("active", sa.Boolean, nullable=False, default=True, server_default=sa.true()),
)

unit_conversion = sa.Table(
    "unit_conversion",
    metadata,
    _id(),
    _ref("item_id", "item", nullable=True),
    sa.Column("from_unit", sa.Text, nullable=False),
    sa.Column("to_unit", sa.Text, nullable=False),
    sa.Column("factor", ExactDecimal, nullable=False),
    _ref("batch_id", "batch", nullable=True),
)

process = sa.Table(
    "process",
    metadata,
    _id(),
    _ref("item_id", "item", index=True),
    sa.Column("version", sa.Integer, nullable=False, comment="from 1, the oldest first; of one day by preference"),
    sa.Column("bill", sa.Text, comment="which of the item's bills of materials, where it has several"),
    sa.Column("valid_from", sa.Date, comment="first day of the version; empty: always"),
    sa.Column("valid_to", sa.Date, comment="last day of the version; empty: open"),
    sa.Column("components", sa.Integer, nullable=False, comment="lines of the bill that hold"),
    sa.Column("steps", sa.Integer, nullable=False, comment="operations of the routing that hold"),
    sa.Column("share", ExactDecimal, comment="of the item that is made like this now; empty: not in force"),
    sa.Column("problem", sa.Text, comment="a cycle or a missing component, in words"),
    sa.UniqueConstraint("item_id", "version"),
    comment="how an item is made, version by version: one for each bill and each period in which nothing changes",
)

bom_line = sa.Table(
    "bom_line",
    metadata,
    _id(),
    _ref("item_id", "item", index=True),
    _ref("component_id", "item", index=True),
    sa.Column("quantity_per", ExactDecimal, nullable=False, comment="of the component, in its base unit, for one item"),
    sa.Column("scrap_ratio", ExactDecimal),
    sa.Column("valid_from", sa.Date),
    sa.Column("valid_to", sa.Date),
    sa.Column("bill", sa.Text, comment="which of the item's bills of materials, where it has several"),
    sa.Column("bill_priority", sa.Integer),
    sa.Column("bill_share", ExactDecimal),
    sa.Column("alternate_group", sa.Text, comment="lines of one bill with the same group stand for each other"),
    sa.Column("priority", sa.Integer),
    sa.Column("share", ExactDecimal),
    sa.Column(
        "has_alternative",
        sa.Boolean,
        nullable=False,
        comment="the item has several bills, or the line is one of a group of alternates",
    ),
    _ref("batch_id", "batch", nullable=True),
)

routing_step = sa.Table(
    "routing_step",
    metadata,
    _id(),
    _ref("item_id", "item", index=True),
    sa.Column("step", sa.Integer, nullable=False),
    sa.Column("operation", sa.Text, nullable=False),
    sa.Column("work_center", sa.Text),
    sa.Column("setup_minutes", ExactDecimal, comment="minutes per order"),
    sa.Column("run_minutes", ExactDecimal, comment="minutes per unit"),
    sa.Column("valid_from", sa.Date),
    sa.Column("valid_to", sa.Date),
    _ref("batch_id", "batch", nullable=True),
)

inventory_snapshot = sa.Table(
    "inventory_snapshot",
    metadata,
    sa.Column("day", sa.Date, primary_key=True),
    _points_at("item_id", "item", primary_key=True),
    _points_at("location_id", "location", primary_key=True),
    sa.Column("on_hand", ExactDecimal, nullable=False),
    sa.Column("reserved", ExactDecimal, nullable=False),
    sa.Column("on_order", ExactDecimal, nullable=False),
    sa.Column(
        "in_inspection",
        ExactDecimal,
        nullable=False,
        default=0,
        server_default="0",
        comment="there besides on_hand, but not free until it has been inspected",
    ),
    sa.Column("unit_cost", ExactDecimal),
    sa.Column("counted_on", sa.Date, nullable=False, comment="the day of the count or movement that this rests on"),
    _points_at("batch_id", "batch"),
    sa.Index("ix_inventory_snapshot_item", "item_id", "day"),
)

stock_difference = sa.Table(
    "stock_difference",
    metadata,
    _id(),
    _ref("item_id", "item", index=True),
    _ref("location_id", "location", nullable=True),
    sa.Column("from_day", sa.Date, nullable=False),
    sa.Column("to_day", sa.Date, nullable=False),
    sa.Column("counted_before", ExactDecimal, nullable=False),
    sa.Column("moved", ExactDecimal, nullable=False),
    sa.Column("counted", ExactDecimal, nullable=False),
    sa.Column("difference", ExactDecimal, nullable=False, comment="counted less what was expected"),
    comment="counts that are not the count before and what moved since; no location: all of the item's together",
)

demand_day = sa.Table(
    "demand_day",
    metadata,
    sa.Column("day", sa.Date, primary_key=True),
    _points_at("item_id", "item", primary_key=True),
    _points_at("location_id", "location", primary_key=True),
    sa.Column("quantity", ExactDecimal, nullable=False),
    sa.Column("value", ExactDecimal, comment="quantity times price"),
    sa.Column("order_lines", sa.Integer, nullable=False),
    sa.Column(
        "priced_lines", sa.Integer, nullable=False, default=0, server_default="0", comment="of them, with a price"
    ),
    sa.Index("ix_demand_day_item", "item_id", "day"),
)

demand_ahead = sa.Table(
    "demand_ahead",
    metadata,
    sa.Column("counts_from", sa.Date, primary_key=True, comment="the day from which on it is part of demand_day"),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("item_id", Id, sa.ForeignKey("item.id"), primary_key=True),
    sa.Column("location_id", Id, sa.ForeignKey("location.id"), primary_key=True),
    sa.Column("quantity", ExactDecimal, nullable=False),
    sa.Column("value", ExactDecimal),
    sa.Column("order_lines", sa.Integer, nullable=False),
    sa.Column("priced_lines", sa.Integer, nullable=False),
    sa.Index("ix_demand_ahead_item", "item_id"),
    comment="demand of days that are still to come when unified was brought up to date",
)

demand_year = sa.Table(
    "demand_year",
    metadata,
    sa.Column("item_id", Id, sa.ForeignKey("item.id"), primary_key=True, autoincrement=False),
    sa.Column("quantity", ExactDecimal, nullable=False),
    sa.Column("value", ExactDecimal, nullable=False),
    sa.Column("order_lines", sa.BigInteger, nullable=False),
    comment="demand_day of the last 365 days, added up, so that classes need not read the year again",
)

supply_line = sa.Table(
    "supply_line",
    metadata,
    _id(),
    sa.Column("made", sa.Boolean, nullable=False, comment="true: a work order; false: a purchase line"),
    sa.Column(
        "source", sa.Text, nullable=False, default="", server_default="", comment="whose order numbers these are"
    ),
    sa.Column("order_no", sa.Text, nullable=False),
    sa.Column("line_no", sa.Text, nullable=False),
    _ref("item_id", "item", index=True),
    _ref("location_id", "location"),
    _ref("supplier_id", "supplier", nullable=True),
    sa.Column("ordered_on", sa.Date),
    sa.Column("promised_on", sa.Date),
    sa.Column("received_on", sa.Date, comment="the day on which the ordered quantity was complete"),
    sa.Column("last_received_on", sa.Date),
    sa.Column("ordered", ExactDecimal, nullable=False),
    sa.Column("received", ExactDecimal, nullable=False),
    sa.Column("rejected", ExactDecimal, nullable=False),
    sa.Column("price", ExactDecimal),
    sa.Column("status", sa.Text, nullable=False, comment="open, closed or cancelled"),
    _ref("batch_id", "batch", nullable=True),
    sa.Column("file_id", Id, sa.ForeignKey("batch_file.id")),
    sa.Column("line", sa.BigInteger),
    sa.UniqueConstraint("made", "source", "order_no", "line_no"),
)

supplier_score = sa.Table(
    "supplier_score",
    metadata,
    sa.Column("supplier_id", Id, sa.ForeignKey("supplier.id"), primary_key=True, autoincrement=False),
    sa.Column("as_of", sa.Date, nullable=False),
    sa.Column("lines_due", sa.Integer, nullable=False, comment="promised in the year up to then, not cancelled"),
    sa.Column("never_received", sa.Integer, nullable=False, comment="of them, nothing came"),
    sa.Column("otif", ExactDecimal, nullable=False, comment="share that was all there on the promised day"),
    sa.Column("on_time", ExactDecimal, nullable=False, comment="share of which nothing that came was late"),
    sa.Column("in_full", ExactDecimal, nullable=False, comment="share that is all there by now"),
    sa.Column("lead_time_p50", ExactDecimal, comment="days from order to complete"),
    sa.Column("lead_time_p90", ExactDecimal),
    sa.Column("lead_time_cv", ExactDecimal, comment="standard deviation over mean"),
    sa.Column("promise_slip", ExactDecimal, comment="mean days from promise to complete; open lines slip on"),
    sa.Column("late_value_days", ExactDecimal, nullable=False, comment="days late times value, added up"),
    sa.Column("reject_ppm", ExactDecimal, comment="refused per million received"),
)

quality_day = sa.Table(
    "quality_day",
    metadata,
    _id(),
    sa.Column("day", sa.Date, nullable=False, index=True),
    _ref("item_id", "item", index=True),
    sa.Column("operation", sa.Text, nullable=False, default="", server_default=""),
    _ref("supplier_id", "supplier", nullable=True),
    sa.Column("origin", sa.Text, nullable=False, comment="inspections, work_orders or receipts"),
    sa.Column("inspected", ExactDecimal, nullable=False),
    sa.Column("defective", ExactDecimal, nullable=False),
    sa.Column("scrapped", ExactDecimal, nullable=False),
    sa.Column("reason", sa.Text, nullable=False, default="", server_default="", comment="the most frequent one"),
)

quality_reason = sa.Table(
    "quality_reason",
    metadata,
    _id(),
    sa.Column("day", sa.Date, nullable=False, index=True),
    _ref("item_id", "item", index=True),
    sa.Column("operation", sa.Text, nullable=False),
    _ref("supplier_id", "supplier", nullable=True),
    sa.Column("origin", sa.Text, nullable=False, comment="inspections, work_orders or receipts"),
    sa.Column("reason", sa.Text, nullable=False, comment="empty where none was named"),
    sa.Column("defective", ExactDecimal, nullable=False),
    sa.Column("scrapped", ExactDecimal, nullable=False),
    comment="what was wrong, reason by reason: adds up to the defects of quality_day",
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

batch_seen = sa.Table(
    "batch_seen",
    metadata,
    sa.Column("batch_id", Id, sa.ForeignKey("batch.id"), primary_key=True, autoincrement=False),
    sa.Column("event_id", Id, nullable=False, comment="the newest batch_event.id of its success by then; 0: none"),
    comment="the batches whose records unified holds, and in which state",
)

refresh = sa.Table(
    "refresh",
    metadata,
    sa.Column("stage", sa.Text, primary_key=True, comment="unified, forecasts or alerts"),
    sa.Column("as_of", sa.Date, primary_key=True),
    sa.Column("up_to_batch_id", Id, nullable=False, comment="the last batch it has seen"),
    sa.Column(
        "batches_hash", sa.String(64), nullable=False, default="", server_default="", comment="of all it has seen"
    ),
    sa.Column("site_hash", sa.String(64), nullable=False, comment="of the declarations it was made under"),
    sa.Column("at", UtcTimestamp, nullable=False),
    sa.Column("held", Json, comment="of unified: the rules it was made by, and what its tables hold"),
    comment="how far each stage has come, so that a run with nothing new does nothing",
)

# --- runtime ------------------------------------------------------------------------------------------

model = sa.Table(
    "model",
    metadata,
    _id(),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("frequency", sa.Text, nullable=False),
    sa.Column("demand_class", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False),
)

model_version = sa.Table(
    "model_version",
    metadata,
    _id(),
    _ref("model_id", "model", index=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("status", sa.Text, nullable=False, comment="draft, active or retired"),
    sa.Column("code", sa.Text, nullable=False, comment="module:function that forecasts"),
    sa.Column("parameters", Json, nullable=False),
    sa.Column("packages", Json, nullable=False, comment="name: version of what it computes with"),
    sa.Column("hash", sa.String(64), nullable=False, comment="of code, parameters and packages"),
    sa.Column("created_at", UtcTimestamp, nullable=False),
    sa.Column(
        "origin",
        sa.Text,
        nullable=False,
        server_default="declared",
        comment="declared by the program, or registered by a person",
    ),
    sa.UniqueConstraint("model_id", "version"),
    sa.UniqueConstraint("model_id", "hash"),
)

model_alias = sa.Table(
    "model_alias",
    metadata,
    _ref("model_id", "model"),
    sa.Column("alias", sa.Text, comment="champion or challenger"),
    _ref("version_id", "model_version"),
    sa.PrimaryKeyConstraint("model_id", "alias"),
)

model_run = sa.Table(
    "model_run",
    metadata,
    _id(),
    _ref("version_id", "model_version", index=True),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("frequency", sa.Text, nullable=False),
    sa.Column("demand_class", sa.Text, nullable=False),
    sa.Column("as_of", sa.Date, nullable=False, comment="the last day whose facts were used"),
    sa.Column("status", sa.Text, nullable=False, comment="in_progress, success, failed, cancelled or killed"),
    sa.Column("started_at", UtcTimestamp, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("series", sa.Integer, nullable=False),
    sa.Column("failed_series", sa.Integer, nullable=False),
    sa.Column("failures", Json, nullable=False, comment="[{series, reason}]"),
    sa.Column("metrics", Json, nullable=False),
    sa.Column("run_id", sa.Text, comment="the Dagster run"),
    sa.Column(
        "purpose", sa.Text, nullable=False, server_default="forecast", comment="forecast, or backtest on past windows"
    ),
    sa.Column("finished_at", UtcTimestamp, comment="when it ended, however it ended"),
    sa.Column("peak_mb", sa.Float, comment="the most memory its process had used by its end"),
    sa.Column("problem", sa.Text, comment="why it failed, was cancelled or was killed"),
    sa.Column("worker", sa.Integer, comment="whose lock it works under: once that is free, nobody works on it"),
    sa.Index("ix_model_run_what", "target", "frequency", "as_of"),
    sa.Index("ix_model_run_status", "status"),
)

model_comparison = sa.Table(
    "model_comparison",
    metadata,
    _id(),
    _ref("model_id", "model", index=True),
    _ref("champion_id", "model_version"),
    _ref("challenger_id", "model_version"),
    sa.Column("as_of", sa.Date, nullable=False, comment="the last day whose facts were used"),
    sa.Column("at", UtcTimestamp, nullable=False),
    sa.Column("windows", sa.Integer, nullable=False, comment="cut-offs that both were asked to forecast from"),
    sa.Column("series", sa.Integer, nullable=False, comment="series that both were scored on"),
    sa.Column("gain", sa.Float, comment="share of the champion's pooled error that the challenger saves"),
    sa.Column("p_value", sa.Float, comment="of the paired test: the chance of such a gain if neither were better"),
    sa.Column("measures", Json, nullable=False, comment="{champion, challenger, naive, previous}: pooled measures"),
    sa.Column("is_better", sa.Boolean, nullable=False, comment="significantly, with bounds that hold"),
    sa.Column("promoted", sa.Boolean, nullable=False, comment="whether the challenger was made champion for it"),
    sa.Column("reason", sa.Text, nullable=False, comment="the verdict in a sentence"),
    comment="a challenger beside its champion on the same past windows",
)

series = sa.Table(
    "series",
    metadata,
    _id(),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("frequency", sa.Text, nullable=False),
    _ref("item_id", "item", nullable=True, index=True),
    _ref("location_id", "location", nullable=True),
    _ref("supplier_id", "supplier", nullable=True),
    sa.Column("name", sa.Text, nullable=False, comment="what it is, in words and codes"),
    sa.Column("demand_class", sa.Text, nullable=False),
    sa.UniqueConstraint("target", "frequency", "name"),
)

series_score = sa.Table(
    "series_score",
    metadata,
    _ref("run_id", "model_run"),
    _ref("series_id", "series", index=True),
    sa.Column("measure", sa.Text),
    sa.Column("value", sa.Float),
    sa.PrimaryKeyConstraint("run_id", "series_id", "measure"),
)

# --- forecasts ----------------------------------------------------------------------------------------

QUANTILES: dict[str, float] = {
    "q025": 0.025,
    "q05": 0.05,
    "q10": 0.10,
    "q25": 0.25,
    "q50": 0.50,
    "q75": 0.75,
    "q90": 0.90,
    "q95": 0.95,
    "q975": 0.975,
    "q99": 0.99,
}
"""Columns of the forecast table: q10 to q90 are the 80 % bounds, q025 to q975 the 95 % bounds."""

forecast = sa.Table(
    "forecast",
    metadata,
    sa.Column("series_id", Id, sa.ForeignKey("series.id"), primary_key=True),
    sa.Column("as_of", sa.Date, primary_key=True),
    sa.Column("period", sa.Date, primary_key=True, comment="first day of the period"),
    _ref("run_id", "model_run", index=True),
    sa.Column("mean", sa.Float, nullable=False),
    sa.Column("model_mean", sa.Float, comment="what the models said, where a person's override holds"),
    *(sa.Column(name, sa.Float, nullable=False) for name in QUANTILES),
)

override = sa.Table(
    "override",
    metadata,
    _id(),
    _ref("item_id", "item", index=True),
    _ref("location_id", "location", nullable=True),
    sa.Column("first_day", sa.Date, nullable=False),
    sa.Column("last_day", sa.Date, nullable=False),
    sa.Column("kind", sa.Text, nullable=False, comment="quantity: of all those days together; factor: on the forecast"),
    sa.Column("value", ExactDecimal, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("created_at", UtcTimestamp, nullable=False),
    sa.Column("known_on", sa.Date, nullable=False, comment="the plant's day: forecasts as of earlier days ignore it"),
    sa.Column("expires_on", sa.Date, nullable=False, comment="the last day as of which it counts"),
    sa.Column("withdrawn_on", sa.Date, comment="the first day as of which it does not count any more"),
    sa.Column("withdrawn_by", sa.Text),
    sa.CheckConstraint("kind in ('quantity', 'factor')", name="ck_override_kind"),
    comment="what a planner says of demand instead of the models; no location: all of them together",
)

override_score = sa.Table(
    "override_score",
    metadata,
    _ref("override_id", "override"),
    _ref("series_id", "series"),
    sa.Column("as_of", sa.Date, nullable=False, comment="of the last forecast made before its first period"),
    sa.Column("periods", sa.Integer, nullable=False),
    sa.Column("actual", sa.Float, nullable=False),
    sa.Column("said", sa.Float, nullable=False, comment="absolute errors of the forecast with the override, added up"),
    sa.Column("model", sa.Float, nullable=False, comment="absolute errors of the models alone, added up"),
    sa.PrimaryKeyConstraint("override_id", "series_id"),
    comment="how overrides did, once all their days have passed",
)

cleaned_period = sa.Table(
    "cleaned_period",
    metadata,
    _ref("series_id", "series"),
    sa.Column("as_of", sa.Date),
    sa.Column("period", sa.Date),
    sa.Column("was", sa.Float, nullable=False),
    sa.Column("used", sa.Float, nullable=False, comment="what the models saw instead"),
    sa.Column("reason", sa.Text, nullable=False),
    sa.PrimaryKeyConstraint("series_id", "as_of", "period"),
    comment="history that was not taken as it is: outliers, closures",
)

# --- alerts -------------------------------------------------------------------------------------------

alert = sa.Table(
    "alert",
    metadata,
    _id(),
    sa.Column("identity", sa.Text, nullable=False, unique=True, comment="rule, subject and opening number"),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False, comment="what it is about, stable: item, order line, feed"),
    _ref("item_id", "item", nullable=True, index=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("advice", sa.Text, nullable=False),
    sa.Column("value", sa.Float, nullable=False, comment="of the fact that the rule watches"),
    sa.Column("evidence", Json, nullable=False, comment="facts, forecast run, batches, file lines"),
    sa.Column("status", sa.Text, nullable=False, index=True, comment="open, acknowledged, snoozed or resolved"),
    sa.Column("opened_at", UtcTimestamp, nullable=False),
    sa.Column("changed_at", UtcTimestamp, nullable=False),
    sa.Column("first_seen_on", sa.Date, nullable=False),
    sa.Column("last_seen_on", sa.Date, nullable=False),
    sa.Column("snoozed_until", UtcTimestamp),
    sa.Index("ix_alert_rule_subject", "rule", "subject"),
)

alert_event = sa.Table(
    "alert_event",
    metadata,
    _id(),
    _ref("alert_id", "alert", index=True),
    sa.Column("at", UtcTimestamp, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("event", sa.Text, nullable=False, comment="opened, worsened, eased, acknowledged, snoozed, resolved"),
    sa.Column("note", sa.Text, nullable=False),
)

fact_seen = sa.Table(
    "fact_seen",
    metadata,
    sa.Column("rule", sa.Text, primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("since", sa.Date, nullable=False),
    sa.Column("settled", sa.Text, comment="a person resolved the alert at this severity while the fact held"),
    comment="since when a fact has held without a break, for rules that ask it to last",
)

audit_event = sa.Table(
    "audit_event",
    metadata,
    _id(),
    sa.Column("at", UtcTimestamp, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("verb", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("detail", Json, nullable=False),
)

# --- notify -------------------------------------------------------------------------------------------

notification = sa.Table(
    "notification",
    metadata,
    _id(),
    sa.Column("person", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False, comment="alert or digest"),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("created_at", UtcTimestamp, nullable=False),
)

notification_alert = sa.Table(
    "notification_alert",
    metadata,
    _ref("notification_id", "notification"),
    _ref("alert_event_id", "alert_event", index=True),
    sa.Column("person", sa.Text, nullable=False, comment="as in notification, so that nobody is told the same twice"),
    sa.PrimaryKeyConstraint("notification_id", "alert_event_id"),
    sa.UniqueConstraint("person", "alert_event_id"),
)

delivery = sa.Table(
    "delivery",
    metadata,
    _id(),
    _ref("notification_id", "notification", index=True),
    sa.Column("channel", sa.Text, nullable=False, comment="the person's name for it"),
    sa.Column("address", sa.Text, nullable=False, comment="the environment variable that holds the URL, never the URL"),
    sa.Column("status", sa.Text, nullable=False, index=True, comment="pending, sending, accepted, failed or unknown"),
    sa.Column("due_at", UtcTimestamp, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, default=0, server_default="0"),
    sa.Column("accepted_at", UtcTimestamp),
    sa.CheckConstraint("status in ('pending', 'sending', 'accepted', 'failed', 'unknown')", name="ck_delivery_status"),
)

delivery_attempt = sa.Table(
    "delivery_attempt",
    metadata,
    _id(),
    _ref("delivery_id", "delivery", index=True),
    sa.Column("started_at", UtcTimestamp, nullable=False),
    sa.Column("finished_at", UtcTimestamp),
    sa.Column("outcome", sa.Text, comment="accepted, refused, timeout, nobody or interrupted"),
    sa.Column("detail", sa.Text, comment="in words, without secrets"),
    sa.Column("run_id", sa.Text),
)
