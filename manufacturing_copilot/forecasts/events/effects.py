"""How much closures, promotions and prices move demand: learned over all series together, from what they did so far.

One history shows a promotion twice and a closure once a year: alone it teaches nothing. So the effect of each is one
number for all series (for promotions one a category), the ratio of what came to what was usual in the periods around,
drawn towards "as declared" for closures (a closed day sells nothing) and towards "no effect" for the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from manufacturing_copilot.forecasts.contract import Floats
from manufacturing_copilot.forecasts.events.cells import NEIGHBOURS, FlatHistories, usual_demand

PRIOR_CELLS = 10
"""Cells of evidence that weigh as much as what is assumed without any."""

CATEGORY_CELLS = 20
"""Cells of evidence of a category that weigh as much as all the others' together."""

LARGEST_LIFT = 20.0
STRONGEST_ELASTICITY = 5.0


@dataclass(frozen=True)
class Effect:
    """One learned effect: `value` for all, `by_group` for those that taught something of their own; `cells` it saw."""

    value: float
    cells: int
    by_group: dict[int, float]

    def of(self, groups: NDArray[np.int64]) -> Floats:
        """Return the value for each series' group."""
        return np.array([self.by_group.get(int(group), self.value) for group in groups])


def closure(flat: FlatHistories, cells: pl.DataFrame, differs: NDArray[np.bool_], lag: int) -> Effect:
    """Return the share of a closed day's usual demand that does not come (0 to 1; 1 where no closure has been seen)."""
    _, share, base, came = _seen(flat, cells, differs, lag)
    lost = _ratio(base - came, base * share, base)
    return Effect(_shrunk(lost, 1.0, len(base), 0.0, 1.0), len(base), {})


def promotion(
    flat: FlatHistories, cells: pl.DataFrame, differs: NDArray[np.bool_], lag: int, groups: NDArray[np.int64]
) -> Effect:
    """Return how many times the usual demand comes under promotion (1 where none has been seen)."""
    comparable, share, base, came = _seen(flat, cells, differs, lag)
    overall = 1 + _shrunk(_ratio(came - base, base * share, base), 0.0, len(base), -1.0, LARGEST_LIFT - 1)
    mine = groups[cells["row"].to_numpy()[comparable]]
    by_group = {}
    for group in np.unique(mine):
        at = mine == group
        own = 1 + _ratio(came[at] - base[at], base[at] * share[at], base[at])
        weight = at.sum() / (at.sum() + CATEGORY_CELLS)
        by_group[int(group)] = float(np.clip(weight * own + (1 - weight) * overall, 0.0, LARGEST_LIFT))
    return Effect(overall, len(base), by_group)


def elasticity(flat: FlatHistories, changes: pl.DataFrame, differs: NDArray[np.bool_]) -> Effect:
    """Return by how many per cent demand moves with one per cent of price, from the price changes so far; 0 to -5.

    `changes`: row, at (the first period with the new price), step (logarithm of new over old price). What came in the
    periods after is compared with the periods before by a Poisson regression through the origin. That more is sold
    after a rise is taken for chance.
    """
    row, at, step = (changes[name].to_numpy() for name in ("row", "at", "step"))
    before, after = np.zeros(len(row)), np.zeros(len(row))
    whole = np.ones(len(row), dtype=bool)
    for k in range(NEIGHBOURS):
        for total, period in ((before, at - 1 - k), (after, at + k)):
            index = flat.index(row, period)
            good = (index >= 0) & ~differs[index]
            whole &= index >= 0
            total += np.where(good, flat.values[index], 0.0)
    whole &= before > 0
    if not whole.any():
        return Effect(0.0, 0, {})
    slope = _poisson_slope(before[whole], after[whole], step[whole])
    return Effect(_shrunk(slope, 0.0, int(whole.sum()), -STRONGEST_ELASTICITY, 0.0), int(whole.sum()), {})


def _poisson_slope(before: Floats, after: Floats, step: Floats) -> float:
    # Each series counts by the root of its level, so that no large one decides; Newton's method on one parameter.
    weight = 1 / np.sqrt(before)
    slope = 0.0
    for _ in range(25):
        expected = before * np.exp(slope * step)
        gradient = np.sum(weight * step * (after - expected))
        curvature = np.sum(weight * step**2 * expected)
        if curvature <= 0:
            break
        move = float(np.clip(gradient / curvature, -1.0, 1.0))
        slope = float(np.clip(slope + move, -2 * STRONGEST_ELASTICITY, 2 * STRONGEST_ELASTICITY))
        if abs(move) < 1e-9:
            break
    return slope


def _seen(
    flat: FlatHistories, cells: pl.DataFrame, differs: NDArray[np.bool_], lag: int
) -> tuple[NDArray[np.bool_], Floats, Floats, Floats]:
    """Return which cells are past and have a usual demand; and of those their share, usual demand and what came."""
    row, at = cells["row"].to_numpy(), cells["at"].to_numpy()
    base, index = usual_demand(flat, row, at, differs, lag), flat.index(row, at)
    comparable = (index >= 0) & (np.nan_to_num(base) > 0)
    return comparable, cells["share"].to_numpy()[comparable], base[comparable], flat.values[index[comparable]]


def _ratio(above: Floats, below: Floats, base: Floats) -> float:
    weight = 1 / np.sqrt(np.maximum(base, 1e-12))
    total = float(np.sum(weight * below))
    return float(np.sum(weight * above)) / total if total > 0 else 0.0


def _shrunk(estimate: float, towards: float, cells: int, least: float, most: float) -> float:
    weight = cells / (cells + PRIOR_CELLS)
    return float(np.clip(weight * estimate + (1 - weight) * towards, least, most))
