"""Which column of a file each declared field is read from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.site import ColumnSpec, Feed
from manufacturing_copilot.site.documents import did_you_mean


def match_columns(columns: Sequence[str], feed: Feed, file_name: str) -> dict[str, str]:
    """Return field → column of the file, for every field that has one.

    A header fits as written, else without regard to case, blanks and punctuation; a number is a place, from 1.
    Raises BatchError, naming what was found, where a column that is not optional is missing.
    """
    matched: dict[str, str] = {}
    for field, spec in feed.columns.items():
        if spec.constant is not None:
            continue
        column = _match(columns, spec)
        if column is not None:
            matched[field] = column
        elif not spec.optional:
            raise BatchError(_missing(columns, field, spec, feed, file_name))
    return matched


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


def _missing(columns: Sequence[str], field: str, spec: ColumnSpec, feed: Feed, file_name: str) -> str:
    found = ", ".join(columns[:40]) + (", …" if len(columns) > 40 else "")
    if isinstance(spec.column, int):
        return (
            f"{file_name}: {field} is read from column {spec.column}, but the file has only {len(columns)}"
            f" columns ({found}); correct columns: of {feed.feed}, or the export"
        )
    return (
        f"{file_name}: the column {spec.column!r}, from which {field} is read, is missing"
        f"{did_you_mean(spec.column or '', columns)}; found {found}; correct columns: of {feed.feed}, or the export"
    )
