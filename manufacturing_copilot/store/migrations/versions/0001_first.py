"""The first tables, as they were when they were first released."""

import sqlalchemy as sa
from alembic import op

from manufacturing_copilot.store import types

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply this revision."""
    op.create_table(
        "accepted_boms",
        sa.Column("feed_id", _ID, autoincrement=False, nullable=False, comment="feed.id"),
        sa.Column("record_key", sa.Text(), nullable=False, comment="the feed's key fields, joined"),
        sa.Column("reference", sa.Text(), nullable=True, comment="the system's own number of the line"),
        sa.Column(
            "item",
            sa.Text(),
            nullable=True,
            comment="the item that is made; empty lines name a top-level item and add nothing",
        ),
        sa.Column("component", sa.Text(), nullable=False, comment="the item that goes into it"),
        sa.Column(
            "quantity_per", types.ExactDecimal(), nullable=False, comment="quantity of the component per unit made"
        ),
        sa.Column("unit", sa.Text(), nullable=True, comment="the unit of quantity_per"),
        sa.Column("scrap_ratio", types.ExactDecimal(), nullable=True, comment="share of the component lost in making"),
        sa.Column("valid_from", sa.Date(), nullable=True, comment="first day on which the line holds"),
        sa.Column("valid_to", sa.Date(), nullable=True, comment="last day on which the line holds"),
        sa.Column("batch_id", _ID, nullable=False, comment="batch.id"),
        sa.Column("file_id", _ID, nullable=False, comment="batch_file.id"),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("feed_id", "record_key", name=op.f("pk_accepted_boms")),
        comment="accepted records: bills of materials: what goes into an item",
    )
    op.create_index("ix_accepted_boms_batch_id", "accepted_boms", ["batch_id"], unique=False, postgresql_using="brin")
    op.create_table(
        "accepted_calendar",
        sa.Column("feed_id", _ID, autoincrement=False, nullable=False, comment="feed.id"),
        sa.Column("record_key", sa.Text(), nullable=False, comment="the feed's key fields, joined"),
        sa.Column("day", sa.Date(), nullable=False, comment="the day"),
        sa.Column("location", sa.Text(), nullable=True, comment="where; empty means everywhere"),
        sa.Column("item", sa.Text(), nullable=True, comment="for which item; empty means all"),
        sa.Column("event", sa.Text(), nullable=False, comment="what happens"),
        sa.Column("note", sa.Text(), nullable=True, comment="in words"),
        sa.Column("batch_id", _ID, nullable=False, comment="batch.id"),
        sa.Column("file_id", _ID, nullable=False, comment="batch_file.id"),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("feed_id", "record_key", name=op.f("pk_accepted_calendar")),
        comment="accepted records: days that differ: closures, holidays, promotions",
    )
    op.create_index(
        "ix_accepted_calendar_batch_id", "accepted_calendar", ["batch_id"], unique=False, postgresql_using="brin"
    )
    op.create_table(
        "accepted_inspections",
        sa.Column("feed_id", _ID, autoincrement=False, nullable=False, comment="feed.id"),
        sa.Column("record_key", sa.Text(), nullable=False, comment="the feed's key fields, joined"),
        sa.Column("inspection", sa.Text(), nullable=True, comment="the inspection's own number"),
        sa.Column("item", sa.Text(), nullable=False, comment="the item"),
        sa.Column("inspected_on", sa.Date(), nullable=False, comment="the day"),
        sa.Column("work_order", sa.Text(), nullable=True, comment="the work order inspected, if any"),
        sa.Column("operation", sa.Text(), nullable=True, comment="the operation inspected, if any"),
        sa.Column("supplier", sa.Text(), nullable=True, comment="the supplier inspected, if any"),
        sa.Column("location", sa.Text(), nullable=True, comment="where"),
        sa.Column("inspected", types.ExactDecimal(), nullable=False, comment="how many were looked at"),
        sa.Column("defective", types.ExactDecimal(), nullable=False, comment="how many were bad"),
        sa.Column("reason", sa.Text(), nullable=True, comment="what was wrong"),
        sa.Column("batch_id", _ID, nullable=False, comment="batch.id"),
        sa.Column("file_id", _ID, nullable=False, comment="batch_file.id"),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("feed_id", "record_key", name=op.f("pk_accepted_inspections")),
        comment="accepted records: what was looked at, and what was found",
    )
    op.create_index(
        "ix_accepted_inspections_batch_id", "accepted_inspections", ["batch_id"], unique=False, postgresql_using="brin"
    )
    op.create_table(
        "accepted_item_costs",
        sa.Column("feed_id", _ID, autoincrement=False, nullable=False, comment="feed.id"),
        sa.Column("record_key", sa.Text(), nullable=False, comment="the feed's key fields, joined"),
        sa.Column("item", sa.Text(), nullable=False, comment="the item"),
        sa.Column("valid_from", sa.Date(), nullable=True, comment="first day on which the cost holds"),
        sa.Column("unit_cost", types.ExactDecimal(), nullable=False, comment="cost of one unit"),
        sa.Column("currency", sa.Text(), nullable=True, comment="ISO code"),
        sa.Column("batch_id", _ID, nullable=False, comment="batch.id"),
        sa.Column("file_id", _ID, nullable=False, comment="batch_file.id"),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("feed_id", "record_key", name=op.f("pk_accepted_item_costs")),
        comment="accepted records: what an item costs, as accounting has it",
    )
    op.create_index(
        "ix_accepted_item_costs_batch_id", "accepted_item_costs", ["batch_id"], unique=False, postgresql_using="brin"
    )
    op.create_table(
        "accepted_item_references",
        sa.Column("feed_id", _ID, autoincrement=False, nullable=False, comment="feed.id"),
        sa.Column("record_key", sa.Text(), nullable=False, comment="the feed's key fields, joined"),
        sa.Column("item", sa.Text(), nullable=False, comment="the item's code in this source"),
        sa.Column("other_source", sa.Text(), nullable=False, comment="the name of the other source, as in site.yaml"),
        sa.Column("other_code", sa.Text(), nullable=False, comment="what the other source calls it"),
        sa.Column("batch_id", _ID, nullable=False, comment="batch.id"),
        sa.Column("file_id", _ID, nullable=False, comment="batch_file.id"),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("feed_id", "record_key", name=op.f("pk_accepted_item_references")),
        comment="accepted records: codes by which another source calls an item",
    )
    op.create_index(
        "ix_accepted_item_references_batch_id",
        "accepted_item_references",
        ["batch_id"],
        unique=False,
        postgresql_using="brin",
    )
    op.create_table(
        "accepted_items",
        sa.Column("feed_id", _ID, autoincrement=False, nullable=False, comment="feed.id"),
        sa.Column("record_key", sa.Text(), nullable=False, comment="the feed's key fields, joined"),
        sa.Column("item", sa.Text(), nullable=False, comment="the system's own code of the item"),
        sa.Column("name", sa.Text(), nullable=True, comment="what people call it"),
        sa.Column("category", sa.Text(), nullable=True, comment="the group it belongs to"),
        sa.Column(
            "unit",
            sa.Text(),
            nullable=True,
            comment="the unit that its quantities are in; the first source's becomes the base unit",
        ),
        sa.Column("barcode", sa.Text(), nullable=True, comment="GTIN, EAN or UPC"),
        sa.Column(
            "sku", sa.Text(), nullable=True, comment="the item's SKU, where it differs from the system's own code"
        ),
        sa.Column("manufacturer_part", sa.Text(), nullable=True, comment="the manufacturer's part number"),
        sa.Column("supplier", sa.Text(), nullable=True, comment="the usual supplier's code"),
        sa.Column(
            "lead_time_days",
            sa.BigInteger(),
            nullable=True,
            comment="days from order to receipt, as the system believes",
        ),
        sa.Column(
            "reorder_point", types.ExactDecimal(), nullable=True, comment="stock position at which to order again"
        ),
        sa.Column("safety_stock", types.ExactDecimal(), nullable=True, comment="stock kept against surprises"),
        sa.Column(
            "minimum_order", types.ExactDecimal(), nullable=True, comment="smallest quantity that can be ordered"
        ),
        sa.Column("order_multiple", types.ExactDecimal(), nullable=True, comment="orders are multiples of this"),
        sa.Column("unit_cost", types.ExactDecimal(), nullable=True, comment="standard cost"),
        sa.Column("list_price", types.ExactDecimal(), nullable=True, comment="sales price"),
        sa.Column("made", sa.Boolean(), nullable=True, comment="made here rather than bought"),
        sa.Column("service", sa.Boolean(), nullable=True, comment="a service, not a thing: never stocked or forecast"),
        sa.Column(
            "phantom",
            sa.Boolean(),
            nullable=True,
            comment="passed through in making and never stocked: its components go into what it goes into",
        ),
        sa.Column("active", sa.Boolean(), nullable=True, comment="still in use"),
        sa.Column("discontinued_on", sa.Date(), nullable=True, comment="last day of sale"),
        sa.Column("batch_id", _ID, nullable=False, comment="batch.id"),
        sa.Column("file_id", _ID, nullable=False, comment="batch_file.id"),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("feed_id", "record_key", name=op.f("pk_accepted_items")),
        comment="accepted records: things made, bought or sold, as one system knows them",
    )
    op.create_index("ix_accepted_items_batch_id", "accepted_items", ["batch_id"], unique=False, postgresql_using="brin")
    op.create_table(
        "accepted_locations",
        sa.Column("feed_id", _ID, autoincrement=False, nullable=False, comment="feed.id"),
        sa.Column("record_key", sa.Text(), nullable=False, comment="the feed's key fields, joined"),
        sa.Column("location", sa.Text(), nullable=False, comment="the location's code"),
        sa.Column("name", sa.Text(), nullable=True, comment="what people call it"),
        sa.Column("batch_id", _ID, nullable=False, comment="batch.id"),
        sa.Column("file_id", _ID, nullable=False, comment="batch_file.id"),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("feed_id", "record_key", name=op.f("pk_accepted_locations")),
        comment="accepted records: where stock is kept",
    )
    op.create_index(
        "ix_accepted_locations_batch_id", "accepted_locations", ["batch_id"], unique=False, postgresql_using="brin"
    )
    op.create_table(
        "accepted_order_lines",
        sa.Column("feed_id", _ID, autoincrement=False, nullable=False, comment="feed.id"),
        sa.Column("record_key", sa.Text(), nullable=False, comment="the feed's key fields, joined"),
        sa.Column("order_no", sa.Text(), nullable=False, comment="the sales order"),
        sa.Column("line_no", sa.Text(), nullable=True, comment="the line within it"),
        sa.Column("item", sa.Text(), nullable=False, comment="the item"),
        sa.Column("customer", sa.Text(), nullable=True, comment="who ordered"),
        sa.Column("location", sa.Text(), nullable=True, comment="where it ships from"),
        sa.Column("ordered_on", sa.Date(), nullable=False, comment="the day it was ordered"),
        sa.Column("requested_on", sa.Date(), nullable=True, comment="the day the customer wants it"),
        sa.Column("shipped_on", sa.Date(), nullable=True, comment="the day it left"),
        sa.Column("quantity", types.ExactDecimal(), nullable=False, comment="how much; negative for a return"),
        sa.Column("unit", sa.Text(), nullable=True, comment="the unit of quantity"),
        sa.Column("price", types.ExactDecimal(), nullable=True, comment="price of one unit"),
        sa.Column("status", sa.Text(), nullable=True, comment="where the line stands"),
        sa.Column("batch_id", _ID, nullable=False, comment="batch.id"),
        sa.Column("file_id", _ID, nullable=False, comment="batch_file.id"),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("feed_id", "record_key", name=op.f("pk_accepted_order_lines")),
        comment="accepted records: what customers ordered",
    )
    op.create_index(
        "ix_accepted_order_lines_batch_id", "accepted_order_lines", ["batch_id"], unique=False, postgresql_using="brin"
    )
    op.create_table(
        "accepted_purchase_lines",
        sa.Column("feed_id", _ID, autoincrement=False, nullable=False, comment="feed.id"),
        sa.Column("record_key", sa.Text(), nullable=False, comment="the feed's key fields, joined"),
        sa.Column("order_no", sa.Text(), nullable=False, comment="the purchase order"),
        sa.Column("line_no", sa.Text(), nullable=True, comment="the line within it"),
        sa.Column("item", sa.Text(), nullable=False, comment="the item"),
        sa.Column("supplier", sa.Text(), nullable=True, comment="who delivers; may come from purchase_orders"),
        sa.Column("location", sa.Text(), nullable=True, comment="where it goes"),
        sa.Column(
            "ordered_on", sa.Date(), nullable=True, comment="the day it was ordered; may come from purchase_orders"
        ),
        sa.Column("promised_on", sa.Date(), nullable=True, comment="the day the supplier promised"),
        sa.Column("quantity", types.ExactDecimal(), nullable=False, comment="how much was ordered"),
        sa.Column(
            "received_quantity",
            types.ExactDecimal(),
            nullable=True,
            comment="how much came, where the system keeps it on the line",
        ),
        sa.Column("rejected_quantity", types.ExactDecimal(), nullable=True, comment="of it, refused at inspection"),
        sa.Column(
            "received_on", sa.Date(), nullable=True, comment="the day it came, where the system keeps it on the line"
        ),
        sa.Column("unit", sa.Text(), nullable=True, comment="the unit of the quantities"),
        sa.Column("price", types.ExactDecimal(), nullable=True, comment="price of one unit"),
        sa.Column("status", sa.Text(), nullable=True, comment="where the line stands"),
        sa.Column("batch_id", _ID, nullable=False, comment="batch.id"),
        sa.Column("file_id", _ID, nullable=False, comment="batch_file.id"),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("feed_id", "record_key", name=op.f("pk_accepted_purchase_lines")),
        comment="accepted records: what was ordered from suppliers",
    )
    op.create_index(
        "ix_accepted_purchase_lines_batch_id",
        "accepted_purchase_lines",
        ["batch_id"],
        unique=False,
        postgresql_using="brin",
    )
    op.create_table(
        "accepted_purchase_orders",
        sa.Column("feed_id", _ID, autoincrement=False, nullable=False, comment="feed.id"),
        sa.Column("record_key", sa.Text(), nullable=False, comment="the feed's key fields, joined"),
        sa.Column("order_no", sa.Text(), nullable=False, comment="the purchase order"),
        sa.Column("supplier", sa.Text(), nullable=False, comment="who delivers"),
        sa.Column("ordered_on", sa.Date(), nullable=False, comment="the day it was ordered"),
        sa.Column("status", sa.Text(), nullable=True, comment="where the order stands"),
        sa.Column("batch_id", _ID, nullable=False, comment="batch.id"),
        sa.Column("file_id", _ID, nullable=False, comment="batch_file.id"),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("feed_id", "record_key", name=op.f("pk_accepted_purchase_orders")),
        comment="accepted records: heads of purchase orders, where the system keeps them apart from the lines",
    )
    op.create_index(
        "ix_accepted_purchase_orders_batch_id",
        "accepted_purchase_orders",
        ["batch_id"],
        unique=False,
        postgresql_using="brin",
    )
    op.create_table(
        "accepted_receipts",
        sa.Column("feed_id", _ID, autoincrement=False, nullable=False, comment="feed.id"),
        sa.Column("record_key", sa.Text(), nullable=False, comment="the feed's key fields, joined"),
        sa.Column("receipt_no", sa.Text(), nullable=True, comment="the receipt's own number"),
        sa.Column("order_no", sa.Text(), nullable=False, comment="the purchase order"),
        sa.Column("line_no", sa.Text(), nullable=True, comment="the line within it"),
        sa.Column("item", sa.Text(), nullable=False, comment="the item"),
        sa.Column("location", sa.Text(), nullable=True, comment="where it went"),
        sa.Column("received_on", sa.Date(), nullable=False, comment="the day it came"),
        sa.Column("quantity", types.ExactDecimal(), nullable=False, comment="how much came"),
        sa.Column("rejected_quantity", types.ExactDecimal(), nullable=True, comment="of it, refused at inspection"),
        sa.Column("unit", sa.Text(), nullable=True, comment="the unit of the quantities"),
        sa.Column("batch_id", _ID, nullable=False, comment="batch.id"),
        sa.Column("file_id", _ID, nullable=False, comment="batch_file.id"),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("feed_id", "record_key", name=op.f("pk_accepted_receipts")),
        comment="accepted records: what suppliers delivered",
    )
    op.create_index(
        "ix_accepted_receipts_batch_id", "accepted_receipts", ["batch_id"], unique=False, postgresql_using="brin"
    )
    op.create_table(
        "accepted_routings",
        sa.Column("feed_id", _ID, autoincrement=False, nullable=False, comment="feed.id"),
        sa.Column("record_key", sa.Text(), nullable=False, comment="the feed's key fields, joined"),
        sa.Column("item", sa.Text(), nullable=False, comment="the item that is made"),
        sa.Column("step", sa.BigInteger(), nullable=False, comment="place in the order of operations"),
        sa.Column("operation", sa.Text(), nullable=False, comment="what is done"),
        sa.Column("work_center", sa.Text(), nullable=True, comment="where it is done"),
        sa.Column("setup_minutes", types.ExactDecimal(), nullable=True, comment="time to set up"),
        sa.Column("run_minutes", types.ExactDecimal(), nullable=True, comment="time to make one"),
        sa.Column("batch_id", _ID, nullable=False, comment="batch.id"),
        sa.Column("file_id", _ID, nullable=False, comment="batch_file.id"),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("feed_id", "record_key", name=op.f("pk_accepted_routings")),
        comment="accepted records: how an item is made: its operations in order",
    )
    op.create_index(
        "ix_accepted_routings_batch_id", "accepted_routings", ["batch_id"], unique=False, postgresql_using="brin"
    )
    op.create_table(
        "accepted_stock_levels",
        sa.Column("feed_id", _ID, autoincrement=False, nullable=False, comment="feed.id"),
        sa.Column("record_key", sa.Text(), nullable=False, comment="the feed's key fields, joined"),
        sa.Column("item", sa.Text(), nullable=False, comment="the item"),
        sa.Column("location", sa.Text(), nullable=True, comment="where it lies"),
        sa.Column(
            "bin", sa.Text(), nullable=True, comment="the place within the location; bins of a location are added up"
        ),
        sa.Column(
            "day",
            sa.Date(),
            nullable=True,
            comment="the day at whose end the count holds; empty means the day the file was written",
        ),
        sa.Column("on_hand", types.ExactDecimal(), nullable=False, comment="what lies there"),
        sa.Column("reserved", types.ExactDecimal(), nullable=True, comment="of it, already promised"),
        sa.Column("on_order", types.ExactDecimal(), nullable=True, comment="ordered and not yet received"),
        sa.Column("unit", sa.Text(), nullable=True, comment="the unit of the quantities"),
        sa.Column("batch_id", _ID, nullable=False, comment="batch.id"),
        sa.Column("file_id", _ID, nullable=False, comment="batch_file.id"),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("feed_id", "record_key", name=op.f("pk_accepted_stock_levels")),
        comment="accepted records: stock on a day, as the inventory system counts it",
    )
    op.create_index(
        "ix_accepted_stock_levels_batch_id",
        "accepted_stock_levels",
        ["batch_id"],
        unique=False,
        postgresql_using="brin",
    )
    op.create_table(
        "accepted_stock_movements",
        sa.Column("feed_id", _ID, autoincrement=False, nullable=False, comment="feed.id"),
        sa.Column("record_key", sa.Text(), nullable=False, comment="the feed's key fields, joined"),
        sa.Column("reference", sa.Text(), nullable=True, comment="the system's own number of the movement"),
        sa.Column("item", sa.Text(), nullable=False, comment="the item"),
        sa.Column("location", sa.Text(), nullable=True, comment="where"),
        sa.Column("moved_on", sa.Date(), nullable=False, comment="the day"),
        sa.Column("quantity", types.ExactDecimal(), nullable=False, comment="how much; sign as in the source"),
        sa.Column("movement", sa.Text(), nullable=False, comment="why it moved"),
        sa.Column("document", sa.Text(), nullable=True, comment="the order that caused it"),
        sa.Column("price", types.ExactDecimal(), nullable=True, comment="value of one unit"),
        sa.Column("unit", sa.Text(), nullable=True, comment="the unit of quantity"),
        sa.Column("batch_id", _ID, nullable=False, comment="batch.id"),
        sa.Column("file_id", _ID, nullable=False, comment="batch_file.id"),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("feed_id", "record_key", name=op.f("pk_accepted_stock_movements")),
        comment="accepted records: what entered and left stock",
    )
    op.create_index(
        "ix_accepted_stock_movements_batch_id",
        "accepted_stock_movements",
        ["batch_id"],
        unique=False,
        postgresql_using="brin",
    )
    op.create_table(
        "accepted_suppliers",
        sa.Column("feed_id", _ID, autoincrement=False, nullable=False, comment="feed.id"),
        sa.Column("record_key", sa.Text(), nullable=False, comment="the feed's key fields, joined"),
        sa.Column("supplier", sa.Text(), nullable=False, comment="the supplier's code"),
        sa.Column("name", sa.Text(), nullable=True, comment="the supplier's name"),
        sa.Column("active", sa.Boolean(), nullable=True, comment="still in use"),
        sa.Column("batch_id", _ID, nullable=False, comment="batch.id"),
        sa.Column("file_id", _ID, nullable=False, comment="batch_file.id"),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("feed_id", "record_key", name=op.f("pk_accepted_suppliers")),
        comment="accepted records: who delivers",
    )
    op.create_index(
        "ix_accepted_suppliers_batch_id", "accepted_suppliers", ["batch_id"], unique=False, postgresql_using="brin"
    )
    op.create_table(
        "accepted_unit_conversions",
        sa.Column("feed_id", _ID, autoincrement=False, nullable=False, comment="feed.id"),
        sa.Column("record_key", sa.Text(), nullable=False, comment="the feed's key fields, joined"),
        sa.Column("item", sa.Text(), nullable=True, comment="the item; empty means all"),
        sa.Column("from_unit", sa.Text(), nullable=False, comment="the larger unit, for example BOX"),
        sa.Column("to_unit", sa.Text(), nullable=False, comment="the smaller unit, for example EA"),
        sa.Column("factor", types.ExactDecimal(), nullable=False, comment="to_unit per from_unit"),
        sa.Column("batch_id", _ID, nullable=False, comment="batch.id"),
        sa.Column("file_id", _ID, nullable=False, comment="batch_file.id"),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("feed_id", "record_key", name=op.f("pk_accepted_unit_conversions")),
        comment="accepted records: how many of one unit make another, for one item or for all",
    )
    op.create_index(
        "ix_accepted_unit_conversions_batch_id",
        "accepted_unit_conversions",
        ["batch_id"],
        unique=False,
        postgresql_using="brin",
    )
    op.create_table(
        "accepted_work_orders",
        sa.Column("feed_id", _ID, autoincrement=False, nullable=False, comment="feed.id"),
        sa.Column("record_key", sa.Text(), nullable=False, comment="the feed's key fields, joined"),
        sa.Column("work_order", sa.Text(), nullable=False, comment="the work order"),
        sa.Column("item", sa.Text(), nullable=False, comment="the item that is made"),
        sa.Column("location", sa.Text(), nullable=True, comment="where it goes"),
        sa.Column("quantity", types.ExactDecimal(), nullable=False, comment="how much was ordered"),
        sa.Column("completed", types.ExactDecimal(), nullable=True, comment="how much went to stock"),
        sa.Column("scrapped", types.ExactDecimal(), nullable=True, comment="how much was lost"),
        sa.Column("scrap_reason", sa.Text(), nullable=True, comment="why"),
        sa.Column("operation", sa.Text(), nullable=True, comment="the operation at which it was lost"),
        sa.Column("started_on", sa.Date(), nullable=True, comment="first day of work"),
        sa.Column("due_on", sa.Date(), nullable=True, comment="the day it is due"),
        sa.Column("finished_on", sa.Date(), nullable=True, comment="last day of work"),
        sa.Column("status", sa.Text(), nullable=True, comment="where the order stands"),
        sa.Column("batch_id", _ID, nullable=False, comment="batch.id"),
        sa.Column("file_id", _ID, nullable=False, comment="batch_file.id"),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("feed_id", "record_key", name=op.f("pk_accepted_work_orders")),
        comment="accepted records: what was made, and what was lost in making it",
    )
    op.create_index(
        "ix_accepted_work_orders_batch_id", "accepted_work_orders", ["batch_id"], unique=False, postgresql_using="brin"
    )
    op.create_table(
        "audit_event",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("at", types.UtcTimestamp(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("verb", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("detail", types.Json, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_event")),
    )
    op.create_table(
        "changed_record",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("batch_id", _ID, nullable=False, comment="batch.id"),
        sa.Column("file_id", _ID, nullable=False, comment="batch_file.id"),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("records", sa.Text(), nullable=False),
        sa.Column("record_key", sa.Text(), nullable=False),
        sa.Column("was_file_id", _ID, nullable=False, comment="batch_file.id"),
        sa.Column("was_line", sa.BigInteger(), nullable=False),
        sa.Column("was", types.Json, nullable=False, comment="the content that was replaced"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_changed_record")),
    )
    op.create_index("ix_changed_record_batch_id", "changed_record", ["batch_id"], unique=False, postgresql_using="brin")
    op.create_table(
        "duplicate_record",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("batch_id", _ID, nullable=False, comment="batch.id"),
        sa.Column("file_id", _ID, nullable=False, comment="batch_file.id"),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("of_file_id", _ID, nullable=False, comment="batch_file.id"),
        sa.Column("of_line", sa.BigInteger(), nullable=False, comment="the record it repeats"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duplicate_record")),
    )
    op.create_index(
        "ix_duplicate_record_batch_id", "duplicate_record", ["batch_id"], unique=False, postgresql_using="brin"
    )
    op.create_table(
        "fact_seen",
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column(
            "settled",
            sa.Text(),
            nullable=True,
            comment="a person resolved the alert at this severity while the fact held",
        ),
        sa.PrimaryKeyConstraint("rule", "subject", name=op.f("pk_fact_seen")),
        comment="since when a fact has held without a break, for rules that ask it to last",
    )
    op.create_table(
        "feed",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "contract", types.Json, nullable=True, comment="what was detected in the first files and is held since"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feed")),
        sa.UniqueConstraint("name", name=op.f("uq_feed_name")),
    )
    op.create_table(
        "location",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_location")),
        sa.UniqueConstraint("code", name=op.f("uq_location_code")),
    )
    op.create_table(
        "model",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("frequency", sa.Text(), nullable=False),
        sa.Column("demand_class", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model")),
        sa.UniqueConstraint("name", name=op.f("uq_model_name")),
    )
    op.create_table(
        "notification",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="alert or digest"),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", types.UtcTimestamp(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notification")),
    )
    op.create_table(
        "refresh",
        sa.Column("stage", sa.Text(), nullable=False, comment="unified, forecasts or alerts"),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("up_to_batch_id", _ID, nullable=False, comment="the last batch it has seen"),
        sa.Column(
            "batches_hash", sa.String(length=64), server_default="", nullable=False, comment="of all it has seen"
        ),
        sa.Column("site_hash", sa.String(length=64), nullable=False, comment="of the declarations it was made under"),
        sa.Column("at", types.UtcTimestamp(), nullable=False),
        sa.PrimaryKeyConstraint("stage", "as_of", name=op.f("pk_refresh")),
        comment="how far each stage has come, so that a run with nothing new does nothing",
    )
    op.create_table(
        "rejected_record",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("batch_id", _ID, nullable=False, comment="batch.id"),
        sa.Column("file_id", _ID, nullable=False, comment="batch_file.id"),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("reasons", types.Json, nullable=False, comment="[{column, value, rule, sentence}]"),
        sa.Column(
            "received", types.Json, nullable=False, comment="the original columns and texts, or those last mended"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rejected_record")),
    )
    op.create_index(
        "ix_rejected_record_batch_id", "rejected_record", ["batch_id"], unique=False, postgresql_using="brin"
    )
    op.create_table(
        "supplier",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("active", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_supplier")),
        sa.UniqueConstraint("code", name=op.f("uq_supplier_code")),
    )
    op.create_table(
        "batch",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("feed_id", _ID, nullable=False),
        sa.Column("reference", sa.Text(), nullable=False, comment="the Dagster partition key"),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("claimed_at", types.UtcTimestamp(), nullable=False),
        sa.Column("started_at", types.UtcTimestamp(), nullable=True),
        sa.Column("finished_at", types.UtcTimestamp(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("run_id", sa.Text(), nullable=True, comment="the Dagster run that last worked on it"),
        sa.Column("rows_received", sa.Integer(), server_default="0", nullable=False),
        sa.Column("rows_accepted", sa.Integer(), server_default="0", nullable=False),
        sa.Column("rows_duplicate", sa.Integer(), server_default="0", nullable=False),
        sa.Column("rows_rejected", sa.Integer(), server_default="0", nullable=False),
        sa.Column("rows_changed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("problem", sa.Text(), nullable=True, comment="why it failed, in a sentence"),
        sa.CheckConstraint(
            "status in ('pending', 'in_progress', 'success', 'failed', 'withdrawn')", name="ck_batch_status"
        ),
        sa.CheckConstraint(
            "rows_received = rows_accepted + rows_duplicate + rows_rejected", name="ck_batch_conservation"
        ),
        sa.ForeignKeyConstraint(["feed_id"], ["feed.id"], name=op.f("fk_batch_feed_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batch")),
        sa.UniqueConstraint("reference", name=op.f("uq_batch_reference")),
    )
    op.create_index(op.f("ix_batch_feed_id"), "batch", ["feed_id"], unique=False)
    op.create_index(op.f("ix_batch_status"), "batch", ["status"], unique=False)
    op.create_table(
        "delivery",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("notification_id", _ID, nullable=False),
        sa.Column("channel", sa.Text(), nullable=False, comment="the person's name for it"),
        sa.Column(
            "address", sa.Text(), nullable=False, comment="the environment variable that holds the URL, never the URL"
        ),
        sa.Column("status", sa.Text(), nullable=False, comment="pending, sending, accepted, failed or unknown"),
        sa.Column("due_at", types.UtcTimestamp(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("accepted_at", types.UtcTimestamp(), nullable=True),
        sa.CheckConstraint(
            "status in ('pending', 'sending', 'accepted', 'failed', 'unknown')", name="ck_delivery_status"
        ),
        sa.ForeignKeyConstraint(["notification_id"], ["notification.id"], name=op.f("fk_delivery_notification_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
    )
    op.create_index(op.f("ix_delivery_notification_id"), "delivery", ["notification_id"], unique=False)
    op.create_index(op.f("ix_delivery_status"), "delivery", ["status"], unique=False)
    op.create_table(
        "model_version",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("model_id", _ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False, comment="draft, active or retired"),
        sa.Column("code", sa.Text(), nullable=False, comment="module:function that forecasts"),
        sa.Column("parameters", types.Json, nullable=False),
        sa.Column("packages", types.Json, nullable=False, comment="name: version of what it computes with"),
        sa.Column("hash", sa.String(length=64), nullable=False, comment="of code, parameters and packages"),
        sa.Column("created_at", types.UtcTimestamp(), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name=op.f("fk_model_version_model_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_version")),
        sa.UniqueConstraint("model_id", "hash", name=op.f("uq_model_version_model_id_hash")),
        sa.UniqueConstraint("model_id", "version", name=op.f("uq_model_version_model_id_version")),
    )
    op.create_index(op.f("ix_model_version_model_id"), "model_version", ["model_id"], unique=False)
    op.create_table(
        "supplier_score",
        sa.Column("supplier_id", _ID, autoincrement=False, nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("lines_due", sa.Integer(), nullable=False, comment="promised in the year up to then, not cancelled"),
        sa.Column("never_received", sa.Integer(), nullable=False, comment="of them, nothing came"),
        sa.Column("otif", types.ExactDecimal(), nullable=False, comment="share that was all there on the promised day"),
        sa.Column("on_time", types.ExactDecimal(), nullable=False, comment="share of which nothing that came was late"),
        sa.Column("in_full", types.ExactDecimal(), nullable=False, comment="share that is all there by now"),
        sa.Column("lead_time_p50", types.ExactDecimal(), nullable=True, comment="days from order to complete"),
        sa.Column("lead_time_p90", types.ExactDecimal(), nullable=True),
        sa.Column("lead_time_cv", types.ExactDecimal(), nullable=True, comment="standard deviation over mean"),
        sa.Column(
            "promise_slip",
            types.ExactDecimal(),
            nullable=True,
            comment="mean days from promise to complete; open lines slip on",
        ),
        sa.Column("late_value_days", types.ExactDecimal(), nullable=False, comment="days late times value, added up"),
        sa.Column("reject_ppm", types.ExactDecimal(), nullable=True, comment="refused per million received"),
        sa.ForeignKeyConstraint(["supplier_id"], ["supplier.id"], name=op.f("fk_supplier_score_supplier_id")),
        sa.PrimaryKeyConstraint("supplier_id", name=op.f("pk_supplier_score")),
    )
    op.create_table(
        "batch_event",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("batch_id", _ID, nullable=False),
        sa.Column("at", types.UtcTimestamp(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("from_status", sa.Text(), nullable=True),
        sa.Column("to_status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_batch_event_batch_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batch_event")),
    )
    op.create_index(op.f("ix_batch_event_batch_id"), "batch_event", ["batch_id"], unique=False)
    op.create_table(
        "batch_file",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("batch_id", _ID, nullable=False),
        sa.Column("feed_id", _ID, nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("modified_ns", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=True, comment="of the original bytes"),
        sa.Column("archived_as", sa.Text(), nullable=True),
        sa.Column("received_as", sa.Text(), nullable=True, comment="the rows as received, as Parquet"),
        sa.Column(
            "watermark",
            types.Json,
            nullable=True,
            comment="of rows read from a table: which of them, {column, after, up_to, …}",
        ),
        sa.Column("repeats_file_id", _ID, nullable=True),
        sa.Column("rows_received", sa.Integer(), server_default="0", nullable=False),
        sa.Column("found", types.Json, nullable=True, comment="encoding, delimiter, columns and drift found in it"),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_batch_file_batch_id")),
        sa.ForeignKeyConstraint(["feed_id"], ["feed.id"], name=op.f("fk_batch_file_feed_id")),
        sa.ForeignKeyConstraint(["repeats_file_id"], ["batch_file.id"], name=op.f("fk_batch_file_repeats_file_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batch_file")),
        sa.UniqueConstraint(
            "feed_id", "path", "size", "modified_ns", name=op.f("uq_batch_file_feed_id_path_size_modified_ns")
        ),
    )
    op.create_index(op.f("ix_batch_file_batch_id"), "batch_file", ["batch_id"], unique=False)
    op.create_index("ix_batch_file_content", "batch_file", ["feed_id", "sha256"], unique=False)
    op.create_table(
        "delivery_attempt",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("delivery_id", _ID, nullable=False),
        sa.Column("started_at", types.UtcTimestamp(), nullable=False),
        sa.Column("finished_at", types.UtcTimestamp(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True, comment="accepted, refused, timeout, nobody or interrupted"),
        sa.Column("detail", sa.Text(), nullable=True, comment="in words, without secrets"),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["delivery_id"], ["delivery.id"], name=op.f("fk_delivery_attempt_delivery_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery_attempt")),
    )
    op.create_index(op.f("ix_delivery_attempt_delivery_id"), "delivery_attempt", ["delivery_id"], unique=False)
    op.create_table(
        "model_alias",
        sa.Column("model_id", _ID, nullable=False),
        sa.Column("alias", sa.Text(), nullable=False, comment="champion or challenger"),
        sa.Column("version_id", _ID, nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], name=op.f("fk_model_alias_model_id")),
        sa.ForeignKeyConstraint(["version_id"], ["model_version.id"], name=op.f("fk_model_alias_version_id")),
        sa.PrimaryKeyConstraint("model_id", "alias", name=op.f("pk_model_alias")),
    )
    op.create_table(
        "model_run",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("version_id", _ID, nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("frequency", sa.Text(), nullable=False),
        sa.Column("demand_class", sa.Text(), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False, comment="the last day whose facts were used"),
        sa.Column("status", sa.Text(), nullable=False, comment="success or failed"),
        sa.Column("started_at", types.UtcTimestamp(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("series", sa.Integer(), nullable=False),
        sa.Column("failed_series", sa.Integer(), nullable=False),
        sa.Column("failures", types.Json, nullable=False, comment="[{series, reason}]"),
        sa.Column("metrics", types.Json, nullable=False),
        sa.Column("run_id", sa.Text(), nullable=True, comment="the Dagster run"),
        sa.ForeignKeyConstraint(["version_id"], ["model_version.id"], name=op.f("fk_model_run_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_run")),
    )
    op.create_index(op.f("ix_model_run_version_id"), "model_run", ["version_id"], unique=False)
    op.create_index("ix_model_run_what", "model_run", ["target", "frequency", "as_of"], unique=False)
    op.create_table(
        "item",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("base_unit", sa.Text(), nullable=True),
        sa.Column("abc", sa.String(length=1), nullable=True, comment="A, B or C by annual value of demand: 80/15/5"),
        sa.Column("made", sa.Boolean(), nullable=True),
        sa.Column("service", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("phantom", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("supplier_id", _ID, nullable=True),
        sa.Column("lead_time_days", sa.Integer(), nullable=True),
        sa.Column("reorder_point", types.ExactDecimal(), nullable=True),
        sa.Column("safety_stock", types.ExactDecimal(), nullable=True),
        sa.Column("minimum_order", types.ExactDecimal(), nullable=True),
        sa.Column("order_multiple", types.ExactDecimal(), nullable=True),
        sa.Column("unit_cost", types.ExactDecimal(), nullable=True),
        sa.Column("list_price", types.ExactDecimal(), nullable=True),
        sa.Column("discontinued_on", sa.Date(), nullable=True),
        sa.Column("batch_id", _ID, nullable=True),
        sa.Column("file_id", _ID, nullable=True),
        sa.Column("line", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_item_batch_id")),
        sa.ForeignKeyConstraint(["file_id"], ["batch_file.id"], name=op.f("fk_item_file_id")),
        sa.ForeignKeyConstraint(["supplier_id"], ["supplier.id"], name=op.f("fk_item_supplier_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_item")),
        sa.UniqueConstraint("sku", name=op.f("uq_item_sku")),
    )
    op.create_table(
        "mended_record",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("batch_id", _ID, nullable=False),
        sa.Column("file_id", _ID, nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("received", types.Json, nullable=False, comment="the columns and texts that were rejected"),
        sa.Column("reasons", types.Json, nullable=False, comment="why they were"),
        sa.Column(
            "mended", types.Json, nullable=False, comment="the columns and texts that a person put in their place"
        ),
        sa.Column("released", types.Json, nullable=False, comment="the guards that a person let the row pass"),
        sa.Column("at", types.UtcTimestamp(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_mended_record_batch_id")),
        sa.ForeignKeyConstraint(["file_id"], ["batch_file.id"], name=op.f("fk_mended_record_file_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mended_record")),
        sa.UniqueConstraint("file_id", "line", name=op.f("uq_mended_record_file_id_line")),
        comment="rejected rows that a person mended or released: they are what the row says from then on",
    )
    op.create_index(op.f("ix_mended_record_batch_id"), "mended_record", ["batch_id"], unique=False)
    op.create_table(
        "unmapped_id",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("records", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False, comment="no item, or no unit factor"),
        sa.Column("sentence", sa.Text(), nullable=False, comment="what is missing and what to do"),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("example_file_id", _ID, nullable=True),
        sa.Column("example_line", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["example_file_id"], ["batch_file.id"], name=op.f("fk_unmapped_id_example_file_id")),
        sa.PrimaryKeyConstraint("source", "records", "external_id", "problem", name=op.f("pk_unmapped_id")),
        comment="codes whose records cannot be used yet: no item answers to them, or their unit has no factor",
    )
    op.create_table(
        "alert",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("identity", sa.Text(), nullable=False, comment="rule, subject and opening number"),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False, comment="what it is about, stable: item, order line, feed"),
        sa.Column("item_id", _ID, nullable=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("advice", sa.Text(), nullable=False),
        sa.Column("value", sa.Float(), nullable=False, comment="of the fact that the rule watches"),
        sa.Column("evidence", types.Json, nullable=False, comment="facts, forecast run, batches, file lines"),
        sa.Column("status", sa.Text(), nullable=False, comment="open, acknowledged, snoozed or resolved"),
        sa.Column("opened_at", types.UtcTimestamp(), nullable=False),
        sa.Column("changed_at", types.UtcTimestamp(), nullable=False),
        sa.Column("first_seen_on", sa.Date(), nullable=False),
        sa.Column("last_seen_on", sa.Date(), nullable=False),
        sa.Column("snoozed_until", types.UtcTimestamp(), nullable=True),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_alert_item_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert")),
        sa.UniqueConstraint("identity", name=op.f("uq_alert_identity")),
    )
    op.create_index(op.f("ix_alert_item_id"), "alert", ["item_id"], unique=False)
    op.create_index("ix_alert_rule_subject", "alert", ["rule", "subject"], unique=False)
    op.create_index(op.f("ix_alert_status"), "alert", ["status"], unique=False)
    op.create_table(
        "demand_day",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("item_id", _ID, nullable=False),
        sa.Column("location_id", _ID, nullable=False),
        sa.Column("quantity", types.ExactDecimal(), nullable=False),
        sa.Column("value", types.ExactDecimal(), nullable=True, comment="quantity times price"),
        sa.Column("order_lines", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_demand_day_item_id")),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_demand_day_location_id")),
        sa.PrimaryKeyConstraint("day", "item_id", "location_id", name=op.f("pk_demand_day")),
    )
    op.create_index("ix_demand_day_item", "demand_day", ["item_id", "day"], unique=False)
    op.create_table(
        "external_id",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("item_id", _ID, nullable=False),
        sa.Column(
            "matched_by", sa.Text(), nullable=False, comment="the key by which it was, or item_references, merge, split"
        ),
        sa.Column("batch_id", _ID, nullable=True),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_external_id_batch_id")),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_external_id_item_id")),
        sa.PrimaryKeyConstraint("source", "external_id", name=op.f("pk_external_id")),
    )
    op.create_index("ix_external_id_external_id", "external_id", ["external_id"], unique=False)
    op.create_index(op.f("ix_external_id_item_id"), "external_id", ["item_id"], unique=False)
    op.create_table(
        "inventory_snapshot",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("item_id", _ID, nullable=False),
        sa.Column("location_id", _ID, nullable=False),
        sa.Column("on_hand", types.ExactDecimal(), nullable=False),
        sa.Column("reserved", types.ExactDecimal(), nullable=False),
        sa.Column("on_order", types.ExactDecimal(), nullable=False),
        sa.Column("unit_cost", types.ExactDecimal(), nullable=True),
        sa.Column(
            "counted_on", sa.Date(), nullable=False, comment="the day of the count or movement that this rests on"
        ),
        sa.Column("batch_id", _ID, nullable=True),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_inventory_snapshot_batch_id")),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_inventory_snapshot_item_id")),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_inventory_snapshot_location_id")),
        sa.PrimaryKeyConstraint("day", "item_id", "location_id", name=op.f("pk_inventory_snapshot")),
    )
    op.create_index("ix_inventory_snapshot_item", "inventory_snapshot", ["item_id", "day"], unique=False)
    op.create_table(
        "item_conflict",
        sa.Column("item_id", _ID, nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("kept_source", sa.Text(), nullable=False),
        sa.Column("kept", sa.Text(), nullable=True),
        sa.Column("other_source", sa.Text(), nullable=False),
        sa.Column("other", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_item_conflict_item_id")),
        sa.PrimaryKeyConstraint("item_id", "field", "other_source", name=op.f("pk_item_conflict")),
    )
    op.create_table(
        "item_event",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("at", types.UtcTimestamp(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "kept_codes", types.Json, nullable=False, comment="[[source, code]]: by which the item that stays is known"
        ),
        sa.Column("moved_codes", types.Json, nullable=False, comment="[[source, code]]: what joins it, or leaves it"),
        sa.Column("said", sa.Text(), nullable=False, comment="what was decided, in the SKUs of that day"),
        sa.Column("moved_item_id", _ID, nullable=True),
        sa.Column("undoes_event_id", _ID, nullable=True),
        sa.CheckConstraint("kind in ('merge', 'split', 'undo')", name="ck_item_event_kind"),
        sa.ForeignKeyConstraint(
            ["moved_item_id"], ["item.id"], name=op.f("fk_item_event_moved_item_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["undoes_event_id"], ["item_event.id"], name=op.f("fk_item_event_undoes_event_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_item_event")),
        comment="what people decided about items; applied, in order, to what the sources' codes say by themselves",
    )
    op.create_table(
        "process",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("item_id", _ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True, comment="a cycle or a missing component, in words"),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_process_item_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_process")),
        sa.UniqueConstraint("item_id", "version", name=op.f("uq_process_item_id_version")),
    )
    op.create_index(op.f("ix_process_item_id"), "process", ["item_id"], unique=False)
    op.create_table(
        "quality_day",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("item_id", _ID, nullable=False),
        sa.Column("operation", sa.Text(), server_default="", nullable=False),
        sa.Column("supplier_id", _ID, nullable=True),
        sa.Column("origin", sa.Text(), nullable=False, comment="inspections, work_orders or receipts"),
        sa.Column("inspected", types.ExactDecimal(), nullable=False),
        sa.Column("defective", types.ExactDecimal(), nullable=False),
        sa.Column("scrapped", types.ExactDecimal(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False, comment="the most frequent one"),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_quality_day_item_id")),
        sa.ForeignKeyConstraint(["supplier_id"], ["supplier.id"], name=op.f("fk_quality_day_supplier_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quality_day")),
    )
    op.create_index(op.f("ix_quality_day_day"), "quality_day", ["day"], unique=False)
    op.create_index(op.f("ix_quality_day_item_id"), "quality_day", ["item_id"], unique=False)
    op.create_table(
        "series",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("frequency", sa.Text(), nullable=False),
        sa.Column("item_id", _ID, nullable=True),
        sa.Column("location_id", _ID, nullable=True),
        sa.Column("supplier_id", _ID, nullable=True),
        sa.Column("name", sa.Text(), nullable=False, comment="what it is, in words and codes"),
        sa.Column("demand_class", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_series_item_id")),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_series_location_id")),
        sa.ForeignKeyConstraint(["supplier_id"], ["supplier.id"], name=op.f("fk_series_supplier_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_series")),
        sa.UniqueConstraint("target", "frequency", "name", name=op.f("uq_series_target_frequency_name")),
    )
    op.create_index(op.f("ix_series_item_id"), "series", ["item_id"], unique=False)
    op.create_table(
        "stock_difference",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("item_id", _ID, nullable=False),
        sa.Column("location_id", _ID, nullable=True),
        sa.Column("from_day", sa.Date(), nullable=False),
        sa.Column("to_day", sa.Date(), nullable=False),
        sa.Column("counted_before", types.ExactDecimal(), nullable=False),
        sa.Column("moved", types.ExactDecimal(), nullable=False),
        sa.Column("counted", types.ExactDecimal(), nullable=False),
        sa.Column("difference", types.ExactDecimal(), nullable=False, comment="counted less what was expected"),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_stock_difference_item_id")),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_stock_difference_location_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_difference")),
        comment="counts that are not the count before and what moved since; no location: all of the item's together",
    )
    op.create_index(op.f("ix_stock_difference_item_id"), "stock_difference", ["item_id"], unique=False)
    op.create_table(
        "supply_line",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("made", sa.Boolean(), nullable=False, comment="true: a work order; false: a purchase line"),
        sa.Column("source", sa.Text(), server_default="", nullable=False, comment="whose order numbers these are"),
        sa.Column("order_no", sa.Text(), nullable=False),
        sa.Column("line_no", sa.Text(), nullable=False),
        sa.Column("item_id", _ID, nullable=False),
        sa.Column("location_id", _ID, nullable=False),
        sa.Column("supplier_id", _ID, nullable=True),
        sa.Column("ordered_on", sa.Date(), nullable=True),
        sa.Column("promised_on", sa.Date(), nullable=True),
        sa.Column(
            "received_on", sa.Date(), nullable=True, comment="the day on which the ordered quantity was complete"
        ),
        sa.Column("last_received_on", sa.Date(), nullable=True),
        sa.Column("ordered", types.ExactDecimal(), nullable=False),
        sa.Column("received", types.ExactDecimal(), nullable=False),
        sa.Column("rejected", types.ExactDecimal(), nullable=False),
        sa.Column("price", types.ExactDecimal(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False, comment="open, closed or cancelled"),
        sa.Column("batch_id", _ID, nullable=True),
        sa.Column("file_id", _ID, nullable=True),
        sa.Column("line", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_supply_line_batch_id")),
        sa.ForeignKeyConstraint(["file_id"], ["batch_file.id"], name=op.f("fk_supply_line_file_id")),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_supply_line_item_id")),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_supply_line_location_id")),
        sa.ForeignKeyConstraint(["supplier_id"], ["supplier.id"], name=op.f("fk_supply_line_supplier_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_supply_line")),
        sa.UniqueConstraint(
            "made", "source", "order_no", "line_no", name=op.f("uq_supply_line_made_source_order_no_line_no")
        ),
    )
    op.create_index(op.f("ix_supply_line_item_id"), "supply_line", ["item_id"], unique=False)
    op.create_table(
        "unit_conversion",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("item_id", _ID, nullable=True),
        sa.Column("from_unit", sa.Text(), nullable=False),
        sa.Column("to_unit", sa.Text(), nullable=False),
        sa.Column("factor", types.ExactDecimal(), nullable=False),
        sa.Column("batch_id", _ID, nullable=True),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_unit_conversion_batch_id")),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name=op.f("fk_unit_conversion_item_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unit_conversion")),
    )
    op.create_table(
        "alert_event",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("alert_id", _ID, nullable=False),
        sa.Column("at", types.UtcTimestamp(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column(
            "event", sa.Text(), nullable=False, comment="opened, worsened, eased, acknowledged, snoozed, resolved"
        ),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.id"], name=op.f("fk_alert_event_alert_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_event")),
    )
    op.create_index(op.f("ix_alert_event_alert_id"), "alert_event", ["alert_id"], unique=False)
    op.create_table(
        "bom_line",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("process_id", _ID, nullable=False),
        sa.Column("component_id", _ID, nullable=False),
        sa.Column("quantity_per", types.ExactDecimal(), nullable=False),
        sa.Column("scrap_ratio", types.ExactDecimal(), nullable=True),
        sa.Column("valid_from", sa.Date(), nullable=True),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("batch_id", _ID, nullable=True),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_bom_line_batch_id")),
        sa.ForeignKeyConstraint(["component_id"], ["item.id"], name=op.f("fk_bom_line_component_id")),
        sa.ForeignKeyConstraint(["process_id"], ["process.id"], name=op.f("fk_bom_line_process_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bom_line")),
    )
    op.create_index(op.f("ix_bom_line_component_id"), "bom_line", ["component_id"], unique=False)
    op.create_index(op.f("ix_bom_line_process_id"), "bom_line", ["process_id"], unique=False)
    op.create_table(
        "forecast",
        sa.Column("series_id", _ID, nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("period", sa.Date(), nullable=False, comment="first day of the period"),
        sa.Column("run_id", _ID, nullable=False),
        sa.Column("mean", sa.Float(), nullable=False),
        sa.Column("q025", sa.Float(), nullable=False),
        sa.Column("q05", sa.Float(), nullable=False),
        sa.Column("q10", sa.Float(), nullable=False),
        sa.Column("q25", sa.Float(), nullable=False),
        sa.Column("q50", sa.Float(), nullable=False),
        sa.Column("q75", sa.Float(), nullable=False),
        sa.Column("q90", sa.Float(), nullable=False),
        sa.Column("q95", sa.Float(), nullable=False),
        sa.Column("q975", sa.Float(), nullable=False),
        sa.Column("q99", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["model_run.id"], name=op.f("fk_forecast_run_id")),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name=op.f("fk_forecast_series_id")),
        sa.PrimaryKeyConstraint("series_id", "as_of", "period", name=op.f("pk_forecast")),
    )
    op.create_index(op.f("ix_forecast_run_id"), "forecast", ["run_id"], unique=False)
    op.create_table(
        "routing_step",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("process_id", _ID, nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("work_center", sa.Text(), nullable=True),
        sa.Column("setup_minutes", types.ExactDecimal(), nullable=True),
        sa.Column("run_minutes", types.ExactDecimal(), nullable=True),
        sa.Column("batch_id", _ID, nullable=True),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_routing_step_batch_id")),
        sa.ForeignKeyConstraint(["process_id"], ["process.id"], name=op.f("fk_routing_step_process_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_routing_step")),
    )
    op.create_index(op.f("ix_routing_step_process_id"), "routing_step", ["process_id"], unique=False)
    op.create_table(
        "series_score",
        sa.Column("run_id", _ID, nullable=False),
        sa.Column("series_id", _ID, nullable=False),
        sa.Column("measure", sa.Text(), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["model_run.id"], name=op.f("fk_series_score_run_id")),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name=op.f("fk_series_score_series_id")),
        sa.PrimaryKeyConstraint("run_id", "series_id", "measure", name=op.f("pk_series_score")),
    )
    op.create_index(op.f("ix_series_score_series_id"), "series_score", ["series_id"], unique=False)
    op.create_table(
        "notification_alert",
        sa.Column("notification_id", _ID, nullable=False),
        sa.Column("alert_event_id", _ID, nullable=False),
        sa.Column(
            "person", sa.Text(), nullable=False, comment="as in notification, so that nobody is told the same twice"
        ),
        sa.ForeignKeyConstraint(
            ["alert_event_id"], ["alert_event.id"], name=op.f("fk_notification_alert_alert_event_id")
        ),
        sa.ForeignKeyConstraint(
            ["notification_id"], ["notification.id"], name=op.f("fk_notification_alert_notification_id")
        ),
        sa.PrimaryKeyConstraint("notification_id", "alert_event_id", name=op.f("pk_notification_alert")),
        sa.UniqueConstraint("person", "alert_event_id", name=op.f("uq_notification_alert_person_alert_event_id")),
    )
    op.create_index(
        op.f("ix_notification_alert_alert_event_id"), "notification_alert", ["alert_event_id"], unique=False
    )


def downgrade() -> None:
    """Undo this revision."""
    op.drop_table("notification_alert")
    op.drop_table("series_score")
    op.drop_table("routing_step")
    op.drop_table("forecast")
    op.drop_table("bom_line")
    op.drop_table("alert_event")
    op.drop_table("unit_conversion")
    op.drop_table("supply_line")
    op.drop_table("stock_difference")
    op.drop_table("series")
    op.drop_table("quality_day")
    op.drop_table("process")
    op.drop_table("item_event")
    op.drop_table("item_conflict")
    op.drop_table("inventory_snapshot")
    op.drop_table("external_id")
    op.drop_table("demand_day")
    op.drop_table("alert")
    op.drop_table("unmapped_id")
    op.drop_table("mended_record")
    op.drop_table("item")
    op.drop_table("model_run")
    op.drop_table("model_alias")
    op.drop_table("delivery_attempt")
    op.drop_table("batch_file")
    op.drop_table("batch_event")
    op.drop_table("supplier_score")
    op.drop_table("model_version")
    op.drop_table("delivery")
    op.drop_table("batch")
    op.drop_table("supplier")
    op.drop_table("rejected_record")
    op.drop_table("refresh")
    op.drop_table("notification")
    op.drop_table("model")
    op.drop_table("location")
    op.drop_table("feed")
    op.drop_table("fact_seen")
    op.drop_table("duplicate_record")
    op.drop_table("changed_record")
    op.drop_table("audit_event")
    op.drop_table("accepted_work_orders")
    op.drop_table("accepted_unit_conversions")
    op.drop_table("accepted_suppliers")
    op.drop_table("accepted_stock_movements")
    op.drop_table("accepted_stock_levels")
    op.drop_table("accepted_routings")
    op.drop_table("accepted_receipts")
    op.drop_table("accepted_purchase_orders")
    op.drop_table("accepted_purchase_lines")
    op.drop_table("accepted_order_lines")
    op.drop_table("accepted_locations")
    op.drop_table("accepted_items")
    op.drop_table("accepted_item_references")
    op.drop_table("accepted_item_costs")
    op.drop_table("accepted_inspections")
    op.drop_table("accepted_calendar")
    op.drop_table("accepted_boms")
