import itertools

import numpy as np
import pytest

from manufacturing_copilot.planning.arithmetic.dynamic_lots import LotSizing, ordering_windows


def lots(net: list[float], rule: LotSizing, ordering: float, holding: float) -> list[float]:
    needs = np.array([net], dtype=float)
    periods = np.arange(len(net), dtype=np.int64)
    windows = ordering_windows(needs, np.array([rule]), np.array([ordering]), np.array([holding]), periods)[0]
    quantities, covered = [0.0] * len(net), 0
    for period, need in enumerate(net):
        if period >= covered and need > 0:
            covered = int(windows[period])
            quantities[period] = sum(net[period:covered])
    return quantities


def cost(net: list[float], quantities: list[float], ordering: float, holding: float) -> float:
    held = np.cumsum(np.array(quantities) - np.array(net)).sum()
    return float(ordering * (np.array(quantities) > 0).sum() + holding * held)


def test_silver_meal_stops_at_the_first_rise_of_the_cost_per_period() -> None:
    # 100 / 1; (100 + 20) / 2; (100 + 20 + 2 · 60) / 3 = 80: up again.
    assert lots([10, 20, 60, 10], LotSizing.SILVER_MEAL, 100, 1) == [30, 0, 70, 0]


def test_least_unit_cost_stops_at_the_first_rise_of_the_cost_per_piece() -> None:
    assert lots([50, 50, 50], LotSizing.LEAST_UNIT_COST, 100, 1.2) == [100, 0, 50]


def test_part_period_balancing_takes_the_holding_cost_nearest_to_the_ordering_cost() -> None:
    # Holding 30 after one more period, 130 after two: 130 lies nearer to 100.
    assert lots([10, 30, 50, 40], LotSizing.PART_PERIOD, 100, 1) == [90, 0, 0, 40]


@pytest.mark.parametrize("seed", range(5))
def test_wagner_whitin_costs_the_least_of_all_ways_to_order(seed: int) -> None:
    random = np.random.default_rng(seed)
    net = (random.integers(0, 60, 7) * (random.random(7) < 0.8)).tolist()
    best = min(
        cost(net, _plan(net, starts), 70, 1.5)
        for size in range(8)
        for starts in itertools.combinations(range(7), size)
        if _feasible(net, starts)
    )
    assert cost(net, lots(net, LotSizing.WAGNER_WHITIN, 70, 1.5), 70, 1.5) == pytest.approx(best)


def _feasible(net: list[float], starts: tuple[int, ...]) -> bool:
    first = next((period for period, need in enumerate(net) if need), None)
    return first is None or (bool(starts) and starts[0] <= first)


def _plan(net: list[float], starts: tuple[int, ...]) -> list[float]:
    ends = [*starts[1:], len(net)]
    quantities = [0.0] * len(net)
    for start, end in zip(starts, ends, strict=True):
        quantities[start] = sum(net[start:end])
    return quantities
