from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from manufacturing_copilot.store import Store
from manufacturing_copilot.unified.refresh.refresh import refresh
from manufacturing_copilot.unified.stock.contradictions import totals_beside_places
from manufacturing_copilot_tests.factories import add_records, make_site

AS_OF = date(2026, 3, 31)
SITE = make_site("erp/items", "erp/stock_levels", "wms/stock_levels", "erp/unit_conversions", clock=AS_OF)


def _count(location: str | None, day: int, on_hand: float, **fields: Any) -> dict[str, Any]:
    return {"item": "A", "location": location, "day": date(2026, 3, day), "on_hand": on_hand, **fields}


def _stock(store: Store) -> dict[str, float]:
    """Return what v_stock shows by location; carrying on and a rebuild must show the same."""
    add_records(store, "erp/items", [{"item": "A", "unit": "EA"}])
    refresh(store, SITE, AS_OF)
    query = sa.text("SELECT location, on_hand FROM v_stock ORDER BY location")
    with store.read() as connection:
        carried_on = connection.execute(query).all()
    refresh(store, SITE, AS_OF, full=True)
    with store.read() as connection:
        assert connection.execute(query).all() == carried_on
    return {location: float(on_hand) for location, on_hand in carried_on}


def _told(store: Store) -> list[tuple[Any, ...]]:
    with store.read() as connection:
        rows = totals_beside_places(connection, SITE)
    return [] if rows.is_empty() else rows.select("total", "places", "holds").rows()


def test_an_older_total_is_not_one_more_place(store: Store) -> None:
    add_records(store, "erp/stock_levels", [_count(None, 1, 423_365.0)])
    add_records(store, "erp/stock_levels", [_count("H4", 9, 400_000.0), _count("H5", 9, 36_726.0)])
    assert _stock(store) == {"H4": 400_000.0, "H5": 36_726.0}
    assert _told(store) == []


def test_what_a_newer_total_counts_beyond_the_places_lies_in_main(store: Store) -> None:
    add_records(store, "erp/stock_levels", [_count("H4", 1, 10.0), _count("H5", 2, 5.0), _count(None, 3, 18.0)])
    assert _stock(store) == {"H4": 10.0, "H5": 5.0, "MAIN": 3.0}
    assert _told(store) == []


def test_what_a_newer_total_lacks_is_taken_from_where_most_lies_and_told(store: Store) -> None:
    add_records(store, "erp/stock_levels", [_count("H4", 1, 10.0), _count("H5", 2, 5.0), _count(None, 3, 4.0)])
    assert _stock(store) == {"H4": 0.0, "H5": 4.0}
    assert _told(store) == [(4.0, 15.0, "total")]


def test_of_one_day_and_source_the_places_hold_and_the_difference_is_told(store: Store) -> None:
    add_records(store, "erp/stock_levels", [_count("H4", 3, 10.0), _count("H5", 3, 5.0), _count(None, 3, 16.0)])
    assert _stock(store) == {"H4": 10.0, "H5": 5.0}
    assert _told(store) == [(16.0, 15.0, "places")]


@pytest.mark.parametrize(
    ("total_from", "expected", "holds"),
    [("erp", {"H4": 10.0, "MAIN": 2.0}, "total"), ("wms", {"H4": 10.0}, "places")],
)
def test_of_one_day_and_two_systems_the_better_source_holds(
    store: Store, total_from: str, expected: dict[str, float], holds: str
) -> None:
    places_from = {"erp": "wms", "wms": "erp"}[total_from]
    add_records(store, f"{places_from}/stock_levels", [_count("H4", 3, 10.0)])
    add_records(store, f"{total_from}/stock_levels", [_count(None, 3, 12.0)])
    assert _stock(store) == expected
    assert _told(store) == [(12.0, 10.0, holds)]


def test_totals_are_compared_in_the_base_unit(store: Store) -> None:
    add_records(store, "erp/unit_conversions", [{"item": "A", "from_unit": "BOX", "to_unit": "EA", "factor": 12.0}])
    add_records(store, "erp/stock_levels", [_count("H4", 3, 24.0, unit="EA"), _count(None, 3, 2.0, unit="BOX")])
    assert _stock(store) == {"H4": 24.0}
    assert _told(store) == []


def test_bins_without_a_location_are_places_and_a_place_called_main_is_one_too(store: Store) -> None:
    add_records(store, "erp/stock_levels", [_count(None, 3, 5.0, bin="a"), _count(None, 3, 6.0, bin="b")])
    add_records(store, "erp/stock_levels", [_count("MAIN", 3, 7.0), _count("H4", 3, 2.0), _count(None, 1, 99.0)])
    assert _stock(store) == {"H4": 2.0, "MAIN": 18.0}


def test_an_old_total_still_says_what_is_on_order_where_no_place_does(store: Store) -> None:
    add_records(store, "erp/stock_levels", [_count(None, 1, 9.0, on_order=30.0), _count("H4", 3, 2.0)])
    _stock(store)
    with store.read() as connection:
        rows = connection.execute(sa.text("SELECT location, on_hand, on_order FROM v_stock ORDER BY location")).all()
    assert {row.location: (float(row.on_hand), float(row.on_order)) for row in rows} == {
        "H4": (2.0, 0.0),
        "MAIN": (0.0, 30.0),
    }


def test_past_days_show_what_held_then(store: Store) -> None:
    add_records(store, "erp/items", [{"item": "A", "unit": "EA"}])
    add_records(store, "erp/stock_levels", [_count(None, 1, 50.0), _count("H4", 3, 20.0), _count(None, 5, 25.0)])
    for day in range(1, 6):
        refresh(store, SITE, date(2026, 3, 1) + timedelta(days=day - 1))
    query = sa.text("SELECT day, sum(on_hand) AS there FROM v_stock_day GROUP BY day ORDER BY day")
    with store.read() as connection:
        assert [float(row.there) for row in connection.execute(query)] == [50, 50, 20, 20, 25]
