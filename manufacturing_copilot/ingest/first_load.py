"""The first load of a feed, in pieces: while one piece is sent to the database, the next are read and checked.

A plant's history comes as files of millions of rows, and comes once. Nothing is known of the feed then, so rows need
no comparison with what is there, only with each other; and neither the time nor the memory of a file in one piece is
needed. A batch that does not fit (an odd file, a question that only the whole file answers, a feed with a history) is
left to `load` and `settle`, whose results these are, row for row.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.ingest.checking import check_under, hold_the_door, look_at
from manufacturing_copilot.ingest.classify import FILE, KEY, classify
from manufacturing_copilot.ingest.column_evidence import Decided, Evidence
from manufacturing_copilot.ingest.drift import held_to_contract
from manufacturing_copilot.ingest.keeping import Kept, ReceivedWriter, original_stream
from manufacturing_copilot.ingest.ledger import Attempt, BatchCounts, load_lock, succeed
from manufacturing_copilot.ingest.reading.pieces import NotInPieces, PieceReader
from manufacturing_copilot.ingest.received import LINE
from manufacturing_copilot.ingest.reread import KnownFile, day_written, with_names
from manufacturing_copilot.ingest.settle import known_records, write_accepted, write_duplicates, write_rejected
from manufacturing_copilot.site import Feed, Site
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.locks import lock_until_commit
from manufacturing_copilot.store.tables import batch, batch_file
from manufacturing_copilot.store.tables import feed as feed_table

WORTH_BYTES = 8 << 20
"""Batches with less than this in a file are as fast as a whole."""

_AHEAD = 2
_T = TypeVar("_T")


@dataclass(frozen=True)
class Piece:
    """Rows of a file, checked: `alone` have keys that no earlier row of the batch has, `contested` may not."""

    file_id: int
    received: int
    alone: pl.DataFrame
    contested: pl.DataFrame
    rejected: pl.DataFrame


@dataclass(frozen=True)
class FileEnd:
    """What is known of a file once all its pieces were given."""

    file_id: int
    received_as: str
    rows: int
    found: dict[str, Any]
    contract: dict[str, Any]


def load_in_pieces(
    store: Store,
    site: Site,
    feed: Feed,
    attempt: Attempt,
    kept: Sequence[tuple[KnownFile, Kept]],
    contract: dict[str, Any] | None,
    *,
    home: Path,
    actor: str,
) -> BatchCounts | None:
    """Load a batch of a feed that has no history; None, and nothing written, where that is not for this way.

    Raises BatchError where another run has taken the batch over.
    """
    hashes = {file.sha256 for _, file in kept}
    if len(hashes) < len(kept) or max((file.size for _, file in kept), default=0) < WORTH_BYTES:
        return None
    with store.read() as connection:
        if _has_history(connection, attempt.feed_id):
            return None
    making = _Pieces(site, feed, attempt.reference, home)
    try:
        with _Ahead(making.of_files(kept, contract)) as coming, store.write() as connection:
            lock_until_commit(connection, load_lock(feed.feed))
            if _has_history(connection, attempt.feed_id):
                return None
            return _settle(connection, feed, attempt, coming, actor)
    except NotInPieces:
        return None


def _has_history(connection: sa.Connection, feed_id: int) -> bool:
    loaded = (batch.c.feed_id == feed_id) & batch.c.status.in_(("success", "withdrawn"))
    return bool(connection.scalar(sa.select(sa.exists().where(loaded))))


def _settle(
    connection: sa.Connection,
    feed: Feed,
    attempt: Attempt,
    coming: Iterator[Piece | FileEnd],
    actor: str,
) -> BatchCounts:
    received = accepted = duplicate = rejected = changed = 0
    contract: dict[str, Any] = {}
    for part in coming:
        if isinstance(part, FileEnd):
            contract = part.contract
            _write_file(connection, part)
            continue
        known = part.contested.clear()
        if not part.contested.is_empty():
            known = known_records(connection, feed, attempt.feed_id, part.contested)
        fates = classify(part.contested, known, feed.kind, feed.repeats)
        if not fates.refused.is_empty():
            raise NotInPieces  # what they say is told from the kept file, which is not whole yet
        new = fates.new if part.alone.is_empty() else pl.concat([part.alone, fates.new])
        write_accepted(connection, feed, attempt, replace(fates, new=new))
        received += part.received
        accepted += part.alone.height + fates.accepted
        duplicate += write_duplicates(connection, attempt, fates)
        rejected += write_rejected(connection, attempt, [(part.file_id, part.rejected)], None)
        changed += fates.replaced.height
    counts = BatchCounts(attempt.reference, feed.feed, "success", received, accepted, duplicate, rejected, changed)
    connection.execute(sa.update(feed_table).where(feed_table.c.id == attempt.feed_id).values(contract=contract))
    succeed(connection, attempt, counts, actor=actor)
    return counts


def _write_file(connection: sa.Connection, end: FileEnd) -> None:
    values = {"received_as": end.received_as, "rows_received": end.rows, "found": end.found, "repeats_file_id": None}
    connection.execute(sa.update(batch_file).where(batch_file.c.id == end.file_id).values(values))


@dataclass
class _Pieces:
    """Makes the pieces of a batch's files, in order."""

    site: Site
    feed: Feed
    reference: str
    home: Path
    keys: _Keys = field(default_factory=lambda: _Keys())

    def of_files(
        self, kept: Sequence[tuple[KnownFile, Kept]], contract: dict[str, Any] | None
    ) -> Iterator[Piece | FileEnd]:
        for file, original in kept:
            for part in self._of_file(file, original, contract):
                yield part
                if isinstance(part, FileEnd):
                    contract = part.contract

    def _of_file(self, file: KnownFile, original: Kept, contract: dict[str, Any] | None) -> Iterator[Piece | FileEnd]:
        under = _Decisions(file.name)
        rows = 0
        found: dict[str, Any] = {}
        with (
            original_stream(original.archived_as, self.home) as source,
            ReceivedWriter(self.home, self.reference, file.file_id) as writer,
        ):
            reader = PieceReader(source, file.name, self.feed.format, contract or {})
            for part in reader:
                part = held_to_contract(part, self.feed, contract, file.name)
                writer.write(part)
                look = look_at(part, self.feed, file_name=file.name, contract=contract)
                decided = under.with_more(look.evidence, look.before)
                checked = check_under(
                    part, self.feed, look, decided, file_name=file.name, written_on=day_written(self.site, file)
                )
                hold_the_door(checked.records, self.feed.kind)
                found = checked.found
                named = with_names(checked, part.rows, self.feed, file.file_id)
                rows += part.rows.height + part.bad_lines.height
                yield self._piece(file.file_id, part.rows.height + part.bad_lines.height, named.records, named.rejected)
            received_as = writer.close()
        whole = reader.found
        held = {**found["contract"], **whole["contract"]}
        facts = {key: value for key, value in {**whole, **found}.items() if key != "contract"}
        yield FileEnd(file.file_id, received_as, rows, facts, held)

    def _piece(self, file_id: int, received: int, records: pl.DataFrame, rejected: pl.DataFrame) -> Piece:
        records = records.select(*self.feed.kind.field_names, KEY, FILE, LINE)
        if not self.feed.record_key:
            return Piece(file_id, received, records, records.clear(), rejected)
        contested = self.keys.seen(records[KEY])
        if not contested.any():
            return Piece(file_id, received, records, records.clear(), rejected)
        return Piece(file_id, received, records.filter(~contested), records.filter(contested), rejected)


class _Decisions:
    """How the values of a file are read, as far as its pieces have told; later pieces may not say otherwise."""

    def __init__(self, file_name: str) -> None:
        self._file_name = file_name
        self._evidence: Evidence | None = None
        self._used: dict[tuple[str, str], Any] = {}

    def with_more(self, evidence: Evidence, before: dict[str, Any]) -> Decided:
        """Return what is decided with the evidence of one more piece.

        Raises NotInPieces where that is open or differs from what earlier pieces were read under.
        """
        self._evidence = evidence if self._evidence is None else self._evidence.with_more(evidence)
        try:
            decided = self._evidence.decide(before, self._file_name)
        except BatchError:
            raise NotInPieces from None  # perhaps the whole file decides it; if not, it says so
        uses: dict[tuple[str, str], Any] = {}
        for place, mark in evidence.marks:
            if mark.point or mark.comma or mark.either:
                uses["mark", place.field] = decided.marks.get(place.field)
        for dates, order in evidence.orders:
            if order.not_iso:
                uses["order", dates.field] = decided.orders.get(dates.field)
        for name in evidence.flags:
            uses["by x", name] = name in decided.marked_by_x
        if any(self._used.setdefault(use, word) != word for use, word in uses.items()):
            raise NotInPieces
        # What was decided before and not met again must still stand: it is what earlier pieces were read under.
        for (what, name), word in self._used.items():
            now = {"mark": decided.marks.get(name), "order": decided.orders.get(name)}.get(
                what, name in decided.marked_by_x
            )
            if now != word:
                raise NotInPieces
        return decided


class _Keys:
    """The keys seen so far, as sorted hashes: 8 bytes each."""

    def __init__(self) -> None:
        self._hashes: npt.NDArray[np.uint64] = np.empty(0, dtype=np.uint64)

    def seen(self, keys: pl.Series) -> pl.Series:
        """Return which of the keys may have been seen before, or more than once here; and keep all in mind.

        Two keys of one hash are taken for one: that costs a look into the table, no more.
        """
        hashes = keys.hash().to_numpy()
        order = np.argsort(hashes, kind="stable")
        ordered = hashes[order]
        again = np.zeros(len(ordered), dtype=bool)
        again[1:] = ordered[1:] == ordered[:-1]
        again[:-1] |= again[1:]
        if len(self._hashes):
            at = np.searchsorted(self._hashes, ordered)
            at[at == len(self._hashes)] = 0
            again |= self._hashes[at] == ordered
        self._hashes = np.concatenate([self._hashes, ordered])
        self._hashes.sort(kind="stable")  # two sorted runs: a merge
        contested = np.empty(len(again), dtype=bool)
        contested[order] = again
        return pl.Series(contested)


class _Ahead:
    """Runs an iterator in a thread of its own, a few steps ahead of whoever takes what it gives."""

    def __init__(self, source: Iterator[_T]) -> None:
        self._source = source
        self._ready: queue.Queue[tuple[str, Any]] = queue.Queue(_AHEAD)
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pieces", daemon=True)

    def __enter__(self) -> Iterator[Any]:
        self._thread.start()
        return self._taken()

    def __exit__(self, *_: object) -> None:
        self._left.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            for thing in self._source:
                if not self._put("next", thing):
                    return
            self._put("end", None)
        except BaseException as error:  # noqa: BLE001  (raised again where the pieces are taken)
            self._put("error", error)

    def _put(self, what: str, thing: Any) -> bool:
        while not self._left.is_set():
            try:
                self._ready.put((what, thing), timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def _taken(self) -> Iterator[Any]:
        while True:
            what, thing = self._ready.get()
            if what == "error":
                raise thing
            if what == "end":
                return
            yield thing
