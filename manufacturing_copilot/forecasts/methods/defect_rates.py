"""Defect rates: the share of pieces found bad per item and operation in a period, between 0 and 1.

The rate is the recent one, drawn to the plant's; the count of bad pieces among as many as are usually inspected
is negative binomial with the pooled excess of variance, its levels recalibrated over all series.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from manufacturing_copilot.forecasts.contract import LEVELS, Backtest, Floats, Observations, Outcome, folds, tidy
from manufacturing_copilot.forecasts.methods.bounds import (
    negative_binomial_quantiles,
    noise_grid,
    ranks,
    recalibrated_levels,
)

FEWEST_BEFORE = 4
LOWEST_RATE = 1e-6


def forecast(task: Observations) -> Outcome:
    """Forecast defect rates. Parameters: half_life_periods, shrink_periods (weight of the plant's rate)."""
    rate, excess = _fit(task.values, task.ages, task.weights, task)
    lot = np.array([max(float(np.median(w)), 1.0) for w in task.weights])
    levels, backtest = _held_back(task)
    mean = np.repeat(rate[:, None], task.horizon, axis=1)
    counts = negative_binomial_quantiles(mean * lot[:, None], np.full(len(task), excess), levels)
    return Outcome(
        mean=mean,
        quantiles=tidy(counts / lot[:, None, None], ceiling=1.0),
        deviation=np.sqrt(np.maximum(rate, LOWEST_RATE) * excess / lot),
        inflation=np.ones(task.horizon),
        backtest=backtest,
        notes={"excess_variance": round(excess, 3), "levels": [round(float(level), 4) for level in levels]},
    )


def _fit(
    values: Sequence[Floats], ages: Sequence[Floats], weights: Sequence[Floats], task: Observations
) -> tuple[Floats, float]:
    half_life, shrink = float(task.parameters["half_life_periods"]), float(task.parameters["shrink_periods"])
    pieces = np.concatenate(weights)
    plant = float(np.sum(np.concatenate(values) * pieces) / max(np.sum(pieces), 1e-9))
    rates = np.empty(len(values))
    for row, (y, age, weight) in enumerate(zip(values, ages, weights, strict=True)):
        recent = weight * 0.5 ** (age / half_life)
        prior = shrink * float(np.median(weight)) * 0.5 ** (float(age.min()) / half_life)
        rates[row] = (np.sum(recent * y) + prior * plant) / max(float(np.sum(recent)) + prior, 1e-9)
    spread = np.concatenate(
        [
            w * (y - max(r, LOWEST_RATE)) ** 2 / max(r * (1 - r), LOWEST_RATE)
            for y, w, r in zip(values, weights, rates, strict=True)
        ]
    )
    return np.clip(rates, 0.0, 1.0), float(np.clip(np.mean(spread), 1.05, 50.0))


def _held_back(task: Observations) -> tuple[Floats, Backtest | None]:
    late = [age <= task.horizon for age in task.ages]
    rows = [i for i in range(len(task)) if (~late[i]).sum() >= FEWEST_BEFORE and late[i].any()]
    if not rows:
        return LEVELS.copy(), None
    before = [task.values[i][~late[i]] for i in rows]
    rate, excess = _fit(
        before,
        [task.ages[i][~late[i]] - task.horizon for i in rows],
        [task.weights[i][~late[i]] for i in rows],
        task,
    )
    counts = [int(late[i].sum()) for i in rows]
    expected = np.repeat(rate, counts)[:, None]
    pieces = np.maximum(np.concatenate([task.weights[i][late[i]] for i in rows]), 1.0)[:, None]
    actual = np.concatenate([task.values[i][late[i]] for i in rows])[:, None]
    spread = np.full(len(actual), excess)
    which = np.repeat(np.array(rows, dtype=np.int64), counts)
    noise = (task.noise[which] + np.arange(len(which)) * 0.6180339887498949) % 1.0
    seen_ranks = ranks(actual * pieces, expected * pieces, spread, noise_grid(noise, 1))
    fold = np.repeat(folds(len(rows)), counts)
    quantiles = np.empty((len(actual), 1, len(LEVELS)))
    for part in np.unique(fold):
        inside = fold == part
        asked = recalibrated_levels(seen_ranks[~inside])
        bad = negative_binomial_quantiles(expected[inside] * pieces[inside], spread[inside], asked)
        quantiles[inside] = tidy(bad / pieces[inside][:, :, None], ceiling=1.0)
    backtest = Backtest(
        rows=which,
        actual=actual,
        mean=expected,
        quantiles=quantiles,
        naive=np.repeat([y[-1] for y in before], counts)[:, None],
        train=[y for y, count in zip(before, counts, strict=True) for _ in range(count)],
    )
    return recalibrated_levels(seen_ranks), backtest
