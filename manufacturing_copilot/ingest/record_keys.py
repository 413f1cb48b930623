"""Which record a row is: the key that names it, and the file and line it came from."""

from __future__ import annotations

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.ingest.file_contract import FileContract
from manufacturing_copilot.ingest.received import LINE
from manufacturing_copilot.records import NUMERIC_TYPES, RecordKind
from manufacturing_copilot.site import Feed
from manufacturing_copilot.site.feeds import Repeats
from manufacturing_copilot.store.tables import accepted
from manufacturing_copilot.store.types import SCALE

KEY, FILE = "record_key", "file_id"
SEPARATOR = "\x1f"
KEY_BYTES_AT_MOST = 1_000
"""Longer keys would not fit the index of the database."""


def with_key(records: pl.DataFrame, key: tuple[str, ...], file_id: int) -> pl.DataFrame:
    """Return the records with `file_id` and `record_key`: the key's fields joined, or file and line without one."""
    parts = (pl.col(name).cast(pl.String).fill_null("") for name in key)
    joined = pl.concat_str(parts, separator=SEPARATOR) if key else pl.format("{}:{}", pl.lit(file_id), pl.col(LINE))
    return records.with_columns(pl.lit(file_id, pl.Int64).alias(FILE), joined.alias(KEY))


def as_keyed(feed: Feed, contract: FileContract) -> Feed:
    """Return the feed with the key by which its earlier records are known, where it declares none.

    So what a kind's key is by default may grow without a loaded record being taken for a new one.
    """
    if feed.key is not None or feed.repeats is Repeats.KEEP or contract.columns is None:
        return feed
    key = feed.usual_key if contract.key is None else contract.key
    return feed if key == feed.record_key else feed.model_copy(update={"key": key})


def refuse_other_key(connection: sa.Connection, feed: Feed, feed_id: int, contract: FileContract) -> None:
    """Raise BatchError where records of the feed are loaded under another key than it declares now."""
    if contract.key is None or contract.key == feed.record_key or not feed.record_key:
        return
    table = accepted[feed.records]
    if connection.scalar(sa.select(sa.exists().where(table.c.feed_id == feed_id))):
        was, now = (", ".join(key) for key in (contract.key, feed.record_key))
        raise BatchError(
            f"{feed.feed}: records are loaded under the key {was}, and the feed says {now} now: each of them would"
            f" count once more; declare key: [{was}], or withdraw the feed's batches and restore them (`copilot batch"
            " withdraw`, `copilot batch restore`), which loads them under the new key"
        )


def exact(records: pl.DataFrame, kind: RecordKind) -> pl.DataFrame:
    """Return the records with their decimals rounded to the places that the table keeps."""
    return records.with_columns(
        pl.col(field.name).cast(pl.Float64).round(SCALE) for field in kind.fields if field.type in NUMERIC_TYPES
    )
