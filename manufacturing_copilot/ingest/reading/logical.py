"""From physical lines to rows: quoted line breaks, unclosed quotes, lines that are no text.

Used only where a file is not plain (one row, one line). What comes out is plain again: each row on one line, with
a stand-in for the line breaks inside its cells, and the number of the physical line on which each row starts.
"""

from __future__ import annotations

import csv
import io
import re
from bisect import bisect_right
from dataclasses import dataclass
from itertools import compress

import numpy as np
import numpy.typing as npt
import polars as pl

BadLine = tuple[int, str, str, str]

_LONGEST_CELL = 1000  # lines; a quote still open after them was never closed
_LOOKED_AT = 20
_BLOCK = 1 << 20
_LONGEST_RUN = 64


@dataclass(frozen=True)
class PlainRows:
    """Rows on one line each: their text, the physical line (counted from 0) of each, and what was no row."""

    body: bytes
    lines: npt.NDArray[np.int64]
    bad: list[BadLine]


def plain_rows(body: bytes, delimiter: bytes, quote: str | None, width: int, stand_in: bytes) -> PlainRows:
    """Return the rows of `body`; `bad` counts lines from 0 as well.

    A quoted line break is believed if the quote is closed properly, the row then has `width` cells, and the lines
    in between are not rows of their own. Else the line that opened the quote is a bad line, and its neighbours stay.
    """
    lines = body.split(b"\n")
    ends = np.flatnonzero(np.frombuffer(body, dtype=np.uint8) == ord("\n"))
    spoilt = _spoilt(body, ends)
    joins, bad = _joins(lines, delimiter, quote, width, spoilt) if quote and quote.encode() in body else ({}, [])
    keep = np.diff(np.concatenate([[-1], ends, [len(body)]])) > 1  # the filled ones
    for start, *_ in bad:
        keep[start] = False
    rows = sorted(joins)
    spoilt_rows: dict[int, tuple[str, str]] = {}
    for line, reason in spoilt.items():
        nearest = bisect_right(rows, line) - 1
        first = rows[nearest] if nearest >= 0 and line <= joins[rows[nearest]] else line
        spoilt_rows.setdefault(first, reason)
    for start, last in joins.items():
        keep[start + 1 : last + 1] = False
        lines[start] = stand_in.join(lines[start : last + 1])
    for start, reason in spoilt_rows.items():
        keep[start] = False
        bad.append((start, lines[start].decode("utf-8", "replace"), *reason))
    return PlainRows(b"\n".join(compress(lines, keep.tolist())), np.flatnonzero(keep), bad)


def opens_quote(line: bytes, delimiter: bytes, quote: str) -> bool:
    """Say whether a line that begins a row ends within a quoted cell."""
    return quote.encode() in line and Grammar(delimiter, quote.encode()).opens(line)


def _spoilt(body: bytes, ends: npt.NDArray[np.int64]) -> dict[int, tuple[str, str]]:
    """Return the lines that hold what is no text, and why."""
    spoilt: dict[int, tuple[str, str]] = {}
    position = body.find(b"\x00")
    while position >= 0:
        line = int(np.searchsorted(ends, position))
        spoilt[line] = ("holds a NUL byte, which no text may hold", "nul")
        position = body.find(b"\x00", int(ends[line])) if line < len(ends) else -1
    return spoilt


def _joins(
    lines: list[bytes], delimiter: bytes, quote: str, width: int, spoilt: dict[int, tuple[str, str]]
) -> tuple[dict[int, int], list[BadLine]]:
    """Return which line a row goes on to, by the line it starts on; and the lines that open a quote for nothing."""
    grammar = Grammar(delimiter, quote.encode())
    quoted = [number for number, line in enumerate(lines) if grammar.quote in line]
    texts = pl.Series([lines[number].decode("utf-8", "replace") for number in quoted], dtype=pl.String)
    opening = texts.str.contains(grammar.open_pattern)
    joins: dict[int, int] = {}
    bad: list[BadLine] = []
    free_from = 0
    for start in np.asarray(quoted, dtype=np.int64)[opening.to_numpy()].tolist():
        if start < free_from:
            continue
        last = _close(lines, quoted, start, grammar, width)
        if last is not None:
            joins[start] = last
            free_from = last + 1
        elif start not in spoilt:
            bad.append((start, lines[start].decode("utf-8", "replace"), "opens a quote that is not closed", "quote"))
    return joins, bad


def _close(lines: list[bytes], quoted: list[int], start: int, grammar: Grammar, width: int) -> int | None:
    """Return the line on which the quote opened on `start` is closed, if it is closed and makes a whole row."""
    index = bisect_right(quoted, start)
    while index < len(quoted) and quoted[index] - start <= _LONGEST_CELL:
        end = quoted[index]
        state = grammar.after(lines[end])
        if state == "malformed":
            return None
        if state == "closed":
            row = b"\n".join(lines[start : end + 1])
            whole = grammar.cells(row) == width and not _swallows_rows(lines[start + 1 : end], grammar, width)
            return end if whole else None
        index += 1
    return None


def _swallows_rows(inner: list[bytes], grammar: Grammar, width: int) -> bool:
    filled = [line for line in inner[:_LOOKED_AT] if line.strip()]
    return width > 2 and bool(filled) and all(grammar.is_row(line, width) for line in filled)


def split_quotes(body: bytes, delimiter: bytes, quote: str) -> list[int]:
    """Return the lines (from 0) of rows, one a line, whose quoted cell goes on after its quote was closed.

    As in `A,"1/2" BOLT",5`: a parser would give such a cell without that quote. Blanks after a quote are no text.
    """
    mark = quote.encode()
    if mark not in body:
        return []
    codes = np.frombuffer(b"\n" + body + b"\n", dtype=np.uint8)
    suspects = _quotes_before_text(codes, mark[0], delimiter[-1]) - 1
    if not len(suspects):
        return []
    codes = codes[1:-1]
    line_ends = np.flatnonzero(codes == 10)
    grammar = Grammar(delimiter, mark)
    told = []
    for line in np.unique(np.searchsorted(line_ends, suspects)).tolist():
        start = int(line_ends[line - 1]) + 1 if line else 0
        stop = int(line_ends[line]) if line < len(line_ends) else len(body)
        if grammar.goes_on_after_quote(body[start:stop]):
            told.append(line)
    return told


def _quotes_before_text(codes: npt.NDArray[np.uint8], quote: int, delimiter: int) -> npt.NDArray[np.int64]:
    """Return the quotes that text follows though they close a cell: the first and the last of `codes` are line ends.

    Within a quoted cell two quotes are one that is meant; a quote at the begin of a cell opens it.
    """
    parts = []
    for begin in range(1, len(codes) - 1, _BLOCK):
        end = min(begin + _BLOCK, len(codes) - 1)
        before, here, after = codes[begin - 1 : end - 1], codes[begin:end], codes[begin + 1 : end + 1]
        last = (here == quote) & (after != quote) & (after != delimiter) & (after != 10)
        parts.append(np.flatnonzero(last & (before != delimiter) & (before != 10)) + begin)
    places = np.concatenate(parts) if parts else np.array([], dtype=np.int64)
    length = np.ones(len(places), dtype=np.int64)
    open_ = np.arange(len(places))
    for _ in range(_LONGEST_RUN):
        open_ = open_[codes[places[open_] - length[open_]] == quote]
        if not len(open_):
            break
        length[open_] += 1
    before = codes[places - length]
    at_begin = (before == delimiter) | (before == 10)
    wrong = (length % 2 == 0) == at_begin
    wrong[open_] = True  # too many quotes to count: its line is looked at
    return places[wrong]


class Grammar:
    """How one delimiter and quote cut a row."""

    def __init__(self, delimiter: bytes, quote: bytes) -> None:
        """Cut by `delimiter`, outside of what stands between two times `quote`."""
        self.quote = quote
        self._delimiter, self._quote = delimiter.decode(), quote.decode()
        d, q = re.escape(self._delimiter), re.escape(self._quote)
        cell = f"(?:{q}(?:[^{q}]|{q}{q})*{q}[^{d}]*|[^{q}{d}][^{d}]*|)"
        self.open_pattern = f"^(?:{cell}{d})*{q}(?:[^{q}]|{q}{q})*$"
        # Python's own expressions get possessive groups: no backtracking, whatever the line holds.
        cell = f"(?:{q}(?:[^{q}]|{q}{q})*+{q}[^{d}]*+|[^{q}{d}][^{d}]*+|)"
        self._open = re.compile(f"(?:{cell}{d})*+{q}(?:[^{q}]|{q}{q})*+".encode())
        # A whole row: a quote stands only around a cell. One that follows other text closes a cell of a line before.
        whole = f"(?:{q}(?:[^{q}]|{q}{q})*+{q}|[^{q}{d}]*+)"
        self._row = re.compile(f"{whole}(?:{d}{whole})*+".encode())
        self._inside = re.compile(f"(?:[^{q}]|{q}{q})*+".encode())
        closed = f"{q}(?:[^{q}]|{q}{q})*+{q}"
        self._goes_on = re.compile(
            f"(?:(?:{closed}[ \\t]*+|[^{q}{d}][^{d}]*+|){d})*+{closed}[ \\t]*+[^ \\t{d}{q}]".encode()
        )

    def after(self, line: bytes) -> str:
        """Say what a line that begins inside a quoted cell does: "inside", "closed" (a row ends) or "malformed"."""
        inside = self._inside.match(line)
        end = inside.end() if inside else 0
        if end == len(line):
            return "inside"
        rest = line[end + len(self.quote) :]
        if not rest:
            return "closed"
        if not rest.startswith(self._delimiter.encode()):
            return "malformed"
        return "inside" if self._open.fullmatch(rest[len(self._delimiter) :]) else "closed"

    def opens(self, line: bytes) -> bool:
        """Say whether a line that begins a row ends within a quoted cell."""
        return self._open.fullmatch(line) is not None

    def goes_on_after_quote(self, line: bytes) -> bool:
        """Say whether text follows the closing quote of one of a row's cells."""
        return self._goes_on.match(line) is not None

    def closing_line(self, lines: list[bytes]) -> int | None:
        """Return on which of the lines a quote is closed that the first one leaves open; None where on none."""
        for number, line in enumerate(lines[1:], start=1):
            state = self.after(line)
            if state != "inside":
                return number if state == "closed" else None
        return None

    def is_row(self, line: bytes, width: int) -> bool:
        """Say whether a line is, taken alone, a properly written row of so many cells."""
        return self._row.fullmatch(line) is not None and self.cells(line) == width

    def cells(self, row: bytes) -> int:
        """Return how many cells a row has; 0 where it is none."""
        text = io.StringIO(row.decode("utf-8", "replace"), newline="")
        try:
            return len(next(csv.reader(text, delimiter=self._delimiter, quotechar=self._quote), []))
        except csv.Error:
            return 0
