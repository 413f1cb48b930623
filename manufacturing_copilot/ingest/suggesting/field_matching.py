"""Guessing what the rows of an unknown file are, and which column is which of our fields."""

from __future__ import annotations

from collections.abc import Sequence

from manufacturing_copilot.ingest.suggesting.column_profile import ColumnEvidence
from manufacturing_copilot.ingest.suggesting.vocabulary import file_name_score, nearness, our_word
from manufacturing_copilot.records import NUMERIC_TYPES, RECORD_KINDS, Field, FieldType, RecordKind

_FITS = 0.8  # share of values that must fit a field's type
_NEAR = 0.65  # how near a header must come to a field

Columns = dict[str, ColumnEvidence]


def best_kind(evidence: Sequence[ColumnEvidence], stem: str) -> RecordKind:
    """Return the record kind that the columns and the file's name fit best."""
    return max(RECORD_KINDS.values(), key=lambda kind: _score(kind, evidence, stem))


def _score(kind: RecordKind, evidence: Sequence[ColumnEvidence], stem: str) -> float:
    columns = assign(kind, evidence, {}, guess=False)
    guessed = assign(kind, evidence, columns, guess=True)
    excused = {"order_no"} if kind.name == "order_lines" else set()
    if kind.name == "stock_movements" and "return" in stem.lower():
        excused = {"movement"}
    # What only the values suggest counts little: nearly every file has a column with its own value in each row.
    needed = sum(
        1.0 if name in columns or name in excused else 0.3 if name in guessed else 0.0 for name in kind.required
    )
    whole = all(name in guessed or name in excused for name in kind.required)
    near = sum(nearness(column.name, name, kind.name) for name, column in columns.items())
    return (
        3 * needed / len(kind.required)
        + 0.3 * needed
        + 0.5 * near
        + 2 * file_name_score(stem, kind.name)
        - (0 if whole else 2)
    )


def assign(kind: RecordKind, evidence: Sequence[ColumnEvidence], columns: Columns, *, guess: bool) -> Columns:
    """Return field → column: those given, and for the other fields the best of the columns that are left.

    `guess`: also what only the values suggest, such as an unnamed column with a code of its own in every row.
    """
    chosen = dict(columns)
    taken = {column.position for column in chosen.values()}
    pairs = [
        (nearness(column.name, field.name, kind.name), field.required, -column.position, field, column)
        for field in kind.fields
        if field.name not in chosen
        for column in evidence
        if column.position not in taken and fits(field, column)
    ]
    for near, _, _, field, column in sorted(pairs, key=lambda pair: pair[:3], reverse=True):
        if near >= _NEAR and field.name not in chosen and column.position not in taken:
            chosen[field.name] = column
            taken.add(column.position)
    return _by_values(kind, evidence, chosen, taken) if guess else chosen


def fits(field: Field, column: ColumnEvidence) -> bool:
    """Say whether a column's values can be a field's."""
    if not column.filled:
        return not field.required
    if column.ruined:
        return False
    if field.type in NUMERIC_TYPES or field.type is FieldType.INTEGER:
        return column.numbers >= _FITS
    if field.type is FieldType.DATE:
        return column.dates >= _FITS and not column.two_orders
    if field.type is FieldType.FLAG:
        return column.flags
    if field.choices:
        few = field.required and 0 < len(column.words) <= 20
        return few or any(our_word(word, field.choices) for word in column.words)
    return column.dates < _FITS or column.numbers >= _FITS


def _by_values(kind: RecordKind, evidence: Sequence[ColumnEvidence], chosen: Columns, taken: set[int]) -> Columns:
    """Give the fields that are needed still to columns that could be them by their values alone."""
    for field in kind.fields:
        if not field.required or field.name in chosen:
            continue
        if field.name in kind.key and field.type is FieldType.CODE and len(kind.key) == 1:
            own = [c for c in evidence if c.unique and fits(field, c)]
            # A column that only stands in, such as a name, before one that is nothing but different in every row.
            free = [c for c in own if nearness(c.name, field.name, kind.name) >= _NEAR]
            free += [c for c in own if c.position not in taken]
        elif field.type is FieldType.DATE:
            free = [c for c in evidence if fits(field, c) and (c.numbers < _FITS or c.order is not None)]
        else:
            free = []
        if free:
            chosen = {name: column for name, column in chosen.items() if column.position != free[0].position}
            chosen[field.name] = free[0]
            taken.add(free[0].position)
    return chosen
