"""The runner over cases of planning: cases of our own, one of each kind that has a figure of one line."""

from typing import Any

import pytest

from benchmarks.planning_cases import OTHER, RIGHT, WRONG, judge


def case(kind: str, expected: dict[str, Any], **inputs: Any) -> dict[str, Any]:
    return {"id": "ours", "kind": kind, "inputs": {"policy": {}, **inputs}, "expected": expected, "note": ""}


def week_of_demand(*quantities: float) -> list[dict[str, Any]]:
    return [
        {"item": "A", "qty": quantity, "due": week, "kind": "gross_requirement"}
        for week, quantity in enumerate(quantities, start=1)
    ]


NET = case(
    "netting",
    {
        "planned_orders": [{"item": "A", "qty": 15, "due": 3, "release": 1}],
        "projected": [{"item": "A", "date": 2, "balance": 5}],
    },
    items=[{"item": "A", "lead_time": 2}],
    stock=[{"item": "A", "qty": 35}],
    demand=week_of_demand(10, 20, 20),
)
LEVELS = case(
    "multi_level",
    {
        "planned_orders": [
            {"item": "A", "qty": 6, "due": 9, "release": 7},
            {"item": "B", "qty": 12, "due": 7, "release": 6},
            {"item": "C", "qty": 40, "due": 6, "release": 3},
        ],
        "low_level_code": {"A": 0, "B": 1, "C": 2},
    },
    items=[
        {"item": "A", "lead_time": 2},
        {"item": "B", "lead_time": 1},
        {"item": "C", "lead_time": 3, "lot": {"multiple": 20}},
    ],
    bom=[{"parent": "A", "component": "B", "qty": 2}, {"parent": "B", "component": "C", "qty": 3}],
    demand=[{"item": "A", "qty": 6, "due": 9}],
)
FORECAST = case(
    "consumption",
    {"remaining_forecast": {"2025-04": 70, "2025-05": 0}, "overconsumption": {"2025-05": 20}},
    demand=[
        {"kind": "forecast", "qty": 100, "bucket": "2025-04"},
        {"kind": "forecast", "qty": 100, "bucket": "2025-05"},
        {"kind": "order", "qty": 30, "due": "2025-04"},
        {"kind": "order", "qty": 120, "due": "2025-05"},
    ],
)
EOQ = case(
    "eoq",
    {"numbers": {"quantity": 100, "cost": 400}},
    items=[{"fixed_cost": 20, "holding_cost": 4, "demand_rate": 1000}],
)
YIELD = case(
    "scrap_yield", {"numbers": {"order_qty": 80}}, items=[{"item": "A", "wanted": 60, "assembly_scrap_pct": 25}]
)
POINT = case(
    "reorder_point",
    {"numbers": {"reorder_point": 418, "safety_stock": 18}},
    items=[{"daily_mean": 25, "daily_sd": 3, "lead_time_days": 16, "z": 1.5}],
)
PROMISE = case(
    "atp",
    {"atp": {"1": 5, "2": 30}, "projected": [5, 35]},
    items=[{"item": "A"}],
    stock=[{"item": "A", "qty": 20}],
    supply=[{"week": 2, "qty": 50}],
    demand=[
        {"kind": "forecast", "week": 1, "qty": 10},
        {"kind": "order", "week": 1, "qty": 15},
        {"kind": "order", "week": 2, "qty": 20},
    ],
)


@pytest.mark.parametrize("known", [NET, LEVELS, FORECAST, EOQ, YIELD, POINT, PROMISE], ids=lambda known: known["kind"])
def test_a_case_is_right_where_its_figures_come_out(known: dict[str, Any]) -> None:
    verdict = judge(known)
    assert (verdict.verdict, verdict.reason) == (RIGHT, "")


def test_a_case_with_another_figure_is_wrong_and_says_which() -> None:
    wrong = {**EOQ, "expected": {"numbers": {"quantity": 101}}}
    assert judge(wrong).verdict == WRONG and "expected 101, got 100.0" in judge(wrong).reason


def test_a_case_of_another_convention_says_what_we_do() -> None:
    percent = {**FORECAST, "inputs": {**FORECAST["inputs"], "policy": {"percent": [100, 50]}}}
    verdict = judge(percent)
    assert verdict.verdict == OTHER and "orders consume the forecast" in verdict.reason
