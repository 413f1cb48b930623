"""Making the pieces of a batch: read, kept as received, checked and named, one bounded part of a file after the other.

What only a whole file answers (the order of its dates, its decimal mark) is decided on the way, or, where that fails,
by reading the file twice: once for what its values say, once for the values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.ingest.file_contract import FileContract, FileFindings, ValueFormats
from manufacturing_copilot.ingest.loading.archive import Kept, ReceivedWriter, in_json, original_stream
from manufacturing_copilot.ingest.loading.reprocess import REJECTED, KnownFile, day_written, with_names
from manufacturing_copilot.ingest.reading.pieces import NotInPieces, PieceReader
from manufacturing_copilot.ingest.received import LINE, Received
from manufacturing_copilot.ingest.record_keys import FILE, KEY
from manufacturing_copilot.ingest.validation.check import check_under, hold_the_door, look_at
from manufacturing_copilot.ingest.validation.drift import held_to_contract
from manufacturing_copilot.ingest.validation.evidence import Decided, Evidence
from manufacturing_copilot.ingest.validation.unit_guard import Jumps
from manufacturing_copilot.site import Feed, Site
from manufacturing_copilot.site.feeds import Repeats


class Undecided(NotInPieces):
    """The pieces so far do not say how the file is to be read, or its later ones say otherwise."""


@dataclass(frozen=True)
class Piece:
    """Rows of a file, checked.

    `records`: what passed, with `record_key`, `file_id` and `_line`. `again`: which of their keys may stand in an
    earlier row of the batch, or more than once here (None: it was not asked). `rejected`: what did not pass.
    `texts`: the rows as received, where sentences may have to quote them.
    """

    file_id: int
    received: int
    records: pl.DataFrame
    again: pl.Series | None
    rejected: pl.DataFrame
    texts: pl.DataFrame | None


@dataclass(frozen=True)
class RepeatedRows:
    """Rows of a file that repeats another, byte for byte: their lines are all that counts."""

    file_id: int
    of_file_id: int
    lines: pl.Series


@dataclass(frozen=True)
class FileEnd:
    """What is known of a file once all its pieces were given; `contract` is what holds for the next file."""

    file_id: int
    received_as: str
    rows: int
    found: FileFindings
    contract: FileContract


@dataclass(frozen=True)
class Stops:
    """Rows that the unit tripwire stops: the items that jumped, and which of their rows pass all the same."""

    jumps: Jumps
    stopped: pl.DataFrame

    def of(self, records: pl.DataFrame) -> pl.DataFrame:
        """Return the rows among `records` that are stopped, with their reasons."""
        return self.jumps.stopped(records).join(self.stopped, on=[FILE, LINE], how="semi", maintain_order="left")


@dataclass
class Making:
    """Makes the pieces of a batch's files, in order.

    `repeats`: files that repeat another. `history`: whether the feed has records already, which every key is then
    looked up among. `patient`: read each file for what its values say before reading it for them.
    """

    site: Site
    feed: Feed
    reference: str
    home: Path
    repeats: Mapping[int, int]
    history: bool
    patient: bool = False
    stops: Stops | None = None
    keys: Keys = field(default_factory=lambda: Keys())

    def of_files(
        self, kept: Sequence[tuple[KnownFile, Kept]], contract: FileContract
    ) -> Iterator[Piece | RepeatedRows | FileEnd]:
        """Give the pieces of the files, and after each file its end."""
        for file, original in kept:
            of = self.repeats.get(file.file_id)
            making = (
                self._of_file(file, original, contract) if of is None else self._of_repeat(file, original, contract, of)
            )
            for part in making:
                yield part
                if isinstance(part, FileEnd):
                    contract = part.contract

    def _of_file(self, file: KnownFile, original: Kept, contract: FileContract) -> Iterator[Piece | FileEnd]:
        decided = self._decided_over_all(file, original, contract) if self.patient else None
        under = _Decisions(file.name)
        rows = 0
        found, after = FileFindings(), contract
        with (
            original_stream(original.archived_as, self.home) as source,
            ReceivedWriter(self.home, self.reference, file.file_id) as writer,
        ):
            reader = PieceReader(source, file.name, self.feed.format, contract)
            for part in self._held(reader, file):
                writer.write(part)
                look = look_at(part, self.feed, file_name=file.name)
                checked = check_under(
                    part,
                    self.feed,
                    look,
                    decided if decided is not None else under.with_more(look.evidence, contract.values),
                    file_name=file.name,
                    written_on=day_written(self.site, file),
                )
                hold_the_door(checked.records, self.feed.kind)
                found, after = checked.found.counted_with(found), checked.contract
                named = with_names(checked, part.rows, self.feed, file.file_id)
                received = part.rows.height + part.bad_lines.height
                rows += received
                yield self._piece(file.file_id, received, named.records, named.rejected, part.rows)
            received_as = writer.close()
        of_reading = reader.found  # what only the whole file says
        found = replace(
            found, encoding=of_reading.encoding, header_line=of_reading.header_line, left_out=of_reading.left_out
        )
        yield FileEnd(file.file_id, received_as, rows, found, replace(after, reading=reader.reading))

    def _of_repeat(
        self, file: KnownFile, original: Kept, contract: FileContract, of: int
    ) -> Iterator[RepeatedRows | FileEnd]:
        rows = 0
        with (
            original_stream(original.archived_as, self.home) as source,
            ReceivedWriter(self.home, self.reference, file.file_id) as writer,
        ):
            reader = PieceReader(source, file.name, self.feed.format, contract)
            for part in self._held(reader, file):
                writer.write(part)
                lines = pl.concat([part.rows[LINE], part.bad_lines[LINE]])
                rows += lines.len()
                yield RepeatedRows(file.file_id, of, lines)
            received_as = writer.close()
        yield FileEnd(file.file_id, received_as, rows, reader.found, contract)

    def _held(self, reader: PieceReader, file: KnownFile) -> Iterator[Received]:
        empty = True
        for part in reader:
            empty = False
            yield held_to_contract(part, self.feed, file.name)
        if empty:
            raise NotInPieces  # not one row: what that means is told of the whole file

    def _decided_over_all(self, file: KnownFile, original: Kept, contract: FileContract) -> Decided:
        """Return what is decided by all values of a file; raises BatchError where that would be guessing."""
        evidence: Evidence | None = None
        with original_stream(original.archived_as, self.home) as source:
            reader = PieceReader(source, file.name, self.feed.format, contract)
            for part in self._held(reader, file):
                look = look_at(part, self.feed, file_name=file.name)
                evidence = look.evidence if evidence is None else evidence.with_more(look.evidence)
        assert evidence is not None, "a file in pieces has one"
        return evidence.decide(contract.values, file.name)

    def _piece(
        self, file_id: int, received: int, records: pl.DataFrame, rejected: pl.DataFrame, texts: pl.DataFrame
    ) -> Piece:
        records = records.select(*self.feed.kind.field_names, KEY, FILE, LINE)
        if self.stops is not None and not (stopped := self.stops.of(records)).is_empty():
            records, rejected = without_stopped(records, rejected, stopped, texts)
        quoted = texts if self.feed.repeats is Repeats.REJECT else None
        again = None if self.history or not self.feed.record_key else self.keys.seen(records[KEY])
        return Piece(file_id, received, records, again, rejected, quoted)


def without_stopped(
    records: pl.DataFrame, rejected: pl.DataFrame, stopped: pl.DataFrame, texts: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the records without the stopped ones, and the rejected rows with them; `texts` are rows as received."""
    received = in_json(texts.join(stopped.select(LINE), on=LINE, how="semi"))
    more = stopped.join(received, on=LINE).select(list(REJECTED)).cast(dict(rejected.schema))  # type: ignore[arg-type]
    left = records.join(stopped, on=LINE, how="anti", maintain_order="left")
    return left, pl.concat([rejected, more]).sort(LINE)


class _Decisions:
    """How the values of a file are read, as far as its pieces have told; later pieces may not say otherwise."""

    def __init__(self, file_name: str) -> None:
        self._file_name = file_name
        self._evidence: Evidence | None = None
        self._used: dict[tuple[str, str], Any] = {}

    def with_more(self, evidence: Evidence, earlier: ValueFormats) -> Decided:
        """Return what is decided with the evidence of one more piece.

        Raises Undecided where that is open or differs from what earlier pieces were read under.
        """
        self._evidence = evidence if self._evidence is None else self._evidence.with_more(evidence)
        try:
            decided = self._evidence.decide(earlier, self._file_name)
        except BatchError:
            raise Undecided from None  # perhaps the whole file decides it; if not, it says so
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
            raise Undecided
        # What was decided before and not met again must still stand: it is what earlier pieces were read under.
        for (what, name), word in self._used.items():
            now = {"mark": decided.marks.get(name), "order": decided.orders.get(name)}.get(
                what, name in decided.marked_by_x
            )
            if now != word:
                raise Undecided
        return decided


class Keys:
    """The keys seen so far, as hashes, 8 bytes each: sorted runs, of which each is less than half of the one before."""

    def __init__(self) -> None:
        """Begin with none."""
        self._runs: list[npt.NDArray[np.uint64]] = []

    def seen(self, keys: pl.Series) -> pl.Series:
        """Return which of the keys may have been seen before, or more than once here; and keep all in mind.

        Two keys of one hash are taken for one: that costs a look into the table, no more.
        """
        hashes = keys.hash()
        ordered = hashes.sort().to_numpy()
        again = np.zeros(len(ordered), dtype=bool)
        again[1:] = ordered[1:] == ordered[:-1]
        for run in self._runs:
            at = np.searchsorted(run, ordered)
            at[at == len(run)] = 0
            again |= run[at] == ordered
        if len(ordered):
            self._keep(ordered)
        if not again.any():
            return pl.repeat(False, len(keys), dtype=pl.Boolean, eager=True)
        return hashes.is_in(pl.Series(np.unique(ordered[again])).implode())

    def _keep(self, run: npt.NDArray[np.uint64]) -> None:
        while self._runs and len(self._runs[-1]) < 2 * len(run):
            run = np.concatenate([self._runs.pop(), run])
            run.sort(kind="stable")  # two sorted runs: a merge
        self._runs.append(run)
