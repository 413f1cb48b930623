"""How a batch is loaded: a value chosen before its transaction begins, from its files and what is loaded already.

Where only running shows that another plan is needed, the pipeline rolls back and returns that plan.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.ingest.discovery.file_order import first_place, last_place
from manufacturing_copilot.ingest.loading.context import LoadContext
from manufacturing_copilot.ingest.loading.duplicate_files import repeated_files, shift_of
from manufacturing_copilot.ingest.loading.reprocess import mended_texts
from manufacturing_copilot.ingest.validation.unit_guard import Jumps
from manufacturing_copilot.store.tables import BatchStatus, batch, batch_file


class Reading(StrEnum):
    """How the files of a batch are read."""

    WHOLE = "whole"
    """All of them into memory: the batch is one part."""
    STREAMING = "streaming"
    """Part by part; how values are read is decided on the way."""
    TWO_PASSES = "two passes"
    """Part by part, each file twice: first for how its values are read, then for the values."""


class Insertion(StrEnum):
    """Where the records of a batch go among those that are loaded."""

    AFTER_ALL = "after all files"
    AFTER_ALL_IF_NEW = "after all files, as long as none of them holds one of the keys"
    """Newer files are loaded, but where they say nothing of the same records the order makes no difference."""
    BEFORE_NEWER = "before newer files"
    """What all records under the batch's keys come to is classified again."""


@dataclass(frozen=True)
class Standing:
    """How a batch stands to what is loaded of its feed.

    `repeats`: its files that repeat another → which. `late`: files are loaded that are newer than one of its own and
    may come to something else by it. `copied`: whole files of other batches become copies of its own. `history`: the
    feed has, or once had, loaded batches. `mended`: a person has mended rows of it.
    """

    repeats: Mapping[int, int]
    late: bool
    copied: bool
    history: bool
    mended: bool


@dataclass(frozen=True)
class Plan:
    """How a batch is loaded. `jumps`: the items that the unit tripwire stops, where the whole batch has shown them.

    `shared`: the keys (`file_id`, `record_key`) that several rows of a file have, where its parts have shown them.
    """

    standing: Standing
    reading: Reading
    insertion: Insertion
    jumps: Jumps | None = None
    shared: pl.DataFrame | None = None

    def __str__(self) -> str:
        """Return it in words, for the log."""
        stopping = "" if self.jumps is None else ", without the rows that the unit tripwire stops"
        settling = "" if self.shared is None else f", settling {self.shared.height} keys that several rows have"
        return f"{self.reading}, {self.insertion}{stopping}{settling}"

    def read_as(self, reading: Reading) -> Plan:
        """Return the plan for the same batch when its files have to be read another way."""
        if reading is Reading.WHOLE:
            return whole(self.standing)
        return replace(self, reading=reading)


def whole(standing: Standing) -> Plan:
    """Return the plan that holds for every batch: read as a whole."""
    return Plan(standing, Reading.WHOLE, Insertion.BEFORE_NEWER if standing.late else Insertion.AFTER_ALL)


def choose_plan(context: LoadContext, standing: Standing) -> Plan:
    """Return how to load a batch: part by part where it is large and nothing speaks against it, else as a whole."""
    small = max((file.original.size for file in context.files), default=-1) < context.settings.stream_from_bytes
    if small or standing.mended or standing.copied:
        return whole(standing)
    insertion = Insertion.AFTER_ALL_IF_NEW if standing.late else Insertion.AFTER_ALL
    return Plan(standing, Reading.STREAMING, insertion)


def standing_of(connection: sa.Connection, context: LoadContext) -> Standing:
    """Return how a batch stands to what is loaded now."""
    attempt = context.attempt
    hashes = {file.known.file_id: file.original.sha256 for file in context.files}
    newer = _newer_files(connection, context)
    copied = newer and bool(shift_of(connection, attempt.feed_id, attempt.batch_id, comes=True).becomes)
    loaded = (batch.c.feed_id == attempt.feed_id) & batch.c.status.in_((BatchStatus.SUCCESS, BatchStatus.WITHDRAWN))
    return Standing(
        repeats=repeated_files(connection, attempt.feed_id, hashes),
        late=newer and (bool(context.feed.record_key) or copied),  # without a key only whole files can be changed
        copied=copied,
        history=bool(connection.scalar(sa.select(sa.exists().where(loaded)))),
        mended=not mended_texts(connection, hashes).is_empty(),
    )


def _newer_files(connection: sa.Connection, context: LoadContext) -> bool:
    attempt = context.attempt
    others = (
        (batch.c.id == batch_file.c.batch_id)
        & (batch.c.status == BatchStatus.SUCCESS)
        & (batch.c.id != attempt.batch_id)
    )
    newest = last_place(connection, attempt.feed_id, sa.exists().where(others))
    first = first_place(connection, attempt.batch_id)
    return newest is not None and first is not None and newest >= first
