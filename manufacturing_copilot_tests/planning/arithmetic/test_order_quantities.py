import numpy as np
import pytest

from manufacturing_copilot.planning.arithmetic.buffers import buffer
from manufacturing_copilot.planning.arithmetic.order_quantities import (
    PriceBreak,
    economic_quantity,
    lot_cost,
    lot_with_price_breaks,
    shortage_share,
)


def array(value: float) -> np.ndarray:
    return np.array(float(value))


@pytest.mark.parametrize("more", [{}, {"production_rate": 2000.0}, {"shortage": 3.0}])
def test_the_economic_quantity_costs_less_than_its_neighbours(more: dict[str, float]) -> None:
    lot = economic_quantity(array(1200), array(9), array(0.4), **more)
    costs = [float(lot_cost(lot * factor, array(1200), array(9), array(0.4), **more)) for factor in (0.9, 1, 1.1)]
    assert costs[1] == min(costs)


def test_without_production_rate_and_shortage_it_is_that_of_harris() -> None:
    assert float(economic_quantity(array(1000), array(20), array(4))) == 100
    assert float(lot_cost(array(100), array(1000), array(20), array(4))) == 400
    assert float(shortage_share(array(1), array(3))) == 0.25


@pytest.mark.parametrize("incremental", [False, True])
@pytest.mark.parametrize("price", [9.5, 8.0, 4.0])
def test_the_best_lot_under_price_breaks_is_the_cheapest_of_all_lots(price: float, incremental: bool) -> None:
    breaks = [PriceBreak(0, 10), PriceBreak(300, price), PriceBreak(900, price * 0.97)]
    lot = lot_with_price_breaks(1500, 40, 0.25, breaks, incremental=incremental)
    costs = [_cost(float(quantity), breaks, incremental) for quantity in range(20, 3000)]
    assert lot.cost <= min(costs) + 1e-6 and lot.cost == pytest.approx(_cost(lot.quantity, breaks, incremental))


def _cost(quantity: float, breaks: list[PriceBreak], incremental: bool) -> float:
    if incremental:
        ends = [step.from_quantity for step in breaks[1:]] + [np.inf]
        paid = sum(
            step.price * max(min(quantity, end) - step.from_quantity, 0) for step, end in zip(breaks, ends, strict=True)
        )
        price = paid / quantity
    else:
        price = next(step.price for step in reversed(breaks) if step.from_quantity <= quantity)
    return 1500 * price + 40 * 1500 / quantity + 0.25 * price * quantity / 2


def test_a_buffer_holds_a_lead_times_demand_between_red_and_green() -> None:
    zones = buffer(array(6), array(8), array(0.5), array(0.25), array(30), array(3))
    assert (float(zones.red), float(zones.top_of_yellow), float(zones.top_of_green)) == (30, 78, 108)
