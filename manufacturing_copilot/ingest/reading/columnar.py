"""Reading Parquet: typed columns written out as the texts a person would have typed."""

from __future__ import annotations

import json
from decimal import Decimal

import polars as pl

from manufacturing_copilot.ingest.file_contract import FileFindings, FileReading
from manufacturing_copilot.ingest.reading.bounded import DEFAULTS
from manufacturing_copilot.ingest.reading.isolated.opener import OPENER
from manufacturing_copilot.ingest.reading.rows import column_names, take_out_nul, tidy
from manufacturing_copilot.ingest.received import LINE, Received
from manufacturing_copilot.site import FileFormat
from manufacturing_copilot.site.file_bounds import Limits

PLAIN_NUMBERS = "copilot_plain_numbers"
"""Key of a Parquet file's metadata: the columns whose texts are plain numbers, as a JSON list."""


def read_parquet(
    content: bytes, name: str, format: FileFormat, earlier: FileReading, limits: Limits = DEFAULTS
) -> Received:
    """Return the rows of a Parquet file as text; a null stays null.

    UUIDs are written as people do, bytes that are no text as hexadecimal digits. Raises BatchError where the file is
    damaged or over a bound.
    """
    _, table = OPENER.open("parquet", content, name, limits)
    frame = pl.from_arrow(table.rename_columns([str(place) for place in range(table.num_columns)]))
    assert isinstance(frame, pl.DataFrame)
    frame.columns = column_names(table.column_names)
    plain = [column for column, dtype in frame.schema.items() if dtype.is_numeric()]
    # Rows that were read from a table are kept as texts, with a note of which columns were numbers.
    plain += json.loads((table.schema.metadata or {}).get(PLAIN_NUMBERS.encode(), b"[]"))
    rows = as_text(frame).with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias(LINE))
    rows, bad = take_out_nul(rows)
    rows, left_out = tidy(rows, format, name)
    found = FileFindings(left_out=left_out, columns=tuple(frame.columns), plain_numbers=tuple(plain))
    return Received(rows, bad, found)


def as_text(frame: pl.DataFrame) -> pl.DataFrame:
    """Return `frame` with every column as text: plain numbers, ISO dates, true and false; nulls stay null."""
    return frame.select([_column_text(frame.get_column(name)) for name in frame.columns])


def _column_text(column: pl.Series) -> pl.Series:
    dtype = column.dtype
    if dtype == pl.String:
        return column
    if dtype.is_float():
        return _floats(column)
    if isinstance(dtype, pl.Decimal):
        return _without_exponent(column.cast(pl.String))
    if isinstance(dtype, pl.Datetime):
        return _moments(column)
    if isinstance(dtype, pl.Categorical | pl.Enum) or dtype.is_integer() or dtype in (pl.Date, pl.Time, pl.Boolean):
        return column.cast(pl.String)
    if dtype == pl.Null:
        return pl.Series(column.name, [None] * len(column), dtype=pl.String)
    if dtype == pl.Binary:
        texts = [None if value is None else value.decode("utf-8", "replace") for value in column.to_list()]
        return pl.Series(column.name, texts, dtype=pl.String)
    # lists, structs and the like: kept as received, no field is read from them
    return pl.Series(column.name, [None if v is None else str(v) for v in column.to_list()], dtype=pl.String)


def _floats(column: pl.Series) -> pl.Series:
    text = _without_exponent(column.cast(pl.String))
    return text.str.replace(r"\.0+$", "")


def _without_exponent(text: pl.Series) -> pl.Series:
    lower = text.str.contains("[0-9][eE]").fill_null(False)
    if not lower.any():
        return text
    distinct = text.filter(lower).unique()
    plain = {value: format(Decimal(value), "f") for value in distinct.to_list()}
    return text.replace(plain)


def _moments(column: pl.Series) -> pl.Series:
    if column.dtype.time_zone is not None:  # type: ignore[attr-defined]
        return column.dt.strftime("%Y-%m-%dT%H:%M:%S%.f%:z")
    midnight = (column.dt.truncate("1d") == column).all()
    return column.dt.strftime("%Y-%m-%d" if midnight else "%Y-%m-%dT%H:%M:%S%.f")
