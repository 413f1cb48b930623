from datetime import date

import polars as pl
import pytest
import sqlalchemy as sa

from manufacturing_copilot.store import Store, insert_frame, read_frame
from manufacturing_copilot.store.tables import external_id, item, item_conflict, series, unmapped_id
from manufacturing_copilot.unified.codes import normal
from manufacturing_copilot.unified.items.suggestions import suggest_duplicates
from manufacturing_copilot.unified.refresh.refresh import refresh
from manufacturing_copilot_tests.factories import DAY, add_records, make_site, remove_records

FEEDS = ("erp/items", "erp/item_references", "shop/items", "books/items", "shop/order_lines", "books/item_costs")


def _codes(store: Store) -> dict[tuple[str, str], tuple[str, str]]:
    query = sa.select(external_id.c.source, external_id.c.external_id, item.c.sku, external_id.c.matched_by).join(item)
    with store.read() as connection:
        rows = connection.execute(query).all()
    return {(row.source, row.external_id): (row.sku, row.matched_by) for row in rows}


def _ids(store: Store) -> dict[str, int]:
    with store.read() as connection:
        return {row.sku: row.id for row in connection.execute(sa.select(item.c.id, item.c.sku))}


def _order(item_code: str, number: int = 1) -> dict[str, object]:
    return {
        "order_no": f"S{number}",
        "line_no": "1",
        "item": item_code,
        "ordered_on": date(2026, 3, 2),
        "quantity": 4.0,
    }


@pytest.mark.parametrize(
    ("one", "other"), [("ab-0100", "AB 0100"), ("000123", "123"), (" x.y/z ", "XYZ"), ("0", "000"), ("Ä-1", "ä1")]
)
def test_codes_that_differ_in_case_padding_and_separators_are_the_same(one: str, other: str) -> None:
    frame = pl.DataFrame({"one": [one], "other": [other]})
    assert frame.select(normal("one")).item() == frame.select(normal("other")).item()


@pytest.mark.parametrize(("one", "other"), [("A10", "A1"), ("100", "1"), ("A1", "1A")])
def test_codes_that_differ_in_letters_and_digits_differ(one: str, other: str) -> None:
    frame = pl.DataFrame({"one": [one], "other": [other]})
    assert frame.select(normal("one")).item() != frame.select(normal("other")).item()


def test_an_item_known_by_three_codes_is_one_item(store: Store) -> None:
    add_records(store, "erp/items", [{"item": "1001", "sku": "AB-0100", "barcode": "4006381333931"}])
    add_records(store, "shop/items", [{"item": "bearing-blue", "barcode": "04006381333931"}])
    add_records(store, "books/items", [{"item": "K77"}])
    add_records(store, "erp/item_references", [{"item": "1001", "other_source": "books", "other_code": "K77"}])
    refresh(store, make_site(*FEEDS), DAY)
    assert _codes(store) == {
        ("erp", "1001"): ("AB-0100", "sku"),
        ("shop", "bearing-blue"): ("AB-0100", "barcode"),
        ("books", "K77"): ("AB-0100", "item_references"),
    }


def test_a_code_seen_only_in_transactions_finds_its_item_in_any_spelling(store: Store) -> None:
    add_records(store, "erp/items", [{"item": "AB-0100", "barcode": "401", "manufacturer_part": "SKF 6204"}])
    add_records(
        store,
        "shop/order_lines",
        [_order(code, number) for number, code in enumerate(["ab0100", "0401", "skf-6204", "nobody"])],
    )
    refresh(store, make_site(*FEEDS), DAY)
    assert _codes(store) == {
        ("erp", "AB-0100"): ("AB-0100", "sku"),
        ("shop", "ab0100"): ("AB-0100", "sku"),
        ("shop", "0401"): ("AB-0100", "barcode"),
        ("shop", "skf-6204"): ("AB-0100", "manufacturer_part"),
    }


def test_a_code_without_an_item_waits_counted_with_the_newest_line_it_stands_on(store: Store) -> None:
    add_records(store, "erp/items", [{"item": "A"}])
    add_records(store, "shop/order_lines", [_order("A", 1), _order("B", 2), _order("B", 3)])
    refresh(store, make_site(*FEEDS), DAY)
    with store.read() as connection:
        row = connection.execute(sa.select(unmapped_id)).one()
    assert (row.source, row.records, row.external_id, row.rows, row.example_line) == ("shop", "order_lines", "B", 2, 4)
    assert "no item answers to B of shop" in row.sentence


def test_a_key_that_would_fit_two_items_fits_none(store: Store) -> None:
    add_records(store, "erp/items", [{"item": "A-1", "barcode": "77"}, {"item": "A1", "barcode": "77"}])
    add_records(store, "shop/order_lines", [_order("a 1", 1), _order("77", 2), _order("A-1", 3)])
    refresh(store, make_site(*FEEDS), DAY)
    assert set(_ids(store)) == {"A-1", "A1"}
    assert [code for code in _codes(store) if code[0] == "shop"] == [("shop", "A-1")]


def test_two_codes_of_one_source_are_two_items_though_they_share_a_barcode_with_a_third(store: Store) -> None:
    add_records(store, "erp/items", [{"item": "A", "barcode": "77"}])
    add_records(store, "shop/items", [{"item": "A", "barcode": None}, {"item": "A-box", "barcode": "77"}])
    refresh(store, make_site(*FEEDS), DAY)
    assert _codes(store)[("shop", "A-box")] == ("A-box", "sku")


def test_the_first_source_is_believed_and_the_others_are_conflicts(store: Store) -> None:
    add_records(store, "erp/items", [{"item": "A", "name": "Bearing", "lead_time_days": None, "unit": "EA"}])
    add_records(store, "shop/items", [{"item": "a", "name": "Lager", "lead_time_days": 5, "unit": "ea "}])
    add_records(store, "books/items", [{"item": "A", "name": "BEARING", "lead_time_days": 9}])
    refresh(store, make_site(*FEEDS), DAY)
    with store.read() as connection:
        row = connection.execute(sa.select(item)).one()
        found = {tuple(row) for row in connection.execute(sa.select(*list(item_conflict.c)[1:]))}
    assert (row.sku, row.name, row.lead_time_days, row.base_unit) == ("A", "Bearing", 5, "EA")
    assert found == {("name", "erp", "Bearing", "shop", "Lager"), ("lead_time_days", "shop", "5", "books", "9")}


def test_priority_decides_whatever_order_the_batches_came_in(store: Store) -> None:
    add_records(store, "shop/items", [{"item": "A", "name": "Lager"}])
    add_records(store, "erp/items", [{"item": "A", "name": "Bearing"}])
    refresh(store, make_site(*FEEDS), DAY)
    with store.read() as connection:
        assert connection.scalar(sa.select(item.c.name)) == "Bearing"
    refresh(store, make_site(*FEEDS, priorities={"erp": 2, "shop": 1, "books": 3}), DAY)
    with store.read() as connection:
        assert connection.scalar(sa.select(item.c.name)) == "Lager"


def test_items_keep_their_ids_when_a_source_with_a_better_name_for_them_arrives(store: Store) -> None:
    add_records(store, "shop/items", [{"item": "a1", "barcode": "77"}, {"item": "b2"}])
    site = make_site(*FEEDS)
    refresh(store, site, DAY)
    before = _ids(store)
    add_records(store, "erp/items", [{"item": "9", "sku": "B-2"}, {"item": "5", "sku": "NEW", "barcode": "77"}])
    refresh(store, site, DAY)
    assert _ids(store) == {"B-2": before["b2"], "NEW": before["a1"]}


def test_two_items_may_swap_their_skus(store: Store) -> None:
    site = make_site(*FEEDS)
    add_records(store, "erp/items", [{"item": "1", "sku": "A"}, {"item": "2", "sku": "B"}])
    refresh(store, site, DAY)
    before = _ids(store)
    add_records(store, "erp/items", [{"item": "1", "sku": "B"}, {"item": "2", "sku": "A"}])
    refresh(store, site, DAY)
    assert _ids(store) == {"A": before["B"], "B": before["A"]}


def test_an_item_that_no_source_knows_any_more_goes_unless_a_forecast_speaks_of_it(store: Store) -> None:
    site = make_site(*FEEDS)
    add_records(store, "erp/items", [{"item": "A"}])
    add_records(store, "shop/items", [{"item": "B"}, {"item": "C"}])
    refresh(store, site, DAY)
    spoken_of = {"target": "demand", "frequency": "weekly", "item_id": _ids(store)["C"]}
    with store.write() as connection:
        insert_frame(connection, series, pl.DataFrame([{**spoken_of, "name": "C", "demand_class": "smooth"}]))
    remove_records(store, "shop/items")
    counts = refresh(store, site, DAY)
    with store.read() as connection:
        held = dict(connection.execute(sa.select(item.c.sku, item.c.active)).all())
    assert counts.gone_items == 2
    assert held == {"A": True, "C": False}


def test_the_newest_cost_of_the_books_that_holds_on_the_day_wins(store: Store) -> None:
    add_records(store, "erp/items", [{"item": "A", "unit_cost": 1.0}, {"item": "B", "unit_cost": 2.0}])
    costs = [(date(2026, 1, 1), 1.5), (date(2026, 3, 1), 1.75), (date(2026, 9, 1), 9.0)]
    add_records(store, "books/item_costs", [{"item": "A", "valid_from": day, "unit_cost": cost} for day, cost in costs])
    refresh(store, make_site(*FEEDS), DAY)
    with store.read() as connection:
        found = read_frame(connection, sa.select(item.c.sku, item.c.unit_cost)).sort("sku").rows()
        conflict = connection.execute(sa.select(item_conflict)).one()
    assert found == [("A", 1.75), ("B", 2.0)]
    assert (conflict.kept_source, conflict.kept, conflict.other_source, conflict.other) == (
        "books",
        "1.75",
        "erp",
        "1.0",
    )


def test_a_site_without_any_feed_of_items_takes_them_from_the_codes_it_sees(store: Store) -> None:
    add_records(store, "shop/order_lines", [_order("ab-1", 1), _order("B", 2)])
    add_records(store, "wms/stock_levels", [{"item": "AB1", "day": date(2026, 3, 1), "on_hand": 3.0}])
    refresh(store, make_site("wms/stock_levels", "shop/order_lines"), DAY)
    assert _codes(store) == {
        ("wms", "AB1"): ("AB1", "sku"),
        ("shop", "ab-1"): ("AB1", "sku"),
        ("shop", "B"): ("B", "sku"),
    }


@pytest.mark.parametrize("barcode", ["0", "N/A", "4.00638E+12", "4006381333932"])
def test_a_barcode_that_tells_no_item_joins_none(store: Store, barcode: str) -> None:
    add_records(store, "erp/items", [{"item": "BOLT", "barcode": barcode}])
    add_records(store, "shop/items", [{"item": "PAINT", "barcode": barcode}])
    refresh(store, make_site(*FEEDS), DAY)
    assert set(_ids(store)) == {"BOLT", "PAINT"}


@pytest.mark.parametrize(
    ("name", "unit", "joined"),
    [
        ("Wall paint white", "L", False),
        ("Wall paint white", "Stk", True),  # pieces, by another name
        ("Hexagon bolts M8", "L", True),
        (None, "L", True),
    ],
)
def test_a_barcode_joins_no_items_whose_names_and_units_differ(
    store: Store, name: str | None, unit: str, joined: bool
) -> None:
    add_records(store, "erp/items", [{"item": "B1", "barcode": "4006381333931", "name": "Hex bolt M8", "unit": "PCS"}])
    add_records(store, "shop/items", [{"item": "P1", "barcode": "4006381333931", "name": name, "unit": unit}])
    refresh(store, make_site(*FEEDS), DAY)
    assert set(_ids(store)) == ({"B1"} if joined else {"B1", "P1"})
    with store.read() as connection:
        pairs = suggest_duplicates(connection).select("sku", "other", "why").rows()
    assert pairs == ([] if joined else [("B1", "P1", "the same barcode")])


def test_cross_references_to_nothing_join_nothing(store: Store) -> None:
    add_records(store, "erp/items", [{"item": "A", "sku": "n/a"}, {"item": "B", "sku": "-"}])
    add_records(store, "shop/items", [{"item": "C", "sku": "n/a"}])
    links = [{"item": code, "other_source": "shop", "other_code": "TBD"} for code in "A"]
    add_records(store, "erp/item_references", links)
    refresh(store, make_site(*FEEDS), DAY)
    assert set(_ids(store)) == {"A", "B", "C"}
