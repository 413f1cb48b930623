"""Making unified anew: as of now in place, or as known on a past day in a database of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.clock import as_of_day, held_day, refuse_days_to_come
from manufacturing_copilot.errors import StoreError
from manufacturing_copilot.ingest.as_of import days_of_files, records_as_known
from manufacturing_copilot.site import Site
from manufacturing_copilot.store import Store, insert_frame, read_frame, read_frames
from manufacturing_copilot.store import tables as t
from manufacturing_copilot.store.engine import connect_store, embedded_file, embedded_url, parse_database_url
from manufacturing_copilot.store.migrate import upgrade
from manufacturing_copilot.store.shadow_tables import advance_sequence
from manufacturing_copilot.store.types import utc_now
from manufacturing_copilot.unified.refresh.refresh import RefreshCounts, refresh, refresh_within

Tell = Callable[[str], None]

_LISTS_AT_ONCE = 20
_MODELS = (t.model, t.model_version, t.model_alias)
"""So that what is forecast of the past day is forecast by today's champions."""


@dataclass(frozen=True)
class PastDatabase:
    """A database that holds what was known on a day: where it is, and what there was."""

    day: date
    url: str
    folder: Path | None
    """of the embedded database: a home folder for what is made from it"""
    files: int
    records: int
    counts: RefreshCounts


def past_home(home: Path, day: date) -> Path:
    """Return the home folder of the database that looks back at `day`, where nobody names another."""
    return home / "as_of" / day.isoformat()


def place_of(into: str | None, home: Path, day: date) -> sa.URL:
    """Return the URL that `into` means: a URL, a file ending in .db, a folder to hold one, or nothing (`past_home`).

    Raises StoreError where it is a URL of a database that we cannot use.
    """
    if into is not None and "://" in into:
        return parse_database_url(into, "--into")
    path = past_home(home, day) if into is None else Path(into).expanduser().resolve()
    return embedded_url(path if path.suffix == ".db" else path / "copilot.db")


def rebuild_now(store: Store, site: Site) -> RefreshCounts:
    """Make all of unified anew, as of the plant's day, from every record that counts; in one transaction."""
    with store.read() as connection:
        day = as_of_day(connection, site)
    return refresh(store, site, day, full=True)


def rebuild_as_of(store: Store, site: Site, day: date, into: sa.URL, *, tell: Tell) -> PastDatabase:
    """Make the database `into` hold what was known at the end of `day`: ledger, records and all of unified.

    It is filled in one transaction; what it held of another look back is replaced. Today's tables are only read.
    Raises StoreError where the day is still to come, or `into` is a plant's own database.
    """
    with store.read() as connection:
        refuse_days_to_come(connection, site, [day])
        today = as_of_day(connection, site)
    if into == store.engine.url:
        raise StoreError("the plant's own database cannot hold a past day; name another one")
    target = connect_store(into)
    try:
        upgrade(target)
        with target.write() as lasting:
            _emptied(lasting, into)
            with store.read() as connection:
                files = _files(connection, site, day, today)
            tell(f"{files.height} files had come in by the end of {day}")
            records = _copy(store, site, day, today, files, lasting, tell)
            lasting.execute(sa.insert(t.past_day).values(day=day, made_at=utc_now()))
            tell("making items, history and stock of them")
            counts = refresh_within(lasting, site, day, full=True)
    finally:
        target.close()
    file = embedded_file(into)
    return PastDatabase(
        day, into.render_as_string(hide_password=True), file and file.parent, files.height, records, counts
    )


def _files(connection: sa.Connection, site: Site, day: date, today: date) -> pl.DataFrame:
    files = days_of_files(connection, site)
    return files if day >= today else files.filter(pl.col("known_from") <= day)


def _emptied(connection: sa.Connection, url: sa.URL) -> None:
    if held_day(connection) is None and connection.scalar(sa.select(sa.func.count()).select_from(t.batch)):
        raise StoreError(
            f"{url.render_as_string(hide_password=True)} is a plant's own database, which is not written over; name an"
            " empty one"
        )
    for table in reversed(t.metadata.sorted_tables):
        connection.execute(sa.delete(table))


def _copy(
    store: Store, site: Site, day: date, today: date, files: pl.DataFrame, target: sa.Connection, tell: Tell
) -> int:
    """Copy what had come in by `day`; return how many records that are."""
    until = day if day < today else date.max
    with records_as_known(store, site, until, until) as connection:
        _copy_ledger(connection, files, target)
        for rows in read_frames(connection, sa.select(t.changed_record)):
            insert_frame(target, t.changed_record, rows)
        advance_sequence(target, t.changed_record)
        for listed in connection.execute(sa.select(t.full_list)).mappings().partitions(_LISTS_AT_ONCE):
            target.execute(sa.insert(t.full_list), [dict(row) for row in listed])
        advance_sequence(target, t.full_list)
        records = 0
        for kind, table in t.accepted.items():
            copied = sum(insert_frame(target, table, rows) for rows in read_frames(connection, sa.select(table)))
            if copied:
                tell(f"{kind}: {copied} records")
            records += copied
    return records


def _copy_ledger(connection: sa.Connection, files: pl.DataFrame, target: sa.Connection) -> None:
    """Copy feeds, batches and files, what people decided, and the models; counts are those of the known files."""
    known = read_frame(connection, sa.select(t.batch_file)).join(files, left_on="id", right_on="file_id", how="semi")
    batches = read_frame(connection, sa.select(t.batch)).join(known, left_on="id", right_on="batch_id", how="semi")
    events = read_frame(connection, sa.select(t.batch_event))
    rows = {
        t.feed: read_frame(connection, sa.select(t.feed)),
        t.batch: _with_counts(connection, batches, known, target),
        t.batch_file: known.sort("id"),
        t.batch_event: events.join(batches, left_on="batch_id", right_on="id", how="semi"),
        t.item_event: read_frame(connection, sa.select(t.item_event)).drop("moved_item_id").sort("id"),
        **{table: read_frame(connection, sa.select(table)) for table in _MODELS},
    }
    for table, frame in rows.items():
        insert_frame(target, table, frame)
        advance_sequence(target, table)


def _with_counts(
    connection: sa.Connection, batches: pl.DataFrame, files: pl.DataFrame, target: sa.Connection
) -> pl.DataFrame:
    """Return the batches with the rows of these files alone, and copy the duplicates and rejected rows among them."""
    counts = {
        "rows_received": files.group_by("batch_id").agg(rows=pl.col("rows_received").sum()),
        "rows_duplicate": _copy_rows(connection, t.duplicate_record, files, target),
        "rows_rejected": _copy_rows(connection, t.rejected_record, files, target),
        "rows_changed": _of_files(read_frame(connection, _CHANGES), files).group_by("batch_id").agg(rows=pl.len()),
    }
    counted = batches.drop(*counts, "rows_accepted")
    for name, rows in counts.items():
        found = rows.select(id="batch_id", **{name: pl.col("rows").cast(pl.Int64)})
        counted = counted.join(found, on="id", how="left").with_columns(pl.col(name).fill_null(0))
    accepted = pl.col("rows_received") - pl.col("rows_duplicate") - pl.col("rows_rejected")
    return counted.with_columns(rows_accepted=accepted)


_CHANGES = sa.select(t.changed_record.c.batch_id, t.changed_record.c.file_id)


def _copy_rows(connection: sa.Connection, table: sa.Table, files: pl.DataFrame, target: sa.Connection) -> pl.DataFrame:
    """Copy the rows of the table that stand in these files; return batch_id and rows."""
    met = [pl.DataFrame(schema={"batch_id": pl.Int64, "rows": pl.UInt32})]
    for rows in read_frames(connection, sa.select(table)):
        ours = _of_files(rows, files)
        insert_frame(target, table, ours)
        met.append(ours.group_by("batch_id").agg(rows=pl.len()))
    advance_sequence(target, table)
    return pl.concat(met).group_by("batch_id").agg(pl.col("rows").sum())


def _of_files(rows: pl.DataFrame, files: pl.DataFrame) -> pl.DataFrame:
    return rows.join(files, left_on="file_id", right_on="id", how="semi")
