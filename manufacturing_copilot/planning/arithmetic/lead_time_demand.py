"""The demand over a protection interval as a distribution: quantiles, expected shortage, and the levels they ask for.

A cycle service level is the chance of no shortage in a replenishment cycle. A fill rate is the share of the demand
that is served from stock; the expected shortage before a cycle's order is taken off the one after it, so that stock
that was short already (the undershoot) is not counted as an order's own (Silver, Pyke, Thomas; Chopra, Meindl).
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from manufacturing_copilot.planning.arithmetic.arrays import Floats

SMALLEST = 1e-9
HALVINGS = 60


class DemandShape(IntEnum):
    """The family of distributions: normal for regular demand, gamma for skewed, negative binomial for counts."""

    NORMAL = 0
    GAMMA = 1
    NEGATIVE_BINOMIAL = 2
    POISSON = 3


def interval_demand(mean: Floats, deviation: Floats, lead: Floats, lead_deviation: Floats) -> tuple[Floats, Floats]:
    """Return mean and variance of demand over a lead time, both per day: mean·L and L·sd² + mean²·sd_L²."""
    return mean * lead, lead * deviation**2 + (mean * lead_deviation) ** 2


def quantile(mean: Floats, variance: Floats, shape: NDArray, level: Floats) -> Floats:
    """Return the demand that is not passed with the probability `level`; 0 where none is expected."""
    mean, variance, shape, level = np.broadcast_arrays(
        np.asarray(mean, float), np.asarray(variance, float), shape, np.asarray(level, float)
    )
    result = np.zeros(mean.shape)
    for kind in DemandShape:
        at = (shape == kind) & (mean > 0)
        if at.any():
            result[at] = _distribution(kind, mean[at], variance[at]).ppf(level[at])
    return np.maximum(result, 0.0)


def expected_shortage(mean: Floats, variance: Floats, shape: NDArray, stock: Floats) -> Floats:
    """Return how much demand passes `stock` on average: the loss function E(D - stock)+."""
    mean, variance, shape, stock = np.broadcast_arrays(
        np.asarray(mean, float), np.asarray(variance, float), shape, np.asarray(stock, float)
    )
    result = np.array(np.maximum(mean - stock, 0.0))
    for kind in DemandShape:
        at = (shape == kind) & (mean > 0)
        if at.any():
            result[at] = _loss(kind, mean[at], variance[at], stock[at])
    return result


def fill_rate(
    mean: Floats, variance: Floats, shape: NDArray, level: Floats, *, ordered: Floats, before: tuple[Floats, Floats]
) -> Floats:
    """Return the share of demand served from stock under an order-up-to `level`.

    `mean`, `variance`: of demand over lead time and review; `before`: those over the lead time alone; `ordered`: the
    mean demand of a cycle, or the lot where it is larger. Shortage at the end of a cycle less the shortage with
    which it began: [E(D(L+R) - S)+ - E(D(L) - S)+] / ordered.
    """
    short = expected_shortage(mean, variance, shape, level) - expected_shortage(*before, shape, level)
    return 1 - np.maximum(short, 0.0) / np.maximum(ordered, SMALLEST)


def level_for_fill_rate(
    mean: Floats, variance: Floats, shape: NDArray, target: Floats, *, ordered: Floats, before: tuple[Floats, Floats]
) -> Floats:
    """Return the least order-up-to level whose `fill_rate` is the target, by halving; arguments as there."""
    mean, variance = np.asarray(mean, float), np.asarray(variance, float)
    low = np.zeros_like(mean)
    high = mean + 12 * np.sqrt(variance) + 1
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        enough = fill_rate(mean, variance, shape, middle, ordered=ordered, before=before) >= target
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return np.where(mean > 0, high, 0.0)


def least_cost_level(
    mean: Floats, variance: Floats, shape: NDArray, holding: Floats, shortage: Floats
) -> tuple[Floats, Floats]:
    """Return the order-up-to level of least cost, and that cost a period.

    The critical ratio shortage / (shortage + holding) (Arrow, Harris, Marschak 1951), costs per unit left or short
    at the end of a period; of counts the smallest whole level at the ratio or above.
    """
    level = quantile(mean, variance, shape, shortage / (shortage + holding))
    short = expected_shortage(mean, variance, shape, level)
    return level, holding * (level - mean + short) + shortage * short


def _distribution(kind: DemandShape, mean: Floats, variance: Floats) -> stats.rv_continuous:
    variance = np.maximum(variance, SMALLEST)
    if kind is DemandShape.NORMAL:
        return stats.norm(mean, np.sqrt(variance))
    if kind is DemandShape.GAMMA:
        return stats.gamma(mean**2 / variance, scale=variance / mean)
    if kind is DemandShape.POISSON:
        return stats.poisson(mean)
    return stats.nbinom(*_size_and_chance(mean, variance))


def _size_and_chance(mean: Floats, variance: Floats) -> tuple[Floats, Floats]:
    # Counts vary at least about as a Poisson process does; at its own variance the size would be infinite.
    ratio = np.maximum(variance / np.maximum(mean, SMALLEST), 1.02)
    return mean / (ratio - 1), 1 / ratio


def _loss(kind: DemandShape, mean: Floats, variance: Floats, stock: Floats) -> Floats:
    variance = np.maximum(variance, SMALLEST)
    floor = np.maximum(stock, 0.0)
    negative = np.minimum(stock, 0.0)
    if kind is DemandShape.NORMAL:
        deviation = np.sqrt(variance)
        z = (stock - mean) / deviation
        return deviation * (stats.norm.pdf(z) - z * stats.norm.sf(z))
    if kind is DemandShape.GAMMA:
        size, scale = mean**2 / variance, variance / mean
        loss = mean * stats.gamma.sf(floor, size + 1, scale=scale) - floor * stats.gamma.sf(floor, size, scale=scale)
        return loss - negative
    whole = np.floor(floor)
    if kind is DemandShape.POISSON:
        loss = mean * stats.poisson.sf(whole - 1, mean) - floor * stats.poisson.sf(whole, mean)
        return loss - negative
    size, chance = _size_and_chance(mean, variance)
    # E(D; D > k) of a negative binomial is its mean times the tail of one with a size larger by one, from k - 1 on.
    loss = mean * stats.nbinom.sf(whole - 1, size + 1, chance) - floor * stats.nbinom.sf(whole, size, chance)
    return loss - negative
