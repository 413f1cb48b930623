"""Reading CSV and its relatives: any delimiter, encoding and line end; bad lines are kept and cost no neighbour.

The parser is pyarrow's. It is asked for plain texts only, and reports every row with too few or too many cells; a
file in which rows and lines are not one to one is first made plain (see `logical`).
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.csv as pacsv

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.ingest.file_contract import FileContract, FileFindings, FileReading, LeftOut
from manufacturing_copilot.ingest.reading.bounded import DEFAULTS, refuse_over
from manufacturing_copilot.ingest.reading.encoding import to_utf8
from manufacturing_copilot.ingest.reading.layout import Layout, find_layout
from manufacturing_copilot.ingest.reading.logical import BadLine, opens_quote, plain_rows, split_quotes
from manufacturing_copilot.ingest.reading.rows import bad_frame, tidy
from manufacturing_copilot.ingest.received import LINE, Received
from manufacturing_copilot.site import FileFormat
from manufacturing_copilot.site.file_bounds import Limits

_BLOCK = 4 << 20
_SPARE = bytes(range(31, 13, -1)) + bytes(range(8, 0, -1))
"""Control characters that no export means anything by: stand-ins for what the parser cannot take."""


def read_delimited(
    content: bytes, name: str, format: FileFormat, earlier: FileReading, limits: Limits = DEFAULTS
) -> Received:
    """Return the rows of a delimited text file and the lines that are none.

    `_line` is the physical line on which a row starts. Raises BatchError where there is no header, or the declared
    format cannot be (an unknown encoding, a file that uses every stand-in).
    """
    decoded = to_utf8(content, name, format.encoding, earlier.encoding)
    text = line_feeds(decoded.content)
    stand_ins = _StandIns(text, name, escapes=format.escape is not None)
    if format.line_end is not None:
        text = _own_line_ends(text, format.line_end, stand_ins.line_break)
    if format.escape is not None:
        text = _without_escapes(text, format, earlier.delimiter, stand_ins)
    layout = find_layout(text, name, format, earlier.delimiter)
    refuse_over(name, "columns", len(layout.names), limits.columns)
    body = text[layout.start :] if layout.start else text
    delimiter = layout.delimiter.encode()
    if len(delimiter) > 1:
        body, delimiter = body.replace(delimiter, stand_ins.delimiter), stand_ins.delimiter
    parsed = _parse(body, delimiter, format, layout, stand_ins.line_break)
    del body
    refuse_over(name, "rows", parsed.table.num_rows, limits.rows)
    refuse_over(name, "cells", parsed.table.num_rows * len(layout.names), limits.cells)
    rows = _rows(parsed, layout, stand_ins.line_break)
    bad = [
        (line + layout.line, _shown(text, layout, stand_ins), reason, rule) for line, text, reason, rule in parsed.bad
    ]
    if format.escape is not None:
        rows = stand_ins.unescaped(rows)
    rows, left_out = tidy(rows, format, name)
    bad, no_rows = _without_totals(bad, format, layout.delimiter)
    found = FileFindings(
        encoding=decoded.encoding,
        delimiter=layout.delimiter,
        header_line=layout.header_line,
        left_out=left_out + no_rows,
        columns=tuple(layout.names),
    )
    reading = FileReading(
        encoding=decoded.encoding if decoded.decided else earlier.encoding,
        delimiter=layout.delimiter if layout.decided else earlier.delimiter,
    )
    return Received(rows, bad_frame(bad), replace(found, damaged=decoded.lossy), FileContract(reading))


def parsed_plain(text: bytes, name: str, format: FileFormat, layout: Layout) -> Received | None:
    """Return the rows of a part of a file that begins with a row, and its bad lines; None where it is not plain.

    `text` is UTF-8 and ends with a whole line; `layout.line` is its first line in the file. Plain is: a row on each
    line.
    """
    stand_ins = _StandIns(text, name)
    delimiter = layout.delimiter.encode()
    last = text[text.rfind(b"\n", 0, -1) + 1 :].rstrip(b"\n")
    if format.quote and opens_quote(last, delimiter, format.quote):
        return None  # the last row goes on in the next part
    if len(delimiter) > 1:
        text, delimiter = text.replace(delimiter, stand_ins.delimiter), stand_ins.delimiter
    table, ragged = _cells(text, delimiter, format.quote, layout.names)
    if table is None or (format.quote and split_quotes(text, delimiter, format.quote)):
        return None
    lines, count = None, _line_count(text)
    if table.num_rows + len(ragged) != count:  # blank lines, or rows of several lines
        lines = _filled_lines(text)
        count = count if lines is None else len(lines)
    if table.num_rows + len(ragged) != count:
        return None
    parsed = _numbered(table, ragged, lines, count, [], layout, joined=False)
    bad = [(line + layout.line, _shown(row, layout, stand_ins), reason, rule) for line, row, reason, rule in parsed.bad]
    bad, no_rows = _without_totals(bad, format, layout.delimiter)
    rows = _rows(parsed, layout, stand_ins.line_break)
    return Received(rows, bad_frame(bad), FileFindings(left_out=no_rows))


def line_feeds(text: bytes) -> bytes:
    """Return `text` with every line end as a line feed; CR CR LF (a twice converted file) is one line end.

    Byte order marks at the begin of lines, as whoever appends to a file leaves them, are no text.
    """
    if b"\r" in text:
        text = text.replace(b"\r\r\n", b"\n").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return text.removeprefix(BOM_UTF8).replace(b"\n" + BOM_UTF8, b"\n")


def _own_line_ends(text: bytes, line_end: str, line_break: bytes) -> bytes:
    """Return `text` with its declared row ends as line feeds, and other line breaks as stand-ins."""
    end = line_end.encode().replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if end == b"\n":
        return text
    inner = end.replace(b"\n", line_break)
    text = text.replace(b"\n", line_break)
    ended = text.replace(inner, b"\n")
    if not inner.endswith(line_break):
        # "~" as row end, with a line break after it for the eye: the break is no part of the next row
        ended = ended.replace(b"\n" + line_break, b"\n")
    return ended


class _StandIns:
    """Bytes that the file does not use itself."""

    def __init__(self, text: bytes, name: str, *, escapes: bool = False) -> None:
        needed = 5 if escapes else 2
        free = list(islice((bytes([byte]) for byte in _SPARE if bytes([byte]) not in text), needed))
        if len(free) < needed:
            raise BatchError(f"{name}: the file is full of control characters; this is no text, export it again")
        self.delimiter, self.line_break, *self._escaped = free
        self._plain: dict[str, str] = {}

    def of_escapes(self, quote: bytes, delimiter: bytes, escape: bytes) -> dict[bytes, bytes]:
        """Return what stands for each character that an escape makes plain text."""
        plain = (quote, delimiter, escape)
        self._plain = {mark.decode(): text.decode() for mark, text in zip(self._escaped, plain, strict=True)}
        return {**dict(zip(plain, self._escaped, strict=True)), b"\n": self.line_break}

    def unescaped(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return rows with the plain characters instead."""
        cells = pl.exclude(LINE).str.replace_many({**self._plain, self.line_break.decode(): "\n"})
        return rows.with_columns(cells)


def _without_escapes(text: bytes, format: FileFormat, earlier: str | None, stand_ins: _StandIns) -> bytes:
    """Return `text` with stand-ins for the quotes, delimiters, line breaks and escapes that are plain text."""
    escape = (format.escape or "\\").encode()
    delimiter = format.delimiter or earlier or find_layout(text, "", format, None).delimiter
    plain = stand_ins.of_escapes((format.quote or '"').encode(), delimiter.encode(), escape)
    either = b"|".join(re.escape(character) for character in plain)
    return re.sub(re.escape(escape) + b"(" + either + b")", lambda match: plain[match.group(1)], text)


@dataclass(frozen=True)
class _Parsed:
    """Parsed cells, and the line (from 0, within the body) of each row; `bad` the same way."""

    table: pa.Table
    lines: npt.NDArray[np.int64] | None
    bad: list[BadLine]
    joined: bool


def _parse(body: bytes, delimiter: bytes, format: FileFormat, layout: Layout, line_break: bytes) -> _Parsed:
    own_ends = format.line_end is not None
    physical = _physical_lines(body, line_break) if own_ends else None
    if b"\x00" not in body:
        table, ragged = _cells(body, delimiter, format.quote, layout.names)
        lines = _filled_lines(body)
        count = _line_count(body) if lines is None else len(lines)
        if table is not None and table.num_rows + len(ragged) == count:
            numbered = _numbered(table, ragged, lines, count, [], layout, joined=own_ends)
            return _at_physical_lines(_without_split(numbered, body, delimiter, format.quote), physical)
    plain = plain_rows(body, delimiter, format.quote, len(layout.names), line_break)
    table, ragged = _cells(plain.body, delimiter, format.quote, layout.names)
    assert table is not None and table.num_rows + len(ragged) == len(plain.lines), "plain rows are one line each"
    numbered = _numbered(table, ragged, plain.lines, len(plain.lines), plain.bad, layout, joined=True)
    numbered = _without_split(numbered, plain.body, delimiter, format.quote, plain.lines)
    return _at_physical_lines(numbered, physical)


def _without_split(
    parsed: _Parsed, body: bytes, delimiter: bytes, quote: str | None, of_rows: npt.NDArray[np.int64] | None = None
) -> _Parsed:
    """Take out the rows whose quoted cell goes on after its quote: the parser has lost that quote.

    `of_rows`: the line of each line of `body`, where they are not the same.
    """
    split = split_quotes(body, delimiter, quote) if quote else []
    if not split:
        return parsed
    texts = body.split(b"\n")
    lines = parsed.lines if parsed.lines is not None else np.arange(parsed.table.num_rows, dtype=np.int64)
    at = {(line if of_rows is None else int(of_rows[line])): texts[line].decode("utf-8", "replace") for line in split}
    wrong = np.isin(lines, np.fromiter(at, dtype=np.int64))
    told = set(lines[wrong].tolist())  # a row with too few or too many cells is told as that
    reason = (
        f"has a quoted cell that goes on after its {quote}; a {quote} within a cell is written twice, or the feed"
        " declares format: {escape: …} or {quote: ''}"
    )
    bad = [*parsed.bad, *((line, text, reason, "quote") for line, text in at.items() if line in told)]
    return _Parsed(parsed.table.filter(pa.array(~wrong)), lines[~wrong], bad, parsed.joined)


def _physical_lines(body: bytes, line_break: bytes) -> npt.NDArray[np.int64] | None:
    """Return the physical line (from 0) of each row's start, where rows hold line breaks of their own."""
    if line_break not in body:
        return None
    codes = np.frombuffer(body, dtype=np.uint8)
    ends = codes == 10
    breaks_before = np.cumsum(ends | (codes == line_break[0]))
    return np.concatenate([[0], breaks_before[np.flatnonzero(ends)]]).astype(np.int64)


def _at_physical_lines(parsed: _Parsed, physical: npt.NDArray[np.int64] | None) -> _Parsed:
    if physical is None:
        return parsed
    lines = np.arange(parsed.table.num_rows) if parsed.lines is None else parsed.lines
    bad = [(int(physical[line]), *rest) for line, *rest in parsed.bad]
    return _Parsed(parsed.table, physical[lines], bad, parsed.joined)  # type: ignore[arg-type]


def _cells(
    body: bytes, delimiter: bytes, quote: str | None, names: list[str]
) -> tuple[pa.Table | None, list[pacsv.InvalidRow]]:
    """Parse; the second value is every row with a wrong number of cells, numbered from 1 among the filled lines.

    The table is None where the parser lost its way (a quote left open across its blocks).
    """
    ragged: list[pacsv.InvalidRow] = []

    def keep(row: pacsv.InvalidRow) -> str:
        ragged.append(row)
        return "skip"

    schema = {name: pa.string() for name in names}
    if body.startswith(BOM_UTF8):
        body = BOM_UTF8 + body  # the parser takes one away, and a row that is nothing else with it
    if body.count(b"\n") == len(body):
        return pa.table({name: pa.array([], pa.string()) for name in names}), []
    for block in (_BLOCK, len(body) + 1):
        ragged.clear()
        try:
            table = pacsv.read_csv(
                pa.BufferReader(body),
                # with one thread and the whole file in one call, row numbers are those of the file
                read_options=pacsv.ReadOptions(use_threads=False, column_names=names, block_size=block),
                parse_options=pacsv.ParseOptions(
                    delimiter=delimiter.decode(), quote_char=quote or False, invalid_row_handler=keep
                ),
                convert_options=pacsv.ConvertOptions(
                    column_types=schema, check_utf8=False, strings_can_be_null=False, quoted_strings_can_be_null=False
                ),
            )
        except pa.ArrowInvalid as error:
            if "straddling" in str(error):  # one row is longer than a block: take all in one
                continue
            return None, []
        return table, ragged
    return None, []


def _line_count(body: bytes) -> int:
    return body.count(b"\n") + (1 if body and not body.endswith(b"\n") else 0)


def _filled_lines(body: bytes) -> npt.NDArray[np.int64] | None:
    """Return the lines (from 0) that hold anything, or None where all do."""
    if b"\n\n" not in body and not body.startswith(b"\n"):
        return None
    ends = np.flatnonzero(np.frombuffer(body, dtype=np.uint8) == 10)
    if not body.endswith(b"\n"):
        ends = np.append(ends, len(body))
    starts = np.concatenate([[0], ends[:-1] + 1])
    return np.flatnonzero(ends > starts)


def _numbered(
    table: pa.Table,
    ragged: list[pacsv.InvalidRow],
    lines: npt.NDArray[np.int64] | None,
    count: int,
    bad: list[BadLine],
    layout: Layout,
    *,
    joined: bool,
) -> _Parsed:
    width = len(layout.names)
    against = "the header has" if layout.header_line is not None else "expected"
    if ragged:
        if lines is None:
            lines = np.arange(count, dtype=np.int64)
        places = np.fromiter((row.number - 1 for row in ragged), dtype=np.int64, count=len(ragged))
        for row, line in zip(ragged, lines[places].tolist(), strict=True):
            if row.text.strip():
                reason = f"has {row.actual_columns} cell{'s' if row.actual_columns != 1 else ''}, {against} {width}"
                bad.append((line, row.text, reason, "cells"))
        lines = np.delete(lines, places)
    return _Parsed(table, lines, bad, joined)


def _rows(parsed: _Parsed, layout: Layout, line_break: bytes) -> pl.DataFrame:
    if parsed.table.num_columns == 0:
        return pl.DataFrame(schema={LINE: pl.Int64})
    rows = pl.from_arrow(parsed.table)
    assert isinstance(rows, pl.DataFrame)
    if parsed.joined:
        rows = rows.with_columns(pl.all().str.replace_all(line_break.decode(), "\n", literal=True))
    if parsed.lines is None:
        return rows.with_columns(pl.int_range(layout.line, layout.line + pl.len(), dtype=pl.Int64).alias(LINE))
    return rows.with_columns(pl.Series(LINE, parsed.lines + layout.line, dtype=pl.Int64))


def _shown(text: str, layout: Layout, stand_ins: _StandIns) -> str:
    text = text.replace(stand_ins.line_break.decode(), "\n")
    return text.replace(stand_ins.delimiter.decode(), layout.delimiter)


def _without_totals(bad: list[BadLine], format: FileFormat, delimiter: str) -> tuple[list[BadLine], LeftOut]:
    """Take out totals rows and headings: they often have fewer cells than the header, and are no rows all the same."""
    totals: list[int] = []
    headings: list[int] = []
    kept = []
    for entry in bad:
        text = entry[1]
        if format.totals and text.lstrip(' \t;,|"^+').lower().startswith(format.totals.lower()):
            totals.append(entry[0])
        elif format.headings and entry[3] == "cells" and delimiter not in text:
            headings.append(entry[0])
        else:
            kept.append(entry)
    return kept, LeftOut(totals_rows=tuple(totals), heading_rows=tuple(headings))
