"""How much is ordered for a need: minimum, multiple, maximum.

A need is lifted to the minimum and rounded up to the multiple (peers that leave the minimum unrounded order an
amount that the supplier does not sell). A fixed lot is a minimum and a multiple of that lot. Above the maximum an
order is split into orders of the maximum, and the rest is lifted by itself, never above the maximum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from manufacturing_copilot.planning.arithmetic.arrays import Floats

TOLERANCE = 1e-9
"""Share of a multiple by which a need may pass it without taking another; sums of decimals end beside the point."""


@dataclass(frozen=True)
class LotRules:
    """The rules of each row, in its unit; no minimum and no multiple is 0, no maximum infinite."""

    minimum: Floats
    multiple: Floats
    maximum: Floats

    @classmethod
    def none(cls, rows: int) -> LotRules:
        """Return lot for lot, for so many rows."""
        return cls(np.zeros(rows), np.zeros(rows), np.full(rows, np.inf))

    def of(self, rows: NDArray) -> LotRules:
        """Return the rules of some rows."""
        return LotRules(self.minimum[rows], self.multiple[rows], self.maximum[rows])

    def impossible(self) -> NDArray[np.bool_]:
        """Return which rules no quantity can meet: no multiple from the minimum to the maximum."""
        least = np.maximum(np.maximum(self.minimum, self.multiple), TOLERANCE)
        return lifted(least, self) > self.maximum * (1 + TOLERANCE)


def lifted(need: Floats, rules: LotRules) -> Floats:
    """Return each need lifted to the minimum and up to the multiple; 0 where nothing is needed."""
    least = np.maximum(need, rules.minimum)
    step = np.where(rules.multiple > 0, rules.multiple, 1.0)
    rounded = np.ceil(least / step - TOLERANCE) * step
    return np.where(need > 0, np.where(rules.multiple > 0, rounded, least), 0.0)


def full_orders(need: Floats, rules: LotRules) -> tuple[NDArray[np.int64], Floats]:
    """Return how many orders of the maximum each need takes, and the size of the one after them (0: none)."""
    bounded = np.isfinite(rules.maximum) & (lifted(need, rules) > rules.maximum * (1 + TOLERANCE))
    cap = np.where(bounded, rules.maximum, 1.0)
    full = np.where(bounded, np.floor(need / cap + TOLERANCE), 0.0)
    rest = np.where(bounded, np.maximum(need - full * cap, 0.0), need)
    rest = np.where(rest <= TOLERANCE * cap, np.where(bounded, 0.0, rest), rest)
    return full.astype(np.int64), np.minimum(lifted(rest, rules), rules.maximum)


def order_total(need: Floats, rules: LotRules) -> Floats:
    """Return what all the orders for each need come to."""
    full, last = full_orders(need, rules)
    return np.where(full > 0, full * np.where(np.isfinite(rules.maximum), rules.maximum, 0.0), 0.0) + last
