"""Factors: numbers that other columns of the row multiply or divide, such as a quantity in another unit."""

from __future__ import annotations

import polars as pl

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.ingest.file_contract import DecimalMark
from manufacturing_copilot.ingest.received import LINE
from manufacturing_copilot.ingest.validation.casts.faults import Cast
from manufacturing_copilot.ingest.validation.casts.numbers import DECIMALS, LARGEST, cast_numbers
from manufacturing_copilot.ingest.validation.casts.words import plain_texts
from manufacturing_copilot.ingest.validation.headers import match_name
from manufacturing_copilot.ingest.validation.reasons import Complaint
from manufacturing_copilot.site import ColumnSpec


def scaled(
    cast: Cast, spec: ColumnSpec, rows: pl.DataFrame, mark: DecimalMark, file_name: str
) -> tuple[Cast, list[Complaint]]:
    """Return numbers times and divided by their factors, to six decimals, and what is wrong with the factors.

    An empty factor counts as 1; a divisor of 0 is wrong. Factors are read with the decimal mark of the number itself.
    Raises BatchError, calling the file `file_name`, where the column of a factor is missing.
    """
    if not spec.times and not spec.divided_by:
        return cast, []
    values, complaints = cast.values.cast(pl.Float64), []
    for divides, factors in ((False, spec.times), (True, spec.divided_by)):
        for factor in factors:
            if isinstance(factor, str):
                read, wrong = _column(factor, rows, mark, divides, file_name)
                complaints += wrong
            else:
                read = pl.repeat(float(factor), len(values), eager=True)
            values = values / read if divides else values * read
    whole = cast.values.dtype.is_integer()
    values = values.round(0 if whole else DECIMALS)
    beyond = "expected a number below 1,000,000,000,000 after its factors"
    result = Cast(values, cast.faults).checked("magnitude", values.abs() >= LARGEST, beyond)
    return Cast(result.values.cast(cast.values.dtype), result.faults), complaints


def _column(
    header: str, rows: pl.DataFrame, mark: DecimalMark, divides: bool, file_name: str
) -> tuple[pl.Series, list[Complaint]]:
    name = match_name([other for other in rows.columns if other != LINE], header)
    if name is None:
        key = "divided_by" if divides else "times"
        raise BatchError(
            f"{file_name}: the column {header!r}, named under {key}:, is missing; correct {key}: in the feed, or the"
            " export"
        )
    read = cast_numbers(plain_texts(rows.get_column(name), (), {}), mark)
    if divides:
        read = read.checked("zero", read.values == 0, "by which nothing can be divided")
    faulty = [fault.rows for fault in read.faults]
    values = read.values.fill_null(1.0)
    if faulty:
        values = values.scatter(pl.concat(faulty), None)
    return values, [Complaint(fault.rows, name, fault.rule, fault.what) for fault in read.faults]
