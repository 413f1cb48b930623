"""Everyday cases with known answers, each an item of one plant: twenty a day, ten days to replenish, unless said."""

import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import sqlalchemy as sa

from manufacturing_copilot.forecasts.forecast import forecast_target
from manufacturing_copilot.planning.runout import STOCKOUTS, stockouts
from manufacturing_copilot.site import Frequency, Target
from manufacturing_copilot.store import Store
from manufacturing_copilot.store import tables as t
from manufacturing_copilot.store.engine import connect_store
from manufacturing_copilot_tests.factories import add_records
from manufacturing_copilot_tests.forecasts.plants import (
    AS_OF,
    a_site,
    add_demand,
    add_items,
    add_receipts,
    with_models,
)

DAYS = 730
WORK_ORDER = {"promised": 3, "quantity": 300, "received": 100, "rejected": 150, "made": True}
CASES: dict[str, dict[str, Any]] = {
    "300 on hand": {"on_hand": 300},
    "firm order ahead": {"on_hand": 300, "orders": [(3, 500)]},
    "two firm orders ahead": {"on_hand": 300, "orders": [(2, 250), (6, 250)]},
    "firm order of a day's demand": {"on_hand": 300, "orders": [(3, 20)]},
    "backlog": {"on_hand": 400, "orders": [(-10, 500)]},
    "backlog of yesterday": {"on_hand": 400, "orders": [(-1, 300), (-2, 200)]},
    "reserved": {"on_hand": 300, "reserved": 200},
    "reserved for orders": {"on_hand": 300, "reserved": 200, "orders": [(day, 20) for day in range(1, 11)]},
    "long lead time": {"on_hand": 5000, "lead": 300},
    "lead time of years": {"on_hand": 5000, "lead": 700},
    "slip": {"on_hand": 100, "supplier": 2, "lines": [{"promised": 3, "quantity": 500}]},
    "slip of a supplier in time": {"on_hand": 100, "supplier": 3, "lines": [{"promised": 3, "quantity": 500}]},
    "long overdue": {"on_hand": 100, "lines": [{"promised": -300, "ordered": -340, "quantity": 500}]},
    "a little overdue": {"on_hand": 100, "lines": [{"promised": -3, "ordered": -20, "quantity": 500}]},
    "line without order date": {"on_hand": 100, "lines": [{"promised": 3, "ordered": None, "quantity": 500}]},
    "on order by the stock record": {"on_hand": 100, "on_order": 500},
    "line without promise": {"on_hand": 140, "lines": [{"promised": None, "ordered": -5, "quantity": 500}]},
    "scrap of a work order": {
        "on_hand": 100,
        "lines": [{"promised": 3, "quantity": 300, "received": 100, "rejected": 150, "made": True}],
    },
    "never counted": {},
    "lot rule": {"on_hand": 270, "minimum": 100, "multiple": 30},
    "far-away supply": {"on_hand": 190, "lines": [{"promised": 150, "quantity": 1000}]},
    "below zero": {"on_hand": -5},
    "no place named": {"on_hand": 5000, "stocked_at": 2},
}
NUMBERS = {name: number for number, name in enumerate(CASES, start=1)}


@pytest.fixture(scope="module")
def answers(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """The stock-outs of all cases, by name."""
    file = tmp_path_factory.mktemp("cases") / "copilot.db"
    shutil.copyfile(sqlite_template, file)
    store = connect_store(f"sqlite:///{file}")
    _plant(store)
    forecast_target(store, a_site({Target.DEMAND: (Frequency.DAILY,)}), Target.DEMAND, AS_OF)
    with store.read() as connection:
        rows = STOCKOUTS.check(stockouts(connection, AS_OF))
    store.close()
    names = pl.DataFrame({"case": list(NUMBERS), "item_id": list(NUMBERS.values())})
    return rows.join(names, on="item_id")


def _plant(store: Store) -> None:
    with_models(store)
    count = len(CASES)
    random = np.random.default_rng(27)
    with store.write() as connection:
        add_items(connection, count + 2, locations=2, lead_time_days=10)
        connection.execute(sa.update(t.location).where(t.location.c.id == 1).values(code="MAIN"))
        connection.execute(sa.insert(t.supplier), [{"id": 2, "code": "LATE"}, {"id": 3, "code": "IN TIME"}])
        for number in range(1, count + 3):
            add_demand(connection, np.rint(random.normal(20, 4, DAYS)).clip(0), item=number)
            connection.execute(
                sa.insert(t.external_id).values(
                    source="sales", external_id=f"S{number:04d}", item_id=number, matched_by="sku"
                )
            )
        for name, case in CASES.items():
            _add_case(connection, NUMBERS[name], case)
        # Suppliers 2 and 3 deliver other items: thirty lines, twenty days late each, or on their day.
        for supplier, late in ((2, 20), (3, 0)):
            add_receipts(connection, [30] * 30, item=count + supplier - 1, supplier=supplier)
            lines = t.supply_line
            received = sa.select(lines.c.id, lines.c.received_on).where(
                lines.c.supplier_id == supplier, lines.c.received_on.is_not(None)
            )
            for line, day in connection.execute(received).all():
                promise = sa.update(lines).where(lines.c.id == line).values(promised_on=day - timedelta(days=late))
                connection.execute(promise)
    orders = [
        {
            "order_no": f"{number}-{line}", "line_no": "1", "item": f"S{number:04d}", "quantity": float(quantity),
            "ordered_on": AS_OF - timedelta(days=30), "requested_on": AS_OF + timedelta(days=day), "status": "open",
        }
        for name, number in NUMBERS.items()
        for line, (day, quantity) in enumerate(CASES[name].get("orders", ()))
    ]  # fmt: skip
    add_records(store, "sales/order_lines", orders)


def _add_case(connection: sa.Connection, number: int, case: dict[str, Any]) -> None:
    if "on_hand" in case:
        connection.execute(
            sa.insert(t.inventory_snapshot).values(
                day=AS_OF, item_id=number, location_id=case.get("stocked_at", 1), on_hand=case["on_hand"],
                reserved=case.get("reserved", 0), on_order=case.get("on_order", 0), counted_on=AS_OF,
            )
        )  # fmt: skip
    connection.execute(
        sa.update(t.item)
        .where(t.item.c.id == number)
        .values(
            lead_time_days=case.get("lead", 10), minimum_order=case.get("minimum"), order_multiple=case.get("multiple"),
        )
    )  # fmt: skip
    for line_no, line in enumerate(case.get("lines", ())):
        connection.execute(
            sa.insert(t.supply_line).values(
                made=line.get("made", False), order_no=f"C{number}", line_no=str(line_no), item_id=number,
                location_id=1,
                supplier_id=case.get("supplier", 1), ordered_on=_day(line.get("ordered", -5)),
                promised_on=_day(line["promised"]), ordered=line["quantity"], received=line.get("received", 0),
                rejected=line.get("rejected", 0), status="open",
            )
        )  # fmt: skip


def _day(distance: int | None) -> date | None:
    return None if distance is None else AS_OF + timedelta(days=distance)


def answer(answers: pl.DataFrame, case: str) -> dict[str, Any]:
    return answers.row(by_predicate=pl.col("case") == case, named=True)


def days_to_run_out(row: dict[str, Any]) -> int:
    return (row["runout_p50"] - AS_OF).days


@pytest.mark.parametrize(
    ("case", "days"),
    [
        ("firm order ahead", 3),
        ("two firm orders ahead", 3),
        ("backlog", 1),
        ("backlog of yesterday", 1),
        ("below zero", 1),
    ],
)
def test_what_is_short_for_certain_is_out(answers: pl.DataFrame, case: str, days: int) -> None:
    row = answer(answers, case)
    assert row["probability"] == pytest.approx(1.0, abs=1e-3) and abs(days_to_run_out(row) - days) <= 1


@pytest.mark.parametrize("case", ["firm order ahead", "two firm orders ahead"])
def test_a_firm_order_is_ordered_for_besides_the_forecast(answers: pl.DataFrame, case: str) -> None:
    more = answer(answers, case)["order_quantity"] - answer(answers, "300 on hand")["order_quantity"]
    assert 400 <= more <= 500


def test_an_order_of_a_days_demand_is_what_the_forecast_expected(answers: pl.DataFrame) -> None:
    assert answer(answers, "firm order of a day's demand")["probability"] < 0.01


@pytest.mark.parametrize("case", ["reserved", "reserved for orders"])
def test_a_reservation_is_demand_that_counts_already(answers: pl.DataFrame, case: str) -> None:
    row = answer(answers, case)
    assert row["probability"] < 0.01 and abs(days_to_run_out(row) - 15) <= 1


@pytest.mark.parametrize(("case", "lead"), [("long lead time", 300), ("lead time of years", 700)])
def test_a_long_lead_time_lengthens_the_horizon(answers: pl.DataFrame, case: str, lead: int) -> None:
    row = answer(answers, case)
    assert row["lead_time_days"] == lead and row["probability"] > 0.99
    assert row["expected_lead_time_demand"] == pytest.approx(20 * lead, rel=0.1)


def test_a_line_comes_as_its_suppliers_lines_came(answers: pl.DataFrame) -> None:
    assert answer(answers, "slip")["probability"] > 0.99
    assert answer(answers, "slip of a supplier in time")["probability"] < 0.05


def test_a_line_long_past_its_day_is_asked_about_and_not_counted(answers: pl.DataFrame) -> None:
    row = answer(answers, "long overdue")
    assert (row["on_order"], row["asked_about"]) == (500, 500)
    assert row["probability"] > 0.99 and row["order_quantity"] > 200
    overdue = answer(answers, "a little overdue")
    assert (overdue["on_order"], overdue["asked_about"], overdue["order_quantity"]) == (500, 0, 0)


@pytest.mark.parametrize("case", ["line without order date", "on order by the stock record"])
def test_on_order_is_one_number(answers: pl.DataFrame, case: str) -> None:
    assert answer(answers, case)["on_order"] == 500


def test_a_line_without_a_promise_comes_a_lead_time_after_its_order(answers: pl.DataFrame) -> None:
    # Ordered five days ago, ten days to come: 140 pieces last the five days that remain.
    assert answer(answers, "line without promise")["probability"] < 0.01


def test_what_a_work_order_scrapped_will_not_come(answers: pl.DataFrame) -> None:
    assert answer(answers, "scrap of a work order")["on_order"] == 50


def test_what_was_never_counted_is_unknown(answers: pl.DataFrame) -> None:
    assert "never counted" not in answers["case"].to_list()


def test_a_lot_is_lifted_to_the_minimum_and_the_multiple(answers: pl.DataFrame) -> None:
    assert answer(answers, "lot rule")["order_quantity"] == 120


def test_supply_far_away_is_no_reason_not_to_order(answers: pl.DataFrame) -> None:
    assert answer(answers, "far-away supply")["order_quantity"] > 100


def test_orders_that_name_no_place_are_served_where_the_item_lies(answers: pl.DataFrame) -> None:
    row = answer(answers, "no place named")
    assert (row["location_id"], row["on_hand"]) == (2, 5000) and row["probability"] < 0.01
