"""The parts of a batch: rows that were read, kept as received, checked and keyed. A small batch is one part."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial

import polars as pl

from manufacturing_copilot.errors import BatchError, UnreadableFilesError
from manufacturing_copilot.ingest.file_contract import FileContract, FileFindings
from manufacturing_copilot.ingest.loading.archive import in_json, keep_received, original_bytes, received_texts
from manufacturing_copilot.ingest.loading.classify import Classified, classify
from manufacturing_copilot.ingest.loading.context import BatchFile, LoadContext
from manufacturing_copilot.ingest.loading.plan import Plan
from manufacturing_copilot.ingest.loading.reprocess import (
    REJECTED,
    KnownFile,
    Records,
    Rereading,
    records_of,
    with_one_record_each,
)
from manufacturing_copilot.ingest.reading import read_file
from manufacturing_copilot.ingest.received import LINE, Received
from manufacturing_copilot.ingest.record_keys import FILE, KEY
from manufacturing_copilot.ingest.validation.check import assert_schema
from manufacturing_copilot.ingest.validation.drift import held_to_contract
from manufacturing_copilot.ingest.validation.headers import columns_read
from manufacturing_copilot.ingest.validation.same_key import ADDED_ROWS, OF_LINE
from manufacturing_copilot.site import Feed

REJECTED_OF_FILES = pl.Schema({FILE: pl.Int64, **REJECTED})
"""Columns of rejected rows of several files."""

Texts = Callable[[pl.DataFrame], pl.DataFrame]
"""Gives rows, named by `file_id` and `_line`, as they were received: with `received` (JSON text)."""


@dataclass(frozen=True)
class RepeatedRows:
    """Rows of a file that repeats another, byte for byte: their lines are all that counts."""

    file_id: int
    of_file_id: int
    lines: pl.Series


@dataclass(frozen=True)
class FileEnd:
    """What is known of a file once all its rows were given; `contract` is what holds for the next file."""

    file_id: int
    received_as: str
    rows: int
    found: FileFindings
    contract: FileContract


@dataclass(frozen=True)
class Part:
    """Rows of a batch, checked.

    received = records + added + rejected + lines of `repeated`. `records`: the kind's fields, `record_key`, `file_id`
    and `_line`; no columns where there are none. `added`: ADDED_ROWS, rows that are part of one of the records.
    `rejected`: REJECTED_OF_FILES. `met_before`: which of the records' keys may stand in an earlier row of the batch, or
    more than once in this part (None: every key is looked up). `met_in_file`: the same of its file, where rows of one
    key are not settled yet. `ends`: the files that end with this part. `texts`: the rows as received, for sentences
    that quote them.
    """

    received: int = 0
    records: pl.DataFrame = field(default_factory=pl.DataFrame)
    rejected: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=REJECTED_OF_FILES))
    met_before: pl.Series | None = None
    met_in_file: pl.Series | None = None
    added: pl.DataFrame = field(default_factory=ADDED_ROWS.empty)
    repeated: tuple[RepeatedRows, ...] = ()
    ends: tuple[FileEnd, ...] = ()
    texts: Texts | None = None

    def received_texts(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return rows, named by `file_id` and `_line`, with `received` (JSON text)."""
        assert self.texts is not None, "a part whose rows may be quoted has their texts"
        return self.texts(rows)


def whole_part(context: LoadContext, plan: Plan) -> Iterator[Part]:
    """Give all files of a batch, one after the other, as one part.

    Raises UnreadableFilesError, naming all of them, where files cannot be read without guessing.
    """
    parts, contract, received_as = [], context.contract, {}
    problems: dict[int, str] = {}
    for file in context.files:
        try:
            part = _file_part(context, file, contract, plan)
        except BatchError as error:
            problems[file.known.file_id] = str(error)
            continue
        [end] = part.ends
        contract, received_as[end.file_id] = end.contract, end.received_as
        parts.append(part)
    if problems:
        raise UnreadableFilesError(problems)
    records = [part.records for part in parts if not part.records.is_empty()]
    joined = pl.concat(records) if records else pl.DataFrame()
    if records:
        validate(joined, context.feed)  # once: for a small file it costs more than all the rest
    yield Part(
        received=sum(part.received for part in parts),
        records=joined,
        rejected=pl.concat([Part().rejected, *(part.rejected for part in parts)]),
        added=pl.concat([Part().added, *(part.added for part in parts)]),
        repeated=tuple(rows for part in parts for rows in part.repeated),
        ends=tuple(end for part in parts for end in part.ends),
        texts=partial(kept_texts, context, received_as),
    )


def _file_part(context: LoadContext, file: BatchFile, contract: FileContract, plan: Plan) -> Part:
    feed, file_id = context.feed, file.known.file_id
    content = original_bytes(file.original.archived_as, context.home)
    received = read_received(content, file.known, feed, contract)
    received_as = keep_received(received, context.home, context.attempt.reference, file_id)
    lines = lines_of(received)
    if (of_file_id := plan.standing.repeats.get(file_id)) is not None:
        end = FileEnd(file_id, received_as, lines.len(), received.found, contract)
        return Part(lines.len(), repeated=(RepeatedRows(file_id, of_file_id, lines),), ends=(end,))
    rows = records_of(received, feed, context.site, file.known, against_schema=False)
    if plan.standing.mended:
        rows = _mended(context, file.known, received, rows)
    rows = with_one_record_each(rows, received.rows, feed, file.known.name)
    end = FileEnd(file_id, received_as, lines.len(), rows.found, rows.contract)
    return replace(part_of(rows, feed, file_id, lines.len()), ends=(end,))


def read_received(content: bytes, file: KnownFile, feed: Feed, contract: FileContract) -> Received:
    """Return the rows of a whole file with the columns that the feed lets in; raises BatchError as reading does."""
    limits = feed.bounds.limits
    received = read_file(content, file.name, feed.format, contract, limits, partial(columns_read, feed=feed))
    return held_to_contract(received, feed, file.name)


def part_of(rows: Records, feed: Feed, file_id: int, received: int) -> Part:
    """Return rows of one file as a part."""
    rejected = rows.rejected.select(pl.lit(file_id, pl.Int64).alias(FILE), *REJECTED)
    records = rows.records.select(*feed.kind.field_names, KEY, FILE, LINE)
    return Part(received, records, rejected, added=rows.added)


def validate(records: pl.DataFrame, feed: Feed) -> None:
    """Raise RuntimeError where a record breaks the schema of its kind: a defect of checking, no user's mistake."""
    assert_schema(records.select(*feed.kind.field_names, LINE), feed.kind)


def lines_of(received: Received) -> pl.Series:
    """Return `_line` of every row of a file, or of a part of it."""
    return pl.concat([received.rows[LINE], received.bad_lines[LINE]])


def texts_in(rows: pl.DataFrame, file_id: int) -> Texts:
    """Return the texts of rows of one file that are at hand as received."""

    def texts(wanted: pl.DataFrame) -> pl.DataFrame:
        quoted = in_json(rows.join(wanted.select(LINE), on=LINE, how="semi"))
        return quoted.with_columns(pl.lit(file_id, pl.Int64).alias(FILE))

    return texts


def contested_records(part: Part, feed: Feed) -> pl.DataFrame:
    """Return the records of a part that another may hold the key of."""
    if not feed.record_key:
        return part.records.clear()  # keys of file and line: nobody else can hold one
    if part.met_before is None:
        return part.records
    return part.records.filter(part.met_before) if part.met_before.any() else part.records.clear()


def classify_part(part: Part, known: pl.DataFrame, feed: Feed) -> Classified:
    """Return the fates of a part's records; `known`: what the table holds under the keys of the contested ones."""
    contested = contested_records(part, feed)
    fates = classify(contested, known, feed.kind, feed.repeats, feed.kept_where_blank)
    if contested.height == part.records.height:
        return fates
    free = part.records
    if not contested.is_empty():
        free = part.records.filter(~part.met_before)  # type: ignore[operator]
    new = free if fates.new.is_empty() else pl.concat([free, fates.new])
    return replace(fates, new=new, accepted=fates.accepted + free.height)


def without_stopped(part: Part, stopped: pl.DataFrame) -> Part:
    """Return the part with `stopped` rows (`file_id`, `_line`, `reasons`) among the rejected ones.

    Where a total is stopped, all rows that are part of it are.
    """
    if stopped.is_empty():
        return part
    left = part.added
    if not left.is_empty():
        of = [FILE, OF_LINE]
        totals = stopped.select(FILE, pl.col(LINE).alias(OF_LINE), "reasons")
        stopped = pl.concat([stopped, left.join(totals, on=of).select(stopped.columns)])
        left = left.join(totals, on=of, how="anti")
    rejected = stopped.join(part.received_texts(stopped), on=[FILE, LINE]).select(list(REJECTED_OF_FILES))
    return replace(
        part,
        records=part.records.join(stopped, on=[FILE, LINE], how="anti", maintain_order="left"),
        rejected=pl.concat([part.rejected, rejected.cast(REJECTED_OF_FILES)]).sort(FILE, LINE),
        added=left,
    )


def _mended(context: LoadContext, file: KnownFile, received: Received, rows: Records) -> Records:
    read_under = replace(file, decided=rows.contract.values, plain_numbers=received.found.plain_numbers or ())
    again = Rereading(context.site, context.feed, context.home)
    with context.store.read() as connection:
        return again.with_mends(connection, read_under, rows, rows.contract)


def kept_texts(context: LoadContext, received_as: dict[int, str], wanted: pl.DataFrame) -> pl.DataFrame:
    """Return rows as received from what was kept of their files."""
    by_file = wanted.partition_by(FILE, as_dict=True)
    return pl.concat(
        received_texts(received_as[int(file_id)], context.home, rows[LINE]).with_columns(
            pl.lit(file_id, pl.Int64).alias(FILE)
        )
        for (file_id,), rows in by_file.items()
    )
