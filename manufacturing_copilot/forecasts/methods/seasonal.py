"""Multiplicative seasonal adjustment of one history, only where the season shows."""

from __future__ import annotations

import numpy as np
from scipy import stats

from manufacturing_copilot.forecasts.contract import Floats

LOWEST_INDEX = 0.1
LONG_SEASON = 26
NEWEST_SEASONS = 12
"""Seasons that the factors rest on; older ones tell of another plant."""

MIN_SEASONS_SMOOTH = 1.3
SMOOTH_LEVEL = 0.001
SMOOTH_SHARE = 0.3


def season_index(y: Floats, season: int) -> Floats:
    """Return the factor of each place in the season, the last of them belonging to the last value of `y`.

    All are 1 where no season shows. With three seasons or more (four where a season is longer than 26 periods,
    whose places would else rest on two values each): the test of the Theta method (autocorrelation at the
    season's lag, 90 %) and classical decomposition; else, from 1.3 seasons on, a trend with one harmonic (two
    from two seasons on), kept where its F test says so (0.1 %) and it explains 30 % of the variance.
    """
    flat = np.ones(max(season, 1))
    total = float(np.sum(y))
    if season < 2 or total <= 0:
        return flat
    if len(y) >= (3 if season <= LONG_SEASON else 4) * season:
        if not _shows(y, season):
            return flat
        index = _classical(y[-NEWEST_SEASONS * season :], season)
    elif len(y) >= MIN_SEASONS_SMOOTH * season and season >= 12:
        index = _harmonic(y, season)
    else:
        return flat
    index = np.maximum(index, LOWEST_INDEX)
    return index / index.mean() if np.all(np.isfinite(index)) else flat


def past_factors(index: Floats, length: int) -> Floats:
    """Return the factor of each of the last `length` periods."""
    return np.resize(index[::-1], length)[::-1]


def future_factors(index: Floats, horizon: int) -> Floats:
    """Return the factor of each of the next `horizon` periods."""
    return np.resize(index, horizon)


def _shows(y: Floats, season: int) -> bool:
    centred = y - y.mean()
    variance = float(centred @ centred)
    if variance <= 0:
        return False
    lags = np.array([centred[k:] @ centred[:-k] for k in range(1, season + 1)]) / variance
    limit = 1.645 * np.sqrt((1 + 2 * np.sum(lags[:-1] ** 2)) / len(y))
    return bool(abs(lags[-1]) > limit)


def _classical(y: Floats, season: int) -> Floats:
    weights = np.ones(season) / season
    if season % 2 == 0:
        weights = np.concatenate([[0.5], np.ones(season - 1), [0.5]]) / season
    trend = np.convolve(y, weights, mode="valid")
    offset = len(weights) // 2
    middle = y[offset : offset + len(trend)]
    ratios = np.full(len(y), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios[offset : offset + len(trend)] = np.where(trend > 0, middle / trend, np.nan)
    phase = (np.arange(len(y)) - len(y)) % season
    index = np.array([_mean_of_known(ratios[phase == k]) for k in range(season)])
    return index / index.mean()


def _mean_of_known(ratios: Floats) -> float:
    finite = ratios[np.isfinite(ratios)]
    return float(finite.mean()) if len(finite) else 1.0


def _harmonic(y: Floats, season: int) -> Floats:
    ones = np.ones(season)
    time = np.arange(len(y)) - len(y)
    # Less than two seasons cannot tell a second harmonic from a bend in the trend.
    waves_kept = (1, 2) if len(y) >= 2 * season else (1,)
    waves = [f(2 * np.pi * k * time / season) for k in waves_kept for f in (np.sin, np.cos)]
    trend: Floats = np.column_stack([np.ones(len(y)), time]).astype(np.float64)
    full: Floats = np.column_stack([trend, *waves])
    scaled = y / y.mean()
    without = _squares(trend, scaled)
    coefficients, *_ = np.linalg.lstsq(full, scaled, rcond=None)
    left = float(np.sum((scaled - full @ coefficients) ** 2))
    free = len(y) - full.shape[1]
    if free < 4 or without <= 0 or left <= 0:
        return ones
    statistic = ((without - left) / len(waves)) / (left / free)
    if stats.f.sf(statistic, len(waves), free) > SMOOTH_LEVEL or 1 - left / without < SMOOTH_SHARE:
        return ones
    places = np.arange(season)
    ahead = np.column_stack([f(2 * np.pi * k * places / season) for k in waves_kept for f in (np.sin, np.cos)])
    return 1 + ahead @ coefficients[2:]


def _squares(design: Floats, y: Floats) -> float:
    coefficients, *_ = np.linalg.lstsq(design, y, rcond=None)
    return float(np.sum((y - design @ coefficients) ** 2))
