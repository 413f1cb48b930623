"""Settling a batch: one transaction that writes every row's fate, the counts and the status, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.ingest.classify import FILE, KEY, SEPARATOR, Classified, classify
from manufacturing_copilot.ingest.keeping import received_texts
from manufacturing_copilot.ingest.ledger import Attempt, BatchCounts, load_lock, succeed
from manufacturing_copilot.ingest.received import LINE
from manufacturing_copilot.site import Feed
from manufacturing_copilot.store import Store, insert_frame, read_frame, staged, upsert_frame
from manufacturing_copilot.store.locks import lock_until_commit
from manufacturing_copilot.store.tables import accepted as accepted_tables
from manufacturing_copilot.store.tables import (
    batch,
    batch_file,
    changed_record,
    duplicate_record,
    rejected_record,
)
from manufacturing_copilot.store.tables import feed as feed_table

_REASON_SAME_FILE = "the file repeats one that was loaded before, byte for byte"
_REASON_SAME_RECORD = "the record repeats one that was accepted before, with the same content"

REJECTED = {LINE: pl.Int64, "reasons": pl.String, "received": pl.String}
"""Columns of the rejected rows of a file."""


@dataclass(frozen=True)
class ReadFile:
    """One file of a batch, read and checked.

    `lines`: the `_line` of every row received. `records`: what passed, with `record_key` and `file_id`.
    `rejected`: what did not, with `_line`, `reasons` and `received` as JSON text.
    """

    file_id: int
    sha256: str
    archived_as: str
    received_as: str
    lines: pl.Series
    records: pl.DataFrame = field(default_factory=pl.DataFrame)
    rejected: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=REJECTED))
    found: dict[str, Any] = field(default_factory=dict)


def repeated_files(connection: sa.Connection, feed_id: int, hashes: dict[int, str]) -> dict[int, int]:
    """Return which files repeat which: the number of a file → that of the first file with the same bytes.

    `hashes`: the SHA-256 of each file of the batch by its number, in the order in which they are read. Earlier
    files count where their batch succeeded.
    """
    known = connection.execute(
        sa.select(batch_file.c.sha256, sa.func.min(batch_file.c.id))
        .join(batch, batch.c.id == batch_file.c.batch_id)
        .where(
            batch_file.c.feed_id == feed_id,
            batch.c.status == "success",
            batch_file.c.repeats_file_id.is_(None),
            batch_file.c.sha256.in_(set(hashes.values())),
        )
        .group_by(batch_file.c.sha256)
    )
    first: dict[str, int] = dict(known.tuples().all())
    repeats = {}
    for file_id, sha256 in hashes.items():
        if first.setdefault(sha256, file_id) != file_id:
            repeats[file_id] = first[sha256]
    return repeats


def settle(
    store: Store,
    feed: Feed,
    attempt: Attempt,
    files: Sequence[ReadFile],
    contract: dict[str, Any] | None,
    *,
    home: Path,
    actor: str,
) -> BatchCounts:
    """Write the fates of every row of the batch and its success, in one transaction; return the counts.

    Raises BatchError where another run has taken the batch over; nothing is written then.
    """
    with store.write() as connection:
        lock_until_commit(connection, load_lock(feed.feed))
        # Asked again under the lock: another process may have loaded the same bytes meanwhile.
        repeats = repeated_files(connection, attempt.feed_id, {file.file_id: file.sha256 for file in files})
        fresh = [file for file in files if file.file_id not in repeats]
        fates = _classified(connection, feed, attempt, fresh)
        _write_accepted(connection, feed, attempt, fates)
        duplicates = _write_duplicates(connection, attempt, fates, [f for f in files if f.file_id in repeats], repeats)
        rejected = _write_rejected(connection, feed, attempt, fates, fresh, home)
        _write_files(connection, files, repeats)
        counts = BatchCounts(
            attempt.reference,
            feed.feed,
            "success",
            received=sum(file.lines.len() for file in files),
            accepted=fates.accepted,
            duplicate=duplicates,
            rejected=rejected,
            changed=fates.replaced.height,
        )
        connection.execute(sa.update(feed_table).where(feed_table.c.id == attempt.feed_id).values(contract=contract))
        succeed(connection, attempt, counts, actor=actor)
    return counts


def _classified(connection: sa.Connection, feed: Feed, attempt: Attempt, files: Sequence[ReadFile]) -> Classified:
    columns = [*feed.kind.field_names, KEY, FILE, LINE]
    frames = [file.records.select(columns) for file in files if not file.records.is_empty()]
    nothing = pl.DataFrame(schema={name: pl.String for name in columns})
    if not frames:
        empty = pl.DataFrame(schema={FILE: pl.Int64, LINE: pl.Int64})
        return Classified(nothing, nothing, empty, empty, empty, 0)
    records = pl.concat(frames)
    return classify(records, _known(connection, feed, attempt.feed_id, records), feed.kind, feed.repeats)


def _known(connection: sa.Connection, feed: Feed, feed_id: int, records: pl.DataFrame) -> pl.DataFrame:
    """Return what the table holds under the keys of `records`."""
    table = accepted_tables[feed.records]
    nothing = records.clear()
    if not feed.record_key:
        return nothing  # file and line: nothing can be known of them
    if connection.scalar(sa.select(sa.literal(1)).where(sa.exists().where(table.c.feed_id == feed_id))) is None:
        return nothing
    keys = records.select(pl.col(KEY).unique())
    wanted = [table.c[name] for name in (*feed.kind.field_names, KEY, FILE, "line")]
    with staged(connection, table, keys) as stage:
        same = (table.c.feed_id == feed_id) & (table.c.record_key == stage.c.record_key)
        found = read_frame(connection, sa.select(*wanted).select_from(stage.join(table, same)))
    return found.rename({"line": LINE}).select(records.columns).cast(dict(records.schema))  # type: ignore[arg-type]


def _write_accepted(connection: sa.Connection, feed: Feed, attempt: Attempt, fates: Classified) -> None:
    table = accepted_tables[feed.records]
    provenance = [pl.lit(attempt.feed_id).alias("feed_id"), pl.lit(attempt.batch_id).alias("batch_id")]
    insert_frame(connection, table, fates.new.rename({LINE: "line"}).with_columns(provenance))
    upsert_frame(
        connection,
        table,
        fates.changed.rename({LINE: "line"}).with_columns(provenance),
        key=["feed_id", KEY],
        touch=["batch_id", FILE, "line"],
    )
    replaced = fates.replaced.rename({LINE: "line"}).with_columns(
        pl.lit(attempt.batch_id).alias("batch_id"), pl.lit(feed.records).alias("records")
    )
    insert_frame(connection, changed_record, replaced)


def _write_duplicates(
    connection: sa.Connection,
    attempt: Attempt,
    fates: Classified,
    repeating: Sequence[ReadFile],
    repeats: dict[int, int],
) -> int:
    written = _duplicates(connection, attempt, fates.duplicates, _REASON_SAME_RECORD)
    for file in repeating:
        lines = pl.DataFrame({LINE: file.lines}).with_columns(
            pl.lit(file.file_id, pl.Int64).alias(FILE),
            pl.lit(repeats[file.file_id], pl.Int64).alias("of_file_id"),
            pl.col(LINE).alias("of_line"),
        )
        written += _duplicates(connection, attempt, lines, _REASON_SAME_FILE)
    return written


def _duplicates(connection: sa.Connection, attempt: Attempt, frame: pl.DataFrame, reason: str) -> int:
    rows = frame.rename({LINE: "line"}).with_columns(
        pl.lit(attempt.batch_id).alias("batch_id"), pl.lit(reason).alias("reason")
    )
    return insert_frame(connection, duplicate_record, rows)


def _write_rejected(
    connection: sa.Connection,
    feed: Feed,
    attempt: Attempt,
    fates: Classified,
    files: Sequence[ReadFile],
    home: Path,
) -> int:
    shape = ["file_id", LINE, "reasons", "received"]
    frames = [
        file.rejected.with_columns(pl.lit(file.file_id, pl.Int64).alias(FILE)).select(shape)
        for file in files
        if not file.rejected.is_empty()
    ]
    if not fates.refused.is_empty():
        frames.append(_refused(connection, feed, fates.refused, files, home).select(shape))
    if not frames:
        return 0
    rows = pl.concat(frames).rename({LINE: "line"}).with_columns(pl.lit(attempt.batch_id).alias("batch_id"))
    return insert_frame(connection, rejected_record, rows)


def _refused(
    connection: sa.Connection, feed: Feed, refused: pl.DataFrame, files: Sequence[ReadFile], home: Path
) -> pl.DataFrame:
    """Return the rows whose key another record holds, with the reason and the texts they came with."""
    of_files = refused["of_file_id"].unique().to_list()
    paths = read_frame(
        connection,
        sa.select(batch_file.c.id.label("of_file_id"), batch_file.c.path).where(batch_file.c.id.in_(of_files)),
    )
    texts = pl.concat(
        received_texts(file.received_as, home, lines[LINE]).with_columns(pl.lit(file.file_id, pl.Int64).alias(FILE))
        for file in files
        if not (lines := refused.filter(pl.col(FILE) == file.file_id)).is_empty()
    )
    keys = pl.concat(file.records.select(FILE, LINE, KEY) for file in files if not file.records.is_empty())
    named = ", ".join(feed.record_key)
    sentence = pl.format(
        "the record {} was accepted before with other content (line {} of {}), and this feed says repeats: reject;"
        " the first one holds",
        pl.col("value"),
        pl.col("of_line"),
        pl.col("path"),
    )
    return (
        refused.join(texts, on=[FILE, LINE])
        .join(keys, on=[FILE, LINE])
        .join(paths, on="of_file_id")
        .with_columns(pl.col(KEY).str.replace_all(SEPARATOR, " / ", literal=True).alias("value"))
        .with_columns(reasons(named, pl.col("value"), "repeats", sentence))
    )


def reasons(column: str, value: pl.Expr, rule: str, sentence: pl.Expr) -> pl.Expr:
    """Return the column `reasons`: JSON text, a list of one reason."""
    reason = pl.struct(
        pl.lit(column).alias("column"), value.alias("value"), pl.lit(rule).alias("rule"), sentence.alias("sentence")
    )
    return pl.format("[{}]", reason.struct.json_encode()).alias("reasons")


def _write_files(connection: sa.Connection, files: Sequence[ReadFile], repeats: dict[int, int]) -> None:
    rows = [
        {
            "b_id": file.file_id,
            "sha256": file.sha256,
            "archived_as": file.archived_as,
            "received_as": file.received_as,
            "repeats_file_id": repeats.get(file.file_id),
            "rows_received": file.lines.len(),
            "found": file.found,
        }
        for file in files
    ]
    if rows:
        connection.execute(sa.update(batch_file).where(batch_file.c.id == sa.bindparam("b_id")), rows)
