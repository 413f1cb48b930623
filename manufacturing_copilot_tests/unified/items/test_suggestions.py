from typing import Any

import pytest

from manufacturing_copilot.store import Store
from manufacturing_copilot.unified.items.suggestions import DUPLICATES, suggest_duplicates
from manufacturing_copilot.unified.refresh.refresh import refresh
from manufacturing_copilot_tests.factories import DAY, add_records, make_site

SITE = make_site("erp/items", "shop/items")


def _pairs(store: Store, erp: list[dict[str, Any]], shop: list[dict[str, Any]]) -> dict[tuple[str, str], float]:
    add_records(store, "erp/items", erp)
    add_records(store, "shop/items", shop)
    refresh(store, SITE, DAY)
    with store.read() as connection:
        found = DUPLICATES.check(suggest_duplicates(connection, least=50))
    return {tuple(sorted((sku, other))): score for sku, other, score in found.select("sku", "other", "score").rows()}  # type: ignore[misc]


def test_names_in_another_order_are_alike_and_other_names_are_not_compared(store: Store) -> None:
    erp = [{"item": "1001", "name": "Deep groove bearing 6204"}, {"item": "1002", "name": "Gasket"}]
    shop = [{"item": "kl-9", "name": "bearing 6204 deep groove"}, {"item": "x", "name": "Lamp"}]
    assert _pairs(store, erp, shop) == {("1001", "kl-9"): 100.0}


@pytest.mark.parametrize(
    ("name", "other", "expected"),
    [("Bolt M8x20 zinc", "Bolt zinc M8x20", 100.0), ("Bolt M8x20 zinc", "Bolt M8x25 zinc", 56.0)],
)
def test_names_with_other_numbers_are_other_things(store: Store, name: str, other: str, expected: float) -> None:
    assert _pairs(store, [{"item": "A", "name": name}], [{"item": "b", "name": other}]) == {("A", "b"): expected}


def test_what_one_system_tells_apart_scores_lower(store: Store) -> None:
    erp = [{"item": "A", "name": "Steel shaft"}, {"item": "B", "name": "Shaft steel"}]
    assert _pairs(store, erp, []) == {("A", "B"): 90.0}


def test_a_barcode_that_fitted_two_items_is_a_suggestion(store: Store) -> None:
    erp = [{"item": "A", "barcode": "4006381333931"}, {"item": "B", "barcode": "4006381333931"}]
    found = _pairs(store, erp, [{"item": "c", "barcode": "4006381333931"}])
    assert found == {("A", "B"): 89.1, ("A", "c"): 99.0, ("B", "c"): 99.0}


def test_a_code_with_one_letter_more_is_a_suggestion(store: Store) -> None:
    assert _pairs(store, [{"item": "AB-10042"}], [{"item": "ABX-10042"}]) == {("AB-10042", "ABX-10042"): 88.7}


def test_nothing_is_suggested_where_nothing_is_known(store: Store) -> None:
    assert _pairs(store, [], []) == {}
