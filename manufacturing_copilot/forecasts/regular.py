"""Smooth and erratic series: an ensemble of statistical and pooled models, pooled conformal bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from manufacturing_copilot.forecasts.bounds import (
    conformal_quantiles,
    cross_conformal_quantiles,
    inflation,
    pooled_deviation,
)
from manufacturing_copilot.forecasts.joining import FEWEST_TO_WEIGH, Weights, Window, joined, learned_weights
from manufacturing_copilot.forecasts.members import TREES, Members, fit_members
from manufacturing_copilot.forecasts.tasks import (
    Backtest,
    Floats,
    Outcome,
    Task,
    holdout,
    seasonal_naive,
    seasonal_naive_scale,
)

FEWEST_POINTS = 8
"""Points that must remain before a window held back; the Theta models refuse fewer than four."""


def forecast(task: Task) -> Outcome:
    """Forecast regular series.

    Parameters: models (of theta, dynamic_theta, ets, ces, seasonal_average,
    autoregression, boosting, linear), cap (points the statistical models
    see), windows (how many are held back to learn from), linear_lags and
    linear_rows (see `pooled_linear`), signed (bounds of their own on each
    side), and those of `boosted`. Each window is forecast from what lay
    before it. They give the weights of the members, and the newest one the errors for the bounds.
    """
    now = fit_members(task.values, task)
    scale = np.array([seasonal_naive_scale(y[np.isfinite(y)], task.season) for y in task.values])
    held = _held_back(task, int(task.parameters.get("windows", 1)))
    weights, then_weights = learned_weights([one.window for one in held])
    mean, clipped = _point(now, task.values, task.season, weights)
    if not held:
        none = np.empty((0, task.horizon))
        return Outcome(
            mean=mean,
            quantiles=conformal_quantiles(mean, scale, none),
            deviation=scale * pooled_deviation(none),
            inflation=np.ones(task.horizon),
            failures=now.failures,
            clipped=clipped,
        )
    newest = held[0]
    actual, then_scale = newest.window.actual, newest.window.scale
    then_mean, _ = _point(newest.window.members, newest.train, task.season, then_weights)
    errors = (actual - then_mean) / then_scale[:, None]
    signed = bool(task.parameters.get("signed"))
    backtest = Backtest(
        rows=newest.rows,
        actual=actual,
        mean=then_mean,
        quantiles=cross_conformal_quantiles(then_mean, then_scale, errors, signed=signed),
        naive=np.array([seasonal_naive(y, task.season, task.horizon) for y in newest.train]),
        train=newest.train,
    )
    return Outcome(
        mean=mean,
        quantiles=conformal_quantiles(mean, scale, errors, signed=signed),
        deviation=scale * pooled_deviation(errors),
        inflation=inflation(actual - then_mean),
        backtest=backtest,
        failures=now.failures,
        clipped=clipped,
        notes={
            "boosting": TREES in now.pooled,
            "weights": {name: round(weight, 3) for name, weight in weights.items()},
            "windows": len(held),
        },
    )


@dataclass(frozen=True)
class _Held:
    """A window of the series `rows` of the task, and their histories before it."""

    rows: NDArray[np.int64]
    train: Sequence[Floats]
    window: Window


def _held_back(task: Task, windows: int) -> list[_Held]:
    """Return the windows, newest first, one horizon apart; the older ones only where they are worth learning from."""
    found = []
    for back in range(1, windows + 1):
        rows = holdout(task.values, back * task.horizon, FEWEST_POINTS)
        if len(rows) == 0 or (back > 1 and len(rows) * task.horizon < FEWEST_TO_WEIGH):
            break
        train = [task.values[i][: -back * task.horizon] for i in rows]
        actual = np.array([task.values[i][len(y) : len(y) + task.horizon] for i, y in zip(rows, train, strict=True)])
        scale = np.array([seasonal_naive_scale(y, task.season) for y in train])
        members = fit_members(train, task.part(np.isin(np.arange(len(task)), rows)))
        found.append(_Held(rows, train, Window(members, actual, scale)))
    return found


def _point(members: Members, values: Sequence[Floats], season: int, weights: Weights) -> tuple[Floats, int]:
    """Return the forecast, never below zero and never missing, and how many series had to be lifted to zero."""
    mean = joined(members, weights)
    for row in np.flatnonzero(~np.isfinite(mean).all(axis=1)).tolist():
        mean[row] = _level(values[row], season)
    below = mean < 0
    return np.maximum(mean, 0.0), int(below.any(axis=1).sum())


def _level(y: Floats, season: int) -> float:
    known = y[np.isfinite(y)]
    return float(np.mean(known[-max(season, 4) :])) if len(known) else 0.0
