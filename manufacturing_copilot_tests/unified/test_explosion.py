from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manufacturing_copilot.store import Store
from manufacturing_copilot.unified.explosion import (
    explode,
    explode_each,
    item_explosion,
    item_where_used,
    low_level_codes,
    structure,
    upside_down,
)
from manufacturing_copilot.unified.lookup import find_item
from manufacturing_copilot.unified.refresh import refresh
from manufacturing_copilot.unified.trouble import process_problems
from manufacturing_copilot_tests.factories import DAY, add_records, make_site

SITE = make_site("erp/items", "erp/boms")
LINES = {"parent": pl.Int64, "child": pl.Int64, "quantity_per": pl.Float64, "scrap_ratio": pl.Float64,
         "valid_from": pl.Date, "valid_to": pl.Date}  # fmt: skip


def _lines(*rows: tuple[Any, ...]) -> pl.DataFrame:
    return pl.DataFrame([(*row, *[None] * (6 - len(row))) for row in rows], schema=LINES, orient="row")


def _needed(rows: pl.DataFrame, root: int) -> dict[int, float]:
    return dict(explode_each(structure(rows, DAY)).filter(root=root).select("item_id", "quantity").iter_rows())


def test_a_component_on_two_levels_is_needed_once_with_all_of_its_quantity() -> None:
    rows = _lines((1, 2, 2.0), (1, 4, 1.0), (2, 3, 3.0), (3, 4, 5.0))
    found = explode_each(structure(rows, DAY), pl.DataFrame({"item_id": [1]})).sort("item_id")
    assert found.select("item_id", "level", "quantity").rows() == [(2, 1, 2.0), (3, 2, 6.0), (4, 3, 31.0)]


def test_what_is_lost_in_making_is_needed_too() -> None:
    assert _needed(_lines((1, 2, 9.0, 0.1), (2, 3, 1.0, 0.5)), 1) == {2: 10.0, 3: 20.0}


def test_only_lines_that_hold_on_the_day_count() -> None:
    ended, begun = (1, 2, 1.0, None, None, date(2026, 3, 30)), (1, 3, 1.0, None, DAY, None)
    assert _needed(_lines(ended, begun), 1) == {3: 1.0}


def test_wants_are_added_up_and_what_is_wanted_is_not_what_is_needed() -> None:
    wanted = pl.DataFrame({"item_id": [1, 2, 9], "quantity": [2.0, 10.0, 1.0]})
    found = explode(structure(_lines((1, 2, 3.0), (2, 4, 1.0)), DAY), wanted)
    assert sorted(found.select("item_id", "quantity").rows()) == [(2, 6.0), (4, 16.0)]


def test_a_phantom_is_passed_through_and_not_named() -> None:
    found = structure(_lines((1, 2, 3.0), (2, 4, 2.0)), DAY, phantoms=pl.DataFrame({"item_id": [2]}))
    assert explode_each(found).filter(root=1).select("item_id", "quantity").rows() == [(4, 6.0)]


def test_a_cycle_is_named_and_cut_and_the_rest_is_still_exploded() -> None:
    found = structure(_lines((1, 2, 2.0), (2, 3, 1.0), (3, 2, 1.0), (3, 4, 4.0)), DAY)
    assert found.cycles == [[2, 3]]
    assert sorted(explode_each(found, pl.DataFrame({"item_id": [1]})).select("item_id", "quantity").rows()) == [
        (2, 2.0),
        (3, 2.0),
        (4, 8.0),
    ]


_PARTS = st.lists(
    st.tuples(st.integers(0, 7), st.integers(0, 7), st.integers(1, 4), st.sampled_from([None, 0.0, 0.5])), max_size=24
)


@given(_PARTS)
def test_an_explosion_is_what_walking_every_way_down_adds_up_to(
    parts: list[tuple[int, int, int, float | None]],
) -> None:
    rows = [(min(a, b), max(a, b), float(much), scrap) for a, b, much, scrap in parts if a != b]
    found = explode_each(structure(_lines(*rows), DAY))
    above = explode_each(structure(upside_down(_lines(*rows)), DAY))

    def walk(root: int, times: float, into: dict[int, float]) -> dict[int, float]:
        for parent, child, much, scrap in rows:
            if parent == root:
                amount = times * much / (1 - (scrap or 0))
                into[child] = into.get(child, 0) + amount
                walk(child, amount, into)
        return into

    expected = {(root, child): much for root in range(8) for child, much in walk(root, 1.0, {}).items()}
    assert {
        (root, child): much for root, child, _, much in found.select("root", "item_id", "level", "quantity").rows()
    } == pytest.approx(expected)
    assert {
        (child, root): much for root, child, _, much in above.select("root", "item_id", "level", "quantity").rows()
    } == pytest.approx(expected)


@given(_PARTS)
def test_every_tangle_is_cut_into_something_without_cycles(parts: list[tuple[int, int, int, float | None]]) -> None:
    rows = _lines(*((a, b, float(much), scrap) for a, b, much, scrap in parts))
    found = structure(rows, DAY)
    again = structure(rows.reverse(), DAY)
    assert (low_level_codes(rows.select("parent", "child")) is None) == bool(found.cycles)
    assert found.levels.sort("item_id").equals(again.levels.sort("item_id"))
    assert low_level_codes(found.edges) is not None


@pytest.fixture
def plant(store: Store) -> Store:
    items = [
        {"item": code, "unit": "EA", "phantom": code == "kit"} for code in ("bike", "wheel", "kit", "spoke", "rim")
    ]
    add_records(store, "erp/items", items)
    lines = [("bike", "wheel", 2.0), ("wheel", "kit", 1.0), ("kit", "spoke", 36.0), ("wheel", "rim", 1.0)]
    add_records(store, "erp/boms", [{"item": a, "component": b, "quantity_per": much} for a, b, much in lines])
    refresh(store, SITE, DAY)
    return store


def test_an_item_is_exploded_and_found_where_it_is_used(plant: Store) -> None:
    with plant.read() as connection:
        down, _ = item_explosion(connection, find_item(connection, "bike"), DAY)
        up, _ = item_where_used(connection, find_item(connection, "spoke"), DAY)
        none, _ = item_explosion(connection, find_item(connection, "rim"), DAY)
    assert down.select("level", "sku", "quantity").rows() == [(1, "wheel", 2.0), (2, "rim", 2.0), (3, "spoke", 72.0)]
    assert up.select("level", "sku", "quantity").rows() == [(2, "wheel", 36.0), (3, "bike", 72.0)]
    assert none.is_empty()


def test_an_item_that_is_made_of_itself_is_exploded_up_to_where_it_comes_back(store: Store) -> None:
    add_records(store, "erp/items", [{"item": code} for code in ("hub", "wheel", "bolt", "axle")])
    lines = [("hub", "wheel", 2.0), ("wheel", "hub", 1.0), ("hub", "bolt", 4.0), ("bolt", "axle", 1.0)]
    add_records(store, "erp/boms", [{"item": a, "component": b, "quantity_per": much} for a, b, much in lines])
    refresh(store, SITE, DAY)
    for code, expected in (
        ("hub", {"wheel": 2.0, "bolt": 4.0, "axle": 4.0}),
        ("wheel", {"hub": 1.0, "bolt": 4.0, "axle": 4.0}),
    ):
        with store.read() as connection:
            down, cycles = item_explosion(connection, find_item(connection, code), DAY)
            up, turned = item_where_used(connection, find_item(connection, code), DAY)
        assert dict(down.select("sku", "quantity").rows()) == expected
        assert cycles == turned == ["hub → wheel → hub"]
        assert up["sku"].to_list() == [{"hub": "wheel", "wheel": "hub"}[code]]


def test_a_component_of_which_all_is_lost_is_a_problem_of_its_parent(store: Store) -> None:
    add_records(store, "erp/items", [{"item": "bike"}, {"item": "paint"}])
    add_records(store, "erp/boms", [{"item": "bike", "component": "paint", "quantity_per": 1.0, "scrap_ratio": 1.0}])
    refresh(store, SITE, DAY)
    with store.read() as connection:
        down, _ = item_explosion(connection, find_item(connection, "bike"), DAY)
        problems = process_problems(connection).rows()
    assert down["quantity"].to_list() == [1.0]
    assert problems == [("bike", "a scrap ratio of 1 leaves nothing of the component paint")]
