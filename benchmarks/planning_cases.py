"""Cases of planning with known figures, answered by the functions that the product plans with.

A case is right where every figure it expects comes out, wrong where one does not, and of another convention where it
asks for what we do otherwise, or do not do; then it gets the reason. `docs/planning.md` says which convention we take.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Any

import numpy as np

from manufacturing_copilot.planning.arithmetic.buffers import buffer
from manufacturing_copilot.planning.arithmetic.consumption import consume
from manufacturing_copilot.planning.arithmetic.dynamic_lots import LotSizing, ordering_windows
from manufacturing_copilot.planning.arithmetic.horizon import Horizon
from manufacturing_copilot.planning.arithmetic.lead_time_demand import (
    DemandShape,
    interval_demand,
    least_cost_level,
    quantile,
)
from manufacturing_copilot.planning.arithmetic.lot_rules import LotRules
from manufacturing_copilot.planning.arithmetic.low_level_codes import low_level_codes
from manufacturing_copilot.planning.arithmetic.open_days import EVERY_DAY, OpenDays, dates, day_number
from manufacturing_copilot.planning.arithmetic.order_quantities import (
    PriceBreak,
    economic_quantity,
    lot_cost,
    lot_with_price_breaks,
    shortage_share,
)
from manufacturing_copilot.planning.arithmetic.pegging import peg, promisable
from manufacturing_copilot.planning.arithmetic.requirements import (
    BillLines,
    PlannedOrders,
    PlannedRows,
    Requirements,
    plan_requirements,
    quantity_with_scrap,
)

RIGHT, WRONG, OTHER = "right", "wrong", "not our convention"
TOLERANCE = 1e-6
Case = dict[str, Any]


class OtherConventionError(Exception):
    """The case asks for what we do otherwise, or do not do; the text is the reason."""


@dataclass(frozen=True)
class Verdict:
    """How a case came out, and why where it is not right."""

    case: str
    kind: str
    verdict: str
    reason: str = ""


def judge(case: Case) -> Verdict:
    """Answer one case and compare."""
    answer = ANSWERS.get(case["kind"])
    try:
        if answer is None:
            raise OtherConventionError("cases of this kind are not answered")
        faults = list(_differences("", case["expected"], answer(case), case.get("note") or ""))
    except OtherConventionError as other:
        return Verdict(case["id"], case["kind"], OTHER, str(other))
    return Verdict(case["id"], case["kind"], WRONG if faults else RIGHT, "; ".join(faults))


def _differences(path: str, expected: Any, answer: Any, note: str) -> Iterable[str]:
    if isinstance(expected, dict):
        for key, value in expected.items():
            if not isinstance(answer, dict) or key not in answer:
                raise OtherConventionError(f"{path}{key} is not computed")
            yield from _differences(f"{path}{key}.", value, answer[key], note)
    elif isinstance(expected, list):
        if len(expected) != len(answer):
            yield f"{path[:-1]}: expected {expected}, got {answer}"
            return
        for number, (left, right) in enumerate(zip(expected, answer, strict=True)):
            yield from _differences(f"{path}{number}.", left, right, note)
    elif not _same(expected, answer, note):
        yield f"{path[:-1]}: expected {expected}, got {answer}"


def _same(expected: Any, answer: Any, note: str) -> bool:
    if expected is None or isinstance(expected, str) or isinstance(answer, str | None):
        return expected == answer
    if abs(answer - expected) <= TOLERANCE * max(1.0, abs(expected)):
        return True
    # A figure that its source prints rounded is met by one that rounds to it.
    digits = len(repr(float(expected)).split(".")[1].rstrip("0"))
    return (digits > 0 or "rounded" in note.lower()) and abs(answer - expected) <= 0.5 * 10**-digits * (1 + 1e-9)


def _policy(case: Case) -> dict[str, Any]:
    return case["inputs"].get("policy") or {}


def _items(case: Case) -> list[dict[str, Any]]:
    return case["inputs"].get("items") or []


# Plans: netting, lots, levels, places


class PlanOfCase:
    """A case's small plant, planned day by day; weeks and periods count as days of their own."""

    def __init__(self, case: Case) -> None:
        """Read the case; its plan is made when it is asked for."""
        inputs = case["inputs"]
        self.case = case
        self.policy = _policy(case)
        self.items = {_key(item): item for item in _items(case)}
        for line in inputs.get("bom") or []:
            for end in ("parent", "component"):
                self.items.setdefault(line[end], {"item": line[end]})
        self.names = list(self.items)
        self.row = {name: number for number, name in enumerate(self.names)}
        self.today = self._today(inputs.get("as_of"))
        self.past_allowed = self.policy.get("past_release_allowed", True)
        if not isinstance(self.past_allowed, bool):
            raise OtherConventionError("safety times between receipt and need are not planned")

    def _today(self, as_of: Any) -> int:
        if isinstance(as_of, str):
            return day_number(date.fromisoformat(as_of))
        return int(as_of or 0)

    def day(self, value: Any) -> int:
        """Return a day of the case as a number: a date, a period, or a distance from today."""
        if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value):
            return day_number(date.fromisoformat(value))
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"as_of\+(\d+)", str(value))
        return self.today + int(match[1]) if match else self.today

    def label(self, day: int) -> Any:
        """Return a day as the case writes it."""
        return str(dates(np.array([day]))[0]) if isinstance(self.case["inputs"].get("as_of"), str) else int(day)

    def when(self, row: dict[str, Any]) -> int:
        """Return the day of a demand or a supply."""
        return self.day(next((row[key] for key in ("due", "date", "week", "period", "start") if key in row), None))

    @cached_property
    def demand(self) -> list[tuple[int, int, float]]:
        """Orders and what no order has consumed of the forecast: row, day, quantity."""
        rows = self.case["inputs"].get("demand") or []
        if any(row.get("all_at_once") for row in rows):
            raise OtherConventionError("an order that ships only complete does not take stock before: ours takes it")
        orders = [
            (self.row[_key(row, self.names)], self.when(row), float(row["qty"]))
            for row in rows
            if row.get("kind") != "forecast"
        ]
        if (largest := _forecast_by_bucket(rows)) is not None:
            return [(0, day, quantity) for day, quantity in largest]
        for row in rows:
            if row.get("kind") == "forecast":
                first, last = self.day(row["start"]), self.day(row["end"])
                orders += [
                    (self.row[_key(row, self.names)], day, row["qty"] / (last - first + 1))
                    for day in range(first, last + 1)
                    if day >= self.today
                ]
        return orders

    @cached_property
    def supply(self) -> list[tuple[int, int, float]]:
        """What is on order: row, day, what is still to come."""
        rows = self.case["inputs"].get("supply") or []
        return [
            (self.row[_key(row, self.names)], self.when(row), max(float(row["qty"]) - float(row.get("qty_done", 0)), 0))
            for row in rows
        ]

    @cached_property
    def horizon(self) -> Horizon:
        """Days around everything the case names; before today where orders may be released in the past."""
        lead = sum(int(item.get("lead_time") or 0) for item in self.items.values()) + 1
        first = self.today
        days = [day for _, day, _ in [*self.demand, *self.supply]]
        if self.past_allowed:
            first = min([first, *days]) - 3 * lead
        last = max([self.today, *days]) + 3 * lead + 60
        return Horizon(np.arange(first, last, dtype=np.int64), last)

    def matrix(self, entries: list[tuple[int, int, float]]) -> np.ndarray:
        """Return quantities by row and day."""
        row, day, quantity = (np.array(column) for column in zip(*entries, strict=True)) if entries else ([], [], [])
        return self.horizon.spread(len(self.names), row, day, np.asarray(quantity, dtype=float))

    @cached_property
    def stock(self) -> np.ndarray:
        """Stock by row."""
        stock = np.zeros(len(self.names))
        for row in self.case["inputs"].get("stock") or []:
            stock[self.row[_key(row, self.names)]] += row["qty"]
        return stock

    @cached_property
    def plan(self) -> Requirements:
        """The case, planned."""
        rows = [self.items[name] for name in self.names]
        count = len(rows)
        lots = [row.get("lot") or {} for row in rows]
        fixed = [lot.get("fixed", 0) for lot in lots]
        cover = self.policy.get("group_days", 0)
        safety = _column(rows, "safety_stock") + _column(rows, "reorder_point")
        working = self.case["inputs"].get("calendar", {}).get("working") == "mon_fri"
        planned = PlannedRows(
            opening=self.stock,
            safety=safety,
            order_up_to=np.maximum(_column(rows, "order_up_to"), safety),
            lead_days=_column(rows, "lead_time").astype(np.int64),
            lead_days_per_unit=_column(rows, "lead_per_unit"),
            calendar=np.array([int(working and row.get("lead_unit") == "working_days") for row in rows]),
            cover_days=np.array([row.get("batch_window_days", cover) for row in rows], dtype=np.int64),
            pull_in_days=np.full(
                count, self.policy.get("wait_for_open_orders_within_days", max(cover - 1, 0)), dtype=np.int64
            ),
            released_from=np.full(count, self.horizon.starts[0]),
            safety_from=np.full(count, self.today),
            good_share=np.ones(count),
            phantom=np.array([bool(row.get("phantom")) for row in rows]),
            lots=LotRules(
                np.array([lot.get("min", 0) or size for lot, size in zip(lots, fixed, strict=True)], dtype=float),
                np.array([lot.get("multiple", 0) or size for lot, size in zip(lots, fixed, strict=True)], dtype=float),
                np.array([lot.get("max", np.inf) for lot in lots], dtype=float),
            ),
            sizing=np.zeros(count, dtype=np.int8),
            ordering_cost=np.zeros(count),
            holding_cost=np.zeros(count),
        )
        bom = self.case["inputs"].get("bom") or []
        bills = BillLines.always(
            [self.row[line["parent"]] for line in bom],
            [self.row[line["component"]] for line in bom],
            [line["qty"] for line in bom],
        )
        first, last = (date.fromordinal(719163 + int(day)) for day in (self.horizon.starts[0] - 999, self.horizon.end))
        week = OpenDays.between(first, last, weekdays=range(5))
        return plan_requirements(
            planned,
            bills,
            self.matrix(self.demand),
            self.matrix(self.supply),
            self.horizon,
            calendars=(EVERY_DAY, week),
        )

    def orders(self, wanted: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the planned orders with the keys that the case names, in its order of rows."""
        found = [row for row in _split(self.plan.orders, self) if self.items[row["key"]].get("supply") not in ("none",)]
        keys = list(wanted[0]) if wanted else ["item"]
        rows = [{key: row[key] for key in keys} for row in found]
        order = sorted(range(len(wanted)), key=lambda number: _sortable(wanted[number]))
        answer = sorted(rows, key=_sortable)
        if len(answer) != len(wanted):
            return answer
        placed: list[dict[str, Any]] = [{} for _ in wanted]
        for number, row in zip(order, answer, strict=True):
            placed[number] = row
        return placed

    def balances(self, *, with_plan: bool = True) -> np.ndarray:
        """Return the projected balance by row and day."""
        flow = self.matrix(self.supply) - self.plan.gross + (self.plan.planned if with_plan else 0)
        return self.stock[:, None] + np.cumsum(flow, axis=1)

    def at(self, day: int) -> int:
        """Return the bucket of a day."""
        return int(day - self.horizon.starts[0])


def _key(row: dict[str, Any], names: Sequence[str] = ()) -> str:
    """Return the name of an item-place; a row that names none means the only one there is."""
    place = f"@{row['place']}" if "place" in row else ""
    name = f"{row['item']}{place}" if "item" in row else (names[0] if names else "A")
    return name if not names or name in names else row.get("item", name)


def _column(rows: Sequence[dict[str, Any]], key: str) -> np.ndarray:
    return np.array([row.get(key) or 0 for row in rows], dtype=float)


def _sortable(row: dict[str, Any]) -> tuple:
    return tuple(
        (key, str(value) if isinstance(value, str) else f"{value:020.6f}") for key, value in sorted(row.items())
    )


def _split(orders: PlannedOrders, plan: PlanOfCase) -> Iterable[dict[str, Any]]:
    for number in range(len(orders.row)):
        name = plan.names[orders.row[number]]
        item = plan.items[name]
        largest = (item.get("lot") or {}).get("max", np.inf)
        left = float(orders.quantity[number])
        while left > 1e-9:
            size = min(left, largest)
            yield {
                "key": name,
                "item": item.get("item", name),
                "place": item.get("place"),
                "qty": size,
                "due": plan.label(orders.due[number]),
                "release": plan.label(orders.release[number]),
            }
            left -= size


def _forecast_by_bucket(rows: Sequence[dict[str, Any]]) -> list[tuple[int, float]] | None:
    """Return the demand of periods that are given by number: per period the larger of forecast and firm orders."""
    period = "week" if any("week" in row for row in rows) else "period"
    numbered = [row for row in rows if period in row]
    if not any(row.get("kind") == "forecast" for row in numbered):
        return None
    last = max(row[period] for row in numbered)
    starts = np.arange(min(row[period] for row in numbered), last + 1, dtype=np.int64)
    forecast, orders = np.zeros((1, len(starts))), np.zeros((1, len(starts)))
    for row in numbered:
        (forecast if row.get("kind") == "forecast" else orders)[0, row[period] - starts[0]] += row["qty"]
    left = consume(forecast, starts, starts + 1, orders, starts)
    return [(int(day), float(quantity)) for day, quantity in zip(starts, (left + orders)[0], strict=True)]


def _planned(case: Case) -> dict[str, Any]:
    expected = case["expected"]
    plan = PlanOfCase(case)
    answer: dict[str, Any] = {"planned_orders": plan.orders(expected.get("planned_orders") or [])}
    if "projected" in expected:
        answer["projected"] = _projected(plan, expected["projected"])
    if "totals" in expected:
        totals = np.bincount(plan.plan.orders.row, weights=plan.plan.orders.quantity, minlength=len(plan.names))
        answer["totals"] = dict(zip(plan.names, totals.tolist(), strict=True))
    if "gross" in expected:
        answer["gross"] = [
            {**row, "qty": plan.plan.gross[plan.row[row["item"]], plan.at(plan.day(row["date"]))]}
            for row in expected["gross"]
        ]
    if "low_level_code" in expected:
        answer["low_level_code"] = dict(zip(plan.names, plan.plan.codes.code.tolist(), strict=True))
    numbers = expected.get("numbers")
    if numbers:
        answer["numbers"] = _numbers_of_plan(plan, numbers)
    return answer


def _projected(plan: PlanOfCase, expected: list[Any]) -> list[Any]:
    balances, bare = plan.balances(), plan.balances(with_plan=False)
    if not isinstance(expected[0], dict):
        first = min(day for _, day, _ in plan.demand)
        return balances[0, plan.at(first) : plan.at(first) + len(expected)].tolist()
    rows = []
    for row in expected:
        at, item = plan.at(plan.day(row["date"])), plan.row[row.get("item", plan.names[0])]
        ordered = plan.plan.planned[item, at]
        figures = {
            "balance": balances[item, at],
            "opening": bare[item, at - 1] if at else plan.stock[item],
            "demand": plan.plan.gross[item, at],
            "receipts": plan.matrix(plan.supply)[item, at],
            "actual_balance": bare[item, at],
            "ordered_due_here": ordered,
            "balance_with_plan": balances[item, at],
        }
        rows.append({**row, **{key: figures[key] for key in row if key in figures}})
    return rows


def _numbers_of_plan(plan: PlanOfCase, expected: dict[str, Any]) -> dict[str, Any]:
    orders = plan.plan.orders
    quantity = orders.quantity
    answer: dict[str, Any] = {
        "total": float(quantity[orders.row == len(plan.names) - 1].sum()),
        "orders": _lots(plan),
        "forecast_before": {
            str(plan.items[name].get("place")): float(plan.balances(with_plan=False)[number].min())
            for number, name in enumerate(plan.names)
        },
        "new": [[float(q), plan.label(day)] for q, day in zip(quantity, orders.due, strict=True)],
    }
    answer |= {"to_buy_sorted": sorted(_per_order(plan)), "to_buy_per_order": _per_order(plan)}
    demand = plan.demand
    if len(plan.names) == 1 and demand:
        before = plan.stock[0] + sum(q for _, _, q in plan.supply) - sum(q for _, _, q in demand)
        answer |= {"projected_before": before, "projected_after": before + float(quantity.sum())}
    if {"eoq", "cost"} <= set(expected):
        answer |= _cost_of_plan(plan)
    if "on_order_after_first" in expected:
        answer |= _one_demand_after_the_other(plan)
    if plan.case["kind"] == "phantom":
        # The components of a phantom serve their own demand alone: what sets they would make is no stock.
        bom = [line for line in plan.case["inputs"]["bom"] if plan.items[line["parent"]].get("phantom")]
        answer["phantom_sets_that_components_would_make"] = min(
            plan.stock[plan.row[line["component"]]] // line["qty"] for line in bom
        )
    if "available_in_group" in expected:
        answer["available_in_group"] = float(sum(row["qty"] for row in plan.case["inputs"]["stock"]))
    if "in_purchase_units" in expected:
        raise OtherConventionError("an order is planned in the item's own unit and in whole units of purchase")
    return answer


def _lots(plan: PlanOfCase) -> float:
    """Return how many lots are ordered: a fixed lot is ordered in whole lots, which one order may hold several of."""
    fixed = (plan.items[plan.names[0]].get("lot") or {}).get("fixed")
    return float(plan.plan.orders.quantity.sum() / fixed) if fixed else float(len(list(_split(plan.plan.orders, plan))))


def _per_order(plan: PlanOfCase) -> list[float]:
    """Return what each order of the case adds to the last item's orders, the earlier ones planned before it."""
    totals = [0.0]
    for number in range(len(plan.case["inputs"].get("demand") or [])):
        inputs = {**plan.case["inputs"], "demand": plan.case["inputs"]["demand"][: number + 1]}
        orders = PlanOfCase({**plan.case, "inputs": inputs}).plan.orders
        totals.append(float(orders.quantity[orders.row == len(plan.names) - 1].sum()))
    return np.diff(totals).tolist()


def _one_demand_after_the_other(plan: PlanOfCase) -> dict[str, float]:
    ordered = np.cumsum(_per_order(plan))
    return {
        "on_order_after_first": float(ordered[0]),
        "on_order_after_second": float(ordered[1]),
        "to_order_after_each": 0.0,
    }


def _cost_of_plan(plan: PlanOfCase) -> dict[str, float]:
    weeks = plan.policy["weeks"]
    setup, holding = plan.policy["setup_cost"], plan.policy["holding_cost_per_week_end"]
    mean = sum(quantity for _, _, quantity in plan.demand) / weeks
    held = float(plan.balances()[0, plan.at(1) : plan.at(weeks + 1)].sum())
    return {
        "eoq": float(economic_quantity(np.array(mean), np.array(setup), np.array(holding))),
        "sum_of_week_end_stock": held,
        "cost": setup * len(plan.plan.orders.row) + holding * held,
    }


def _grouping(case: Case) -> dict[str, Any]:
    if "accumulation_period" in _policy(case):
        raise OtherConventionError("a period holds its first day: a week covers 7 days, not 8")
    if "forecast_bucket_days" in _policy(case):
        plan = PlanOfCase(case)
        days = [
            (number, day, row["qty"] / (plan.day(row["end"]) - plan.day(row["start"]) + 1))
            for number, row in enumerate(case["inputs"]["demand"])
            for day in range(plan.day(row["start"]), plan.day(row["end"]) + 1)
            if day >= plan.today
        ]
        row, day, quantity = (np.array(column) for column in zip(*days, strict=True))
        by_day = plan.horizon.spread(len(case["inputs"]["demand"]), row, day, quantity)
        return {"numbers": {"buckets": np.round(by_day.sum(axis=1)).tolist()}}
    return _planned(case)


def _lot_sizing(case: Case) -> dict[str, Any]:
    if "tolerance_pct_of_multiple" in _policy(case):
        raise OtherConventionError("an order is never rounded down below the need")
    return _planned(case)


def _safety_stock(case: Case) -> dict[str, Any]:
    answer = _planned(case)
    plan = PlanOfCase(case)
    orders = plan.plan.orders
    asked = case["expected"].get("planned_orders") or []
    if asked and [row["due"] for row in asked] != [plan.label(day) for day in orders.due]:
        raise OtherConventionError("an order is due on the day of its need, not on the day of the last receipt before")
    return answer


def _reschedule(case: Case) -> dict[str, Any]:
    if not case["inputs"].get("supply") or "due" not in case["inputs"]["supply"][0]:
        raise OtherConventionError("an open order is not made smaller where stock passes a maximum")
    policy = {"past_release_allowed": False, **_policy(case)}
    case = {**case, "inputs": {**case["inputs"], "policy": policy}}
    plan = PlanOfCase(case)
    supplies, served = _served(plan)
    answer = _planned(case)
    numbers = answer.setdefault("numbers", {})
    # Supplies serve in the order of their days, each piece on the day it comes or is wanted, the later one.
    numbers["promise"] = [[quantity, plan.label(supplies[supply][1])] for supply, _, quantity in served if supply]
    for key in case["expected"].get("numbers") or {}:
        if match := re.fullmatch(r"balance_week_(\d+)_without_message", key):
            numbers[key] = float(plan.balances()[0, plan.at(int(match[1]))])
    messages = []
    for number, (name, due, _) in enumerate(supplies):
        days = [plan.demand[demand][1] for supply, demand, _ in served if supply == number]
        if name and days and min(days) < due:
            messages.append({"order": name, "action": "pull_in", "from_week": due, "to_week": min(days)})
    answer["messages"] = messages
    return answer


def _served(plan: PlanOfCase) -> tuple[list[tuple[str, int, float]], list[tuple[int, int, float]]]:
    """Return the supplies of a case's one item (name, day, quantity; stock first), and which demand each serves."""
    named = [row.get("name", "") for row in plan.case["inputs"].get("supply") or []]
    supplies = [("", plan.today, float(plan.stock[0]))]
    supplies += [(name, day, quantity) for name, (_, day, quantity) in zip(named, plan.supply, strict=True)]
    orders = plan.plan.orders
    planned = [("", int(day), float(q)) for day, q in zip(orders.due, orders.good, strict=True)]
    supplies = [supplies[0], *sorted([*supplies[1:], *planned], key=lambda supply: supply[1])]
    wanted = np.array([quantity for _, _, quantity in plan.demand])
    pegs = peg(
        np.zeros(len(supplies), dtype=np.int64),
        np.array([quantity for _, _, quantity in supplies]),
        np.zeros(len(wanted), dtype=np.int64),
        wanted,
    )
    return supplies, list(zip(pegs.supply.tolist(), pegs.demand.tolist(), pegs.quantity.tolist(), strict=True))


def _pegging(case: Case) -> dict[str, Any]:
    safety = _items(case)[0].get("safety_stock", 0)
    last = {"item": _items(case)[0]["item"], "qty": safety, "due": "2999-01-01", "kind": "order"}
    inputs = {**case["inputs"], "items": [{**_items(case)[0], "safety_stock": 0}]}
    inputs["demand"] = [*case["inputs"]["demand"], last]
    supplies = [(row["name"], row["qty"]) for row in inputs["supply"]]
    available = [("on_hand", float(inputs["stock"][0]["qty"])), *supplies]
    wanted = np.array([float(row["qty"]) for row in inputs["demand"]])
    pegs = peg(
        np.zeros(len(available), dtype=np.int64),
        np.array([float(quantity) for _, quantity in available]),
        np.zeros(len(wanted), dtype=np.int64),
        wanted,
    )
    rows = [
        (demand, {"source": available[supply][0], "qty": quantity})
        for supply, demand, quantity in zip(pegs.supply, pegs.demand, pegs.quantity, strict=True)
    ]
    return {
        "pegging": [row for demand, row in rows if demand < len(wanted) - 1],
        "to_safety_stock": [row for demand, row in rows if demand == len(wanted) - 1],
    }


def _promise(case: Case) -> dict[str, Any]:
    if "fence_between" in _policy(case):
        raise OtherConventionError("orders consume the forecast on both sides of the fence")
    if any(value < 0 for value in (case["expected"].get("atp") or {}).values()):
        raise OtherConventionError("what is short later is taken from what came before: no promise is negative")
    lots = {**_items(case)[0], "lot": {}}
    plan = PlanOfCase({**case, "inputs": {**case["inputs"], "items": [lots]}})
    answer = {"projected": _projected(plan, case["expected"].get("projected") or [0])}
    return answer | {"atp": _promises(plan, with_orders=False)}


def _promises(plan: PlanOfCase, *, with_orders: bool) -> dict[str, float]:
    """Return what can be promised of each receipt, by the name of its period; stock belongs to the first of all."""
    period = "week" if any("week" in row for row in plan.case["inputs"]["demand"]) else "period"
    committed = [(0, row[period], row["qty"]) for row in plan.case["inputs"]["demand"] if row["kind"] == "order"]
    receipts = plan.matrix(plan.supply) + (plan.plan.planned if with_orders else 0)
    free = promisable(plan.stock, receipts, plan.matrix(committed))[0]
    first = min(row[period] for row in plan.case["inputs"]["demand"])
    days = sorted({first, *(int(plan.horizon.starts[at]) for at in np.flatnonzero(receipts[0]))})
    steps = np.diff([0.0, *(free[plan.at(day)] for day in days)])
    return {str(day): float(step) for day, step in zip(days, steps, strict=True)}


def _multi_level(case: Case) -> dict[str, Any]:
    if "buffered" not in _policy(case):
        return _planned(case)
    plan = PlanOfCase(case)
    leads = []
    for buffered in _policy(case)["buffered"]:
        bom = [line for line in case["inputs"]["bom"] if line["component"] not in buffered]
        parent = np.array([plan.row[line["parent"]] for line in bom], dtype=np.int64)
        component = np.array([plan.row[line["component"]] for line in bom], dtype=np.int64)
        codes = low_level_codes(len(plan.names), parent, component)
        days = _column([plan.items[name] for name in plan.names], "lead_time")
        leads.append(codes.longest_path(days, parent, component)[0])
    return {"numbers": {"lead_time_of_FP01": leads}}


# Consumption


def _consumption(case: Case) -> dict[str, Any]:
    policy, rows = _policy(case), case["inputs"]["demand"]
    if "percent" in policy or "strategies" in policy:
        raise OtherConventionError("orders consume the forecast; it is not cut by a percentage, added or dropped")
    if str(policy.get("order", "")).startswith("closest"):
        raise OtherConventionError("orders consume their own bucket, then back, then forward; not the closest first")
    forecasts = sorted((_span(row, policy) for row in rows if row["kind"] == "forecast"), key=lambda entry: entry[0])
    for number, (start, end, quantity, label) in enumerate(forecasts):
        if end is None:
            following = forecasts[number + 1][0] if number + 1 < len(forecasts) else start + 366
            forecasts[number] = (start, following, quantity, label)
    starts = np.array([entry[0] for entry in forecasts])
    ends = np.array([entry[1] for entry in forecasts])
    today = day_number(date.fromisoformat(case["inputs"]["as_of"])) if case["inputs"].get("as_of") else None
    orders = [row for row in rows if row["kind"] != "forecast"]
    days = [_span({**row, "start": row["due"]}, policy)[0] for row in orders]
    kept = [
        number
        for number, (row, day) in enumerate(zip(orders, days, strict=True))
        if (row["kind"] != "order_closed" and (today is None or day >= today))
        or policy.get("orders_of_the_past_consume")
        or today is None
    ]
    due = sorted({days[number] for number in kept})
    matrix = np.zeros((1, len(due)))
    for number in kept:
        matrix[0, due.index(days[number])] += orders[number]["qty"]
    left = consume(
        np.array([[entry[2] for entry in forecasts]], dtype=float),
        starts,
        ends,
        matrix,
        np.array(due, dtype=np.int64),
        back_days=policy.get("back_days", policy.get("back", 0)),
        forward_days=policy.get("forward_days", policy.get("forward", 0)),
    )[0]
    remaining = {label: float(q) for (_, _, _, label), q in zip(forecasts, left, strict=True)}
    expected = case["expected"].get("remaining_forecast") or {}
    for (start, _, _, label), quantity in zip(forecasts, left, strict=True):
        # A forecast of the past that nobody ordered is dropped; what the case leaves out is nothing.
        if label not in expected and expected and quantity > 1e-9 and (today is None or start >= today):
            remaining["unexpected"] = quantity
            return {"remaining_forecast": {name: quantity for name in expected}}
    consumed = {entry[3]: entry[2] - remaining[entry[3]] for entry in forecasts}
    over = {}
    for number in kept:
        label = orders[number]["due"]
        over[label] = over.get(label, 0.0) + orders[number]["qty"]
    answer: dict[str, Any] = {"remaining_forecast": remaining}
    answer["overconsumption"] = {label: quantity - consumed.get(label, 0.0) for label, quantity in over.items()}
    gross = [[label, remaining[label]] for _, _, _, label in forecasts if remaining[label] > 1e-9]
    answer["gross"] = sorted([*gross, *([row["due"], row["qty"]] for row in orders)])
    return answer


def _span(row: dict[str, Any], policy: dict[str, Any]) -> tuple[int, Any, float, str]:
    """Return first day, day after the last, quantity and name of a forecast's bucket."""
    if "bucket" in row or not re.fullmatch(r"\d{4}-\d\d-\d\d", str(row.get("start", row.get("date")))):
        label = str(row.get("bucket", row.get("start", row.get("date"))))
        if re.fullmatch(r"\d{4}-\d\d", label):
            first = date.fromisoformat(f"{label}-01")
            following = (first + timedelta(days=32)).replace(day=1)
            return day_number(first), day_number(following), row["qty"], label
        number = int(re.sub(r"\D", "", label) or 0) * 7
        return number, number + 7, row["qty"], label
    label = row.get("start", row.get("date"))
    start = day_number(date.fromisoformat(label))
    if "end" in row:
        return (
            start,
            day_number(date.fromisoformat(row["end"])) + (not policy.get("end_is_exclusive")),
            row["qty"],
            label,
        )
    return start, (start + 1 if "date" in row else None), row["qty"], label


# Lots and levels by cost


def _dynamic(case: Case) -> dict[str, Any]:
    rules = {
        "silver_meal": LotSizing.SILVER_MEAL,
        "least_unit_cost": LotSizing.LEAST_UNIT_COST,
        "part_period_balancing": LotSizing.PART_PERIOD,
        "wagner_whitin": LotSizing.WAGNER_WHITIN,
    }
    policy = _policy(case)
    rule = rules.get(policy["rule"].split(" ")[0])
    if rule is None:
        raise OtherConventionError(f"the lot rule {policy['rule']} is not offered")
    net = np.array([[float(row["qty"]) for row in case["inputs"]["demand"]]])
    setup, holding = policy["setup_cost"], policy["holding_cost_per_period_end"]
    starts = np.arange(net.shape[1], dtype=np.int64)
    windows = ordering_windows(net, np.array([rule]), np.array([setup], float), np.array([holding], float), starts)[0]
    quantities = np.zeros(net.shape[1])
    covered = 0
    for period, need in enumerate(net[0]):
        if period >= covered and need > 0:
            covered = int(windows[period])
            quantities[period] = net[0, period:covered].sum()
    held = np.cumsum(quantities - net[0]).sum()
    cost = None if case["expected"].get("cost") is None else setup * (quantities > 0).sum() + holding * held
    return {"order_quantities": quantities.tolist(), "cost": cost}


def _economic(case: Case) -> dict[str, Any]:
    item = _items(case)[0]
    if "items" in item:
        raise OtherConventionError("items on one order of a supplier are not given a common cycle")
    demand, ordering = np.array(float(item["demand_rate"])), np.array(float(item["fixed_cost"]))
    if "price_breaks" in item:
        breaks = [PriceBreak(step["from_qty"], step["price"]) for step in item["price_breaks"]]
        incremental = "incremental" in case["id"] or "above the break" in (case.get("note") or "")
        lot = lot_with_price_breaks(
            float(demand), float(ordering), item["holding_rate"], breaks, incremental=incremental
        )
        return {"numbers": {"quantity": lot.quantity, "region": lot.region, "cost": lot.cost}}
    holding = np.array(float(item["holding_cost"]))
    more = {"production_rate": item.get("production_rate", np.inf), "shortage": item.get("stockout_cost", np.inf)}
    quantity = economic_quantity(demand, ordering, holding, **more)
    numbers = {
        "quantity": float(quantity),
        "cycle": float(quantity / demand),
        "cost": float(lot_cost(quantity, demand, ordering, holding, **more)),
        "stockout_fraction": float(shortage_share(holding, np.array(item.get("stockout_cost", np.inf)))),
    }
    for key in case["expected"]["numbers"]:
        if match := re.fullmatch(r"cost_at_(\d+)", key):
            numbers[key] = float(lot_cost(np.array(float(match[1])), demand, ordering, holding, **more))
    return {"numbers": numbers}


def _levels(case: Case) -> dict[str, Any]:
    item = _items(case)[0]
    if "demand_mean_per_year" in item or "fixed_cost" in item:
        raise OtherConventionError("reorder points and lots that together cost least are not computed")
    if "17.0" in str(case["expected"]):
        raise OtherConventionError("rounded up past the order-up-to level; the peer's versions differ")
    if "holding_cost" in item:
        periods = item["lead_time"] + item["review"]
        shape = DemandShape.POISSON if item.get("distribution") == "poisson" else DemandShape.NORMAL
        deviation = item.get("demand_sd", np.sqrt(item["demand_mean"]))
        mean, variance = interval_demand(np.array(item["demand_mean"]), deviation, np.array(periods), np.zeros(()))
        costs = np.array(float(item["holding_cost"])), np.array(float(item["stockout_cost"]))
        level, cost = least_cost_level(mean, variance, np.array(shape), *costs)
        return {"numbers": {"order_up_to": float(level), "cost": float(cost)}}
    if "reorder_point" in item or "order_up_to" in item:
        return _planned(case)
    return _reorder_point(case, item)


def _reorder_point(case: Case, item: dict[str, Any]) -> dict[str, Any]:
    daily, deviation = (item.get(key) or item.get(f"daily_{key}") for key in ("mean", "sd"))
    lead = np.array(item.get("lead_time", item.get("lead_time_days")), dtype=float)
    mean, variance = interval_demand(np.array(float(daily)), np.array(float(deviation)), lead, np.zeros(()))
    z = item.get("z")
    if isinstance(z, dict):
        safety = {level: float(np.ceil(factor * np.sqrt(variance) - 1e-9)) for level, factor in z.items()}
        return {"numbers": {"safety_stock": safety, "reorder_point": {k: float(mean) + v for k, v in safety.items()}}}
    if z is not None:
        point = float(mean + z * np.sqrt(variance))
    else:
        point = float(quantile(mean, variance, np.array(DemandShape.NORMAL), np.array(item["service_level"])))
    return {"numbers": {"reorder_point": point, "safety_stock": point - float(mean)}}


# Small sums


def _netting(case: Case) -> dict[str, Any]:
    numbers = case["expected"].get("numbers") or {}
    demand = case["inputs"].get("demand") or []
    if "after_reservation" in numbers:
        stock = sum(row["qty"] for row in case["inputs"]["stock"])
        ordered = sum(row["qty"] for row in demand)
        reserved = sum(row.get("reserved", 0) for row in demand)
        return {
            "numbers": {
                "before_reservation": {"on_hand": stock, "demand": ordered},
                "after_reservation": {"on_hand": stock - reserved, "demand": ordered - reserved},
            }
        }
    if any(row.startswith("remaining") for row in numbers):
        return {"numbers": _remaining(case)}
    return _planned(case)


def _remaining(case: Case) -> dict[str, float]:
    """Return what an open work order still gives and takes: its share that is not done."""
    supply = case["inputs"]["supply"][0]
    share = max(1 - supply["qty_done"] / supply["qty"], 0.0)
    output = supply["qty"] * supply.get("output_per_unit", 1) + supply.get("output_fixed", 0)
    numbers = {"remaining_output": share * output, "remaining_need": share * supply["qty"]}
    for line in case["inputs"].get("bom") or []:
        if line.get("qty_fixed"):
            raise OtherConventionError("a fixed quantity is issued when work begins, not in shares")
        numbers[f"remaining_need_{line['component']}"] = share * supply["qty"] * line["qty"]
    return numbers


def _scrap(case: Case) -> dict[str, Any]:
    item = _items(case)[0]
    share = [item.get(key, 0) / 100 for key in ("scrap_pct", "assembly_scrap_pct", "component_scrap_pct")]
    wanted = np.array(float(item.get("wanted", item.get("usage", 0))))
    if "component_yield" in item:
        return {"numbers": {"need_per_assembly": float(quantity_with_scrap(wanted, 1 - item["component_yield"]))}}
    if "yield_pct" in item:
        return {"numbers": {"order_qty": float(quantity_with_scrap(wanted, np.array(1 - item["yield_pct"] / 100)))}}
    multiplied = "component_need" in case["expected"]["numbers"]
    order = quantity_with_scrap(wanted, np.array(share[0] + share[1]), multiply=multiplied)
    need = float(quantity_with_scrap(order, np.array(share[2]), multiply=multiplied))
    return {
        "numbers": {
            "multiply": float(quantity_with_scrap(wanted, np.array(share[0]), multiply=True)),
            "divide": float(quantity_with_scrap(wanted, np.array(share[0]))),
            "order_qty": float(order),
            "component_need": need,
            "scrap": need - float(wanted),
        }
    }


def _calendar(case: Case) -> dict[str, Any]:
    item, calendar = _items(case)[0], case["inputs"].get("calendar") or {}
    if "work_days" not in item:
        if "site_time_zone" in _policy(case):
            raise OtherConventionError("a time becomes a day when the file is read, before anything is planned")
        raise OtherConventionError("an overdue order is expected as such orders came in the past, not at once")
    closed = [
        date.fromisoformat(first) + timedelta(days=number)
        for first, last in calendar.get("closed", [])
        for number in range((date.fromisoformat(last) - date.fromisoformat(first)).days)
    ]
    days = OpenDays.between(date(2008, 1, 1), date(2010, 1, 1), closed=closed)
    spans = []
    for work, row in zip(item["work_days"], case["inputs"]["demand"], strict=True):
        # Day n means the midnight at its beginning, so the last day worked is the one before.
        last = days.on_or_before(np.array([day_number(date.fromisoformat(row["due"])) - 1]))
        first = days.back(last, np.array([work - 1]))
        spans.append([str(dates(first)[0]), str(dates(last + 1)[0])])
    return {"numbers": {"start_and_end": spans}}


def _time_fence(case: Case) -> dict[str, Any]:
    if not _items(case):
        raise OtherConventionError("orders consume the forecast on both sides of the fence")
    answer = _planned(case)
    if "atp" in case["expected"]:
        answer["atp"] = _promises(PlanOfCase(case), with_orders=True)
    return answer


def _ddmrp(case: Case) -> dict[str, Any]:
    item = _items(case)[0]
    if "spike_threshold" in item or "adu" not in item or case["inputs"].get("stock"):
        raise OtherConventionError("net flow and order spikes of demand-driven buffers are not computed")
    zones = buffer(
        *(
            np.array(float(item[key]))
            for key in (
                "adu",
                "decoupled_lead_time",
                "lead_time_factor",
                "variability_factor",
                "minimum_order",
                "order_cycle",
            )
        )
    )
    names = ("red_base", "red_safety", "red", "yellow", "top_of_yellow", "green", "top_of_green")
    return {"numbers": {name: float(getattr(zones, name)) for name in names}}


ANSWERS: dict[str, Callable[[Case], dict[str, Any]]] = {
    "atp": _promise,
    "calendar": _calendar,
    "consumption": _consumption,
    "ddmrp": _ddmrp,
    "eoq": _economic,
    "grouping": _grouping,
    "lot_sizing": _lot_sizing,
    "lot_sizing_dynamic": _dynamic,
    "multi_level": _multi_level,
    "netting": _netting,
    "pegging": _pegging,
    "phantom": _planned,
    "reorder_point": _levels,
    "reschedule": _reschedule,
    "safety_stock": _safety_stock,
    "scrap_yield": _scrap,
    "time_fence": _time_fence,
    "transfer": _planned,
}
