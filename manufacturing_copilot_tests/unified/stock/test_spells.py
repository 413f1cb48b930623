"""When there was stock and when there was none, as far as somebody knows."""

from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa

from manufacturing_copilot.store import Store
from manufacturing_copilot.unified.refresh.refresh import refresh
from manufacturing_copilot_tests.factories import DAY, add_records, make_site
from manufacturing_copilot_tests.unified.dump import canonical

SITE = make_site("erp/items", "wms/stock_levels")
FIRST = DAY - timedelta(days=29)


def _day(number: int) -> date:
    return FIRST + timedelta(days=number)


def _counted(store: Store, *counts: tuple[int, float], item: str = "A") -> None:
    rows = [{"item": item, "location": "H4", "day": _day(day), "on_hand": much} for day, much in counts]
    add_records(store, "wms/stock_levels", rows)


def _spells(store: Store) -> list[tuple[Any, ...]]:
    text = "select from_day, to_day, in_stock from v_stock_spell where sku = 'A' order by from_day"
    with store.read() as connection:
        rows = connection.execute(sa.text(text).columns(from_day=sa.Date, to_day=sa.Date, in_stock=sa.Boolean)).all()
    return [((row[0] - FIRST).days, (row[1] - FIRST).days, row[2]) for row in rows]


def test_days_on_which_stock_goes_and_comes_are_days_with_stock(store: Store) -> None:
    add_records(store, "erp/items", [{"item": "A"}])
    _counted(store, (0, 5.0), (3, 0.0), (4, 0.0), (8, 6.0), (9, 6.0))
    refresh(store, SITE, DAY)
    assert _spells(store) == [(0, 3, True), (4, 7, False), (8, 9, True)]


def test_stock_is_known_as_long_as_its_source_counts_anything(store: Store) -> None:
    add_records(store, "erp/items", [{"item": "A"}, {"item": "B"}])
    _counted(store, (0, 5.0), (3, 0.0))
    refresh(store, SITE, DAY)
    assert _spells(store) == [(0, 3, True)]
    _counted(store, (20, 1.0), item="B")
    refresh(store, SITE, DAY)
    assert _spells(store) == [(0, 3, True), (4, 20, False)]


def test_stock_below_zero_is_not_an_empty_shelf(store: Store) -> None:
    add_records(store, "erp/items", [{"item": "A"}])
    _counted(store, (0, 5.0), (3, -2.0), (9, -2.0))
    refresh(store, SITE, DAY)
    assert _spells(store) == [(0, 9, True)]


def test_spells_that_are_carried_on_are_those_of_a_rebuild(store: Store) -> None:
    add_records(store, "erp/items", [{"item": "A"}])
    for day, much in ((0, 5.0), (3, 0.0), (8, 0.0), (9, 4.0)):
        _counted(store, (day, much))
        refresh(store, SITE, _day(day))
    carried = canonical(store, _day(9))
    assert _spells(store) == [(0, 3, True), (4, 8, False), (9, 9, True)]
    refresh(store, SITE, _day(9), full=True)
    assert canonical(store, _day(9)) == carried
