"""Reading a query into a polars frame, without a Python step per value."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import islice
from typing import Any

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.store.types import SCALE, ExactDecimal, UtcTimestamp


def read_frame(connection: sa.Connection, query: sa.Select[Any] | sa.CompoundSelect[Any]) -> pl.DataFrame:
    """Return the rows of `query` as a polars frame.

    Column types follow the query's: exact decimals become Float64, dates Date, times Datetime in UTC,
    JSON its text. Rows come in no promised order: sort in the frame.
    """
    columns = list(query.selected_columns)
    schema = {column.name: frame_type(column.type) for column in columns}
    if connection.dialect.name == "postgresql":
        return _read_by_copy(connection, query, schema)
    return _read_by_cursor(connection, query, columns, schema)


def read_frames(
    connection: sa.Connection, query: sa.Select[Any] | sa.CompoundSelect[Any], rows: int = 200_000
) -> Iterator[pl.DataFrame]:
    """Give the rows of `query` as `read_frame` does, in frames of up to so many rows, so that no table is held whole.

    Nothing else is read through the connection meanwhile.
    """
    columns = list(query.selected_columns)
    schema = {column.name: frame_type(column.type) for column in columns}
    raw: Any = connection.connection.driver_connection
    with closing(raw.cursor()) as cursor:
        if connection.dialect.name == "postgresql":
            with cursor.copy(f"COPY ({_text_of(connection, query)}) TO STDOUT (FORMAT csv)") as copy:
                for lines in _batched(copy, rows):  # the server sends a line at a time
                    yield _parsed(io.BytesIO(b"".join(lines)), schema)
            return
        cursor.execute(_text_of(connection, query))
        while fetched := cursor.fetchmany(rows):
            yield _unstored(fetched, columns, schema)


def _batched(rows: Iterable[Any], count: int) -> Iterator[list[Any]]:
    """Give the rows in lists of up to `count`."""
    left = iter(rows)
    while part := list(islice(left, count)):
        yield part


def frame_type(type_: sa.types.TypeEngine[Any]) -> pl.DataType:
    """Return the polars type that holds values of a column type."""
    if isinstance(type_, ExactDecimal | sa.Numeric | sa.Float):
        return pl.Float64()
    if isinstance(type_, UtcTimestamp):
        return pl.Datetime("us", "UTC")
    if isinstance(type_, sa.Date):
        return pl.Date()
    if isinstance(type_, sa.Boolean):
        return pl.Boolean()
    if isinstance(type_, sa.Integer):
        return pl.Int64()
    return pl.String()


def _text_of(connection: sa.Connection, query: sa.Select[Any] | sa.CompoundSelect[Any]) -> str:
    # COPY takes no parameters, so the values are written into the text, by the dialect's own quoting.
    compiled = str(query.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True}))
    return compiled.replace("%%", "%") if connection.dialect.name == "postgresql" else compiled


def _read_by_copy(
    connection: sa.Connection, query: sa.Select[Any] | sa.CompoundSelect[Any], schema: dict[str, pl.DataType]
) -> pl.DataFrame:
    text = _text_of(connection, query)
    raw: Any = connection.connection.driver_connection
    buffer = io.BytesIO()
    with raw.cursor() as cursor, cursor.copy(f"COPY ({text}) TO STDOUT (FORMAT csv)") as copy:
        for block in copy:
            buffer.write(block)
    if buffer.tell() == 0:
        return pl.DataFrame(schema=schema)
    buffer.seek(0)
    return _parsed(buffer, schema)


def _parsed(buffer: io.BytesIO, schema: dict[str, pl.DataType]) -> pl.DataFrame:
    texts = {name: pl.String() if _is_parsed_here(dtype) else dtype for name, dtype in schema.items()}
    frame = pl.read_csv(buffer, has_header=False, new_columns=list(schema), schema=texts)
    return frame.with_columns(_parse_text(name, dtype) for name, dtype in schema.items() if _is_parsed_here(dtype))


def _is_parsed_here(dtype: pl.DataType) -> bool:
    return dtype in (pl.Date, pl.Boolean) or isinstance(dtype, pl.Datetime)


def _parse_text(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if dtype == pl.Boolean:
        return column == "t"
    if dtype == pl.Date:
        return column.str.to_date("%Y-%m-%d")
    # PostgreSQL writes the session's offset as "+00": the sessions of the store are in UTC
    return column.str.replace(r"\+00$", "+0000").str.to_datetime("%Y-%m-%d %H:%M:%S%.f%z", time_unit="us")


def _read_by_cursor(
    connection: sa.Connection,
    query: sa.Select[Any] | sa.CompoundSelect[Any],
    columns: list[sa.ColumnElement[Any]],
    schema: dict[str, pl.DataType],
) -> pl.DataFrame:
    raw: Any = connection.connection.driver_connection
    cursor = raw.cursor()
    try:
        rows = cursor.execute(_text_of(connection, query)).fetchall()
    finally:
        cursor.close()
    return _unstored(rows, columns, schema)


def _unstored(rows: list[Any], columns: list[sa.ColumnElement[Any]], schema: dict[str, pl.DataType]) -> pl.DataFrame:
    stored = {column.name: _stored_type(column.type) for column in columns}
    frame = pl.DataFrame(rows, schema=stored, orient="row")
    return frame.select(
        _from_stored(column.name, column.type).cast(schema[column.name]).alias(column.name) for column in columns
    )


def _stored_type(type_: sa.types.TypeEngine[Any]) -> pl.DataType:
    if isinstance(type_, ExactDecimal):
        return pl.Int64()
    if isinstance(type_, UtcTimestamp | sa.Date):
        return pl.String()
    if isinstance(type_, sa.Boolean):
        return pl.Int64()
    return frame_type(type_)


def _from_stored(name: str, type_: sa.types.TypeEngine[Any]) -> pl.Expr:
    column: Any = pl.col(name)
    if isinstance(type_, ExactDecimal):
        # polars divides by multiplying with the reciprocal, which is a last digit off: round to the stored places
        return (column / 10**SCALE).round(SCALE)
    if isinstance(type_, UtcTimestamp):
        return column.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%z", time_unit="us", time_zone="UTC")
    if isinstance(type_, sa.Date):
        return column.str.to_date("%Y-%m-%d")
    return column
