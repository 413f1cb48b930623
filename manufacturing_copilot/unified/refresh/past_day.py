"""Unified as it was known on a past day, in tables that only one connection sees; those of today stay as they are.

Which code means which item is taken from today, so that the facts of a past day are those of the items we know now.
Everything else (units, costs, suppliers, bills of materials, history, stock) is made from the records as known then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.clock import as_of_day
from manufacturing_copilot.ingest.as_of import days_of_change, is_past, look_at, records_as_known
from manufacturing_copilot.site import Site
from manufacturing_copilot.store import Store, insert_frame, read_frame
from manufacturing_copilot.store import tables as t
from manufacturing_copilot.store.merge import delete_rows, sync_frame
from manufacturing_copilot.store.shadow_tables import advance_sequence, create_from_query, permanent, temporary
from manufacturing_copilot.store.types import ExactDecimal
from manufacturing_copilot.unified.changes import Changes
from manufacturing_copilot.unified.declared_parts import (
    NOTES,
    PARTS,
    STOCK,
    TABLES,
    Part,
    RefreshContext,
    parts_read_by,
)
from manufacturing_copilot.unified.refresh.refresh import refresh_within
from manufacturing_copilot.unified.stock.snapshots import StockCounts, refresh_snapshots

_DAY = timedelta(days=1)
_NAMED = tuple(part for part in PARTS if part.named)


@contextmanager
def facts_as_known(store: Store, site: Site, day: date) -> Iterator[sa.Connection]:
    """Give a connection that reads the facts as known at the end of `day`.

    For the day at which the plant's clock stands, those are the tables as they are. For an earlier one, unified is
    made for that day in temporary tables; what else the connection reads is of today. Nothing written to it stays.
    """
    with store.read() as connection:
        past = is_past(connection, site, day)
        if not past:
            yield connection
    if past:
        with records_as_known(store, site, day, day) as connection:
            make_room(connection)
            refresh_names(connection, store, site, day)
            refresh_within(connection, site, day, full=True)
            to_todays_items(connection)
            yield connection


def make_room(connection: sa.Connection) -> None:
    """Let temporary tables stand before those of unified: empty, but for today's items, locations and suppliers."""
    numbered = {table for part in PARTS for table in part.numbered}
    for table in (*TABLES, *NOTES):
        temporary(table).create(connection)
        if table in numbered:
            create_from_query(connection, f"INSERT INTO {table.name}", sa.select(*permanent(connection, table).c))
            advance_sequence(connection, table, temporary=True)


def refresh_names(connection: sa.Connection, store: Store, site: Site, day: date) -> RefreshContext:
    """Bring the places and suppliers of the connection up to date, with the numbers of the lasting tables.

    One that only a record of that time names gets its number there too, as it had then: what is made of the past may
    point at it. The next refresh drops those that nothing points at. Returns the context in which others can follow.
    """
    context = RefreshContext(connection, site, day, Changes(day, rebuild_all="another day is looked at"))
    _rebuild(context, [*parts_read_by(*_NAMED), *_NAMED])
    for table in (table for part in _NAMED for table in part.named):
        known = sa.select(permanent(connection, table).c.id)
        unknown = read_frame(connection, sa.select(table).where(table.c.id.not_in(known)))
        if unknown.is_empty():
            continue
        with store.write() as lasting:
            held = read_frame(lasting, sa.select(table.c.code))
            insert_frame(lasting, table, unknown.drop("id").join(held, on="code", how="anti"))
            ids = read_frame(lasting, sa.select(table.c.id, table.c.code))
        delete_rows(connection, table, unknown.select("id"))
        insert_frame(connection, table, unknown.drop("id").join(ids, on="code"))
        advance_sequence(connection, table, temporary=True)
    return context


def _rebuild(context: RefreshContext, parts: Iterable[Part[Any]]) -> None:
    for part in parts:
        context.note_counts(part, part.refresh(context))


def to_todays_items(connection: sa.Connection) -> None:
    """Let the facts of items that there are no longer be those of the item that their codes mean today.

    Facts of codes that mean nothing today are left out.
    """
    lasting = permanent(connection, t.item)
    known = read_frame(connection, sa.select(lasting.c.id))
    gone = read_frame(connection, sa.select(t.item.c.id)).join(known, on="id", how="anti")
    if gone.is_empty():
        return
    then, now = t.external_id, permanent(connection, t.external_id)
    same = (now.c.source == then.c.source) & (now.c.external_id == then.c.external_id)
    codes = read_frame(
        connection,
        sa.select(then.c.item_id, then.c.source, then.c.external_id, now.c.item_id.label("today"))
        .join(now, same)
        .where(then.c.item_id.in_(gone["id"].to_list())),
    ).sort("source", "external_id")
    meant = codes.unique("item_id", keep="first", maintain_order=True).select("item_id", "today")
    for table in (table for part in PARTS for table in part.reassigned):
        of_these = table.c.item_id.in_([*gone["id"], *meant["today"]])
        rows = read_frame(connection, sa.select(table).where(of_these))
        connection.execute(sa.delete(table).where(of_these))
        moved = rows.join(meant, on="item_id", how="left", maintain_order="left")
        moved = moved.with_columns(item_id=pl.coalesce("today", "item_id")).drop("today")
        moved = moved.filter(~pl.col("item_id").is_in(gone["id"].implode()))
        insert_frame(connection, table, _added_up(table, moved))


def _added_up(table: sa.Table, rows: pl.DataFrame) -> pl.DataFrame:
    key = [column.name for column in table.primary_key]
    counted = [
        column.name for column in table.c if isinstance(column.type, ExactDecimal) and column.name != "unit_cost"
    ]
    summed = {*counted, "order_lines"} & set(rows.columns)
    others = [name for name in rows.columns if name not in key and name not in summed]
    total = pl.when(pl.col(summed).count() > 0).then(pl.col(summed).sum())
    return rows.group_by(key, maintain_order=True).agg(total, pl.col(others).first()).select(rows.columns)


def refresh_snapshots_of(store: Store, site: Site, first: date, last: date) -> StockCounts:
    """Make the snapshots of the days `first` to `last`, each from what was known at its end.

    Days on which all was known that is known now are made in one pass over today's tables; each stretch of earlier
    days within which nothing came in is a pass of its own, and a transaction of its own.
    """
    with store.read() as connection:
        known_since = _all_known_since(connection, site)
        spans = _spans(connection, site, first, min(last, known_since - _DAY)) if first < known_since else []
    counts = []
    if spans:
        with records_as_known(store, site, first, spans[-1][1]) as connection:
            make_room(connection)
            for start, end in spans:
                look_at(connection, start)
                counts.append(_refresh_span(connection, store, site, start, end))
    if last >= known_since:
        with store.write() as connection:
            counts.append(refresh_snapshots(connection, site, max(first, known_since), last))
    return StockCounts(
        rows=sum(count.rows for count in counts),
        touched=sum(count.touched for count in counts),
        negative=sum(count.negative for count in counts),
    )


def _refresh_span(connection: sa.Connection, store: Store, site: Site, first: date, last: date) -> StockCounts:
    context = refresh_names(connection, store, site, last)
    refreshed = {*parts_read_by(*_NAMED), *_NAMED}
    _rebuild(context, [part for part in parts_read_by(STOCK) if part not in refreshed])
    counts = refresh_snapshots(connection, site, first, last, context.stock_facts)
    to_todays_items(connection)
    table = t.inventory_snapshot
    days = table.c.day.between(first, last)
    rows = read_frame(connection, sa.select(*table.c).where(days))
    with store.write() as lasting:
        key = ["day", "item_id", "location_id"]
        written = sync_frame(lasting, table, rows, key=key, touch=["batch_id"], within=days)
    return StockCounts(written.rows, written.touched, counts.negative)


def _all_known_since(connection: sa.Connection, site: Site) -> date:
    """Return the first day at whose end all was known that is known now."""
    return min(max(days_of_change(connection, site), default=date.min), as_of_day(connection, site))


def _spans(connection: sa.Connection, site: Site, first: date, last: date) -> list[tuple[date, date]]:
    """Return the days from `first` to `last` as stretches within which nothing came to be known, in order."""
    starts = [first, *(day for day in days_of_change(connection, site) if first < day <= last)]
    ends = [*(day - _DAY for day in starts[1:]), last]
    return list(zip(starts, ends, strict=True))
