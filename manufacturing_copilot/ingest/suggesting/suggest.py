"""Suggesting a feed for a file: what system it comes from, what its rows are, and which column is which field.

A known system is told by its header; else the kind and the columns are guessed from names and values. Every guess
keeps its evidence, so that a person can judge it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from manufacturing_copilot.errors import BatchError, SiteError
from manufacturing_copilot.ingest.reading import read_file
from manufacturing_copilot.ingest.received import LINE, Received
from manufacturing_copilot.ingest.suggesting.column_profile import ColumnEvidence, evidence_of
from manufacturing_copilot.ingest.suggesting.field_matching import assign, best_kind
from manufacturing_copilot.ingest.suggesting.natural_keys import Key, key_of
from manufacturing_copilot.ingest.suggesting.profiles import Recognised, recognise
from manufacturing_copilot.ingest.suggesting.profiles.model import ProfileColumn, folded
from manufacturing_copilot.ingest.suggesting.row_kinds import kinds_of_rows
from manufacturing_copilot.ingest.suggesting.vocabulary import file_name_score
from manufacturing_copilot.records import RECORD_KINDS, RecordKind
from manufacturing_copilot.site import FileFormat
from manufacturing_copilot.site.feeds import SOURCE_NAME
from manufacturing_copilot.site.yaml_documents import did_you_mean

_HEADER_LINES = 12
_UNNAMED = re.compile(r"^column \d+$")
_REPEATED = re.compile(r" \(\d+\)$")
_VALUE = re.compile(r"^[-+]?[\d.,]+$|^\d{1,4}[-./]\d{1,2}[-./]\d{1,4}|^\{?[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-|^column \d+$")
_TIE = 0.12  # scores so near to the best that the file's name may decide


@dataclass(frozen=True)
class Suggestion:
    """A feed for a file, as far as the file shows it.

    `columns`: field → evidence of the column it is read from. `profiled`: what a system's profile adds to a field.
    `missing`: fields that the kind needs and no column looks like. `recognised`: the system, None where the header
    is no known one's. `format`: what has to be said about the file, as detection alone would read it wrongly.
    `kinds`: where rows of several kinds stand in one file, the column that tells them and how many rows each has.
    """

    source: str
    name: str
    kind: RecordKind
    files: str
    format: FileFormat
    received: Received
    evidence: tuple[ColumnEvidence, ...]
    columns: dict[str, ColumnEvidence]
    missing: tuple[str, ...]
    constants: dict[str, str]
    key: Key
    kinds: tuple[str, dict[str, int]] | None = None
    recognised: Recognised | None = None
    profiled: dict[str, ProfileColumn] = field(default_factory=dict)


def suggest(
    content: bytes,
    name: str,
    *,
    source: str | None = None,
    records: str | None = None,
    sheet: str | None = None,
    only: Mapping[str, str] | None = None,
) -> Suggestion:
    """Return a feed for a file; `name` is the file's own, all else what a person says about it.

    `sheet` is that of a workbook, `only` which rows are meant: column → text. Raises BatchError where the file cannot
    be read or has no columns, SiteError where `source` is no name for a source or `records` no record kind.
    """
    if source is not None and not SOURCE_NAME.match(source):
        raise SiteError(f"found the source {source!r}, expected lower-case letters, digits and _, such as erp")
    if records is not None and records not in RECORD_KINDS:
        hint = did_you_mean(records, RECORD_KINDS)
        raise SiteError(f"found the records {records!r}, expected one of {', '.join(RECORD_KINDS)}{hint}")
    plain = FileFormat(sheet=sheet, only={column: (text,) for column, text in (only or {}).items()})
    format, received = _read(content, name, plain)
    evidence = tuple(evidence_of(received))
    if not evidence:
        raise BatchError(f"{name}: the file has no columns; expected a table with a header")
    stem = Path(name).name.partition(".")[0]
    recognised = _recognised([column.name for column in evidence], records, stem)
    if recognised is not None:
        format, received = _as_the_system_writes(content, name, format, received, recognised)
        evidence = tuple(evidence_of(received))
        kind = RECORD_KINDS[recognised.table.records]
        named = {column.name: column for column in evidence}
        columns = {field_name: named[column] for field_name, column in recognised.columns.items()}
        profiled = {field_name: recognised.table.columns[field_name] for field_name in columns}
    else:
        kind = RECORD_KINDS[records] if records else best_kind(evidence, stem)
        columns, profiled = {}, {}
    columns = assign(kind, evidence, columns, guess=recognised is None and format.header is not False)
    constants = _constants(kind, columns, stem)
    missing = tuple(required for required in kind.required if required not in columns and required not in constants)
    return Suggestion(
        source=source or (recognised.profile.profile if recognised else "erp"),
        name=kind.name,
        kind=kind,
        files=_pattern(name, source or (recognised.profile.profile if recognised else "erp")),
        format=format,
        received=received,
        evidence=evidence,
        columns={field.name: columns[field.name] for field in kind.fields if field.name in columns},
        missing=missing,
        constants=constants,
        key=key_of(received.rows, kind, columns),
        kinds=kinds_of_rows(received) if not format.only else None,
        recognised=recognised,
        profiled=profiled,
    )


def _as_the_system_writes(
    content: bytes, name: str, format: FileFormat, received: Received, recognised: Recognised
) -> tuple[FileFormat, Received]:
    """Return the format with what the system's profile says of its rows, and the rows that it leaves."""
    table = recognised.table
    names = {folded(header): header for header in _names(received)}
    only = {names[folded(column)]: texts for column, texts in table.only.items() if folded(column) in names}
    settings: dict[str, Any] = {"totals": table.totals, "headings": table.headings, "only": only}
    settings = {key: value for key, value in settings.items() if value}
    if not settings:
        return format, received
    fitting = format.model_copy(update=settings)
    remaining = read_file(content, name, fitting)
    return (fitting, remaining) if remaining.rows.height else (format, received)


def _recognised(names: list[str], records: str | None, stem: str) -> Recognised | None:
    candidates = recognise(names, records)
    if not candidates:
        return None
    tied = [candidate for candidate in candidates if candidate.score >= candidates[0].score - _TIE]
    return max(tied, key=lambda candidate: (file_name_score(stem, candidate.table.records), candidate.score))


def _constants(kind: RecordKind, columns: dict[str, ColumnEvidence], stem: str) -> dict[str, str]:
    """Return values that hold for every row where the file has no column: what its name or its nature says."""
    constants = {}
    if kind.name == "order_lines" and "order_no" not in columns:
        constants["order_no"] = "-"
    if kind.name == "stock_movements" and "movement" not in columns:
        returns = "return" in stem.lower()
        sales = file_name_score(stem, "order_lines") > 0
        if returns or sales:
            constants["movement"] = "sales_return" if returns else "sale"
    return constants


def _pattern(name: str, source: str) -> str:
    """Return the pattern of the files to come: the name with its dates and numbers as wildcards."""
    stem, dot, ending = name.rpartition("/")[2].partition(".")
    plain = re.sub(r"[-_ .]*\d[\d\-_. T]*", "*", stem).strip("* -_") or stem
    plain = re.sub(r"[\[\]?]", "?", plain)
    return f"inbox/{source}/{plain}*{dot}{ending}"


def _read(content: bytes, name: str, plain: FileFormat) -> tuple[FileFormat, Received]:
    """Read the file, and where its first line is no header, find the one that is."""
    received = read_file(content, name, plain)
    own_end = _own_line_end(received)
    if own_end is not None:
        plain = plain.model_copy(update={"line_end": own_end})
        received = read_file(content, name, plain)
    if received.found.type not in ("csv", "excel") or _is_header(received):
        return plain, received
    line = _header_line(content, name, plain)
    if line is not None:
        format = plain.model_copy(update={"header": line})
        return format, read_file(content, name, format)
    if not _is_values(_names(received)):
        return plain, received
    if all(header.isdigit() for header in _names(received)):
        numbers = [int(header) for header in _names(received)]
        if numbers == list(range(numbers[0], numbers[0] + len(numbers))):
            return plain, received  # periods, counted
    format = plain.model_copy(update={"header": False})
    return format, read_file(content, name, format)


def _header_line(content: bytes, name: str, plain: FileFormat) -> int | None:
    """Return the line below the first that is the header: one with a name for every column, else with most named."""
    first_fitting = None
    for line in range(2, _HEADER_LINES + 1):
        try:
            below = read_file(content, name, plain.model_copy(update={"header": line}))
        except BatchError:
            break  # there is no such line
        names = _names(below)
        if len(names) < 2 or not _is_header(below) or any(_VALUE.match(header) for header in _given(names)):
            continue
        # blank lines are passed over on the way to a header: its own line counts
        line = below.found.header_line or line
        if len(_given(names)) == len(names):
            return line
        first_fitting = first_fitting or line
    return first_fitting


def _names(received: Received) -> list[str]:
    return [name for name in received.rows.columns if name != LINE]


def _given(names: list[str]) -> list[str]:
    return [name for name in names if not _UNNAMED.match(name)]


def _is_header(received: Received) -> bool:
    """Whether what was taken for the header looks like one: most columns named, apart, not by values, wide as rows."""
    names = _names(received)
    narrow = received.bad_lines.height > max(3, received.rows.height)
    repeated = sum(bool(_REPEATED.search(name)) for name in names) > 1
    return not narrow and not repeated and not _is_values(_given(names)) and 2 * len(_given(names)) > len(names)


def _is_values(names: list[str]) -> bool:
    """Whether a line that should be a header holds values."""
    looks = sum(bool(_VALUE.match(name)) for name in names)
    return looks >= 0.3 * len(names) and looks > 0


def _own_line_end(received: Received) -> str | None:
    """Return the mark that ends every row beside the line break, as in '&|', where there is one."""
    names = _names(received)
    ending = re.search(r"[^\w\s\"'.)%]{2}$", names[-1]) if names and received.found.type == "csv" else None
    if ending is None:
        return None
    last = received.rows.get_column(names[-1]).drop_nulls()
    common = last.str.ends_with(ending.group())
    return f"{ending.group()}\n" if len(last) and pl.Series.mean(common) > 0.9 else None  # type: ignore[operator]
