"""The projection of stock: on hand, less firm orders, less cumulative forecast, plus receipts on their likely days.

The quantiles are those of demand summed up to each day, never sums of daily quantiles: its mean is the sum of
the forecasts, its variance the sum of the daily variances times the inflation that the backtest of the demand
run measured. Negative binomial for sparse series, normal (cut at zero) for regular ones. A balance below zero is
a shortage.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from manufacturing_copilot.forecasts.contract import LEVELS, Floats, Outcome
from manufacturing_copilot.planning.stock_inputs import StockPaths

SMALLEST_VARIANCE = 1e-9


def forecast(paths: StockPaths) -> Outcome:
    """Return the balance at the end of each day ahead: mean, and quantiles at LEVELS."""
    mean, variance = cumulative_demand(paths)
    expected = paths.keys["available"].to_numpy()[:, None] + np.cumsum(paths.expected_flow(), axis=1)
    sparse = paths.keys["sparse"].to_numpy()
    # The balance is low where demand is high: its quantile at p is that of demand at 1 - p.
    demand = cumulative_quantiles(mean, variance, sparse, 1 - LEVELS)
    balance = expected[:, :, None] - demand
    return Outcome(
        mean=expected - mean,
        quantiles=np.maximum.accumulate(balance, axis=-1),
        deviation=np.sqrt(variance[:, 0]),
        inflation=np.ones(paths.days),
        notes={"shortages": int((expected[:, -1] - mean[:, -1] < 0).sum())},
    )


def cumulative_demand(paths: StockPaths) -> tuple[Floats, Floats]:
    """Return mean and variance of demand summed up to each day, series × days."""
    mean = np.cumsum(paths.demand, axis=1)
    variance = np.maximum.accumulate(np.cumsum(paths.variance, axis=1) * paths.inflation, axis=1)
    return mean, np.maximum(variance, SMALLEST_VARIANCE)


def cumulative_quantiles(mean: Floats, variance: Floats, sparse: NDArray[np.bool_], levels: Floats) -> Floats:
    """Return the quantiles of summed demand, series × days × levels."""
    quantiles = np.maximum(mean[:, :, None] + np.sqrt(variance)[:, :, None] * stats.norm.ppf(levels), 0.0)
    if sparse.any():
        size, chance = _binomial(mean[sparse], variance[sparse])
        quantiles[sparse] = np.where(
            mean[sparse][:, :, None] > 0, stats.nbinom.ppf(levels, size[:, :, None], chance[:, :, None]), 0.0
        )
    return quantiles


def chance_above(mean: Floats, variance: Floats, sparse: NDArray[np.bool_], stock: Floats) -> Floats:
    """Return the probability that demand summed up to each day exceeds `stock`, series × days."""
    probability = stats.norm.sf((stock - mean) / np.sqrt(variance))
    if sparse.any():
        size, chance = _binomial(mean[sparse], variance[sparse])
        probability[sparse] = np.where(mean[sparse] > 0, stats.nbinom.sf(np.floor(stock[sparse]), size, chance), 0.0)
    # Where no demand is expected none comes; what firm orders have left short is short for certain.
    probability = np.where(mean <= 0, 0.0, probability)
    return np.where(stock < 0, 1.0, probability)


def _binomial(mean: Floats, variance: Floats) -> tuple[Floats, Floats]:
    ratio = np.maximum(variance / np.maximum(mean, 1e-12), 1.02)
    chance = 1 / ratio
    return np.maximum(mean, 1e-12) * chance / (1 - chance), chance
