from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa

from manufacturing_copilot.progress import is_current, up_to_batch
from manufacturing_copilot.store import Store, read_frame
from manufacturing_copilot.store import tables as t
from manufacturing_copilot.unified.refresh.refresh import RefreshCounts, refresh, refresh_within
from manufacturing_copilot_tests.factories import DAY, add_records, make_site, remove_records

SITE = make_site(
    "erp/items",
    "erp/item_references",
    "erp/suppliers",
    "erp/locations",
    "erp/unit_conversions",
    "erp/boms",
    "erp/routings",
    "erp/purchase_lines",
    "erp/receipts",
    "erp/work_orders",
    "erp/stock_levels",
    "shop/items",
    "shop/order_lines",
    "books/item_costs",
    "lab/inspections",
)
MONDAY = date(2026, 3, 2)
TABLES = (
    t.item, t.external_id, t.item_conflict, t.location, t.supplier, t.unit_conversion, t.process, t.bom_line,
    t.routing_step, t.inventory_snapshot, t.demand_day, t.supply_line, t.quality_day, t.quality_reason, t.unmapped_id,
)  # fmt: skip


def _plant(store: Store) -> None:
    add_records(
        store,
        "erp/items",
        [
            {"item": "1001", "sku": "AB-0100", "name": "Bearing", "unit": "EA", "supplier": "ACME", "unit_cost": 2.0},
            {"item": "1002", "sku": "B2", "name": "Ring", "unit": "EA"},
        ],
    )
    add_records(store, "shop/items", [{"item": "ab0100", "name": "Lager"}])
    add_records(store, "erp/suppliers", [{"supplier": "ACME", "name": "Acme & Sons"}])
    add_records(store, "erp/locations", [{"location": "H4", "name": "Hall 4"}])
    add_records(store, "erp/unit_conversions", [{"item": None, "from_unit": "BOX", "to_unit": "EA", "factor": 12.0}])
    add_records(store, "erp/boms", [{"item": "1001", "component": "1002", "quantity_per": 3.0}])
    add_records(store, "erp/routings", [{"item": "1001", "step": 10, "operation": "press"}])
    line = {"order_no": "P1", "line_no": "1", "item": "1002", "supplier": "ACME", "ordered_on": MONDAY}
    add_records(store, "erp/purchase_lines", [{**line, "quantity": 10.0}])
    receipt = {"receipt_no": "R1", "order_no": "P1", "line_no": "1", "item": "1002", "received_on": MONDAY}
    add_records(store, "erp/receipts", [{**receipt, "quantity": 4.0, "rejected_quantity": 1.0}])
    made = {"work_order": "W1", "item": "1001", "quantity": 5.0, "completed": 4.0, "scrapped": 1.0}
    add_records(store, "erp/work_orders", [{**made, "started_on": MONDAY, "finished_on": MONDAY}])
    add_records(store, "erp/stock_levels", [{"item": "1001", "location": "H4", "day": MONDAY, "on_hand": 0.1}])
    order = {"order_no": "S1", "line_no": "1", "ordered_on": MONDAY, "quantity": 2.0, "unit": "BOX", "price": 0.1}
    add_records(store, "shop/order_lines", [{**order, "item": "AB 0100"}, {**order, "line_no": "2", "item": "nobody"}])
    add_records(store, "books/item_costs", [{"item": "AB-0100", "valid_from": MONDAY, "unit_cost": 0.3}])
    found = {"inspection": "I1", "item": "AB-0100", "inspected_on": MONDAY, "inspected": 9.0, "defective": 1.0}
    add_records(store, "lab/inspections", [found])


def _all(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    with store.read() as connection:
        return {table.name: sorted(read_frame(connection, sa.select(table)).rows(), key=repr) for table in TABLES}


def _touched(counts: RefreshCounts) -> int:
    parts = (counts.demand.rows, counts.supply.rows, counts.quality.rows)
    return sum(part.touched for part in parts) + counts.stock.touched


def test_a_second_refresh_changes_nothing(store: Store) -> None:
    _plant(store)
    first = refresh(store, SITE, DAY)
    before = _all(store)
    second = refresh(store, SITE, DAY)
    assert _touched(first) == 1 + 2 + 3 + 1
    assert _touched(second) == 0
    assert _all(store) == before
    assert all(before[table.name] for table in TABLES)


def test_a_second_refresh_writes_no_row_of_any_table(store: Store) -> None:
    _plant(store)
    refresh(store, SITE, DAY)
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    with store.write() as connection:
        sa.event.listen(connection, "after_cursor_execute", note)
        refresh_within(connection, SITE, DAY)
    changing = [text for text in statements if text.split()[0] in ("INSERT", "UPDATE", "DELETE")]
    # Columns that only touched rows would carry are compared in the database: those statements find nothing to do.
    assert {text.split()[0] for text in changing if "item SET" not in text} <= {"INSERT", "DELETE"}
    assert all("refresh" in text for text in changing if "item SET" not in text)


def test_the_order_in_which_batches_come_makes_no_difference(store: Store) -> None:
    add_records(store, "shop/items", [{"item": "ab0100", "name": "Lager"}])
    for day in (1, 2, 3):
        refresh(store, SITE, MONDAY + timedelta(days=day))
    _plant(store)
    refresh(store, SITE, DAY)
    with store.read() as connection:
        found = read_frame(connection, sa.select(t.item.c.sku, t.item.c.name, t.item.c.unit_cost)).sort("sku").rows()
    assert found == [("AB-0100", "Bearing", 0.3), ("B2", "Ring", None)]


def test_everything_goes_when_every_batch_is_withdrawn(store: Store) -> None:
    _plant(store)
    refresh(store, SITE, DAY)
    for feed in SITE.feeds:
        remove_records(store, feed.feed)
    refresh(store, SITE, DAY)
    left = {name: rows for name, rows in _all(store).items() if rows}
    assert list(left) == ["location"]
    assert [row[1] for row in left["location"]] == ["MAIN"]


def test_a_place_stays_as_long_as_stock_of_an_earlier_day_lay_there(store: Store) -> None:
    add_records(store, "erp/items", [{"item": "A"}])
    add_records(store, "erp/stock_levels", [{"item": "A", "location": "H9", "day": MONDAY, "on_hand": 1.0}])
    refresh(store, SITE, MONDAY)
    remove_records(store, "erp/stock_levels")
    refresh(store, SITE, DAY)
    with store.read() as connection:
        query = sa.select(t.inventory_snapshot.c.day, t.location.c.code).outerjoin(t.location)
        assert connection.execute(query).all() == [(MONDAY, "H9")]


def test_where_two_items_turn_out_to_be_one_its_earlier_stock_is_counted_anew(store: Store) -> None:
    site = make_site("erp/items", "erp/stock_levels", "shop/items", "shop/stock_levels", "erp/item_references")
    add_records(store, "erp/items", [{"item": "A"}])
    add_records(store, "shop/items", [{"item": "X"}])
    add_records(store, "erp/stock_levels", [{"item": "A", "location": "H4", "day": MONDAY, "on_hand": 1.0}])
    add_records(store, "shop/stock_levels", [{"item": "X", "location": "H5", "day": MONDAY, "on_hand": 2.0}])
    refresh(store, site, MONDAY)
    refresh(store, site, DAY)
    add_records(store, "erp/item_references", [{"item": "A", "other_source": "shop", "other_code": "X"}])
    refresh(store, site, DAY)
    with store.read() as connection:
        query = sa.select(t.inventory_snapshot.c.day, t.item.c.sku, t.inventory_snapshot.c.on_hand).join(t.item)
        found = read_frame(connection, query).filter(pl.col("day").is_in([MONDAY, DAY])).sort("day", "on_hand").rows()
    assert found == [(MONDAY, "A", 1.0), (MONDAY, "A", 2.0), (DAY, "A", 1.0), (DAY, "A", 2.0)]


def test_a_stage_is_current_until_a_batch_a_declaration_or_the_day_changes(store: Store) -> None:
    add_records(store, "erp/items", [{"item": "A"}])

    def current(day: date = DAY, site: Any = SITE) -> bool:
        with store.read() as connection:
            return is_current(connection, site, day)

    assert not current()
    refresh(store, SITE, DAY)
    assert current()
    assert not current(day=DAY + timedelta(days=1))
    assert not current(site=make_site("erp/items", zone="Europe/Berlin"))
    newest = add_records(store, "erp/items", [{"item": "B"}])
    assert not current()
    refresh(store, SITE, DAY)
    with store.write() as connection:
        assert up_to_batch(connection) == newest
        connection.execute(sa.update(t.batch).where(t.batch.c.id == newest - 1).values(status="withdrawn"))
    assert not current()


def test_a_refresh_for_another_day_takes_the_place_of_the_one_before(store: Store) -> None:
    add_records(store, "erp/items", [{"item": "A"}])
    refresh(store, SITE, DAY)
    refresh(store, SITE, MONDAY)
    with store.read() as connection:
        assert is_current(connection, SITE, MONDAY)
        assert not is_current(connection, SITE, DAY)


def test_a_refresh_that_fails_leaves_everything_as_it_was(store: Store) -> None:
    _plant(store)
    refresh(store, SITE, DAY)
    before = _all(store)
    add_records(store, "erp/items", [{"item": "1003"}])
    # The items are written before what cannot be used is, for which a column is missing now.
    _rename_column(store, t.unmapped_id, "sentence", "mislaid")
    with pytest.raises(Exception, match="sentence"):
        refresh(store, SITE, DAY)
    _rename_column(store, t.unmapped_id, "mislaid", "sentence")
    assert _all(store) == before
    refresh(store, SITE, DAY)
    assert len(_all(store)["item"]) == len(before["item"]) + 1


def _rename_column(store: Store, table: sa.Table, name: str, other: str) -> None:
    with store.write() as connection:
        connection.execute(sa.text(f"ALTER TABLE {table.name} RENAME COLUMN {name} TO {other}"))


def test_the_views_show_codes_and_plain_numbers(store: Store) -> None:
    _plant(store)
    refresh(store, SITE, DAY)
    with store.read() as connection:
        items = connection.execute(sa.text("select * from v_item where sku = 'AB-0100'")).mappings().one()
        stock = connection.execute(sa.text("select * from v_stock")).mappings().one()
    assert (items["supplier"], float(items["unit_cost"]), items["codes"]) == ("ACME", 0.3, 5)
    assert (stock["sku"], stock["location"], float(stock["on_hand"])) == ("AB-0100", "H4", 0.1)
    assert float(stock["value"]) == pytest.approx(0.03)
