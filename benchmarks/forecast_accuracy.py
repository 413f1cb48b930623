"""The accuracy rows: public data through our public path, every choice made from what lies before the cut-off."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.forecast_data import Forecast, HeldBack, carparts, m3, m4_weekly, m5_afcs, ours
from manufacturing_copilot.forecasts.contract import LEVELS, Floats
from manufacturing_copilot.planning.projection import cumulative_quantiles

Measured = dict[str, float]

PLACE = {round(float(level), 3): place for place, level in enumerate(LEVELS)}


def smape(actual: Floats, mean: Floats) -> Floats:
    """Return 200 · |a − f| / (|a| + |f|) per point; 0 where both are 0."""
    total = np.abs(actual) + np.abs(mean)
    return np.where(total > 0, 200 * np.abs(actual - mean) / np.where(total > 0, total, 1), 0.0)


def m3_rows(folder: Path) -> Measured:
    """M3: sMAPE over all points, and what the monthly bounds hold; MSIS scaled by the seasonal naive error."""
    errors, found = [], {}
    for held in m3(folder):
        made = ours(held)
        errors.append(smape(held.actual, made.mean).ravel())
        if held.panel.season == 12:
            for share, low, high in ((80, 0.1, 0.9), (95, 0.025, 0.975)):
                found[f"m3_monthly_coverage_{share}"] = 100 * _within(held, made, low, high)
            found["m3_monthly_msis_95"] = _msis(held, made)
    return {"m3_smape": float(np.mean(np.concatenate(errors))), **found}


def m4_rows(folder: Path) -> Measured:
    """M4 weekly: the mean sMAPE of 359 series."""
    held = m4_weekly(folder)
    return {"m4_weekly_smape": float(np.mean(smape(held.actual, ours(held).mean)))}


def carparts_rows(folder: Path) -> Measured:
    """Carparts: RMSSE, pinball loss of the upper quantiles over the naive error, and three months' demand."""
    held = carparts(folder)
    made = ours(held)
    months = 39  # errors are scaled by the whole history, though ours starts with the first sale
    whole = [np.concatenate([np.zeros(months - len(y)), y]) for y in held.panel.values]
    scale = np.array([np.mean(np.abs(np.diff(y))) for y in whole])
    known = scale > 0
    losses = []
    for level in (0.5, 0.75, 0.9, 0.95, 0.975, 0.99):
        error = held.actual - made.quantiles[:, :, PLACE[level]]
        losses.append(np.mean(np.maximum(level * error, (level - 1) * error), axis=1)[known] / scale[known])
    mean = np.cumsum(made.mean, axis=1)[:, 2:3]
    variance = (3 * made.deviation**2 * made.inflation[:, 2])[:, None]
    bound = cumulative_quantiles(mean, variance, made.sparse, np.array([0.99]))[:, 0, 0]
    return {
        "carparts_rmsse": float(np.nanmean(rmsse(held.actual, made.mean, whole))),
        "carparts_pinball": float(np.mean(losses)),
        "carparts_three_months_99": 100 * float(np.mean(held.actual[:, :3].sum(axis=1) <= bound)),
    }


def m5_rows(folder: Path) -> Measured:
    """m5_afcs: our RMSSE less that of the best single model of statsforecast, in per cent of the latter."""
    held = m5_afcs(folder)
    mine = float(np.nanmean(rmsse(held.actual, ours(held).mean, held.panel.values)))
    best = min(float(np.nanmean(rmsse(held.actual, mean, held.panel.values))) for mean in _single_models(held).values())
    return {"m5_afcs_against_best_single": 100 * (mine / best - 1), "m5_afcs_rmsse": mine}


def _single_models(held: HeldBack) -> dict[str, Floats]:
    from statsforecast import models as sf

    horizon = held.panel.horizon
    slow = {"Theta", "DynamicOptimizedTheta", "AutoETS"}  # their cost grows with the square of the length
    singles: list[Any] = [
        sf.Naive(),
        sf.SeasonalNaive(season_length=7),
        sf.HistoricAverage(),
        sf.WindowAverage(window_size=28),
        sf.SimpleExponentialSmoothingOptimized(),
        sf.SeasonalExponentialSmoothingOptimized(season_length=7),
        sf.SeasonalWindowAverage(season_length=7, window_size=8),
        sf.CrostonClassic(),
        sf.CrostonOptimized(),
        sf.CrostonSBA(),
        sf.ADIDA(),
        sf.IMAPA(),
        sf.TSB(alpha_d=0.1, alpha_p=0.1),
        sf.Theta(season_length=7),
        sf.DynamicOptimizedTheta(season_length=7),
        sf.AutoETS(season_length=7),
    ]
    found = {}
    for model in singles:
        name = type(model).__name__
        cap = 730 if name in slow else 100_000
        found[name] = np.array([model.forecast(y=y[-cap:], h=horizon)["mean"] for y in held.panel.values])
    return {name: mean for name, mean in found.items() if np.isfinite(mean).all()}


def rmsse(actual: Floats, mean: Floats, history: Sequence[Floats]) -> Floats:
    """Root mean squared error over that of the naive forecast within the history."""
    scale = np.array([np.mean(np.diff(y) ** 2) if len(y) > 1 else np.nan for y in history])
    scale = np.where(scale > 0, scale, np.nan)
    return np.sqrt(np.mean((actual - mean) ** 2, axis=1) / scale)


def _within(held: HeldBack, made: Forecast, low: float, high: float) -> float:
    lower, upper = made.quantiles[:, :, PLACE[low]], made.quantiles[:, :, PLACE[high]]
    return float(np.mean((held.actual >= lower) & (held.actual <= upper)))


def _msis(held: HeldBack, made: Forecast) -> float:
    lower, upper = made.quantiles[:, :, PLACE[0.025]], made.quantiles[:, :, PLACE[0.975]]
    missed = np.maximum(lower - held.actual, 0) + np.maximum(held.actual - upper, 0)
    season = held.panel.season
    scale = np.array([np.mean(np.abs(y[season:] - y[:-season])) for y in held.panel.values])
    width = np.mean(upper - lower + 2 / 0.05 * missed, axis=1)
    return float(np.mean(width[scale > 0] / scale[scale > 0]))


ROWS: dict[str, Callable[[Path], Measured]] = {
    "m3": m3_rows,
    "m4": m4_rows,
    "carparts": carparts_rows,
    "m5_afcs": m5_rows,
}
