"""Boosted trees over all sparse series: what is expected of one in each period ahead.

They start from the mean of a few recent averages and learn by how much more or less came. The Tweedie deviance
suits amounts that are mostly zero. Everything is relative to the series' own scale, so that items ordered by the
hundred teach something about those ordered singly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from manufacturing_copilot.forecasts.compute.artifacts import keep_artifact
from manufacturing_copilot.forecasts.contract import Floats

FEWEST_EXAMPLES = 2_000
SHORTEST = 6
"""Periods of history that an example needs."""

MOST_ORIGINS = 40
BLOCK = 2_000
"""Series whose features are held in memory at a time."""

LOWEST_LEVEL = 0.02
"""Of the scale; below, a base would have no logarithm to start from."""

LARGEST_CHANGE = 2.0


def sparse_trees(
    values: Sequence[Floats],
    season: int,
    horizon: int,
    parameters: Mapping[str, Any],
    departed: Sequence[Floats] = (),
) -> Floats | None:
    """Return the mean of each period ahead, series × horizon; None where there is too little to learn from.

    `values` are whole histories, no longer than `memory` periods being looked at. Parameters: tree_windows (periods
    of the averages that are features), tree_base (of those that the trees start from), tree_rows (most examples).
    `departed` are histories to learn from that are not forecast; they end when the others do.
    """
    import lightgbm as lgb

    windows, base, most = (parameters[name] for name in ("tree_windows", "tree_base", "tree_rows"))
    memory = 2 * max(windows)
    taught = [*values, *departed]
    features, target, start = _examples(taught, season, horizon, windows, base, int(most), memory)
    if len(target) < FEWEST_EXAMPLES or not (target > 0).any():
        return None
    model = lgb.train(
        {
            "objective": "tweedie",
            "tweedie_variance_power": 1.2,
            "num_leaves": 8,
            "learning_rate": 0.05,
            "min_data_in_leaf": 300,
            "lambda_l2": 1.0,
            "feature_fraction": 0.7,
            "bagging_fraction": 0.7,
            "bagging_freq": 1,
            "seed": 0,
            "num_threads": 1,
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
        },
        lgb.Dataset(features, target, init_score=start),
        num_boost_round=200,
    )
    keep_artifact(f"trees over {len(taught)} sparse series", model.model_to_string())
    forecasts = np.empty((len(values), horizon))
    for begin in range(0, len(values), BLOCK):
        some = values[begin : begin + BLOCK]
        seen, scale, level = _seen(some, windows, base, memory)
        change = np.asarray(model.predict(_ahead(seen, season, horizon, 0), raw_score=True)).reshape(-1, horizon)
        forecasts[begin : begin + BLOCK] = (scale * level)[:, None] * np.exp(
            np.clip(change, -LARGEST_CHANGE, LARGEST_CHANGE)
        )
    return forecasts


def _examples(
    values: Sequence[Floats],
    season: int,
    horizon: int,
    windows: Sequence[int],
    base: Sequence[int],
    most: int,
    memory: int,
) -> tuple[Floats, Floats, Floats]:
    """Return features, what came over the scale, and the logarithm of the base, of histories seen earlier."""
    lengths = np.array([len(y) for y in values])
    backs = range(1, max(int(lengths.max(initial=0)) - SHORTEST, 0) + 1, max(1, horizon // 4))[:MOST_ORIGINS]
    pick = np.random.default_rng(0)
    each = max(1, most // max(1, len(backs)))
    features, targets, starts = [], [], []
    for back in backs:
        reach = min(horizon, back)
        rows = np.flatnonzero(lengths >= back + SHORTEST)
        if len(rows) * reach > each:
            rows = np.sort(pick.choice(rows, max(1, each // reach), replace=False))
        if len(rows) == 0:
            continue
        before = [values[row][:-back] for row in rows.tolist()]
        seen, scale, level = _seen(before, windows, base, memory)
        came = np.array([values[row][-back:][:reach] for row in rows.tolist()])
        features.append(_ahead(seen, season, reach, back))
        targets.append((came / scale[:, None]).ravel())
        starts.append(np.repeat(np.log(level), reach))
    if not features:
        return np.empty((0, 0)), np.empty(0), np.empty(0)
    return np.concatenate(features), np.concatenate(targets), np.concatenate(starts)


def _seen(
    histories: Sequence[Floats], windows: Sequence[int], base: Sequence[int], memory: int
) -> tuple[Floats, Floats, Floats]:
    """Return features of the histories, their scales (root mean square of the changes), and their base over it."""
    recent = [y[-memory:] for y in histories]
    length = np.array([len(y) for y in recent])
    width = int(length.max())
    matrix = np.zeros((len(recent), width))
    for row, y in enumerate(recent):
        matrix[row, width - len(y) :] = y
    sold = matrix > 0
    first = matrix[np.arange(len(recent)), width - length]
    # What stands before the start of a history is no zero: the step up to its first value is no change.
    squares = np.sum(np.diff(matrix, axis=1) ** 2, axis=1) - np.where(length < width, first**2, 0.0)
    scale = np.sqrt(np.maximum(squares, 0.0) / np.maximum(length - 1, 1))
    scale = np.where(scale > 1e-9, scale, np.maximum(matrix.max(axis=1), 1e-9))

    def over(periods: int, what: Floats) -> Floats:
        return np.asarray(what[:, -periods:].sum(axis=1) / np.minimum(length, periods))

    share = over(width, sold.astype(float))
    quiet = np.where(sold.any(axis=1), np.argmax(sold[:, ::-1], axis=1), length)
    columns = [over(periods, matrix) / scale for periods in (*windows, width)]
    columns += [over(periods, sold.astype(float)) for periods in windows]
    columns += [share, quiet, quiet * share, length, scale]
    level = np.mean([over(periods, matrix) / scale for periods in base], axis=0)
    return np.column_stack(columns), scale, np.maximum(level, LOWEST_LEVEL)


def _ahead(seen: Floats, season: int, reach: int, back: int) -> Floats:
    """Return one line per series and step: how the series looks, the step, and its place in the season."""
    steps = np.arange(reach)
    phase = (steps - back) % max(season, 1)
    return np.column_stack([np.repeat(seen, reach, axis=0), np.tile(steps, len(seen)), np.tile(phase, len(seen))])
