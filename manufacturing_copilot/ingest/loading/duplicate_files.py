"""Files that are, byte for byte, an older file of their feed: which are, and which are no longer or newly so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.ingest.discovery.file_order import AFTER_ALL, IN_ORDER, Place, moments
from manufacturing_copilot.ingest.loading.archive import kept_lines
from manufacturing_copilot.ingest.loading.fates import of_one_batch, write_added, write_repeated_file
from manufacturing_copilot.ingest.loading.reclassify import Moves, keys_of_files, settle_again
from manufacturing_copilot.ingest.loading.reprocess import KnownFile, Rereading, known_files
from manufacturing_copilot.ingest.received import LINE
from manufacturing_copilot.ingest.record_keys import FILE, KEY
from manufacturing_copilot.store import insert_frame
from manufacturing_copilot.store.tables import BatchStatus, Fate, batch, batch_file, duplicate_record, rejected_record


@dataclass(frozen=True)
class Shift:
    """Files of loaded batches whose fate as a whole changes: number → number of the file they repeat then, or None."""

    becomes: dict[int, int | None] = field(default_factory=dict)
    was: dict[int, int | None] = field(default_factory=dict)

    @property
    def to_repeats(self) -> set[int]:
        """The files that were read for themselves and repeat another then."""
        return {file_id for file_id, of in self.becomes.items() if of is not None and self.was[file_id] is None}

    @property
    def to_fresh(self) -> set[int]:
        """The files that repeated another and count for themselves then."""
        return {file_id for file_id, of in self.becomes.items() if of is None}


def repeated_files(connection: sa.Connection, feed_id: int, hashes: dict[int, str]) -> dict[int, int]:
    """Return which files repeat which: the number of a file → that of the oldest file with the same bytes.

    `hashes`: the SHA-256 of each file of a batch that is not loaded, by its number; a number that no batch has is that
    of a file newer than all. Files of loaded batches count, and these.
    """
    loaded = connection.execute(
        sa.select(batch_file.c.sha256, *IN_ORDER)
        .join(batch, batch.c.id == batch_file.c.batch_id)
        .where(
            batch_file.c.feed_id == feed_id,
            batch.c.status == BatchStatus.SUCCESS,
            batch_file.c.repeats_file_id.is_(None),
            batch_file.c.sha256.in_(set(hashes.values())),
        )
    )
    placed = moments(connection, pl.Series(list(hashes), dtype=pl.Int64)).select("file_id", "order_ns")
    moment: dict[int, int] = dict(placed.rows())
    places = [(sha256, (moment.get(file_id, AFTER_ALL), file_id)) for file_id, sha256 in hashes.items()]
    first: dict[str, Place] = {}
    for sha256, place in [*((row.sha256, (row.order_ns, row.id)) for row in loaded), *places]:
        first[sha256] = min(place, first.get(sha256, place))
    return {file_id: first[sha256][1] for file_id, sha256 in hashes.items() if first[sha256][1] != file_id}


def shift_of(connection: sa.Connection, feed_id: int, batch_id: int, *, comes: bool) -> Shift:
    """Return what becomes of other batches' files when this batch comes or leaves: the oldest of a kind counts."""
    own = sa.select(batch_file.c.sha256).where(batch_file.c.batch_id == batch_id)
    counts = (batch.c.status == BatchStatus.SUCCESS) & (batch.c.id != batch_id)
    if comes:
        counts = counts | (batch.c.id == batch_id)
    rows = connection.execute(
        sa.select(batch_file.c.id, batch_file.c.batch_id, batch_file.c.sha256, batch_file.c.repeats_file_id)
        .join(batch, batch.c.id == batch_file.c.batch_id)
        .where(batch_file.c.feed_id == feed_id, batch_file.c.sha256.in_(own), counts)
        .order_by(*IN_ORDER)
    ).all()
    shift = Shift()
    first: dict[str, int] = {}
    for row in rows:
        of = None if (one := first.setdefault(row.sha256, row.id)) == row.id else one
        if row.batch_id != batch_id and of != row.repeats_file_id:
            shift.becomes[row.id], shift.was[row.id] = of, row.repeats_file_id
    return shift


def settle_files(
    connection: sa.Connection,
    again: Rereading,
    feed_id: int,
    shift: Shift,
    *,
    without: Collection[int] = (),
    adding: pl.DataFrame | None = None,
) -> Moves:
    """Settle what the records of these files come to, and of files that leave or records that come besides.

    `without`: files of a batch that leaves; what the ledger of their rows holds is gone already, their records are
    not. `adding`: records of a batch that comes. Returns what moved, as `chains.settle_again` does.
    """
    moves: Moves = Counter()
    files = known_files(connection, shift.becomes)
    repeating, fresh = shift.to_repeats, shift.to_fresh
    for file_id in sorted(fresh | repeating):
        moves.subtract(_forget_rows(connection, files[file_id]))
    gone = {*without, *repeating}
    keys = [keys_of_files(connection, again, feed_id, gone)] if gone else []
    adds = [] if adding is None else [adding]
    for file_id in sorted(fresh):
        read, _ = again.whole(connection, files[file_id])
        rejected = read.rejected.rename({LINE: "line"}).with_columns(**_of(files[file_id]))
        moves[files[file_id].batch_id, Fate.REJECTED] += insert_frame(connection, rejected_record, rejected)
        batch_id = files[file_id].batch_id
        moves[batch_id, Fate.DUPLICATE] += write_added(connection, read.added, of_one_batch(batch_id))
        adds.append(read.records)
    columns = [*again.feed.kind.field_names, KEY, FILE, LINE]
    coming = pl.concat([frame.select(columns) for frame in adds]) if adds else None
    if coming is not None:
        keys.append(coming.select(KEY))
    if keys:
        moves.update(settle_again(connection, again, feed_id, pl.concat(keys), without=gone, adding=coming))
    for file_id, of in shift.becomes.items():
        connection.execute(sa.update(batch_file).where(batch_file.c.id == file_id).values(repeats_file_id=of))
        if of is None:
            continue
        if file_id in repeating:
            file = files[file_id]
            written = write_repeated_file(
                connection, file.batch_id, file_id, kept_lines(file.received_as or "", again.home), of
            )
            moves[file.batch_id, Fate.DUPLICATE] += written
        else:
            ours = duplicate_record.c.file_id == file_id
            connection.execute(sa.update(duplicate_record).where(ours).values(of_file_id=of))
    return moves


def _forget_rows(connection: sa.Connection, file: KnownFile) -> Moves:
    """Take the duplicates and rejected rows of a file off the ledger; return how many they were."""
    gone: Moves = Counter()
    for table, fate in ((duplicate_record, Fate.DUPLICATE), (rejected_record, Fate.REJECTED)):
        ours = (table.c.batch_id == file.batch_id) & (table.c.file_id == file.file_id)
        gone[file.batch_id, fate] += connection.execute(sa.delete(table).where(ours)).rowcount
    return gone


def _of(file: KnownFile) -> dict[str, pl.Expr]:
    return {"batch_id": pl.lit(file.batch_id, pl.Int64), "file_id": pl.lit(file.file_id, pl.Int64)}
