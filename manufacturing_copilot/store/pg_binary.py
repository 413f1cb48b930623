"""Rows in PostgreSQL's binary COPY format, made by whole columns: the server then parses no numbers and no dates.

The format: a header; for each row the number of its values, and for each value its length and its bytes, in network
order, length -1 for NULL; a trailer. Values of a fixed length stand first in a row and are laid out by numpy as one
record; texts follow, joined by pyarrow. See "COPY", section "Binary Format", in the documentation of PostgreSQL; how
a NUMERIC is written is in its `numeric_recv`: digits to the base 10,000, of which leading and trailing zeros may be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from manufacturing_copilot.store.types import SCALE, ExactDecimal, UtcTimestamp

HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"

_EXACT_BELOW = 2.0**51 / 10**SCALE
"""Beyond it a float no longer tells six decimals: the server's own reading of its text decides."""

_DAYS_TO_2000 = 10_957
_MICROSECONDS_TO_2000 = _DAYS_TO_2000 * 86_400_000_000
_NULL = pa.scalar(b"\xff\xff\xff\xff", pa.large_binary())
_NOTHING = pa.scalar(b"", pa.large_binary())

_NUMERIC = np.dtype(
    [("digits", ">i2"), ("weight", ">i2"), ("sign", ">u2"), ("scale", ">i2"), ("of_10000", ">i2", (5,))]
)
_Values = npt.NDArray[Any]


@dataclass(frozen=True)
class _Fixed:
    """How the values of one column, none of them null, become a numpy array whose bytes are sent."""

    dtype: np.dtype[Any]
    made: Callable[[pl.Series], _Values]


def encodable(frame: pl.DataFrame, columns: Sequence[sa.Column[Any]]) -> bool:
    """Whether every column of `frame` can be sent to these columns of a table in the binary format."""
    return all(_fits(column.type, frame[column.name]) for column in columns)


def binary_rows(
    frame: pl.DataFrame, columns: Sequence[sa.Column[Any]]
) -> tuple[list[str], Callable[[int, int], bytes]]:
    """Return the order in which the columns are sent, and what gives the bytes of rows `start` to `start + length`."""
    nulls = {column.name: frame[column.name].null_count() > 0 for column in columns}
    fixed = [column for column in columns if _fixed(column.type) and not nulls[column.name]]
    others = [column for column in columns if not _fixed(column.type) or nulls[column.name]]

    def block(start: int, length: int) -> bytes:
        part = frame.slice(start, length)
        parts = [_record(part, fixed, len(columns)), *(piece for column in others for piece in _value(part, column))]
        joined = pc.binary_join_element_wise(*parts, _NOTHING)
        _, offsets, data = joined.buffers()
        end = int(np.frombuffer(offsets, dtype=np.int64)[joined.offset + len(joined)])
        return bytes(memoryview(data)[:end])

    return [column.name for column in (*fixed, *others)], block


def _fits(type_: sa.types.TypeEngine[Any], values: pl.Series) -> bool:
    dtype = values.dtype
    if isinstance(type_, ExactDecimal):
        return (dtype.is_float() or dtype.is_integer()) and _within(values, _EXACT_BELOW)
    if isinstance(type_, sa.Integer):
        return dtype.is_integer() and dtype != pl.UInt64 and _within(values, 2.0 ** (8 * _size(type_) - 1))
    if isinstance(type_, UtcTimestamp):
        return isinstance(dtype, pl.Datetime) and dtype.time_zone is not None
    if isinstance(type_, sa.Date):
        return dtype == pl.Date
    if isinstance(type_, sa.Boolean):
        return dtype == pl.Boolean
    return isinstance(type_, sa.String | sa.JSON) and dtype == pl.String


def _within(values: pl.Series, limit: float) -> bool:
    if values.dtype.is_integer() and limit >= 2.0**63:
        return True
    least, most = values.min(), values.max()
    if least is None or most is None:
        return values.null_count() == values.len()
    finite = not values.dtype.is_float() or bool(values.is_finite().all())
    return finite and -limit < float(least) and float(most) < limit  # type: ignore[arg-type]


def _size(type_: sa.Integer) -> int:
    return 8 if isinstance(type_, sa.BigInteger) else 2 if isinstance(type_, sa.SmallInteger) else 4


def _fixed(type_: sa.types.TypeEngine[Any]) -> _Fixed | None:
    """Return how values of a type with a fixed length are made, None for texts."""
    if isinstance(type_, ExactDecimal):
        return _Fixed(_NUMERIC, _numerics)
    if isinstance(type_, sa.Integer):
        return _Fixed(np.dtype(f">i{_size(type_)}"), lambda values: values.cast(pl.Int64).to_numpy())
    if isinstance(type_, UtcTimestamp):
        return _Fixed(np.dtype(">i8"), _moments)
    if isinstance(type_, sa.Date):
        return _Fixed(np.dtype(">i4"), lambda values: values.to_physical().to_numpy() - _DAYS_TO_2000)
    if isinstance(type_, sa.Boolean):
        return _Fixed(np.dtype("u1"), lambda values: values.cast(pl.UInt8).to_numpy())
    return None


def _moments(values: pl.Series) -> _Values:
    return values.dt.cast_time_unit("us").to_physical().to_numpy() - _MICROSECONDS_TO_2000


def _numerics(values: pl.Series) -> _Values:
    """Return numbers as NUMERIC(18, 6): three digits to the base 10,000 before the point, two after it."""
    numbers = values.cast(pl.Float64).to_numpy()
    scaled = np.rint(np.abs(numbers) * 10**SCALE).astype(np.int64)
    made = np.empty(len(scaled), dtype=_NUMERIC)
    made["digits"], made["weight"], made["scale"] = 5, 2, SCALE
    made["sign"] = np.where((numbers < 0) & (scaled > 0), 0x4000, 0)
    digits = made["of_10000"]
    rest = scaled * 100  # six decimals are one and a half digits: two, the last of them padded
    for position in range(4, -1, -1):
        left = rest // 10_000
        digits[:, position] = rest - left * 10_000
        rest = left
    return made


def _record(part: pl.DataFrame, columns: Sequence[sa.Column[Any]], values_in_row: int) -> pa.Array:
    """Return the beginning of every row: how many values it has, and those of a fixed length, with their lengths."""
    kinds = [(column.name, _fixed(column.type)) for column in columns]
    fields: list[Any] = [("values", ">i2")]
    for number, (_, kind) in enumerate(kinds):
        assert kind is not None
        fields += [(f"length {number}", ">i4"), (f"value {number}", kind.dtype)]
    record = np.empty(part.height, dtype=fields)
    record["values"] = values_in_row
    for number, (name, kind) in enumerate(kinds):
        assert kind is not None
        record[f"length {number}"] = kind.dtype.itemsize
        record[f"value {number}"] = kind.made(part[name])
    return _as_binary(record)


def _value(part: pl.DataFrame, column: sa.Column[Any]) -> Iterator[pa.Array]:
    """Give the values of a column whose length differs from row to row, each with its length before it."""
    values, kind = part[column.name], _fixed(column.type)
    if kind is not None:
        empty = values.is_null()
        filled = values.fill_null(strategy="zero") if values.dtype != pl.Boolean else values.fill_null(False)
        record = np.empty(part.height, dtype=[("length", ">i4"), ("value", kind.dtype)])
        record["length"], record["value"] = kind.dtype.itemsize, kind.made(filled)
        yield pc.if_else(empty.to_arrow(), _NULL, _as_binary(record))
        return
    version = int(isinstance(column.type, sa.JSON))  # JSONB is its text after the number of a version, 1
    lengths = np.empty(part.height, dtype=[("length", ">i4")] + ([("version", "u1")] if version else []))
    lengths["length"] = (values.str.len_bytes().cast(pl.Int64) + version).fill_null(-1).to_numpy()
    if version:
        lengths["version"] = 1
    before = _as_binary(lengths)
    if values.null_count():
        before = pc.if_else(values.is_null().to_arrow(), _NULL, before)
        values = values.fill_null("")
    yield before
    yield values.cast(pl.Binary).to_arrow(compat_level=pl.CompatLevel.oldest())


def _as_binary(record: _Values) -> pa.Array:
    kind = pa.binary(record.dtype.itemsize)
    return pa.FixedSizeBinaryArray.from_buffers(kind, len(record), [None, pa.py_buffer(record)]).cast(pa.large_binary())
