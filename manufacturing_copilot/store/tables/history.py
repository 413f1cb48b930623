"""Demand, supply and quality as facts by day and order line."""

from __future__ import annotations

from enum import StrEnum

import sqlalchemy as sa

from manufacturing_copilot.store.tables.columns import (
    Id,
    bare_number,
    listed,
    metadata,
    reference,
    row_id,
    soft_reference,
)
from manufacturing_copilot.store.types import ExactDecimal


class SupplyStatus(StrEnum):
    """Where a purchase line or work order stands."""

    OPEN = "open"
    CLOSED = "closed"
    CANCELLED = "cancelled"
    DRAFT = "draft"


demand_day = sa.Table(
    "demand_day",
    metadata,
    sa.Column("day", sa.Date, primary_key=True),
    soft_reference("item_id", "item", primary_key=True),
    soft_reference("location_id", "location", primary_key=True),
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
    row_id(),
    sa.Column("made", sa.Boolean, nullable=False, comment="true: a work order; false: a purchase line"),
    sa.Column(
        "source", sa.Text, nullable=False, default="", server_default="", comment="whose order numbers these are"
    ),
    sa.Column("order_no", sa.Text, nullable=False),
    sa.Column("line_no", sa.Text, nullable=False),
    reference("item_id", "item", index=True),
    reference("location_id", "location"),
    reference("supplier_id", "supplier", nullable=True),
    sa.Column("ordered_on", sa.Date),
    sa.Column("promised_on", sa.Date),
    sa.Column("first_promised_on", sa.Date, comment="the promise that was made first"),
    sa.Column(
        "redatings", sa.Integer, nullable=False, default=0, server_default="0", comment="how often the promise moved"
    ),
    sa.Column("received_on", sa.Date, comment="the day on which deliveries reached the quantity ordered"),
    sa.Column("last_received_on", sa.Date),
    sa.Column("ordered", ExactDecimal, nullable=False),
    sa.Column("received", ExactDecimal, nullable=False),
    sa.Column("rejected", ExactDecimal, nullable=False),
    sa.Column("returned", ExactDecimal, nullable=False, default=0, server_default="0", comment="sent back for credit"),
    sa.Column("price", ExactDecimal),
    sa.Column("status", sa.Text, nullable=False, comment=listed(SupplyStatus)),
    reference("batch_id", "batch", nullable=True),
    sa.Column("file_id", Id, sa.ForeignKey("batch_file.id")),
    sa.Column("line", sa.BigInteger),
    sa.UniqueConstraint("made", "source", "order_no", "line_no"),
)

promise_version = sa.Table(
    "promise_version",
    metadata,
    sa.Column("feed_id", Id, primary_key=True, autoincrement=False, comment="feed.id"),
    sa.Column("record_key", sa.Text, primary_key=True),
    sa.Column("file_id", Id, primary_key=True, autoincrement=False, comment="batch_file.id"),
    sa.Column("line", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("promised_on", sa.Date),
    sa.Column("quantity", ExactDecimal, nullable=False),
    comment="what purchase lines said before they were replaced: their promise and how much was ordered",
)

supplier_score = sa.Table(
    "supplier_score",
    metadata,
    sa.Column("supplier_id", Id, sa.ForeignKey("supplier.id"), primary_key=True, autoincrement=False),
    sa.Column("as_of", sa.Date, nullable=False),
    sa.Column("lines_due", sa.Integer, nullable=False, comment="promised in the year up to then, not cancelled"),
    sa.Column("never_received", sa.Integer, nullable=False, comment="number of those of which nothing was received"),
    sa.Column("otif", ExactDecimal, nullable=False, comment="share received in full by the promised day"),
    sa.Column("on_time", ExactDecimal, nullable=False, comment="share of which nothing was received late"),
    sa.Column("in_full", ExactDecimal, nullable=False, comment="share received in full by now"),
    sa.Column("lead_time_p50", ExactDecimal, comment="days from order to full receipt"),
    sa.Column("lead_time_p90", ExactDecimal),
    sa.Column("lead_time_cv", ExactDecimal, comment="standard deviation over mean"),
    sa.Column(
        "promise_slip",
        ExactDecimal,
        comment="mean days from promise to full receipt; open lines count up to as_of",
    ),
    sa.Column("late_value_days", ExactDecimal, nullable=False, comment="days late times value, added up"),
    sa.Column("reject_ppm", ExactDecimal, comment="rejected per million received"),
    sa.Column("lines_redated", sa.Integer, nullable=False, default=0, server_default="0", comment="promise moved"),
    sa.Column("redatings", sa.Integer, nullable=False, default=0, server_default="0", comment="how often, all lines"),
)

quality_day = sa.Table(
    "quality_day",
    metadata,
    row_id(),
    sa.Column("day", sa.Date, nullable=False, index=True),
    reference("item_id", "item", index=True),
    sa.Column("operation", sa.Text, nullable=False, default="", server_default=""),
    reference("supplier_id", "supplier", nullable=True),
    sa.Column("origin", sa.Text, nullable=False, comment="inspections, work_orders or receipts"),
    sa.Column("inspected", ExactDecimal, nullable=False),
    sa.Column("defective", ExactDecimal, nullable=False),
    sa.Column("scrapped", ExactDecimal, nullable=False),
    sa.Column("reason", sa.Text, nullable=False, default="", server_default="", comment="the most frequent one"),
)

quality_reason = sa.Table(
    "quality_reason",
    metadata,
    row_id(),
    sa.Column("day", sa.Date, nullable=False, index=True),
    reference("item_id", "item", index=True),
    sa.Column("operation", sa.Text, nullable=False),
    reference("supplier_id", "supplier", nullable=True),
    sa.Column("origin", sa.Text, nullable=False, comment="inspections, work_orders or receipts"),
    sa.Column("reason", sa.Text, nullable=False, comment="empty where none was named"),
    sa.Column("defective", ExactDecimal, nullable=False),
    sa.Column("scrapped", ExactDecimal, nullable=False),
    comment="defects by reason; they add up to the defects of quality_day",
)

list_stretch = sa.Table(
    "list_stretch",
    metadata,
    row_id(),
    reference("feed_id", "feed", index=True),
    sa.Column("entity", sa.Text, nullable=False, comment="the fields of the feed's key, joined, less the day"),
    sa.Column("scope", sa.Text, nullable=False, comment="of which list it is one, where a feed has several"),
    bare_number("from_file_id", "batch_file"),
    sa.Column("from_day", sa.Date, nullable=False, comment="the day of the list that names it first"),
    sa.Column("until_file_id", Id, comment="the file of the list that leaves it out: batch_file.id"),
    sa.Column("until_day", sa.Date, comment="the day of that list: it has ended then"),
    sa.UniqueConstraint("feed_id", "entity", "from_day", "from_file_id"),
    comment="from when until when the full lists of a feed name a record",
)
