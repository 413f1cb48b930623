"""Streaming the files of a batch: one bounded part after the other, so that memory does not grow with a file.

A plant's history comes as files of millions of rows. What only a whole file answers (the order of its dates, its
decimal mark) is decided on the way. Where that fails, each file is read twice: for how its values are read, and for
the values.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import polars as pl

from manufacturing_copilot.errors import BatchError, UnreadableFilesError
from manufacturing_copilot.ingest.file_contract import FileContract, FileFindings, ValueFormats
from manufacturing_copilot.ingest.loading.archive import ReceivedWriter, original_stream
from manufacturing_copilot.ingest.loading.context import BatchFile, LoadContext
from manufacturing_copilot.ingest.loading.parts import (
    FileEnd,
    Part,
    RepeatedRows,
    kept_texts,
    lines_of,
    part_of,
    texts_in,
    validate,
)
from manufacturing_copilot.ingest.loading.plan import Plan, Reading
from manufacturing_copilot.ingest.loading.reprocess import (
    KnownFile,
    Records,
    setting_of,
    with_names,
    with_one_record_each,
)
from manufacturing_copilot.ingest.reading.pieces import PieceReader
from manufacturing_copilot.ingest.record_keys import FILE, KEY
from manufacturing_copilot.ingest.validation.check import check_under, look_at
from manufacturing_copilot.ingest.validation.drift import held_to_contract
from manufacturing_copilot.ingest.validation.evidence import Decided, Evidence
from manufacturing_copilot.site.feeds import Repeats, SameKey


def streamed_parts(context: LoadContext, plan: Plan) -> Iterator[Part | Reading]:
    """Give the files of a batch part by part; a Reading ends them, where the batch has to be read that way instead.

    Raises UnreadableFilesError where a file cannot be read without guessing.
    """
    keys, contract = Keys(), context.contract
    for file in context.files:
        of_file_id = plan.standing.repeats.get(file.known.file_id)
        parts = (
            _file_parts(context, file, contract, plan, keys)
            if of_file_id is None
            else _repeated_parts(context, file, contract, of_file_id)
        )
        for part in _named(parts, file):
            yield part
            if isinstance(part, Reading):
                return
            for end in part.ends:
                contract = end.contract


def _named(parts: Iterator[Part | Reading], file: BatchFile) -> Iterator[Part | Reading]:
    """Give the parts; what stops them is said of their file."""
    try:
        yield from parts
    except BatchError as error:
        raise UnreadableFilesError({file.known.file_id: str(error)}) from None


def _pieces(context: LoadContext, source: BinaryIO, name: str, contract: FileContract) -> PieceReader:
    feed = context.feed
    return PieceReader(source, name, feed.format, contract, context.settings.part_bytes, feed.bounds.limits)


def _file_parts(
    context: LoadContext, file: BatchFile, contract: FileContract, plan: Plan, keys: Keys
) -> Iterator[Part | Reading]:
    known, feed = file.known, context.feed
    decisions = _Decisions(known.name)
    if plan.reading is Reading.TWO_PASSES:
        decided_before = _decided_over_all(context, file, contract)
        if decided_before is None:
            yield Reading.WHOLE
            return
    quotable = plan.jumps is not None or feed.repeats is Repeats.REJECT
    first_records = bool(feed.record_key) and not plan.standing.history  # then earlier keys are those of the batch
    watched = Keys() if plan.shared is None and plan.jumps is None and feed.within_a_file is not SameKey.LAST else None
    shared = None if plan.shared is None else plan.shared.filter(pl.col(FILE) == known.file_id).select(KEY)
    apart: list[Records] = []
    setting = setting_of(context.site, known)
    rows, found, after = 0, FileFindings(), contract
    with (
        original_stream(file.original.archived_as, context.home) as source,
        ReceivedWriter(context.home, context.attempt.reference, known.file_id) as writer,
    ):
        reader = _pieces(context, source, known.name, contract)
        for piece in reader:
            received = held_to_contract(piece, feed, known.name)
            writer.write(received)
            look = look_at(received, feed, file_name=known.name)
            decided: Decided | None = (
                decided_before
                if plan.reading is Reading.TWO_PASSES
                else decisions.with_more(look.evidence, contract.values)
            )
            if decided is None:
                yield Reading.TWO_PASSES
                return
            checked = check_under(received, feed, look, decided, setting)
            validate(checked.records, feed)
            found, after = checked.found.counted_with(found), checked.contract
            height = received.rows.height + received.bad_lines.height
            rows += height
            named = with_names(checked, received.rows, feed, known.file_id)
            if shared is not None:
                named, taken = _without_shared(named, shared)
                apart.append(taken)
                height -= taken.records.height
            part = part_of(named, feed, known.file_id, height)
            met_before = keys.met_before(part.records[KEY]) if first_records else None
            met_in_file = None if watched is None else met_before
            if watched is not None and (met_before is None or len(context.files) > 1):
                met_in_file = watched.met_before(part.records[KEY])
            yield replace(
                part,
                met_before=met_before,
                met_in_file=met_in_file,
                texts=texts_in(received.rows, known.file_id) if quotable else None,
            )
        if not rows or not reader.plain:  # what a file without a row means is told of the whole file
            yield Reading.WHOLE
            return
        received_as = writer.close()
    if apart:
        settled, part = _settled(context, known, apart, received_as)
        found = replace(found, summed=settled.found.summed)
        yield replace(part, met_before=keys.met_before(part.records[KEY]) if first_records else None)
    of_reading = reader.found  # what only the whole file says
    found = replace(
        found, encoding=of_reading.encoding, header_line=of_reading.header_line, left_out=of_reading.left_out
    )
    yield Part(ends=(FileEnd(known.file_id, received_as, rows, found, replace(after, reading=reader.reading)),))


def _without_shared(rows: Records, shared: pl.DataFrame) -> tuple[Records, Records]:
    """Return the rows without the records of keys that several rows of the file have, and those records."""
    of_others = rows.records.join(shared, on=KEY, how="anti", maintain_order="left")
    taken = rows.records.join(shared, on=KEY, how="semi", maintain_order="left")
    return replace(rows, records=of_others), replace(rows, records=taken, rejected=rows.rejected.clear())


def _settled(context: LoadContext, file: KnownFile, apart: list[Records], received_as: str) -> tuple[Records, Part]:
    """Settle the records of a file whose keys several of its rows have, now that all its rows are known."""
    records = pl.concat([rows.records for rows in apart])
    kept = pl.scan_parquet(context.home / received_as)
    rows = with_one_record_each(replace(apart[-1], records=records), kept, context.feed, file.name)
    part = part_of(rows, context.feed, file.file_id, records.height)
    return rows, replace(part, texts=partial(kept_texts, context, {file.file_id: received_as}))


def _repeated_parts(
    context: LoadContext, file: BatchFile, contract: FileContract, of_file_id: int
) -> Iterator[Part | Reading]:
    file_id, rows = file.known.file_id, 0
    with (
        original_stream(file.original.archived_as, context.home) as source,
        ReceivedWriter(context.home, context.attempt.reference, file_id) as writer,
    ):
        reader = _pieces(context, source, file.known.name, contract)
        for piece in reader:
            received = held_to_contract(piece, context.feed, file.known.name)
            writer.write(received)
            lines = lines_of(received)
            rows += lines.len()
            yield Part(lines.len(), repeated=(RepeatedRows(file_id, of_file_id, lines),))
        if not rows or not reader.plain:
            yield Reading.WHOLE
            return
        received_as = writer.close()
    yield Part(ends=(FileEnd(file_id, received_as, rows, reader.found, contract),))


def _decided_over_all(context: LoadContext, file: BatchFile, contract: FileContract) -> Decided | None:
    """Return what all values of a file decide, None where it is not plain.

    Raises BatchError where that would be guessing.
    """
    name, evidence = file.known.name, None
    with original_stream(file.original.archived_as, context.home) as source:
        reader = _pieces(context, source, name, contract)
        for piece in reader:
            look = look_at(held_to_contract(piece, context.feed, name), context.feed, file_name=name)
            evidence = look.evidence if evidence is None else evidence.with_more(look.evidence)
    return evidence.decide(contract.values, name) if evidence is not None and reader.plain else None


class _Decisions:
    """How the values of a file are read, as far as its parts have shown; later parts may not show otherwise."""

    def __init__(self, file_name: str) -> None:
        self._file_name = file_name
        self._evidence: Evidence | None = None
        self._used: dict[tuple[str, str], Any] = {}

    def with_more(self, evidence: Evidence, earlier: ValueFormats) -> Decided | None:
        """Return what is decided with the evidence of one more part.

        None where that is open or differs from what earlier parts were read under.
        """
        self._evidence = evidence if self._evidence is None else self._evidence.with_more(evidence)
        try:
            decided = self._evidence.decide(earlier, self._file_name)
        except BatchError:
            return None  # perhaps the whole file decides it; if not, it says so
        uses: dict[tuple[str, str], Any] = {}
        for place, mark in evidence.marks:
            if mark.point or mark.comma or mark.either:
                uses["mark", place.field] = decided.marks.get(place.field)
        for dates, order in evidence.orders:
            if order.not_iso:
                uses["order", dates.field] = decided.orders.get(dates.field)
            if order.zoned:
                uses["moment", dates.field] = dates.field in decided.moments
        for name in evidence.flags:
            uses["by x", name] = name in decided.marked_by_x
        if any(self._used.setdefault(use, word) != word for use, word in uses.items()):
            return None
        # What was decided before and not met repeated must still stand: it is what earlier parts were read under.
        for (what, name), word in self._used.items():
            now = {
                "mark": decided.marks.get(name),
                "order": decided.orders.get(name),
                "moment": name in decided.moments,
                "by x": name in decided.marked_by_x,
            }[what]
            if now != word:
                return None
        return decided


class Keys:
    """The keys met so far, as hashes, 8 bytes each: sorted runs, of which each is less than half of the one before."""

    def __init__(self) -> None:
        """Begin with none."""
        self._runs: list[npt.NDArray[np.uint64]] = []

    def met_before(self, keys: pl.Series) -> pl.Series:
        """Return which of the keys may have been met before, or more than once here; and remember all of them.

        Two keys of one hash are taken for one: that costs a look into the table, no more.
        """
        hashes = keys.hash()
        ordered = hashes.sort().to_numpy()
        repeated = np.zeros(len(ordered), dtype=bool)
        repeated[1:] = ordered[1:] == ordered[:-1]
        for run in self._runs:
            at = np.searchsorted(run, ordered)
            at[at == len(run)] = 0
            repeated |= run[at] == ordered
        if len(ordered):
            self._keep(ordered)
        if not repeated.any():
            return pl.repeat(False, len(keys), dtype=pl.Boolean, eager=True)
        return hashes.is_in(pl.Series(np.unique(ordered[repeated])).implode())

    def _keep(self, run: npt.NDArray[np.uint64]) -> None:
        while self._runs and len(self._runs[-1]) < 2 * len(run):
            run = np.concatenate([self._runs.pop(), run])
            run.sort(kind="stable")  # two sorted runs: a merge
        self._runs.append(run)
