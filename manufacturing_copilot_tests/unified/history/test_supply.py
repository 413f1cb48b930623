from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa

from manufacturing_copilot.store import Store, read_frame
from manufacturing_copilot.store.tables import item, supplier, supply_line
from manufacturing_copilot.unified.findings.data_quality import orphans
from manufacturing_copilot.unified.refresh.refresh import refresh
from manufacturing_copilot_tests.factories import DAY, add_records, make_site

SITE = make_site("erp/items", "erp/purchase_orders", "erp/purchase_lines", "erp/receipts", "erp/work_orders")
FIRST = date(2026, 3, 1)


def _day(number: int) -> date:
    return FIRST + timedelta(days=number - 1)


def _ordered(store: Store, **line: Any) -> None:
    if "item" not in line:
        add_records(store, "erp/items", [{"item": "A", "unit": "EA"}])
    common = {"order_no": "P1", "line_no": "1", "item": "A", "ordered_on": _day(1), "quantity": 10.0}
    add_records(store, "erp/purchase_lines", [{**common, **line}])


def _received(store: Store, *receipts: tuple[int, float], **fields: Any) -> None:
    rows = [
        {"receipt_no": f"R{n}", "order_no": "P1", "line_no": "1", "item": "A", "received_on": _day(day), **fields}
        for n, (day, _) in enumerate(receipts)
    ]
    add_records(
        store, "erp/receipts", [{**row, "quantity": much} for row, (_, much) in zip(rows, receipts, strict=True)]
    )


def _lines(store: Store, *names: str) -> list[tuple[Any, ...]]:
    columns = {
        **{column.name: column for column in supply_line.c},
        "sku": item.c.sku,
        "supplier": supplier.c.code.label("supplier"),
    }
    joined = supply_line.join(item, item.c.id == supply_line.c.item_id).outerjoin(
        supplier, supplier.c.id == supply_line.c.supplier_id
    )
    wanted = [columns[name] for name in ("order_no", "line_no", *names)]
    query = sa.select(*wanted).select_from(joined)
    with store.read() as connection:
        return read_frame(connection, query).sort("order_no", "line_no").drop("order_no", "line_no").rows()


def test_a_split_delivery_is_received_on_the_day_it_is_complete(store: Store) -> None:
    _ordered(store)
    _received(store, (5, 4.0), (3, 2.0), (9, 4.0), (12, 1.0))
    refresh(store, SITE, DAY)
    assert _lines(store, "received_on", "last_received_on", "ordered", "received", "status") == [
        (_day(9), _day(12), 10.0, 11.0, "closed")
    ]


def test_an_incomplete_delivery_is_open_and_has_no_day_of_receipt(store: Store) -> None:
    _ordered(store)
    _received(store, (3, 2.0), rejected_quantity=1.0)
    refresh(store, SITE, DAY)
    assert _lines(store, "received_on", "last_received_on", "received", "rejected", "status") == [
        (None, _day(3), 2.0, 1.0, "open")
    ]


def test_a_line_that_is_closed_today_was_open_before_its_receipt(store: Store) -> None:
    _ordered(store, status="closed")
    _received(store, (5, 10.0))
    refresh(store, SITE, _day(4))
    assert _lines(store, "received", "received_on", "status") == [(0.0, None, "open")]
    refresh(store, SITE, _day(5))
    assert _lines(store, "received", "received_on", "status") == [(10.0, _day(5), "closed")]


def test_without_receipts_the_lines_own_figures_hold(store: Store) -> None:
    _ordered(store, received_quantity=10.0, received_on=_day(4), rejected_quantity=2.0)
    refresh(store, SITE, DAY)
    assert _lines(store, "received", "rejected", "received_on", "last_received_on", "status") == [
        (10.0, 2.0, _day(4), _day(4), "closed")
    ]
    refresh(store, SITE, _day(3))
    assert _lines(store, "received", "rejected", "received_on", "status") == [(0.0, 0.0, None, "open")]


def test_a_line_may_say_what_came_and_not_when(store: Store) -> None:
    _ordered(store, received_quantity=3.0, rejected_quantity=1.0, status="closed")
    refresh(store, SITE, DAY)
    assert _lines(store, "received", "rejected", "received_on", "status") == [(3.0, 1.0, None, "closed")]


def test_the_head_of_the_order_says_what_the_line_does_not(store: Store) -> None:
    _ordered(store, ordered_on=None)
    head = {"order_no": "P1", "supplier": "ACME", "ordered_on": _day(2), "status": "cancelled"}
    add_records(store, "erp/purchase_orders", [head])
    refresh(store, SITE, DAY)
    assert _lines(store, "supplier", "ordered_on", "status") == [("ACME", _day(2), "cancelled")]


def test_an_order_placed_after_the_day_is_not_known_yet(store: Store) -> None:
    _ordered(store, ordered_on=_day(9))
    refresh(store, SITE, _day(8))
    assert _lines(store, "sku") == []


def test_receipts_without_a_line_number_find_their_line_by_item(store: Store) -> None:
    _ordered(store, line_no=None)
    _received(store, (3, 10.0), line_no=None)
    refresh(store, SITE, DAY)
    assert _lines(store, "received_on", "status") == [(_day(3), "closed")]


def test_receipts_that_another_system_books_find_their_line_by_the_order_number(store: Store) -> None:
    _ordered(store)
    receipt = {"receipt_no": "R", "order_no": "P1", "line_no": "1", "item": "A", "received_on": _day(3)}
    add_records(store, "wms/receipts", [{**receipt, "quantity": 10.0}])
    refresh(store, make_site("erp/items", "erp/purchase_lines", "wms/receipts"), DAY)
    assert _lines(store, "received_on") == [(_day(3),)]


def test_the_same_order_number_in_two_systems_is_two_orders(store: Store) -> None:
    _ordered(store)
    line = {"order_no": "P1", "line_no": "1", "item": "A", "ordered_on": _day(1), "quantity": 7.0}
    add_records(store, "abroad/purchase_lines", [line])
    refresh(store, make_site("erp/items", "erp/purchase_lines", "abroad/purchase_lines"), DAY)
    assert sorted(_lines(store, "ordered")) == [(7.0,), (10.0,)]


def test_a_receipt_without_an_order_line_is_an_orphan(store: Store) -> None:
    _ordered(store)
    _received(store, (3, 10.0), order_no="P9")
    counts = refresh(store, SITE, DAY)
    with store.read() as connection:
        found = orphans(connection, SITE).drop("example")
    assert counts.supply.orphan_receipts == 1
    assert found.rows() == [
        ("purchase line without a supplier", "P1", 1),
        ("receipt without an order line", "P9", 1),
    ]


def test_work_orders_are_supply_that_the_plant_makes_itself(store: Store) -> None:
    add_records(store, "erp/items", [{"item": "A"}])
    common = {"item": "A", "quantity": 10.0, "started_on": _day(1), "due_on": _day(5)}
    add_records(
        store,
        "erp/work_orders",
        [
            {**common, "work_order": "W1", "completed": 8.0, "scrapped": 2.0, "finished_on": _day(6)},
            {**common, "work_order": "W2"},
            {**common, "work_order": "W3", "started_on": _day(31)},
        ],
    )
    refresh(store, SITE, _day(30))
    names = ("made", "ordered_on", "promised_on", "received_on", "ordered", "received", "rejected", "status")
    assert _lines(store, *names) == [
        (True, _day(1), _day(5), _day(6), 10.0, 8.0, 2.0, "closed"),
        (True, _day(1), _day(5), None, 10.0, 0.0, 0.0, "open"),
    ]
