"""Quantiles: pooled conformal ones for regular series, negative-binomial ones for sparse series."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from manufacturing_copilot.forecasts.contract import LEVELS, Floats, folds, tidy

ENOUGH_ERRORS = 200
"""Errors below which a step borrows those of its neighbours."""

FEW_ERRORS = 30
"""Errors below which the normal distribution stands in for the empirical one."""

BLOCK = 2_000
"""Series whose quantiles are computed at a time: the library holds many times the memory of what it returns."""

RATIO_FLOOR = 1.05
RECALIBRATE_FROM = 200
"""Ranks of held-back values needed before the levels are recalibrated."""


def conformal_widths(errors: Floats, *, signed: bool = False) -> Floats:
    """Return, per step and level, how many scales the quantile lies from the mean: steps × levels.

    `errors` is series × steps: actual less forecast, divided by the series' scale. The quantile of |error| over
    all series (and neighbouring steps, where there are few) at the two-sided level, with the finite-sample
    correction of conformal prediction; it never shrinks with the step. `signed` takes the quantiles of the errors
    themselves: demand is skewed, and what matters to stock is its upper side.
    """
    horizon = errors.shape[1]
    two_sided = np.abs(2 * LEVELS - 1)
    side = np.sign(LEVELS - 0.5)
    widths = np.empty((horizon, len(LEVELS)))
    for step in range(horizon):
        pooled = _pooled(errors, step)
        more = 1 + 1 / max(pooled.size, 1)
        if pooled.size < FEW_ERRORS:
            # 1.253 turns a mean absolute error into a standard deviation; a scale's own error is about one.
            spread = 1.253 * (np.mean(np.abs(pooled)) if pooled.size >= 5 else 1.0)
            widths[step] = spread * stats.norm.ppf((1 + side * two_sided) / 2)
        elif signed:
            widths[step] = np.quantile(pooled, np.clip(0.5 + (LEVELS - 0.5) * more, 0.0, 1.0))
        else:
            widths[step] = side * np.quantile(np.abs(pooled), np.minimum(two_sided * more, 1.0))
    upper, lower = LEVELS > 0.5, LEVELS < 0.5
    widths[:, upper] = np.maximum.accumulate(widths[:, upper], axis=0)
    widths[:, lower] = np.minimum.accumulate(widths[:, lower], axis=0)
    return widths


def _pooled(errors: Floats, step: int) -> Floats:
    horizon = errors.shape[1]
    reach = 0
    while True:
        window = errors[:, max(0, step - reach) : step + reach + 1]
        if window.size >= ENOUGH_ERRORS or window.shape[1] == horizon:
            return window.ravel()
        reach += 1


def conformal_quantiles(mean: Floats, scale: Floats, errors: Floats, *, signed: bool = False) -> Floats:
    """Return series × steps × levels: the mean plus the pooled widths times each series' scale, never below 0."""
    widths = conformal_widths(errors, signed=signed)
    return tidy(mean[:, :, None] + scale[:, None, None] * widths[None, :, :])


def cross_conformal_quantiles(
    mean: Floats,
    scale: Floats,
    errors: Floats,
    *,
    signed: bool = False,
    places: NDArray[np.int64] | None = None,
) -> Floats:
    """Return the quantiles of held-back windows, each series' widths learned from the other folds only.

    `places[i]` is the row of `mean` that errors[i] belong to, where there are errors of more than one window.
    """
    result = np.empty((*mean.shape, len(LEVELS)))
    fold = folds(len(mean))
    fold_of_errors = fold if places is None else fold[places]
    for part in np.unique(fold):
        inside = fold == part
        others = errors[fold_of_errors != part]
        result[inside] = conformal_quantiles(mean[inside], scale[inside], others, signed=signed)
    return result


def pooled_deviation(errors: Floats) -> float:
    """Return the standard deviation of one period's scaled error over all series; 1.253 where there are too few.

    A series' own mean square counts at most as much as that of the series at the 95 % point.
    """
    if errors.size < FEW_ERRORS:
        return 1.253
    own = np.mean(errors**2, axis=1)
    return float(np.sqrt(np.mean(np.minimum(own, np.quantile(own, 0.95)))))


def variance_ratios(values: list[Floats], window: int) -> Floats:
    """Return each series' variance over mean, drawn to the pooled one: the geometric mean of both.

    What is pooled (the median over the series) is the ratio per piece of a usual demand: an item ordered by the
    hundred has a ratio a hundred times that of one ordered singly.
    """
    recent = [y[-4 * window :] for y in values]
    sizes = np.array([float(np.mean(y[y > 0])) if (y > 0).any() else 1.0 for y in recent])
    own = np.array([_variance_ratio(y) for y in recent]) / sizes
    finite = own[np.isfinite(own)]
    middle = float(np.median(finite)) if len(finite) else 2.0
    return np.maximum(np.sqrt(np.where(np.isfinite(own), own, middle) * middle) * sizes, RATIO_FLOOR)


def _variance_ratio(y: Floats) -> float:
    if len(y) < 4 or y.mean() <= 0:
        return np.nan
    return max(float(np.var(y, ddof=1) / y.mean()), RATIO_FLOOR)


def negative_binomial_quantiles(mean: Floats, ratio: Floats, levels: Floats = LEVELS) -> Floats:
    """Return series × steps × levels of the negative binomial with this mean and variance `ratio` times it."""
    # Forecasts of sparse series are flat, or repeat each week: what repeats is computed once.
    cycle = next((k for k in (1, 5, 6, 7) if k < mean.shape[1] and np.array_equal(mean[:, k:], mean[:, :-k])), None)
    if cycle:
        once = negative_binomial_quantiles(mean[:, :cycle], ratio, levels)
        return once[:, np.arange(mean.shape[1]) % cycle]
    result = np.empty((*mean.shape, len(levels)))
    for begin in range(0, len(mean), BLOCK):
        some = slice(begin, begin + BLOCK)
        safe = np.maximum(mean[some], 1e-12)[:, :, None]
        chance = (1 / ratio[some])[:, None, None]
        size = safe * chance / (1 - chance)
        counts = stats.nbinom.ppf(levels[None, None, :], size, chance)
        result[some] = np.where(mean[some, :, None] <= 0, 0.0, np.nan_to_num(counts, nan=0.0))
    return result


def ranks(actual: Floats, mean: Floats, ratio: Floats, noise: Floats) -> Floats:
    """Return where each actual value lies in its negative binomial, ties of the discrete scale broken by `noise`."""
    chance = (1 / ratio)[:, None]
    size = np.maximum(mean, 1e-12) * chance / (1 - chance)
    whole = np.round(actual)
    below = stats.nbinom.cdf(whole - 1, size, chance)
    upto = stats.nbinom.cdf(whole, size, chance)
    return below + noise * (upto - below)


def excess_dispersion(actual: Floats, mean: Floats, ratio: Floats) -> float:
    """Return by how much the variance of held-back values exceeds `ratio` times their mean, between 0.7 and 4.

    A series' own excess counts at most as much as that of the series at the 95 % point; 1 with few series.
    """
    if len(mean) < FEW_ERRORS:
        return 1.0
    own = np.mean((actual - mean) ** 2, axis=1) / np.maximum(np.mean(mean, axis=1) * ratio, 1e-9)
    return float(np.clip(np.mean(np.minimum(own, np.quantile(own, 0.95))), 0.7, 4.0))


def recalibrated_levels(seen_ranks: Floats) -> Floats:
    """Return the level to ask for, so that each of LEVELS is met over the pooled ranks `seen_ranks`.

    With too few ranks the levels stay. They move at most half way to 0 or 1.
    """
    if seen_ranks.size < RECALIBRATE_FROM:
        return LEVELS.copy()
    asked = np.quantile(seen_ranks, LEVELS)
    lowest, highest = LEVELS / 2, 1 - (1 - LEVELS) / 2
    return np.maximum.accumulate(np.clip(asked, lowest, highest))


def inflation(errors: Floats) -> Floats:
    """Return by how much the variance of a running sum exceeds the sum of the variances, at least 1, per step.

    `errors` is series × steps. Each series counts alike: its errors are divided by their root mean square. For
    errors that are independent the result is 1, for errors that are all alike it is the number of steps.
    """
    horizon = errors.shape[1]
    size = np.sqrt(np.mean(errors**2, axis=1))
    if (size > 0).sum() < 5:
        return np.ones(horizon)
    scaled = errors[size > 0] / size[size > 0][:, None]
    steps = np.arange(1, horizon + 1)
    ratio = np.mean(np.cumsum(scaled, axis=1) ** 2, axis=0) / steps
    return np.clip(np.maximum.accumulate(ratio), 1.0, steps)


def noise_grid(noise: Floats, horizon: int) -> NDArray[np.float64]:
    """Return numbers in (0, 1), series × steps, fixed by each series' own."""
    return (noise[:, None] + np.arange(horizon)[None, :] * 0.6180339887498949) % 1.0
