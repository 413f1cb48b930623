from datetime import date, timedelta
from typing import Any

import polars as pl
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manufacturing_copilot.store import Store, read_frame
from manufacturing_copilot.store.tables import inventory_snapshot, item, location, unmapped_id
from manufacturing_copilot.unified.findings.data_quality import NEGATIVE_STOCK, negative_stock, snapshot_gaps
from manufacturing_copilot.unified.refresh.refresh import refresh
from manufacturing_copilot.unified.stock.snapshots import StockFacts, refresh_snapshots, snapshots
from manufacturing_copilot_tests.factories import DAY, add_records, make_site, remove_records

SITE = make_site(
    "erp/items",
    "erp/stock_levels",
    "erp/purchase_lines",
    "erp/receipts",
    "erp/item_costs",
    "erp/unit_conversions",
    "wms/stock_levels",
)
FIRST = date(2026, 3, 1)


def _day(number: int) -> date:
    return FIRST + timedelta(days=number - 1)


def _count(day: int, on_hand: float, **fields: Any) -> dict[str, Any]:
    return {"item": "A", "location": "H4", "bin": None, "day": _day(day), "on_hand": on_hand, **fields}


def _snapshots(store: Store, first: date, last: date) -> pl.DataFrame:
    with store.write() as connection:
        refresh_snapshots(connection, SITE, first, last)
        return _stock(connection).filter(pl.col("day").is_between(first, last))


def _stock(connection: sa.Connection) -> pl.DataFrame:
    table = inventory_snapshot
    columns = [table.c[name] for name in ("on_hand", "reserved", "on_order", "unit_cost", "counted_on")]
    query = sa.select(table.c.day, item.c.sku, location.c.code.label("location"), *columns).join(item).join(location)
    return read_frame(connection, query).sort("day", "sku", "location")


def _begin(store: Store, *counts: dict[str, Any]) -> None:
    add_records(store, "erp/items", [{"item": "A", "unit": "EA", "unit_cost": 2.0}, {"item": "B", "unit": "EA"}])
    add_records(store, "erp/stock_levels", list(counts))


def test_a_count_is_carried_forward_until_the_next_one(store: Store) -> None:
    _begin(store, _count(2, 10.0), _count(4, 7.0))
    refresh(store, SITE, DAY)
    found = _snapshots(store, _day(1), _day(5)).select("day", "on_hand", "counted_on").rows()
    assert found == [
        (_day(2), 10.0, _day(2)),
        (_day(3), 10.0, _day(2)),
        (_day(4), 7.0, _day(4)),
        (_day(5), 7.0, _day(4)),
    ]


def test_bins_are_added_up_and_a_recount_of_one_replaces_that_one_alone(store: Store) -> None:
    _begin(store, _count(1, 5.0, bin="a"), _count(1, 2.5, bin="b"), _count(3, 1.0, bin="b"))
    refresh(store, SITE, DAY)
    assert _snapshots(store, _day(1), _day(3))["on_hand"].to_list() == [7.5, 7.5, 6.0]


def test_a_better_source_is_believed_from_its_first_count_on(store: Store) -> None:
    _begin(store, _count(3, 4.0))
    add_records(store, "wms/stock_levels", [_count(1, 100.0), _count(4, 90.0)])
    refresh(store, SITE, DAY)
    assert _snapshots(store, _day(1), _day(4))["on_hand"].to_list() == [100.0, 100.0, 4.0, 4.0]


def test_stock_without_a_location_lies_in_main(store: Store) -> None:
    _begin(store, _count(1, 4.0, location=None))
    refresh(store, SITE, DAY)
    assert _snapshots(store, _day(1), _day(1))["location"].to_list() == ["MAIN"]


def test_negative_stock_is_kept_and_reported(store: Store) -> None:
    _begin(store, _count(1, -3.0))
    counts = refresh(store, SITE, DAY)
    with store.read() as connection:
        found = NEGATIVE_STOCK.check(negative_stock(connection))
    assert counts.stock.negative == 1
    assert found.select("sku", "location", "on_hand").rows() == [("A", "H4", -3.0)]


def test_a_count_without_a_day_holds_on_the_day_its_file_was_written(store: Store) -> None:
    _begin(store, {**_count(1, 8.0), "day": None})
    refresh(store, SITE, DAY)
    assert _snapshots(store, date(2026, 2, 27), date(2026, 3, 1))["day"].to_list() == [date(2026, 3, 1)]


def test_counts_in_boxes_become_pieces_and_without_a_factor_they_wait(store: Store) -> None:
    _begin(store, _count(1, 2.0, unit="BOX"), _count(1, 2.0, item="B", unit="PAL"))
    add_records(store, "erp/unit_conversions", [{"item": None, "from_unit": "box", "to_unit": "EA", "factor": 12.0}])
    refresh(store, SITE, DAY)
    found = _snapshots(store, _day(1), _day(1)).select("sku", "on_hand").rows()
    with store.read() as connection:
        waiting = connection.execute(sa.select(unmapped_id)).one()
    assert found == [("A", 24.0)]
    assert (waiting.problem, waiting.records, waiting.rows) == ("no unit factor", "stock_levels", 1)
    assert waiting.sentence == "B is counted in PAL, and no factor leads from there to EA; add it to unit_conversions"


def test_an_items_own_factor_beats_the_one_for_all_and_can_be_read_backwards(store: Store) -> None:
    _begin(store, _count(1, 2.0, unit="BOX"), _count(1, 500.0, item="B", unit="G"))
    conversions = [(None, "BOX", "EA", 12.0), ("A", "BOX", "EA", 10.0), ("B", "EA", "G", 250.0)]
    names = ("item", "from_unit", "to_unit", "factor")
    add_records(store, "erp/unit_conversions", [dict(zip(names, row, strict=True)) for row in conversions])
    refresh(store, SITE, DAY)
    assert _snapshots(store, _day(1), _day(1)).select("sku", "on_hand").rows() == [("A", 20.0), ("B", 2.0)]


def test_what_is_on_order_comes_from_open_purchase_lines_until_it_is_received(store: Store) -> None:
    _begin(store, _count(1, 1.0))
    line = {"order_no": "P1", "line_no": "1", "item": "A", "location": "H4", "ordered_on": _day(2), "quantity": 10.0}
    add_records(store, "erp/purchase_lines", [line])
    came = {"order_no": "P1", "line_no": "1", "item": "A"}
    receipts = [(3, 4.0), (5, 6.0)]
    add_records(
        store,
        "erp/receipts",
        [{**came, "receipt_no": f"R{day}", "received_on": _day(day), "quantity": much} for day, much in receipts],
    )
    refresh(store, SITE, DAY)
    assert _snapshots(store, _day(1), _day(5))["on_order"].to_list() == [0.0, 10.0, 6.0, 6.0, 0.0]


def test_a_line_closed_short_is_on_order_until_its_last_receipt_and_a_cancelled_one_never(store: Store) -> None:
    _begin(store, _count(1, 1.0))
    line = {"item": "A", "location": "H4", "ordered_on": _day(1), "quantity": 10.0, "line_no": "1"}
    add_records(
        store,
        "erp/purchase_lines",
        [{**line, "order_no": "P1", "status": "closed"}, {**line, "order_no": "P2", "status": "cancelled"}],
    )
    receipt = {"receipt_no": "R1", "order_no": "P1", "line_no": "1", "item": "A", "received_on": _day(3)}
    add_records(store, "erp/receipts", [{**receipt, "quantity": 7.0}])
    refresh(store, SITE, DAY)
    assert _snapshots(store, _day(1), _day(3))["on_order"].to_list() == [10.0, 10.0, 0.0]


def test_an_order_for_a_place_where_the_item_was_never_counted_counts_where_most_of_it_lies(store: Store) -> None:
    _begin(store, _count(1, 1.0), _count(1, 5.0, location="H5"))
    add_records(store, "erp/purchase_lines", [{"order_no": "P", "item": "A", "ordered_on": _day(1), "quantity": 3.0}])
    refresh(store, SITE, DAY)
    assert _snapshots(store, _day(1), _day(1)).select("location", "on_order").rows() == [("H4", 0.0), ("H5", 3.0)]


def test_what_the_feed_says_is_on_order_is_believed(store: Store) -> None:
    _begin(store, _count(1, 1.0, on_order=99.0, reserved=0.5))
    add_records(store, "erp/purchase_lines", [{"order_no": "P", "item": "A", "ordered_on": _day(1), "quantity": 3.0}])
    refresh(store, SITE, DAY)
    assert _snapshots(store, _day(1), _day(1)).select("reserved", "on_order").rows() == [(0.5, 99.0)]


def test_stock_is_valued_at_the_cost_of_its_day(store: Store) -> None:
    _begin(store, _count(1, 1.0))
    add_records(store, "erp/item_costs", [{"item": "A", "valid_from": _day(2), "unit_cost": 3.0}])
    refresh(store, SITE, DAY)
    assert _snapshots(store, _day(1), _day(2))["unit_cost"].to_list() == [2.0, 3.0]


def test_a_snapshot_that_rests_on_withdrawn_counts_goes(store: Store) -> None:
    _begin(store, _count(1, 1.0))
    refresh(store, SITE, DAY)
    remove_records(store, "erp/stock_levels")
    assert refresh(store, SITE, DAY).stock.rows == 0
    with store.read() as connection:
        assert _stock(connection).is_empty()


def test_days_without_a_snapshot_between_others_are_a_gap(store: Store) -> None:
    _begin(store, _count(1, 1.0))
    refresh(store, SITE, DAY)
    _snapshots(store, _day(1), _day(2))
    with store.read() as connection:
        assert snapshot_gaps(connection).rows() == [(_day(3), DAY - timedelta(days=1), 28)]


def test_a_range_of_days_is_what_day_by_day_gives_in_the_database(store: Store) -> None:
    _begin(
        store,
        _count(1, 5.1, bin="a"),
        _count(2, 2.2, bin="b"),
        _count(4, 0.3, bin="a", on_order=1.0),
        _count(3, 9.0, item="B", location=None),
    )
    add_records(store, "wms/stock_levels", [_count(1, 100.0), _count(2, 7.0, location="H5")])
    add_records(store, "erp/purchase_lines", [{"order_no": "P", "item": "A", "ordered_on": _day(2), "quantity": 3.3}])
    add_records(store, "erp/item_costs", [{"item": "A", "valid_from": _day(3), "unit_cost": 3.0}])
    refresh(store, SITE, DAY)
    at_once = _snapshots(store, _day(1), _day(6))
    with store.write() as connection:
        connection.execute(sa.delete(inventory_snapshot))
    for number in (4, 1, 6, 2, 5, 3):
        _snapshots(store, _day(number), _day(number))
    with store.read() as connection:
        assert _stock(connection).equals(at_once)
    assert at_once.height == 6 + 5 + 4


_millionths = st.integers(-(10**9), 10**9)
_days = st.integers(1, 12)
_places = st.tuples(st.integers(1, 3), st.integers(1, 2))
_moves = st.lists(st.tuples(_places, _days, _millionths), max_size=10)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    counted=st.dictionaries(st.tuples(_places, st.sampled_from(["erp", "wms"]), _days), _millionths, max_size=20),
    ordered=st.dictionaries(st.tuples(_places, _days), st.integers(0, 10**9), max_size=10),
    moved=_moves,
    cut=st.integers(1, 11),
)
def test_a_range_is_the_sum_of_its_parts_whatever_was_counted(
    counted: dict[Any, int], ordered: dict[Any, int], moved: list[Any], cut: int
) -> None:
    movements = [
        {
            "item_id": i,
            "location_id": p,
            "placed": p == 2,
            "source": "erp",
            "priority": 1,
            "day": _day(d),
            "change": much,
        }
        for (i, p), d, much in moved
    ]
    states = [
        {"item_id": i, "location_id": p, "placed": p == 2, "source": s, "priority": 1 + (s == "wms"), "day": _day(d),
         "on_hand": much, "reserved": 0, "on_order": 0, "in_inspection": 0, "given": int(s == "wms" and i == 2),
         "batch_id": 1}
        for ((i, p), s, d), much in counted.items()
    ]  # fmt: skip
    integers = dict.fromkeys(
        ("item_id", "location_id", "priority", "on_hand", "reserved", "on_order", "in_inspection", "given", "batch_id"),
        pl.Int64,
    )
    waiting = [{"item_id": i, "location_id": p, "day": _day(d), "open": much} for ((i, p), d), much in ordered.items()]
    place = {"item_id": pl.Int64, "location_id": pl.Int64, "day": pl.Date}
    facts = StockFacts(
        pl.DataFrame(states, schema={**integers, "placed": pl.Boolean, "source": pl.String, "day": pl.Date}),
        pl.DataFrame(waiting, schema={**place, "open": pl.Int64}),
        pl.DataFrame(schema={"item_id": pl.Int64, "day": pl.Date, "unit_cost": pl.Float64}),
        pl.DataFrame(
            movements,
            schema={**place, "placed": pl.Boolean, "source": pl.String, "priority": pl.Int64, "change": pl.Int64},
        ),
    )
    whole = snapshots(facts, _day(1), _day(12))
    parts = [snapshots(facts, _day(1), _day(cut))] + [snapshots(facts, _day(n), _day(n)) for n in range(cut + 1, 13)]
    assert whole.equals(pl.concat(parts))


def test_stock_in_inspection_stands_apart_and_is_converted_and_valued_like_the_rest(store: Store) -> None:
    add_records(store, "erp/unit_conversions", [{"item": "A", "from_unit": "BOX", "to_unit": "EA", "factor": 12.0}])
    _begin(
        store,
        _count(1, 2.0, bin="1", reserved=1.0, in_inspection=3.0, unit="BOX"),
        _count(1, 5.0, bin="2", unit="EA"),
        _count(2, 2.0, bin="1", unit="BOX"),
    )
    refresh(store, SITE, _day(1))
    columns = "on_hand, reserved, available, in_inspection, value"
    with store.read() as connection:
        assert connection.execute(sa.text(f"SELECT {columns} FROM v_stock")).one() == (29, 12, 17, 36, 130)
        assert connection.execute(sa.text("SELECT on_hand, in_inspection, value FROM v_stock_value")).one() == (
            29, 36, 130,
        )  # fmt: skip
    refresh(store, SITE, _day(2))
    with store.read() as connection:
        assert connection.execute(sa.text(f"SELECT {columns} FROM v_stock")).one() == (29, 0, 29, 0, 58)
