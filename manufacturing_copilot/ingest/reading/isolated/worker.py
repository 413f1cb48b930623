"""The process that opens risky files: a program of its own, started by `opener` and fed through its standard input.

A request is a JSON header and the bytes of a file, each after its length; the answer is a JSON header and a table as
an Arrow stream. It ends with its parent: at the end of its input, or at once if the input breaks while it works.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import resource
import signal
import struct
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

TEXT, NUMBER, DATE, FLAG, ERROR = range(5)
"""Kinds of cells. A date is a serial number of the workbook's calendar."""

CELLS = pa.schema(
    [("row", pa.int32()), ("column", pa.int32()), ("kind", pa.int8()), ("text", pa.string()), ("number", pa.float64())]
)
"""A sheet's filled cells. `row` and `column` count from 0."""

Answer = tuple[dict[str, Any], pa.Table]
Opener = Callable[[bytes, dict[str, Any]], Answer]


class RefusedError(Exception):
    """A file that is not opened; the text is the end of the sentence for the user, `key` the bound that it is over."""

    def __init__(self, text: str, key: str | None = None, value: int | None = None) -> None:
        """Refuse because of `text`, or because the bound `key` is smaller than `value`."""
        super().__init__(text)
        self.key, self.value = key, value


def open_parquet(content: bytes, options: dict[str, Any]) -> Answer:
    """Return a Parquet file as a table that polars can take: no values beyond its calendar, UUIDs as texts."""
    file = pq.ParquetFile(pa.BufferReader(content))
    rows, columns = file.metadata.num_rows, file.metadata.num_columns
    for key, value in (("rows", rows), ("columns", columns), ("cells", rows * columns)):
        if value > options[key]:
            raise RefusedError("", key, value)
    batches, size = [], 0
    for batch in file.iter_batches(batch_size=max(256, min(65_536, 4_000_000 // max(columns, 1)))):
        batch.validate(full=True)  # bytes that are no text in a column of texts would break whoever reads them later
        table = pa.Table.from_batches([batch])
        plain = _plain_table(table)
        size += plain.nbytes
        if size > options["unpacked"]:
            raise RefusedError("", "unpacked", size)
        batches.append(plain)
    metadata = file.schema_arrow.metadata or {}
    if not batches:
        batches = [_plain_table(file.schema_arrow.empty_table())]
    joined = pa.concat_tables(batches, promote_options="permissive")
    return {}, joined.replace_schema_metadata(metadata)


def _plain_table(table: pa.Table) -> pa.Table:
    arrays = [_plain_column(column.combine_chunks()) for column in table.columns]
    return pa.Table.from_arrays(arrays, names=[name or "" for name in table.column_names])


def _plain_column(column: Any) -> Any:
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        if kind.extension_name == "arrow.uuid":
            return _texts(column.storage, _uuid)
        return _plain_column(column.storage)
    if pa.types.is_dictionary(kind):
        return _plain_column(column.cast(kind.value_type))
    if pa.types.is_fixed_size_binary(kind) and not pa.types.is_decimal(kind):
        return _texts(column, bytes.hex)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return _binary(column)
    if pa.types.is_decimal256(kind):
        return _texts(column, str)
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return _within_calendar(column)
    if pa.types.is_nested(kind) or pa.types.is_duration(kind) or pa.types.is_interval(kind):
        return pa.array([_shown(value) for value in column], pa.string())
    return column


def _texts(column: Any, write: Callable[[Any], str]) -> Any:
    return pa.array([None if value is None else write(value) for value in column.to_pylist()], pa.string())


def _uuid(value: bytes) -> str:
    digits = value.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _binary(column: Any) -> Any:
    """Return texts where all values are texts, else hexadecimal digits of all: no two values become one."""
    with contextlib.suppress(UnicodeDecodeError):
        texts = [None if value is None else value.decode() for value in column.to_pylist()]
        if not any("\x00" in text for text in texts if text):
            return pa.array(texts, pa.string())
    return _texts(column, bytes.hex)


_PER_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}
_FIRST, _LAST = -719_162, 2_932_896  # the days 0001-01-01 and 9999-12-31, from 1970-01-01


def _within_calendar(column: Any) -> Any:
    """Return dates and times as they are, or as texts where one of them lies beyond the years 1 to 9999.

    Its text is a number that no date is: its row is told, and its neighbours are not touched.
    """
    kind = column.type
    a_day = 1 if pa.types.is_date32(kind) else _PER_DAY["ms" if pa.types.is_date64(kind) else kind.unit]
    numbers = column.view(pa.int32() if pa.types.is_date32(kind) else pa.int64())
    low, high = (edge.as_py() for edge in pc.min_max(numbers).values())
    if low is None or (low >= _FIRST * a_day and high < (_LAST + 1) * a_day):
        return column
    inside = pc.and_(pc.greater_equal(numbers, _FIRST * a_day), pc.less(numbers, (_LAST + 1) * a_day))
    texts = pc.cast(pc.if_else(inside, column, pa.scalar(None, kind)), pa.string())
    what = pc.binary_join_element_wise(
        pc.cast(numbers, pa.string()), pa.scalar(f"{'days' if a_day == 1 else kind} since 1970"), " "
    )
    return pc.if_else(inside, texts, what)


def _shown(value: Any) -> str | None:
    try:
        plain = value.as_py()
    except (ValueError, OverflowError):  # beyond the calendar
        return " ".join(str(pa.array([value], value.type).to_string())[:10_000].split())
    return None if plain is None else str(plain)


def open_xls(content: bytes, options: dict[str, Any]) -> Answer:
    """Return the filled cells of one sheet of an .xls workbook, see CELLS."""
    import xlrd

    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        try:
            book = xlrd.open_workbook(file_contents=content, on_demand=True, ragged_rows=True, logfile=nowhere)
        except xlrd.XLRDError as error:
            raise RefusedError(str(error)) from None
        names = book.sheet_names()
        sheet = _wanted(names, options["sheet"])
        tried = names if sheet is None else [sheet]
        for name in tried:
            cells = _cells_of(book.sheet_by_name(name), xlrd, options)
            if cells.num_rows or sheet is not None:
                break
            book.unload_sheet(name)
        else:
            name = names[0]
    return {"sheet": name, "sheets": names, "since_1904": bool(book.datemode)}, cells


def _cells_of(sheet: Any, xlrd: Any, options: dict[str, Any]) -> pa.Table:
    kinds = {
        xlrd.XL_CELL_TEXT: TEXT,
        xlrd.XL_CELL_NUMBER: NUMBER,
        xlrd.XL_CELL_DATE: DATE,
        xlrd.XL_CELL_BOOLEAN: FLAG,
        xlrd.XL_CELL_ERROR: ERROR,
    }
    rows, columns, of_kind, texts, numbers = [], [], [], [], []  # type: ignore[var-annotated]
    for row in range(sheet.nrows):
        for column, (type_, value) in enumerate(zip(sheet.row_types(row), sheet.row_values(row), strict=True)):
            kind = kinds.get(type_)
            if kind is None or value == "":
                continue
            rows.append(row)
            columns.append(column)
            of_kind.append(kind)
            texts.append(value if kind == TEXT else _word(kind, value, xlrd))
            numbers.append(value if kind in (NUMBER, DATE) else None)
        if len(rows) > options["cells"]:
            raise RefusedError("", "cells", len(rows))
    return pa.table([rows, columns, of_kind, texts, numbers], schema=CELLS)


def _word(kind: int, value: Any, xlrd: Any) -> str | None:
    if kind == FLAG:
        return "true" if value else "false"
    return str(xlrd.error_text_from_code.get(value, "#ERROR")) if kind == ERROR else None


def open_xlsb(content: bytes, options: dict[str, Any]) -> Answer:
    """Return one sheet of an .xlsb workbook: every cell as text, a column of texts for each column of the sheet."""
    import fastexcel

    try:
        book = fastexcel.read_excel(content)
        names = list(book.sheet_names)
        sheet = _wanted(names, options["sheet"])
        for name in names if sheet is None else [sheet]:
            loaded = book.load_sheet(name, header_row=None, skip_rows=0, dtypes="string")
            if loaded.width and loaded.height:
                break
        batch = loaded.to_arrow() if loaded.width else pa.RecordBatch.from_pylist([])
    except fastexcel.FastExcelError as error:
        raise RefusedError(str(error).splitlines()[0]) from None
    return {"sheet": name, "sheets": names}, pa.Table.from_batches([batch])


def _wanted(names: list[str], wanted: str | None) -> str | None:
    if wanted is None:
        return None
    return next((name for name in names if name.strip().lower() == wanted.strip().lower()), None)


OPENERS: Mapping[str, Opener] = {"parquet": open_parquet, "xls": open_xls, "xlsb": open_xlsb}


def serve(openers: Mapping[str, Opener] = OPENERS) -> None:
    """Answer requests until the input ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a library prints is no answer
    requests = sys.stdin.buffer
    while (header := _take(requests)) is not None:
        content = _take(requests)
        if content is None:
            return
        options = json.loads(header)
        with _bounded(options):
            head, payload = _answer(openers[options["type"]], content, options)
        del content
        for part in (json.dumps(head).encode(), payload):
            answers.write(struct.pack(">Q", len(part)))
            answers.write(part)
        answers.flush()


def _take(source: BinaryIO) -> bytes | None:
    length = source.read(8)
    if len(length) < 8:
        return None
    content = source.read(struct.unpack(">Q", length)[0])
    return content if len(content) == struct.unpack(">Q", length)[0] else None


def _answer(opener: Opener, content: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    try:
        head, table = opener(content, options)
        sink = io.BytesIO()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        return {"fate": "opened", **head}, sink.getvalue()
    except RefusedError as refused:
        return {"fate": "refused", "text": str(refused), "key": refused.key, "value": refused.value}, b""
    except MemoryError:  # Arrow's own is one of these
        return {"fate": "memory"}, b""
    except Exception as error:  # noqa: BLE001  (whatever a library raises on a file is said of the file)
        return {"fate": "damaged", "text": (str(error).strip().splitlines() or [type(error).__name__])[0][:200]}, b""


class _bounded:  # noqa: N801  (used as a statement)
    """Bounds memory and time of one request, and ends this process where its parent dies meanwhile."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._memory, self._seconds = options["memory"], options["seconds"]

    def __enter__(self) -> None:
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        most = _memory_in_use() + self._memory
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_AS, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
        # The default of both signals ends the process, whatever a library is doing.
        signal.setitimer(signal.ITIMER_REAL, self._seconds + 10)
        self._flags = fcntl.fcntl(0, fcntl.F_GETFL)
        with contextlib.suppress(OSError, AttributeError):
            fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
            fcntl.fcntl(0, fcntl.F_SETFL, self._flags | os.O_ASYNC)

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        fcntl.fcntl(0, fcntl.F_SETFL, self._flags)


def _memory_in_use() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (OSError, ValueError):
        return 2**30
    return pages * resource.getpagesize()


if __name__ == "__main__":
    serve()
