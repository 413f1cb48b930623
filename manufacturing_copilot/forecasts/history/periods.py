"""Periods: where they start, which one a forecast starts with, how many make a season."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl

from manufacturing_copilot.site import Frequency

EVERY = {Frequency.DAILY: "1d", Frequency.WEEKLY: "1w", Frequency.MONTHLY: "1mo", Frequency.QUARTERLY: "1q"}
SEASON = {Frequency.DAILY: 7, Frequency.WEEKLY: 52, Frequency.MONTHLY: 12, Frequency.QUARTERLY: 4}
HISTORY = {Frequency.DAILY: 730, Frequency.WEEKLY: 260, Frequency.MONTHLY: 120, Frequency.QUARTERLY: 40}
"""The most periods of history that are looked at."""


def period_of(day: date, frequency: Frequency) -> date:
    """Return the first day of the period that holds `day`; weeks start on Monday."""
    if frequency is Frequency.WEEKLY:
        return day - timedelta(days=day.weekday())
    if frequency is Frequency.MONTHLY:
        return day.replace(day=1)
    if frequency is Frequency.QUARTERLY:
        return day.replace(month=3 * ((day.month - 1) // 3) + 1, day=1)
    return day


def first_period(as_of: date, frequency: Frequency) -> date:
    """Return the period that a forecast made at the end of `as_of` starts with: the one the next day lies in.

    A period in progress is therefore forecast whole, and left out of the history.
    """
    return period_of(as_of + timedelta(days=1), frequency)


def periods_from(start: date, frequency: Frequency, count: int) -> list[date]:
    """Return `count` periods, the first of them `start`."""
    unit = {Frequency.DAILY: "d", Frequency.WEEKLY: "w", Frequency.MONTHLY: "mo", Frequency.QUARTERLY: "q"}[frequency]
    frame = pl.select(
        pl.date_range(pl.lit(start), pl.lit(start).dt.offset_by(f"{count - 1}{unit}"), f"1{unit}").alias("period")
    )
    return frame["period"].to_list()


def number_of(period: pl.Expr, frequency: Frequency) -> pl.Expr:
    """Return a whole number for each period; neighbouring periods differ by one."""
    if frequency is Frequency.DAILY:
        return period.to_physical().cast(pl.Int64)
    if frequency is Frequency.WEEKLY:
        return (period.to_physical().cast(pl.Int64) + 3) // 7  # 1 January 1970 was a Thursday
    months = period.dt.year().cast(pl.Int64) * 12 + period.dt.month().cast(pl.Int64) - 1
    return months if frequency is Frequency.MONTHLY else months // 3
