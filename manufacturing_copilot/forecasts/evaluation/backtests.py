"""Rolling-origin backtests on the site's own demand: what a version would have forecast from past cut-offs.

The versions are given what the forecast of a day gives them: histories with successions, without events and
outliers; and the events are restored in their forecasts before those are judged by the demand that came.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from manufacturing_copilot.forecasts.contract import Backtest, Floats, Outcome, seasonal_naive
from manufacturing_copilot.forecasts.demand import DemandFacts, with_successions
from manufacturing_copilot.forecasts.evaluation.scores import PooledScores, pooled_metrics, score_series
from manufacturing_copilot.forecasts.events.adjustments import AdjustedPanel, adjust_panel, restore_events
from manufacturing_copilot.forecasts.events.censoring import judged_histories
from manufacturing_copilot.forecasts.history.panel import demand_panel
from manufacturing_copilot.forecasts.history.periods import EVERY, first_period
from manufacturing_copilot.forecasts.panel_forecast import forecast_panel
from manufacturing_copilot.runtime.registry import Champions
from manufacturing_copilot.site import Frequency


@dataclass(frozen=True)
class PastWindow:
    """The panel as a forecast would have had it at a past cut-off, and the demand that came, by series name."""

    cut_off: date
    adjusted: AdjustedPanel
    actual: Mapping[str, Floats]


@dataclass(frozen=True)
class BacktestResult:
    """How a version did over the windows.

    `scores` has name and the measures (means over its windows), `pooled` them over the class; `failures` are
    (series, reason) of the newest window.
    """

    scores: pl.DataFrame
    pooled: PooledScores
    failures: Sequence[tuple[str, str]]


def past_windows(
    facts: DemandFacts,
    frequency: Frequency,
    as_of: date,
    horizon: int,
    count: int,
    *,
    days_ahead: int = 0,
    clean: bool = True,
) -> list[PastWindow]:
    """Return the newest `count` windows of `horizon` periods each, one after the other; fewer where history is short.

    Each panel is made from the demand up to its cut-off alone, by the functions that make today's: with the
    successions whose day comes within `days_ahead` of the cut-off, without the declared events, and, with `clean`,
    without outliers. Of a successor only its own demand is judged, not what it inherits.
    """
    full = demand_panel(facts.demand, facts.items, facts.locations, frequency, as_of, horizon)
    start = first_period(as_of, frequency)
    history_of = dict(zip(full.keys["name"].to_list(), judged_histories(full, facts.without_stock), strict=True))
    windows: list[PastWindow] = []
    gap = 0
    for back in range(1, count + 1):
        began = pl.select(pl.lit(start).dt.offset_by(f"-{back * horizon}{EVERY[frequency][1:]}")).item()
        cut_off = began - timedelta(days=1)
        succeeded = with_successions(facts, cut_off, days_ahead)
        demand = succeeded.demand.filter(pl.col("day") <= cut_off)
        panel = demand_panel(demand, succeeded.items, facts.locations, frequency, cut_off, horizon)
        if panel.keys.is_empty() or panel.season != full.season:
            break
        gap += panel.horizon
        actual = {
            name: history_of[name][len(history_of[name]) - gap :][: panel.horizon]
            for name in panel.keys["name"].to_list()
            if len(history_of.get(name, ())) > gap
        }
        windows.append(
            PastWindow(
                cut_off, adjust_panel(panel, facts.events, clean=clean, without_stock=succeeded.without_stock), actual
            )
        )
    return windows


def backtest(windows: Sequence[PastWindow], champions: Champions, demand_class: str) -> BacktestResult | None:
    """Return how the version that `champions` names for the class would have done; None where it had no series.

    The class is the one each series had at the cut-off. Classes that share a method are forecast together, as they
    are in production.
    """
    scores: list[pl.DataFrame] = []
    pooled: list[PooledScores] = []
    failures: Sequence[tuple[str, str]] = ()
    for window in windows:
        groups = forecast_panel(window.adjusted.panel, champions, window.cut_off, only=demand_class)
        of_class = [group for group in groups if group.demand_class == demand_class]
        if not of_class:
            continue
        [group] = restore_events(of_class, window.adjusted)
        names = group.keys["name"].to_list()
        rows = [row for row, name in enumerate(names) if name in window.actual]
        if not rows:
            continue
        if not scores:
            failures = [(names[row], reason) for row, reason in group.outcome.failures]
        judged = _judged_window(window, names, rows, group.outcome).judgeable()
        if judged is None:
            continue
        window_scores = score_series(judged, window.adjusted.panel.season)
        pooled.append(pooled_metrics(window_scores, judged))
        named = pl.DataFrame({"unique_id": range(len(rows)), "name": [names[row] for row in rows]})
        scores.append(window_scores.join(named, on="unique_id").drop("unique_id"))
    if not scores:
        return None
    by_series = pl.concat(scores).group_by("name").agg(pl.all().mean()).sort("name")
    totals = {**_averaged(pooled), "windows": len(scores), "series": by_series.height}
    return BacktestResult(by_series, totals, failures)


def _judged_window(window: PastWindow, names: Sequence[str], rows: Sequence[int], outcome: Outcome) -> Backtest:
    panel = window.adjusted.panel
    history_of = dict(zip(panel.keys["name"].to_list(), panel.values, strict=True))
    train = [history_of[names[row]] for row in rows]
    return Backtest(
        rows=np.arange(len(rows)),
        actual=np.array([window.actual[names[row]] for row in rows]),
        mean=outcome.mean[list(rows)],
        quantiles=outcome.quantiles[list(rows)],
        naive=np.array([seasonal_naive(y, panel.season, panel.horizon) for y in train]),
        train=train,
    )


def _averaged(pooled: Sequence[PooledScores]) -> PooledScores:
    """Return the measures over all windows, each weighing as much as it has series."""
    result: PooledScores = {}
    for name in pooled[0]:
        weighted = [(value, scores["series_scored"] or 0) for scores in pooled if (value := scores[name]) is not None]
        weight = sum(series for _, series in weighted)
        result[name] = sum(value * series for value, series in weighted) / weight if weight else None
    return {**result, "series_scored": sum(scores["series_scored"] or 0 for scores in pooled)}
