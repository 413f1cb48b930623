"""Smooth and erratic series: an ensemble of statistical models and global trees, pooled conformal bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from manufacturing_copilot.forecasts.bounds import (
    conformal_quantiles,
    cross_conformal_quantiles,
    inflation,
    pooled_deviation,
)
from manufacturing_copilot.forecasts.members import NOTHING_LEARNED, Members, fit_members, joined, learned_weights
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

    Parameters: models (of theta, dynamic_theta, ets, ces,
    seasonal_average, autoregression, boosting), cap (points the statistical
    models see), signed (bounds of their own on each side), and those of `boosted`. A second fit, on the history
    less its last window, gives the weights of the members and the errors for the bounds.
    """
    now = fit_members(task.values, task)
    scale = np.array([seasonal_naive_scale(y[np.isfinite(y)], task.season) for y in task.values])
    rows = holdout(task.values, task.horizon, FEWEST_POINTS)
    if len(rows) == 0:
        none = np.empty((0, task.horizon))
        mean, clipped = _point(now, task.values, task.season, NOTHING_LEARNED)
        return Outcome(
            mean=mean,
            quantiles=conformal_quantiles(mean, scale, none),
            deviation=scale * pooled_deviation(none),
            inflation=np.ones(task.horizon),
            failures=now.failures,
            clipped=clipped,
        )
    train = [task.values[i][: -task.horizon] for i in rows]
    actual = np.array([task.values[i][-task.horizon :] for i in rows])
    held = task.part(np.isin(np.arange(len(task)), rows))
    then = fit_members(train, held)
    then_scale = np.array([seasonal_naive_scale(y, task.season) for y in train])
    weights = learned_weights(then, actual, then_scale)
    mean, clipped = _point(now, task.values, task.season, weights)
    then_mean, _ = _point(then, train, task.season, weights)
    errors = (actual - then_mean) / then_scale[:, None]
    signed = bool(task.parameters.get("signed"))
    backtest = Backtest(
        rows=rows,
        actual=actual,
        mean=then_mean,
        quantiles=cross_conformal_quantiles(then_mean, then_scale, errors, signed=signed),
        naive=np.array([seasonal_naive(y, task.season, task.horizon) for y in train]),
        train=train,
    )
    return Outcome(
        mean=mean,
        quantiles=conformal_quantiles(mean, scale, errors, signed=signed),
        deviation=scale * pooled_deviation(errors),
        inflation=inflation(actual - then_mean),
        backtest=backtest,
        failures=now.failures,
        clipped=clipped,
        notes={"boosting": now.trees is not None, "weights": {name: round(w, 3) for name, w in weights.items()}},
    )


def _point(members: Members, values: Sequence[Floats], season: int, weights: Mapping[str, float]) -> tuple[Floats, int]:
    """Return the forecast, never below zero and never missing, and how many series had to be lifted to zero."""
    mean = joined(members, weights)
    for row in np.flatnonzero(~np.isfinite(mean).all(axis=1)).tolist():
        mean[row] = _level(values[row], season)
    below = mean < 0
    return np.maximum(mean, 0.0), int(below.any(axis=1).sum())


def _level(y: Floats, season: int) -> float:
    known = y[np.isfinite(y)]
    return float(np.mean(known[-max(season, 4) :])) if len(known) else 0.0
