"""Conditions: which rows of a file are a feed's, by what stands in their cells as it was written."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import polars as pl

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.ingest.received import LINE
from manufacturing_copilot.site import RowCondition
from manufacturing_copilot.site.feeds import pattern_of

_GROUPED = r"^[-+]?[0-9]{1,3}(?:[.,][0-9]{3})$"
_DAYS = ("%Y-%m-%d", "%d.%m.%Y", "%Y%m%d")


def keep_only(
    rows: pl.DataFrame, only: Mapping[str, tuple[str, ...] | RowCondition], name: str
) -> tuple[pl.DataFrame, int]:
    """Return the rows that meet the condition of each of the columns, and how many do not.

    A cell that is no number, or no day, where one is compared leaves its row in, so that what reads the column says
    what is wrong with it. Raises BatchError, calling the file `name`, where such a column is missing, or a number is
    compared that could be two.
    """
    before = rows.height
    for column, condition in only.items():
        if column not in rows.columns:
            shown = ", ".join([one for one in rows.columns if one != LINE][:40])
            raise BatchError(
                f"{name}: the column {column!r}, by which only: tells the feed's rows, is missing; found {shown};"
                " correct only: in the feed, or the export"
            )
        said = condition if isinstance(condition, RowCondition) else RowCondition(is_=condition)
        rows = rows.filter(_meets(rows.get_column(column), said, column, name))
    return rows, before - rows.height


def _meets(cells: pl.Series, said: RowCondition, column: str, name: str) -> pl.Series:
    text = cells.fill_null("").str.strip_chars()
    lower = text.str.to_lowercase()
    meets = pl.repeat(True, len(cells), dtype=pl.Boolean, eager=True)
    if said.is_:
        meets &= lower.is_in([wanted.strip().lower() for wanted in said.is_])
    if said.not_:
        meets &= ~lower.is_in([unwanted.strip().lower() for unwanted in said.not_])
    if said.like:
        meets &= text.str.contains("|".join(f"(?:{pattern_of(pattern)})" for pattern in said.like)) & (text != "")
    if said.unlike:
        meets &= ~text.str.contains("|".join(f"(?:{pattern_of(pattern)})" for pattern in said.unlike)) | (text == "")
    if said.empty is not None:
        meets &= (text == "") == said.empty
    bounds = (said.below, said.above, said.at_least, said.at_most)
    if any(bound is not None for bound in bounds):
        of_days = any(isinstance(bound, date) for bound in bounds)
        values = _days(text) if of_days else _numbers(text, said, column, name)
        compared = values < said.below if said.below is not None else None
        for bound, comparison in (
            (said.above, pl.Series.__gt__),
            (said.at_least, pl.Series.__ge__),
            (said.at_most, pl.Series.__le__),
        ):
            if bound is not None:
                holds = comparison(values, bound)
                compared = holds if compared is None else compared & holds
        assert compared is not None
        meets &= pl.select(pl.when(text == "").then(False).otherwise(compared.fill_null(True))).to_series()
    return meets


def _numbers(text: pl.Series, said: RowCondition, column: str, name: str) -> pl.Series:
    """Return the numbers of a column, null where a cell is none."""
    plain = text.str.replace_all(r"[\s\u00a0']", "")
    negative = plain.str.contains(r"^\(.*\)$|^[-−]|[-−]$")
    digits = plain.str.replace_all(r"[()+−-]", "")
    mark = said.decimal
    if mark is None:
        grouped = digits.str.contains(_GROUPED)
        bounds = [b for b in (said.below, said.above, said.at_least, said.at_most) if isinstance(b, int | float)]
        if grouped.any() and any(bounds):  # beside zero it makes no difference which of the two it is
            line = int(grouped.arg_max() or 0)
            raise BatchError(
                f"{name}: the column {column!r}, which only: compares, holds {text[line]!r}, which could be two"
                " numbers; declare decimal: beside the comparison"
            )
        last = digits.str.extract(r"([.,])[0-9]*$")
        comma = (last == ",").fill_null(False)
        as_point = pl.select(
            pl.when(comma)
            .then(digits.str.replace_all(".", "", literal=True).str.replace_all(",", ".", literal=True))
            .otherwise(digits.str.replace_all(",", "", literal=True))
        ).to_series()
    else:
        other = "," if mark == "." else "."
        as_point = digits.str.replace_all(other, "", literal=True).str.replace_all(mark, ".", literal=True)
    number = as_point.str.contains(r"^[0-9]*\.?[0-9]+$|^[0-9]+\.$")
    values = pl.select(pl.when(number).then(as_point).cast(pl.Float64, strict=False)).to_series()
    return pl.select(pl.when(negative).then(0 - values).otherwise(values)).to_series()


def _days(text: pl.Series) -> pl.Series:
    """Return the days of a column that are written in one way only, null where a cell is none."""
    day = text.str.extract(r"^([0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{2}\.[0-9]{2}\.[0-9]{4}|[0-9]{8})")
    return pl.select(pl.coalesce(day.str.to_date(form, strict=False) for form in _DAYS)).to_series()
