"""Telling the delimiter, and where the header and the rows begin."""

from __future__ import annotations

import csv
import io
import statistics
from dataclasses import dataclass

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.ingest.reading.logical import Grammar
from manufacturing_copilot.ingest.reading.rows import column_names
from manufacturing_copilot.site import FileFormat

_DELIMITERS = (";", "\t", "|", ",", "+|", "^")
_SAMPLE_LINES = 200
_HEADER_LINES = 21


@dataclass(frozen=True)
class Layout:
    """How the text is cut: `names` of the columns, `start` of the rows in bytes, the `line` that is, from 1."""

    delimiter: str
    names: list[str]
    start: int
    line: int
    header_line: int | None
    decided: bool


def find_layout(content: bytes, name: str, format: FileFormat, expected: str | None) -> Layout:
    """Return the layout of UTF-8 `content` whose lines end with a line feed.

    `expected` is the delimiter of earlier files; it holds where the header has it.
    Raises BatchError where there is no header, and none of the columns is declared.
    """
    start, line = _header_start(content, format)
    stated = _told_delimiter(content[start : start + 16]) if format.header is True else None
    if stated is not None:
        start, line = content.find(b"\n", start) + 1, line + 1
    sample = content[start : start + (1 << 18)].decode("utf-8", "ignore").split("\n")
    lines = [text for text in sample[:_SAMPLE_LINES] if text.strip()]
    if format.header is not False and not lines:
        where = "" if format.header is True else f" in line {format.header}"
        what = "the file is empty" if not content.strip() else f"there is no header{where}"
        raise BatchError(f"{name}: {what}; expected a line with the names of the columns; export the file again")
    delimiter, decided = _delimiter(lines, format, stated, expected)
    if format.header is False:
        return Layout(delimiter, _declared_names(lines, delimiter, format), start, line, None, decided)
    while start < len(content) and not content[start : content.find(b"\n", start) % (len(content) + 1)].strip():
        start, line = content.find(b"\n", start) + 1, line + 1
    try:
        header = _header_cells(content, start, delimiter, format.quote)
    except csv.Error:
        raise BatchError(
            f"{name}, line {line}: a column name is longer than {csv.field_size_limit():,} characters; expected a line"
            " with the names of the columns; correct header: or delimiter: in the feed, or the export"
        ) from None
    if header is None:
        raise BatchError(
            f"{name}, line {line}: a {format.quote} opens a column name and is not closed; correct the line with the"
            " names of the columns, or declare format: {quote: ''} where it is no quote"
        )
    cells, consumed = header
    end = start
    for _ in range(consumed):
        position = content.find(b"\n", end)
        end = len(content) if position < 0 else position + 1
    return Layout(delimiter, column_names(cells), end, line + consumed, line, decided)


def _header_start(content: bytes, format: FileFormat) -> tuple[int, int]:
    if isinstance(format.header, bool):
        return 0, 1
    start = 0
    for _ in range(format.header - 1):
        position = content.find(b"\n", start)
        if position < 0:
            return len(content), format.header
        start = position + 1
    return start, format.header


def _told_delimiter(start: bytes) -> str | None:
    """Excel reads a first line `sep=;` as the delimiter, and some systems write it."""
    first = start.split(b"\n", 1)[0].strip(b"\r ")
    return first[4:].decode() if first.lower().startswith(b"sep=") and len(first) == 5 else None


def _delimiter(lines: list[str], format: FileFormat, stated: str | None, expected: str | None) -> tuple[str, bool]:
    if format.delimiter is not None:
        return format.delimiter, True
    if stated is not None:
        return stated, True
    if expected is not None and lines and expected in lines[0]:
        return expected, True
    candidates = (expected, *_DELIMITERS) if expected and expected not in _DELIMITERS else _DELIMITERS
    best, best_score = None, 0.0
    for candidate in candidates:
        score = _steadiness(lines, candidate, format)
        if score > best_score:
            best, best_score = candidate, score
    return (best, True) if best is not None else (expected or ",", False)


def _steadiness(lines: list[str], delimiter: str, format: FileFormat) -> float:
    """How well a delimiter cuts the lines into equally many cells; 0 where it does not cut them at all."""
    counts = [_unquoted(line, format.quote).count(delimiter) for line in lines]
    usual = statistics.mode(counts) if counts else 0
    top = counts[0] if format.header is not False and counts else usual
    if format.header is False and format.columns:
        top = len(format.columns) - 1
    if top == 0 or not counts:
        return 0.0
    steady = sum(count == top for count in counts) / len(counts)
    # a long delimiter that cuts as well as its last character is the real one; more cells beat fewer
    return steady * (1 + 0.01 * min(top, 20)) * (1.5 if len(delimiter) > 1 else 1.0)


def _unquoted(line: str, quote: str | None) -> str:
    if not quote or quote not in line:
        return line
    parts = line.split(quote)
    return "".join(parts[0::2])


def _declared_names(lines: list[str], delimiter: str, format: FileFormat) -> list[str]:
    if format.columns:
        return column_names(format.columns)
    width = _unquoted(lines[0], format.quote).count(delimiter) + 1 if lines else 1
    return [f"column {place}" for place in range(1, width + 1)]


def _header_cells(content: bytes, start: int, delimiter: str, quote: str | None) -> tuple[list[str], int] | None:
    """Return the header's cells, and how many lines they take (a name may hold a quoted line break).

    None where a quote opens in it that is not closed within its next lines.
    """
    line_end = content.find(b"\n", start)
    line_end = len(content) if line_end < 0 else line_end
    text = content[start : max(start + (1 << 18), line_end)].decode("utf-8", "ignore")
    if len(delimiter) > 1:
        return text.split("\n", 1)[0].split(delimiter), 1
    options = {"quotechar": quote} if quote else {"quoting": csv.QUOTE_NONE}
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, **options)  # type: ignore[arg-type]
    cells = next(reader, [])
    if reader.line_num > 1 and quote:
        lines = [line.encode() for line in text.split("\n", _HEADER_LINES)[:_HEADER_LINES]]
        closing = Grammar(delimiter.encode(), quote.encode()).closing_line(lines)
        if closing is None or closing + 1 != reader.line_num:
            return None
    return cells, reader.line_num
