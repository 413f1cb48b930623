"""Guessing what the rows of an unknown file are, and which column is which of our fields."""

from __future__ import annotations

from collections.abc import Sequence

from manufacturing_copilot.ingest.columns import ColumnEvidence
from manufacturing_copilot.ingest.vocabulary import nearness, our_word, told_by_file_name
from manufacturing_copilot.records import NUMERIC_TYPES, RECORD_KINDS, Field, FieldType, RecordKind

_FITS = 0.8  # share of values that must fit a field's type
_NEAR = 0.6  # how near a header must come to a field

Columns = dict[str, ColumnEvidence]


def best_kind(evidence: Sequence[ColumnEvidence], stem: str) -> RecordKind:
    """Return the record kind that the columns and the file's name fit best."""
    return max(RECORD_KINDS.values(), key=lambda kind: _score(kind, evidence, stem))


def _score(kind: RecordKind, evidence: Sequence[ColumnEvidence], stem: str) -> float:
    columns = assign(kind, evidence, {}, stem, guess=True)
    excused = {"order_no"} if kind.name == "order_lines" else set()
    if kind.name == "stock_movements" and "return" in stem.lower():
        excused = {"movement"}
    needed = sum(name in columns or name in excused for name in kind.required)
    whole = needed == len(kind.required)
    near = sum(nearness(column.name, name, kind.name) for name, column in columns.items())
    return (
        3 * needed / len(kind.required)
        + 0.3 * needed
        + 0.5 * near
        + 2 * told_by_file_name(stem, kind.name)
        - (0 if whole else 2)
    )


def assign(
    kind: RecordKind, evidence: Sequence[ColumnEvidence], columns: Columns, stem: str, *, guess: bool
) -> Columns:
    """Return field → column: those given, and for the other fields the best of the columns that are left.

    `guess`: also what only the values suggest, such as an unnamed column with a code of its own in every row.
    """
    chosen = dict(columns)
    taken = {column.place for column in chosen.values()}
    pairs = [
        (nearness(column.name, field.name, kind.name), field.required, -column.place, field, column)
        for field in kind.fields
        if field.name not in chosen
        for column in evidence
        if column.place not in taken and fits(field, column)
    ]
    for near, _, _, field, column in sorted(pairs, key=lambda pair: pair[:3], reverse=True):
        if near >= _NEAR and field.name not in chosen and column.place not in taken:
            chosen[field.name] = column
            taken.add(column.place)
    return _by_values(kind, evidence, chosen, taken) if guess else chosen


def fits(field: Field, column: ColumnEvidence) -> bool:
    """Say whether a column's values can be a field's."""
    if not column.filled:
        return not field.required
    if field.type in NUMERIC_TYPES or field.type is FieldType.INTEGER:
        return column.numbers >= _FITS
    if field.type is FieldType.DATE:
        return column.dates >= _FITS and not column.two_orders
    if field.type is FieldType.FLAG:
        return column.flags
    if field.choices:
        return any(our_word(word, field.choices) for word in column.words)
    return column.dates < _FITS or column.numbers >= _FITS


def _by_values(kind: RecordKind, evidence: Sequence[ColumnEvidence], chosen: Columns, taken: set[int]) -> Columns:
    """Give the fields that are needed still to columns that could be them by their values alone."""
    for field in kind.fields:
        if not field.required or field.name in chosen:
            continue
        if field.name in kind.key and field.type is FieldType.CODE and len(kind.key) == 1:
            free = [c for c in evidence if c.place not in taken and c.unique and fits(field, c)]
        elif field.type is FieldType.DATE:
            free = [c for c in evidence if fits(field, c) and (c.numbers < _FITS or c.order is not None)]
        else:
            free = []
        if free:
            chosen = {name: column for name, column in chosen.items() if column.place != free[0].place}
            chosen[field.name] = free[0]
            taken.add(free[0].place)
    return chosen
