"""Histories laid end to end, and the cells of them (a series, a period) in which something differed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from manufacturing_copilot.forecasts.contract import Floats
from manufacturing_copilot.forecasts.history.panel import Panel, numbered
from manufacturing_copilot.forecasts.history.periods import EVERY
from manufacturing_copilot.site import Frequency

NEIGHBOURS = 4
"""Neighbouring periods on either side (of days: the same weekday of neighbouring weeks) that say what is usual."""


@dataclass(frozen=True)
class FlatHistories:
    """All histories in one array; series i ends before `ends[i]` and has `lengths[i]` values."""

    values: Floats
    ends: NDArray[np.int64]
    lengths: NDArray[np.int64]

    @classmethod
    def of(cls, panel: Panel) -> FlatHistories:
        """Lay the histories of a panel end to end."""
        lengths = np.array([len(y) for y in panel.values], dtype=np.int64)
        values = np.concatenate(panel.values) if len(lengths) else np.empty(0)
        return cls(values.astype(np.float64), np.cumsum(lengths), lengths)

    def split(self, values: Floats) -> list[Floats]:
        """Return the parts of `values` (laid out like these) series by series."""
        return [values[a:b] for a, b in pairwise([0, *self.ends.tolist()])]

    def index(self, row: NDArray[np.int64], at: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return where the period `at` (-1: the last) of series `row` lies, -1 where the history has none."""
        inside = (at < 0) & (at >= -self.lengths[row])
        return np.where(inside, self.ends[row] + at, -1)


def usual_demand(
    flat: FlatHistories, row: NDArray[np.int64], at: NDArray[np.int64], differs: NDArray[np.bool_], lag: int
) -> Floats:
    """Return the mean of the neighbouring periods in which nothing differed; NaN where there are none."""
    total, count = np.zeros(len(row)), np.zeros(len(row))
    for step in (k * lag for k in range(-NEIGHBOURS, NEIGHBOURS + 1) if k):
        index = flat.index(row, at + step)
        good = (index >= 0) & ~differs[index]
        total += np.where(good, flat.values[index], 0.0)
        count += good
    return np.divide(total, count, out=np.full(len(row), np.nan), where=count > 0)


def lag_of(panel: Panel) -> int:
    """Return how far apart comparable neighbours lie: of days a week, else one period."""
    return len(panel.weekdays) if panel.frequency is Frequency.DAILY else 1


def event_cells(panel: Panel, days: pl.DataFrame) -> pl.DataFrame:
    """Return row (of the panel), at (0: the first step ahead, -1: the last period past) and share of the period.

    `days`: item_id, location_id, day; null means all. The share is that of the days on which demand comes in: a
    weekday on which the plant is always closed counts nothing.
    """
    schema = {"row": pl.Int64, "at": pl.Int64, "share": pl.Float64}
    if days.is_empty() or panel.keys.is_empty():
        return pl.DataFrame(schema=schema)
    first = panel.periods[0]
    every = EVERY[panel.frequency]
    dated = (
        _rows_of(panel, days.filter(_is_open(panel)))
        .unique(["row", "day"])
        .with_columns(pl.col("day").dt.truncate(every).alias("period"))
        .with_columns((numbered("period", panel.frequency, panel.weekdays) - _first_number(panel, first)).alias("at"))
        .filter((pl.col("at") >= -_longest(panel)) & (pl.col("at") < panel.horizon))
    )
    if panel.frequency is Frequency.DAILY:
        return dated.select("row", "at", pl.lit(1.0).alias("share"))
    whole = _open_days(panel, dated["period"].unique(), every)
    return (
        dated.group_by("row", "at", "period")
        .agg(pl.len().alias("days"))
        .join(whole, on="period")
        .select("row", "at", (pl.col("days") / pl.col("open")).alias("share"))
        .sort("row", "at")
    )


def _is_open(panel: Panel) -> pl.Expr:
    return pl.col("day").dt.weekday().is_in(list(panel.weekdays))


def _rows_of(panel: Panel, days: pl.DataFrame) -> pl.DataFrame:
    keys = panel.keys.select("item_id", "location_id").with_row_index("row").with_columns(pl.col("row").cast(pl.Int64))
    parts = []
    for on in (["item_id", "location_id"], ["item_id"], ["location_id"], []):
        named = [pl.col(name).is_not_null() if name in on else pl.col(name).is_null() for name in _PLACE]
        some = days.filter(*named)
        if some.is_empty():
            continue
        matches = keys.join(some.select(*on, "day"), on=on) if on else keys.join(some.select("day"), how="cross")
        parts.append(matches.select("row", "day"))
    return pl.concat(parts)


_PLACE = ("item_id", "location_id")


def _first_number(panel: Panel, first: date) -> int:
    day = pl.DataFrame({"period": [first]})
    return int(day.select(numbered("period", panel.frequency, panel.weekdays).alias("number"))["number"][0])


def _longest(panel: Panel) -> int:
    return max((len(y) for y in panel.values), default=0)


def _open_days(panel: Panel, periods: pl.Series, every: str) -> pl.DataFrame:
    days = pl.date_ranges("period", pl.col("period").dt.offset_by(every) - timedelta(days=1)).alias("day")
    frame = pl.DataFrame({"period": periods}).with_columns(days).explode("day").filter(_is_open(panel))
    return frame.group_by("period").agg(pl.len().alias("open"))
