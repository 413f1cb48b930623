"""A sheet's filled cells, and the table of texts that they make: numbers with their digits, dates in ISO form."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np
import polars as pl

from manufacturing_copilot.ingest.reading.bounded import refuse_large_table, refuse_over
from manufacturing_copilot.ingest.reading.isolated.worker import DATE
from manufacturing_copilot.ingest.received import LINE
from manufacturing_copilot.site.file_bounds import Limits

TIME, SPAN = 10, 11
"""Kinds of cells beside those of the worker: a serial number shown as a time of day, or as hours beyond a day."""

_DIGITS = 15
"""A spreadsheet shows and compares no more; what follows is noise of binary arithmetic."""
_LAST_DAY = 2_958_465  # 9999-12-31
_OF_1904 = 1_462  # days by which the calendar of old Macs begins later
_EMPTY_COLUMNS = 1_000
"""Beyond so many, a column is one only where it holds anything."""


class Cells:
    """The filled cells of a sheet, in any order: rows and columns from 0."""

    def __init__(self, name: str, sheet: str, limits: Limits) -> None:
        """Begin with none; `name` and `sheet` are how sentences call the file and the sheet."""
        self._name, self._where, self._limits = name, f", sheet {sheet!r}", limits
        self._rows: list[int] = []
        self._columns: list[int] = []
        self._texts: list[str] = []

    def __len__(self) -> int:
        """Return how many cells hold anything."""
        return len(self._rows)

    def extend(self, rows: Sequence[int], columns: Sequence[int], texts: Sequence[str]) -> None:
        """Take cells; raises BatchError where they are more than are read."""
        refuse_over(self._name, "cells", len(self._rows) + len(rows), self._limits.cells, where=self._where)
        self._rows += rows
        self._columns += columns
        self._texts += texts

    def table(self) -> pl.DataFrame:
        """Return the rows that hold anything, a String column for each column of the sheet, and `_line` from 1.

        A stray cell far away costs its row and its column. Raises BatchError where it is too large a table.
        """
        if not self._rows:
            return pl.DataFrame(schema={LINE: pl.Int64})
        column = np.asarray(self._columns, dtype=np.int32)
        rows, at = np.unique(np.asarray(self._rows, dtype=np.int64), return_inverse=True)
        width = int(column.max()) + 1
        refuse_large_table(self._name, len(rows), width, self._limits, where=self._where)
        order = np.argsort(column, kind="stable")
        used, starts = np.unique(column[order], return_index=True)
        texts = pl.Series(self._texts, dtype=pl.String)
        columns = dict.fromkeys(range(min(width, _EMPTY_COLUMNS)), pl.Series([None], dtype=pl.String))
        for number, places in zip(used.tolist(), np.split(order, starts[1:]), strict=True):
            if len(places) == len(rows) and bool((at[places] == np.arange(len(rows))).all()):
                columns[number] = texts.gather(places)
                continue
            chosen = np.full(len(rows), len(texts), dtype=np.int64)
            chosen[at[places]] = places
            index = pl.Series(chosen)
            columns[number] = texts.gather(index.set(index == len(texts), None))
        named = {
            str(number): values if len(values) == len(rows) else values.new_from_index(0, len(rows))
            for number, values in columns.items()
        }
        return pl.DataFrame({**named, LINE: pl.Series(rows + 1, dtype=pl.Int64)})


class SerialNumbers:
    """Dates and times that a workbook keeps as numbers of days, from 1904 as old Macs do, or from 1900."""

    def __init__(self, *, since_1904: bool) -> None:
        """Count from 1904 or from 1900."""
        self._begin = _OF_1904 if since_1904 else 0
        self._from_1900 = not since_1904
        self._known: dict[tuple[int, float], str] = {}

    def text(self, kind: int, serial: float) -> str:
        """Return a DATE as 2024-03-01 08:30:00, a TIME as 08:30:00, a SPAN of hours as 30:05:00."""
        known = self._known.get((kind, serial))
        if known is None:
            known = self._known[kind, serial] = self._written(kind, serial)
        return known

    def _written(self, kind: int, serial: float) -> str:
        if kind == SPAN or (kind == TIME and 0 <= serial < 1):
            seconds = round(abs(serial) * 86_400)
            sign = "-" if serial < 0 else ""
            return f"{sign}{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
        if not 0 <= serial < _LAST_DAY + 1 - self._begin:
            return number_text(serial)
        # Serial 60 is a 29 February that 1900 did not have; below it the calendar begins a day later.
        early = self._from_1900 and serial < 60
        moment = datetime(1899, 12, 31 if early else 30) + timedelta(
            days=self._begin, milliseconds=round(serial * 86_400_000)
        )
        fraction = f".{moment.microsecond // 1000:03d}" if moment.microsecond else ""
        return f"{moment:%Y-%m-%d %H:%M:%S}{fraction}"


def number_text(value: float) -> str:
    """Return a number as a person types it: at most 15 digits, no exponent, a whole one without a decimal mark."""
    if value != value or abs(value) == float("inf"):
        return str(value)
    if value == int(value):
        return str(int(value))
    text = repr(value)
    if len(text) > _DIGITS or "e" in text:
        return format(Decimal(format(value, f".{_DIGITS}g")), "f")
    return text


def table_of_opened(opened: pl.DataFrame, name: str, sheet: str, limits: Limits, *, since_1904: bool) -> pl.DataFrame:
    """Return the table of the cells that the worker has found (see `worker.CELLS`)."""
    serials = SerialNumbers(since_1904=since_1904)
    texts = [
        text if text is not None else serials.text(kind, number) if kind == DATE else number_text(number)
        for kind, text, number in opened.select("kind", "text", "number").iter_rows()
    ]
    cells = Cells(name, sheet, limits)
    cells.extend(opened["row"].to_list(), opened["column"].to_list(), texts)
    return cells.table()
