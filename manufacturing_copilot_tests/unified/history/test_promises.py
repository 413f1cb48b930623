"""The first promise is kept, whatever the system writes over it."""

from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from manufacturing_copilot.store import Store, read_frame
from manufacturing_copilot.store.tables import supply_line
from manufacturing_copilot.unified.refresh.refresh import refresh
from manufacturing_copilot_tests.factories import DAY, add_records, make_site
from manufacturing_copilot_tests.unified.dump import canonical

FEEDS = ("erp/items", "erp/suppliers", "erp/purchase_lines", "erp/receipts", "erp/unit_conversions")
SITE = make_site(*FEEDS)
BY_LATEST = make_site(*FEEDS, supply={"promise": "latest"})
ORDERED = date(2026, 3, 1)


def _day(number: int) -> date:
    return ORDERED + timedelta(days=number)


def _say(store: Store, **fields: Any) -> None:
    line = {"order_no": "P1", "line_no": "1", "item": "A", "supplier": "ACME", "ordered_on": ORDERED, "quantity": 10.0}
    add_records(store, "erp/purchase_lines", [{**line, **fields}])


def _begin(store: Store) -> None:
    add_records(store, "erp/items", [{"item": "A", "unit": "EA"}])
    add_records(store, "erp/suppliers", [{"supplier": "ACME"}])


def _promise(store: Store) -> list[tuple[Any, ...]]:
    table = supply_line
    with store.read() as connection:
        query = sa.select(table.c.first_promised_on, table.c.promised_on, table.c.redatings).order_by(table.c.line_no)
        return read_frame(connection, query).rows()


def _score(store: Store) -> dict[str, Any]:
    with store.read() as connection:
        row = connection.execute(sa.text("select * from v_supplier")).mappings().one()
    return {name: float(row[name]) for name in ("otif", "promise_slip", "lines_redated", "redatings")}


def test_a_supplier_whose_promises_are_written_over_is_not_punctual(store: Store) -> None:
    _begin(store)
    for promised in (_day(10), _day(14), _day(20)):
        _say(store, promised_on=promised)
        refresh(store, SITE, DAY)
    add_records(store, "erp/receipts", [{"receipt_no": "R1", "order_no": "P1", "line_no": "1", "item": "A",
                                         "received_on": _day(20), "quantity": 10.0}])  # fmt: skip
    refresh(store, SITE, DAY)
    assert _promise(store) == [(_day(10), _day(20), 2)]
    assert _score(store) == {"otif": 0.0, "promise_slip": 10.0, "lines_redated": 1.0, "redatings": 2.0}
    refresh(store, BY_LATEST, DAY)
    assert _score(store) == {"otif": 1.0, "promise_slip": 0.0, "lines_redated": 1.0, "redatings": 2.0}


def test_a_first_promise_that_the_system_keeps_itself_holds(store: Store) -> None:
    _begin(store)
    _say(store, promised_on=_day(20), first_promised_on=_day(12))
    refresh(store, SITE, DAY)
    assert _promise(store) == [(_day(12), _day(20), 1)]


@pytest.mark.parametrize(
    ("again", "first", "redatings"),
    [
        ({"quantity": 20.0, "promised_on": 10}, 10, 0),
        ({"quantity": 4.0, "promised_on": 18}, 10, 0),
        ({"price": 2.0, "promised_on": 10}, 10, 0),
        ({"promised_on": 8}, 10, 1),
        ({"promised_on": None}, 10, 0),
    ],
    ids=["another quantity", "a split line", "another price", "an earlier day", "a promise that is gone"],
)
def test_only_another_day_for_the_same_quantity_is_a_redating(
    store: Store, again: dict[str, Any], first: int, redatings: int
) -> None:
    _begin(store)
    _say(store, promised_on=_day(10))
    refresh(store, SITE, DAY)
    promised = again["promised_on"]
    _say(store, **{**again, "promised_on": None if promised is None else _day(promised)})
    refresh(store, SITE, DAY)
    assert [(row[0], row[2]) for row in _promise(store)] == [(_day(first), redatings)]


def test_a_promise_that_comes_after_the_order_is_the_first(store: Store) -> None:
    _begin(store)
    for promised in (None, _day(9), _day(9), _day(11)):
        _say(store, promised_on=promised)
    refresh(store, SITE, DAY)
    assert _promise(store) == [(_day(9), _day(11), 1)]


def test_units_do_not_make_a_redating_another_quantity(store: Store) -> None:
    _begin(store)
    add_records(store, "erp/unit_conversions", [{"item": "A", "from_unit": "BOX", "to_unit": "EA", "factor": 12.0}])
    for promised in (_day(9), _day(11)):
        _say(store, promised_on=promised, unit="BOX")
    refresh(store, SITE, DAY)
    assert _promise(store) == [(_day(9), _day(11), 1)]


def test_promises_that_are_carried_on_are_those_of_a_rebuild(store: Store) -> None:
    _begin(store)
    for promised in (_day(10), _day(14), _day(10), _day(20)):
        _say(store, promised_on=promised)
        refresh(store, SITE, DAY)
    carried = canonical(store)
    assert _promise(store) == [(_day(10), _day(20), 3)]
    refresh(store, SITE, DAY, full=True)
    assert canonical(store) == carried
