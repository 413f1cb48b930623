"""Settling a batch: one transaction that writes every row's fate, the counts and the status, or nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.ingest.discovery.file_order import first_place, last_place
from manufacturing_copilot.ingest.file_contract import FileContract, FileFindings
from manufacturing_copilot.ingest.ledger.attempts import Attempt, BatchCounts, load_lock, succeed
from manufacturing_copilot.ingest.loading.archive import received_texts
from manufacturing_copilot.ingest.loading.classify import Classified, classify
from manufacturing_copilot.ingest.loading.duplicate_files import repeated_files, settle_files, shift_of, write_repeats
from manufacturing_copilot.ingest.loading.key_conflicts import refused_rows
from manufacturing_copilot.ingest.loading.reclassify import SAME_RECORD, Moves, apply_moves
from manufacturing_copilot.ingest.loading.reprocess import REJECTED, Rereading
from manufacturing_copilot.ingest.received import LINE
from manufacturing_copilot.ingest.record_keys import FILE, KEY
from manufacturing_copilot.ingest.validation.unit_guard import UnitWatch, jumps_under
from manufacturing_copilot.ingest.validation.volume_guard import hold_unusual_volume
from manufacturing_copilot.site import Feed, Site
from manufacturing_copilot.store import (
    Store,
    index_new_rows,
    insert_frame,
    prefer_indexes,
    read_frame,
    staged,
    upsert_frame,
)
from manufacturing_copilot.store.locks import lock_until_commit
from manufacturing_copilot.store.tables import (
    BatchStatus,
    Fate,
    batch,
    batch_file,
    changed_record,
    duplicate_record,
    rejected_record,
)
from manufacturing_copilot.store.tables import accepted as accepted_tables
from manufacturing_copilot.store.tables import feed as feed_table


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
    found: FileFindings = field(default_factory=FileFindings)


def settle(
    store: Store,
    site: Site,
    feed: Feed,
    attempt: Attempt,
    files: Sequence[ReadFile],
    contract: FileContract,
    *,
    watch: UnitWatch | None,
    home: Path,
    actor: str,
) -> BatchCounts:
    """Write the fates of every row of the batch and its success, in one transaction; return the counts.

    `watch`: what the rows are held against, as `watch_units` gave it under the feed's load lock.

    Where newer files of the feed are loaded already, those of the batch take their places before them.
    Raises BatchError where another run has taken the batch over; nothing is written then.
    """
    with store.write() as connection:
        lock_until_commit(connection, load_lock(feed.feed))
        # Asked again under the lock: another process may have loaded the same bytes meanwhile.
        repeats = repeated_files(connection, attempt.feed_id, {file.file_id: file.sha256 for file in files})
        files = _guarded(connection, feed, attempt, files, repeats, watch, home)
        _write_files(connection, files, repeats)
        if is_late(connection, feed, attempt):
            fates = _settle_before_others(connection, Rereading(site, feed, home), attempt, files, repeats, actor)
        else:
            fates = _settle_last(connection, feed, attempt, files, repeats, home)
        counts = BatchCounts(
            attempt.reference,
            feed.feed,
            BatchStatus.SUCCESS,
            received=sum(file.lines.len() for file in files),
            accepted=fates[attempt.batch_id, Fate.ACCEPTED],
            duplicate=fates[attempt.batch_id, Fate.DUPLICATE],
            rejected=fates[attempt.batch_id, Fate.REJECTED],
            changed=fates[attempt.batch_id, "changed"],
        )
        index_batch(connection, feed)
        connection.execute(
            sa.update(feed_table).where(feed_table.c.id == attempt.feed_id).values(contract=contract.to_json())
        )
        succeed(connection, attempt, counts, actor=actor)
    return counts


def _guarded(
    connection: sa.Connection,
    feed: Feed,
    attempt: Attempt,
    files: Sequence[ReadFile],
    repeats: dict[int, int],
    watch: UnitWatch | None,
    home: Path,
) -> list[ReadFile]:
    """Return the files with the rows that a guard stops among the rejected ones.

    Raises BatchError where the whole batch is held.
    """
    hold_unusual_volume(connection, feed, attempt, sum(file.lines.len() for file in files))
    columns = [*feed.kind.field_names, KEY, FILE, LINE]
    fresh = [file.records.select(columns) for file in files if file.file_id not in repeats and file.records.height]
    stopped = jumps_under(watch, connection, feed, attempt.feed_id, pl.concat(fresh)) if fresh else pl.DataFrame()
    if stopped.is_empty():
        return list(files)
    by_file = {int(file_id): part for (file_id,), part in stopped.partition_by(FILE, as_dict=True).items()}
    return [_without_stopped(file, by_file[file.file_id], home) if file.file_id in by_file else file for file in files]


def _without_stopped(file: ReadFile, stopped: pl.DataFrame, home: Path) -> ReadFile:
    texts = received_texts(file.received_as, home, stopped[LINE])
    rejected = stopped.join(texts, on=LINE).select(list(REJECTED)).cast(dict(file.rejected.schema))  # type: ignore[arg-type]
    return replace(
        file,
        records=file.records.join(stopped, on=LINE, how="anti", maintain_order="left"),
        rejected=pl.concat([file.rejected, rejected]).sort(LINE),
    )


def is_late(connection: sa.Connection, feed: Feed, attempt: Attempt) -> bool:
    """Say whether the batch may change what loaded files of its feed came to, as some are newer than one of its own.

    Without a key only whole files can: those that are copies of the batch's.
    """
    others = (
        (batch.c.id == batch_file.c.batch_id)
        & (batch.c.status == BatchStatus.SUCCESS)
        & (batch.c.id != attempt.batch_id)
    )
    newest = last_place(connection, attempt.feed_id, sa.exists().where(others))
    first = first_place(connection, attempt.batch_id)
    if newest is None or first is None or newest < first:
        return False
    return bool(feed.record_key) or bool(shift_of(connection, attempt.feed_id, attempt.batch_id, comes=True).becomes)


def _settle_before_others(
    connection: sa.Connection,
    again: Rereading,
    attempt: Attempt,
    files: Sequence[ReadFile],
    repeats: dict[int, int],
    actor: str,
) -> Moves:
    fresh = [file for file in files if file.file_id not in repeats]
    shift = shift_of(connection, attempt.feed_id, attempt.batch_id, comes=True)
    records = [file.records for file in fresh if not file.records.is_empty()]
    adding = pl.concat(records) if records else None
    moves = settle_files(connection, again, attempt.feed_id, shift, adding=adding)
    moves[attempt.batch_id, Fate.DUPLICATE] += _write_repeats(connection, attempt, files, repeats)
    moves[attempt.batch_id, Fate.REJECTED] += write_rejected(connection, attempt, _rejected_of(fresh), None)
    why = f"batch {attempt.reference}, which has older files, was loaded"
    apply_moves(connection, moves, why=why, actor=actor, apart=attempt.batch_id)
    return moves


def _settle_last(
    connection: sa.Connection,
    feed: Feed,
    attempt: Attempt,
    files: Sequence[ReadFile],
    repeats: dict[int, int],
    home: Path,
) -> Moves:
    fresh = [file for file in files if file.file_id not in repeats]
    fates = _classified(connection, feed, attempt, fresh)
    write_accepted(connection, feed, attempt, fates)
    refused = None
    if not fates.refused.is_empty():
        keys = pl.concat(file.records.select(FILE, LINE, KEY) for file in fresh if not file.records.is_empty())
        refused = refused_rows(connection, feed, fates.refused.join(keys, on=[FILE, LINE]), home)
    return Counter(
        {
            (attempt.batch_id, Fate.ACCEPTED): fates.accepted,
            (attempt.batch_id, Fate.DUPLICATE): write_duplicates(connection, attempt, fates)
            + _write_repeats(connection, attempt, files, repeats),
            (attempt.batch_id, Fate.REJECTED): write_rejected(connection, attempt, _rejected_of(fresh), refused),
            (attempt.batch_id, "changed"): fates.replaced.height,
        }
    )


def _classified(connection: sa.Connection, feed: Feed, attempt: Attempt, files: Sequence[ReadFile]) -> Classified:
    columns = [*feed.kind.field_names, KEY, FILE, LINE]
    frames = [file.records.select(columns) for file in files if not file.records.is_empty()]
    nothing = pl.DataFrame(schema={name: pl.String for name in columns})
    if not frames:
        empty = pl.DataFrame(schema={FILE: pl.Int64, LINE: pl.Int64})
        return Classified(nothing, nothing, empty, empty, empty, 0)
    records = pl.concat(frames)
    return classify(records, known_records(connection, feed, attempt.feed_id, records), feed.kind, feed.repeats)


def known_records(connection: sa.Connection, feed: Feed, feed_id: int, records: pl.DataFrame) -> pl.DataFrame:
    """Return what the table holds under the keys of `records`."""
    table = accepted_tables[feed.records]
    nothing = records.clear()
    if not feed.record_key:
        return nothing  # file and line: nothing can be known of them
    if connection.scalar(sa.select(sa.literal(1)).where(sa.exists().where(table.c.feed_id == feed_id))) is None:
        return nothing
    keys = records.select(pl.col(KEY).unique().sort())  # neighbours lie on the same pages
    wanted = [table.c[name] for name in (*feed.kind.field_names, KEY, FILE, "line")]
    with staged(connection, table, keys) as stage, prefer_indexes(connection):
        same = (table.c.feed_id == feed_id) & (table.c.record_key == stage.c.record_key)
        found = read_frame(connection, sa.select(*wanted).select_from(stage.join(table, same)))
    return found.rename({"line": LINE}).select(records.columns).cast(dict(records.schema))  # type: ignore[arg-type]


def index_batch(connection: sa.Connection, feed: Feed) -> None:
    """Let the rows of a batch that was just written be found by its number."""
    index_new_rows(connection, accepted_tables[feed.records], changed_record, duplicate_record, rejected_record)


def write_accepted(connection: sa.Connection, feed: Feed, attempt: Attempt, fates: Classified) -> None:
    """Write the records that hold their keys now, and what they replaced."""
    table = accepted_tables[feed.records]
    provenance = [pl.lit(attempt.feed_id).alias("feed_id"), pl.lit(attempt.batch_id).alias("batch_id")]
    insert_frame(connection, table, fates.new.rename({LINE: "line"}).with_columns(provenance))
    # Where a batch changes a record and changes it back, only the provenance differs: it is content here.
    upsert_frame(connection, table, fates.changed.rename({LINE: "line"}).with_columns(provenance), key=["feed_id", KEY])
    replaced = fates.replaced.rename({LINE: "line"}).with_columns(
        pl.lit(attempt.batch_id).alias("batch_id"), pl.lit(feed.records).alias("records")
    )
    insert_frame(connection, changed_record, replaced)


def write_duplicates(connection: sa.Connection, attempt: Attempt, fates: Classified) -> int:
    """Write the records that repeat another; return how many."""
    rows = fates.duplicates.rename({LINE: "line"}).with_columns(
        pl.lit(attempt.batch_id).alias("batch_id"), pl.lit(SAME_RECORD).alias("reason")
    )
    return insert_frame(connection, duplicate_record, rows)


def _write_repeats(
    connection: sa.Connection, attempt: Attempt, files: Sequence[ReadFile], repeats: dict[int, int]
) -> int:
    return sum(
        write_repeats(connection, attempt.batch_id, file.file_id, file.lines, repeats[file.file_id])
        for file in files
        if file.file_id in repeats
    )


def _rejected_of(files: Sequence[ReadFile]) -> list[tuple[int, pl.DataFrame]]:
    return [(file.file_id, file.rejected) for file in files]


def write_rejected(
    connection: sa.Connection,
    attempt: Attempt,
    rejected: Sequence[tuple[int, pl.DataFrame]],
    refused: pl.DataFrame | None,
) -> int:
    """Write rejected rows, given by the number of their file, and refused ones; return how many."""
    shape = [FILE, LINE, "reasons", "received"]
    frames = [
        rows.with_columns(pl.lit(file_id, pl.Int64).alias(FILE)).select(shape)
        for file_id, rows in rejected
        if not rows.is_empty()
    ]
    if refused is not None:
        frames.append(refused.select(shape))
    if not frames:
        return 0
    rows = pl.concat(frames).rename({LINE: "line"}).with_columns(pl.lit(attempt.batch_id).alias("batch_id"))
    return insert_frame(connection, rejected_record, rows)


def _write_files(connection: sa.Connection, files: Sequence[ReadFile], repeats: dict[int, int]) -> None:
    rows = [
        {
            "b_id": file.file_id,
            "sha256": file.sha256,
            "archived_as": file.archived_as,
            "received_as": file.received_as,
            "repeats_file_id": repeats.get(file.file_id),
            "rows_received": file.lines.len(),
            "found": file.found.to_json(),
        }
        for file in files
    ]
    if rows:
        connection.execute(sa.update(batch_file).where(batch_file.c.id == sa.bindparam("b_id")), rows)
