"""One linear regression over all series of a frequency, forecasting every horizon directly.

The logarithms of the latest values, each over a recent level, predict the logarithm of the coming value over the same
level. It sees the history as it is: a lag of a whole season carries the season, also one that drifts. One
regression for all series of a panel is a match for models of each series (Montero-Manso and Hyndman 2021).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from manufacturing_copilot.forecasts.contract import Floats
from manufacturing_copilot.forecasts.methods.boosting import LARGEST_CHANGE, Aligned, aligned, level_offsets

FEWEST_EXAMPLES = 10
"""Examples that each coefficient needs at the least; with fewer there is no forecast."""

LONGEST_LEVEL = 12
"""Most periods that the recent level is the mean of; a season, where it is shorter."""

CALMEST = 0.02
"""Spread of a history's logarithms below which an example weighs no more than one with this spread."""

RIDGE = 0.001


def pooled_linear(values: Sequence[Floats], season: int, horizon: int, lags: int, rows: int) -> Floats | None:
    """Return the forecast of histories, series × horizon, NaN for those shorter than `lags`; None with little data.

    At most `rows` examples (histories seen from an earlier period) are learned from, the newest period and evenly
    spread older ones. An example weighs less the more its history varies.
    """
    offset = level_offsets(values)
    none = np.zeros(len(values), dtype=np.int64)
    matrix = aligned(values, offset, none, season, min(max(season, 1), lags, LONGEST_LEVEL))
    last = matrix.logs.shape[1] - 1
    seen, target = _examples(matrix, lags, horizon, rows)
    if len(seen) < FEWEST_EXAMPLES * (lags + 1):
        return None
    ahead = _features(matrix, np.arange(len(values)), last, lags)
    weight = 1 / np.maximum(seen[:, -1], CALMEST)
    changes = np.full((len(values), horizon), np.nan)
    for step in range(horizon):
        observed = np.asarray(np.isfinite(target[:, step]))
        if observed.sum() < FEWEST_EXAMPLES * (lags + 1):
            # So far ahead nothing was seen yet: the change of the step before stands.
            changes[:, step] = changes[:, step - 1] if step else 0.0
            continue
        slopes = _slopes(seen[observed], target[observed, step], weight[observed])
        changes[:, step] = ahead @ slopes
    forecasts = np.exp(matrix.levels[:, -1:] + np.clip(changes, -LARGEST_CHANGE, LARGEST_CHANGE)) - offset[:, None]
    whole = np.asarray(np.isfinite(ahead).all(axis=1))
    return np.where(whole[:, None], forecasts, np.nan)


def _slopes(seen: Floats, target: Floats, weight: Floats) -> Floats:
    weighted = seen * weight[:, None]
    squares = weighted.T @ seen
    penalty = RIDGE * float(np.trace(squares)) / len(squares) + 1e-12
    return np.asarray(np.linalg.solve(squares + penalty * np.eye(len(squares)), weighted.T @ target))


def _features(matrix: Aligned, rows: np.ndarray, origin: int, lags: int) -> Floats:
    """Return the latest `lags` logarithms over the level, oldest first, and how much they vary; NaN where too short."""
    begin = origin - lags + 1
    if begin < 0:
        return np.full((len(rows), lags + 1), np.nan)
    window = matrix.logs[rows, begin : origin + 1] - matrix.levels[rows, origin][:, None]
    return np.column_stack([window, window.std(axis=1)])


def _examples(matrix: Aligned, lags: int, horizon: int, rows: int) -> tuple[Floats, Floats]:
    width = matrix.logs.shape[1]
    observed = np.asarray(np.isfinite(matrix.logs))
    origins = [t for t in range(lags - 1, width - 1) if observed[:, t - lags + 1].any()]
    if not origins:
        return np.empty((0, lags + 1)), np.empty((0, horizon))
    # Spread like this, about `rows` histories are seen when each is as long as the longest.
    wanted = max(1, min(len(origins), rows // max(len(observed), 1)))
    chosen = sorted({origins[round(k)] for k in np.linspace(0, len(origins) - 1, wanted)})
    pick = np.random.default_rng(0)
    features, targets = [], []
    for origin in chosen:
        usable = np.flatnonzero(observed[:, origin - lags + 1 : origin + 2].all(axis=1))
        if len(usable) > rows:
            usable = np.sort(pick.choice(usable, rows, replace=False))
        future = np.full((len(usable), horizon), np.nan)
        reach = min(horizon, width - 1 - origin)
        future[:, :reach] = matrix.logs[usable, origin + 1 : origin + 1 + reach]
        features.append(_features(matrix, usable, origin, lags))
        targets.append(future - matrix.levels[usable, origin][:, None])
    return np.concatenate(features), np.concatenate(targets)
