"""Facts about the data itself: feeds that fell silent, and rows that were refused."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.alerts.facts import names
from manufacturing_copilot.alerts.facts.base import LINE_SCHEMA, LINES_SHOWN, Fact, Question
from manufacturing_copilot.site import Feed
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.tables import BatchStatus, accepted, batch, batch_file, feed, rejected_record

_HOUR = timedelta(hours=1)
_NEWS_DAY = {
    "stock_levels": "day",
    "stock_movements": "moved_on",
    "order_lines": "ordered_on",
    "purchase_orders": "ordered_on",
    "purchase_lines": "ordered_on",
    "receipts": "received_on",
    "work_orders": "started_on",
    "inspections": "inspected_on",
}
"""The day of a record's news; kinds without one (items, costs) are only judged by when they arrive."""


def gather_rejected_rows(connection: sa.Connection, question: Question) -> pl.DataFrame:
    """Return the feeds whose newest day of batches had refused rows (value: rows).

    A batch that failed as a whole counts with all its rows, at least one.
    """
    query = (
        sa.select(
            feed.c.name.label("feed"),
            batch.c.id.label("_batch_id"),
            batch.c.status,
            batch.c.claimed_at,
            batch.c.rows_received,
            batch.c.rows_rejected,
            batch.c.problem,
        )
        .join(feed, feed.c.id == batch.c.feed_id)
        .where(batch.c.status.in_((BatchStatus.SUCCESS, BatchStatus.FAILED)))
    )
    day = pl.col("claimed_at").dt.convert_time_zone(question.site.zone).dt.date()
    failed = pl.col("status") == BatchStatus.FAILED
    newest = (
        read_frame(connection, query)
        .with_columns(day.alias("day"))
        .filter(pl.col("day") == pl.col("day").max().over("feed"))
        .with_columns(
            pl.when(failed)
            .then(pl.max_horizontal("rows_received", pl.lit(1)))
            .otherwise(pl.col("rows_rejected"))
            .alias("lost")
        )
        .sort("_batch_id")
        .group_by("feed", maintain_order=True)
        .agg(
            pl.col("lost").sum().alias("rows_rejected"),
            pl.max_horizontal("rows_received", "lost").sum().alias("rows_received"),
            pl.col("problem").filter(failed).last().alias("_problem"),
            pl.col("_batch_id").filter(pl.col("lost") > 0).alias("_batch_ids"),
        )
        .filter(pl.col("rows_rejected") > 0)
    )
    return _with_examples(connection, newest).with_columns(
        pl.col("feed").alias("subject"),
        pl.lit(None, pl.Int64).alias("item_id"),
        pl.col("rows_rejected").cast(pl.Float64).alias("value"),
    )


def gather_stale_feeds(connection: sa.Connection, question: Question) -> pl.DataFrame:
    """Return the feeds that were silent for longer than their `fresh_within` (value: hours beyond it).

    With the system's clock a feed is as old as its last good batch; one that never delivered, as old as the
    first batch of all. With the data's clock, or a fixed day, it is as old as the newest day it speaks of.
    """
    limited = {declared.feed: declared for declared in question.site.feeds if declared.fresh_within is not None}
    if question.site.clock == "system":
        silent = _since_last_batch(connection, limited, question.now)
    else:
        silent = _since_newest_day(connection, limited, _end_of_day(question))
    rows = [_stale(limited[name], since) for name, since in silent.items()]
    return pl.DataFrame([row for row in rows if row["value"] > 0], schema=_STALE_SCHEMA)


def trace_rejected_rows(connection: sa.Connection, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the first refused lines of each feed."""
    return (
        _refused(connection, rows)
        .with_columns(pl.col("feed").alias("subject"), pl.lit("refused row").alias("what"))
        .select(LINE_SCHEMA.keys())
        .cast(LINE_SCHEMA)
    )


def trace_nothing(_connection: sa.Connection, _rows: pl.DataFrame) -> pl.DataFrame:
    """Return no line: silence comes from no file."""
    return pl.DataFrame(schema=LINE_SCHEMA)


def _with_examples(connection: sa.Connection, rows: pl.DataFrame) -> pl.DataFrame:
    sentence = pl.col("reasons").str.json_path_match("$[0].sentence")
    where = pl.format("{}, line {}: {}", "file", "line", sentence.fill_null("refused"))
    examples = _refused(connection, rows).group_by("feed", maintain_order=True).agg(where.first().alias("_example"))
    return rows.join(examples, on="feed", how="left").with_columns(
        pl.coalesce("_example", "_problem", pl.lit("no example was kept")).alias("example")
    )


def _refused(connection: sa.Connection, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the first few refused rows of each feed, in the order of batch, file and line."""
    numbers = rows["_batch_ids"].explode().drop_nulls().to_list()
    position = sa.func.row_number().over(
        partition_by=batch.c.feed_id, order_by=(rejected_record.c.batch_id, rejected_record.c.id)
    )
    numbered = (
        sa.select(
            feed.c.name.label("feed"), batch_file.c.path.label("file"), rejected_record.c.line,
            batch.c.reference.label("batch"), rejected_record.c.reasons, rejected_record.c.id,
            position.label("position"),
        )
        .select_from(rejected_record)
        .join(batch, batch.c.id == rejected_record.c.batch_id)
        .join(feed, feed.c.id == batch.c.feed_id)
        .join(batch_file, batch_file.c.id == rejected_record.c.file_id)
        .where(rejected_record.c.batch_id.in_(numbers))
        .subquery()
    )  # fmt: skip
    return read_frame(connection, sa.select(numbered).where(numbered.c.position <= LINES_SHOWN)).sort("id")


_STALE_SCHEMA = {
    "feed": pl.String(),
    "subject": pl.String(),
    "item_id": pl.Int64(),
    "value": pl.Float64(),
    "hours_silent": pl.Float64(),
    "fresh_within": pl.String(),
    "since": pl.Datetime("us", "UTC"),
    "_records": pl.String(),
}


def _stale(declared: Feed, silence: tuple[datetime, timedelta]) -> dict[str, Any]:
    since, age = silence
    allowed = declared.fresh_within or timedelta(0)
    return {
        "feed": declared.feed,
        "subject": declared.feed,
        "item_id": None,
        "value": round((age - allowed) / _HOUR, 1),
        "hours_silent": round(age / _HOUR, 1),
        "fresh_within": f"{allowed / _HOUR:g} hours",
        "since": since,
        "_records": declared.records,
    }


def _since_last_batch(
    connection: sa.Connection, limited: dict[str, Feed], now: datetime
) -> dict[str, tuple[datetime, timedelta]]:
    loaded = batch.c.status == BatchStatus.SUCCESS
    query = (
        sa.select(feed.c.name, sa.func.max(batch.c.claimed_at, type_=batch.c.claimed_at.type))
        .join(batch, batch.c.feed_id == feed.c.id)
        .where(loaded)
        .group_by(feed.c.name)
    )
    last = {name: moment for name, moment in connection.execute(query)}
    beginning = connection.scalar(sa.select(sa.func.min(batch.c.claimed_at, type_=batch.c.claimed_at.type)))
    if beginning is None:
        return {}
    since = {name: last.get(name, beginning) for name in limited}
    return {name: (moment, now - moment) for name, moment in since.items()}


def _since_newest_day(
    connection: sa.Connection, limited: dict[str, Feed], end: datetime
) -> dict[str, tuple[datetime, timedelta]]:
    silences = {}
    for name, declared in limited.items():
        column = _NEWS_DAY.get(declared.records)
        if column is None:
            continue
        table = accepted[declared.records]
        newest = connection.scalar(
            sa.select(sa.func.max(table.c[column])).join(feed, feed.c.id == table.c.feed_id).where(feed.c.name == name)
        )
        if newest is not None:
            since = datetime.combine(newest + timedelta(days=1), time(), end.tzinfo)
            silences[name] = (since.astimezone(UTC), max(end - since, timedelta(0)))
    return silences


def _end_of_day(question: Question) -> datetime:
    return datetime.combine(question.as_of + timedelta(days=1), time(), ZoneInfo(question.site.zone))


def stale_kinds(connection: sa.Connection, question: Question) -> dict[str, str]:
    """Return the record kinds that a stale feed delivers, with the feed: what rests on them is not to be trusted."""
    stale = gather_stale_feeds(connection, question)
    return dict(zip(stale["_records"], stale["feed"], strict=True))


REJECTED_ROWS = Fact(
    "rows of a feed that were rejected on its newest day with batches",
    gather_rejected_rows,
    trace_rejected_rows,
    (names.FEED, names.ROWS_REJECTED, names.ROWS_RECEIVED, names.EXAMPLE),
)
STALE_FEED = Fact(
    "hours by which a feed has been silent for longer than its fresh_within",
    gather_stale_feeds,
    trace_nothing,
    (names.FEED, names.HOURS_SILENT, names.FRESH_WITHIN, names.SINCE),
)
