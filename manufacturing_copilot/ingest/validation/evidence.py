"""What the values of a file say about how to read them, gathered over all of its parts before anything is decided."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import polars as pl

from manufacturing_copilot.ingest.file_contract import DecimalMark, ValueFormats
from manufacturing_copilot.ingest.validation.casts.dates import OrderEvidence, Shape
from manufacturing_copilot.ingest.validation.casts.numbers import MarkEvidence
from manufacturing_copilot.ingest.validation.column_formats import ColumnTexts, decide_marks, decide_orders
from manufacturing_copilot.site.feeds import DateOrder

_MARK_ROWS = {"point_row": "point", "comma_row": "comma", "either_row": "either"}
_ORDER_ROWS = {
    "day_row": "day_first",
    "month_row": "month_first",
    "either_row": "either",
    "bare_row": "bare_times",
    "turned_row": "turned",
}
_Found = TypeVar("_Found", MarkEvidence, OrderEvidence)
_Word = TypeVar("_Word", DecimalMark, DateOrder)


@dataclass(frozen=True)
class Decided:
    """How the values of a file are read: the decimal mark and the order of dates by field, flags marked by x.

    `moments`: the fields whose times of day in a zone of their own make them the plant's day. `formats`: what of it
    holds for the next file.
    """

    marks: dict[str, DecimalMark]
    orders: dict[str, DateOrder]
    marked_by_x: frozenset[str]
    formats: ValueFormats
    moments: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Evidence:
    """What the values of some rows say: of decimal marks, of the order of dates, and the words of flags."""

    marks: Sequence[tuple[ColumnTexts[DecimalMark], MarkEvidence]]
    orders: Sequence[tuple[ColumnTexts[DateOrder], OrderEvidence]]
    flags: Mapping[str, frozenset[str]] = field(default_factory=dict)
    plain: Collection[str] = ()

    def with_more(self, other: Evidence) -> Evidence:
        """Return the evidence of both, which are of the same columns; it keeps the rows that sentences quote."""
        return Evidence(
            [_joined(ours, theirs, _MARK_ROWS) for ours, theirs in zip(self.marks, other.marks, strict=True)],
            [_joined(ours, theirs, _ORDER_ROWS) for ours, theirs in zip(self.orders, other.orders, strict=True)],
            {name: words | other.flags[name] for name, words in self.flags.items()},
            self.plain,
        )

    def decide(self, earlier: ValueFormats, file_name: str) -> Decided:
        """Return how to read the file; raises BatchError where that would be guessing.

        `earlier` is how earlier files of the feed were read.
        """
        marks, decided_marks = decide_marks(list(self.marks), file_name, plain=set(self.plain))
        orders, decided_orders = decide_orders(list(self.orders), file_name)
        by_x = frozenset(earlier.marked_by_x) | {n for n, words in self.flags.items() if words == {"x"}}
        moments = frozenset(earlier.moments) | {column.field for column, found in self.orders if found.moments}
        formats = ValueFormats(
            decimal={**earlier.decimal, **decided_marks},
            dates={**earlier.dates, **decided_orders},
            marked_by_x=tuple(sorted(by_x)),
            moments=tuple(sorted(moments)),
        )
        return Decided(marks, orders, by_x, formats, moments)


def _shapes_of_both(ours: OrderEvidence, theirs: OrderEvidence) -> dict[str, Shape]:
    """Return the ways of writing of both; the same day may stand in both, so the larger number of days holds."""
    both = dict(ours.shapes)
    for mark, other in theirs.shapes.items():
        mine = both.get(mark, Shape(0, 0, ""))
        both[mark] = Shape(mine.telling + other.telling, max(mine.either, other.either), mine.example or other.example)
    return both


def _joined(
    ours: tuple[ColumnTexts[_Word], _Found], theirs: tuple[ColumnTexts[_Word], _Found], rows: Mapping[str, str]
) -> tuple[ColumnTexts[_Word], _Found]:
    (column, mine), (other_column, other) = ours, theirs
    changes: dict[str, Any] = {count: getattr(mine, count) + getattr(other, count) for count in rows.values()}
    if isinstance(mine, OrderEvidence) and isinstance(other, OrderEvidence):
        changes |= {"filled": mine.filled + other.filled, "not_iso": mine.not_iso + other.not_iso}
        changes |= {"zoned": mine.zoned + other.zoned, "moments": mine.moments + other.moments}
        changes["shapes"] = _shapes_of_both(mine, other)
        changes["turns_day_first"] = mine.turns_day_first + other.turns_day_first
        changes["turns_month_first"] = mine.turns_month_first + other.turns_month_first
    texts: list[str | None] = []
    lines: list[int] = []
    for row in rows:
        source, index = (column, getattr(mine, row))
        if index is None:
            source, index = (other_column, getattr(other, row))
        changes[row] = None if index is None else len(texts)
        if index is not None:
            texts.append(source.texts[index])
            lines.append(source.lines[index])
    quoted = replace(column, texts=pl.Series(texts, dtype=pl.String), lines=pl.Series(lines, dtype=pl.Int64))
    return quoted, replace(mine, **changes)
