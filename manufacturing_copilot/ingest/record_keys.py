"""Which record a row is: the key that names it, and the file and line it came from."""

from __future__ import annotations

import polars as pl

from manufacturing_copilot.ingest.received import LINE
from manufacturing_copilot.records import NUMERIC_TYPES, RecordKind
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


def exact(records: pl.DataFrame, kind: RecordKind) -> pl.DataFrame:
    """Return the records with their decimals rounded to the places that the table keeps."""
    return records.with_columns(
        pl.col(field.name).cast(pl.Float64).round(SCALE) for field in kind.fields if field.type in NUMERIC_TYPES
    )
