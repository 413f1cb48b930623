from datetime import date
from typing import Any

import pytest
import sqlalchemy as sa

from manufacturing_copilot.store import Store
from manufacturing_copilot.unified.refresh.past_day import refresh_snapshots_of
from manufacturing_copilot.unified.refresh.refresh import refresh
from manufacturing_copilot_tests.factories import add_records, make_site

AS_OF = date(2026, 3, 31)
SITE = make_site(
    "erp/items", "erp/stock_movements", "wms/stock_levels", "erp/unit_conversions", "erp/order_lines", clock=AS_OF
)


def _day(number: int) -> date:
    return date(2026, 3, number)


def _count(day: int, on_hand: float, location: str | None = "H4") -> dict[str, Any]:
    return {"item": "A", "location": location, "day": _day(day), "on_hand": on_hand}


def _moved(day: int, movement: str, much: float, location: str | None = "H4", **fields: Any) -> dict[str, Any]:
    return {
        "item": "A", "location": location, "moved_on": _day(day), "movement": movement, "quantity": much, **fields
    }  # fmt: skip


def _by_day(store: Store, *days: int) -> list[dict[str, float]]:
    """Return the stock by location of some days, which are made one by one; a backfill must give the same."""
    query = sa.text("SELECT day, location, on_hand FROM v_stock_day ORDER BY day, location")
    add_records(store, "erp/items", [{"item": "A", "unit": "EA"}])
    for day in days:
        refresh(store, SITE, _day(day))
    with store.read() as connection:
        rows = connection.execute(query).all()
    refresh_snapshots_of(store, SITE, _day(min(days)), AS_OF)
    with store.read() as connection:
        assert set(rows) <= set(connection.execute(query).all())
    by_day: dict[Any, dict[str, float]] = {}
    for day, location, on_hand in rows:
        by_day.setdefault(str(day), {})[location] = float(on_hand)
    return list(by_day.values())


def test_a_count_is_rolled_forward_by_what_moved_after_it(store: Store) -> None:
    add_records(store, "wms/stock_levels", [_count(11, 10.0)])
    add_records(store, "erp/stock_movements", [_moved(20, "sale", 4.0), _moved(22, "purchase", 1.5)])
    assert _by_day(store, 11, 19, 20, 22, 25) == [{"H4": 10.0}, {"H4": 10.0}, {"H4": 6.0}, {"H4": 7.5}, {"H4": 7.5}]


def test_a_count_holds_at_the_end_of_its_day_and_a_newer_one_wins(store: Store) -> None:
    add_records(store, "wms/stock_levels", [_count(11, 10.0), _count(20, 5.0)])
    add_records(store, "erp/stock_movements", [_moved(d, "sale", 1.0) for d in (9, 11, 12, 20, 21)])
    assert _by_day(store, 11, 12, 20, 21) == [{"H4": 10.0}, {"H4": 9.0}, {"H4": 5.0}, {"H4": 4.0}]
    refresh(store, SITE, AS_OF)
    with store.read() as connection:
        lost = connection.execute(sa.text("SELECT to_day, difference FROM v_stock_difference")).one()
    assert (str(lost.to_day), float(lost.difference)) == ("2026-03-20", -3.0)


def test_shipments_and_receipts_of_orders_are_not_taken_off_again(store: Store) -> None:
    line = {"order_no": "S1", "line_no": "1", "item": "A", "location": "H4", "ordered_on": _day(20), "quantity": 4.0}
    add_records(store, "erp/order_lines", [{**line, "shipped_on": _day(20), "status": "shipped"}])
    add_records(store, "wms/stock_levels", [_count(11, 10.0)])
    add_records(store, "erp/stock_movements", [_moved(20, "sale", 4.0, document="S1")])
    assert _by_day(store, 25) == [{"H4": 6.0}]


def test_each_place_gets_what_moved_there_and_a_total_what_moved_anywhere(store: Store) -> None:
    add_records(store, "wms/stock_levels", [_count(11, 10.0), _count(11, 3.0, "H5")])
    moves = [_moved(12, "transfer", -2.0), _moved(12, "transfer", 2.0, "H5"), _moved(13, "sale", 1.0, "H9")]
    add_records(store, "erp/stock_movements", moves)
    assert _by_day(store, 13) == [{"H4": 8.0, "H5": 5.0}]


def test_a_newer_total_is_rolled_forward_by_what_moved_anywhere(store: Store) -> None:
    add_records(store, "wms/stock_levels", [_count(11, 10.0), _count(11, 3.0, "H5"), _count(12, 13.0, None)])
    add_records(store, "erp/stock_movements", [_moved(12, "sale", 1.0), _moved(13, "sale", 1.0, "H9")])
    assert _by_day(store, 12, 13) == [{"H4": 9.0, "H5": 3.0, "MAIN": 1.0}, {"H4": 9.0, "H5": 3.0}]


@pytest.mark.parametrize(
    ("much", "expected"),
    [
        (-4.0, {"H4": 6.0, "H5": 3.0}),
        (-12.0, {"H4": 0.0, "H5": 1.0}),
        (-15.0, {"H4": -2.0, "H5": 0.0}),
        (2.0, {"H4": 12.0, "H5": 3.0}),
    ],
)
def test_what_moves_without_a_place_is_taken_from_where_most_lies(
    store: Store, much: float, expected: dict[str, float]
) -> None:
    add_records(store, "wms/stock_levels", [_count(10, 3.0, "H5"), _count(11, 10.0)])
    add_records(store, "erp/stock_movements", [_moved(20, "adjustment", much, None), _moved(11, "sale", 1.0, None)])
    assert _by_day(store, 25) == [expected]


def test_a_movement_that_comes_late_counts_from_its_own_day(store: Store) -> None:
    add_records(store, "wms/stock_levels", [_count(11, 10.0)])
    assert _by_day(store, 12, 25) == [{"H4": 10.0}, {"H4": 10.0}]
    add_records(store, "erp/stock_movements", [_moved(20, "sale", 4.0)])
    refresh_snapshots_of(store, SITE, _day(12), _day(25))
    query = sa.text("SELECT day, on_hand FROM v_stock_day WHERE day IN ('2026-03-19', '2026-03-20') ORDER BY day")
    with store.read() as connection:
        assert [float(row.on_hand) for row in connection.execute(query)] == [10.0, 6.0]
