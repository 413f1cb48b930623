"""Records that have ended because a newer full list of their feed leaves them out.

What lists name is kept by the batches (`ingest.ledger.full_lists`); here it becomes stretches, from the list that names
a record first to the one that leaves it out. They are a function of the batches that count, so a batch that is
withdrawn or comes late moves them as it moves the records.
"""

from __future__ import annotations

from datetime import date

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.ingest.ledger.full_lists import STRETCHES, follow, lists_of, never_listed, with_entity
from manufacturing_copilot.site import Feed, Site
from manufacturing_copilot.site.holds import ABSENT, Holds
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.merge import sync_frame
from manufacturing_copilot.store.tables import accepted, batch_file, feed, list_stretch
from manufacturing_copilot.unified.changes import Came, Changes

_KEY = ["feed_id", "entity", "from_day", "from_file_id"]


def refresh_endings(connection: sa.Connection, site: Site, changes: Changes) -> int:
    """Bring the stretches of the feeds that hold full lists up to date; return how many records have ended."""
    ids = dict(connection.execute(sa.select(feed.c.name, feed.c.id)).tuples().all())
    declared = [one for one in site.feeds if one.holds is not Holds.CHANGES and one.feed in ids]
    if changes.rebuild_all:
        kept = [ids[one.feed] for one in declared]
        connection.execute(sa.delete(list_stretch).where(list_stretch.c.feed_id.not_in(kept)))
    for one in declared:
        _refresh_feed(connection, one, ids[one.feed], changes.of(one.records))
    ended = list_stretch.c.until_day.is_not(None)
    return connection.scalar(sa.select(sa.func.count()).select_from(list_stretch).where(ended)) or 0


def _refresh_feed(connection: sa.Connection, one: Feed, feed_id: int, came: Came) -> None:
    if came.nothing:
        return
    table, lists = list_stretch, lists_of(connection, one.feed, one.holds)
    seen = [each for each in lists if each.batch_id not in came.batches]
    fresh = [each for each in lists if each.batch_id in came.batches]
    within = table.c.feed_id == feed_id
    days_meet = one.holds is Holds.PER_DAY and seen and fresh and fresh[0].day == seen[-1].day
    if came.reread or not seen or days_meet or (fresh and fresh[0].place < seen[-1].place):
        listed, fresh = never_listed(connection, one), lists
    else:  # what has ended stays as it is
        within = within & table.c.until_day.is_(None)
        listed = read_frame(connection, sa.select(*(table.c[name] for name in STRETCHES)).where(within))
    stretches = pl.concat(list(follow(connection, one, fresh, listed))).with_columns(feed_id=pl.lit(feed_id, pl.Int64))
    # Listed and left out by lists of one file and day: it was never there.
    stretches = stretches.unique(_KEY, keep="last", maintain_order=True)
    sync_frame(connection, table, stretches, key=_KEY, within=within)


def ended_between(connection: sa.Connection, site: Site, kinds: frozenset[str], after: date, until: date) -> bool:
    """Whether a list of a day after `after` and up to `until` has ended records of one of the kinds."""
    names = [one.feed for one in site.feeds if one.records in kinds & ABSENT.keys() and one.holds is not Holds.CHANGES]
    table = list_stretch
    ended = sa.exists().where(
        table.c.feed_id.in_(sa.select(feed.c.id).where(feed.c.name.in_(names))), table.c.until_day > after,
        table.c.until_day <= until,
    )  # fmt: skip
    return bool(names) and bool(connection.scalar(sa.select(ended)))


def with_ended_on(connection: sa.Connection, site: Site, kind: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Return records of `kind` with `ended_on`: the day of the list that leaves them out, or null."""
    if not any(one.records == kind and one.holds is not Holds.CHANGES for one in site.feeds):
        return rows.with_columns(ended_on=pl.lit(None, pl.Date))
    table, records, again = list_stretch, accepted[kind], list_stretch.alias("again")
    still_listed = sa.exists().where(
        again.c.feed_id == table.c.feed_id, again.c.entity == table.c.entity, again.c.until_day.is_(None)
    )
    query = (
        sa.select(records.c.file_id, records.c.line, table.c.until_day.label("ended_on"))
        .join(records, sa.and_(records.c.feed_id == table.c.feed_id, records.c.record_key == table.c.entity))
        .where(table.c.until_day.is_not(None), ~still_listed)
    )
    ended = read_frame(connection, query).group_by("file_id", "line").agg(pl.col("ended_on").max())
    return rows.join(ended, on=["file_id", "line"], how="left", maintain_order="left")


def with_emptied(connection: sa.Connection, site: Site, counts: pl.DataFrame, quantities: list[str]) -> pl.DataFrame:
    """Return the counts (feed_id, record fields, day, file_id, line, batch_id) and those that full lists imply.

    What a list leaves out is counted as nothing on its day. What a list names again that says the same as before, byte
    for byte, is counted again on its day.
    """
    feeds = [one for one in site.feeds if one.records == "stock_levels" and one.holds is not Holds.CHANGES]
    if not feeds or counts.is_empty():
        return counts
    ids = dict(connection.execute(sa.select(feed.c.name, feed.c.id)).tuples().all())
    files = read_frame(connection, sa.select(batch_file.c.id.label("file_id"), batch_file.c.batch_id))
    parts = [counts]
    for one in feeds:
        feed_id = ids.get(one.feed, -1)
        own = with_entity(counts.filter(pl.col("feed_id") == feed_id), one).sort("day", "file_id", "line")
        columns = [list_stretch.c[name] for name in STRETCHES if name != "scope"]
        stretches = read_frame(connection, sa.select(*columns).where(list_stretch.c.feed_id == feed_id))
        left_out = stretches.drop_nulls("until_day").select("entity", on="until_day", by="until_file_id")
        again = stretches.select("entity", on="from_day", by="from_file_id")
        # A quantity that the source never names stays unsaid.
        nothing = (pl.when(pl.col(name).is_not_null()).then(0.0).alias(name) for name in quantities)
        empty = _as_counted(own, left_out).with_columns(nothing)
        restated = _as_counted(own, again).filter(pl.col("day") < pl.col("on"))
        for rows in (empty, restated):
            dated = rows.with_columns(day="on", file_id="by").drop("batch_id").join(files, on="file_id", how="left")
            parts.append(dated.select(counts.columns))
    return pl.concat(parts)


def _as_counted(own: pl.DataFrame, moments: pl.DataFrame) -> pl.DataFrame:
    """Return the last count of an entity up to a day (`on`) for each of the moments (entity, on, by)."""
    return moments.sort("on").join_asof(
        own.sort("day"), left_on="on", right_on="day", by="entity", strategy="backward", check_sortedness=False,
        coalesce=False,
    ).drop_nulls("day")  # fmt: skip
