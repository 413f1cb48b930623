"""Data in a line: a site, and records as if a batch had brought them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.records import RECORD_KINDS
from manufacturing_copilot.site import Feed, Site, Source
from manufacturing_copilot.site.declaration import SiteFile
from manufacturing_copilot.store import Store, insert_frame, read_frame
from manufacturing_copilot.store.tables import accepted, batch, batch_file, changed_record, feed

MOMENT = datetime(2026, 3, 1, 6, tzinfo=UTC)
DAY = date(2026, 3, 31)
"""The as-of day of tests that do not care which."""


def make_feed(name: str, records: str) -> Feed:
    """A feed that delivers every field of its kind under its own name."""
    columns = {field: field for field in RECORD_KINDS[records].field_names}
    return Feed.model_validate({"feed": name, "records": records, "files": f"inbox/{name}*.csv", "columns": columns})


def make_site(*feeds: str, folder: Path = Path("site"), priorities: dict[str, int] | None = None, **keys: Any) -> Site:
    """A site with feeds named `source/kind`; sources are believed in the order in which they come."""
    made = tuple(make_feed(name, name.partition("/")[2]) for name in feeds)
    names = list(dict.fromkeys(one.source for one in made)) or ["erp"]
    ranks = priorities or {name: rank for rank, name in enumerate(names, start=1)}
    sources = {name: Source(kind="erp", priority=ranks[name]) for name in names}  # type: ignore[arg-type]
    main = SiteFile.model_validate({"site": "Hall 4", "history_from": date(2025, 1, 1), **keys, "sources": sources})
    values = {name: getattr(main, name) for name in SiteFile.model_fields}
    return Site.model_construct(**values, folder=folder, feeds=made)


def add_records(store: Store, feed_name: str, rows: list[dict[str, Any]], *, kind: str | None = None) -> int:
    """Load `rows` as one successful batch of the feed `source/kind`; return the batch's id.

    A row whose key was loaded before replaces it, as a feed that declares `repeats: update` has it.
    """
    kind = kind or feed_name.partition("/")[2]
    with store.write() as connection:
        feed_id = _feed_id(connection, feed_name)
        batch_id, file_id = _batch(connection, feed_id, len(rows))
        table = accepted[kind]
        keys = [_key(kind, row, number) for number, row in enumerate(rows)]
        replaced = sa.and_(table.c.feed_id == feed_id, table.c.record_key.in_(keys))
        _note_replaced(connection, kind, replaced, batch_id, file_id)
        connection.execute(sa.delete(table).where(replaced))
        schema = {name: dtype for name, dtype in _schema(kind).items() if any(name in row for row in rows)}
        frame = pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema).with_columns(
            feed_id=pl.lit(feed_id),
            record_key=pl.Series(keys, dtype=pl.String),
            batch_id=pl.lit(batch_id),
            file_id=pl.lit(file_id),
            line=pl.int_range(2, len(rows) + 2),
        )
        insert_frame(connection, table, frame)
    return batch_id


def _note_replaced(connection: sa.Connection, kind: str, where: sa.ColumnElement[bool], batch: int, file: int) -> None:
    table = accepted[kind]
    names = RECORD_KINDS[kind].field_names
    columns = [table.c[name] for name in (*names, "record_key", "file_id", "line")]
    rows = read_frame(connection, sa.select(*columns).where(where))
    insert_frame(
        connection,
        changed_record,
        rows.select(
            "record_key", records=pl.lit(kind), was_file_id="file_id", was_line="line", batch_id=pl.lit(batch),
            file_id=pl.lit(file), line=pl.lit(0), was=pl.struct(names).struct.json_encode(),
        ),
    )  # fmt: skip


def remove_records(store: Store, feed_name: str, kind: str | None = None) -> None:
    """Take back everything that the feed has delivered, as withdrawing its batches does."""
    kind = kind or feed_name.partition("/")[2]
    with store.write() as connection:
        feed_id = _feed_id(connection, feed_name)
        connection.execute(sa.delete(accepted[kind]).where(accepted[kind].c.feed_id == feed_id))
        connection.execute(sa.update(batch).where(batch.c.feed_id == feed_id).values(status="withdrawn"))


def _feed_id(connection: sa.Connection, name: str) -> int:
    found = connection.scalar(sa.select(feed.c.id).where(feed.c.name == name))
    return found or connection.execute(sa.insert(feed).values(name=name).returning(feed.c.id)).scalar_one()


def _batch(connection: sa.Connection, feed_id: int, rows: int) -> tuple[int, int]:
    number = (connection.scalar(sa.select(sa.func.max(batch.c.id))) or 0) + 1
    values = {"reference": f"{number:08d}", "status": "success", "claimed_at": MOMENT, "finished_at": MOMENT}
    counts = {"rows_received": rows, "rows_accepted": rows}
    batch_id = connection.execute(
        sa.insert(batch).values(feed_id=feed_id, **values, **counts).returning(batch.c.id)
    ).scalar_one()
    nanoseconds = int(MOMENT.timestamp()) * 10**9
    moments = {"modified_ns": nanoseconds, "order_ns": nanoseconds}
    file = {"path": f"inbox/{batch_id}.csv", "size": 1, **moments, "rows_received": rows}
    file_id = connection.execute(
        sa.insert(batch_file).values(batch_id=batch_id, feed_id=feed_id, **file).returning(batch_file.c.id)
    ).scalar_one()
    return batch_id, file_id


def _key(kind: str, row: dict[str, Any], number: int) -> str:
    parts = [row.get(name) for name in RECORD_KINDS[kind].key]
    return "|".join("" if part is None else str(part) for part in parts) if any(parts) else f"line {number}"


def _schema(kind: str) -> dict[str, Any]:
    from manufacturing_copilot.store.frames import frame_type

    return {name: frame_type(accepted[kind].c[name].type) for name in RECORD_KINDS[kind].field_names}
