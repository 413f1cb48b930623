"""Demand that is certain: open orders of customers, what is already late, and stock set aside for orders not named."""

from __future__ import annotations

from datetime import date

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.frame_schemas import Column, FrameSchema
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.tables import accepted, feed
from manufacturing_copilot.unified.conform import read_meanings

OPEN_ORDERS = FrameSchema(
    "open orders",
    {
        "item_id": Column(pl.Int64),
        "location_id": Column(pl.Int64),
        "due": Column(pl.Date, "the day the customer wants it"),
        "quantity": Column(pl.Float64, "what is still to be delivered, in the unit of the item"),
    },
)


def open_orders(connection: sa.Connection, as_of: date) -> pl.DataFrame:
    """Return OPEN_ORDERS: the order lines that were open at the end of `as_of`.

    A line is open where its status says so, or where it left only later. A line without status and without a day on
    which it left may have left long ago: it is no firm order.
    """
    table = accepted["order_lines"]
    names = ("item", "location", "ordered_on", "requested_on", "quantity", "unit")
    later = table.c.shipped_on > as_of
    rows = read_frame(
        connection,
        sa.select(feed.c.name.label("feed"), *(table.c[name] for name in names))
        .join(feed, feed.c.id == table.c.feed_id)
        .where(
            table.c.ordered_on <= as_of,
            table.c.quantity > 0,
            sa.or_(sa.and_(table.c.status == "open", table.c.shipped_on.is_(None)), later),
        ),
    )
    if rows.is_empty():
        return OPEN_ORDERS.empty()
    named = rows.with_columns(source=pl.col("feed").str.split("/").list.first())
    known = read_meanings(connection).of(named, quantities=["quantity"]).drop_nulls(["item_id", "location_id"])
    due = pl.coalesce("requested_on", "ordered_on")
    return known.select(
        "item_id", "location_id", due.alias("due"), pl.col("quantity").cast(pl.Float64)
    ).select(*OPEN_ORDERS.columns)  # fmt: skip
