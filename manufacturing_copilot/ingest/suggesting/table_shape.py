"""Where a file's header stands, and what else must be said for its rows to be read rightly."""

from __future__ import annotations

import re
from collections import Counter

import polars as pl

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.ingest.reading import read_file
from manufacturing_copilot.ingest.received import LINE, Received
from manufacturing_copilot.site import FileFormat

_HEADER_LINES = 12
_UNNAMED = re.compile(r"^column \d+$")
_REPEATED = re.compile(r" \(\d+\)$")
_VALUE = re.compile(r"^[-+]?[\d.,]+$|^\d{1,4}[-./]\d{1,2}[-./]\d{1,4}|^\{?[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-|^column \d+$")
_YEAR_OR_MONTH = re.compile(r"^(?:19|20)\d\d(?:[-/.]?(?:0?[1-9]|1[0-2]))?$|^(?:0?[1-9]|1[0-2])[-/.](?:19|20)\d\d$")
_DELIMITERS = (";", "\t", "|", ",")
_LOOKED_AT = 60  # lines in which a table below a title is looked for
_HEAD_BYTES = 64 * 1024


def names_of(received: Received) -> list[str]:
    """Return the names of the columns of a file."""
    return [name for name in received.rows.columns if name != LINE]


def read_table(content: bytes, name: str, plain: FileFormat) -> tuple[FileFormat, Received]:
    """Read a file, and where its first line is no header, find the one that is; return what must be said for that."""
    received = read_file(content, name, plain)
    below_title = _below_a_title(content, name, plain, received)
    if below_title is not None:
        return below_title
    own_end = _own_line_end(received)
    if own_end is not None:
        plain = plain.model_copy(update={"line_end": own_end})
        received = read_file(content, name, plain)
    if received.found.type not in ("csv", "excel") or _is_header(received) or _heads_periods(received):
        return plain, received
    line = _header_line(content, name, plain)
    if line is not None:
        format = plain.model_copy(update={"header": line})
        return format, read_file(content, name, format)
    if not _is_values(names_of(received)) or _is_counted(names_of(received)) or _heads_periods(received):
        return plain, received
    format = plain.model_copy(update={"header": False})
    return format, read_file(content, name, format)


def _below_a_title(
    content: bytes, name: str, plain: FileFormat, received: Received
) -> tuple[FileFormat, Received] | None:
    """Return the table below a title line that was taken for a header of one column, None where there is none.

    A title holds no delimiter, so that what stands below it is told by the lines that all hold one equally often.
    """
    if received.found.type != "csv" or len(names_of(received)) > 2 or plain.delimiter is not None:
        return None
    delimiter = _common_delimiter(content, received.found.encoding or "utf-8")
    if delimiter is None or (delimiter == received.found.delimiter and len(names_of(received)) > 1):
        return None
    fitting = plain.model_copy(update={"delimiter": delimiter})
    line = _header_line(content, name, fitting, first=1)
    if line is None:
        return None
    format = fitting.model_copy(update={"header": line}) if line > 1 else fitting
    below = read_file(content, name, format)
    return (format, below) if len(names_of(below)) > len(names_of(received)) else None


def _common_delimiter(content: bytes, encoding: str) -> str | None:
    """Return the mark that most of the first lines hold equally often, None where none is."""
    try:
        lines = content[:_HEAD_BYTES].decode(encoding, errors="replace").splitlines()[:_LOOKED_AT]
    except LookupError:
        return None
    best, most = None, 0
    filled = [line for line in lines if line.strip()]
    for delimiter in _DELIMITERS:
        counts = Counter(line.count(delimiter) for line in filled)
        counts.pop(0, None)
        times, rows = max(counts.items(), key=lambda pair: pair[1], default=(0, 0))
        if rows >= max(2, 0.5 * len(filled)) and times * rows > most:
            best, most = delimiter, times * rows
    return best


def _is_counted(names: list[str]) -> bool:
    """Whether a header counts its columns: 1, 2, 3."""
    if not all(header.isdigit() for header in names):
        return False
    numbers = [int(header) for header in names]
    return numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def _header_line(content: bytes, name: str, plain: FileFormat, *, first: int = 2) -> int | None:
    """Return the line that is the header: one with a name for every column, else with most named.

    Only a line whose rows differ from it in kind is one: in a file without a header every line is a row.
    """
    first_fitting = None
    head = content if name.lower().endswith((".xlsx", ".xls", ".ods", ".xlsm", ".xlsb")) else _head_of(content)
    for line in range(first, _HEADER_LINES + 1):
        try:
            below = read_file(head, name, plain.model_copy(update={"header": line}))
        except BatchError:
            break  # there is no such line
        names = names_of(below)
        if len(names) < 2 or not _is_header(below) or any(_VALUE.match(header) for header in _given(names)):
            continue
        if not _differs_from_rows(below):
            continue
        # blank lines are passed over on the way to a header: its own line counts
        line = below.found.header_line or line
        if len(_given(names)) == len(names):
            return line
        first_fitting = first_fitting or line
    return first_fitting


def _head_of(content: bytes) -> bytes:
    """Return the first lines of a file, whole, as far as a header is looked for."""
    end = content.find(b"\n", _HEAD_BYTES)
    return content if end < 0 or content[:2] in (b"PK", b"\x1f\x8b") else content[: end + 1]


def _differs_from_rows(received: Received) -> bool:
    """Whether some column of numbers or days has a name that is neither, or no column has numbers at all."""
    rows = received.rows.head(200)
    values = []
    for name in names_of(received)[:60]:
        texts = rows.get_column(name).drop_nulls()
        texts = texts.filter(texts != "")
        if len(texts) and pl.Series.mean(texts.str.contains(_VALUE_TEXT)) > 0.8:  # type: ignore[operator]
            values.append(name)
    return any(not _VALUE.match(name) for name in values) if values else True


_VALUE_TEXT = r"^[-+]?[\d.,]+$|^\d{1,4}[-./]\d{1,2}[-./]\d{1,4}"


def _given(names: list[str]) -> list[str]:
    return [name for name in names if not _UNNAMED.match(name)]


def _is_header(received: Received) -> bool:
    """Whether what was taken for the header looks like one: most columns named, apart, not by values, wide as rows."""
    names = names_of(received)
    narrow = received.bad_lines.height > max(3, received.rows.height)
    repeated = sum(bool(_REPEATED.search(name)) for name in names) > 1
    return not narrow and not repeated and not _is_values(_given(names)) and 2 * len(_given(names)) > len(names)


def _is_values(names: list[str]) -> bool:
    """Whether a line that should be a header holds values."""
    looks = sum(bool(_VALUE.match(name)) for name in names)
    return looks >= 0.3 * len(names) and looks > 0


def _heads_periods(received: Received) -> bool:
    """Whether a header has years or months beside a name, over columns of other numbers: item, 2023, 2024."""
    names = names_of(received)
    periods = [name for name in names if _YEAR_OR_MONTH.match(name)]
    if not 1 < len(periods) < len(names) or any(_VALUE.match(name) for name in names if name not in periods):
        return False
    cells = received.rows.head(200).select(pl.col(periods).str.strip_chars().str.contains(_YEAR_OR_MONTH.pattern))
    shares = [pl.Series.mean(cells.get_column(name).drop_nulls()) or 0.0 for name in periods]
    return all(float(share) < 0.5 for share in shares)  # type: ignore[arg-type]


def _own_line_end(received: Received) -> str | None:
    """Return the mark that ends every row beside the line break, as in '&|', where there is one."""
    names = names_of(received)
    ending = re.search(r"[^\w\s\"'.)%]{2}$", names[-1]) if names and received.found.type == "csv" else None
    if ending is None:
        return None
    last = received.rows.get_column(names[-1]).drop_nulls()
    common = last.str.ends_with(ending.group())
    return f"{ending.group()}\n" if len(last) and pl.Series.mean(common) > 0.9 else None  # type: ignore[operator]
