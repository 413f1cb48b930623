"""What had come in by the end of a day: from which day on each file counts, and the records as they stood then.

A record as known on a day is its newest version among the files that count by then. What a person takes back or mends
(a batch withdrawn, a row mended) holds for all days: it says what the files should have said from the start.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.clock import as_of_day
from manufacturing_copilot.frame_schemas import Column, FrameSchema
from manufacturing_copilot.records import RECORD_KINDS, polars_type
from manufacturing_copilot.site import Site
from manufacturing_copilot.site.durations import parse_time_of_day
from manufacturing_copilot.store import Store, insert_frame, read_frame, staged
from manufacturing_copilot.store.shadow_tables import create_from_query, permanent, rolled_back
from manufacturing_copilot.store.tables import BatchStatus, accepted, batch, batch_file, changed_record, full_list

ALWAYS = date(1900, 1, 1)
"""From when files of the start count: their records by the day they speak of alone."""

_FILES = sa.Table(
    "known_file",
    sa.MetaData(),
    sa.Column("file_id", batch_file.c.id.type, primary_key=True, autoincrement=False),
    sa.Column("known_from", sa.Date, nullable=False),
    prefixes=["TEMPORARY"],
)
_DAY = sa.Table("known_day", sa.MetaData(), sa.Column("day", sa.Date, nullable=False), prefixes=["TEMPORARY"])
_PLACE = ["feed_id", "record_key"]


DAYS_OF_FILES = FrameSchema(
    "the day from which on each loaded file counts",
    {
        "file_id": Column(pl.Int64),
        "feed_id": Column(pl.Int64),
        "batch_id": Column(pl.Int64),
        "known_from": Column(pl.Date, "the day; ALWAYS for files of the start"),
        "late": Column(pl.Boolean, "whether a file after it in its feed counts from an earlier day"),
    },
    key=("file_id",),
)


def days_of_files(connection: sa.Connection, site: Site) -> pl.DataFrame:
    """Return from which day on each loaded file counts; see DAYS_OF_FILES.

    A file counts from the day on which it stands in the order of its feed: written, not later than claimed. Days end
    here with the daily run of the next morning, because that is what uses them: what is written before belongs to the
    day before. Where the site lives by the system's clock, a file did not lie there when its feed was last looked at,
    whatever time it bears. Files of the start (`known.history`) have ALWAYS. A file that repeats another brings what
    that one says: the earlier day counts for both.
    """
    files = _arrivals(connection, site)
    if site.known.by == "dates":
        return files.select("file_id", "feed_id", "batch_id", known_from=pl.lit(ALWAYS), late=pl.lit(False))
    counted = files.with_columns(known_from=pl.when(_of_the_start(site)).then(pl.lit(ALWAYS)).otherwise("known_from"))
    earliest = counted.group_by(original="same_as").agg(pl.col("known_from").min())
    counted = counted.drop("known_from").join(earliest, left_on="same_as", right_on="original", maintain_order="left")
    from_here = pl.col("known_from").cum_min(reverse=True).over("feed_id")
    return counted.sort("feed_id", "order_ns", "file_id").select(
        "file_id", "feed_id", "batch_id", "known_from", late=pl.col("known_from") > from_here
    )


def days_of_change(connection: sa.Connection, site: Site) -> list[date]:
    """Return the days, in order, on which something came to be known that was not before."""
    days = days_of_files(connection, site)["known_from"].unique().sort()
    return [day for day in days.to_list() if day > ALWAYS]


def is_past(connection: sa.Connection, site: Site, day: date) -> bool:
    """Whether the plant's clock stands at a later day; for the day it stands at, all that has come in counts."""
    return day < as_of_day(connection, site)


@contextmanager
def records_as_known(store: Store, site: Site, first: date, last: date) -> Iterator[sa.Connection]:
    """Give a connection in which the tables of accepted records hold what was known on `first`.

    `look_at` moves it to another day up to `last`. Only this connection sees them so, and nothing that is written
    through it stays. At the end it is gone, with all temporary tables.
    """
    with store.read() as connection:
        files = days_of_files(connection, site)
    with rolled_back(store) as connection:
        for table in (_FILES, _DAY):
            table.create(connection)
        insert_frame(connection, _FILES, files.select("file_id", "known_from"))
        connection.execute(sa.insert(_DAY).values(day=first))
        changed = set(connection.scalars(sa.select(changed_record.c.records).distinct()))
        for kind, table in accepted.items():
            earlier = _earlier(connection, kind, files, first, last) if kind in changed else None
            _lay_view(connection, table, earlier)
        _lay_view_of_changes(connection)
        known = permanent(connection, full_list)
        day = sa.select(_DAY.c.day).scalar_subquery()
        lists = sa.select(*known.c).join(_FILES, _FILES.c.file_id == known.c.file_id).where(_FILES.c.known_from <= day)
        create_from_query(connection, f"CREATE TEMPORARY VIEW {full_list.name} AS", lists)
        yield connection


def look_at(connection: sa.Connection, day: date) -> None:
    """Let the records of a connection of `records_as_known` be those of `day`."""
    connection.execute(sa.update(_DAY).values(day=day))


def _arrivals(connection: sa.Connection, site: Site) -> pl.DataFrame:
    """Return file_id, feed_id, batch_id, order_ns, known_from and same_as (whose bytes it has) of every loaded file."""
    claims = read_frame(connection, sa.select(batch.c.id.label("batch_id"), batch.c.feed_id, batch.c.claimed_at))
    before = claims.sort("feed_id", "batch_id").with_columns(looked=pl.col("claimed_at").shift(1).over("feed_id"))
    files = read_frame(
        connection,
        sa.select(
            batch_file.c.id.label("file_id"),
            batch_file.c.batch_id,
            batch_file.c.order_ns,
            sa.func.coalesce(batch_file.c.repeats_file_id, batch_file.c.id).label("same_as"),
        )
        .join(batch, batch.c.id == batch_file.c.batch_id)
        .where(batch.c.status == BatchStatus.SUCCESS),
    )
    at = pl.from_epoch("order_ns", "ns").dt.cast_time_unit("us").dt.replace_time_zone("UTC")
    if site.clock == "system":
        at = pl.max_horizontal(at, "looked")
    closing = parse_time_of_day(site.schedule)
    local = at.dt.convert_time_zone(site.zone).dt.replace_time_zone(None)
    day = (local - timedelta(hours=closing.hour, minutes=closing.minute)).dt.date()
    columns = ["file_id", "feed_id", "batch_id", "order_ns", "same_as"]
    return files.join(before, on="batch_id").select(*columns, known_from=day)


def _of_the_start(site: Site) -> pl.Expr:
    history = site.known.history
    if isinstance(history, date):
        return pl.col("known_from") <= history
    if history == "first batch":
        return pl.col("batch_id") == pl.col("batch_id").min().over("feed_id")
    if history == "first day":
        return pl.col("known_from") == pl.col("known_from").min().over("feed_id")
    return pl.lit(False)


def _earlier(connection: sa.Connection, kind: str, files: pl.DataFrame, first: date, last: date) -> sa.Table:
    """Write the versions of records that were replaced, and were the newest known on a day from `first` to `last`.

    Returns their temporary table: the columns of the accepted table, known_from and known_until (exclusive).
    """
    table = accepted[kind]
    replaced = _replaced(connection, kind, first, last)
    until = replaced.join(_known_until(connection, kind, files, replaced), on="id")
    seen = until.filter(pl.col("known_from") < pl.col("known_until"))
    content = pl.Struct({field.name: polars_type(field.type) for field in RECORD_KINDS[kind].fields})
    rows = seen.with_columns(pl.col("was").str.json_decode(content)).unnest("was").drop("id", "by_from")
    columns = [sa.Column(column.name, column.type) for column in table.c]
    dates = [sa.Column(name, sa.Date) for name in ("known_from", "known_until")]
    earlier = sa.Table(f"earlier_{kind}", sa.MetaData(), *columns, *dates, prefixes=["TEMPORARY"])
    earlier.create(connection)
    insert_frame(connection, earlier, rows)
    return earlier


def _replaced(connection: sa.Connection, kind: str, first: date, last: date) -> pl.DataFrame:
    """Return the records that were replaced: known by `last`, by one that was not known before `first`."""
    was, by, of = _FILES.alias("was_known"), _FILES.alias("by_known"), batch_file.alias("of")
    change = changed_record
    return read_frame(
        connection,
        sa.select(
            change.c.id,
            of.c.feed_id,
            change.c.record_key,
            of.c.batch_id,
            change.c.was_file_id.label("file_id"),
            change.c.was_line.label("line"),
            change.c.was,
            was.c.known_from,
            by.c.known_from.label("by_from"),
        )
        .join(of, of.c.id == change.c.was_file_id)
        .join(was, was.c.file_id == change.c.was_file_id)
        .join(by, by.c.file_id == change.c.file_id)
        .where(change.c.records == kind, was.c.known_from <= last, by.c.known_from > first),
    )


def _known_until(connection: sa.Connection, kind: str, files: pl.DataFrame, replaced: pl.DataFrame) -> pl.DataFrame:
    """Return id and known_until of the records in `found`: the first day on which a later version was known."""
    plain = replaced.select("id", known_until="by_from")
    late = replaced.join(files.filter("late").select("feed_id").unique(), on="feed_id", how="semi")
    if late.is_empty():
        return plain
    # Files stand in another order than they count from: a version may be overtaken by any that follows.
    change, by, of = changed_record, _FILES.alias("by_known"), batch_file.alias("of")
    with staged(connection, change, late.select("record_key").unique()) as stage:
        chain = read_frame(
            connection,
            sa.select(
                change.c.id, change.c.record_key, of.c.feed_id, of.c.order_ns, change.c.was_file_id,
                change.c.was_line, by.c.known_from,
            )
            .select_from(stage.join(change, change.c.record_key == stage.c.record_key))
            .join(of, of.c.id == change.c.was_file_id)
            .join(by, by.c.file_id == change.c.file_id)
            .where(change.c.records == kind),
        )  # fmt: skip
    chain = chain.sort(*_PLACE, "order_ns", "was_file_id", "was_line")
    overtaken = chain.select("id", overtaken=pl.col("known_from").cum_min(reverse=True).over(_PLACE))
    joined = plain.join(overtaken, on="id", how="left")
    return joined.select("id", known_until=pl.coalesce("overtaken", "known_until"))


def _lay_view_of_changes(connection: sa.Connection) -> None:
    """Let a view stand before the records that were replaced: of those that were known, whoever replaced them when."""
    day = sa.select(_DAY.c.day).scalar_subquery()
    stored = permanent(connection, changed_record)
    query = sa.select(*stored.c).join(_FILES, _FILES.c.file_id == stored.c.was_file_id)
    create_from_query(
        connection, f"CREATE TEMPORARY VIEW {changed_record.name} AS", query.where(_FILES.c.known_from <= day)
    )


def _lay_view(connection: sa.Connection, table: sa.Table, earlier: sa.Table | None) -> None:
    """Let a view of this connection stand before the table of accepted records."""
    day = sa.select(_DAY.c.day).scalar_subquery()
    stored = permanent(connection, table)
    query: Any = (
        sa.select(*stored.c).join(_FILES, _FILES.c.file_id == stored.c.file_id).where(_FILES.c.known_from <= day)
    )
    if earlier is not None:
        columns = [earlier.c[column.name] for column in stored.c]
        then = sa.select(*columns).where(earlier.c.known_from <= day, earlier.c.known_until > day)
        query = sa.union_all(query, then)
    create_from_query(connection, f"CREATE TEMPORARY VIEW {table.name} AS", query)
