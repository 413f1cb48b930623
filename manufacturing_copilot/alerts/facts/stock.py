"""Facts about stock: what may run out before it can be replenished, and what lies below its reorder point."""

from __future__ import annotations

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.alerts.facts import names
from manufacturing_copilot.alerts.facts.base import ITEM_NAMES, Fact, Question, file_lines, items, record_lines
from manufacturing_copilot.planning import runout
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.tables import accepted, inventory_snapshot, location

_FORECAST_COLUMNS = {
    names.ON_HAND: "on_hand",
    names.ON_ORDER: "on_order",
    names.LEAD_TIME_DAYS: "lead_time_days",
    names.PROBABILITY: "probability",
    names.EXPECTED_LEAD_TIME_DEMAND: "expected_lead_time_demand",
    names.RUNOUT_EARLIEST: "runout_p10",
    names.RUNOUT_LIKELY: "runout_p50",
    names.RUNOUT_LATEST: "runout_p90",
    names.ORDER_QUANTITY: "order_quantity",
    names.ORDER_BY: "order_by",
    names.FORECAST_RUN: "run_id",
}


def gather_stockouts(connection: sa.Connection, question: Question) -> pl.DataFrame | None:
    """Return the chance, per item and location, that stock runs out within the lead time (value: 0 to 1).

    None where no demand is forecast as of the day: a forecast that is missing resolves no alert.
    """
    stockouts = runout.stockouts(connection, question.as_of)
    if stockouts.is_empty():
        return None
    locations = read_frame(connection, sa.select(location.c.id.label("location_id"), location.c.code.label("location")))
    return (
        stockouts.filter(pl.col("probability") > 0)
        .with_columns(pl.col(column).alias(name.name) for name, column in _FORECAST_COLUMNS.items())
        .with_columns(pl.col("lead_time_days").cast(pl.Int64))
        .join(items(connection), on="item_id")
        .join(locations, on="location_id")
        .join(_counts(connection, question, by_location=True), on=["item_id", "location_id"], how="left")
        .with_columns(
            pl.format("{} at {}", "item.sku", "location").alias("subject"), pl.col("probability").alias("value")
        )
    )


def gather_below_reorder_point(connection: sa.Connection, question: Question) -> pl.DataFrame | None:
    """Return the stocked items whose stock, over all locations, lies below their reorder point.

    Value: the missing part as a share of the reorder point. Only items that have stock rows on the newest
    snapshot up to the day are judged: an item that is never stocked is not missing. None without a snapshot.
    """
    counts = _counts(connection, question, by_location=False)
    if counts.is_empty():
        return None
    return (
        counts.join(items(connection), on="item_id")
        .filter(pl.col("on_hand") < pl.col("_reorder_point"))
        .with_columns(
            pl.col("_reorder_point").alias("reorder_point"),
            (pl.col("_reorder_point") - pl.col("on_hand")).alias("shortfall"),
            pl.col("_lead_time_days").alias("lead_time_days"),
            pl.col("item.sku").alias("subject"),
            ((pl.col("_reorder_point") - pl.col("on_hand")) / pl.col("_reorder_point")).alias("value"),
        )
    )


def trace(connection: sa.Connection, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the lines of the counts, and of the item's own record."""
    declared = file_lines(connection, rows, file="_item_file_id", line="_item_line", what="item")
    batches = [number for number in rows["_count_batch_id"].unique().to_list() if number is not None]
    if not batches:
        return declared
    levels = accepted["stock_levels"]
    days = rows["_counted_on"].drop_nulls().unique().to_list()
    on_the_day = sa.or_(levels.c.day.is_(None), levels.c.day.in_(days))
    counted = record_lines(
        connection,
        "stock_levels",
        rows["item_id"].unique().to_list(),
        ("day",),
        levels.c.batch_id.in_(batches),
        on_the_day,
    )
    count_lines = (
        rows.select("subject", "item_id", "_counted_on")
        .join(counted, on="item_id")
        .filter(pl.col("day").is_null() | (pl.col("day") == pl.col("_counted_on")))
        .with_columns(pl.lit("count").alias("what"))
    )
    return pl.concat([count_lines.select(declared.columns).cast(declared.schema), declared])


def _counts(connection: sa.Connection, question: Question, *, by_location: bool) -> pl.DataFrame:
    taken = inventory_snapshot.alias("taken")
    newest = sa.select(sa.func.max(taken.c.day)).where(taken.c.day <= question.as_of).scalar_subquery()
    table = inventory_snapshot
    query = sa.select(
        table.c.item_id, table.c.location_id, table.c.on_hand, table.c.batch_id, table.c.counted_on
    ).where(table.c.day == newest)
    rows = read_frame(connection, query)
    keys = ["item_id", "location_id"] if by_location else ["item_id"]
    numbers = [] if by_location else [pl.col("on_hand").sum()]
    return rows.group_by(keys).agg(
        *numbers, pl.col("batch_id").max().alias("_count_batch_id"), pl.col("counted_on").max().alias("_counted_on")
    )


STOCKOUT = Fact(
    "the probability that an item runs out at a location before an order could arrive, 0 to 1",
    gather_stockouts,
    trace,
    (*ITEM_NAMES, names.SUPPLIER, names.LOCATION, *_FORECAST_COLUMNS),
    frozenset({"stock_levels", "order_lines"}),
)
BELOW_REORDER_POINT = Fact(
    "what is missing to the reorder point, as a share of it",
    gather_below_reorder_point,
    trace,
    (*ITEM_NAMES, names.SUPPLIER, names.ON_HAND, names.REORDER_POINT, names.SHORTFALL, names.LEAD_TIME_DAYS),
    frozenset({"stock_levels"}),
)
