"""The demand forecast of a day: histories without events, forecast at each frequency, events restored, reconciled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TypeAlias

import numpy as np
import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.forecasts.contract import Floats, stretched
from manufacturing_copilot.forecasts.events.adjustments import AdjustedPanel, adjust_panel, restore_events
from manufacturing_copilot.forecasts.events.declared_events import DeclaredEvents, read_declared_events
from manufacturing_copilot.forecasts.events.successors import (
    discontinue_predecessors,
    inherit_history,
    successions_in_force,
)
from manufacturing_copilot.forecasts.groups import DatedForecast, ForecastGroup, Progress, dated_forecast
from manufacturing_copilot.forecasts.history.panel import Panel, demand_panel, open_weekdays, read_demand, read_names
from manufacturing_copilot.forecasts.history.recorded import (
    DAYS_WITHOUT_STOCK,
    RETURNS,
    days_without_stock,
    read_spells,
    without_returns,
)
from manufacturing_copilot.forecasts.overrides.overrides import read_overrides
from manufacturing_copilot.forecasts.reconcile.reconcile import (
    AGGREGATES,
    aggregate_panel,
    reconcile_forecasts,
    steady_series,
)
from manufacturing_copilot.frame_schemas import Column, FrameSchema
from manufacturing_copilot.site import Frequency, Site

PanelForecast: TypeAlias = Callable[[Panel, str | None], list[ForecastGroup]]
"""Forecasts a panel; the name, where one is given, stands for the class of all its series."""

_DAYS_AHEAD = {Frequency.DAILY: 1, Frequency.WEEKLY: 7, Frequency.MONTHLY: 31, Frequency.QUARTERLY: 92}


CLEANED = FrameSchema(
    "periods of history cut as outliers",
    {
        "frequency": Column(pl.String),
        "name": Column(pl.String, "the series' name"),
        "period": Column(pl.Date),
        "was": Column(pl.Float64, "the demand of the period"),
        "used": Column(pl.Float64, "what the models saw in its place"),
        "reason": Column(pl.String),
    },
    key=("frequency", "name", "period"),
)


HISTORIES = FrameSchema(
    "histories that the models did not see as they were recorded",
    {
        "frequency": Column(pl.String),
        "name": Column(pl.String, "the series' name"),
        "periods": Column(pl.Int64, "of the history"),
        "censored": Column(pl.Int64, "of them, with days without stock"),
        "censored_share": Column(pl.Float64, "share of the history without stock"),
        "filled": Column(pl.Float64, "demand that stands in for it"),
        "returns_matched": Column(pl.Float64, "returned, and taken off what was sold before"),
        "returns_unmatched": Column(pl.Float64, "returned, without a sale that it belongs to"),
    },
    key=("frequency", "name"),
)


@dataclass(frozen=True)
class DemandForecast:
    """The forecasts of every series at every frequency, what was CLEANED of the histories, and HISTORIES."""

    forecasts: Sequence[DatedForecast]
    cleaned: pl.DataFrame
    histories: pl.DataFrame = field(default_factory=HISTORIES.empty)


@dataclass(frozen=True)
class DemandFacts:
    """What demand is forecast from: demand by day, items, locations, and the events that the plant declared.

    `demand` is net of returns, which stand in `returns` (RETURNS); `without_stock`: DAYS_WITHOUT_STOCK.
    """

    demand: pl.DataFrame
    items: pl.DataFrame
    locations: pl.DataFrame
    events: DeclaredEvents = field(default_factory=DeclaredEvents)
    without_stock: pl.DataFrame = field(default_factory=DAYS_WITHOUT_STOCK.empty)
    returns: pl.DataFrame = field(default_factory=RETURNS.empty)


@dataclass(frozen=True)
class BaseForecasts:
    """The forecasts of each frequency by itself, before reconciliation: of the items, and of sums of steady series.

    `weekdays` are those on which demand comes in; `cleaned` is CLEANED, `histories` HISTORIES.
    """

    items: Sequence[DatedForecast]
    aggregates: Sequence[DatedForecast]
    steady: frozenset[str]
    cleaned: pl.DataFrame
    weekdays: Sequence[int]
    histories: pl.DataFrame = field(default_factory=HISTORIES.empty)


def read_demand_facts(connection: sa.Connection, site: Site, as_of: date) -> DemandFacts:
    """Return what demand is forecast from, up to the end of `as_of`."""
    demand, returns = without_returns(read_demand(connection, as_of), site.returned_within)
    items, places = read_names(connection)
    events = read_declared_events(connection, site)
    learn_from_all = site.without_stock == "count"
    empty = DAYS_WITHOUT_STOCK.empty() if learn_from_all else days_without_stock(demand, read_spells(connection, as_of))
    return DemandFacts(demand, items, places, events, empty, returns)


def forecast_demand(
    connection: sa.Connection,
    site: Site,
    frequencies: Sequence[Frequency],
    as_of: date,
    forecast: PanelForecast,
    progress: Progress,
) -> DemandForecast:
    """Return the demand forecast as of a day at these frequencies; `forecast` is called for each panel."""
    facts = read_demand_facts(connection, site, as_of)
    horizons = {frequency: site.horizons[frequency] for frequency in frequencies}
    base = base_forecasts(facts, horizons, as_of, forecast, site.outliers, progress)
    overrides = read_overrides(connection, as_of)
    reconciled = reconcile_forecasts(base.items, base.aggregates, base.steady, base.weekdays, overrides)
    return DemandForecast(reconciled, base.cleaned, base.histories)


def with_successions(facts: DemandFacts, as_of: date, days_ahead: int) -> DemandFacts:
    """Return the facts with successors that begin with the history of their predecessors, which end."""
    successions = successions_in_force(facts.events.successions, as_of, days_ahead)
    return replace(
        facts,
        demand=inherit_history(facts.demand, successions),
        without_stock=inherit_history(facts.without_stock, successions),
        items=discontinue_predecessors(facts.items, successions),
    )


def days_ahead(horizons: Mapping[Frequency, int]) -> int:
    """Return how many days the longest horizon (in periods) reaches ahead, at most."""
    return max((_DAYS_AHEAD[frequency] * count for frequency, count in horizons.items()), default=0)


def base_forecasts(
    facts: DemandFacts,
    horizons: Mapping[Frequency, int],
    as_of: date,
    forecast: PanelForecast,
    outliers: str,
    progress: Progress,
) -> BaseForecasts:
    """Return the forecasts at each frequency of `horizons` (in periods) by itself, before reconciliation."""
    succeeded = with_successions(facts, as_of, days_ahead(horizons))
    forecasts: list[tuple[AdjustedPanel, list[ForecastGroup]]] = []
    for frequency, horizon in horizons.items():
        panel = demand_panel(succeeded.demand, succeeded.items, facts.locations, frequency, as_of, horizon)
        progress(f"demand {frequency.value}: {panel.keys.height} series")
        adjusted = adjust_panel(panel, facts.events, clean=outliers == "cut", without_stock=succeeded.without_stock)
        forecasts.append((adjusted, forecast(adjusted.panel, None)))
    steady = steady_series([groups for _, groups in forecasts])
    return BaseForecasts(
        [dated_forecast(group) for adjusted, groups in forecasts for group in restore_events(groups, adjusted)],
        [
            aggregate
            for adjusted, groups in forecasts
            for aggregate in _aggregate_forecasts(adjusted, groups, steady, forecast)
        ],
        steady,
        pl.concat([_cleaned(adjusted) for adjusted, _ in forecasts]) if forecasts else CLEANED.empty(),
        open_weekdays(succeeded.demand),
        pl.concat([_histories(adjusted, facts.returns) for adjusted, _ in forecasts])
        if forecasts
        else HISTORIES.empty(),
    )


def _aggregate_forecasts(
    adjusted: AdjustedPanel, groups: Sequence[ForecastGroup], steady: frozenset[str], forecast: PanelForecast
) -> list[DatedForecast]:
    """Forecast categories and all items from the adjusted histories; the events of their series move them too."""
    sums, members = aggregate_panel(adjusted.panel, steady)
    sum_groups = forecast(sums, AGGREGATES)
    factors = _event_factors_of_sums(adjusted, groups, members)
    row_of = {name: row for row, name in enumerate(sums.keys["name"].to_list())}
    dated = []
    for group in sum_groups:
        factor = factors[[row_of[name] for name in group.keys["name"].to_list()]]
        outcome = replace(
            group.outcome, mean=group.outcome.mean * factor, quantiles=stretched(group.outcome.quantiles, factor)
        )
        dated.append(dated_forecast(replace(group, outcome=outcome)))
    return dated


def _event_factors_of_sums(
    adjusted: AdjustedPanel, groups: Sequence[ForecastGroup], members: Sequence[Sequence[int]]
) -> Floats:
    """Return what the events ahead multiply each sum with: the average over its series, weighted by their means."""
    row_of = {name: row for row, name in enumerate(adjusted.panel.keys["name"].to_list())}
    mean = np.zeros_like(adjusted.ahead)
    for group in groups:
        mean[[row_of[name] for name in group.keys["name"].to_list()]] = group.outcome.mean
    with_events = [(mean[list(rows)] * adjusted.ahead[list(rows)]).sum(axis=0) for rows in members]
    without = [mean[list(rows)].sum(axis=0) for rows in members]
    shape = (len(members), adjusted.ahead.shape[1])
    above, below = np.reshape(with_events, shape), np.reshape(without, shape)
    return np.divide(above, below, out=np.ones(shape), where=below > 0)


def _cleaned(adjusted: AdjustedPanel) -> pl.DataFrame:
    names = adjusted.panel.keys.select("name").with_row_index("row").with_columns(pl.col("row").cast(pl.Int64))
    outliers = adjusted.outliers.join(names, on="row").join(adjusted.panel.past(), on="at")
    return outliers.select(
        pl.lit(adjusted.panel.frequency.value).alias("frequency"), "name", "period", "was", "used", "reason"
    )


def _histories(adjusted: AdjustedPanel, returns: pl.DataFrame) -> pl.DataFrame:
    """Return HISTORIES of one panel: of the series with days without stock, or with returns."""
    panel = adjusted.panel
    lengths = pl.Series("periods", [len(y) for y in panel.values], dtype=pl.Int64)
    series = panel.keys.select("item_id", "location_id", "name", lengths).with_row_index("row")
    cells = adjusted.censored.group_by("row").agg(
        censored=pl.len().cast(pl.Int64), out=pl.col("share").sum(), filled=pl.col("filled").sum()
    )
    joined = series.with_columns(pl.col("row").cast(pl.Int64)).join(cells, on="row", how="left")
    noted = joined.join(returns, on=["item_id", "location_id"], how="left").filter(
        pl.col("censored").is_not_null() | pl.col("matched").is_not_null()
    )
    return noted.select(
        pl.lit(panel.frequency.value).alias("frequency"),
        "name",
        "periods",
        pl.col("censored").fill_null(0),
        (pl.col("out").fill_null(0.0) / pl.col("periods")).alias("censored_share"),
        pl.col("filled").fill_null(0.0),
        pl.col("matched").fill_null(0.0).alias("returns_matched"),
        pl.col("unmatched").fill_null(0.0).alias("returns_unmatched"),
    )
