"""The members of the ensemble for regular series: what each of them forecasts.

Statistical members look at one series. The pooled members, boosted trees and one linear regression, learn from all
series of the panel. All but the two regressions see the seasonally adjusted history; their forecast is given back
with the season.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from manufacturing_copilot.forecasts.compute.shards import map_series
from manufacturing_copilot.forecasts.contract import Floats, Task
from manufacturing_copilot.forecasts.methods.boosting import boosted
from manufacturing_copilot.forecasts.methods.linear import pooled_linear
from manufacturing_copilot.forecasts.methods.seasonal import future_factors, past_factors, season_index

FEWEST = {"theta": 1, "dynamic_theta": 1, "ets": 10, "ces": 10}
"""Points below which a member is left out; what refuses a shorter history yet is a failure of that series."""

FEWEST_SEASONS = 4
LATEST_CHANGES = (1, 2, 3, 4, 13, 26)
RIDGE = 0.01
TREES, LINEAR = "boosting", "linear"


@dataclass(frozen=True)
class Members:
    """Forecasts of a task's series, series × horizon, by name: of `statistical` members and of `pooled` ones.

    A pooled member for which there was too little data is left out. What a member has not forecast is NaN.
    `failures` are (series, reason), the first reason of each.
    """

    statistical: Mapping[str, Floats]
    pooled: Mapping[str, Floats]
    failures: Sequence[tuple[int, str]] = ()

    @property
    def all(self) -> Mapping[str, Floats]:
        """The forecasts of every member."""
        return {**self.statistical, **self.pooled}


def fit_members(values: Sequence[Floats], task: Task) -> Members:
    """Return what each model of the task's parameters forecasts for these histories (task.horizon periods)."""
    models = list(task.parameters["models"])
    cap = int(task.parameters["cap"])
    indices = [season_index(y, task.season) for y in values]
    adjusted = [y / past_factors(index, len(y)) for y, index in zip(values, indices, strict=True)]
    factors = np.array([future_factors(index, task.horizon) for index in indices])
    statistical: dict[str, Floats] = {}
    failures: dict[int, str] = {}
    for name in models:
        if name in FEWEST:
            statistical[name] = _each(adjusted, name, task.horizon, cap, failures) * factors
        elif name == "seasonal_average":
            window = 8 * max(task.season, 1)
            statistical[name] = np.array([np.full(task.horizon, y[-window:].mean()) for y in adjusted]) * factors
    if "autoregression" in models:
        statistical["autoregression"] = np.array([autoregression(y, task.season, task.horizon) for y in values])
    pooled = {}
    whole = [np.where(np.isfinite(y), y, 0.0) for y in values]
    if TREES in models:
        without = [np.where(np.isfinite(y), y, 0.0) for y in adjusted]
        trees = boosted(without, task.groups, task.season, task.horizon, task.parameters)
        if trees is not None:
            pooled[TREES] = trees * factors
    if LINEAR in models:
        lags, rows = int(task.parameters["linear_lags"]), int(task.parameters["linear_rows"])
        line = pooled_linear(whole, task.season, task.horizon, lags, rows)
        if line is not None:
            pooled[LINEAR] = line
    return Members(statistical, pooled, sorted(failures.items()))


def autoregression(y: Floats, season: int, horizon: int) -> Floats:
    """Return the forecast of a ridge regression of the changes on their latest and last season's; NaN if too short.

    It needs FEWEST_SEASONS seasons; it follows what the seasonal factors cannot, a season that drifts in time.
    """
    lags = sorted({*LATEST_CHANGES, season - 1, season, season + 1})
    fewest = max(FEWEST_SEASONS * season, 3 * len(lags) + lags[-1])
    if season < 2 or len(y) < fewest or not np.isfinite(y).all():
        return np.full(horizon, np.nan)
    recent = y[-10 * season :]
    level = max(float(np.mean(recent)), 1e-9)
    changes = np.diff(recent) / level
    longest = lags[-1]
    design = np.column_stack([changes[longest - lag : len(changes) - lag] for lag in lags])
    target = changes[longest:]
    penalty = RIDGE * float(np.trace(design.T @ design)) / len(lags) + 1e-12
    slopes = np.linalg.solve(design.T @ design + penalty * np.eye(len(lags)), design.T @ target)
    path = list(changes)
    for _ in range(horizon):
        path.append(float(slopes @ [path[-lag] for lag in lags]))
    return y[-1] + level * np.cumsum(path[len(changes) :])


def statistical(name: str, horizon: int) -> Callable[[Floats], Floats]:
    """Return the function that forecasts one history with the model called `name`."""
    model = statistical_model(name)
    return lambda y: np.asarray(model.forecast(y=y, h=horizon)["mean"], dtype=float)


def statistical_model(name: str) -> Any:
    """Return the library's model called `name` (one of FEWEST), for histories that are seasonally adjusted."""
    from statsforecast import models

    if name == "ets":
        return models.AutoETS(season_length=1, model="ZZN")
    if name == "ces":
        return models.AutoCES(season_length=1, model="N")
    make: Callable[..., Any] = models.DynamicOptimizedTheta if name == "dynamic_theta" else models.Theta
    return make(season_length=1)


def _each(adjusted: Sequence[Floats], name: str, horizon: int, cap: int, failures: dict[int, str]) -> Floats:
    rows = [row for row, y in enumerate(adjusted) if len(y) >= FEWEST[name]]
    forecasts, reasons = map_series(
        f"{__name__}:statistical", [adjusted[row][-cap:] for row in rows], horizon, name=name, horizon=horizon
    )
    result = np.full((len(adjusted), horizon), np.nan)
    result[rows] = forecasts
    for position, reason in reasons.items():
        failures.setdefault(rows[position], f"{name}: {reason}")
    return result
