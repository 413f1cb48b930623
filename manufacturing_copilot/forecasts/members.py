"""The members of the ensemble for regular series: what each forecasts, and how they are joined.

Every member sees the seasonally adjusted history; its forecast is given back with the season. The statistical
members are joined by their median, which one member gone wild does not move; the trees, which err in another way,
are joined to it with one weight for the whole panel. That weight is learned from the window held back; one of its
own per series, learned from one or two windows, was worse on public data by 0.4 to 0.9 points of sMAPE.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from manufacturing_copilot.forecasts.boosting import boosted
from manufacturing_copilot.forecasts.seasonal import future_factors, past_factors, season_index
from manufacturing_copilot.forecasts.tasks import Floats, Task

FEWEST = {"theta": 1, "dynamic_theta": 1, "ets": 10, "ces": 10}
"""Points below which a member is left out; what refuses a shorter history yet is a failure of that series."""

FEWEST_TO_WEIGH = 400
"""Held-back values from which on the weight of the trees is learned; with fewer both count alike."""

WEIGHTS = np.arange(0.3, 0.71, 0.1)

EQUAL = 0.5


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
            statistical[name] = _each(adjusted, _model(name), task.horizon, cap, name, failures) * factors
        elif name == "seasonal_average":
            window = 8 * max(task.season, 1)
            statistical[name] = np.array([np.full(task.horizon, y[-window:].mean()) for y in adjusted]) * factors
    trees = None
    if "boosting" in models:
        whole = [np.where(np.isfinite(y), y, 0.0) for y in adjusted]
        trees = boosted(whole, task.groups, task.season, task.horizon, task.parameters)
    return Members(statistical, None if trees is None else trees * factors, sorted(failures.items()))


def joined(members: Members, weight: float) -> Floats:
    """Return the ensemble's forecast; NaN for a series that no member forecast."""
    with np.errstate(invalid="ignore"):
        middle = _middle(members)
    if members.trees is None:
        return middle
    return np.where(np.isfinite(middle), weight * members.trees + (1 - weight) * middle, members.trees)


def learned_weight(members: Members, actual: Floats, scale: Floats) -> float:
    """Return the weight of the trees that makes the pooled scaled absolute error of a held-back window least."""
    if members.trees is None or actual.size < FEWEST_TO_WEIGH or not members.statistical:
        return EQUAL
    errors = [np.nanmean(np.abs(actual - joined(members, w)) / scale[:, None]) for w in WEIGHTS]
    return float(WEIGHTS[int(np.argmin(errors))])


def _middle(members: Members) -> Floats:
    if not members.statistical:
        return np.full_like(members.trees, np.nan) if members.trees is not None else np.empty((0, 0))
    every = np.array(list(members.statistical.values()))
    found = np.full(every.shape[1:], np.nan)
    known = np.isfinite(every).any(axis=0)
    found[known] = np.nanmedian(every[:, known], axis=0)
    return found


def _model(name: str) -> Any:
    from statsforecast import models

    if name == "ets":
        return models.AutoETS(season_length=1, model="ZZN")
    if name == "ces":
        return models.AutoCES(season_length=1, model="N")
    make: Callable[..., Any] = models.DynamicOptimizedTheta if name == "dynamic_theta" else models.Theta
    return make(season_length=1)


def _each(
    adjusted: Sequence[Floats], model: Any, horizon: int, cap: int, name: str, failures: dict[int, str]
) -> Floats:
    result = np.full((len(adjusted), horizon), np.nan)
    for row, y in enumerate(adjusted):
        if len(y) < FEWEST[name]:
            continue
        try:
            found = np.asarray(model.forecast(y=y[-cap:], h=horizon)["mean"], dtype=float)
            if not np.isfinite(found).all():
                raise ValueError("the model's forecast is not a number")
            result[row] = found
        except Exception as error:  # noqa: BLE001 - models raise bare Exceptions; one series must not end the run
            failures.setdefault(row, f"{name}: {error or type(error).__name__}")
    return result
