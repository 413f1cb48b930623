"""What people ask about batches: which there are, what one did, what was rejected and why, how all of it adds up."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.frame_schemas import Column, FrameSchema
from manufacturing_copilot.ingest.ledger.attempts import BatchCounts, counts_of, retry, sweep
from manufacturing_copilot.ingest.rejections import joined_sentences
from manufacturing_copilot.store import Store, read_frame
from manufacturing_copilot.store.tables import (
    BatchStatus,
    batch,
    batch_event,
    batch_file,
    duplicate_record,
    feed,
    mended_record,
    rejected_record,
)

__all__ = [
    "BATCHES",
    "BATCH_EVENTS",
    "BATCH_FILES",
    "DUPLICATES_OF_BATCH",
    "PENDING_BATCHES",
    "REJECTED_OF_BATCHES",
    "STATUSES",
    "BatchCounts",
    "BatchStory",
    "Totals",
    "content_of",
    "counts_of",
    "duplicate_rows",
    "list_batches",
    "pending_batches",
    "rejected_rows",
    "retry",
    "story_of",
    "sweep",
    "totals",
]

STATUSES = tuple(BatchStatus)
_EXAMPLES = 20
_TIME = pl.Datetime("us", "UTC")
_REFERENCE = Column(pl.String, "the batch, as people call it")
_FEED = Column(pl.String, "source/name")
_PATH = Column(pl.String, "the file's path or URL, below home where it lies there")
_LINE = Column(pl.Int64, "line of the file on which the row starts, from 1")

BATCHES = FrameSchema(
    "batches",
    {
        "reference": _REFERENCE,
        "feed": _FEED,
        "status": Column(pl.String, f"one of {', '.join(STATUSES)}"),
        "files": Column(pl.Int64, "number of files", nullable=True),
        "rows_received": Column(pl.Int64, "null until it was loaded", nullable=True),
        "rows_accepted": Column(pl.Int64, "rows", nullable=True),
        "rows_duplicate": Column(pl.Int64, "rows", nullable=True),
        "rows_rejected": Column(pl.Int64, "rows", nullable=True),
        "rows_changed": Column(pl.Int64, "of the accepted, those that replaced an earlier record", nullable=True),
        "attempts": Column(pl.Int64, "how often loading it has begun"),
        "claimed_at": Column(_TIME),
        "finished_at": Column(_TIME, nullable=True),
        "problem": Column(pl.String, "why it failed, in a sentence", nullable=True),
    },
    key=("reference",),
)
BATCH_FILES = FrameSchema(
    "files of a batch",
    {
        "path": _PATH,
        "size": Column(pl.Int64, "bytes", nullable=True),
        "sha256": Column(pl.String, "of the bytes; null until they were archived", nullable=True),
        "rows_received": Column(pl.Int64, "rows", nullable=True),
        "repeats": Column(pl.String, "path of the file that it repeats, byte for byte", nullable=True),
        "found": Column(pl.String, "JSON text of FileFindings", nullable=True),
    },
)
BATCH_EVENTS = FrameSchema(
    "audit trail of a batch, oldest first",
    {
        "at": Column(_TIME),
        "actor": Column(pl.String, "who did it"),
        "from_status": Column(pl.String, "null where the batch is new", nullable=True),
        "to_status": Column(pl.String),
        "reason": Column(pl.String, nullable=True),
    },
)
PENDING_BATCHES = FrameSchema(
    "batches that wait, oldest first",
    {
        "reference": _REFERENCE,
        "feed": _FEED,
        "attempts": Column(pl.Int64, "how often loading it has begun"),
    },
    key=("reference",),
)
REJECTED_OF_BATCHES = FrameSchema(
    "rejected rows, those of the newest batch first",
    {
        "reference": _REFERENCE,
        "feed": _FEED,
        "path": _PATH,
        "line": _LINE,
        "reason": Column(pl.String, "the sentences of all reasons, joined by semicolons"),
        "received": Column(pl.String, "JSON text: the original columns and texts"),
    },
    key=("reference", "path", "line"),
)
DUPLICATES_OF_BATCH = FrameSchema(
    "duplicate rows of a batch",
    {
        "path": _PATH,
        "line": _LINE,
        "reason": Column(pl.String, "in what it repeats the other"),
        "of_path": Column(pl.String, "the file of the row that it repeats"),
        "of_line": Column(pl.Int64, "the line of that row"),
    },
)


@dataclass(frozen=True)
class BatchStory:
    """One batch in full: its counts, its files, its audit trail and its first rejected rows, as frames.

    `files`: see BATCH_FILES. `events`: see BATCH_EVENTS. `rejected`: see REJECTED_OF_BATCHES.
    """

    counts: BatchCounts
    files: pl.DataFrame
    events: pl.DataFrame
    rejected: pl.DataFrame


@dataclass(frozen=True)
class Totals:
    """How many batches stand in each status, and how many rows met each fate in batches that succeeded."""

    batches: dict[str, int]
    rows: dict[str, int]


def list_batches(
    store: Store, *, feed_name: str | None = None, status: str | None = None, limit: int = 50
) -> pl.DataFrame:
    """Return the newest batches, newest first; see BATCHES.

    Raises BatchError where `status` is not one of the five.
    """
    if status is not None and status not in STATUSES:
        raise BatchError(f"found the status {status!r}, expected one of {', '.join(STATUSES)}")
    files = sa.select(batch_file.c.batch_id, sa.func.count().label("files")).group_by(batch_file.c.batch_id).subquery()
    query = (
        sa.select(
            batch.c.reference,
            feed.c.name.label("feed"),
            batch.c.status,
            files.c.files,
            batch.c.rows_received,
            batch.c.rows_accepted,
            batch.c.rows_duplicate,
            batch.c.rows_rejected,
            batch.c.rows_changed,
            batch.c.attempts,
            batch.c.claimed_at,
            batch.c.finished_at,
            batch.c.problem,
        )
        .join(feed, feed.c.id == batch.c.feed_id)
        .join(files, files.c.batch_id == batch.c.id, isouter=True)
        .order_by(batch.c.id.desc())
        .limit(limit)
    )
    if feed_name is not None:
        query = query.where(feed.c.name == feed_name)
    if status is not None:
        query = query.where(batch.c.status == status)
    with store.read() as connection:
        return read_frame(connection, query).sort("reference", descending=True)


def story_of(store: Store, reference: str) -> BatchStory:
    """Return one batch in full; raises BatchError where there is none."""
    counts = counts_of(store, reference)
    repeated = batch_file.alias("repeated")
    ours = sa.select(batch.c.id).where(batch.c.reference == reference).scalar_subquery()
    files = (
        sa.select(
            batch_file.c.id,
            batch_file.c.path,
            batch_file.c.size,
            batch_file.c.sha256,
            batch_file.c.rows_received,
            repeated.c.path.label("repeats"),
            batch_file.c.found,
        )
        .join(repeated, repeated.c.id == batch_file.c.repeats_file_id, isouter=True)
        .where(batch_file.c.batch_id == ours)
    )
    events = sa.select(
        batch_event.c.id,
        batch_event.c.at,
        batch_event.c.actor,
        batch_event.c.from_status,
        batch_event.c.to_status,
        batch_event.c.reason,
    ).where(batch_event.c.batch_id == ours)
    with store.read() as connection:
        return BatchStory(
            counts,
            read_frame(connection, files).sort("id").drop("id"),
            read_frame(connection, events).sort("id").drop("id"),
            rejected_rows(connection, reference=reference, limit=_EXAMPLES),
        )


def content_of(connection: sa.Connection, reference: str) -> list[str]:
    """Return what a batch holds: the SHA-256 of its files in order, and the moments at which people mended rows."""
    ours = sa.select(batch.c.id).where(batch.c.reference == reference).scalar_subquery()
    files = sa.select(batch_file.c.sha256).where(batch_file.c.batch_id == ours).order_by(batch_file.c.id)
    mended = sa.select(mended_record.c.at).where(mended_record.c.batch_id == ours).distinct()
    moments = [moment.isoformat() for moment in connection.scalars(mended.order_by(mended_record.c.at))]
    return [*(str(hashed) for hashed in connection.scalars(files)), *moments]


def totals(store: Store) -> Totals:
    """Return how everything that ever came in adds up."""
    with store.read() as connection:
        by_status: dict[str, int] = dict(
            connection.execute(sa.select(batch.c.status, sa.func.count()).group_by(batch.c.status)).tuples().all()
        )
        sums = connection.execute(
            sa.select(
                *(
                    sa.func.coalesce(sa.func.sum(batch.c[f"rows_{fate}"]), 0).label(fate)
                    for fate in ("received", "accepted", "duplicate", "rejected")
                )
            ).where(batch.c.status == BatchStatus.SUCCESS)
        ).one()
    return Totals(
        {status.value: int(by_status.get(status, 0)) for status in STATUSES},
        {fate: int(count) for fate, count in sums._mapping.items()},
    )


def pending_batches(connection: sa.Connection, source: str | None = None) -> pl.DataFrame:
    """Return the batches that wait, oldest first, of one source or of all; see PENDING_BATCHES."""
    query = (
        sa.select(batch.c.reference, feed.c.name.label("feed"), batch.c.attempts)
        .join(feed, feed.c.id == batch.c.feed_id)
        .where(batch.c.status == BatchStatus.PENDING)
    )
    if source is not None:
        query = query.where(feed.c.name.startswith(f"{source}/", autoescape=True))
    return read_frame(connection, query).sort("reference")


def rejected_rows(
    connection: sa.Connection, *, reference: str | None = None, feed_name: str | None = None, limit: int | None = None
) -> pl.DataFrame:
    """Return rejected rows, newest batch first, of one batch, one feed or all; see REJECTED_OF_BATCHES."""
    query = (
        sa.select(
            batch.c.reference,
            feed.c.name.label("feed"),
            batch_file.c.path,
            rejected_record.c.line,
            rejected_record.c.reasons,
            rejected_record.c.received,
            rejected_record.c.id,
        )
        .join(batch_file, batch_file.c.id == rejected_record.c.file_id)
        .join(batch, batch.c.id == rejected_record.c.batch_id)
        .join(feed, feed.c.id == batch.c.feed_id)
        .order_by(batch.c.id.desc(), rejected_record.c.file_id, rejected_record.c.line)
        .limit(limit)
    )
    if reference is not None:
        query = query.where(batch.c.reference == reference)
    if feed_name is not None:
        query = query.where(feed.c.name == feed_name)
    rows = read_frame(connection, query)
    return (
        rows.with_columns(joined_sentences(pl.col("reasons")).alias("reason"))
        .sort(["reference", "path", "line"], descending=[True, False, False])
        .select("reference", "feed", "path", "line", "reason", "received")
    )


def duplicate_rows(connection: sa.Connection, *, reference: str, limit: int | None = None) -> pl.DataFrame:
    """Return the duplicate rows of a batch; see DUPLICATES_OF_BATCH."""
    of_file = batch_file.alias("of_file")
    query = (
        sa.select(
            batch_file.c.path,
            duplicate_record.c.line,
            duplicate_record.c.reason,
            of_file.c.path.label("of_path"),
            duplicate_record.c.of_line,
        )
        .join(batch, batch.c.id == duplicate_record.c.batch_id)
        .join(batch_file, batch_file.c.id == duplicate_record.c.file_id)
        .join(of_file, of_file.c.id == duplicate_record.c.of_file_id)
        .where(batch.c.reference == reference)
        .limit(limit)
    )
    return read_frame(connection, query).sort("path", "line")
