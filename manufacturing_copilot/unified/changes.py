"""What has come, moved or gone since unified was last brought up to date.

A batch whose files are newer than all that was seen of its feed only adds records and replaces others, and says which:
so what it changes is known without reading what was there. Anything else (a batch withdrawn, with older files, with
rows mended) means that the records of its kind are read again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.ingest.discovery.file_order import first_place, last_place
from manufacturing_copilot.records import RECORD_KINDS, polars_type
from manufacturing_copilot.site import Site, site_hash
from manufacturing_copilot.store import insert_frame, read_frame
from manufacturing_copilot.store.merge import delete_rows
from manufacturing_copilot.store.tables import (
    BatchStatus,
    accepted,
    batch,
    batch_event,
    batch_file,
    batch_seen,
    changed_record,
    feed,
    item_event,
    refresh,
)
from manufacturing_copilot.unified.codes import feed_sources

RULES = 2
"""The number of the rules by which the tables are made from the records: raise it when the same records come to
something else, and the first refresh of the new version rebuilds everything."""

STAGE = "unified"


@dataclass(frozen=True)
class Came:
    """What has become of the records of one kind.

    `batches` were loaded since; `reread`: what was seen has moved too, so that all are to be read again.
    """

    batches: tuple[int, ...] = ()
    reread: bool = False

    @property
    def nothing(self) -> bool:
        """Whether the records are what they were."""
        return not self.batches and not self.reread


@dataclass(frozen=True)
class Changes:
    """What has changed since unified was brought up to date for `since`.

    `rebuild_all`: why everything is to be rebuilt, in words; empty where it is not. `kinds`: by record kind.
    `decided`: people have decided about items. `held`: what the tables hold, by part.
    """

    since: date
    rebuild_all: str = ""
    kinds: Mapping[str, Came] = field(default_factory=dict)
    decided: bool = False
    held: Mapping[str, Any] = field(default_factory=dict)

    def of(self, kind: str) -> Came:
        """Return what has become of the records of `kind`."""
        return Came(reread=True) if self.rebuild_all else self.kinds.get(kind, Came())

    def any_of(self, kinds: Iterable[str]) -> bool:
        """Whether records of one of the kinds have come, moved or gone."""
        return any(not self.of(kind).nothing for kind in kinds)


def changes_since(connection: sa.Connection, site: Site, as_of: date, *, full: bool = False) -> Changes:
    """Return what has changed since the last refresh, which may have been for an earlier day."""
    row = connection.execute(
        sa.select(refresh).where(refresh.c.stage == STAGE).order_by(refresh.c.as_of.desc()).limit(1)
    ).one_or_none()
    if full:
        return Changes(as_of, rebuild_all="it was asked for")
    if row is None or not row.held:
        return Changes(as_of, rebuild_all="nothing was held")
    if row.held["rules"] != RULES:
        return Changes(as_of, rebuild_all="another version of the program made what was held")
    if row.site_hash != site_hash(site):
        return Changes(as_of, rebuild_all="the site's declaration has changed")
    if row.as_of > as_of:
        return Changes(as_of, rebuild_all=f"what was held was of a later day, {row.as_of}")
    kinds = _by_kind(site, _moves(connection))
    if kinds is None:
        return Changes(as_of, rebuild_all="batches of a feed have changed that the site no longer declares")
    decided = row.held["decisions"] != decisions_mark(connection)
    return Changes(row.as_of, "", kinds, decided, row.held)


def decisions_mark(connection: sa.Connection) -> list[int]:
    """Return what tells one list of people's decisions about items from another: how many, and their numbers' sum."""
    counted = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(item_event.c.id), 0))
    return [int(number) for number in connection.execute(counted).one()]


def seen_batches(connection: sa.Connection) -> pl.DataFrame:
    """Return batch_id and event_id of the loaded batches, as they stand now."""
    told = batch_event.c.to_status == BatchStatus.SUCCESS
    newest = sa.select(batch_event.c.batch_id, sa.func.max(batch_event.c.id).label("event_id")).where(told)
    events = newest.group_by(batch_event.c.batch_id).subquery()
    query = (
        sa.select(batch.c.id.label("batch_id"), sa.func.coalesce(events.c.event_id, 0).label("event_id"))
        .select_from(batch.outerjoin(events, events.c.batch_id == batch.c.id))
        .where(batch.c.status == BatchStatus.SUCCESS)
    )
    return read_frame(connection, query)


def note_seen(connection: sa.Connection, now: pl.DataFrame) -> None:
    """Record that unified holds the records of the batches as they stood in `now`."""
    before = read_frame(connection, sa.select(batch_seen))
    delete_rows(connection, batch_seen, before.join(now, on=before.columns, how="anti").select("batch_id"))
    insert_frame(connection, batch_seen, now.join(before, on=before.columns, how="anti"))


def came(connection: sa.Connection, site: Site, kind: str, batches: Iterable[int], names: list[str]) -> pl.DataFrame:
    """Return the accepted records of these batches: source, file_id, line, and `names`."""
    table = accepted[kind]
    columns = [table.c[name] for name in ("feed_id", "batch_id", "file_id", "line", *names)]
    rows = read_frame(connection, sa.select(*columns).where(table.c.batch_id.in_(list(batches))))
    return rows.join(feed_sources(connection, site), on="feed_id").drop("feed_id")


def replaced(
    connection: sa.Connection, site: Site, kind: str, batches: Iterable[int], names: list[str]
) -> pl.DataFrame:
    """Return the records, seen before, that records of these batches replaced: as of `came`, with what they were."""
    table, was = changed_record, batch_file.alias("was")
    query = (
        sa.select(batch.c.feed_id, was.c.batch_id, table.c.was_file_id.label("file_id"),
                  table.c.was_line.label("line"), table.c.was.label("was"))
        .select_from(
            table.join(batch, batch.c.id == table.c.batch_id)
            .join(was, was.c.id == table.c.was_file_id)
            .join(batch_seen, batch_seen.c.batch_id == was.c.batch_id)
        )
        .where(table.c.batch_id.in_(list(batches)), table.c.records == kind)
    )  # fmt: skip
    fields = {name: polars_type(RECORD_KINDS[kind].field(name).type) for name in names}
    rows = read_frame(connection, query).with_columns(pl.col("was").str.json_decode(pl.Struct(fields)))
    return rows.unnest("was").join(feed_sources(connection, site), on="feed_id").drop("feed_id")


def _moves(connection: sa.Connection) -> pl.DataFrame:
    """Return feed, batch_id and fate (new, late, moved) of the batches that are not what they were."""
    now, seen = seen_batches(connection), read_frame(connection, sa.select(batch_seen))
    feeds = read_frame(
        connection,
        sa.select(batch.c.id.label("batch_id"), batch.c.feed_id, feed.c.name.label("feed")).join(
            feed, feed.c.id == batch.c.feed_id
        ),
    )
    both = now.join(seen, on="batch_id", how="full", coalesce=True, suffix="_seen").join(feeds, on="batch_id")
    differ = both.filter(pl.col("event_id").ne_missing(pl.col("event_id_seen")))
    is_seen = pl.col("event_id_seen").is_not_null()
    late = _late(connection, differ.filter(~is_seen).select("feed_id", "batch_id"))
    return differ.select(
        "feed", "batch_id",
        fate=pl.when(is_seen).then(pl.lit("moved"))
        .when(pl.col("batch_id").is_in(late)).then(pl.lit("late")).otherwise(pl.lit("new")),
    )  # fmt: skip


def _late(connection: sa.Connection, batches: pl.DataFrame) -> list[int]:
    """Return which of these batches have a file that is older than one of their feed that was seen."""
    seen = sa.exists().where(batch_seen.c.batch_id == batch_file.c.batch_id)
    newest = {feed_id: last_place(connection, feed_id, seen) for feed_id in batches["feed_id"].unique()}
    late = []
    for feed_id, batch_id in batches.rows():
        last, first = newest[feed_id], first_place(connection, batch_id)
        if last is not None and first is not None and first < last:
            late.append(batch_id)
    return late


def _by_kind(site: Site, moves: pl.DataFrame) -> dict[str, Came] | None:
    kinds = {feed.feed: feed.records for feed in site.feeds}
    found: dict[str, Came] = {}
    for name, batch_id, fate in moves.sort("batch_id").rows():
        if name not in kinds:
            return None
        before = found.get(kinds[name], Came())
        batches = before.batches if fate == "moved" else (*before.batches, batch_id)
        found[kinds[name]] = Came(batches, before.reread or fate != "new")
    return found
