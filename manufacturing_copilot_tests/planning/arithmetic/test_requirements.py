from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from manufacturing_copilot.planning.arithmetic.horizon import Horizon
from manufacturing_copilot.planning.arithmetic.lot_rules import LotRules, order_total
from manufacturing_copilot.planning.arithmetic.low_level_codes import low_level_codes
from manufacturing_copilot.planning.arithmetic.open_days import EVERY_DAY, OpenDays, day_number
from manufacturing_copilot.planning.arithmetic.requirements import (
    BillLines,
    PlannedRows,
    Requirements,
    plan_requirements,
)

FRIDAY = date(2026, 1, 2)
HORIZON = Horizon.ahead(FRIDAY, days=30)
FIRST = day_number(FRIDAY) + 1


def rows(count: int, **given: object) -> PlannedRows:
    """Rows without stock, lot rule or lead time, but for what is given by column."""
    zero, whole = np.zeros(count), np.zeros(count, dtype=np.int64)
    plain = PlannedRows(
        opening=zero, safety=zero, order_up_to=zero, lead_days=whole, lead_days_per_unit=zero, calendar=whole,
        cover_days=whole, pull_in_days=whole, released_from=whole, safety_from=whole, good_share=np.ones(count),
        phantom=np.zeros(count, dtype=bool), lots=LotRules.none(count), sizing=whole.astype(np.int8),
        ordering_cost=zero, holding_cost=zero,
    )  # fmt: skip
    arrays = {
        name: value if isinstance(value, LotRules) else np.array(value, dtype=getattr(plain, name).dtype)
        for name, value in given.items()
    }
    return replace(plain, **arrays)


def matrix(count: int, entries: list[tuple[int, int, float]]) -> np.ndarray:
    result = np.zeros((count, HORIZON.buckets))
    for row, day, quantity in entries:
        result[row, day - 1] += quantity
    return result


NO_BILLS = BillLines.always([], [], [])


def plan(
    planned: PlannedRows,
    demand: list[tuple[int, int, float]],
    *,
    receipts: list[tuple[int, int, float]] = [],  # noqa: B006
    bills: BillLines = NO_BILLS,
    calendars: tuple[OpenDays, ...] = (EVERY_DAY,),
) -> Requirements:
    count = len(planned.opening)
    return plan_requirements(
        planned, bills, matrix(count, demand), matrix(count, receipts), HORIZON, calendars=calendars
    )


def orders_of(result: Requirements, row: int = 0) -> list[tuple[int, int, float]]:
    """Day of release, day due (1 is the first day ahead) and quantity of each planned order of a row."""
    orders = result.orders
    at = orders.row == row
    return [
        (int(release) - FIRST + 1, int(due) - FIRST + 1, float(quantity))
        for release, due, quantity in zip(orders.release[at], orders.due[at], orders.quantity[at], strict=True)
    ]


def test_stock_and_receipts_are_used_before_anything_is_ordered() -> None:
    result = plan(rows(1, opening=[30], lead_days=[5]), [(0, 10, 50), (0, 20, 50)], receipts=[(0, 15, 40)])
    assert orders_of(result) == [(5, 10, 20), (15, 20, 10)]


def test_receipts_of_a_day_count_before_its_issues() -> None:
    assert orders_of(plan(rows(1), [(0, 5, 20)], receipts=[(0, 5, 20)])) == []


def test_an_order_that_cannot_come_in_time_is_released_today_and_late() -> None:
    result = plan(rows(1, lead_days=[10]), [(0, 4, 50), (0, 8, 20)])
    assert orders_of(result) == [(1, 11, 70)]
    assert result.orders.late_days.tolist() == [7]


def test_a_shortage_that_a_receipt_ends_before_an_order_can_come_orders_nothing() -> None:
    result = plan(rows(1, lead_days=[10]), [(0, 4, 50)], receipts=[(0, 9, 50)])
    assert orders_of(result) == []


def test_a_receipt_soon_after_the_need_is_pulled_in_before_anything_is_ordered() -> None:
    demand, receipts = [(0, 10, 100)], [(0, 14, 80)]
    assert orders_of(plan(rows(1), demand, receipts=receipts)) == [(10, 10, 100)]
    result = plan(rows(1, pull_in_days=[7]), demand, receipts=receipts)
    assert orders_of(result) == [(10, 10, 20)] and result.orders.pulled.tolist() == [80]


def test_demand_may_use_the_safety_stock_which_is_rebuilt_when_an_order_can_come() -> None:
    result = plan(rows(1, opening=[5], safety=[20], lead_days=[3]), [(0, 2, 4)])
    assert orders_of(result) == [(1, 4, 19)]


def test_an_order_covers_the_needs_of_its_window_and_carries_its_surplus() -> None:
    lots = LotRules(np.zeros(1), np.array([5.0]), np.array([np.inf]))
    demand = [(0, 10, 127), (0, 16, 4), (0, 17, 18)]
    assert orders_of(plan(rows(1, cover_days=[7], lots=lots), demand)) == [(10, 10, 135), (17, 17, 15)]


def test_an_order_below_a_reorder_point_restores_the_order_up_to_level() -> None:
    assert orders_of(plan(rows(1, opening=[80], safety=[50], order_up_to=[100]), [(0, 6, 70)])) == [(6, 6, 90)]


def test_components_are_needed_when_their_parent_is_released() -> None:
    bills = BillLines.always([0, 1], [1, 2], [2, 3])
    result = plan(rows(3, lead_days=[3, 2, 4], opening=[0, 10, 0]), [(0, 20, 10)], bills=bills)
    assert [orders_of(result, row) for row in range(3)] == [[(17, 20, 10)], [(15, 17, 10)], [(11, 15, 30)]]


def test_a_phantom_passes_its_need_on_without_time_and_uses_its_own_stock_first() -> None:
    bills = BillLines.always([0, 1], [1, 2], [2, 3])
    planned = rows(3, lead_days=[3, 9, 4], opening=[0, 5, 0], phantom=[False, True, False], safety=[0, 99, 0])
    result = plan(planned, [(0, 20, 10)], bills=bills)
    assert [orders_of(result, row) for row in range(3)] == [[(17, 20, 10)], [], [(13, 17, 45)]]


def test_yield_starts_more_than_is_needed_and_takes_components_for_all_of_it() -> None:
    bills = BillLines.always([0], [1], [2])
    result = plan(rows(2, good_share=[0.9, 1]), [(0, 20, 27)], bills=bills)
    assert orders_of(result) == [(20, 20, pytest.approx(30))] and result.gross[1].sum() == pytest.approx(60)
    assert result.planned[0].sum() == pytest.approx(27)


def test_a_line_of_a_bill_counts_while_it_is_valid() -> None:
    bills = BillLines(
        np.array([0, 0]), np.array([1, 2]), np.array([1.0, 1.0]),
        np.array([-999_999, FIRST + 14]), np.array([FIRST + 13, 999_999]),
    )  # fmt: skip
    result = plan(rows(3), [(0, 14, 10), (0, 15, 4)], bills=bills)
    assert (result.gross[1].sum(), result.gross[2].sum()) == (10, 4)


def test_working_days_are_counted_and_what_is_due_on_a_closed_day_comes_earlier() -> None:
    week = OpenDays.between(date(2025, 1, 1), date(2027, 1, 1), weekdays=range(5))
    result = plan(rows(1, lead_days=[3], calendar=[0]), [(0, 9, 5)], calendars=(week,))
    # Day 9 is Sunday 11 January: due on Friday the 9th, released on Tuesday the 6th.
    assert orders_of(result) == [(4, 7, 5)]


def test_no_order_is_released_in_the_frozen_zone() -> None:
    result = plan(rows(1, lead_days=[2], released_from=[FIRST + 7]), [(0, 3, 5)])
    assert orders_of(result) == [(8, 10, 5)] and result.orders.late_days.tolist() == [7]


def test_a_need_within_a_lead_time_beyond_the_horizon_is_named() -> None:
    result = plan(rows(2, lead_days=[300, 300], opening=[0, 50]), [(0, 3, 5), (1, 3, 5)])
    assert orders_of(result) == [] and result.beyond.tolist() == [0]


def test_a_cycle_in_the_bills_is_cut_and_the_rest_planned() -> None:
    bills = BillLines.always([0, 1, 2, 2], [1, 2, 1, 3], [1, 1, 1, 2])
    result = plan(rows(4), [(0, 10, 5)], bills=bills)
    assert result.codes.in_cycle.tolist() == [False, True, True, False]
    assert orders_of(result, 1) == [(10, 10, 5)] and orders_of(result, 2) == []


@pytest.mark.parametrize(("parent", "component"), [([0, 1], [0, 2]), ([0, 1, 2], [1, 2, 0]), ([0, 0], [1, 2])])
def test_lines_that_close_a_cycle_are_known(parent: list[int], component: list[int]) -> None:
    codes = low_level_codes(3, np.array(parent), np.array(component))
    expected = {(0, 0), (0, 1), (1, 2), (2, 0)} if len(parent) == 3 else {(0, 0)}
    assert codes.in_cycle.tolist() == [(p, c) in expected for p, c in zip(parent, component, strict=True)]


@pytest.mark.parametrize("seed", range(4))
def test_every_plan_is_what_going_through_it_day_by_day_gives(seed: int) -> None:
    """Random plants of several levels with safety stocks, lots, yields and lead times, planned again step by step."""
    random = np.random.default_rng(seed)
    count = 12
    parent = np.repeat(np.arange(8), 2)
    component = np.minimum(parent + random.integers(1, 5, 16), count - 1)
    bills = BillLines.always(parent.tolist(), component.tolist(), random.integers(1, 4, 16).tolist())
    lots = LotRules(
        random.choice([0.0, 25.0], count), random.choice([0.0, 10.0], count), random.choice([np.inf, 60.0], count)
    )
    planned = rows(
        count, opening=random.integers(0, 60, count), safety=random.integers(0, 20, count), lots=lots,
        lead_days=random.integers(0, 6, count), good_share=random.choice([1.0, 0.9], count),
    )  # fmt: skip
    demand = random.poisson(2, (count, HORIZON.buckets)).astype(float)
    receipts = random.integers(0, 30, (count, HORIZON.buckets)) * (random.random((count, HORIZON.buckets)) < 0.1)
    result = plan_requirements(planned, bills, demand, receipts.astype(float), HORIZON)
    gross, arrived = _step_by_step(planned, bills, demand, receipts)
    assert result.gross == pytest.approx(gross) and result.planned == pytest.approx(arrived)


def _step_by_step(planned: PlannedRows, bills: BillLines, demand: np.ndarray, receipts: np.ndarray) -> tuple:
    gross, arrived = demand.copy(), np.zeros_like(demand)
    for row in range(len(planned.opening)):  # components have higher numbers than their parents
        balance, lead = planned.opening[row], int(planned.lead_days[row])
        for day in range(demand.shape[1]):
            balance += receipts[row, day] - gross[row, day]
            if day < lead or balance >= planned.safety[row] - 1e-6:
                continue
            need = np.array([(planned.safety[row] - balance) / planned.good_share[row]])
            quantity = float(order_total(need, planned.lots.of(np.array([row])))[0])
            arrived[row, day] = quantity * planned.good_share[row]
            balance += arrived[row, day]
            for line in np.flatnonzero(bills.parent == row):
                gross[bills.component[line], day - lead] += quantity * bills.quantity[line]
    return gross, arrived
