"""Checking: rows as they were written → records that pass, and rejected rows with their reasons.

Works on whole columns. A row is rejected for every reason it gives, not only the first; the rows of a file are
its records plus its rejected rows, always.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import pandera.errors
import polars as pl

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.ingest.file_contract import DecimalMark, FileContract, FileFindings
from manufacturing_copilot.ingest.received import LINE, Checked, Received
from manufacturing_copilot.ingest.validation.casts.dates import (
    DateColumn,
    cast_dates,
    not_after,
    order_evidence,
    take_apart,
)
from manufacturing_copilot.ingest.validation.casts.faults import Cast
from manufacturing_copilot.ingest.validation.casts.moments import Zones
from manufacturing_copilot.ingest.validation.casts.numbers import (
    cast_integers,
    cast_numbers,
    in_days,
    mark_evidence,
)
from manufacturing_copilot.ingest.validation.casts.words import cast_choices, cast_flags, flag_words, plain_texts
from manufacturing_copilot.ingest.validation.column_formats import ColumnTexts
from manufacturing_copilot.ingest.validation.currencies import NO_EXCHANGE, Exchange, day_field, exchanged
from manufacturing_copilot.ingest.validation.evidence import Decided, Evidence
from manufacturing_copilot.ingest.validation.factors import scaled
from manufacturing_copilot.ingest.validation.headers import match_columns, match_name
from manufacturing_copilot.ingest.validation.reasons import Complaint, rejected_lines, rejected_rows
from manufacturing_copilot.records import NUMERIC_TYPES, Field, FieldType, RecordKind, pandera_schema, polars_type
from manufacturing_copilot.site import ColumnSpec, Feed
from manufacturing_copilot.site.feeds import DateOrder

HAPPENED = frozenset(
    {
        *("ordered_on", "moved_on", "inspected_on", "received_on", "shipped_on", "started_on", "finished_on"),
        "day",
    }
)
"""Dates of what has happened: not after the day on which the file was written, with a day's grace for time zones."""
_NUMBERS = NUMERIC_TYPES | {FieldType.INTEGER}
TOTALS_WORDS = [
    form
    for word in ("total", "totals", "grand total", "subtotal", "sum", "summe", "gesamt", "gesamtsumme", "zwischensumme",
                 "totale", "somme", "suma")
    for form in (word, word.title(), word.capitalize(), word.upper(), f"{word.title()}:", f"{word.capitalize()}:")
]  # fmt: skip
"""What stands where a code should, in the last row of a report."""
_NO_TOTALS = (
    "expected a code, not the word of a totals row; declare format: {totals: …} with that word to leave such rows out,"
    ' or {totals: ""} where it is a code'
)


@dataclass(frozen=True)
class _Column:
    """One field that the file delivers: its texts in our words, null where empty."""

    field: Field
    spec: ColumnSpec
    name: str
    texts: pl.Series


@dataclass(frozen=True)
class FileSetting:
    """What is known of a file besides its rows.

    `name` is how sentences call it; `written_on` the day it was written (None: unknown, then no date is in the
    future); `zone` the plant's time zone, `exchange` its currency and rates.
    """

    name: str
    written_on: date | None
    zone: str = "UTC"
    exchange: Exchange = NO_EXCHANGE


def check(received: Received, feed: Feed, file: FileSetting) -> Checked:
    """Return the records of a file and its rejected rows, which together are all its rows.

    The contract of `received` is what earlier files were found to be, that of the result what holds for the next file.
    Raises BatchError where a needed column is missing, or the file could only be read by guessing.
    """
    look = look_at(received, feed, file_name=file.name)
    return check_under(received, feed, look, look.evidence.decide(received.contract.values, file.name), file)


def _sentinels(column: _Column, received: Received) -> dict[str, int]:
    """Return how often each text stands in a column that its feed reads as no value."""
    if not column.spec.missing or not column.texts.null_count():
        return {}
    raw = received.rows.get_column(column.name).filter(column.texts.is_null()).str.strip_chars()
    return dict(sorted(raw.filter(raw != "").value_counts(name="rows").rows()))


@dataclass(frozen=True)
class Look:
    """Rows of a file before anything is read from them: the columns of our fields, and what their values say."""

    columns: dict[str, _Column]
    dates: dict[str, DateColumn]
    evidence: Evidence
    matched: dict[str, str]


def look_at(received: Received, feed: Feed, *, file_name: str) -> Look:
    """Return what the rows of a file, or a part of it, say; raises BatchError where a needed column is missing."""
    matched = match_columns(received, feed, file_name)
    columns = {
        field: _Column(
            feed.kind.field(field),
            feed.columns[field],
            name,
            plain_texts(received.rows.get_column(name), feed.columns[field].missing, feed.columns[field].values),
        )
        for field, name in matched.items()
    }
    clock = feed.times_in is not None
    dates = {name: take_apart(c.texts, clock=clock) for name, c in columns.items() if c.field.type is FieldType.DATE}
    return Look(columns, dates, _evidence(columns, dates, received, clock=clock), matched)


def check_under(received: Received, feed: Feed, look: Look, decided: Decided, file: FileSetting) -> Checked:
    """Return what `check` does, of the whole file or of a part of it, under what was decided over all of it."""
    kind, rows, columns = feed.kind, received.rows, look.columns
    casts = {
        name: _cast(
            column,
            decided.marks.get(name, "."),
            decided.orders.get(name),
            look.dates.get(name),
            name in decided.marked_by_x,
            Zones(file.zone, feed.times_in) if name in decided.moments else None,
        )
        for name, column in columns.items()
    }
    complaints: list[Complaint] = []
    values: list[pl.Series] = []
    dated = day_field(kind)
    days = casts[dated].values if dated in casts else None
    for field in kind.fields:
        column, cast = columns.get(field.name), casts.get(field.name)
        if column is None or cast is None:
            values.append(_without_column(field, feed, rows.height, file.written_on, file.name))
            continue
        cast, of_factors = scaled(cast, column.spec, rows, decided.marks.get(field.name, "."), file.name)
        cast, of_currency = exchanged(cast, column.spec, rows, days, file.exchange, file.name)
        cast = _finish(_signed(cast, column, rows, file.name), column, kind, feed, file.written_on, file.name)
        values.append(cast.values.rename(field.name))
        complaints += [*of_factors, *of_currency, *_complaints(cast, column, rows)]
    rejected = rejected_rows(rows, complaints, file.name)
    records = pl.DataFrame(values).with_columns(rows.get_column(LINE))
    if complaints:
        faulty = pl.concat([complaint.rows.cast(pl.UInt32) for complaint in complaints]).unique()
        keep = pl.repeat(True, rows.height, dtype=pl.Boolean, eager=True).scatter(faulty, False)
        records = records.filter(keep)
    if not received.bad_lines.is_empty():
        rejected = pl.concat([rejected, rejected_lines(received.bad_lines, file.name)]).sort(LINE, maintain_order=True)
    names = [name for name in rows.columns if name != LINE]
    seen = tuple(dict.fromkeys([*(received.contract.columns or ()), *names]))
    contract = FileContract(received.contract.reading, seen, decided.formats)
    return Checked(records, rejected, _found(received, feed, look, decided), contract)


def _evidence(
    columns: dict[str, _Column], dates: dict[str, DateColumn], received: Received, *, clock: bool
) -> Evidence:
    lines = received.rows.get_column(LINE)
    earlier = received.contract.values
    return Evidence(
        [
            (
                ColumnTexts[DecimalMark](
                    c.field.name, c.name, c.texts, lines, c.spec.decimal, earlier.decimal.get(c.field.name)
                ),
                mark_evidence(c.texts),
            )
            for c in columns.values()
            if c.field.type in _NUMBERS
        ],
        [
            (
                ColumnTexts[DateOrder](name, c.name, c.texts, lines, c.spec.dates, earlier.dates.get(name)),
                order_evidence(dates[name], clock=clock),
            )
            for name, c in columns.items()
            if name in dates
        ],
        {name: flag_words(c.texts) for name, c in columns.items() if c.field.type is FieldType.FLAG},
        received.found.plain_numbers or (),
    )


def _cast(
    column: _Column,
    mark: DecimalMark,
    order: DateOrder | None,
    dates: DateColumn | None,
    by_x: bool,
    zones: Zones | None = None,
) -> Cast:
    kind = column.field.type
    if kind is FieldType.INTEGER:
        return cast_integers(in_days(column.texts) if column.field.name.endswith("_days") else column.texts, mark)
    if kind in NUMERIC_TYPES:
        return cast_numbers(column.texts, mark, percent=kind is FieldType.RATIO)
    if kind is FieldType.DATE:
        return cast_dates(dates if dates is not None else take_apart(column.texts), order, zones)
    if kind is FieldType.FLAG:
        return cast_flags(column.texts, empty_is_no=by_x)
    if column.field.choices:
        return cast_choices(column.texts, column.field.choices)
    return Cast(column.texts)


def _signed(cast: Cast, column: _Column, rows: pl.DataFrame, file_name: str) -> Cast:
    """Apply the column that says which numbers are negative; a sign the number has of its own turns with it."""
    where = column.spec.negative_where
    if where is None or column.field.type not in _NUMBERS:
        return cast
    name = match_name([other for other in rows.columns if other != LINE], where.column)
    if name is None:
        raise BatchError(
            f"{file_name}: the column {where.column!r}, which says where {column.field.name} is negative, is missing;"
            " correct negative_where: in the feed, or the export"
        )
    words = [word.strip().lower() for word in where.holds]
    negative = rows.get_column(name).str.strip_chars().str.to_lowercase().is_in(words).fill_null(False)
    signed = pl.select(pl.when(negative).then(0 - cast.values).otherwise(cast.values)).to_series()
    return Cast(signed, cast.faults)


def _finish(cast: Cast, column: _Column, kind: RecordKind, feed: Feed, written_on: date | None, file_name: str) -> Cast:
    """Apply what holds after reading: sign, default, ranges, the future, and that something must be there."""
    field, spec = column.field, column.spec
    if spec.negate and field.type in _NUMBERS:
        cast = Cast(0 - cast.values, cast.faults)
    empty = column.texts.is_null()
    if spec.default is not None and empty.any():
        cast = Cast(cast.values.set(empty, _declared(spec.default, field, feed)), cast.faults)
        empty = cast.values.is_null() & empty
    if field.name == "day" and kind.name == "stock_levels" and empty.any():
        cast = Cast(cast.values.set(empty, _day_written(written_on, file_name)), cast.faults)
        empty = cast.values.is_null() & empty
    cast = _in_range(cast, field)
    stops = feed.guards.future_dates == "stop" and kind.name != "calendar"
    if stops and written_on is not None and field.name in HAPPENED:
        cast = not_after(cast, written_on + timedelta(days=1))
    if field.required and empty.any():
        cast = cast.checked("required", empty, f"expected {field.meaning}")
    if field.required and field.type is FieldType.CODE and not field.choices and feed.format.totals is None:
        cast = cast.checked("totals", column.texts.is_in(TOTALS_WORDS), _NO_TOTALS)
    return cast


def _in_range(cast: Cast, field: Field) -> Cast:
    if field.at_least is not None:
        cast = cast.checked("at_least", cast.values < field.at_least, f"expected at least {field.at_least:g}")
    if field.at_most is not None:
        hint = " (5 % is 0.05)" if field.type is FieldType.RATIO else ""
        cast = cast.checked("at_most", cast.values > field.at_most, f"expected at most {field.at_most:g}{hint}")
    return cast


def _complaints(cast: Cast, column: _Column, rows: pl.DataFrame) -> list[Complaint]:
    complaints = [Complaint(f.rows, column.name, f.rule, f.what, empty=f.rule == "required") for f in cast.faults]
    if not column.spec.missing:
        return complaints
    return [part for one in complaints for part in (_told_missing(one, column, rows) if one.empty else (one,))]


def _told_missing(complaint: Complaint, column: _Column, rows: pl.DataFrame) -> list[Complaint]:
    """Split the rows in which nothing stands from those in which a text stands that means nothing, and say why."""
    raw = rows.get_column(column.name)[complaint.rows].fill_null("").str.strip_chars()
    parts = []
    for text, reason in column.spec.missing.items():
        stands = (raw.str.to_lowercase() == text.strip().lower()) & (raw != "")
        if stands.any():
            because = f" ({reason})" if reason else ""
            what = f"which the feed declares to mean no value{because}, {complaint.what}"
            parts.append(Complaint(complaint.rows.filter(stands), column.name, complaint.rule, what))
    left = complaint.rows.filter(raw == "")
    return [*parts, replace(complaint, rows=left)] if len(left) else parts


def _without_column(field: Field, feed: Feed, height: int, written_on: date | None, file_name: str) -> pl.Series:
    """Return the values of a field that the file has no column for: its constant, its default, or nothing."""
    spec = feed.columns.get(field.name)
    text = None if spec is None else spec.constant if spec.constant is not None else spec.default
    value: Any = None
    if text is not None:
        value = _declared(text, field, feed)
    elif field.name == "day" and feed.kind.name == "stock_levels":
        value = _day_written(written_on, file_name)
    elif field.required and height:
        column = spec.column if spec else field.name
        raise BatchError(
            f"{file_name}: the column {column!r}, from which {field.name} is read, is missing, and {feed.kind.name}"
            f" need it; give it a default: in {feed.feed}, or correct the export"
        )
    return pl.repeat(value, height, dtype=polars_type(field.type), eager=True).rename(field.name)


def _declared(text: str, field: Field, feed: Feed) -> Any:
    """Return a constant or default of the feed as a value; raises BatchError where it is none."""
    texts = plain_texts(pl.Series([text], dtype=pl.String), (), {})
    spec = ColumnSpec(constant=text)
    cast = _in_range(_cast(_Column(field, spec, field.name, texts), ".", None, None, False), field)
    if cast.faults:
        raise BatchError(f"{feed.feed}: {field.name} is declared as {text!r}, {cast.faults[0].what}; correct the feed")
    return cast.values[0]


def _day_written(written_on: date | None, file_name: str) -> date:
    if written_on is None:
        raise BatchError(
            f"{file_name}: stock without a day is stock of the day the file was written, which is not known here;"
            " give the feed a column for day:"
        )
    return written_on


def assert_schema(records: pl.DataFrame, kind: RecordKind) -> None:
    """Raise RuntimeError where a record that `check` let through breaks the contract: a defect, no user's mistake."""
    try:
        pandera_schema(kind).validate(records)
    except pandera.errors.SchemaError as error:
        raise RuntimeError(f"checking let records of {kind.name} through that break their schema: {error}") from error


def _found(received: Received, feed: Feed, look: Look, decided: Decided) -> FileFindings:
    earlier, matched = received.contract.columns, look.matched
    names = [name for name in received.rows.columns if name != LINE]
    counts = {name: _sentinels(column, received) for name, column in look.columns.items()}
    return replace(
        received.found,
        matched=matched,
        unmapped_columns=tuple(name for name in names if name not in set(matched.values())),
        new_columns=() if earlier is None else tuple(name for name in names if name not in set(earlier)),
        missing_columns=tuple(
            str(spec.column) for field, spec in feed.columns.items() if spec.constant is None and field not in matched
        ),
        decided=decided.formats,
        read_as_missing={name: texts for name, texts in counts.items() if texts},
    )
