"""The demand of a day: histories read and made usual, forecast, and what is known put back; all frequencies as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TypeAlias

import numpy as np
import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.forecasts.contract import Floats, stretched
from manufacturing_copilot.forecasts.events.adjustments import Adjusted, adjusted, put_back
from manufacturing_copilot.forecasts.events.declared_events import KnownFuture, read_known_future
from manufacturing_copilot.forecasts.events.successors import in_force, phased_out, taken_over
from manufacturing_copilot.forecasts.expected import Expected, expected
from manufacturing_copilot.forecasts.groups import Part, Progress
from manufacturing_copilot.forecasts.history.panel import Panel, demand_panel, open_weekdays, read_demand, read_names
from manufacturing_copilot.forecasts.overrides.overrides import read_overrides
from manufacturing_copilot.forecasts.reconcile.reconcile import AGGREGATES, aggregate_panel, steady_series, together
from manufacturing_copilot.site import Frequency, Site

PanelForecast: TypeAlias = Callable[[Panel, str | None], list[Part]]
"""Forecasts a panel; the name, where one is given, stands for the class of all its series."""

_DAYS_AHEAD = {Frequency.DAILY: 1, Frequency.WEEKLY: 7, Frequency.MONTHLY: 31, Frequency.QUARTERLY: 92}


@dataclass(frozen=True)
class Demand:
    """What is expected of every series at every frequency, and which periods of history were cut as outliers.

    `cut`: frequency, name, period, was, used, reason.
    """

    parts: Sequence[Expected]
    cut: pl.DataFrame


@dataclass(frozen=True)
class Facts:
    """What demand is forecast from: demand by day, items and locations by name, and what is known beside them."""

    demand: pl.DataFrame
    items: pl.DataFrame
    places: pl.DataFrame
    known: KnownFuture = field(default_factory=KnownFuture)


@dataclass(frozen=True)
class Apart:
    """What each frequency says by itself, of the items and of what the steady ones add up to; and the open weekdays."""

    items: Sequence[Expected]
    aggregates: Sequence[Expected]
    steady: frozenset[str]
    cut: pl.DataFrame
    weekdays: Sequence[int]


def expected_demand(
    connection: sa.Connection,
    site: Site,
    frequencies: Sequence[Frequency],
    as_of: date,
    forecast: PanelForecast,
    say: Progress,
) -> Demand:
    """Return the demand expected as of a day at these frequencies; `forecast` is asked for the parts of each panel."""
    facts = Facts(read_demand(connection, as_of), *read_names(connection), read_known_future(connection, site))
    found = forecast_apart(facts, {one: site.horizons[one] for one in frequencies}, as_of, forecast, site.outliers, say)
    said = read_overrides(connection, as_of)
    return Demand(together(found.items, found.aggregates, found.steady, found.weekdays, said), found.cut)


def forecast_apart(
    facts: Facts,
    horizons: Mapping[Frequency, int],
    as_of: date,
    forecast: PanelForecast,
    outliers: str,
    say: Progress,
) -> Apart:
    """Return what is expected at each frequency of `horizons` (periods ahead) by itself, before all is one."""
    ahead = max((_DAYS_AHEAD[one] * count for one, count in horizons.items()), default=0)
    successions = in_force(facts.known.successions, as_of, ahead)
    demand, items = taken_over(facts.demand, successions), phased_out(facts.items, successions)
    made: list[tuple[Adjusted, list[Part]]] = []
    for frequency, horizon in horizons.items():
        panel = demand_panel(demand, items, facts.places, frequency, as_of, horizon)
        say(f"demand {frequency.value}: {panel.keys.height} series")
        usual = adjusted(panel, facts.known, clean=outliers == "cut")
        made.append((usual, forecast(usual.panel, None)))
    steady = steady_series([parts for _, parts in made])
    return Apart(
        [expected(part) for usual, parts in made for part in put_back(parts, usual)],
        [one for usual, parts in made for one in _aggregates(usual, parts, steady, forecast)],
        steady,
        pl.concat([_cut(usual) for usual, _ in made]) if made else pl.DataFrame(),
        open_weekdays(demand),
    )


def _aggregates(
    usual: Adjusted, parts: Sequence[Part], steady: frozenset[str], forecast: PanelForecast
) -> list[Expected]:
    """Forecast categories and all items from the usual histories; what is known of their series moves them too."""
    sums, members = aggregate_panel(usual.panel, steady)
    found = forecast(sums, AGGREGATES)
    moved = _known_of_sums(usual, parts, members)
    place = {name: row for row, name in enumerate(sums.keys["name"].to_list())}
    together = []
    for part in found:
        factor = moved[[place[name] for name in part.keys["name"].to_list()]]
        outcome = replace(
            part.outcome, mean=part.outcome.mean * factor, quantiles=stretched(part.outcome.quantiles, factor)
        )
        together.append(expected(replace(part, outcome=outcome)))
    return together


def _known_of_sums(usual: Adjusted, parts: Sequence[Part], members: Sequence[Sequence[int]]) -> Floats:
    """Return what the known future multiplies each sum with: the average over its series, by what they expect."""
    row = {name: place for place, name in enumerate(usual.panel.keys["name"].to_list())}
    mean = np.zeros_like(usual.ahead)
    for part in parts:
        mean[[row[name] for name in part.keys["name"].to_list()]] = part.outcome.mean
    moved = [(mean[list(rows)] * usual.ahead[list(rows)]).sum(axis=0) for rows in members]
    whole = [mean[list(rows)].sum(axis=0) for rows in members]
    shape = (len(members), usual.ahead.shape[1])
    above, below = np.reshape(moved, shape), np.reshape(whole, shape)
    return np.divide(above, below, out=np.ones(shape), where=below > 0)


def _cut(usual: Adjusted) -> pl.DataFrame:
    names = usual.panel.keys.select("name").with_row_index("row").with_columns(pl.col("row").cast(pl.Int64))
    found = usual.cut.join(names, on="row").join(usual.panel.past(), on="at")
    return found.select(
        pl.lit(usual.panel.frequency.value).alias("frequency"), "name", "period", "was", "used", "reason"
    )
