"""The panel of demand: one history per item and location at a frequency, zeros filled in, up to the as-of day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.forecasts.contract import Floats
from manufacturing_copilot.forecasts.history.periods import (
    EVERY,
    HISTORY,
    SEASON,
    first_period,
    number_of,
    period_of,
    periods_from,
)
from manufacturing_copilot.frame_schemas import Column, FrameSchema
from manufacturing_copilot.site import Frequency
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.tables import demand_day, item, location

CLOSED_SHARE = 0.01
"""A weekday with less than this share of the days of demand is a day the plant is closed."""


DEMAND = FrameSchema(
    "demand by day",
    {
        "item_id": Column(pl.Int64),
        "location_id": Column(pl.Int64),
        "day": Column(pl.Date),
        "quantity": Column(pl.Float64, "ordered that day, in the unit of the item; below 0 for returns"),
    },
)
PANEL_KEYS = FrameSchema(
    "series of a panel",
    {
        "item_id": Column(pl.Int64),
        "location_id": Column(pl.Int64),
        "first": Column(pl.Int64, "number of the period of the first demand"),
        "sku": Column(pl.String),
        "category": Column(pl.String, nullable=True),
        "discontinued_on": Column(pl.Date, "the item's last day", nullable=True),
        "active": Column(pl.Boolean),
        "code": Column(pl.String, "the location's code"),
        "name": Column(pl.String, "the series' name: SKU @ location"),
    },
    key=("name",),
)


@dataclass(frozen=True)
class Panel:
    """Histories of one frequency.

    `keys` has one row a series (PANEL_KEYS; of sums only the name is known). `values` are the
    histories in that order. `periods` are the periods ahead; `steps[i]` is the place of periods[i] among the
    steps that a method forecasts, or -1 where nothing is expected because the plant is closed. `weekdays` are those
    on which demand comes in, 1 Monday to 7 Sunday.
    """

    frequency: Frequency
    keys: pl.DataFrame
    values: Sequence[Floats]
    periods: list[date]
    steps: list[int]
    season: int
    clipped: int
    weekdays: Sequence[int] = tuple(range(1, 8))

    @property
    def horizon(self) -> int:
        """The number of steps that a method has to forecast."""
        return max(self.steps, default=-1) + 1

    def past(self) -> pl.DataFrame:
        """Return at (-1: the last period past) and period, as far back as the longest history reaches."""
        count = max((len(y) for y in self.values), default=0)
        if self.frequency is Frequency.DAILY:
            days = (self.periods[0] - timedelta(days=k) for k in range(1, 7 * count // len(self.weekdays) + 8))
            earlier = [day for day in days if day.isoweekday() in self.weekdays][:count]
        else:
            earlier = _periods_before(self.periods[0], self.frequency, count)
        return pl.DataFrame(
            {"at": range(-1, -count - 1, -1), "period": earlier}, schema={"at": pl.Int64, "period": pl.Date}
        )


def _periods_before(first: date, frequency: Frequency, count: int) -> list[date]:
    back = pl.format(f"-{{}}{EVERY[frequency][1:]}", pl.int_range(1, count + 1))
    return pl.select(pl.lit(first).dt.offset_by(back).alias("period"))["period"].to_list() if count else []


def read_demand(connection: sa.Connection, as_of: date) -> pl.DataFrame:
    """Return DEMAND up to `as_of`, without that of services."""
    return read_frame(
        connection,
        sa.select(
            demand_day.c.item_id,
            demand_day.c.location_id,
            demand_day.c.day,
            demand_day.c.quantity,
        )
        .join(item, item.c.id == demand_day.c.item_id)
        .where(demand_day.c.day <= as_of, item.c.service.is_(sa.false())),
    )


def read_names(connection: sa.Connection) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the items (item_id, sku, category, discontinued_on, active) and the locations (location_id, code)."""
    items = sa.select(item.c.id.label("item_id"), item.c.sku, item.c.category, item.c.discontinued_on, item.c.active)
    places = sa.select(location.c.id.label("location_id"), location.c.code)
    return read_frame(connection, items), read_frame(connection, places)


def demand_panel(
    demand: pl.DataFrame,
    items: pl.DataFrame,
    places: pl.DataFrame,
    frequency: Frequency,
    as_of: date,
    horizon: int,
) -> Panel:
    """Return the panel of `demand` (DEMAND) at `frequency`.

    A history runs from the period of the first demand to the last complete period. Days on which the plant is
    closed are no periods of the daily panel; what was ordered on them counts on the next open day. Net returns
    of a period (a negative sum) count as no demand and are counted in `clipped`.
    """
    start = first_period(as_of, frequency)
    periods = periods_from(start, frequency, horizon)
    open_days = open_weekdays(demand)
    weekdays = open_days if frequency is Frequency.DAILY else list(range(1, 8))
    steps = _steps(periods, weekdays, frequency)
    dated = _on_open_days(demand, weekdays) if len(weekdays) < 7 else demand
    last = _number_before(start, frequency, weekdays)
    # What is older than is looked at is left out before anything is summed: of long records it is the larger part.
    sums = (
        dated.lazy()
        .with_columns(pl.col("day").dt.truncate(EVERY[frequency]).alias("period"))
        .filter(pl.col("period") < start)
        .with_columns(numbered("period", frequency, weekdays).alias("number"))
        .filter(pl.col("number") > last - HISTORY[frequency])
        .group_by("item_id", "location_id", "number")
        .agg(pl.col("quantity").sum())
        .sort("item_id", "location_id", "number")
        .collect()
    )
    # A history starts with a demand; returns before any demand are no start.
    begins = (
        sums.filter(pl.col("quantity") > 0)
        .group_by("item_id", "location_id")
        .agg(pl.col("number").min().alias("first"))
    )
    sums = sums.join(begins, on=["item_id", "location_id"]).filter(pl.col("number") >= pl.col("first"))
    keys = (
        begins.join(items, on="item_id")
        .join(places, on="location_id")
        .with_columns(pl.concat_str("sku", pl.lit(" @ "), "code").alias("name"))
        .sort("item_id", "location_id")
    )
    return Panel(
        frequency=frequency,
        keys=keys,
        values=_filled(keys, sums, last),
        periods=periods,
        steps=steps,
        season=len(weekdays) if frequency is Frequency.DAILY else SEASON[frequency],
        clipped=int((sums["quantity"] < 0).sum()),
        weekdays=open_days,
    )


def open_weekdays(demand: pl.DataFrame) -> list[int]:
    """Return the weekdays (1 Monday to 7 Sunday) on which demand comes in."""
    if demand.is_empty():
        return list(range(1, 8))
    counts = demand.group_by(pl.col("day").dt.weekday().alias("weekday")).len()
    enough = counts.filter(pl.col("len") >= CLOSED_SHARE * demand.height)
    return sorted(int(day) for day in enough["weekday"])


def _on_open_days(demand: pl.DataFrame, weekdays: list[int]) -> pl.DataFrame:
    wait = {day: next(k for k in range(7) if (day - 1 + k) % 7 + 1 in weekdays) for day in range(1, 8)}
    shift = pl.col("day").dt.weekday().replace_strict(wait, return_dtype=pl.Int64)
    return demand.with_columns(pl.col("day") + pl.duration(days=shift))


def _steps(periods: list[date], weekdays: list[int], frequency: Frequency) -> list[int]:
    if frequency is not Frequency.DAILY:
        return list(range(len(periods)))
    steps, step = [], 0
    for period in periods:
        is_open = period.isoweekday() in weekdays
        steps.append(step if is_open else -1)
        step += is_open
    return steps


def numbered(column: str, frequency: Frequency, weekdays: Sequence[int]) -> pl.Expr:
    """Return a whole number for each period; periods next to each other, of days open days, differ by one."""
    if frequency is not Frequency.DAILY or len(weekdays) == 7:
        return number_of(pl.col(column), frequency)
    working_day = {day: sum(other < day for other in weekdays) for day in range(1, 8)}
    week = number_of(pl.col(column), Frequency.WEEKLY)
    weekday = pl.col(column).dt.weekday().replace_strict(working_day, return_dtype=pl.Int64)
    return week * len(weekdays) + weekday


def _number_before(start: date, frequency: Frequency, weekdays: list[int]) -> int:
    day = start - timedelta(days=1)
    day = period_of(day, frequency)
    while frequency is Frequency.DAILY and day.isoweekday() not in weekdays:
        day -= timedelta(days=1)
    return int(pl.DataFrame({"day": [day]}).select(numbered("day", frequency, weekdays).alias("number"))["number"][0])


def _filled(keys: pl.DataFrame, sums: pl.DataFrame, last: int) -> list[Floats]:
    if keys.is_empty():
        return []
    lengths = (last - keys["first"] + 1).to_numpy()
    starts = np.concatenate([[0], np.cumsum(lengths)])
    starts_of = keys.select("item_id", "location_id", pl.Series("start", starts[:-1]))
    at = sums.join(starts_of, on=["item_id", "location_id"]).select(
        (pl.col("start") + pl.col("number") - pl.col("first")).alias("at"), pl.col("quantity").clip(lower_bound=0)
    )
    flat = np.zeros(int(starts[-1]))
    flat[at["at"].to_numpy()] = at["quantity"].to_numpy()
    return [flat[a:b] for a, b in pairwise(starts)]
