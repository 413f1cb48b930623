from datetime import date
from typing import Any

import sqlalchemy as sa

from manufacturing_copilot.site import Site
from manufacturing_copilot.store import Store, read_frame
from manufacturing_copilot.store.tables import demand_day, item, location, unmapped_id
from manufacturing_copilot.unified.refresh.refresh import refresh
from manufacturing_copilot_tests.factories import DAY, add_records, make_site

SITE = make_site("erp/items", "erp/unit_conversions", "shop/order_lines")
MONDAY, TUESDAY = date(2026, 3, 2), date(2026, 3, 3)


def _demand(store: Store) -> list[tuple[Any, ...]]:
    table = demand_day
    query = (
        sa.select(table.c.day, item.c.sku, location.c.code, table.c.quantity, table.c.value, table.c.order_lines)
        .join(item)
        .join(location)
    )
    with store.read() as connection:
        return read_frame(connection, query).sort("day", "sku", "code").rows()


def _sold(store: Store, *lines: dict[str, Any]) -> None:
    common = {"line_no": "1", "item": "A", "ordered_on": MONDAY, "quantity": 1.0}
    add_records(store, "shop/order_lines", [{**common, "order_no": f"S{n}", **line} for n, line in enumerate(lines)])


def _items(store: Store, *extra: dict[str, Any]) -> None:
    add_records(store, "erp/items", [{"item": "A", "unit": "EA"}, *extra])


def test_demand_falls_on_the_day_the_customer_wants_it_else_on_the_day_of_the_order(store: Store) -> None:
    _items(store)
    _sold(store, {"quantity": 3.0, "requested_on": TUESDAY}, {"quantity": 2.0}, {"quantity": 4.0, "location": "H4"})
    refresh(store, SITE, DAY)
    assert _demand(store) == [
        (MONDAY, "A", "H4", 4.0, None, 1),
        (MONDAY, "A", "MAIN", 2.0, None, 1),
        (TUESDAY, "A", "MAIN", 3.0, None, 1),
    ]


def test_returns_are_netted_on_their_day_however_they_are_written(store: Store) -> None:
    _items(store)
    _sold(
        store,
        {"quantity": 10.0, "price": 2.0},
        {"quantity": -1.0, "price": 2.0},
        {"quantity": 2.0, "price": 2.0, "status": "returned"},
        {"quantity": -3.0, "price": 2.0, "status": "returned", "requested_on": TUESDAY},
    )
    refresh(store, SITE, DAY)
    assert _demand(store) == [(MONDAY, "A", "MAIN", 7.0, 14.0, 3), (TUESDAY, "A", "MAIN", -3.0, -6.0, 1)]


def test_cancelled_lines_leave_no_trace_and_services_are_no_demand(store: Store) -> None:
    _items(store, {"item": "FREIGHT", "service": True})
    _sold(store, {"quantity": 9999.0, "status": "cancelled"}, {"item": "FREIGHT"}, {"quantity": 1.0, "status": "open"})
    refresh(store, SITE, DAY)
    assert _demand(store) == [(MONDAY, "A", "MAIN", 1.0, None, 1)]


def test_boxes_become_pieces_and_the_price_of_a_box_that_of_its_pieces(store: Store) -> None:
    _items(store)
    add_records(store, "erp/unit_conversions", [{"item": "A", "from_unit": "BOX", "to_unit": "EA", "factor": 12.0}])
    _sold(store, {"quantity": 2.0, "unit": "box", "price": 24.0}, {"quantity": 1.0, "unit": "PAL"})
    counts = refresh(store, SITE, DAY)
    with store.read() as connection:
        waiting = connection.execute(sa.select(unmapped_id.c.external_id, unmapped_id.c.sentence)).one()
    assert _demand(store) == [(MONDAY, "A", "MAIN", 24.0, 48.0, 1)]
    assert counts.without_factor["order_lines"] == 1
    assert waiting.sentence.startswith("A is counted in PAL, and no factor leads from there to EA")


def test_what_happens_after_the_day_does_not_count(store: Store) -> None:
    _items(store)
    _sold(store, {"quantity": 1.0}, {"quantity": 2.0, "ordered_on": TUESDAY}, {"quantity": 4.0, "requested_on": DAY})
    refresh(store, SITE, MONDAY)
    assert _demand(store) == [(MONDAY, "A", "MAIN", 1.0, None, 1)]


def test_a_site_may_take_its_demand_from_movements_whatever_their_sign(store: Store) -> None:
    _items(store)
    rows = [("sale", -5.0), ("sale", 2.0), ("sales_return", 1.0), ("sales_return", -1.0), ("purchase", 50.0)]
    add_records(
        store,
        "erp/stock_movements",
        [
            {"reference": str(n), "item": "A", "moved_on": MONDAY, "quantity": much, "movement": kind, "price": 10.0}
            for n, (kind, much) in enumerate(rows)
        ],
    )
    refresh(store, make_site("erp/items", "erp/stock_movements", demand={"records": "stock_movements"}), DAY)
    assert _demand(store) == [(MONDAY, "A", "MAIN", 5.0, 50.0, 4)]


def test_the_items_that_make_most_of_the_years_value_are_a(store: Store) -> None:
    worth = {"big": 800.0, "middle": 150.0, "small": 50.0, "old": 9000.0}
    extra = [{"item": name, "unit_cost": 2.0} for name in worth]
    _items(store, *extra, {"item": "FREIGHT", "service": True})
    _sold(
        store,
        *(
            {"item": name, "quantity": value / 2, "ordered_on": date(2024, 1, 1) if name == "old" else MONDAY}
            for name, value in worth.items()
        ),
    )
    refresh(store, SITE, DAY)
    with store.read() as connection:
        classes = dict(connection.execute(sa.select(item.c.sku, item.c.abc)).all())
    assert classes == {"big": "A", "middle": "B", "small": "C", "old": "C", "A": "C", "FREIGHT": None}


def test_the_site_declares_on_which_day_an_order_line_is_wanted(store: Store) -> None:
    _items(store)
    _sold(store, {"requested_on": TUESDAY, "shipped_on": DAY}, {"quantity": 2.0})
    for day, wanted in (
        ("ordered", [(MONDAY, 3.0)]),
        ("shipped", [(MONDAY, 2.0), (DAY, 1.0)]),
        ("requested", [(MONDAY, 2.0), (TUESDAY, 1.0)]),
    ):
        refresh(store, _ruled(day=day), DAY)
        assert [(row[0], row[3]) for row in _demand(store)] == wanted


def test_the_site_declares_whether_returns_and_cancellations_are_demand(store: Store) -> None:
    _items(store)
    _sold(
        store,
        {"quantity": 10.0},
        {"quantity": -1.0},
        {"quantity": 2.0, "status": "returned"},
        {"quantity": 500.0, "status": "cancelled"},
    )
    for rules, wanted in (
        ({}, 7.0),
        ({"returns": "leave_out"}, 10.0),
        ({"cancelled": "count"}, 507.0),
    ):
        refresh(store, _ruled(**rules), DAY)
        assert [row[3] for row in _demand(store)] == [wanted]


def test_the_site_declares_whether_what_nobody_pays_for_is_demand(store: Store) -> None:
    _items(store)
    _sold(
        store,
        {"quantity": 1.0, "price": 5.0},
        {"quantity": 10.0, "price": 5.0, "free_of_charge": True},
        {"quantity": 100.0, "price": 0.0},
        {"quantity": 1000.0, "price": 0.0, "free_of_charge": False},
        {"quantity": 10000.0},
    )
    for rules, wanted in (({}, 11111.0), ({"free_of_charge": "leave_out"}, 11001.0)):
        refresh(store, _ruled(**rules), DAY)
        assert [row[3] for row in _demand(store)] == [wanted]


def test_returns_can_be_left_out_of_demand_from_movements_too(store: Store) -> None:
    _items(store)
    moved = {"item": "A", "moved_on": MONDAY, "movement": "sale", "quantity": -5.0}
    back = {**moved, "movement": "sales_return", "quantity": 2.0}
    add_records(store, "erp/stock_movements", [{**moved, "reference": "1"}, {**back, "reference": "2"}])
    for returns, wanted in (("subtract", 3.0), ("leave_out", 5.0)):
        rules = {"records": "stock_movements", "returns": returns}
        refresh(store, make_site("erp/items", "erp/stock_movements", demand=rules), DAY)
        assert [row[3] for row in _demand(store)] == [wanted]


def _ruled(**rules: str) -> Site:
    return make_site("erp/items", "erp/unit_conversions", "shop/order_lines", demand=rules)


def test_a_chain_of_conversions_leads_to_the_base_unit(store: Store) -> None:
    _items(store, {"item": "B", "unit": "EA"})
    common = [("PALLET", "BOX", 40.0), ("BOX", "CARTON", 6.0), ("CARTON", "EA", 12.0)]
    conversions = [{"item": None, "from_unit": a, "to_unit": b, "factor": much} for a, b, much in common]
    own = {"item": "A", "from_unit": "EA", "to_unit": "CARTON", "factor": 0.1}
    add_records(store, "erp/unit_conversions", [*conversions, own])
    _sold(store, {"unit": "box"}, {"unit": "PALLET", "item": "B"})
    refresh(store, SITE, DAY)
    assert [(row[1], row[3]) for row in _demand(store)] == [("A", 60.0), ("B", 2880.0)]


def test_a_chain_that_ends_nowhere_leaves_the_line_waiting_with_a_sentence(store: Store) -> None:
    _items(store)
    add_records(store, "erp/unit_conversions", [{"item": None, "from_unit": "BOX", "to_unit": "CARTON", "factor": 6.0}])
    _sold(store, {"unit": "BOX"})
    refresh(store, SITE, DAY)
    with store.read() as connection:
        assert connection.scalars(sa.select(unmapped_id.c.sentence)).all() == [
            "A is counted in BOX, and no factor leads from there to EA; add it to unit_conversions"
        ]
    assert _demand(store) == []


def test_a_quotation_is_no_demand(store: Store) -> None:
    _items(store)
    _sold(store, {"quantity": 3.0, "status": "draft"}, {"quantity": 2.0, "status": "open"})
    refresh(store, SITE, DAY)
    assert _demand(store) == [(MONDAY, "A", "MAIN", 2.0, None, 1)]


def test_what_was_shipped_counts_where_the_site_says_so(store: Store) -> None:
    _items(store)
    _sold(store, {"quantity": 9.0, "shipped_quantity": 4.0}, {"quantity": 5.0, "shipped_quantity": 0.0}, {})
    refresh(store, SITE, DAY)
    assert _demand(store) == [(MONDAY, "A", "MAIN", 15.0, None, 3)]
    shipped = make_site("erp/items", "erp/unit_conversions", "shop/order_lines", demand={"quantity": "shipped"})
    refresh(store, shipped, DAY)
    assert _demand(store) == [(MONDAY, "A", "MAIN", 5.0, None, 3)]


def test_a_sale_that_is_taken_back_by_name_is_taken_off(store: Store) -> None:
    site = make_site("erp/items", "wms/stock_movements", demand={"records": "stock_movements"})
    _items(store)
    sale = {"item": "A", "moved_on": MONDAY, "movement": "sale"}
    rows = [{**sale, "reference": "1", "quantity": -5.0}, {**sale, "reference": "2", "quantity": 2.0, "reverses": "1"}]
    add_records(store, "wms/stock_movements", rows)
    refresh(store, site, DAY)
    assert _demand(store) == [(MONDAY, "A", "MAIN", 3.0, None, 2)]
