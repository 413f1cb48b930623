from datetime import date
from typing import Any

import sqlalchemy as sa

from manufacturing_copilot.store import Store, read_frame
from manufacturing_copilot.store.tables import quality_day, quality_reason, supplier
from manufacturing_copilot.unified.refresh.refresh import refresh
from manufacturing_copilot_tests.factories import DAY, add_records, make_site

SITE = make_site("erp/items", "erp/work_orders", "erp/purchase_lines", "erp/receipts", "lab/inspections")
MONDAY, TUESDAY = date(2026, 3, 2), date(2026, 3, 3)


def _quality(store: Store) -> list[tuple[Any, ...]]:
    names = ("day", "origin", "operation", "inspected", "defective", "scrapped", "reason")
    query = sa.select(*(quality_day.c[name] for name in names), supplier.c.code).outerjoin(supplier)
    with store.read() as connection:
        return read_frame(connection, query).sort("day", "origin", "operation", "code").rows()


def test_inspections_of_a_day_are_added_up_and_the_commonest_reason_is_named(store: Store) -> None:
    add_records(store, "erp/items", [{"item": "A"}])
    rows = [(20.0, 1.0, "dent"), (20.0, 2.0, "scratch"), (10.0, 2.0, "dent"), (10.0, 0.0, "nothing")]
    common = {"item": "A", "inspected_on": MONDAY, "operation": "paint"}
    add_records(
        store,
        "lab/inspections",
        [
            {**common, "inspection": str(n), "inspected": much, "defective": bad, "reason": why}
            for n, (much, bad, why) in enumerate(rows)
        ],
    )
    refresh(store, SITE, DAY)
    assert _quality(store) == [(MONDAY, "inspections", "paint", 60.0, 5.0, 0.0, "dent", None)]
    query = sa.select(quality_reason.c.reason, quality_reason.c.defective, quality_reason.c.origin)
    with store.read() as connection:
        assert read_frame(connection, query).sort("reason").rows() == [
            ("dent", 3.0, "inspections"),
            ("scratch", 2.0, "inspections"),
        ]


def test_scrap_counts_against_everything_the_finished_orders_made(store: Store) -> None:
    add_records(store, "erp/items", [{"item": "A"}])
    rows: list[dict[str, Any]] = [
        {"completed": 8.0, "scrapped": 2.0, "finished_on": MONDAY, "scrap_reason": "drilled too deep"},
        {"completed": 10.0, "scrapped": 0.0, "finished_on": MONDAY},
        {"completed": 5.0, "scrapped": 5.0, "finished_on": None},
        {"completed": 5.0, "scrapped": 5.0, "finished_on": MONDAY, "status": "cancelled"},
    ]
    common = {"item": "A", "quantity": 10.0}
    add_records(store, "erp/work_orders", [{**common, "work_order": str(n), **row} for n, row in enumerate(rows)])
    refresh(store, SITE, DAY)
    assert _quality(store) == [(MONDAY, "work_orders", "", 20.0, 2.0, 2.0, "drilled too deep", None)]


def test_refused_deliveries_count_once_by_receipt_else_by_order_line(store: Store) -> None:
    add_records(store, "erp/items", [{"item": "A"}])
    common = {"line_no": "1", "item": "A", "supplier": "ACME", "ordered_on": MONDAY, "quantity": 10.0}
    add_records(
        store,
        "erp/purchase_lines",
        [
            {**common, "order_no": "P1", "received_quantity": 10.0, "rejected_quantity": 3.0, "received_on": TUESDAY},
            {**common, "order_no": "P2", "received_quantity": 9.0, "rejected_quantity": 1.0, "promised_on": TUESDAY},
            {**common, "order_no": "P3", "received_quantity": 9.0, "received_on": TUESDAY},
        ],
    )
    receipt = {"receipt_no": "R1", "order_no": "P1", "line_no": "1", "item": "A", "received_on": MONDAY}
    add_records(store, "erp/receipts", [{**receipt, "quantity": 10.0, "rejected_quantity": 3.0}])
    refresh(store, SITE, DAY)
    assert _quality(store) == [
        (MONDAY, "receipts", "", 10.0, 3.0, 0.0, "", "ACME"),
        (TUESDAY, "receipts", "", 9.0, 1.0, 0.0, "", "ACME"),
    ]


def test_what_is_found_after_the_day_does_not_count(store: Store) -> None:
    add_records(store, "erp/items", [{"item": "A"}])
    row = {"inspection": "1", "item": "A", "inspected_on": TUESDAY, "inspected": 5.0, "defective": 1.0}
    add_records(store, "lab/inspections", [row])
    refresh(store, SITE, MONDAY)
    assert _quality(store) == []
