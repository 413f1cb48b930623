"""What a cohort teaches: the share of the expected demand that came, how much it varied, and how good that is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from manufacturing_copilot.forecasts.contract import LEVELS, Backtest, Cohort, Floats, folds, seasonal_naive, tidy
from manufacturing_copilot.forecasts.methods.bounds import (
    excess_dispersion,
    inflation,
    negative_binomial_quantiles,
    noise_grid,
    ranks,
    recalibrated_levels,
    variance_ratios,
)
from manufacturing_copilot.forecasts.methods.sparse import demand_unit


@dataclass(frozen=True)
class Learned:
    """Of a class: the share of the expected level that comes, the excess of variance, levels, inflation."""

    share: float
    excess: float
    levels: Floats
    inflation: Floats


def learn_from_cohort(cohort: Cohort, expected: Floats, window: int) -> Learned:
    """Return what the cohort teaches, when `expected` (cohort × horizon, in the items' own units) was expected.

    The share is a ratio of sums, each series divided by the root of its expectation so that no large one decides.
    """
    return _learned(cohort, expected, window, np.arange(len(cohort)))


def judged_cohort(cohort: Cohort, expected: Floats, window: int) -> Backtest:
    """Return the cohort's windows, each forecast with what the other folds teach."""
    units = np.array([demand_unit(y) for y in cohort.before])
    mean, quantiles = np.empty_like(expected), np.empty((*expected.shape, len(LEVELS)))
    ratio = variance_ratios([y / unit for y, unit in zip(cohort.before, units, strict=True)], window)
    fold = folds(len(cohort))
    for part in np.unique(fold):
        inside = fold == part
        learned = _learned(cohort, expected, window, np.flatnonzero(~inside))
        mean[inside] = expected[inside] * learned.share
        counted = mean[inside] / units[inside][:, None]
        wide = np.maximum(ratio[inside] * learned.excess, 1.02)
        quantiles[inside] = (
            tidy(negative_binomial_quantiles(counted, wide, learned.levels)) * units[inside][:, None, None]
        )
    horizon = expected.shape[1]
    return Backtest(
        rows=np.arange(len(cohort)),
        actual=cohort.actual,
        mean=mean,
        quantiles=quantiles,
        naive=np.array([seasonal_naive(y, 1, horizon) for y in cohort.before]),
        train=cohort.before,
    )


def _learned(cohort: Cohort, expected: Floats, window: int, rows: np.ndarray) -> Learned:
    if len(rows) == 0:
        return Learned(1.0, 1.0, LEVELS.copy(), np.ones(expected.shape[1]))
    units = np.array([demand_unit(cohort.before[row]) for row in rows])
    before = [cohort.before[row] / unit for row, unit in zip(rows, units, strict=True)]
    actual, base = cohort.actual[rows] / units[:, None], expected[rows] / units[:, None]
    root = np.sqrt(np.maximum(base.sum(axis=1), 1e-9))
    share = float(np.clip((actual.sum(axis=1) / root).sum() / root.sum(), 0.0, 2.0))
    mean, ratio = base * share, variance_ratios(before, window)
    excess = excess_dispersion(actual, mean, ratio)
    placed = ranks(actual, mean, np.maximum(ratio * excess, 1.02), noise_grid(cohort.noise[rows], expected.shape[1]))
    return Learned(share, excess, recalibrated_levels(placed), inflation(actual - mean))
