"""What a column's values say about it: numbers and with which mark, dates and in which order, codes, words."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from manufacturing_copilot.ingest.file_contract import DecimalMark
from manufacturing_copilot.ingest.received import LINE, Received
from manufacturing_copilot.ingest.suggesting.vocabulary import means_nothing
from manufacturing_copilot.ingest.validation.casts.dates import OrderEvidence, cast_dates, order_evidence, take_apart
from manufacturing_copilot.ingest.validation.casts.numbers import cast_numbers, mark_evidence
from manufacturing_copilot.ingest.validation.casts.words import cast_flags, plain_texts
from manufacturing_copilot.ingest.validation.column_formats import TURNED_AT_LEAST
from manufacturing_copilot.site.feeds import DateOrder

_SAMPLE = 20_000
_WORDS = 40
_LOOKED_AT = 500
WIDEST = 120
"""Maximum number of columns of a file that are all looked at; wider files hold periods, not fields."""
_FIRST = 30
"""Columns that are looked at of a wider file: what its rows are is told by them, if by any."""


@dataclass(frozen=True)
class ColumnEvidence:
    """One column of a file, as its values show it. Shares are of the filled cells, from 0 to 1.

    `position` counts from 1. `words`: its texts, the most frequent first, where they are few. `nothing`: texts that
    stand where no value is. `open_mark`: its numbers do not tell the decimal mark from a thousands mark. `either`:
    dates whose order the column does not tell, with an example. `bare_times`: share of times without a date;
    `destroyed`: of numbers whose decimal mark a spreadsheet took for a thousands mark. `prefix`: the letters before the
    number of each document, as `so` of SO-0001.
    """

    name: str
    position: int
    rows: int
    filled: int
    distinct: int
    numbers: float
    mark: DecimalMark | None
    open_mark: bool
    dates: float
    order: DateOrder | None
    two_orders: bool
    example: str
    either: bool
    flags: bool
    bare_times: float
    words: tuple[str, ...]
    nothing: tuple[str, ...]
    destroyed: float = 0.0
    prefix: str = ""

    @property
    def ruined(self) -> bool:
        """Whether a spreadsheet left of most of its values what nothing can be read from."""
        return self.bare_times >= 0.5 or self.destroyed >= 0.5

    @property
    def unique(self) -> bool:
        """Whether every row has a value of its own."""
        return self.rows > 0 and self.filled == self.rows == self.distinct

    def __str__(self) -> str:
        """Return the evidence in words."""
        if not self.filled:
            return "empty"
        parts = [f"{self.filled / self.rows:.0%} filled"] if self.filled < self.rows else []
        if self.dates >= 0.5 and (self.numbers < 0.5 or self.order is not None):
            parts.append(f"{self.dates:.0%} dates{self._order_in_words()}")
        elif self.numbers >= 0.5:
            mark = {",": ", decimal comma", ".": ", decimal point"}.get(self.mark or "", "")
            parts.append(f"{self.numbers:.0%} numbers{mark}")
        if self.bare_times >= 0.5:
            parts.append(f"{self.bare_times:.0%} times without a date, as Excel leaves when it ruins dates")
        if self.destroyed >= 0.5:
            parts.append(f"{self.destroyed:.0%} numbers destroyed by a spreadsheet, such as '{self.example}'")
        if self.unique:
            parts.append("every row its own")
        elif self.words:
            shown = ", ".join(word if len(word) <= 24 else word[:23] + "…" for word in self.words[:5])
            parts.append(f"{self.distinct} different: {shown}{', …' if self.distinct > 5 else ''}")
        else:
            parts.append(f"{self.distinct:,} different")
        return ", ".join(parts)

    def _order_in_words(self) -> str:
        if self.two_orders:
            return ", in two orders"
        if self.either:
            return f", which order does not show ('{self.example}')"
        return f", {self.order} ('{self.example}')" if self.order and self.example else ""


def evidence_of(received: Received) -> list[ColumnEvidence]:
    """Return the evidence of every column of a file, in order."""
    names = [name for name in received.rows.columns if name != LINE]
    names = names if len(names) <= WIDEST else names[:_FIRST]
    return [_of(received.rows.get_column(name), position) for position, name in enumerate(names, start=1)]


def _of(column: pl.Series, position: int) -> ColumnEvidence:
    texts = plain_texts(column, (), {})
    filled = texts.drop_nulls()
    frequent = filled.alias("word").value_counts(sort=True) if filled.n_unique() <= _WORDS else None
    words = tuple(frequent.get_column("word").to_list()) if frequent is not None else ()
    sample = filled.gather_every(max(1, len(filled) // _SAMPLE)) if len(filled) else filled
    nothing = tuple(word for word in sample.unique().to_list() if means_nothing(word))
    sample = sample.filter(~sample.is_in(list(nothing))) if nothing else sample
    marks = mark_evidence(filled)
    mark: DecimalMark | None = None
    if marks.point + marks.comma:
        mark = "." if marks.point >= marks.comma else ","
    cast = cast_numbers(sample, mark or ".", percent=True)
    numbers = cast.values
    destroyed = [fault.rows for fault in cast.faults if fault.rule == "destroyed"]
    lost_rows = pl.concat(destroyed) if destroyed else pl.Series([], dtype=pl.UInt32)
    dates, orders = 0.0, OrderEvidence(0, 0, 0)
    dates_apart = take_apart(sample)
    if len(sample):
        orders = order_evidence(take_apart(filled)) if len(dates_apart.texts) else orders
        dates = _share(cast_dates(dates_apart, _order(orders) or DateOrder.DAY_FIRST).values)
    two_orders = bool(orders.day_first and orders.month_first) or orders.turned >= TURNED_AT_LEAST
    order = None if two_orders else _order(orders)
    row = orders.day_row if order is DateOrder.DAY_FIRST else orders.month_row
    row = orders.either_row if order is None else row
    return ColumnEvidence(
        name=column.name,
        position=position,
        rows=len(column),
        filled=len(filled),
        distinct=filled.n_unique(),
        numbers=_share(numbers),
        mark=mark,
        open_mark=mark is None and marks.either > 0,
        dates=dates,
        order=order,
        two_orders=two_orders,
        example=filled[row] if row is not None else sample[int(lost_rows[0])] if len(lost_rows) else "",
        either=order is None and orders.either > 0,
        bare_times=orders.bare_times / len(filled) if len(filled) else 0.0,
        flags=0 < len(words) <= 4 and not cast_flags(filled, empty_is_no=False).faults,
        words=words,
        nothing=nothing if _share(numbers) >= 0.8 or dates >= 0.8 else (),
        destroyed=len(lost_rows) / len(sample) if len(sample) else 0.0,
        prefix=_prefix(sample),
    )


def _prefix(texts: pl.Series) -> str:
    letters = texts.head(_LOOKED_AT).str.extract(r"^([A-Za-z]{2,5})[-_ #./]*\d+").str.to_lowercase().unique()
    return letters[0] or "" if len(letters) == 1 else ""


def _order(evidence: OrderEvidence) -> DateOrder | None:
    if evidence.day_first and not evidence.month_first:
        return DateOrder.DAY_FIRST
    return DateOrder.MONTH_FIRST if evidence.month_first and not evidence.day_first else None


def _share(values: pl.Series) -> float:
    return 1 - values.null_count() / len(values) if len(values) else 0.0
