"""Forecast consumed by firm orders: an order takes the place of the forecast that expected it, and is not added to it.

An order consumes the forecast of its own bucket, then earlier buckets, nearest first, within the window back, then
later ones within the window forward (Vollmann, Berry, Whybark, Jacobs: demand management). What no forecast expected
adds to the demand. Dependent demand consumes nothing: nobody forecast it.
"""

from __future__ import annotations

import numpy as np

from manufacturing_copilot.planning.arithmetic.arrays import Floats
from manufacturing_copilot.planning.arithmetic.open_days import Days


def consume(
    forecast: Floats, starts: Days, ends: Days, orders: Floats, due: Days, *, back_days: int = 0, forward_days: int = 0
) -> Floats:
    """Return what is left of the forecast, series × buckets, once the orders have consumed theirs.

    `forecast` is series × buckets, which start and end (the day after their last one) on these days, ascending;
    `orders` is series × days, `due` the day of each of its columns, ascending: the earlier order consumes first. A
    bucket lies in the window where any of its days does. Orders count at the size in which they are open; negative
    ones consume nothing.
    """
    left = np.maximum(forecast, 0.0).T.copy()
    for column, day in enumerate(np.asarray(due, dtype=np.int64)):
        open_orders = np.maximum(orders[:, column], 0.0)
        if not open_orders.any():
            continue
        for bucket in _reach(starts, ends, int(day), back_days, forward_days):
            used = np.minimum(left[bucket], open_orders)
            left[bucket] -= used
            open_orders = open_orders - used
    return left.T


def _reach(starts: Days, ends: Days, day: int, back: int, forward: int) -> list[int]:
    own = np.flatnonzero((starts <= day) & (day < ends))
    earlier = np.flatnonzero((ends <= day) & (ends - 1 >= day - back))[::-1]
    later = np.flatnonzero((starts > day) & (starts <= day + forward))
    return [*own.tolist(), *earlier.tolist(), *later.tolist()]
