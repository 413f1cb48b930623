"""One boosted-tree model over all series of a frequency, forecasting every horizon directly.

The target is the logarithm of the value h periods ahead over a recent level, after seasonal adjustment; the
horizon is a feature. Direct and relative, because a recursive design was clearly worse on public data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manufacturing_copilot.forecasts.compute.artifacts import keep_artifact
from manufacturing_copilot.forecasts.contract import Floats

FEWEST_ROWS = 200
"""Examples below which the trees have nothing to learn from."""

FEWEST_TREES = 60
EXAMPLES_PER_TREE = 400
"""Examples that each tree beyond FEWEST_TREES needs; with fewer, more trees learn noise."""

LARGEST_CHANGE = 2.0
"""Bound of the forecast logarithm, against a tree's example from another kind of series."""


@dataclass(frozen=True)
class Aligned:
    """Histories aligned at their last period: series × time, empty before their start; `offset` keeps logs finite."""

    logs: Floats
    levels: Floats
    groups: NDArray[np.int64]
    position: NDArray[np.int64]
    season: int


def boosted(
    adjusted: Sequence[Floats],
    groups: NDArray[np.int64],
    season: int,
    horizon: int,
    parameters: Mapping[str, Any],
) -> Floats | None:
    """Return the forecast of seasonally adjusted histories, series × horizon; None where there is too little data.

    Parameters: lags, base (periods of the recent level), rows, trees, leaves, rate, seeds, unbiased (whether the
    median is turned into a mean, see `smearing`).
    """
    import lightgbm as lgb

    lags, base = int(parameters["lags"]), int(parameters["base"])
    offset = level_offsets(adjusted)
    matrix = aligned(adjusted, offset, groups, season, base)
    features, target = _examples(matrix, lags, horizon, int(parameters["rows"]))
    if len(target) < FEWEST_ROWS:
        return None
    ahead = _features(matrix, np.arange(len(adjusted)), matrix.logs.shape[1] - 1, lags, horizon)
    total = np.zeros(len(adjusted) * horizon)
    for seed in range(int(parameters["seeds"])):
        model = lgb.train(
            {
                "objective": "l1",
                "num_leaves": int(parameters["leaves"]),
                "learning_rate": float(parameters["rate"]),
                "feature_fraction": 0.8,
                "bagging_fraction": 0.8,
                "bagging_freq": 1,
                "min_data_in_leaf": 40,
                "seed": seed,
                "num_threads": 1,
                "deterministic": True,
                "force_row_wise": True,
                "verbosity": -1,
            },
            lgb.Dataset(features, target, categorical_feature=[features.shape[1] - 1], free_raw_data=True),
            num_boost_round=min(int(parameters["trees"]), max(FEWEST_TREES, len(target) // EXAMPLES_PER_TREE)),
        )
        keep_artifact(f"trees over {len(adjusted)} series, seed {seed}", model.model_to_string())
        predicted = model.predict(ahead)
        if parameters.get("unbiased"):
            fitted = np.asarray(model.predict(features))
            predicted = predicted + np.log(smearing(target, fitted, features[:, lags + 1], ahead[:, lags + 1]))
        total += predicted
    change = np.clip(total / int(parameters["seeds"]), -LARGEST_CHANGE, LARGEST_CHANGE).reshape(len(adjusted), horizon)
    return np.exp(matrix.levels[:, -1:] + change) - offset[:, None]


def smearing(target: Floats, fitted: Floats, noise: Floats, noise_ahead: Floats) -> Floats:
    """Return the factors that turn forecast medians into means, between 1 and 1.5, for series as noisy as given.

    The trees learn the median of a logarithm; of skewed demand that is less than the mean, and stock planned on
    it runs out too often. A ratio of sums (Duan 1983), for each fifth of the examples by `noise` on its own: a
    calm series needs no correction.
    """
    edges = np.quantile(noise, (0.2, 0.4, 0.6, 0.8))
    part, ahead = np.searchsorted(edges, noise), np.searchsorted(edges, noise_ahead)
    ceiling = np.quantile(target, 0.995)
    actual, median = np.exp(np.minimum(target, ceiling)), np.exp(np.minimum(fitted, ceiling))
    ratios = np.array([actual[part == k].sum() / max(median[part == k].sum(), 1e-9) for k in range(5)])
    return np.clip(ratios, 1.0, 1.5)[ahead]


def level_offsets(values: Sequence[Floats]) -> Floats:
    """Return what is added to each history before its logarithm: a tenth of its mean where it is not positive."""
    return np.array([0.0 if y.min() > 0 else 0.1 * max(float(y.mean()), 1e-9) for y in values])


def aligned(adjusted: Sequence[Floats], offset: Floats, groups: NDArray[np.int64], season: int, base: int) -> Aligned:
    """Return the logarithms of the histories, and of their mean over the last `base` periods, each plus its offset."""
    width = max(len(y) for y in adjusted)
    values = np.full((len(adjusted), width), np.nan)
    for row, y in enumerate(adjusted):
        values[row, width - len(y) :] = y + offset[row]
    values = np.where(values <= 0, np.nan, values)
    observed = np.isfinite(values)
    sums = np.cumsum(np.where(observed, values, 0.0), axis=1)
    counts = np.cumsum(observed, axis=1)
    sums[:, base:] -= sums[:, :-base].copy()
    counts[:, base:] -= counts[:, :-base].copy()
    with np.errstate(divide="ignore", invalid="ignore"):
        levels = np.log(sums / counts)
        logs = np.log(values)
    return Aligned(logs, levels, groups, (np.arange(width) - width) % max(season, 1), season)


def _examples(matrix: Aligned, lags: int, horizon: int, rows: int) -> tuple[Floats, Floats]:
    count, width = matrix.logs.shape
    origins = [t for t in range(lags - 1, width - 1) if np.isfinite(matrix.logs[:, t - lags + 1]).any()]
    each = count * horizon
    wanted = max(1, min(len(origins), rows // max(each, 1)))
    # The newest origins and evenly spread older ones: every series and season is met, the memory stays bounded.
    chosen = sorted({origins[round(k)] for k in np.linspace(0, len(origins) - 1, wanted)}) if origins else []
    features, targets = [], []
    pick = np.random.default_rng(0)
    for origin in chosen:
        usable = np.flatnonzero(
            np.isfinite(matrix.logs[:, origin - lags + 1 : origin + 1]).all(axis=1)
            & np.isfinite(matrix.logs[:, origin + 1])
        )
        if len(usable) * horizon > rows:
            usable = np.sort(pick.choice(usable, max(rows // horizon, 1), replace=False))
        if len(usable) == 0:
            continue
        reach = min(horizon, width - 1 - origin)
        future = matrix.logs[usable, origin + 1 : origin + 1 + reach]
        target = (future - matrix.levels[usable, origin][:, None]).ravel()
        block = _features(matrix, usable, origin, lags, reach)
        good = np.isfinite(target)
        features.append(block[good])
        targets.append(target[good])
    if not features:
        return np.empty((0, lags + 8)), np.empty(0)
    return np.concatenate(features), np.concatenate(targets)


def _features(matrix: Aligned, rows: NDArray[np.int64], origin: int, lags: int, horizon: int) -> Floats:
    """Return the features of the series `rows` seen from `origin`, one line per series and step."""
    begin = max(origin - lags + 1, 0)
    window = matrix.logs[rows, begin : origin + 1] - matrix.levels[rows, origin][:, None]
    if window.shape[1] < lags:
        window = np.pad(window, ((0, 0), (lags - window.shape[1], 0)), constant_values=np.nan)
    steps = np.diff(window, axis=1)
    half = max(lags // 2, 1)
    with np.errstate(invalid="ignore"):
        length = np.isfinite(matrix.logs[rows, : origin + 1]).sum(axis=1)
        summary = np.column_stack(
            [
                window[:, -half:].mean(axis=1) - window[:, :half].mean(axis=1),
                window.std(axis=1),
                np.abs(steps).mean(axis=1) if lags > 1 else np.zeros(len(rows)),
                window[:, -1] - window[:, -half:].mean(axis=1),
                np.log1p(length),
            ]
        )
    each = np.repeat(np.column_stack([window, summary]), horizon, axis=0)
    ahead = np.tile(np.arange(1, horizon + 1), len(rows))
    position = (matrix.position[origin] + ahead) % max(matrix.season, 1)
    return np.column_stack([each, ahead, position, np.repeat(matrix.groups[rows], horizon)]).astype(float)
