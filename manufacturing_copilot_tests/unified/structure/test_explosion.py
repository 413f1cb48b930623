from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manufacturing_copilot.store import Store
from manufacturing_copilot.unified.findings.data_quality import process_problems
from manufacturing_copilot.unified.items.lookup import find_item
from manufacturing_copilot.unified.refresh.refresh import refresh
from manufacturing_copilot.unified.structure.alternates import usage
from manufacturing_copilot.unified.structure.explosion import (
    COMPONENTS,
    explode,
    explode_each,
    item_explosion,
    item_where_used,
    low_level_codes,
    structure,
    upside_down,
)
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


@settings(deadline=None)
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


@settings(deadline=None)
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
        COMPONENTS.check(down)
        up, _ = item_where_used(connection, find_item(connection, "spoke"), DAY)
        COMPONENTS.check(up)
        none, _ = item_explosion(connection, find_item(connection, "rim"), DAY)
        COMPONENTS.check(none)
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
            COMPONENTS.check(down)
            up, turned = item_where_used(connection, find_item(connection, code), DAY)
            COMPONENTS.check(up)
        assert dict(down.select("sku", "quantity").rows()) == expected
        assert cycles == turned == ["hub → wheel → hub"]
        assert up["sku"].to_list() == [{"hub": "wheel", "wheel": "hub"}[code]]


def test_a_component_of_which_all_is_lost_is_a_problem_of_its_parent(store: Store) -> None:
    add_records(store, "erp/items", [{"item": "bike"}, {"item": "paint"}])
    add_records(store, "erp/boms", [{"item": "bike", "component": "paint", "quantity_per": 1.0, "scrap_ratio": 1.0}])
    refresh(store, SITE, DAY)
    with store.read() as connection:
        down, _ = item_explosion(connection, find_item(connection, "bike"), DAY)
        COMPONENTS.check(down)
        problems = process_problems(connection).rows()
    assert down["quantity"].to_list() == [1.0]
    assert problems == [("bike", "a scrap ratio of 1 leaves nothing of the component paint")]


def _with_alternates(store: Store, *lines: dict[str, Any]) -> Store:
    codes = {code for line in lines for code in (line["item"], line["component"])}
    add_records(store, "erp/items", [{"item": code} for code in sorted(codes)])
    add_records(store, "erp/boms", [{"quantity_per": 1.0, **line} for line in lines])
    refresh(store, SITE, DAY)
    return store


def _exploded(store: Store, code: str) -> dict[str, float]:
    with store.read() as connection:
        down, _ = item_explosion(connection, find_item(connection, code), DAY)
        COMPONENTS.check(down)
    return dict(down.select("sku", "quantity").rows())


def _used_in(store: Store, code: str) -> list[tuple[Any, ...]]:
    with store.read() as connection:
        up, _ = item_where_used(connection, find_item(connection, code), DAY)
        COMPONENTS.check(up)
    return up.select("level", "sku", "quantity").rows()


def test_of_alternates_the_one_with_the_lowest_priority_is_taken(store: Store) -> None:
    paint = {"item": "bike", "alternate_group": "paint", "quantity_per": 2.0}
    _with_alternates(
        store,
        {"item": "bike", "component": "frame"},
        {**paint, "component": "red", "priority": 2},
        {**paint, "component": "blue", "priority": 1},
        {**paint, "component": "pink"},
    )
    assert _exploded(store, "bike") == {"frame": 1.0, "blue": 2.0}
    assert _used_in(store, "blue") == [(1, "bike", 2.0)]
    assert _used_in(store, "red") == [(None, "bike", 0.0)]


def test_alternates_share_the_need_by_their_shares(store: Store) -> None:
    paint = {"item": "bike", "alternate_group": "paint", "quantity_per": 2.0}
    _with_alternates(
        store,
        {**paint, "component": "red", "share": 0.75},
        {**paint, "component": "blue", "share": 0.25},
        {**paint, "component": "pink"},
    )
    assert _exploded(store, "bike") == {"red": 1.5, "blue": 0.5}
    assert _used_in(store, "red") == [(1, "bike", 1.5)]


def test_an_alternate_that_ends_leaves_the_need_to_the_others(store: Store) -> None:
    paint = {"item": "bike", "alternate_group": "paint"}
    _with_alternates(
        store,
        {**paint, "component": "red", "priority": 1, "valid_to": date(2026, 3, 30)},
        {**paint, "component": "blue", "priority": 2},
    )
    assert _exploded(store, "bike") == {"blue": 1.0}


def test_an_item_is_exploded_by_the_bill_it_is_made_by(store: Store) -> None:
    _with_alternates(
        store,
        {"item": "bike", "component": "steel", "bill": "1", "bill_priority": 2},
        {"item": "bike", "component": "alloy", "bill": "2", "bill_priority": 1},
        {"item": "alloy", "component": "ore"},
        {"item": "steel", "component": "ore", "quantity_per": 9.0},
        {"item": "shop", "component": "bike"},
    )
    assert _exploded(store, "bike") == {"alloy": 1.0, "ore": 1.0}
    assert _used_in(store, "ore") == [(1, "alloy", 1.0), (1, "steel", 9.0), (2, "bike", 1.0), (3, "shop", 1.0)]
    assert _used_in(store, "steel") == [(None, "bike", 0.0), (None, "shop", 0.0)]


def test_an_item_made_by_several_bills_needs_of_each_its_share(store: Store) -> None:
    _with_alternates(
        store,
        {"item": "bike", "component": "steel", "bill": "1", "bill_share": 0.9},
        {"item": "bike", "component": "alloy", "bill": "2", "bill_share": 0.1},
        {"item": "bike", "component": "bell", "bill": "2", "quantity_per": 2.0},
    )
    assert _exploded(store, "bike") == {"steel": 0.9, "alloy": 0.1, "bell": 0.2}


_SHARES = st.one_of(st.none(), st.sampled_from([0.0, 0.25, 0.5, 1.0]))


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([None, "x", "y"]), _SHARES, _SHARES), max_size=9))
def test_of_alternates_exactly_one_whole_is_taken(
    lines: list[tuple[str, str | None, float | None, float | None]],
) -> None:
    schema = {"id": pl.Int64, "parent": pl.Int64, "child": pl.Int64, "bill": pl.String, "bill_priority": pl.Int64,
              "bill_share": pl.Float64, "alternate_group": pl.String, "priority": pl.Int64, "share": pl.Float64,
              "has_alternative": pl.Boolean}  # fmt: skip
    several = len({bill for bill, *_ in lines}) > 1
    rows = [
        (n, 1, n + 2, bill, None, of_bill, group, None, share, several or group is not None)
        for n, (bill, group, of_bill, share) in enumerate(lines)
    ]
    used = usage(pl.DataFrame(rows, schema=schema, orient="row"))
    assert used.height == len(lines)
    # Each bill counts once for each line that stands alone, and once for each of its groups.
    weights = {bill: 0.0 for bill, *_ in lines}
    for bill in weights:
        here = used.filter(pl.col("bill") == bill)
        alone = here.filter(pl.col("alternate_group").is_null())["usage"].to_list()
        grouped = here.drop_nulls("alternate_group").group_by("alternate_group").agg(pl.col("usage").sum())
        wholes = [*alone, *grouped["usage"].to_list()]
        weights[bill] = wholes[0]
        assert wholes == pytest.approx([wholes[0]] * len(wholes))
    assert not weights or sum(weights.values()) == pytest.approx(1.0)
