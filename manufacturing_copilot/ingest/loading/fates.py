"""Fates: which records the table holds under some keys, and what becomes of rows, written into the tables."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.ingest.loading.classify import Classified
from manufacturing_copilot.ingest.received import LINE
from manufacturing_copilot.ingest.record_keys import FILE, KEY
from manufacturing_copilot.site import Feed
from manufacturing_copilot.store import index_new_rows, insert_frame, prefer_indexes, read_frame, staged, upsert_frame
from manufacturing_copilot.store.tables import accepted as accepted_tables
from manufacturing_copilot.store.tables import changed_record, duplicate_record, rejected_record

SAME_RECORD = "the record repeats one that was accepted before, with the same content"
ADDED = "the row has the key of another of its file, and its quantities were added to that one (same_key: sum)"
SAME_FILE = "the file repeats one that was loaded before, byte for byte"

OfBatch = Callable[[pl.DataFrame], pl.DataFrame]
"""Gives rows with a `file_id` the `batch_id` of their file."""


def of_one_batch(batch_id: int) -> OfBatch:
    """Return how rows of one batch get its number."""
    return lambda rows: rows.with_columns(pl.lit(batch_id, pl.Int64).alias("batch_id"))


def known_records(connection: sa.Connection, feed: Feed, feed_id: int, records: pl.DataFrame) -> pl.DataFrame:
    """Return what the table holds under the keys of `records`."""
    table = accepted_tables[feed.records]
    if records.is_empty():
        return records
    if connection.scalar(sa.select(sa.literal(1)).where(sa.exists().where(table.c.feed_id == feed_id))) is None:
        return records.clear()
    keys = records.select(pl.col(KEY).unique().sort())  # neighbours lie on the same pages
    wanted = [table.c[name] for name in (*feed.kind.field_names, KEY, FILE, "line")]
    with staged(connection, table, keys) as stage, prefer_indexes(connection):
        same = (table.c.feed_id == feed_id) & (table.c.record_key == stage.c.record_key)
        rows = read_frame(connection, sa.select(*wanted).select_from(stage.join(table, same)))
    return rows.rename({"line": LINE}).select(records.columns).cast(dict(records.schema))  # type: ignore[arg-type]


def write_fates(
    connection: sa.Connection, feed: Feed, feed_id: int, fates: Classified, refused: pl.DataFrame, of_batch: OfBatch
) -> None:
    """Write what becomes of classified records: who holds a key, whom that one replaced, who repeats whom.

    `refused`: the refused ones as `key_conflicts.refused_rows` gives them.
    """
    table = accepted_tables[feed.records]
    of_feed = pl.lit(feed_id).alias("feed_id")
    insert_frame(connection, table, of_batch(fates.new).rename({LINE: "line"}).with_columns(of_feed))
    # Where a batch changes a record and changes it back, only the provenance differs: it is content here.
    changed = of_batch(fates.changed).rename({LINE: "line"}).with_columns(of_feed)
    upsert_frame(connection, table, changed, key=["feed_id", KEY])
    replaced = of_batch(fates.replaced).rename({LINE: "line"})
    insert_frame(connection, changed_record, replaced.with_columns(pl.lit(feed.records).alias("records")))
    duplicates = of_batch(fates.duplicates).rename({LINE: "line"})
    insert_frame(connection, duplicate_record, duplicates.with_columns(pl.lit(SAME_RECORD).alias("reason")))
    write_rejected(connection, refused, of_batch)


def write_rejected(connection: sa.Connection, rejected: pl.DataFrame, of_batch: OfBatch) -> int:
    """Write rejected rows: `file_id`, `_line`, `reasons` and `received` (JSON texts); return how many."""
    if rejected.is_empty():
        return 0
    rows = rejected.select(FILE, LINE, "reasons", "received")
    return insert_frame(connection, rejected_record, of_batch(rows).rename({LINE: "line"}))


def write_added(connection: sa.Connection, added: pl.DataFrame, of_batch: OfBatch) -> int:
    """Write rows (ADDED_ROWS) that are part of a total of their file; return how many."""
    if added.is_empty():
        return 0
    rows = added.with_columns(pl.col(FILE).alias("of_file_id"), pl.lit(ADDED).alias("reason"))
    return insert_frame(connection, duplicate_record, of_batch(rows).rename({LINE: "line"}))


def write_repeated_file(
    connection: sa.Connection, batch_id: int, file_id: int, lines: pl.Series, of_file_id: int
) -> int:
    """Write every row of a file as the duplicate of the same row of another; return how many."""
    rows = {"batch_id": batch_id, "file_id": file_id, "line": lines, "reason": SAME_FILE}
    return insert_frame(
        connection, duplicate_record, pl.DataFrame({**rows, "of_file_id": of_file_id, "of_line": lines})
    )


def index_batch(connection: sa.Connection, feed: Feed) -> None:
    """Let the rows of a batch that was just written be found by its number."""
    index_new_rows(connection, accepted_tables[feed.records], changed_record, duplicate_record, rejected_record)
