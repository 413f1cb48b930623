"""Dynamic lot sizes: which needs one order takes together, so that ordering and holding cost little.

Holding is charged on the stock at the end of each period, so a piece needed in its own period costs nothing.
All rows are decided together; each rule gives, for an order in a period, the period before which it covers the needs.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from manufacturing_copilot.planning.arithmetic.arrays import Floats, Ints
from manufacturing_copilot.planning.arithmetic.open_days import Days

SMALL = 1e-9


class LotSizing(IntEnum):
    """How needs are put together into one order."""

    EACH = 0
    SILVER_MEAL = 1
    LEAST_UNIT_COST = 2
    PART_PERIOD = 3
    WAGNER_WHITIN = 4


def ordering_windows(net: Floats, sizing: NDArray, ordering_cost: Floats, holding_cost: Floats, starts: Days) -> Ints:
    """Return, for an order in each period, the period before which it covers the needs, rows × periods.

    `net` is what is missing by row and period, `holding_cost` per unit and day, `starts` the first day of each
    period, so that periods may differ in length.

    Silver and Meal (1973) stop at the first rise of the cost per day covered, least unit cost at the first rise of
    the cost per piece; part-period balancing takes the period whose holding cost lies nearest to the ordering cost;
    Wagner and Whitin (1958) is the least cost over the whole horizon.
    """
    periods = net.shape[1]
    windows = np.tile(np.arange(1, periods + 1, dtype=np.int64), (net.shape[0], 1))
    for rule in LotSizing:
        rows = np.flatnonzero(sizing == rule)
        if rule is LotSizing.EACH or not len(rows):
            continue
        choose = _least_total if rule is LotSizing.WAGNER_WHITIN else _heuristic
        windows[rows] = choose(net[rows], ordering_cost[rows], holding_cost[rows], starts, rule)
    return windows


def _heuristic(net: Floats, ordering: Floats, holding: Floats, starts: Days, rule: LotSizing) -> Ints:
    """Decide order by order: extend all rows' open orders period by period until each rule says stop."""
    rows, periods = net.shape
    windows = np.tile(np.arange(1, periods + 1, dtype=np.int64), (rows, 1))
    began = np.full(rows, -1, dtype=np.int64)
    pieces, held, best = np.zeros(rows), np.zeros(rows), np.full(rows, np.inf)
    every = np.arange(rows)
    for period in range(periods):
        need = net[:, period]
        days = (starts[period] - starts[np.maximum(began, 0)]).astype(float)
        holding_with = held + holding * days * need
        unit = float(starts[1] - starts[0]) if periods > 1 else 1.0
        score = _score(rule, ordering, holding_with, pieces + need, days / unit + 1)
        stop = (began >= 0) & (need > SMALL) & _ends(rule, score, best, ordering, held, holding_with)
        windows[every[stop], began[stop]] = period
        starting = (need > SMALL) & (stop | (began < 0))
        began = np.where(starting, period, began)
        pieces = np.where(starting, need, pieces + need)
        held = np.where(starting, 0.0, holding_with)
        own = _score(rule, ordering, np.zeros(rows), need, np.ones(rows))
        best = np.where(starting, own, np.where(need > SMALL, score, best))
    open_rows = began >= 0
    windows[every[open_rows], began[open_rows]] = periods
    return windows


def _score(rule: LotSizing, ordering: Floats, held: Floats, pieces: Floats, periods: Floats) -> Floats:
    if rule is LotSizing.SILVER_MEAL:
        return (ordering + held) / periods
    if rule is LotSizing.LEAST_UNIT_COST:
        return (ordering + held) / np.maximum(pieces, SMALL)
    return np.abs(held - ordering)


def _ends(
    rule: LotSizing, score: Floats, best: Floats, ordering: Floats, held: Floats, holding_with: Floats
) -> NDArray[np.bool_]:
    if rule is LotSizing.PART_PERIOD:
        # Past the ordering cost the distance only grows: stop where the period before lay nearer.
        return (holding_with > ordering) & (np.abs(held - ordering) <= score)
    return score > best


def _least_total(net: Floats, ordering: Floats, holding: Floats, starts: Days, rule: LotSizing) -> Ints:
    """Work back from the last period: the cost from each period on is that of its best next order."""
    del rule
    rows, periods = net.shape
    least = np.zeros((periods + 1, rows))
    after = np.tile(np.arange(1, periods + 1, dtype=np.int64)[:, None], (1, rows))
    for first in range(periods - 1, -1, -1):
        days = (starts[first:] - starts[first]).astype(float)
        held = np.cumsum(net[:, first:] * days, axis=1) * holding[:, None]
        costs = ordering[:, None] + held + least[first + 1 :].T
        choice = np.argmin(costs, axis=1)
        best = costs[np.arange(rows), choice]
        idle = net[:, first] <= SMALL
        # Without a need here nothing is ordered here.
        least[first] = np.where(idle, least[first + 1], best)
        after[first] = np.where(idle, first + 1, first + 1 + choice)
    return after.T
