"""What a fact is: a frame of subjects and values, the names its texts may use, and where its numbers came from."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.alerts.facts.names import ITEM_ABC, ITEM_CATEGORY, ITEM_NAME, ITEM_SKU, EvidenceName
from manufacturing_copilot.frame_schemas import Column, FrameSchema
from manufacturing_copilot.site import Site
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.tables import accepted, batch, batch_file, external_id, feed, item, supplier

LINES_SHOWN = 5
LINE_SCHEMA = pl.Schema(
    {
        "subject": pl.String(),
        "what": pl.String(),
        "file": pl.String(),
        "line": pl.Int64(),
        "batch": pl.String(),
    }
)
"""Columns of a trace: for each subject, the file lines that its numbers came from."""

ITEM_NAMES = (ITEM_SKU, ITEM_NAME, ITEM_CATEGORY, ITEM_ABC)


_EVERY_FACT = {
    "subject": Column(pl.String(), "what the fact is about, the same text every day"),
    "item_id": Column(pl.Int64(), "the item it is about, if it is about one", nullable=True),
    "value": Column(pl.Float64(), "grows with the trouble"),
}


@dataclass(frozen=True)
class Question:
    """What is asked: how things stand at this site at the end of `as_of`; `now` is the moment of asking."""

    site: Site
    as_of: date
    now: datetime


@dataclass(frozen=True)
class Fact:
    """One named fact.

    `meaning` says what its value is. `gather` gives the columns of `schema`, one row a subject, and columns that
    start with "_", which serve `trace` alone; None where nothing can be known, which is not the same as no trouble.
    `evidence` are the names that a rule's texts may use. `trace` takes rows of that frame and gives a frame with
    LINE_SCHEMA. `rests_on` are the record kinds without whose news the fact misleads.
    """

    meaning: str

    gather: Callable[[sa.Connection, Question], pl.DataFrame | None]
    trace: Callable[[sa.Connection, pl.DataFrame], pl.DataFrame]
    evidence: tuple[EvidenceName, ...]
    rests_on: frozenset[str] = frozenset()

    @property
    def names(self) -> tuple[str, ...]:
        """The dotted names that a rule's texts may use besides `value`."""
        return tuple(name.name for name in self.evidence)

    @property
    def schema(self) -> FrameSchema:
        """The columns that rules read: subject, item, value, and the evidence."""
        evidence = {name.name: Column(name.kind, name.meaning, nullable=True) for name in self.evidence}
        return FrameSchema(f"facts: {self.meaning}", _EVERY_FACT | evidence, key=("subject",), more=True)

    def read(self, connection: sa.Connection, question: Question) -> pl.DataFrame | None:
        """Return the fact's frame: the columns of `schema` in their order, then those that serve `trace`."""
        frame = self.gather(connection, question)
        if frame is None:
            return None
        return frame.select(*self.schema.columns, *(name for name in frame.columns if name.startswith("_")))


def items(connection: sa.Connection) -> pl.DataFrame:
    """Return every item as texts speak of it: item_id, item.*, supplier (its name), and where it was declared."""
    query = (
        sa.select(
            item.c.id.label("item_id"),
            item.c.sku.label("item.sku"),
            sa.func.coalesce(item.c.name, item.c.sku).label("item.name"),
            item.c.category.label("item.category"),
            item.c.abc.label("item.abc"),
            item.c.lead_time_days.label("_lead_time_days"),
            item.c.reorder_point.label("_reorder_point"),
            sa.func.coalesce(supplier.c.name, supplier.c.code).label("supplier"),
            supplier.c.code.label("_supplier_code"),
            item.c.file_id.label("_item_file_id"),
            item.c.line.label("_item_line"),
        )
        .select_from(item)
        .outerjoin(supplier, supplier.c.id == item.c.supplier_id)
    )
    return read_frame(connection, query)


def file_lines(connection: sa.Connection, rows: pl.DataFrame, *, file: str, line: str, what: str) -> pl.DataFrame:
    """Return the trace of rows that hold their file's id and line in the columns `file` and `line`."""
    from_files = rows.filter(pl.col(file).is_not_null())
    if from_files.is_empty():
        return pl.DataFrame(schema=LINE_SCHEMA)
    query = (
        sa.select(batch_file.c.id.label(file), batch_file.c.path.label("file"), batch.c.reference.label("batch"))
        .join(batch, batch.c.id == batch_file.c.batch_id)
        .where(batch_file.c.id.in_(from_files[file].unique().to_list()))
    )
    lines = from_files.join(read_frame(connection, query), on=file).with_columns(pl.lit(what).alias("what"))
    return lines.select("subject", "what", "file", pl.col(line).alias("line"), "batch").cast(LINE_SCHEMA)


def record_lines(
    connection: sa.Connection,
    kind: str,
    item_ids: Collection[int],
    columns: Collection[str],
    *conditions: sa.ColumnElement[bool],
) -> pl.DataFrame:
    """Return where the accepted records of `kind` about these items stand: item_id, `columns`, file, line, batch."""
    codes = read_frame(
        connection,
        sa.select(external_id.c.item_id, external_id.c.source, external_id.c.external_id.label("code")).where(
            external_id.c.item_id.in_(list(item_ids))
        ),
    )
    records = accepted[kind]
    query = (
        sa.select(
            feed.c.name.label("feed"),
            records.c.item.label("code"),
            *(records.c[name] for name in columns),
            batch_file.c.path.label("file"),
            records.c.line,
            batch.c.reference.label("batch"),
        )
        .select_from(records)
        .join(feed, feed.c.id == records.c.feed_id)
        .join(batch_file, batch_file.c.id == records.c.file_id)
        .join(batch, batch.c.id == records.c.batch_id)
        .where(records.c.item.in_(codes["code"].unique().to_list()), *conditions)
    )
    source = pl.col("feed").str.split("/").list.first().alias("source")
    return read_frame(connection, query).with_columns(source).join(codes, on=["source", "code"])
