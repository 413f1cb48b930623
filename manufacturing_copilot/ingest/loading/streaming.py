"""Loading a batch in pieces: while one piece is sent to the database, the next are read and checked.

A plant's history comes as files of millions of rows: neither the time nor the memory of a file in one piece is
needed. One transaction all the same, and what it leaves is what `load` and `settle` leave of the batch as a whole, row
for row. A batch that does not fit (an odd file, one whose records newer files may overtake) is left to those.

The unit tripwire asks for medians over the whole batch. Its pieces are settled as if it would stop nothing, which is
nearly always so; where it does stop rows, the transaction is rolled back and the batch is settled without them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import sqlalchemy as sa

from manufacturing_copilot.ingest.file_contract import FileContract
from manufacturing_copilot.ingest.ledger.attempts import Attempt, BatchCounts, load_lock, succeed
from manufacturing_copilot.ingest.loading.archive import Kept
from manufacturing_copilot.ingest.loading.classify import Classified, classify
from manufacturing_copilot.ingest.loading.commit import (
    index_batch,
    is_late,
    known_records,
    write_accepted,
    write_duplicates,
    write_rejected,
)
from manufacturing_copilot.ingest.loading.duplicate_files import repeated_files, shift_of, write_repeats
from manufacturing_copilot.ingest.loading.key_conflicts import refused_rows
from manufacturing_copilot.ingest.loading.parts import FileEnd, Keys, Making, Piece, RepeatedRows, Stops, Undecided
from manufacturing_copilot.ingest.loading.prefetch import Ahead
from manufacturing_copilot.ingest.loading.reprocess import KnownFile
from manufacturing_copilot.ingest.reading.pieces import NotInPieces
from manufacturing_copilot.ingest.received import LINE
from manufacturing_copilot.ingest.record_keys import FILE, KEY
from manufacturing_copilot.ingest.validation.unit_guard import Jumps, UnitWatch, free_of_guard, watch_units
from manufacturing_copilot.ingest.validation.volume_guard import hold_unusual_volume
from manufacturing_copilot.site import Feed, Site
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.locks import lock_until_commit
from manufacturing_copilot.store.tables import BatchStatus, batch, batch_file
from manufacturing_copilot.store.tables import feed as feed_table

WORTH_BYTES = 8 << 20
"""Batches with less than this in a file are as fast as a whole."""

_ITEMS_ROWS = 2_000_000
"""Values under watch are looked at in parts of about so many."""

Parts = Iterator[Piece | RepeatedRows | FileEnd]


def load_in_pieces(
    store: Store,
    site: Site,
    feed: Feed,
    attempt: Attempt,
    kept: Sequence[tuple[KnownFile, Kept]],
    repeats: Mapping[int, int],
    contract: FileContract,
    *,
    home: Path,
    actor: str,
) -> BatchCounts | None:
    """Load a batch in pieces; None, and nothing written, where that is not for this way.

    `repeats`: files that repeat another → which. Raises BatchError where the batch cannot be read without guessing, a
    guard holds it, or another run has taken it over.
    """
    if max((file.size for _, file in kept), default=0) < WORTH_BYTES:
        return None
    try:
        with store.read() as connection:
            late = _is_late(connection, feed, attempt)
            history = _has_history(connection, attempt.feed_id)
    except NotInPieces:
        return None
    loading = _Loading(store, feed, attempt, kept, repeats, contract, home, actor, late)
    making = Making(site, feed, attempt.reference, home, repeats, history)
    try:
        while True:
            try:
                return loading.in_transaction(making)
            except _UnitsJumped as jumped:
                stopped = loading.stopped(making, jumped.jumps)
                making = replace(making, stops=Stops(jumped.jumps, stopped), keys=Keys())
            except Undecided:
                if making.patient:
                    raise
                making = replace(making, patient=True, keys=Keys())
    except NotInPieces:
        return None


class _UnitsJumped(Exception):  # noqa: N818  (no error: the transaction is to be made again)
    """The unit tripwire may stop rows that were settled already."""

    def __init__(self, jumps: Jumps) -> None:
        """Name the items that jumped."""
        super().__init__()
        self.jumps = jumps


def _is_late(connection: sa.Connection, feed: Feed, attempt: Attempt) -> bool:
    """Say whether newer files are loaded: then none of the batch's keys may be known.

    Raises NotInPieces where whole files of other batches turn into copies of the batch's.
    """
    late = is_late(connection, feed, attempt)
    if late and shift_of(connection, attempt.feed_id, attempt.batch_id, comes=True).becomes:
        raise NotInPieces
    return late


def _has_history(connection: sa.Connection, feed_id: int) -> bool:
    loaded = (batch.c.feed_id == feed_id) & batch.c.status.in_((BatchStatus.SUCCESS, BatchStatus.WITHDRAWN))
    return bool(connection.scalar(sa.select(sa.exists().where(loaded))))


@dataclass(frozen=True)
class _Loading:
    """One batch on its way into the database."""

    store: Store
    feed: Feed
    attempt: Attempt
    kept: Sequence[tuple[KnownFile, Kept]]
    repeats: Mapping[int, int]
    contract: FileContract
    home: Path
    actor: str
    late: bool

    @property
    def own(self) -> list[int]:
        """The numbers of the batch's files."""
        return [known.file_id for known, _ in self.kept]

    def in_transaction(self, making: Making) -> BatchCounts:
        """Settle every piece, in one transaction.

        Raises NotInPieces, and leaves nothing, where the batch turns out not to be for this way.
        """
        with ExitStack() as context:
            coming = context.enter_context(Ahead(making.of_files(self.kept, self.contract)))
            connection = context.enter_context(self.store.write())
            lock_until_commit(connection, load_lock(self.feed.feed))
            self._ask_again(connection, making.history)
            watch = None
            if making.history and making.stops is None:
                watch = watch_units(connection, self.feed, self.attempt.feed_id)
            values = None if watch is None else context.enter_context(_Values(watch, self.home))
            counts = _settle(connection, self, coming, making.history, values)
            if values is not None and watch is not None and (jumps := watch.jumps(values.by_items())).found:
                raise _UnitsJumped(jumps)
        return counts

    def stopped(self, making: Making, jumps: Jumps) -> pl.DataFrame:
        """Return `file_id` and `_line` of the rows that the unit tripwire stops, as the table stands before them."""
        places = [pl.DataFrame(schema={FILE: pl.Int64, LINE: pl.Int64})]
        with Ahead(making.of_files(self.kept, self.contract)) as coming, self.store.read() as connection:
            for part in coming:
                if isinstance(part, Piece):
                    stopped = jumps.stopped(part.records)
                    stopped = free_of_guard(connection, self.feed, self.attempt.feed_id, part.records, stopped)
                    places.append(stopped.select(FILE, LINE))
        return pl.concat(places)

    def _ask_again(self, connection: sa.Connection, history: bool) -> None:
        # Under the lock: another process may have loaded a batch of the feed meanwhile.
        hashes = {known.file_id: file.sha256 for known, file in self.kept}
        now = repeated_files(connection, self.attempt.feed_id, hashes)
        if _is_late(connection, self.feed, self.attempt) != self.late or now != self.repeats:
            raise NotInPieces
        if not history and _has_history(connection, self.attempt.feed_id):
            raise NotInPieces


def _settle(
    connection: sa.Connection, loading: _Loading, coming: Parts, history: bool, values: _Values | None
) -> BatchCounts:
    feed, attempt, contract = loading.feed, loading.attempt, loading.contract
    met = _Met()
    for part in coming:
        if isinstance(part, FileEnd):
            contract = part.contract
            _write_file(connection, part, loading.repeats.get(part.file_id))
        elif isinstance(part, RepeatedRows):
            met.received += part.lines.len()
            met.duplicate += write_repeats(connection, attempt.batch_id, part.file_id, part.lines, part.of_file_id)
        else:
            if values is not None:
                values.add(part.records)
            _settle_piece(connection, loading, part, history, met)
    hold_unusual_volume(connection, feed, attempt, met.received)
    counts = BatchCounts(
        attempt.reference,
        feed.feed,
        BatchStatus.SUCCESS,
        met.received,
        met.accepted,
        met.duplicate,
        met.rejected,
        met.changed,
    )
    index_batch(connection, feed)
    connection.execute(
        sa.update(feed_table).where(feed_table.c.id == attempt.feed_id).values(contract=contract.to_json())
    )
    succeed(connection, attempt, counts, actor=loading.actor)
    return counts


@dataclass
class _Met:
    """How many rows met which fate so far."""

    received: int = 0
    accepted: int = 0
    duplicate: int = 0
    rejected: int = 0
    changed: int = 0


def _settle_piece(connection: sa.Connection, loading: _Loading, piece: Piece, history: bool, met: _Met) -> None:
    feed, attempt = loading.feed, loading.attempt
    alone, fates = _told_apart(connection, loading, piece, history)
    new = fates.new if alone.is_empty() else pl.concat([alone, fates.new])
    write_accepted(connection, feed, attempt, replace(fates, new=new))
    refused = None
    if not fates.refused.is_empty():
        keys = piece.records.select(FILE, LINE, KEY)
        refused = refused_rows(
            connection, feed, fates.refused.join(keys, on=[FILE, LINE]), loading.home, texts=piece.texts
        )
    met.received += piece.received
    met.accepted += alone.height + fates.accepted
    met.duplicate += write_duplicates(connection, attempt, fates)
    met.rejected += write_rejected(connection, attempt, [(piece.file_id, piece.rejected)], refused)
    met.changed += fates.replaced.height


def _told_apart(
    connection: sa.Connection, loading: _Loading, piece: Piece, history: bool
) -> tuple[pl.DataFrame, Classified]:
    """Return the records whose keys nobody can have had before, and the fates of the others.

    Raises NotInPieces where a newer file may hold a key.
    """
    feed, attempt, records = loading.feed, loading.attempt, piece.records
    if not feed.record_key:
        return records, classify(records.clear(), records.clear(), feed.kind, feed.repeats)
    alone, contested = records.clear(), records
    if not history and piece.again is not None:
        alone, contested = (
            (records, records.clear())
            if not piece.again.any()
            else (
                records.filter(~piece.again),
                records.filter(piece.again),
            )
        )
    known = contested if contested.is_empty() else known_records(connection, feed, attempt.feed_id, contested)
    if loading.late and not known.filter(~pl.col(FILE).is_in(loading.own)).is_empty():
        raise NotInPieces
    return alone, classify(contested, known, feed.kind, feed.repeats)


def _write_file(connection: sa.Connection, end: FileEnd, repeats: int | None) -> None:
    values = {
        "received_as": end.received_as,
        "rows_received": end.rows,
        "found": end.found.to_json(),
        "repeats_file_id": repeats,
    }
    connection.execute(sa.update(batch_file).where(batch_file.c.id == end.file_id).values(values))


@dataclass
class _Values:
    """The values of a batch that are under watch, kept aside on disk until all are there."""

    watch: UnitWatch
    home: Path
    rows: int = 0
    _context: ExitStack = field(default_factory=ExitStack)
    _writer: pq.ParquetWriter | None = None

    def __enter__(self) -> _Values:
        """Open a file that has no name, so that it goes however this ends."""
        self._file = self._context.enter_context(tempfile.TemporaryFile(dir=self.home))
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of it."""
        if self._writer is not None:
            self._writer.close()
        self._context.close()

    def add(self, records: pl.DataFrame) -> None:
        """Keep the values of some records."""
        if records.is_empty():
            return
        values = records.select(self.watch.columns).to_arrow(compat_level=pl.CompatLevel.oldest())
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._file, values.schema, compression="zstd", write_statistics=False)
        self._writer.write_table(values)
        self.rows += records.height

    def by_items(self) -> Iterator[pl.DataFrame]:
        """Give all values, those of one item in one part."""
        if self._writer is None:
            return
        self._writer.close()
        self._writer = None
        kept, parts = pq.ParquetFile(self._file), 1 + self.rows // _ITEMS_ROWS
        for part in range(parts):
            groups = (pl.DataFrame(kept.read_row_group(number)) for number in range(kept.num_row_groups))
            of_part = pl.col(self.watch.columns[0]).hash() % parts == part
            yield pl.concat(rows.filter(of_part) for rows in groups)
