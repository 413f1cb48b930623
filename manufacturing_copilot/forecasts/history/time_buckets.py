"""Time buckets: the days ahead cut at every boundary of every frequency's periods; each period is a sum of buckets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from manufacturing_copilot.forecasts.contract import Floats
from manufacturing_copilot.forecasts.history.periods import EVERY
from manufacturing_copilot.site import Frequency


@dataclass(frozen=True)
class TimeBuckets:
    """The buckets, in order. `holds[frequency]` (periods × buckets) is 1 where a bucket lies in a period of it.

    `days` are the open days of each bucket: those of its weekdays on which demand comes in.
    """

    starts: Sequence[date]
    ends: Sequence[date]
    days: Floats
    holds: Mapping[Frequency, Floats]
    weekdays: Sequence[int]

    def within(self, first: date, last: date) -> NDArray[np.bool_]:
        """Return which buckets lie between two days, both included."""
        bounds = zip(self.starts, self.ends, strict=True)
        return np.array([first <= start and end - timedelta(days=1) <= last for start, end in bounds], dtype=bool)

    def open_days(self, first: date, last: date) -> float:
        """Return how many days on which demand comes in lie between two days, both included."""
        return _open(first, last + timedelta(days=1), self.weekdays)


def time_buckets(
    periods: Mapping[Frequency, Sequence[date]],
    weekdays: Sequence[int] = tuple(range(1, 8)),
    cuts: Iterable[date] = (),
) -> TimeBuckets:
    """Return the time buckets of these periods, cut at `cuts` too; `weekdays` are those on which demand comes in."""
    whole = {frequency: _ends(starts, frequency) for frequency, starts in periods.items()}
    bounds = {day for starts in periods.values() for day in starts} | {d for ends in whole.values() for d in ends}
    inside = {day for day in cuts if min(bounds) < day < max(bounds)}
    days = sorted(bounds | inside)
    starts, ends = days[:-1], days[1:]
    holds = {
        frequency: np.array(
            [[float(a <= start and end <= b) for start, end in zip(starts, ends, strict=True)] for a, b in bounds]
        )
        for frequency, bounds in (
            (frequency, list(zip(periods[frequency], whole[frequency], strict=True))) for frequency in periods
        )
    }
    open_days = np.array([_open(a, b, weekdays) for a, b in zip(starts, ends, strict=True)])
    return TimeBuckets(starts, ends, open_days, holds, weekdays)


def _ends(starts: Sequence[date], frequency: Frequency) -> list[date]:
    return pl.DataFrame({"day": list(starts)}).select(pl.col("day").dt.offset_by(EVERY[frequency]))["day"].to_list()


def _open(start: date, end: date, weekdays: Sequence[int]) -> float:
    return float(sum((start + timedelta(days=k)).isoweekday() in weekdays for k in range((end - start).days)))
