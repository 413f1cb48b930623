"""Goods sent back: receipts that are taken back, returns for credit, and reversals of production."""

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa

from manufacturing_copilot.planning.scheduled_supply import open_supply
from manufacturing_copilot.store import Store, read_frame
from manufacturing_copilot.store.tables import inventory_snapshot, quality_day, supply_line
from manufacturing_copilot.unified.findings.data_quality import orphans
from manufacturing_copilot.unified.history.taken_back import net_of_returns
from manufacturing_copilot.unified.refresh.refresh import refresh
from manufacturing_copilot_tests.factories import DAY, MOMENT, add_records, make_site
from manufacturing_copilot_tests.unified.dump import canonical

SITE = make_site(
    "erp/items", "erp/suppliers", "erp/purchase_lines", "erp/receipts", "erp/purchase_returns", "erp/work_orders",
    "erp/stock_levels",
)  # fmt: skip
FIRST = date(2026, 3, 1)


def _day(number: int) -> date:
    return FIRST + timedelta(days=number - 1)


def _ordered(store: Store, **fields: Any) -> None:
    add_records(store, "erp/items", [{"item": "A", "unit": "EA"}])
    add_records(store, "erp/suppliers", [{"supplier": "ACME"}])
    line = {"order_no": "P1", "line_no": "1", "item": "A", "supplier": "ACME", "quantity": 100.0}
    add_records(store, "erp/purchase_lines", [{**line, "ordered_on": _day(1), "promised_on": _day(8), **fields}])
    add_records(store, "erp/stock_levels", [{"item": "A", "day": _day(1), "on_hand": 0.0}])


def _receipt(number: str, day: int, quantity: float, **fields: Any) -> dict[str, Any]:
    row = {"receipt_no": number, "order_no": "P1", "line_no": "1", "item": "A"}
    return {**row, "received_on": _day(day), "quantity": quantity, **fields}


def _line(store: Store, *names: str) -> tuple[Any, ...]:
    with store.read() as connection:
        frame = read_frame(connection, sa.select(*(supply_line.c[name] for name in names)))
    [row] = frame.rows()
    return row


def _on_order(store: Store, day: date) -> float:
    with store.read() as connection:
        query = sa.select(inventory_snapshot.c.on_order).where(inventory_snapshot.c.day == day)
        snapshot = float(read_frame(connection, query)["on_order"].sum())
        planned = float(read_frame(connection, open_supply(day))["outstanding"].sum())
    assert snapshot == planned, "two pages show two numbers for what is on order"
    return snapshot


def test_a_receipt_that_was_taken_back_is_on_order_again(store: Store) -> None:
    _ordered(store)
    add_records(store, "erp/receipts", [_receipt("R1", 5, 100.0), _receipt("R2", 9, -100.0)])
    refresh(store, SITE, _day(6))
    assert _line(store, "received", "received_on", "status") == (100.0, _day(5), "closed")
    assert _on_order(store, _day(6)) == 0.0
    refresh(store, SITE, _day(10))
    assert _line(store, "received", "received_on", "last_received_on", "status") == (0.0, None, None, "open")
    assert _on_order(store, _day(10)) == 100.0


def test_a_wrong_booking_that_names_its_receipt_leaves_the_right_one(store: Store) -> None:
    _ordered(store)
    rows = [_receipt("R1", 4, 100.0), _receipt("R2", 5, 40.0), _receipt("R3", 6, 100.0, reverses="R1")]
    add_records(store, "erp/receipts", [*rows, _receipt("R4", 7, 60.0)])
    refresh(store, SITE, _day(10))
    assert _line(store, "received", "received_on", "status") == (100.0, _day(7), "closed")


def test_a_part_that_is_taken_back_is_missing_from_the_latest_delivery(store: Store) -> None:
    _ordered(store)
    rows = [_receipt("R1", 4, 70.0), _receipt("R2", 6, 30.0), _receipt("R3", 7, -30.0), _receipt("R4", 20, 30.0)]
    add_records(store, "erp/receipts", rows)
    refresh(store, SITE, _day(10))
    assert _line(store, "received", "received_on", "last_received_on", "status") == (70.0, None, _day(4), "open")
    assert _on_order(store, _day(10)) == 30.0
    refresh(store, SITE, _day(21))
    assert _line(store, "received", "received_on", "status") == (100.0, _day(20), "closed")


def test_what_is_sent_back_for_credit_is_not_on_order_again(store: Store) -> None:
    _ordered(store)
    add_records(store, "erp/receipts", [_receipt("R1", 5, 100.0, rejected_quantity=10.0)])
    back = {"item": "A", "returned_on": _day(7), "receipt_no": "R1"}
    add_records(store, "erp/purchase_returns", [{**back, "return_no": "B1", "quantity": -10.0}])
    refresh(store, SITE, _day(10))
    assert _line(store, "received", "returned", "status") == (100.0, 10.0, "closed")
    assert _on_order(store, _day(10)) == 0.0
    with store.read() as connection:
        ppm = connection.execute(sa.text("select reject_ppm from v_supplier")).scalar_one()
    assert float(ppm) == 100_000, "what was refused and sent back counts once"


@pytest.mark.parametrize("told_by", ["purchase_returns", "receipts"])
def test_what_is_sent_back_to_be_replaced_is_on_order_again(store: Store, told_by: str) -> None:
    _ordered(store)
    add_records(store, "erp/receipts", [_receipt("R1", 5, 100.0)])
    if told_by == "receipts":
        add_records(store, "erp/receipts", [_receipt("R2", 7, 10.0, receipt_type="reversal")])
    else:
        row = {"return_no": "B1", "order_no": "P1", "line_no": "1", "item": "A", "returned_on": _day(7)}
        add_records(store, "erp/purchase_returns", [{**row, "quantity": 10.0, "replaced": True}])
    refresh(store, SITE, _day(10))
    assert _line(store, "received", "returned", "status") == (90.0, 0.0, "open")
    assert _on_order(store, _day(10)) == 10.0


def test_a_receipt_can_be_declared_a_return_for_credit(store: Store) -> None:
    _ordered(store)
    rows = [_receipt("R1", 5, 100.0, receipt_type="delivery"), _receipt("R2", 7, -10.0, receipt_type="return")]
    add_records(store, "erp/receipts", rows)
    refresh(store, SITE, _day(10))
    assert _line(store, "received", "returned", "status") == (100.0, 10.0, "closed")
    assert _on_order(store, _day(10)) == 0.0


def test_a_line_that_was_closed_before_its_receipt_was_taken_back_is_open_again(store: Store) -> None:
    _ordered(store, status="closed")
    add_records(store, "erp/receipts", [_receipt("R1", 5, 100.0), _receipt("R2", 9, -100.0)])
    refresh(store, SITE, _day(10))
    assert MOMENT.date() < _day(9)
    assert _line(store, "status") == ("open",)
    assert _on_order(store, _day(10)) == 100.0


def test_a_reversal_of_what_never_came_is_told_and_not_lost(store: Store) -> None:
    _ordered(store)
    add_records(store, "erp/receipts", [_receipt("R1", 5, 40.0), _receipt("R2", 6, -100.0)])
    add_records(store, "erp/receipts", [{**_receipt("R3", 6, -5.0), "order_no": "P9"}])
    counts = refresh(store, SITE, _day(10)).supply
    assert (counts.orphan_receipts, counts.unmatched_reversals) == (1, 1)
    assert _line(store, "received", "status") == (0.0, "open")
    assert _on_order(store, _day(10)) == 100.0
    with store.read() as connection:
        found = orphans(connection, SITE).select("what", "number", "rows").rows()
    assert found == [
        ("return or reversal without an order line", "P9", 1),
        ("reversal of more than was received", "P1", 1),
    ]


def test_a_delivery_that_was_taken_back_was_never_inspected(store: Store) -> None:
    _ordered(store)
    rows = [_receipt("R1", 5, 100.0, rejected_quantity=20.0), _receipt("R2", 6, -100.0, rejected_quantity=-20.0)]
    add_records(store, "erp/receipts", [*rows, _receipt("R3", 7, 100.0, rejected_quantity=1.0)])
    refresh(store, SITE, _day(10))
    with store.read() as connection:
        query = sa.select(quality_day.c.day, quality_day.c.inspected, quality_day.c.defective)
        assert read_frame(connection, query).rows() == [(_day(7), 100.0, 1.0)]


def test_a_document_that_takes_back_production_opens_its_order_again(store: Store) -> None:
    add_records(store, "erp/items", [{"item": "A", "unit": "EA"}])
    order = {"work_order": "W1", "item": "A", "quantity": 50.0, "completed": 50.0, "started_on": _day(1)}
    back = {"work_order": "W1-S", "item": "A", "quantity": -20.0, "completed": -20.0, "reverses": "W1"}
    nobody = {"work_order": "W9-S", "item": "A", "quantity": -5.0, "completed": -5.0, "reverses": "W9"}
    rows = [{**order, "finished_on": _day(5), "status": "finished"}, {**back, "finished_on": _day(8)}, nobody]
    add_records(store, "erp/work_orders", rows)
    refresh(store, SITE, _day(6))
    assert _line(store, "order_no", "received", "received_on", "status") == ("W1", 50.0, _day(5), "closed")
    counts = refresh(store, SITE, _day(9)).supply
    assert _line(store, "order_no", "received", "received_on", "status") == ("W1", 30.0, None, "open")
    assert counts.unmatched_reversals == 1


def test_what_comes_back_day_by_day_gives_what_a_rebuild_gives(store: Store) -> None:
    _ordered(store)
    days = [_receipt("R1", 3, 60.0), _receipt("R2", 4, 40.0), _receipt("R3", 6, -40.0), _receipt("R4", 8, 40.0)]
    for row in days:
        add_records(store, "erp/receipts", [row])
        refresh(store, SITE, row["received_on"])
    carried = canonical(store, _day(8))
    refresh(store, SITE, _day(8), full=True)
    assert canonical(store, _day(8)) == carried


def test_debts_are_paid_by_what_went_before_the_latest_first() -> None:
    rows = pl.DataFrame({"key": [1] * 6 + [2] * 2, "day": [1, 2, 3, 4, 5, 6, 1, 2], "x": [6.0, 6, -9, 6, 6, -9, -2, 1]})
    found = net_of_returns(rows, ["key"], ["day"], "x")
    assert found["net"].to_list() == [3.0, 0.0, 0.0, 3.0, 0.0, 0.0, 0.0, 1.0]
    assert found.group_by("key").agg(pl.col("owed").first()).sort("key")["owed"].to_list() == [0.0, 2.0]


def test_the_rows_of_the_as_of_day_do_not_depend_on_later_ones(store: Store) -> None:
    _ordered(store)
    add_records(store, "erp/receipts", [_receipt("R1", 5, 100.0), _receipt("R2", 20, -100.0)])
    refresh(store, SITE, _day(10))
    assert _line(store, "received", "status") == (100.0, "closed")
    refresh(store, SITE, DAY)
    assert _line(store, "received", "status") == (0.0, "open")
