"""Rolling-origin backtests on the site's own demand: what a version would have forecast from past cut-offs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl

from manufacturing_copilot.forecasts.contract import Backtest, Floats, seasonal_naive
from manufacturing_copilot.forecasts.evaluation.scores import pooled_metrics, score_series
from manufacturing_copilot.forecasts.history.panel import Panel, demand_panel
from manufacturing_copilot.forecasts.history.periods import EVERY, first_period
from manufacturing_copilot.forecasts.panel_forecast import forecast_panel
from manufacturing_copilot.runtime.registry import Champions
from manufacturing_copilot.site import Frequency


@dataclass(frozen=True)
class PastWindow:
    """The panel as it was at a past cut-off, and what came: for each name the values of the horizon."""

    cut_off: date
    panel: Panel
    came: dict[str, Floats]


@dataclass(frozen=True)
class Scored:
    """How a version did over the windows.

    `scores` has name and the measures (means over its windows), `pooled` them over the class; `failures` are
    (series, reason) of the newest window.
    """

    scores: pl.DataFrame
    pooled: dict[str, Any]
    failures: Sequence[tuple[str, str]]


def past_windows(
    demand: pl.DataFrame,
    items: pl.DataFrame,
    places: pl.DataFrame,
    frequency: Frequency,
    as_of: date,
    horizon: int,
    count: int,
) -> list[PastWindow]:
    """Return the newest `count` windows of `horizon` periods each, one after the other; fewer where history is short.

    Each panel is made from the demand up to its cut-off alone, by the function that makes today's.
    """
    full = demand_panel(demand, items, places, frequency, as_of, horizon)
    start = first_period(as_of, frequency)
    known = dict(zip(full.keys["name"].to_list(), full.values, strict=True))
    windows: list[PastWindow] = []
    gap = 0
    for back in range(1, count + 1):
        began = pl.select(pl.lit(start).dt.offset_by(f"-{back * horizon}{EVERY[frequency][1:]}")).item()
        cut_off = began - timedelta(days=1)
        panel = demand_panel(demand.filter(pl.col("day") <= cut_off), items, places, frequency, cut_off, horizon)
        if panel.keys.is_empty() or panel.season != full.season:
            break
        gap += panel.horizon
        came = {
            name: known[name][len(known[name]) - gap :][: panel.horizon]
            for name in panel.keys["name"].to_list()
            if len(known.get(name, ())) > gap
        }
        windows.append(PastWindow(cut_off, panel, came))
    return windows


def backtest(windows: Sequence[PastWindow], champions: Champions, demand_class: str) -> Scored | None:
    """Return how the version that `champions` names for the class would have done; None where it had no series.

    The class is the one each series had at the cut-off. Classes that share a method are forecast together, as they
    are in earnest.
    """
    scores: list[pl.DataFrame] = []
    pooled: list[dict[str, Any]] = []
    failures: Sequence[tuple[str, str]] = ()
    for window in windows:
        parts = forecast_panel(window.panel, champions, window.cut_off, only=demand_class)
        part = next((one for one in parts if one.demand_class == demand_class), None)
        if part is None:
            continue
        names = part.keys["name"].to_list()
        known = [row for row, name in enumerate(names) if name in window.came]
        if not known:
            continue
        if not scores:
            failures = [(names[row], reason) for row, reason in part.outcome.failures]
        held = _held(window, names, known, part.outcome.mean, part.outcome.quantiles)
        found = score_series(held, window.panel.season)
        pooled.append(pooled_metrics(found, held))
        named = pl.DataFrame({"unique_id": range(len(known)), "name": [names[row] for row in known]})
        scores.append(found.join(named, on="unique_id").drop("unique_id"))
    if not scores:
        return None
    each = pl.concat(scores).group_by("name").agg(pl.all().mean()).sort("name")
    return Scored(each, {**_averaged(pooled), "windows": len(scores), "series": each.height}, failures)


def _held(window: PastWindow, names: Sequence[str], rows: Sequence[int], mean: Floats, quantiles: Floats) -> Backtest:
    history = dict(zip(window.panel.keys["name"].to_list(), window.panel.values, strict=True))
    train = [history[names[row]] for row in rows]
    horizon = window.panel.horizon
    return Backtest(
        rows=np.arange(len(rows)),
        actual=np.array([window.came[names[row]] for row in rows]),
        mean=mean[list(rows)],
        quantiles=quantiles[list(rows)],
        naive=np.array([seasonal_naive(y, window.panel.season, horizon) for y in train]),
        train=train,
    )


def _averaged(pooled: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the measures over all windows, each weighing as much as it has series."""
    result: dict[str, Any] = {}
    for name in pooled[0]:
        known = [(one[name], one["series_scored"]) for one in pooled if one[name] is not None]
        weight = sum(series for _, series in known)
        result[name] = sum(value * series for value, series in known) / weight if weight else None
    return {**result, "series_scored": sum(one["series_scored"] for one in pooled)}
