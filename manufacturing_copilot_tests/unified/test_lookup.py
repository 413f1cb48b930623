from datetime import date

import pytest

from manufacturing_copilot.store import Store
from manufacturing_copilot.unified.lookup import ItemNotFoundError, ItemStory, describe_item
from manufacturing_copilot.unified.refresh import refresh
from manufacturing_copilot_tests.factories import DAY, add_records, make_site

SITE = make_site("erp/items", "erp/boms", "erp/stock_levels", "erp/purchase_lines", "shop/items")
MONDAY = date(2026, 3, 2)


@pytest.fixture
def plant(store: Store) -> Store:
    add_records(
        store,
        "erp/items",
        [
            {"item": "1001", "sku": "AB-0100", "name": "Deep groove bearing", "unit_cost": 2.5},
            {"item": "1002", "sku": "B2", "name": "Inner ring"},
            {"item": "1003", "sku": "GEAR", "name": "Gear with bearing"},
        ],
    )
    add_records(store, "shop/items", [{"item": "ab0100", "name": "Kugellager"}])
    bom = [("AB-0100", "B2", 2.0), ("GEAR", "AB-0100", 1.0)]
    add_records(store, "erp/boms", [{"item": p, "component": c, "quantity_per": much} for p, c, much in bom])
    add_records(store, "erp/stock_levels", [{"item": "1001", "location": "H4", "day": MONDAY, "on_hand": 7.0}])
    line = {"order_no": "P1", "line_no": "1", "item": "1001", "supplier": "ACME", "ordered_on": MONDAY}
    add_records(store, "erp/purchase_lines", [{**line, "quantity": 10.0, "promised_on": DAY}])
    refresh(store, SITE, DAY)
    return store


def _story(store: Store, code: str) -> ItemStory:
    with store.read() as connection:
        return describe_item(connection, code)


@pytest.mark.parametrize("code", ["AB-0100", "1001", "ab0100", " ab 0100 ", "deep groove", "BEARING deep"])
def test_an_item_is_found_by_any_code_or_by_words(plant: Store, code: str) -> None:
    assert _story(plant, code).sku == "AB-0100"


def test_an_item_is_shown_with_all_that_belongs_to_it(plant: Store) -> None:
    story = _story(plant, "1001")
    assert story.codes.select("source", "external_id").rows() == [
        ("erp", "1001"),
        ("erp", "AB-0100"),
        ("shop", "ab0100"),
    ]
    assert story.stock.select("location", "on_hand", "on_order").rows() == [("H4", 7.0, 10.0)]
    assert story.on_order.select("order_no", "supplier", "promised_on", "missing").rows() == [("P1", "ACME", DAY, 10.0)]
    assert story.made_of.select("sku", "quantity_per").rows() == [("B2", 2.0)]
    assert story.goes_into.select("sku", "quantity_per").rows() == [("GEAR", 1.0)]
    assert story.conflicts.select("kept", "other").rows() == [("Deep groove bearing", "Kugellager")]
    assert story.facts["unit_cost"] == 2.5


def test_words_that_fit_several_items_name_them(plant: Store) -> None:
    with pytest.raises(ItemNotFoundError, match="fits several items: AB-0100, GEAR"):
        _story(plant, "bearing")


@pytest.mark.parametrize("code", ["unobtainium", "%", "", "--"])
def test_what_no_item_answers_to_is_said(plant: Store, code: str) -> None:
    with pytest.raises(ItemNotFoundError, match="no item answers to"):
        _story(plant, code)
