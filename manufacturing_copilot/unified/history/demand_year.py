"""The demand of the last year, added up by item and carried along; and the classes that follow from it."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.merge import add_frame, sync_frame, update_rows
from manufacturing_copilot.store.tables import demand_day, demand_year, item
from manufacturing_copilot.store.types import SCALE

YEAR = timedelta(days=365)
A_SHARE, B_SHARE = 80, 95
"""ABC classes: the items that make the first 80 % of the annual value of demand are A, to 95 % B, the rest C."""

_SUMS = ["quantity", "value", "order_lines"]


def refresh_year(connection: sa.Connection, as_of: date) -> None:
    """Add up the year's demand from demand_day."""
    rows = _sums(connection, as_of - YEAR, as_of)
    sync_frame(connection, demand_year, rows, key=["item_id"])


def add_to_year(connection: sa.Connection, cells: pl.DataFrame, as_of: date) -> None:
    """Add changes of demand_day (day, item_id, and the sums in whole millionths) to the year that ends with `as_of`."""
    inside = cells.filter(pl.col("day") > as_of - YEAR, pl.col("day") <= as_of)
    sums = inside.group_by("item_id").agg(pl.col(name).sum() for name in _SUMS)
    sums = sums.with_columns(pl.col("quantity", "value") / 10**SCALE)
    add_frame(connection, demand_year, sums, key=["item_id"], counted_by="order_lines")


def leave_year(connection: sa.Connection, since: date, as_of: date) -> None:
    """Take off the days that the year which ended with `since` has and the one that ends with `as_of` has not."""
    gone = _sums(connection, since - YEAR, min(as_of - YEAR, since))
    sums = gone.with_columns(-pl.col(name) for name in _SUMS)
    add_frame(connection, demand_year, sums, key=["item_id"], counted_by="order_lines")


def classify_items(connection: sa.Connection) -> int:
    """Set the items' ABC classes by the value of the last year's demand; return how many changed.

    Value is quantity times unit cost, else times the price it was sold at. Services have no class; goods without
    demand are C.
    """
    names = ("id", "sku", "unit_cost", "service", "abc")
    table = demand_year
    query = sa.select(*(item.c[name] for name in names), table.c.quantity, table.c.value).select_from(
        item.outerjoin(table, table.c.item_id == item.c.id)
    )
    items = read_frame(connection, query)
    worth = pl.coalesce(pl.col("quantity") * pl.col("unit_cost"), "value").fill_null(0).clip(lower_bound=0)
    # Whole millionths: the sum of many floats would depend on their order.
    goods = items.filter(~pl.col("service")).with_columns(worth=(worth * 10**SCALE).round().cast(pl.Int64))
    goods = goods.sort(["worth", "sku"], descending=[True, False])
    # An item belongs to the class in which its value begins, so that the greatest is always A.
    begins, whole = pl.col("worth").cum_sum() - pl.col("worth"), pl.col("worth").sum()
    share = (begins.cast(pl.Int128) * 100, whole.cast(pl.Int128))
    classed = goods.with_columns(
        class_=pl.when((share[0] < share[1] * A_SHARE) & (pl.col("worth") > 0))
        .then(pl.lit("A"))
        .when((share[0] < share[1] * B_SHARE) & (pl.col("worth") > 0))
        .then(pl.lit("B"))
        .otherwise(pl.lit("C"))
    )
    services = items.filter("service").with_columns(class_=pl.lit(None, pl.String))
    both = pl.concat([frame.select("id", "abc", "class_") for frame in (classed, services)])
    changed = both.filter(pl.col("abc").ne_missing(pl.col("class_")))
    return update_rows(connection, item, changed.select("id", abc="class_"))


def _sums(connection: sa.Connection, after: date, until: date) -> pl.DataFrame:
    table = demand_day
    query = sa.select(
        table.c.item_id,
        sa.func.sum(table.c.quantity, type_=table.c.quantity.type).label("quantity"),
        sa.func.sum(sa.func.coalesce(table.c.value, 0), type_=table.c.value.type).label("value"),
        sa.func.sum(table.c.order_lines).label("order_lines"),
    )
    rows = read_frame(connection, query.where(table.c.day > after, table.c.day <= until).group_by(table.c.item_id))
    return rows.with_columns(pl.col("order_lines").cast(pl.Int64))
