"""Facts about quality: processes whose share of bad pieces signals on a control chart."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.alerts.facts import names
from manufacturing_copilot.alerts.facts.base import (
    ITEM_NAMES,
    LINE_SCHEMA,
    Fact,
    Question,
    items,
    record_lines,
)
from manufacturing_copilot.alerts.facts.control_charts import p_chart, signals
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.tables import accepted, quality_day

JUDGED_DAYS = 56
"""The newest eight weeks are judged; they do not set the limits, or a drift would hide itself."""
BASELINE_DAYS = 364
RECENT_POINTS = 3
"""A signal stands while it is among the newest points; an older one is history."""
EXPECTED_BAD = 1.0
"""Points shall expect at least this many bad pieces (median): below it three sigmas mean little."""

_ORIGINS = {
    "inspections": ("inspected_on", "defective"),
    "work_orders": ("finished_on", "scrapped"),
    "receipts": ("received_on", "rejected_quantity"),
}


def gather_signals(connection: sa.Connection, question: Question) -> pl.DataFrame:
    """Return the newest signal of each process, an item at an operation (value: sigmas beyond the centre).

    Points are days where a day expects at least one bad piece, else weeks from Monday; a process that expects
    fewer than one a week, or has fewer than 20 points before the judged weeks, is not charted.
    """
    daily = _daily(connection, question.as_of)
    weekly = (
        daily.with_columns(pl.col("period").dt.truncate("1w"))
        # a week that is not over holds a part of its pieces and is judged like any other: limits follow its size
        .group_by("chart", "item_id", "operation", "origin", "period", maintain_order=True)
        .agg(pl.col("inspected", "bad").sum())
    )
    by_day = _dense_enough(daily)
    by_week = _dense_enough(weekly).join(by_day.select("chart").unique(), on="chart", how="anti")
    newest = [_newest_signal(points, question.as_of, days) for points, days in ((by_day, 1), (by_week, 7))]
    return pl.concat(newest).join(items(connection), on="item_id").with_columns(_subject())


def trace(connection: sa.Connection, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the lines of the records that counted bad pieces in the signalling period."""
    traced = [_origin_lines(connection, rows.filter(pl.col("_origin") == origin), origin) for origin in _ORIGINS]
    return pl.concat(traced)


def _daily(connection: sa.Connection, as_of: date) -> pl.DataFrame:
    since = as_of - timedelta(days=JUDGED_DAYS + BASELINE_DAYS)
    table = quality_day
    query = sa.select(
        table.c.day, table.c.item_id, table.c.operation, table.c.origin, table.c.inspected,
        table.c.defective, table.c.scrapped,
    ).where(table.c.day > since, table.c.day <= as_of)  # fmt: skip
    # the same pieces may be counted as defective and then as scrapped: the larger count holds
    return (
        read_frame(connection, query)
        .with_columns(pl.max_horizontal("defective", "scrapped").alias("bad"))
        .group_by("item_id", "operation", "origin", pl.col("day").alias("period"))
        .agg(pl.col("inspected", "bad").sum())
        .with_columns(pl.format("{}/{}/{}", "item_id", "operation", "origin").alias("chart"))
    )


def _dense_enough(points: pl.DataFrame) -> pl.DataFrame:
    share = pl.col("bad").sum() / pl.col("inspected").sum()
    dense = points.group_by("chart").agg((pl.col("inspected").median() * share).alias("expected"))
    return points.join(dense.filter(pl.col("expected") >= EXPECTED_BAD).select("chart"), on="chart")


def _newest_signal(points: pl.DataFrame, as_of: date, days: int) -> pl.DataFrame:
    judged_from = as_of - timedelta(days=JUDGED_DAYS)
    charted = p_chart(points.with_columns((pl.col("period") <= judged_from).alias("baseline")))
    newest = charted.group_by("chart").agg(pl.col("period").top_k(RECENT_POINTS).min().alias("recent_from"))
    return (
        signals(charted)
        .join(newest, on="chart")
        .filter(pl.col("period") >= pl.max_horizontal("recent_from", pl.lit(judged_from)))
        .sort("period")
        .group_by("chart", maintain_order=True)
        .last()
        .select(
            "item_id",
            "operation",
            "rate",
            "centre",
            "limit",
            "sigmas",
            "signal",
            pl.col("inspected"),
            pl.col("bad"),
            pl.col("period").alias("period.from"),
            (pl.col("period") + timedelta(days=days - 1)).alias("period.to"),
            pl.col("origin").alias("_origin"),
            pl.col("sigmas").alias("value"),
        )
    )


def _subject() -> pl.Expr:
    at_operation = pl.when(pl.col("operation") == "").then(pl.lit("")).otherwise(pl.format(" at {}", "operation"))
    return pl.concat_str(pl.col("item.sku"), at_operation, pl.lit(" by "), pl.col("_origin")).alias("subject")


def _origin_lines(connection: sa.Connection, rows: pl.DataFrame, origin: str) -> pl.DataFrame:
    if rows.is_empty():
        return pl.DataFrame(schema=LINE_SCHEMA)
    day, bad = _ORIGINS[origin]
    table = accepted[origin]
    first, last = rows["period.from"].min(), rows["period.to"].max()
    columns = [day, *(["operation"] if "operation" in table.c else [])]
    lines = record_lines(
        connection, origin, rows["item_id"].unique().to_list(), columns,
        table.c[day].between(first, last), table.c[bad] > 0,
    )  # fmt: skip
    operation = pl.col("operation_right").fill_null("") if "operation" in columns else pl.col("operation")
    return (
        rows.select("subject", "item_id", "operation", "period.from", "period.to")
        .join(lines, on="item_id")
        .filter(pl.col(day).is_between("period.from", "period.to") & (operation == pl.col("operation")))
        .with_columns(pl.lit(origin.removesuffix("s").replace("_", " ")).alias("what"))
        .select(LINE_SCHEMA.keys())
        .cast(LINE_SCHEMA)
    )


QUALITY_SIGNAL = Fact(
    "standard deviations by which a process signals above the centre of its control chart",
    gather_signals,
    trace,
    (
        *ITEM_NAMES, names.OPERATION, names.RATE, names.CENTRE, names.LIMIT, names.SIGMAS, names.SIGNAL,
        names.INSPECTED, names.BAD, names.PERIOD_FROM, names.PERIOD_TO, names.SUPPLIER,
    ),
    frozenset({"inspections", "work_orders"}),
)  # fmt: skip
