from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from manufacturing_copilot.store import Store
from manufacturing_copilot.unified.refresh.refresh import refresh
from manufacturing_copilot_tests.factories import DAY, add_records, make_site, remove_records

SITE = make_site("erp/items", "erp/suppliers", "erp/purchase_lines", "erp/receipts")
ORDERED = date(2026, 3, 1)
PROMISED = date(2026, 3, 11)


def _line(number: int, **fields: Any) -> dict[str, Any]:
    line = {"order_no": f"P{number}", "line_no": "1", "item": "A", "supplier": "ACME", "ordered_on": ORDERED}
    return {**line, "promised_on": PROMISED, "quantity": 10.0, "price": 2.0, **fields}


def _receipt(number: int, after: int, much: float, rejected: float = 0.0) -> dict[str, Any]:
    came = {"receipt_no": f"R{number}/{after}", "order_no": f"P{number}", "line_no": "1", "item": "A"}
    day = ORDERED + timedelta(days=after)
    return {**came, "received_on": day, "quantity": much, "rejected_quantity": rejected}


def _card(store: Store, lines: list[dict[str, Any]], receipts: list[dict[str, Any]], day: date = DAY) -> dict[str, Any]:
    add_records(store, "erp/items", [{"item": "A"}])
    add_records(store, "erp/suppliers", [{"supplier": "ACME", "name": "Acme & Sons"}])
    add_records(store, "erp/purchase_lines", lines)
    if receipts:
        add_records(store, "erp/receipts", receipts)
    refresh(store, SITE, day)
    with store.read() as connection:
        row = connection.execute(sa.text("select * from v_supplier")).mappings().one()
    texts = ("supplier", "name", "as_of", "active")
    return {name: value if name in texts or value is None else float(value) for name, value in row.items()}


def test_a_line_that_never_came_counts_against_the_supplier(store: Store) -> None:
    card = _card(store, [_line(1), _line(2)], [_receipt(1, 10, 10.0)])
    assert (card["lines_due"], card["never_received"], card["otif"], card["in_full"]) == (2, 1, 0.5, 0.5)


def test_a_split_delivery_that_is_complete_on_the_promised_day_is_on_time_and_in_full(store: Store) -> None:
    card = _card(store, [_line(1)], [_receipt(1, 4, 3.0), _receipt(1, 10, 7.0)])
    assert (card["otif"], card["on_time"], card["in_full"], card["lead_time_p50"]) == (1.0, 1.0, 1.0, 10.0)


def test_a_delivery_whose_rest_came_late_is_in_full_but_not_on_time(store: Store) -> None:
    card = _card(store, [_line(1)], [_receipt(1, 4, 9.0), _receipt(1, 14, 1.0)])
    assert (card["otif"], card["on_time"], card["in_full"], card["promise_slip"]) == (0.0, 0.0, 1.0, 4.0)
    assert card["late_value_days"] == 4 * 10 * 2


def test_a_delivery_that_was_short_is_on_time_but_not_in_full_and_slips_while_it_is_open(store: Store) -> None:
    card = _card(store, [_line(1)], [_receipt(1, 4, 9.0)])
    assert (card["otif"], card["on_time"], card["in_full"], card["promise_slip"]) == (0.0, 1.0, 0.0, 20.0)
    assert card["late_value_days"] == 20 * 1 * 2


def test_lead_times_have_a_median_a_high_and_a_spread(store: Store) -> None:
    card = _card(store, [_line(number) for number in range(1, 6)], [_receipt(n, 2 * n, 10.0) for n in range(1, 6)])
    assert (card["lead_time_p50"], card["lead_time_p90"]) == (6.0, 9.2)
    assert card["lead_time_cv"] == pytest.approx(10**0.5 / 6, abs=1e-6)
    assert (card["otif"], card["promise_slip"], card["late_value_days"]) == (1.0, -4.0, 0.0)


def test_what_was_refused_counts_per_million_received(store: Store) -> None:
    assert _card(store, [_line(1)], [_receipt(1, 4, 10.0, rejected=0.5)])["reject_ppm"] == 50_000


def test_lines_that_are_cancelled_not_due_or_long_past_do_not_count(store: Store) -> None:
    others = [
        _line(2, status="cancelled"),
        _line(3, promised_on=DAY + timedelta(days=1)),
        _line(4, promised_on=DAY - timedelta(days=365)),
        _line(5, promised_on=None),
    ]
    card = _card(store, [_line(1, promised_on=DAY - timedelta(days=364)), *others], [])
    assert (card["lines_due"], card["never_received"]) == (1, 1)


def test_a_scorecard_is_as_known_on_its_day(store: Store) -> None:
    card = _card(store, [_line(1)], [_receipt(1, 14, 10.0)], day=PROMISED)
    assert (card["otif"], card["in_full"], card["promise_slip"], card["as_of"]) == (0.0, 0.0, 0.0, _text(store))


def _text(store: Store) -> Any:
    return PROMISED.isoformat() if store.is_sqlite else PROMISED


def test_a_supplier_to_whom_no_line_is_due_has_no_shares(store: Store) -> None:
    card = _card(store, [_line(1)], [])
    assert card["otif"] == 0.0
    remove_records(store, "erp/purchase_lines")
    refresh(store, SITE, DAY)
    with store.read() as connection:
        row = connection.execute(sa.text("select * from v_supplier")).mappings().one()
    assert (row["supplier"], row["name"], row["otif"], row["lines_due"]) == ("ACME", "Acme & Sons", None, None)
