"""Lead times: the days from order to receipt of a line that a supplier delivers in a period.

The level is an exponentially weighted mean of the logarithms, newest lines first; the spread is that of the
supplier's own one-step errors, drawn to those of all suppliers. It stays the same over the periods ahead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from manufacturing_copilot.forecasts.contract import LEVELS, Backtest, Floats, Observations, Outcome, tidy

SHORTEST_DAYS = 0.5
"""A line received on the day it was ordered; its logarithm has to exist."""

NEWEST_LINES = 500
FEWEST_BEFORE = 8
"""Lines a supplier must have before the window held back."""


@dataclass(frozen=True)
class _Spread:
    level: Floats
    quantiles: Floats
    factor: Floats


def forecast(task: Observations) -> Outcome:
    """Forecast lead times in days. Parameters: half_life_lines, shrink_lines (own lines that weigh as the pool)."""
    now = _fit(task.values, task)
    mean = np.repeat((now.level * now.factor)[:, None], task.horizon, axis=1)
    quantiles = np.repeat((now.level[:, None] * now.quantiles)[:, None, :], task.horizon, axis=1)
    upper = (quantiles[:, 0, 6] - quantiles[:, 0, 4]) / 1.2816
    return Outcome(
        mean=mean,
        quantiles=tidy(quantiles),
        deviation=np.maximum(upper, 1e-9),
        inflation=np.ones(task.horizon),
        backtest=_held_back(task),
        notes={"lines": int(sum(len(y) for y in task.values))},
    )


def _fit(values: Sequence[Floats], task: Observations) -> _Spread:
    half_life = float(task.parameters["half_life_lines"])
    shrink = float(task.parameters["shrink_lines"])
    logs = [np.log(np.maximum(y[-NEWEST_LINES:], SHORTEST_DAYS)) for y in values]
    smooth = [pl.Series(y).ewm_mean(half_life=half_life).to_numpy() for y in logs]
    pooled_level = float(np.median([s[-1] for s in smooth]))
    weight = np.array([len(y) for y in logs], dtype=float)
    # Two lines of the median supplier steady the level of one that has hardly delivered yet.
    level = (weight * np.array([s[-1] for s in smooth]) + 2 * pooled_level) / (weight + 2)
    errors = [y[1:] - s[:-1] for y, s in zip(logs, smooth, strict=True)]
    every = np.concatenate(errors)
    pool = np.quantile(every, LEVELS) if len(every) >= 5 else np.log(2) * (LEVELS - 0.5) * 2
    own = np.array([np.quantile(e, LEVELS) if len(e) >= 5 else pool for e in errors])
    share = np.array([len(e) for e in errors]) / (np.array([len(e) for e in errors]) + shrink)
    drawn = share[:, None] * own + (1 - share[:, None]) * pool
    pool_factor = float(np.mean(np.exp(every))) if len(every) >= 5 else 1.0
    own_factor = np.array([float(np.mean(np.exp(e))) if len(e) >= 5 else pool_factor for e in errors])
    return _Spread(np.exp(level), np.exp(drawn), share * own_factor + (1 - share) * pool_factor)


def _held_back(task: Observations) -> Backtest | None:
    before = [y[a > task.horizon] for y, a in zip(task.values, task.ages, strict=True)]
    after = [y[a <= task.horizon] for y, a in zip(task.values, task.ages, strict=True)]
    rows = [i for i in range(len(task)) if len(before[i]) >= FEWEST_BEFORE and len(after[i])]
    if not rows:
        return None
    then = _fit([before[i] for i in rows], task)
    counts = [len(after[i]) for i in rows]
    level = np.repeat(then.level * then.factor, counts)
    return Backtest(
        rows=np.repeat(np.array(rows, dtype=np.int64), counts),
        actual=np.concatenate([after[i] for i in rows])[:, None],
        mean=level[:, None],
        quantiles=np.repeat(then.level[:, None] * then.quantiles, counts, axis=0)[:, None, :],
        naive=np.repeat([before[i][-1] for i in rows], counts)[:, None],
        train=[before[i] for i, count in zip(rows, counts, strict=True) for _ in range(count)],
    )
