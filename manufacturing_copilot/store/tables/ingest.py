"""Feeds, their batches and files, and what became of every row that was not simply accepted."""

from __future__ import annotations

from enum import StrEnum

import sqlalchemy as sa

from manufacturing_copilot.store.tables.columns import (
    bare_number,
    batch_number,
    metadata,
    reference,
    row_id,
    value_check,
)
from manufacturing_copilot.store.types import Json, UtcTimestamp


class BatchStatus(StrEnum):
    """Where a batch stands."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    SUCCESS = "success"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"


class Fate(StrEnum):
    """What becomes of a row that was received; the counts of a batch and file are `rows_` and one of these."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"


feed = sa.Table(
    "feed",
    metadata,
    row_id(),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("contract", Json, comment="what was detected in the first files and is held since"),
)

batch = sa.Table(
    "batch",
    metadata,
    row_id(),
    reference("feed_id", "feed", index=True),
    sa.Column("reference", sa.Text, nullable=False, unique=True, comment="the Dagster partition key"),
    sa.Column("status", sa.Text, nullable=False, index=True),
    sa.Column("claimed_at", UtcTimestamp, nullable=False),
    sa.Column("started_at", UtcTimestamp),
    sa.Column("finished_at", UtcTimestamp),
    sa.Column("attempts", sa.Integer, nullable=False, default=0, server_default="0"),
    sa.Column("run_id", sa.Text, comment="the Dagster run that last worked on it"),
    sa.Column("rows_received", sa.Integer, nullable=False, default=0, server_default="0"),
    sa.Column("rows_accepted", sa.Integer, nullable=False, default=0, server_default="0"),
    sa.Column("rows_duplicate", sa.Integer, nullable=False, default=0, server_default="0"),
    sa.Column("rows_rejected", sa.Integer, nullable=False, default=0, server_default="0"),
    sa.Column("rows_changed", sa.Integer, nullable=False, default=0, server_default="0"),
    sa.Column("problem", sa.Text, comment="why it failed, in a sentence"),
    value_check("batch", "status", BatchStatus),
    sa.CheckConstraint("rows_received = rows_accepted + rows_duplicate + rows_rejected", name="ck_batch_conservation"),
)

batch_file = sa.Table(
    "batch_file",
    metadata,
    row_id(),
    reference("batch_id", "batch", index=True),
    reference("feed_id", "feed"),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("modified_ns", sa.BigInteger, nullable=False),
    sa.Column(
        "order_ns",
        sa.BigInteger,
        nullable=False,
        server_default="0",
        comment="when it was written, at the latest when it was claimed: the order of the feed's files",
    ),
    sa.Column("sha256", sa.String(64), comment="of the original bytes"),
    sa.Column("archived_as", sa.Text),
    sa.Column("received_as", sa.Text, comment="the rows as received, as Parquet"),
    sa.Column("watermark", Json, comment="of rows read from a table: which of them, {column, after, up_to, …}"),
    reference("repeats_file_id", "batch_file", nullable=True),
    sa.Column("rows_received", sa.Integer, nullable=False, default=0, server_default="0"),
    sa.Column("found", Json, comment="encoding, delimiter, columns and drift found in it"),
    sa.UniqueConstraint("feed_id", "path", "size", "modified_ns"),
    sa.Index("ix_batch_file_content", "feed_id", "sha256"),
    sa.Index("ix_batch_file_order", "feed_id", "order_ns", "id"),
)

batch_event = sa.Table(
    "batch_event",
    metadata,
    row_id(),
    reference("batch_id", "batch", index=True),
    sa.Column("at", UtcTimestamp, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("from_status", sa.Text),
    sa.Column("to_status", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
)

duplicate_record = sa.Table(
    "duplicate_record",
    metadata,
    row_id(),
    *batch_number("duplicate_record"),
    bare_number("file_id", "batch_file"),
    sa.Column("line", sa.BigInteger, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    bare_number("of_file_id", "batch_file"),
    sa.Column("of_line", sa.BigInteger, nullable=False, comment="the record it repeats"),
)

rejected_record = sa.Table(
    "rejected_record",
    metadata,
    row_id(),
    *batch_number("rejected_record"),
    bare_number("file_id", "batch_file"),
    sa.Column("line", sa.BigInteger, nullable=False),
    sa.Column("reasons", Json, nullable=False, comment="[{column, value, rule, sentence}]"),
    sa.Column("received", Json, nullable=False, comment="the original columns and texts, or those last mended"),
)

mended_record = sa.Table(
    "mended_record",
    metadata,
    row_id(),
    reference("batch_id", "batch", index=True),
    reference("file_id", "batch_file"),
    sa.Column("line", sa.BigInteger, nullable=False),
    sa.Column("received", Json, nullable=False, comment="the columns and texts that were rejected"),
    sa.Column("reasons", Json, nullable=False, comment="why they were"),
    sa.Column("mended", Json, nullable=False, comment="the columns and texts that a person put in their place"),
    sa.Column("released", Json, nullable=False, comment="the guards that a person let the row pass"),
    sa.Column("at", UtcTimestamp, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.UniqueConstraint("file_id", "line"),
    comment="rejected rows that a person mended or released: they are what the row says from then on",
)

changed_record = sa.Table(
    "changed_record",
    metadata,
    row_id(),
    *batch_number("changed_record"),
    bare_number("file_id", "batch_file"),
    sa.Column("line", sa.BigInteger, nullable=False),
    sa.Column("records", sa.Text, nullable=False),
    sa.Column("record_key", sa.Text, nullable=False),
    bare_number("was_file_id", "batch_file"),
    sa.Column("was_line", sa.BigInteger, nullable=False),
    sa.Column("was", Json, nullable=False, comment="the content that was replaced"),
)

full_list = sa.Table(
    "full_list",
    metadata,
    row_id(),
    reference("feed_id", "feed", index=True),
    reference("batch_id", "batch", index=True),
    reference("file_id", "batch_file", index=True),
    sa.Column("day", sa.Date, nullable=False, comment="the day that the list speaks for"),
    sa.Column("records", sa.Integer, nullable=False, comment="how many it names"),
    sa.Column("named", sa.LargeBinary, nullable=False, comment="which they are, as Parquet"),
    comment="what a file names, of the kinds whose records end when a full list leaves them out",
)
