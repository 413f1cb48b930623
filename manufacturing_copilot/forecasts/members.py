"""The members of the ensemble for regular series: what each forecasts, and how they are joined.

Every member but the autoregression sees the seasonally adjusted history; its forecast is given back with the season.
The base is half the median of the statistical members, which one gone wild does not move, and half the trees, which
err in another way. To it are drawn weights of the whole panel, learned on the window held back by picking members
greedily, each as often as it helps (Caruana 2004). Weights of its own for each series, learned from one or two
windows, were worse on public data by 0.4 to 0.9 points of sMAPE.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from manufacturing_copilot.forecasts.boosting import boosted
from manufacturing_copilot.forecasts.seasonal import future_factors, past_factors, season_index
from manufacturing_copilot.forecasts.shards import each_alone
from manufacturing_copilot.forecasts.tasks import Floats, Task

FEWEST = {"theta": 1, "dynamic_theta": 1, "ets": 10, "ces": 10}
"""Points below which a member is left out; what refuses a shorter history yet is a failure of that series."""

FEWEST_TO_WEIGH = 400
"""Held-back values from which on weights are learned."""

TRUSTED = 1000
LARGEST_SHARE = 0.5
"""The learned weights share with the base: up to a half, a quarter with TRUSTED held-back values."""

MANY_SERIES = 30
"""Series from which on the trees, which learn from all of them, count as much as all other members together."""

PICKS = 20
FEWEST_SEASONS = 4
LATEST_CHANGES = (1, 2, 3, 4, 13, 26)
RIDGE = 0.01
TREES = "boosting"
NOTHING_LEARNED: Mapping[str, float] = {}


@dataclass(frozen=True)
class Members:
    """Forecasts of a task's series, series × horizon: `statistical` by name, `trees` where there was enough data.

    What a member has not forecast is NaN. `failures` are (series, reason), the first reason of each.
    """

    statistical: Mapping[str, Floats]
    trees: Floats | None
    failures: Sequence[tuple[int, str]]


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
    trees = None
    if TREES in models:
        whole = [np.where(np.isfinite(y), y, 0.0) for y in adjusted]
        trees = boosted(whole, task.groups, task.season, task.horizon, task.parameters)
    return Members(statistical, None if trees is None else trees * factors, sorted(failures.items()))


def joined(members: Members, weights: Mapping[str, float]) -> Floats:
    """Return the ensemble's forecast; NaN for a series that no member forecast.

    `weights` are those of `learned_weights`; what is missing to 1 is the weight of the base.
    """
    base = _base(members)
    every = _every(members)
    learned = np.zeros_like(base)
    for name, weight in weights.items():
        # A member that could not forecast a series leaves its weight to the base.
        learned += weight * (np.where(np.isfinite(every[name]), every[name], base) if name in every else base)
    return learned + (1 - sum(weights.values())) * base


def learned_weights(members: Members, actual: Floats, scale: Floats) -> Mapping[str, float]:
    """Return the weights that make the mean scaled absolute error of a held-back window least, drawn to the base.

    `scale` makes the series comparable. With fewer than FEWEST_TO_WEIGH values nothing is learned.
    """
    every = _every(members)
    if actual.size < FEWEST_TO_WEIGH or len(every) < 2:
        return NOTHING_LEARNED
    base = _base(members)
    usable = {name: np.where(np.isfinite(found), found, base) for name, found in every.items()}
    total, counts = np.zeros_like(base), dict.fromkeys(usable, 0)
    for pick in range(1, PICKS + 1):
        errors = {
            name: float(np.nanmean(np.abs(actual - np.maximum((total + found) / pick, 0)) / scale[:, None]))
            for name, found in usable.items()
        }
        best = min(errors, key=lambda name: errors[name])
        total, counts[best] = total + usable[best], counts[best] + 1
    share = LARGEST_SHARE * actual.size / (actual.size + TRUSTED)
    return {name: share * count / PICKS for name, count in counts.items() if count}


def _every(members: Members) -> dict[str, Floats]:
    return {**members.statistical, **({TREES: members.trees} if members.trees is not None else {})}


def _base(members: Members) -> Floats:
    middle = _middle(members)
    if members.trees is None:
        return middle
    share = 0.5 if len(middle) >= MANY_SERIES else 1 / (1 + len(members.statistical))
    return np.where(np.isfinite(middle), share * members.trees + (1 - share) * middle, members.trees)


def _middle(members: Members) -> Floats:
    if not members.statistical:
        return np.full_like(members.trees, np.nan) if members.trees is not None else np.empty((0, 0))
    every = np.array(list(members.statistical.values()))
    found = np.full(every.shape[1:], np.nan)
    known = np.isfinite(every).any(axis=0)
    found[known] = np.nanmedian(every[:, known], axis=0)
    return found


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
    model = _model(name)
    return lambda y: np.asarray(model.forecast(y=y, h=horizon)["mean"], dtype=float)


def _model(name: str) -> Any:
    from statsforecast import models

    if name == "ets":
        return models.AutoETS(season_length=1, model="ZZN")
    if name == "ces":
        return models.AutoCES(season_length=1, model="N")
    make: Callable[..., Any] = models.DynamicOptimizedTheta if name == "dynamic_theta" else models.Theta
    return make(season_length=1)


def _each(adjusted: Sequence[Floats], name: str, horizon: int, cap: int, failures: dict[int, str]) -> Floats:
    rows = [row for row, y in enumerate(adjusted) if len(y) >= FEWEST[name]]
    found, reasons = each_alone(
        f"{__name__}:statistical", [adjusted[row][-cap:] for row in rows], horizon, name=name, horizon=horizon
    )
    result = np.full((len(adjusted), horizon), np.nan)
    result[rows] = found
    for place, reason in reasons.items():
        failures.setdefault(rows[place], f"{name}: {reason}")
    return result
