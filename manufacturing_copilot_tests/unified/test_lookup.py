from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from manufacturing_copilot.store import Store
from manufacturing_copilot.store.tables import QUANTILES, alert, forecast, model, model_run, model_version, series
from manufacturing_copilot.unified.lookup import ItemNotFoundError, ItemStory, describe_item, find_item
from manufacturing_copilot.unified.refresh import refresh
from manufacturing_copilot_tests.factories import DAY, MOMENT, add_records, make_site

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
