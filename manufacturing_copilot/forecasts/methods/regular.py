"""Smooth and erratic series: an ensemble of statistical and pooled models, pooled conformal bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from manufacturing_copilot.forecasts.contract import (
    Backtest,
    Floats,
    Outcome,
    Task,
    holdout,
    seasonal_naive,
    seasonal_naive_scale,
)
from manufacturing_copilot.forecasts.methods.bounds import (
    conformal_quantiles,
    cross_conformal_quantiles,
    inflation,
    pooled_deviation,
)
from manufacturing_copilot.forecasts.methods.ensemble import FEWEST_TO_WEIGH, Weights, Window, combined, learned_weights
from manufacturing_copilot.forecasts.methods.members import TREES, Members, fit_members

LEAST_SPREAD = 0.05

FEWEST_POINTS = 8
"""Points that must remain before a window held back; the Theta models refuse fewer than four."""


def forecast(task: Task) -> Outcome:
    """Forecast regular series.

    Parameters: models (of theta, dynamic_theta, ets, ces, seasonal_average,
    autoregression, boosting, linear), cap (points the statistical models
    see), windows (how many are held back to learn from), linear_lags and
    linear_rows (see `pooled_linear`), signed (bounds of their own on each
    side), and those of `boosted`. Each window is forecast from what lay
    before it. They give the weights of the members, and the errors for the bounds.
    """
    now = fit_members(task.values, task)
    naive = np.array([seasonal_naive_scale(y[np.isfinite(y)], task.season) for y in task.values])
    windows = _held_back(task, int(task.parameters.get("windows", 1)))
    weights, then_weights = learned_weights([held.window for held in windows])
    mean, clipped = _point(now, task.values, task.season, weights)
    if not windows:
        none = np.empty((0, task.horizon))
        return Outcome(
            mean=mean,
            quantiles=conformal_quantiles(mean, naive, none),
            deviation=naive * pooled_deviation(none),
            inflation=np.ones(task.horizon),
            failures=now.failures,
            clipped=clipped,
        )
    judged = [_judged(held, task.season, then_weights if age == 0 else weights) for age, held in enumerate(windows)]
    errors = np.concatenate(
        [(held.window.actual - then) / of[:, None] for held, (then, of) in zip(windows, judged, strict=True)]
    )
    newest, (then_mean, then_scale) = windows[0], judged[0]
    places = np.concatenate([np.searchsorted(newest.rows, held.rows) for held in windows])
    scale = error_scale(now, naive)
    signed = bool(task.parameters.get("signed"))
    backtest = Backtest(
        rows=newest.rows,
        actual=newest.window.actual,
        mean=then_mean,
        quantiles=cross_conformal_quantiles(then_mean, then_scale, errors, signed=signed, places=places),
        naive=np.array([seasonal_naive(y, task.season, task.horizon) for y in newest.train]),
        train=newest.train,
    )
    return Outcome(
        mean=mean,
        quantiles=conformal_quantiles(mean, scale, errors, signed=signed),
        deviation=scale * pooled_deviation(errors),
        inflation=inflation(newest.window.actual - then_mean),
        backtest=backtest,
        failures=now.failures,
        clipped=clipped,
        notes={
            "boosting": TREES in now.pooled,
            "weights": {name: round(weight, 3) for name, weight in weights.items()},
            "windows": len(windows),
        },
    )


def error_scale(members: Members, naive: Floats) -> Floats:
    """Return what a series' errors are measured in: the geometric mean of its naive error and its members' spread.

    Where the members are at odds the forecast is less sure. The spread counts at least a LEAST_SPREAD of the naive
    error, and not at all where there is one member only.
    """
    every = np.array(list(members.all.values()))
    if len(every) < 2:
        return naive
    is_finite = np.isfinite(every)
    count = np.maximum(is_finite.sum(axis=0), 1)
    centre = np.where(is_finite, every, 0.0).sum(axis=0) / count
    spread = np.sqrt(np.where(is_finite, (every - centre) ** 2, 0.0).sum(axis=0) / count).mean(axis=1)
    return np.sqrt(naive * np.maximum(spread, LEAST_SPREAD * naive))


@dataclass(frozen=True)
class _Held:
    """A window of the series `rows` of the task, and their histories before it.

    The series of an older window are among those of the newest.
    """

    rows: NDArray[np.int64]
    train: Sequence[Floats]
    window: Window


def _held_back(task: Task, windows: int) -> list[_Held]:
    """Return the windows, newest first, one horizon apart; the older ones only where they are worth learning from."""
    held_windows = []
    for back in range(1, windows + 1):
        rows = holdout(task.values, back * task.horizon, FEWEST_POINTS)
        if len(rows) == 0 or (back > 1 and len(rows) * task.horizon < FEWEST_TO_WEIGH):
            break
        train = [task.values[i][: -back * task.horizon] for i in rows]
        actual = np.array([task.values[i][len(y) : len(y) + task.horizon] for i, y in zip(rows, train, strict=True)])
        scale = np.array([seasonal_naive_scale(y, task.season) for y in train])
        members = fit_members(train, task.part(np.isin(np.arange(len(task)), rows)))
        held_windows.append(_Held(rows, train, Window(members, actual, scale)))
    return held_windows


def _judged(held: _Held, season: int, weights: Weights) -> tuple[Floats, Floats]:
    """Return the forecast of a window, and the scale of the errors of its series."""
    mean, _ = _point(held.window.members, held.train, season, weights)
    return mean, error_scale(held.window.members, held.window.scale)


def _point(members: Members, values: Sequence[Floats], season: int, weights: Weights) -> tuple[Floats, int]:
    """Return the forecast, never below zero and never missing, and how many series had to be lifted to zero."""
    mean = combined(members, weights)
    for row in np.flatnonzero(~np.isfinite(mean).all(axis=1)).tolist():
        mean[row] = _level(values[row], season)
    below = mean < 0
    return np.maximum(mean, 0.0), int(below.any(axis=1).sum())


def _level(y: Floats, season: int) -> float:
    finite = y[np.isfinite(y)]
    return float(np.mean(finite[-max(season, 4) :])) if len(finite) else 0.0
