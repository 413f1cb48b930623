"""Demand-driven buffers: red, yellow and green zones, and an order up to the green where the position leaves it.

After Ptak and Smith, Demand Driven Material Requirements Planning: the yellow zone is the demand of a lead time; the
red one a share of it plus a share of that for variability; the green one the largest of an order cycle's demand,
the lead time's share and the minimum order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from manufacturing_copilot.planning.arithmetic.arrays import Floats


@dataclass(frozen=True)
class Buffer:
    """The zones of each row, in its unit."""

    red_base: Floats
    red_safety: Floats
    yellow: Floats
    green: Floats

    @property
    def red(self) -> Floats:
        """Return the red zone, below which stock is at risk."""
        return self.red_base + self.red_safety

    @property
    def top_of_yellow(self) -> Floats:
        """Return the level at which, or below, an order is due."""
        return self.red + self.yellow

    @property
    def top_of_green(self) -> Floats:
        """Return the level that an order restores."""
        return self.top_of_yellow + self.green


def buffer(
    daily: Floats, lead_days: Floats, lead_factor: Floats, variability: Floats, minimum: Floats, cycle_days: Floats
) -> Buffer:
    """Return the zones for a daily demand and a lead time in days."""
    yellow = daily * lead_days
    base = yellow * lead_factor
    return Buffer(base, base * variability, yellow, np.maximum(np.maximum(cycle_days * daily, base), minimum))
