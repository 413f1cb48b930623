"""Economic order quantities: what one order costs against what holding it costs.

Harris (1913): √(2·D·K / h). With production at a finite rate, with shortages at a cost, and with price breaks, as in
Silver, Pyke, Thomas, Inventory and Production Management. Demand, holding cost and rate are of one period of any
length; costs are of that period.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from manufacturing_copilot.planning.arithmetic.arrays import Floats


def economic_quantity(
    demand: Floats,
    ordering: Floats,
    holding: Floats,
    *,
    production_rate: Floats | float = np.inf,
    shortage: Floats | float = np.inf,
) -> Floats:
    """Return the lot of least ordering and holding cost; `shortage` is what a piece short costs a period."""
    filling, waiting = _filling_and_waiting(demand, holding, production_rate, shortage)
    return np.sqrt(2 * demand * ordering / (holding * filling) * waiting)


def lot_cost(
    quantity: Floats,
    demand: Floats,
    ordering: Floats,
    holding: Floats,
    *,
    production_rate: Floats | float = np.inf,
    shortage: Floats | float = np.inf,
) -> Floats:
    """Return what ordering lots of `quantity` costs a period, shortages at their best included, purchases not."""
    filling, waiting = _filling_and_waiting(demand, holding, production_rate, shortage)
    return ordering * demand / quantity + holding * filling / waiting * quantity / 2


def _filling_and_waiting(
    demand: Floats, holding: Floats, production_rate: Floats | float, shortage: Floats | float
) -> tuple[Floats, Floats]:
    """Return how fast a lot fills the stock against delivering at once, and how much more of it may be short."""
    return 1 - np.asarray(demand) / production_rate, 1 + np.asarray(holding) / shortage


def shortage_share(holding: Floats, shortage: Floats) -> Floats:
    """Return the share of a lot that is best delivered late, where a piece short costs `shortage` a period."""
    return holding / (holding + shortage)


@dataclass(frozen=True)
class PriceBreak:
    """The price from a quantity on."""

    from_quantity: float
    price: float


@dataclass(frozen=True)
class PricedLot:
    """The lot of least cost a period, purchases included, and which price it is bought at."""

    quantity: float
    region: int
    cost: float


def lot_with_price_breaks(
    demand: float, ordering: float, holding_rate: float, breaks: Sequence[PriceBreak], *, incremental: bool = False
) -> PricedLot:
    """Return the best lot where the price falls with the quantity, the breaks ascending.

    All units: the price of the lot holds for each of its pieces. `incremental`: for the pieces above the break only.
    `holding_rate` is a share of the price a period.
    """
    best: PricedLot | None = None
    paid = 0.0
    for region, step in enumerate(breaks):
        upto = breaks[region + 1].from_quantity if region + 1 < len(breaks) else np.inf
        # What the pieces below the break cost more than at this price is as good as an ordering cost.
        more = paid - step.price * step.from_quantity if incremental else 0.0
        holding = holding_rate * step.price
        lot = float(np.sqrt(2 * demand * (ordering + more) / holding))
        quantity = max(lot, step.from_quantity)
        cost = demand * step.price + (ordering + more) * demand / quantity + holding * quantity / 2
        cost += holding_rate * more / 2
        if quantity <= upto and (best is None or cost < best.cost):
            best = PricedLot(quantity, region, cost)
        if np.isfinite(upto):
            paid += step.price * (upto - step.from_quantity)
    if best is None:
        raise ValueError("there is no price to order at")
    return best
