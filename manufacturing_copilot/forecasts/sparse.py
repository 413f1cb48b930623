"""Intermittent and lumpy series: the mean of IMAPA, TSB and an average; negative-binomial quantiles.

The variance ratio of each series is drawn to that of its class, and the levels are recalibrated over the class
from the ranks of a window held back.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from manufacturing_copilot.forecasts.bounds import (
    inflation,
    negative_binomial_quantiles,
    noise_grid,
    ranks,
    recalibrated_levels,
    variance_ratios,
)
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


def forecast(task: Task) -> Outcome:
    """Forecast sparse series. Parameter: window, the periods of the average."""
    window = int(task.parameters["window"])
    units = np.array([demand_unit(y) for y in task.values])
    values = [y / unit for y, unit in zip(task.values, units, strict=True)]
    mean, failures, clipped = _means(values, task.horizon, window)
    ratio = variance_ratios(values, window)
    rows = holdout(values, task.horizon, FEWEST_POINTS)
    levels, backtest, inflated = LEVELS, None, np.ones(task.horizon)
    if len(rows):
        levels, backtest, inflated = _held_back(task, values, rows, window, units)
    quantiles = tidy(negative_binomial_quantiles(mean, ratio, levels)) * units[:, None, None]
    return Outcome(
        mean=mean * units[:, None],
        quantiles=quantiles,
        deviation=np.sqrt(np.maximum(mean[:, 0], 1e-9) * ratio) * units,
        inflation=inflated,
        backtest=backtest,
        failures=failures,
        clipped=clipped,
        notes={"levels": [round(float(level), 4) for level in levels]},
    )


def demand_unit(y: Floats) -> float:
    """Return the unit that makes the sizes whole numbers of some extent: 1, or a tenth of a small median size."""
    sizes = y[y > 0]
    if len(sizes) == 0:
        return 1.0
    middle = float(np.median(sizes))
    return 1.0 if middle >= 5 or np.allclose(sizes, np.round(sizes)) else middle / 10


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


def _means(values: Sequence[Floats], horizon: int, window: int) -> tuple[Floats, list[tuple[int, str]], int]:
    level = np.zeros(len(values))
    failures: list[tuple[int, str]] = []
    for row, y in enumerate(values):
        try:
            level[row] = croston_family_mean(y, window)
            if not np.isfinite(level[row]):
                raise ValueError("the forecast is not a number")
        except Exception as error:  # noqa: BLE001 - models raise bare Exceptions; one series must not end the run
            known = y[np.isfinite(y)]
            level[row] = float(np.mean(known[-window:])) if len(known) else 0.0
            failures.append((row, f"IMAPA or TSB: {error or type(error).__name__}"))
    clipped = int((level < 0).sum())
    return np.repeat(np.maximum(level, 0.0)[:, None], horizon, axis=1), failures, clipped


def _held_back(
    task: Task, values: Sequence[Floats], rows: np.ndarray, window: int, units: Floats
) -> tuple[Floats, Backtest, Floats]:
    horizon = task.horizon
    train = [values[i][:-horizon] for i in rows]
    actual = np.nan_to_num(np.array([values[i][-horizon:] for i in rows]))
    mean, _, _ = _means(train, horizon, window)
    ratio = variance_ratios(train, window)
    found = ranks(actual, mean, ratio, noise_grid(task.noise[rows], horizon))
    fold = folds(len(rows))
    quantiles = np.empty((*mean.shape, len(LEVELS)))
    for part in np.unique(fold):
        inside = fold == part
        asked = recalibrated_levels(found[~inside])
        quantiles[inside] = tidy(negative_binomial_quantiles(mean[inside], ratio[inside], asked))
    unit = units[rows]
    backtest = Backtest(
        rows=rows,
        actual=actual * unit[:, None],
        mean=mean * unit[:, None],
        quantiles=quantiles * unit[:, None, None],
        naive=np.array([seasonal_naive(y, 1, horizon) for y in train]) * unit[:, None],
        train=[y * u for y, u in zip(train, unit, strict=True)],
    )
    return recalibrated_levels(found), backtest, inflation(actual - mean)
