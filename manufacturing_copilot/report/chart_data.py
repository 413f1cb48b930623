"""The numbers of a card's pictures: an item's demand and stock with their forecasts, and a process's control chart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.alerts.facts.control_charts import p_chart, signals
from manufacturing_copilot.alerts.facts.quality import BASELINE_DAYS, JUDGED_DAYS
from manufacturing_copilot.report.plots import Band, Subgroup
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.tables import demand_day, forecast, inventory_snapshot, quality_day, series

_EVERY = {"weekly": "1w", "daily": "1d", "monthly": "1mo", "quarterly": "1q"}
_LOOK_BACK = {"weekly": 26 * 7, "daily": 8 * 7, "monthly": 18 * 31, "quarterly": 8 * 92}
SUBGROUPS = 40


@dataclass(frozen=True)
class ForecastChart:
    """One series: its frequency, its history by period (day, quantity) and its newest forecast."""

    frequency: str
    history: tuple[tuple[date, float], ...]
    bands: tuple[Band, ...]


def read_forecast_charts(
    connection: sa.Connection, target: str, items: Sequence[int], as_of: date
) -> dict[tuple[int, int | None], ForecastChart]:
    """Return the chart of `target` ("demand" or "inventory") by (item, location), and by (item, None) the largest.

    The frequency is the first of weekly, daily, monthly, quarterly at which the item has a forecast.
    """
    if not items:
        return {}
    ahead = read_frame(connection, _forecasts(target, items, as_of))
    if ahead.is_empty():
        return {}
    past = _past_demand(connection, items, as_of) if target == "demand" else _past_stock(connection, items, as_of)
    preferred = pl.col("frequency").replace_strict({name: n for n, name in enumerate(_EVERY)}, return_dtype=pl.Int64)
    best = ahead.with_columns(preferred.alias("rank")).filter(pl.col("rank") == pl.col("rank").min().over("item_id"))
    by_size = best.group_by("item_id", "location_id", "frequency").agg(pl.col("mean").sum()).sort("mean", "location_id")
    charts: dict[tuple[int, int | None], ForecastChart] = {}
    for row in by_size.iter_rows(named=True):
        own = best.filter(pl.col("item_id") == row["item_id"], pl.col("location_id").eq_missing(row["location_id"]))
        bands = tuple(Band(*values) for values in own.sort("period").select("period", "mean", *_BOUNDS).rows())
        history = _history(past, row["item_id"], row["location_id"], row["frequency"], bands[0].period, target)
        chart = ForecastChart(row["frequency"], history, bands)
        charts[row["item_id"], row["location_id"]] = chart
        charts[row["item_id"], None] = chart  # the largest comes last
    return charts


_BOUNDS = ("q10", "q90", "q025", "q975")


def _forecasts(target: str, items: Sequence[int], as_of: date) -> sa.Select:
    newest = (
        sa.select(forecast.c.series_id, sa.func.max(forecast.c.as_of).label("as_of"))
        .join(series, series.c.id == forecast.c.series_id)
        .where(series.c.target == target, series.c.item_id.in_(items), forecast.c.as_of <= as_of)
        .group_by(forecast.c.series_id)
        .subquery()
    )
    return (
        sa.select(
            series.c.item_id,
            series.c.location_id,
            series.c.frequency,
            forecast.c.period,
            forecast.c.mean,
            *(forecast.c[name] for name in _BOUNDS),
        )
        .join(newest, newest.c.series_id == series.c.id)
        .join(forecast, sa.and_(forecast.c.series_id == series.c.id, forecast.c.as_of == newest.c.as_of))
    )


def _past_demand(connection: sa.Connection, items: Sequence[int], as_of: date) -> pl.DataFrame:
    return read_frame(
        connection,
        sa.select(demand_day.c.item_id, demand_day.c.location_id, demand_day.c.day, demand_day.c.quantity).where(
            demand_day.c.item_id.in_(items),
            demand_day.c.day <= as_of,
            demand_day.c.day > as_of - timedelta(days=max(_LOOK_BACK.values())),
        ),
    )


def _past_stock(connection: sa.Connection, items: Sequence[int], as_of: date) -> pl.DataFrame:
    table = inventory_snapshot.c
    return read_frame(
        connection,
        sa.select(table.item_id, table.location_id, table.day, table.on_hand.label("quantity")).where(
            table.item_id.in_(items), table.day <= as_of, table.day > as_of - timedelta(days=max(_LOOK_BACK.values()))
        ),
    )


def _history(
    past: pl.DataFrame, item: int, location: int | None, frequency: str, until: date, target: str
) -> tuple[tuple[date, float], ...]:
    """Return the periods before `until`: demand added up, zeros where there was none; stock at the last count."""
    every = _EVERY[frequency]
    here = pl.lit(True) if location is None else pl.col("location_id") == location
    recent = pl.col("day").is_between(until - timedelta(days=_LOOK_BACK[frequency]), until, closed="left")
    by_day = past.filter(here, recent, pl.col("item_id") == item).group_by("day").agg(pl.col("quantity").sum())
    period = by_day.sort("day").group_by(pl.col("day").dt.truncate(every), maintain_order=True)
    if target != "demand" or by_day.is_empty():
        return tuple((day, quantity) for day, quantity in period.agg(pl.col("quantity").last()).rows())
    added = period.agg(pl.col("quantity").sum())
    whole = pl.select(pl.date_range(added["day"][0], until, every, closed="left").alias("day"))
    filled = whole.join(added, on="day", how="left", maintain_order="left").with_columns(
        pl.col("quantity").fill_null(0)
    )
    return tuple((day, quantity) for day, quantity in filled.rows())


@dataclass(frozen=True)
class ControlChart:
    """The newest points of a process with their limits, and its centre line."""

    points: tuple[Subgroup, ...]
    centre: float


def read_control_chart(
    connection: sa.Connection, item: int, operation: str, origin: str, as_of: date, *, daily: bool
) -> ControlChart:
    """Return the control chart that the quality facts judge: an item at an operation, in days or in weeks."""
    table = quality_day.c
    query = sa.select(table.day, table.inspected, table.defective, table.scrapped).where(
        table.item_id == item,
        table.operation == operation,
        table.origin == origin,
        table.day <= as_of,
        table.day > as_of - timedelta(days=JUDGED_DAYS + BASELINE_DAYS),
    )
    period = pl.col("day").dt.truncate("1d" if daily else "1w").alias("period")
    points = (
        read_frame(connection, query)
        .with_columns(pl.max_horizontal("defective", "scrapped").alias("bad"))
        .group_by(period)
        .agg(pl.col("inspected", "bad").sum())
        .with_columns(
            pl.lit("chart").alias("chart"), (pl.col("period") <= as_of - timedelta(days=JUDGED_DAYS)).alias("baseline")
        )
    )
    charted = p_chart(points)
    if charted.is_empty():
        return ControlChart((), 0.0)
    signalling = set(signals(charted)["period"])
    newest = charted.sort("period").tail(SUBGROUPS).select("period", "inspected", "bad", "limit").rows()
    return ControlChart(
        tuple(Subgroup(day, inspected, bad, limit, day in signalling) for day, inspected, bad, limit in newest),
        charted["centre"][0],
    )
