"""What is decided over a whole column before its values are read: the decimal mark and the order of dates.

Declared in the feed goes first, then what earlier files of the feed were found to be, then the evidence of the
column, then that of the file's other columns. Where none decides, the file is not read: a wrong guess is worse
than a question.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Generic, TypeVar

import polars as pl

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.ingest.file_contract import DecimalMark
from manufacturing_copilot.ingest.validation.casts.dates import OrderEvidence
from manufacturing_copilot.ingest.validation.casts.numbers import MarkEvidence
from manufacturing_copilot.site.feeds import DateOrder

Word = TypeVar("Word", bound=str)

TURNED_AT_LEAST = 5
"""So many different dates that only fit when turned round are no chance."""
_CLEAR = 0.9
"""Share of a column's telling numbers that must agree; the few others are then rejected one by one."""


@dataclass(frozen=True)
class ColumnTexts(Generic[Word]):
    """One column: where it is, what is declared, what earlier files were."""

    field: str
    column: str
    texts: pl.Series
    lines: pl.Series
    declared: Word | None
    earlier: Word | None

    def quote(self, row: int | None) -> str:
        """Return the text at `row` and its line, as a sentence quotes them."""
        return "" if row is None else f"'{self.texts[row]}' in line {self.lines[row]}"


def decide_marks(
    columns: list[tuple[ColumnTexts[DecimalMark], MarkEvidence]], file_name: str, *, plain: set[str]
) -> tuple[dict[str, DecimalMark], dict[str, DecimalMark]]:
    """Return each field's decimal mark, and of them those that are decided and hold for the next file.

    `plain`: columns whose numbers come from typed values and use the point.
    """
    marks: dict[str, DecimalMark] = {}
    undecided = []
    for column, evidence in columns:
        settled = column.declared or column.earlier or ("." if column.column in plain else None)
        if settled is not None:
            seen = {".": (evidence.point, evidence.point_row), ",": (evidence.comma, evidence.comma_row)}
            _keep_to(column, settled, seen, "decimal mark", "decimal:", file_name)
            marks[column.field] = settled
        elif evidence.point + evidence.comma:
            marks[column.field] = _clear_mark(column, evidence, file_name)
        elif evidence.either:
            undecided.append((column, evidence))
    shared = _most_common(marks)
    for column, evidence in undecided:
        if shared is None:
            raise BatchError(
                f"{file_name}: the column '{column.column}' holds {column.quote(evidence.either_row)} and nothing that"
                " tells whether the mark is a decimal or a thousands mark; declare decimal: '.' or decimal: ','"
                f" for {column.field} in the feed"
            )
        marks[column.field] = shared
    decided = dict(marks)
    for column, _ in columns:
        marks.setdefault(column.field, shared or ".")
    return marks, decided


def _clear_mark(column: ColumnTexts[DecimalMark], evidence: MarkEvidence, file_name: str) -> DecimalMark:
    mark: DecimalMark = "." if evidence.point >= evidence.comma else ","
    if max(evidence.point, evidence.comma) < _CLEAR * (evidence.point + evidence.comma):
        raise BatchError(
            f"{file_name}: the column '{column.column}' holds numbers with a decimal point"
            f" ({column.quote(evidence.point_row)}) and with a decimal comma ({column.quote(evidence.comma_row)});"
            f" export it with one mark, or declare decimal: for {column.field} in the feed"
        )
    return mark


def decide_orders(
    columns: list[tuple[ColumnTexts[DateOrder], OrderEvidence]], file_name: str
) -> tuple[dict[str, DateOrder], dict[str, DateOrder]]:
    """Return each field's order of dates, and of them those that are decided and hold for the next file."""
    orders: dict[str, DateOrder] = {}
    undecided = []
    for column, evidence in columns:
        if evidence.bare_times and evidence.bare_times == evidence.filled:
            raise BatchError(
                f"{file_name}: the column '{column.column}' holds times without a date, such as"
                f" {column.quote(evidence.bare_row)}, and no date at all; that is what Excel leaves when it saves dates"
                " it cannot show; export the file again without opening it in Excel"
            )
        settled = column.declared or column.earlier
        if settled is not None:
            _keep_to(
                column,
                settled,
                {
                    DateOrder.DAY_FIRST: (evidence.day_first, evidence.day_row),
                    DateOrder.MONTH_FIRST: (evidence.month_first, evidence.month_row),
                },
                "order of dates",
                "dates:",
                file_name,
            )
            orders[column.field] = settled
            if column.declared is None:
                _refuse_turned(column, evidence, settled, file_name)
        elif evidence.day_first and evidence.month_first:
            raise BatchError(
                f"{file_name}: the column '{column.column}' holds dates in two orders, day-first"
                f" ({column.quote(evidence.day_row)}) and month-first ({column.quote(evidence.month_row)});"
                " export it with one order"
            )
        elif evidence.day_first or evidence.month_first:
            orders[column.field] = DateOrder.DAY_FIRST if evidence.day_first else DateOrder.MONTH_FIRST
            _refuse_turned(column, evidence, orders[column.field], file_name)
        elif evidence.either:
            undecided.append((column, evidence))
    shared = _most_common({field: order for field, order in orders.items() if order is not DateOrder.YEAR_FIRST})
    for column, evidence in undecided:
        if shared is None:
            raise BatchError(
                f"{file_name}: the column '{column.column}' holds {column.quote(evidence.either_row)} and no date that"
                f" tells whether the day or the month comes first; declare dates: day-first or dates: month-first"
                f" for {column.field} in the feed"
            )
        orders[column.field] = shared
    return orders, dict(orders)


def _refuse_turned(column: ColumnTexts[DateOrder], evidence: OrderEvidence, order: DateOrder, file_name: str) -> None:
    """Raise BatchError where some dates of a column may have been turned round, and nothing speaks against it."""
    if evidence.turned >= TURNED_AT_LEAST:
        raise BatchError(
            f"{file_name}: the column '{column.column}' holds dates in two orders: its rows are in order of date, and"
            f" {column.quote(evidence.turned_row)} and {evidence.turned - 1} other dates fit between those around them"
            f" only if they are not read {order}, as the rest is; that is what a spreadsheet leaves when it turns some"
            " dates round; export the file again without opening it in a spreadsheet, or declare dates: for"
            f" {column.field} in the feed if all of them have one order"
        )
    doubtful = evidence.doubtful(order)
    if doubtful is None:
        return
    row = evidence.day_row if evidence.day_first else evidence.month_row
    raise BatchError(
        f"{file_name}: the column '{column.column}' holds dates written in two ways: {column.quote(row)} can only be"
        f" read one way, but the {doubtful.either} different ones written as '{doubtful.example}' could all be either;"
        " a spreadsheet leaves that when it turns some dates round; export the file again without opening it in a"
        f" spreadsheet, or declare dates: for {column.field} in the feed if all of them have one order"
    )


def _most_common(decided: Mapping[str, Word]) -> Word | None:
    """Return what the file's other columns say, if they say one thing."""
    counts = Counter(decided.values())
    return next(iter(counts)) if len(counts) == 1 else None


def _keep_to(
    column: ColumnTexts[Word],
    settled: Word,
    evidence: Mapping[str, tuple[int, int | None]],
    what: str,
    key: str,
    file_name: str,
) -> None:
    """Raise BatchError where most of the column contradicts what is declared or was held so far.

    A few contradictions are rejected row by row; most of them mean that the others would be misread in silence.
    """
    fitting = evidence.get(settled, (0, None))[0]
    against = [(count, row, word) for word, (count, row) in evidence.items() if word != settled]
    count, row, word = max(against, key=itemgetter(0))
    if count > fitting:
        source = "the feed declares" if column.declared else "earlier files had"
        raise BatchError(
            f"{file_name}: {source} the {what} '{settled}' in the column '{column.column}', but most of it contradicts"
            f" that, such as {column.quote(row)}, which is '{word}'; correct {key} for {column.field} in the feed,"
            " or the export"
        )
