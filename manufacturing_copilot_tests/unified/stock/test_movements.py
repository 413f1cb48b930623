from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from manufacturing_copilot.store import Store, read_frame
from manufacturing_copilot.store.tables import inventory_snapshot, item, location, unmapped_id
from manufacturing_copilot.unified.findings.data_quality import STOCK_DIFFERENCES, stock_differences
from manufacturing_copilot.unified.refresh.refresh import refresh
from manufacturing_copilot.unified.stock.movements import differences
from manufacturing_copilot.unified.stock.snapshots import refresh_snapshots
from manufacturing_copilot_tests.factories import DAY, add_records, make_site

MOVED = make_site("erp/items", "erp/stock_movements", "erp/unit_conversions", "erp/item_costs")
BOTH = make_site("erp/items", "erp/stock_movements", "wms/stock_levels", "erp/unit_conversions")
FIRST = DAY - timedelta(days=9)


def _day(number: int) -> date:
    return FIRST + timedelta(days=number)


def _moved(day: int, movement: str, much: float, **fields: Any) -> dict[str, Any]:
    return {"item": "A", "location": "H4", "moved_on": _day(day), "movement": movement, "quantity": much, **fields}


def _items(store: Store) -> None:
    add_records(store, "erp/items", [{"item": "A", "unit": "EA", "unit_cost": 2.0}, {"item": "B", "unit": "EA"}])


def _stock(store: Store) -> list[tuple[Any, ...]]:
    table = inventory_snapshot
    query = sa.select(table.c.day, item.c.sku, location.c.code.label("location"), table.c.on_hand, table.c.counted_on)
    with store.write() as connection:
        refresh_snapshots(connection, MOVED, _day(0), _day(3))
        found = read_frame(connection, query.select_from(table.join(item).join(location)))
    return found.filter(pl.col("day") <= _day(3)).sort("day", "sku").select("day", "on_hand", "counted_on").rows()


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_without_counts_stock_is_what_came_less_what_left_whatever_the_sign(store: Store, sign: float) -> None:
    _items(store)
    rows = [_moved(0, "purchase", 10.0 * sign), _moved(1, "sale", 3.0 * sign), _moved(1, "scrap", 0.5 * sign),
            _moved(3, "adjustment", -1.0), _moved(3, "production", 4.0 * sign)]  # fmt: skip
    add_records(store, "erp/stock_movements", rows)
    refresh(store, MOVED, DAY)
    assert _stock(store) == [
        (_day(0), 10.0, _day(0)),
        (_day(1), 6.5, _day(1)),
        (_day(2), 6.5, _day(1)),
        (_day(3), 9.5, _day(3)),
    ]


def test_movements_whose_unit_has_no_factor_wait_and_are_named(store: Store) -> None:
    _items(store)
    add_records(store, "erp/stock_movements", [_moved(0, "purchase", 1.0), _moved(0, "purchase", 2.0, unit="PAL")])
    for _ in range(2):
        refresh(store, MOVED, DAY)
    with store.read() as connection:
        waiting = connection.execute(sa.select(unmapped_id)).one()
    assert (waiting.records, waiting.problem, waiting.rows) == ("stock_movements", "no unit factor", 1)
    assert _stock(store)[0][1] == 1.0


def test_where_somebody_counts_the_counts_hold_and_what_movements_do_not_explain_is_listed(store: Store) -> None:
    _items(store)
    rows = [
        _moved(1, "purchase", 10.0),
        _moved(4, "sale", 3.0),
        _moved(8, "sale", 1.0),
        _moved(8, "sale", 9.0, item="B"),
    ]
    add_records(store, "erp/stock_movements", rows)
    counts = [(0, "A", 5.0), (3, "A", 15.0), (6, "A", 11.5), (9, "A", 10.5), (0, "B", 1.0)]
    add_records(
        store,
        "wms/stock_levels",
        [{"item": code, "location": "H4", "day": _day(day), "on_hand": much} for day, code, much in counts],
    )
    first = refresh(store, BOTH, DAY)
    with store.read() as connection:
        found = STOCK_DIFFERENCES.check(stock_differences(connection))
        view = connection.execute(sa.text("select * from v_stock_difference")).mappings().one()
    names = ("sku", "location", "from_day", "to_day", "counted_before", "moved", "counted", "difference", "value")
    assert found.select(names).rows() == [("A", "H4", _day(3), _day(6), 15.0, -3.0, 11.5, -0.5, -1.0)]
    assert (view["sku"], float(view["difference"]), float(view["value"])) == ("A", -0.5, -1.0)
    assert (first.differences.rows, refresh(store, BOTH, DAY).differences.touched) == (1, 0)
    assert refresh(store, BOTH, _day(5)).differences.rows == 0


def test_movements_that_name_no_place_are_held_against_all_places_together(store: Store) -> None:
    _items(store)
    add_records(store, "erp/stock_movements", [_moved(4, "sale", 3.0, location=None)])
    counts = [(0, "H4", 5.0), (0, "H5", 5.0), (5, "H4", 4.0), (5, "H5", 3.0), (9, "H5", 2.0)]
    add_records(
        store,
        "wms/stock_levels",
        [{"item": "A", "location": place, "day": _day(day), "on_hand": much} for day, place, much in counts],
    )
    refresh(store, BOTH, DAY)
    with store.read() as connection:
        found = (
            STOCK_DIFFERENCES.check(stock_differences(connection))
            .select("location", "to_day", "counted", "difference")
            .rows()
        )
    assert found == [(None, _day(9), 6.0, -1.0)]


_MOVES = st.lists(st.tuples(st.integers(1, 2), st.integers(1, 2), st.integers(0, 9), st.integers(-9, 9)), max_size=20)


@settings(deadline=None)
@given(moves=_MOVES, counted=st.lists(st.integers(0, 9), min_size=2, max_size=5, unique=True), lost=st.integers(-3, 3))
def test_counts_that_follow_the_movements_show_no_difference_and_a_loss_shows_once(
    moves: list[tuple[int, int, int, int]], counted: list[int], lost: int
) -> None:
    schema = {"item_id": pl.Int64, "location_id": pl.Int64, "day": pl.Date, "change": pl.Int64}
    moved = pl.DataFrame(
        [(1, 1, _day(0), 0), *((i, p, _day(d), m) for i, p, d, m in moves)], schema=schema, orient="row"
    )
    moved = moved.with_columns(located=pl.lit(True), source=pl.lit("erp"), priority=pl.lit(1))
    after = sorted(counted)[-1]

    def held(i: int, p: int, day: int) -> int:
        loss = lost if (i, p) == (1, 1) and day == after else 0
        return sum(much for item_id, place, d, much in moves if (item_id, place) == (i, p) and d <= day) - loss

    rows = [(i, p, _day(d), held(i, p, d)) for i in (1, 2) for p in (1, 2) for d in counted]
    levels = pl.DataFrame(
        rows, schema={"item_id": pl.Int64, "location_id": pl.Int64, "day": pl.Date, "on_hand": pl.Int64}, orient="row"
    )
    levels = levels.with_columns(source=pl.lit("wms"), priority=pl.lit(1))
    found = differences(levels, moved, FIRST - timedelta(days=1), DAY)
    expected = [(1, 1, _day(after), -lost)] if lost else []
    assert found.select("item_id", "location_id", "to_day", "difference").rows() == expected


def test_stock_is_ranked_by_what_it_is_worth_in_the_books_beside_what_others_believe(store: Store) -> None:
    site = make_site("books/item_costs", "erp/items", "erp/stock_levels")
    add_records(store, "erp/items", [{"item": "A", "unit_cost": 2.0}, {"item": "B", "unit_cost": 9.0}, {"item": "C"}])
    add_records(store, "books/item_costs", [{"item": "A", "valid_from": _day(0), "unit_cost": 3.0}])
    counts = [("A", "H4", 10.0), ("A", "H5", 2.0), ("B", "H4", 1.0), ("C", "H4", 7.0)]
    add_records(
        store,
        "erp/stock_levels",
        [{"item": code, "location": place, "day": _day(0), "on_hand": much} for code, place, much in counts],
    )
    refresh(store, site, DAY)
    with store.read() as connection:
        rows = connection.execute(sa.text("select * from v_stock_value order by rank")).mappings().all()
    found = [(row["rank"], row["sku"], float(row["on_hand"]), row["value"] and float(row["value"])) for row in rows]
    assert found == [(1, "A", 12.0, 36.0), (2, "B", 1.0, 9.0), (3, "C", 7.0, None)]
    assert (rows[0]["other_source"], float(rows[0]["other_cost"]), float(rows[0]["difference"])) == ("erp", 2.0, -12.0)
    assert float(rows[0]["share"]) == pytest.approx(0.8)
    assert rows[1]["difference"] is None


def test_what_was_bought_made_or_used_can_be_taken_back(store: Store) -> None:
    _items(store)
    moves = [
        _moved(0, "purchase", 100.0), _moved(0, "purchase", -40.0), _moved(0, "production", 10.0),
        _moved(0, "production", 4.0, reverses="3"), _moved(0, "purchase_return", 20.0),
        _moved(0, "consumption", -30.0), _moved(0, "consumption", 5.0, reverses="6"),
    ]  # fmt: skip
    rows = [{**row, "reference": str(number)} for number, row in enumerate(moves, start=1)]
    add_records(store, "erp/stock_movements", rows)
    refresh(store, MOVED, _day(3))
    assert {row[1] for row in _stock(store)} == {100.0 - 40 + 10 - 4 - 20 - 30 + 5}


def test_a_source_that_writes_all_it_buys_below_zero_still_buys(store: Store) -> None:
    _items(store)
    add_records(store, "erp/stock_movements", [{**_moved(0, "purchase", -7.0), "reference": "1"}])
    refresh(store, MOVED, _day(3))
    assert {row[1] for row in _stock(store)} == {7.0}
