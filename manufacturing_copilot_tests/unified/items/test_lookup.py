from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from manufacturing_copilot.store import Store
from manufacturing_copilot.store.tables import (
    QUANTILES,
    alert,
    demand_day,
    forecast,
    inventory_snapshot,
    item,
    model,
    model_run,
    model_version,
    process,
    quality_day,
    series,
    supply_line,
)
from manufacturing_copilot.unified.defs.assets import shown_rows
from manufacturing_copilot.unified.findings.data_quality import CONFLICTS, conflicts
from manufacturing_copilot.unified.items.lookup import ItemNotFoundError, ItemStory, describe_item, find_item
from manufacturing_copilot.unified.refresh.refresh import refresh
from manufacturing_copilot_tests.factories import DAY, MOMENT, add_records, make_site

SITE = make_site(
    "erp/items", "erp/boms", "erp/routings", "erp/stock_levels", "erp/purchase_lines", "shop/items", "lab/inspections"
)  # fmt: skip
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


@pytest.mark.parametrize("code", ["AB-0100", "1001", "ab0100", " ab 0100 ", "a.b/01-00", "deep groove", "BEARING deep"])
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


def test_an_item_is_shown_with_what_happened_lately_and_what_is_expected(plant: Store) -> None:
    order = {"order_no": "S1", "line_no": "1", "item": "ab0100", "ordered_on": MONDAY, "quantity": 2.0, "price": 4.0}
    add_records(plant, "shop/order_lines", [order])
    line = {"order_no": "P0", "line_no": "1", "item": "1001", "supplier": "ACME", "ordered_on": MONDAY}
    add_records(plant, "erp/purchase_lines", [{**line, "quantity": 3.0, "received_on": DAY}])
    add_records(plant, "shop/item_costs", [{"item": "AB-0100", "valid_from": MONDAY, "unit_cost": 2.75}])
    refresh(plant, SITE, DAY)
    with plant.write() as connection:
        item_id = find_item(connection, "1001")
        _forecast(connection, item_id)
        words = {"rule": "r", "topic": "stock", "title": "runs out", "advice": "order", "evidence": {}, "value": 1.0}
        times = {"opened_at": MOMENT, "changed_at": MOMENT, "first_seen_on": MONDAY, "last_seen_on": DAY}
        for status in ("open", "resolved"):
            one = {"identity": status, "subject": "AB-0100", "severity": "critical", "status": status}
            connection.execute(sa.insert(alert).values(item_id=item_id, **words, **times, **one))
    story = _story(plant, "1001")
    assert story.demand.select("day", "quantity", "value").rows() == [(MONDAY, 2.0, 8.0)]
    assert story.supply.select("day", "order_no", "received").rows() == [(DAY, "P0", 3.0)]
    assert story.costs.rows() == [(MONDAY, 2.75, "shop", "AB-0100")]
    assert story.alerts.select("status", "title", "since").rows() == [("open", "runs out", MONDAY)]
    weeks = [DAY + timedelta(days=7 * number) for number in range(5)]
    assert story.forecasts.select("target", "frequency", "period", "mean", "low_80", "high_80").rows() == [
        ("demand", "weekly", week, 5.0, 2.0, 8.0) for week in weeks
    ]


def _forecast(connection: sa.Connection, item_id: int) -> None:
    def made(table: sa.Table, **values: Any) -> int:
        return connection.execute(sa.insert(table).values(**values).returning(table.c.id)).scalar_one()

    what = {"target": "demand", "frequency": "weekly", "demand_class": "smooth"}
    model_id = made(model, name="m", description="", **what)
    blank: dict[str, Any] = {"parameters": {}, "packages": {}}
    version_id = made(
        model_version, model_id=model_id, version=1, status="active", code="m:f", hash="h", created_at=MOMENT, **blank
    )
    ran = {"status": "success", "started_at": MOMENT, "seconds": 1.0, "series": 1, "failed_series": 0}
    run_id = made(model_run, version_id=version_id, as_of=DAY, failures=[], metrics={}, **what, **ran)
    series_id = made(series, item_id=item_id, name="AB-0100", **what)
    for as_of, mean in ((MONDAY, 99.0), (DAY, 5.0)):
        bounds = {**dict.fromkeys(QUANTILES, mean), "q10": mean - 3, "q90": mean + 3}
        for number in range(8):
            period = DAY + timedelta(days=7 * number)
            values = {"series_id": series_id, "as_of": as_of, "period": period, "run_id": run_id, "mean": mean}
            connection.execute(sa.insert(forecast).values(**values, **bounds))


def test_words_that_fit_several_items_name_them(plant: Store) -> None:
    with pytest.raises(ItemNotFoundError, match="fits several items: AB-0100, GEAR"):
        _story(plant, "bearing")


@pytest.mark.parametrize("code", ["unobtainium", "%", "", "--"])
def test_what_no_item_answers_to_is_said(plant: Store, code: str) -> None:
    with pytest.raises(ItemNotFoundError, match="no item answers to"):
        _story(plant, code)


def test_an_item_is_shown_with_how_it_is_made_now_and_what_could_be_taken_instead(plant: Store) -> None:
    step = {"item": "1001", "operation": "press", "setup_minutes": 15.0, "run_minutes": 0.5, "work_center": "P1"}
    add_records(plant, "erp/routings", [{**step, "step": 20}, {**step, "step": 10, "operation": "cut"},
                                        {**step, "step": 30, "valid_to": MONDAY}])  # fmt: skip
    add_records(plant, "erp/items", [{"item": "1004", "sku": "B4", "unit": "EA"}])
    ring = {"item": "AB-0100", "quantity_per": 2.0, "alternate_group": "ring"}
    add_records(plant, "erp/boms", [{**ring, "component": "B2", "priority": 2},
                                    {**ring, "component": "B4", "priority": 1}])  # fmt: skip
    refresh(plant, SITE, DAY)
    story = _story(plant, "1001")
    assert story.routing.select("step", "operation", "work_center", "setup_minutes", "run_minutes").rows() == [
        (10, "cut", "P1", 15.0, 0.5),
        (20, "press", "P1", 15.0, 0.5),
    ]
    assert story.made_of.select("sku", "unit", "used", "alternate_group").rows() == [
        ("B4", "EA", 1.0, "ring"),
        ("B2", None, 0.0, "ring"),
    ]
    assert _story(plant, "B2").goes_into.select("sku", "used").rows() == [("AB-0100", 0.0)]
    assert story.versions.select("version", "valid_to", "components", "steps", "share").rows() == [
        (1, MONDAY, 2, 3, None),
        (2, None, 2, 2, 1.0),
    ]


def test_an_item_is_shown_with_its_last_movements_and_what_was_found_wrong(plant: Store) -> None:
    moved = {"location": "H4", "moved_on": MONDAY, "document": "S1"}
    add_records(
        plant,
        "erp/stock_movements",
        [
            {**moved, "reference": "1", "item": "1001", "quantity": -5.0, "movement": "sale"},
            {**moved, "reference": "2", "item": "1001", "quantity": 2.0, "movement": "scrap", "moved_on": DAY},
            {**moved, "reference": "3", "item": "1002", "quantity": 9.0, "movement": "purchase"},
        ],
    )
    looked = {"inspection": "1", "item": "AB-0100", "inspected_on": MONDAY, "inspected": 9.0, "operation": "press"}
    add_records(plant, "lab/inspections", [{**looked, "defective": 2.0, "reason": "dent"}])
    refresh(plant, SITE, DAY)
    story = _story(plant, "1001")
    assert story.movements.select("day", "movement", "quantity", "document").rows() == [
        (DAY, "scrap", 2.0, "S1"),
        (MONDAY, "sale", -5.0, "S1"),
    ]
    assert story.quality.select("day", "operation", "defective", "reason").rows() == [(MONDAY, "press", 2.0, "dent")]
    assert _story(plant, "GEAR").movements.is_empty()


def test_what_the_sources_disagree_about_is_listed_by_how_far_they_are_apart(plant: Store) -> None:
    add_records(plant, "shop/items", [{"item": "GEAR", "name": "Gear with bearing", "list_price": 30.0},
                                      {"item": "B2", "list_price": 5.0}])  # fmt: skip
    add_records(plant, "erp/items", [{"item": "1003", "sku": "GEAR", "name": "Gear with bearing", "list_price": 20.0},
                                     {"item": "1002", "sku": "B2", "list_price": 4.0}])  # fmt: skip
    refresh(plant, SITE, DAY)
    with plant.read() as connection:
        found = CONFLICTS.check(conflicts(connection))
        of_one = CONFLICTS.check(conflicts(connection, item_id=find_item(connection, "GEAR")))
    assert found.select("sku", "field", "kept_source", "kept", "other_source", "other", "apart").rows() == [
        ("AB-0100", "name", "erp", "Deep groove bearing", "shop", "Kugellager", None),
        ("GEAR", "list_price", "erp", "20.0", "shop", "30.0", 0.5),
        ("B2", "list_price", "erp", "4.0", "shop", "5.0", 0.25),
    ]
    assert of_one["sku"].to_list() == ["GEAR"]


def test_the_views_say_the_same_in_sql(plant: Store) -> None:
    add_records(plant, "erp/routings", [{"item": "1001", "step": 10, "operation": "press", "run_minutes": 0.5}])
    order = {"order_no": "S1", "line_no": "1", "item": "ab0100", "ordered_on": MONDAY, "quantity": 2.0, "price": 4.5}
    add_records(plant, "shop/order_lines", [order, {**order, "line_no": "2", "item": "nobody"}])
    looked = {"inspection": "1", "item": "AB-0100", "inspected_on": MONDAY, "inspected": 9.0, "operation": "press"}
    add_records(plant, "lab/inspections", [{**looked, "defective": 2.0, "reason": "dent"}])
    refresh(plant, SITE, DAY)
    expected: dict[str, tuple[str, list[tuple[Any, ...]]]] = {
        "v_item_code": ("code FROM v_item_code WHERE source = 'shop'", [("ab0100",)]),
        "v_item_conflict": ("sku, kept, other FROM v_item_conflict",
                            [("AB-0100", "Deep groove bearing", "Kugellager")]),
        "v_unmapped": ("code, problem, rows FROM v_unmapped", [("nobody", "no item", 1)]),
        "v_process": ("components, steps, share FROM v_process WHERE sku = 'AB-0100'", [(1, 1, 1)]),
        "v_bom": ("component, quantity_per FROM v_bom WHERE sku = 'AB-0100'", [("B2", 2)]),
        "v_routing": ("operation, run_minutes FROM v_routing", [("press", 0.5)]),
        "v_stock_day": ("sku, on_hand, available, value FROM v_stock_day", [("AB-0100", 7, 7, 17.5)]),
        "v_demand": ("sku, quantity, value FROM v_demand", [("AB-0100", 2, 9)]),
        "v_supply": ("order_no, supplier, ordered, missing, line FROM v_supply", [("P1", "ACME", 10, 10, 2)]),
        "v_quality": ("operation, inspected, defective FROM v_quality", [("press", 9, 2)]),
        "v_quality_reason": ("reason, defective FROM v_quality_reason", [("dent", 2)]),
    }  # fmt: skip
    with plant.read() as connection:
        found = {name: connection.execute(sa.text(f"SELECT {text}")).all() for name, (text, _) in expected.items()}
    assert {name: [tuple(row) for row in rows] for name, rows in found.items()} == {
        name: rows for name, (_, rows) in expected.items()
    }


def test_what_the_ui_previews_of_each_table_is_in_codes_on_both_databases(plant: Store) -> None:
    order = {"order_no": "S1", "line_no": "1", "item": "ab0100", "ordered_on": MONDAY, "quantity": 2.25, "price": 4.0}
    add_records(plant, "shop/order_lines", [order, {**order, "line_no": "2", "ordered_on": DAY, "price": None}])
    looked = {"inspection": "1", "item": "AB-0100", "inspected_on": MONDAY, "inspected": 9.0, "operation": "press"}
    add_records(plant, "lab/inspections", [{**looked, "defective": 2.0, "reason": "dent"}])
    refresh(plant, SITE, DAY)
    tables = (item, process, demand_day, supply_line, quality_day, inventory_snapshot)
    shown = {table.name: shown_rows(plant, table) for table in tables}
    assert all("sku" in rows.columns and not rows.is_empty() for rows in shown.values())
    assert [float(much) for much in shown["demand_day"]["quantity"]] == [2.25, 2.25]
    assert shown["demand_day"]["day"].to_list() == [DAY, MONDAY]
    assert shown_rows(plant, inventory_snapshot, MONDAY).is_empty()
