"""Intermittent and lumpy series: the mean of IMAPA, TSB and an average; negative-binomial quantiles.

The level is corrected by what a held-back window says of the whole class. The variance ratio of each series is
drawn to that of its class and widened by the excess seen in the window; then the levels of the quantiles are
recalibrated from the ranks of what came. Series with even and with uneven sizes are calibrated apart. A weekly
rhythm of the days is learned over all series together: a single sparse history cannot show one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from manufacturing_copilot.forecasts.bounds import (
    RECALIBRATE_FROM,
    excess_dispersion,
    inflation,
    level_correction,
    negative_binomial_quantiles,
    noise_grid,
    ranks,
    recalibrated_levels,
    variance_ratios,
)
from manufacturing_copilot.forecasts.classes import CV2_CUT
from manufacturing_copilot.forecasts.shards import each_alone
from manufacturing_copilot.forecasts.tasks import (
    LEVELS,
    Backtest,
    Floats,
    Outcome,
    Task,
    folds,
    holdout,
    seasonal_naive,
    tidy,
)

FEWEST_POINTS = 8
LONGEST_RHYTHM = 7
RHYTHM_SEASONS = 26
RHYTHM_BY_CHANCE = 0.001


@dataclass(frozen=True)
class _Calibration:
    """What the held-back window says of some series: factors of level and variance, levels to ask for."""

    level: float
    excess: float
    levels: Floats


_NONE = _Calibration(1.0, 1.0, LEVELS)


def forecast(task: Task) -> Outcome:
    """Forecast sparse series. Parameter: window, the periods of the average."""
    window = int(task.parameters["window"])
    units = np.array([demand_unit(y) for y in task.values])
    values = [y / unit for y, unit in zip(task.values, units, strict=True)]
    mean, failures, clipped = means(values, task.season, task.horizon, window)
    ratio = variance_ratios(values, window)
    uneven = np.array([_uneven(y) for y in values], dtype=bool)
    rows = holdout(values, task.horizon, FEWEST_POINTS)
    learned = {False: _NONE, True: _NONE}
    backtest, inflated = None, np.ones(task.horizon)
    if len(rows):
        learned, backtest, inflated = _held_back(task, values, rows, window, units)
    quantiles = np.empty((*mean.shape, len(LEVELS)))
    for kind, found in learned.items():
        mine = uneven == kind
        mean[mine] *= found.level
        ratio[mine] *= found.excess
        quantiles[mine] = negative_binomial_quantiles(mean[mine], _over_one(ratio[mine]), found.levels)
    return Outcome(
        mean=mean * units[:, None],
        quantiles=tidy(quantiles) * units[:, None, None],
        deviation=np.sqrt(np.maximum(mean.mean(axis=1), 1e-9) * _over_one(ratio)) * units,
        inflation=inflated,
        backtest=backtest,
        failures=failures,
        clipped=clipped,
        notes={
            "calibration": {
                "uneven sizes" if kind else "even sizes": {
                    "level": round(found.level, 3),
                    "excess_variance": round(found.excess, 3),
                    "levels": [round(float(level), 4) for level in found.levels],
                }
                for kind, found in learned.items()
            }
        },
    )


def demand_unit(y: Floats) -> float:
    """Return the unit that makes the sizes whole numbers of some extent: 1, or a tenth of a small median size."""
    sizes = y[y > 0]
    if len(sizes) == 0:
        return 1.0
    middle = float(np.median(sizes))
    return 1.0 if middle >= 5 or np.allclose(sizes, np.round(sizes)) else middle / 10


def croston_family(window: int) -> Callable[[Floats], Floats]:
    """Return the function that gives one history's mean demand per period."""
    return lambda y: np.array([croston_family_mean(y, window)])


def croston_family_mean(y: Floats, window: int) -> float:
    """Return the mean demand per period: of IMAPA, TSB(0.3, 0.1) and the average of the last `window` periods.

    The models are asked for points only: with `level` they raise unless conformal intervals are given.
    """
    from statsforecast.models import IMAPA, TSB

    # A history shorter than the window is averaged whole: WindowAverage would give NaN without a word.
    average = float(np.mean(y[-window:]))
    imapa = float(IMAPA().forecast(y=y, h=1)["mean"][0])
    tsb = float(TSB(alpha_d=0.3, alpha_p=0.1).forecast(y=y, h=1)["mean"][0])
    return float(np.mean([average, imapa, tsb]))


def means(
    values: Sequence[Floats], season: int, horizon: int, window: int
) -> tuple[Floats, list[tuple[int, str]], int]:
    """Return the means of the periods ahead, the series that failed with their reasons, and how many were clipped."""
    found, reasons = each_alone(f"{__name__}:croston_family", values, 1, window=window)
    level = found[:, 0]
    for row in reasons:
        known = values[row][np.isfinite(values[row])]
        level[row] = float(np.mean(known[-window:])) if len(known) else 0.0
    failures = [(row, f"IMAPA or TSB: {reason}") for row, reason in sorted(reasons.items())]
    clipped = int((level < 0).sum())
    return np.maximum(level, 0.0)[:, None] * np.resize(rhythm(values, season), horizon)[None, :], failures, clipped


def rhythm(values: Sequence[Floats], season: int) -> Floats:
    """Return the factor of each place in a short season (of days), learned from how often demand fell on it.

    All are 1 where the counts of all series together may be even by chance (chi-square test, 0.1 %).
    """
    if not 2 <= season <= LONGEST_RHYTHM:
        return np.ones(max(season, 1))
    counts = np.zeros(season)
    for y in values:
        recent = y[-RHYTHM_SEASONS * season :]
        whole = recent[len(recent) % season :]
        counts += (whole.reshape(-1, season) > 0).sum(axis=0)
    if counts.sum() < 5 * season or stats.chisquare(counts).pvalue > RHYTHM_BY_CHANCE:
        return np.ones(season)
    return np.asarray(counts / counts.mean())


def _uneven(y: Floats) -> bool:
    sizes = y[y > 0]
    return len(sizes) > 0 and float(np.var(sizes)) > CV2_CUT * float(np.mean(sizes)) ** 2


def _over_one(ratio: Floats) -> Floats:
    return np.maximum(ratio, 1.02)


def _held_back(
    task: Task, values: Sequence[Floats], rows: np.ndarray, window: int, units: Floats
) -> tuple[dict[bool, _Calibration], Backtest, Floats]:
    horizon = task.horizon
    train = [values[i][:-horizon] for i in rows]
    actual = np.nan_to_num(np.array([values[i][-horizon:] for i in rows]))
    mean, _, _ = means(train, task.season, horizon, window)
    ratio = variance_ratios(train, window)
    noise = noise_grid(task.noise[rows], horizon)
    uneven = np.array([_uneven(y) for y in train], dtype=bool)
    quantiles = np.empty((*mean.shape, len(LEVELS)))
    judged = mean.copy()
    learned = {}
    for kind in (False, True):
        mine = np.flatnonzero(uneven == kind)
        # A few series of a kind say too little of themselves: then both kinds speak for it.
        source = mine if len(mine) * horizon >= RECALIBRATE_FROM else np.arange(len(rows))
        fold = folds(len(rows))
        learned[kind] = _learned(actual, mean, ratio, noise, source)
        for part in np.unique(fold[mine]):
            inside = mine[fold[mine] == part]
            found = _learned(actual, mean, ratio, noise, source[fold[source] != part])
            judged[inside] = mean[inside] * found.level
            wide = _over_one(ratio[inside] * found.excess)
            quantiles[inside] = tidy(negative_binomial_quantiles(judged[inside], wide, found.levels))
    unit = units[rows]
    backtest = Backtest(
        rows=rows,
        actual=actual * unit[:, None],
        mean=judged * unit[:, None],
        quantiles=quantiles * unit[:, None, None],
        naive=np.array([seasonal_naive(y, 1, horizon) for y in train]) * unit[:, None],
        train=[y * u for y, u in zip(train, unit, strict=True)],
    )
    return learned, backtest, inflation(actual - judged)


def _learned(actual: Floats, mean: Floats, ratio: Floats, noise: Floats, rows: NDArray[np.int64]) -> _Calibration:
    level = level_correction(actual[rows], mean[rows])
    excess = excess_dispersion(actual[rows], mean[rows] * level, ratio[rows])
    found = ranks(actual[rows], mean[rows] * level, _over_one(ratio[rows] * excess), noise[rows])
    return _Calibration(level, excess, recalibrated_levels(found))
