"""Which column of a file each declared field is read from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import polars as pl

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.ingest.received import LINE, Received
from manufacturing_copilot.records import NUMERIC_TYPES, FieldType
from manufacturing_copilot.site import ColumnSpec, Feed
from manufacturing_copilot.site.yaml_documents import did_you_mean

_LOOKED_AT = 30
"""So many rows below a header that does not fit are looked at for one that does."""
_VALUE = re.compile(r"[-+]?\d[\d.,]*|\d{1,4}[-./]\d{1,2}[-./]\d{1,4}(?:[ T].*)?")


def match_columns(received: Received, feed: Feed, file_name: str) -> dict[str, str]:
    """Return field → column of the file, for every field that has one.

    A header fits as written, else without regard to case, blanks and punctuation; a number is a place, from 1.
    Raises BatchError, naming what was found and where the header may be, where a column that is not optional is
    missing, or where what should be the header is a row.
    """
    columns = [name for name in received.rows.columns if name != LINE]
    matched: dict[str, str] = {}
    for field, spec in feed.columns.items():
        if spec.constant is not None:
            continue
        column = _match(columns, spec)
        if column is not None:
            matched[field] = column
        elif not spec.optional:
            raise BatchError(_missing(columns, field, spec, feed, file_name, _hint(received, columns, feed)))
    _refuse_row_as_header(matched, received, feed, file_name)
    return matched


def columns_read(received: Received, feed: Feed) -> set[str]:
    """Return the columns of the file that the feed reads: of its fields, their factors and signs, and of `only:`."""
    names = [name for name in received.rows.columns if name != LINE]
    specs = feed.columns.values()
    wanted: list[str | int | float] = [*feed.format.only]
    for spec in specs:
        wanted += [*spec.times, *spec.divided_by]
        wanted += [spec.negative_where.column] if spec.negative_where is not None else []
    read = {match_name(names, column) for column in wanted if isinstance(column, str)}
    read |= {_match(names, spec) for spec in specs if spec.constant is None}
    return {name for name in read if name is not None}


def _refuse_row_as_header(matched: Mapping[str, str], received: Received, feed: Feed, file_name: str) -> None:
    """Refuse a file without header where columns are named by place: its first row would pass for the header."""
    if feed.format.header is not True or received.found.type not in ("csv", "excel"):
        return
    for field, column in matched.items():
        by_place = isinstance(feed.columns[field].column, int)
        kind = feed.kind.field(field).type
        telling = kind in NUMERIC_TYPES or kind in (FieldType.INTEGER, FieldType.DATE)
        if by_place and telling and _VALUE.fullmatch(column):
            raise BatchError(
                f"{file_name}: the header of column {feed.columns[field].column}, from which {field} is read, is"
                f" {column!r}: the first line seems to be a row; declare format: {{header: false}} in {feed.feed}, or"
                " export the file with a header"
            )


def _hint(received: Received, columns: Sequence[str], feed: Feed) -> str:
    """Say where the header may stand instead, if the first rows show it."""
    wanted = {_squeezed(spec.column) for spec in feed.columns.values() if isinstance(spec.column, str)}
    if received.found.type not in ("csv", "excel") or not wanted:
        return ""
    texts = received.rows.head(_LOOKED_AT).select(LINE, pl.concat_list(pl.exclude(LINE)).alias("cells")).rows()
    bad = received.bad_lines.head(_LOOKED_AT).select(LINE, "text").rows()
    delimiter = received.found.delimiter or ","
    for line, cells in sorted([*texts, *((line, text.split(delimiter)) for line, text in bad)]):
        if len(wanted & {_squeezed(cell.strip().strip('"')) for cell in cells if cell}) > len(wanted) / 2:
            return f"; line {line} holds such names: declare format: {{header: {line}}} if that is the header"
    if sum(bool(_VALUE.fullmatch(name)) for name in columns) > len(columns) / 2:
        return "; the first line seems to be a row: declare format: {header: false, columns: […]} if there is no header"
    return ""


def _match(columns: Sequence[str], spec: ColumnSpec) -> str | None:
    if isinstance(spec.column, int):
        return columns[spec.column - 1] if 0 < spec.column <= len(columns) else None
    return match_name(columns, spec.column or "")


def match_name(columns: Sequence[str], wanted: str) -> str | None:
    """Return the column that the header `wanted` means: as written, else without regard to case and punctuation."""
    if wanted in columns:
        return wanted
    near: Mapping[str, list[str]] = {}
    for fold in (_folded, _squeezed):
        near = {}
        for column in columns:
            near.setdefault(fold(column), []).append(column)
        found = near.get(fold(wanted), [])
        if len(found) == 1:
            return found[0]
    return None


def declared_columns(columns: Sequence[str], feed: Feed) -> dict[str, str]:
    """Return field → column of the file as far as there is one; a field that is read from none is left out."""
    found = {field: _match(columns, spec) for field, spec in feed.columns.items() if spec.constant is None}
    signs = [spec.negative_where.column for spec in feed.columns.values() if spec.negative_where is not None]
    found |= {f"sign of {name}": match_name(columns, name) for name in signs}
    return {field: column for field, column in found.items() if column is not None}


def _folded(name: str) -> str:
    return " ".join(name.casefold().split())


def _squeezed(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold()) or name


def _missing(columns: Sequence[str], field: str, spec: ColumnSpec, feed: Feed, file_name: str, hint: str) -> str:
    found = ", ".join(columns[:40]) + (", …" if len(columns) > 40 else "")
    if isinstance(spec.column, int):
        return (
            f"{file_name}: {field} is read from column {spec.column}, but the file has only {len(columns)}"
            f" columns ({found}); correct columns: of {feed.feed}, or the export"
        )
    return (
        f"{file_name}: the column {spec.column!r}, from which {field} is read, is missing"
        f"{did_you_mean(spec.column or '', columns)}; found {found}{hint}; correct columns: of"
        f" {feed.feed}, or the export"
    )
