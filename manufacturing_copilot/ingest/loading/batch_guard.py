"""The unit tripwire over a batch that may come in parts: its medians are those of the whole batch."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import sqlalchemy as sa

from manufacturing_copilot.ingest.loading.context import LoadContext
from manufacturing_copilot.ingest.loading.parts import Part, without_stopped
from manufacturing_copilot.ingest.loading.plan import Plan, Reading
from manufacturing_copilot.ingest.validation.unit_guard import Jumps, UnitWatch, free_of_guard, watch_units


class BatchGuard:
    """Takes the rows that the unit tripwire stops out of the parts of one batch.

    A batch that is one part is held against the feed's history at once. The values of several parts are collected:
    `jumps` tells at the end which items have jumped, and the batch is loaded again by a plan that knows them.
    """

    def __init__(self, context: LoadContext, plan: Plan) -> None:
        """Prepare; it begins with the context."""
        self._load, self._plan, self._stack = context, plan, ExitStack()
        self._watch: UnitWatch | None = None
        self._values: _WatchedValues | None = None
        self._before: sa.Connection | None = None

    def __enter__(self) -> BatchGuard:
        """Look up what the batch is held against; the caller holds the feed's load lock."""
        load, plan = self._load, self._plan
        if plan.jumps is not None:
            self._before = self._stack.enter_context(load.store.read())  # does not see what this load writes
        elif plan.standing.history:
            with load.store.read() as connection:
                self._watch = watch_units(connection, load.feed, load.attempt.feed_id)
            if self._watch is not None and plan.reading is not Reading.WHOLE:
                values = _WatchedValues(self._watch, load.home, load.settings.rows_watched_at_once)
                self._values = self._stack.enter_context(values)
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of what was collected."""
        self._stack.close()

    def passed(self, connection: sa.Connection, part: Part) -> Part:
        """Return the part with the rows that are stopped among the rejected ones."""
        if self._values is not None:
            self._values.add(part.records)
            return part
        jumps = self._plan.jumps
        if part.records.is_empty() or (jumps is None and self._watch is None):
            return part
        if jumps is None and self._watch is not None:
            jumps = self._watch.jumps([part.records])
        assert jumps is not None
        before = connection if self._before is None else self._before
        load, stopped = self._load, jumps.stopped(part.records)
        return without_stopped(part, free_of_guard(before, load.feed, load.attempt.feed_id, part.records, stopped))

    def jumps(self) -> Jumps | None:
        """Return the items that only the whole batch shows to have jumped, None where there are none."""
        jumps = None if self._values is None else self._values.jumps()
        return jumps if jumps is not None and jumps.found else None


@dataclass
class _WatchedValues:
    """Collects values in an unnamed file below `home`, which goes however the load ends."""

    watch: UnitWatch
    home: Path
    rows_at_once: int
    _rows: int = 0
    _context: ExitStack = field(default_factory=ExitStack)
    _writer: pq.ParquetWriter | None = None

    def __enter__(self) -> _WatchedValues:
        """Open the file."""
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
        self._rows += records.height

    def jumps(self) -> Jumps:
        """Return which items have jumped, by all values that were added; none can be added any more."""
        return self.watch.jumps(self._by_items())

    def _by_items(self) -> Iterator[pl.DataFrame]:
        """Give all values, about `rows_at_once` at a time, those of one item together."""
        if self._writer is None:
            return
        self._writer.close()
        self._writer = None
        kept, parts = pq.ParquetFile(self._file), 1 + self._rows // self.rows_at_once
        for part in range(parts):
            groups = (pl.DataFrame(kept.read_row_group(number)) for number in range(kept.num_row_groups))
            of_part = pl.col(self.watch.columns[0]).hash() % parts == part
            yield pl.concat(rows.filter(of_part) for rows in groups)
