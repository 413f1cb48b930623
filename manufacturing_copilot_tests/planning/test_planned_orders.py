from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
import sqlalchemy as sa

from manufacturing_copilot.forecasts.forecast import forecast_target
from manufacturing_copilot.planning.planned_orders import PlanSummary, plan_orders
from manufacturing_copilot.site import Frequency, Target
from manufacturing_copilot.store import Store, read_frame
from manufacturing_copilot.store import tables as t
from manufacturing_copilot.store.views import view_query
from manufacturing_copilot_tests.forecasts.plants import AS_OF, a_site, add_demand, add_items, add_stock, with_models

DAILY = {Target.DEMAND: (Frequency.DAILY,)}


def a_plant(store: Store, stock: dict[int, float], bills: list[dict[str, Any]], **items: dict[str, Any]) -> None:
    """Item 1 sells about twenty a day; items as S0001…, bought in ten days unless said; nothing else sells."""
    with_models(store)
    demand = np.rint(np.random.default_rng(7).normal(20, 4, 400)).clip(0)
    with store.write() as connection:
        add_items(connection, 4, lead_time_days=10)
        add_demand(connection, demand)
        for number, quantity in stock.items():
            add_stock(connection, quantity, item=number)
        for name, values in items.items():
            connection.execute(sa.update(t.item).where(t.item.c.sku == name).values(**values))
        for bill in bills:
            connection.execute(sa.insert(t.bom_line).values(has_alternative=False, **bill))
    forecast_target(store, a_site(DAILY), Target.DEMAND, AS_OF)


def line(item: int, component: int, quantity: float, **more: Any) -> dict[str, Any]:
    return {"item_id": item, "component_id": component, "quantity_per": quantity, **more}


def planned(store: Store) -> tuple[PlanSummary, pl.DataFrame]:
    summary = plan_orders(store, a_site(DAILY), AS_OF)
    with store.read() as connection:
        rows = read_frame(connection, view_query(connection, "v_planned_order"))
    assert rows.height == summary.orders
    return summary, rows.sort("sku", "due_on")


def test_components_are_ordered_for_what_their_parents_orders_take(store: Store) -> None:
    a_plant(
        store, {1: 400, 2: 50}, [line(1, 2, 2)],
        S0001={"made": True, "lead_time_days": 3}, S0002={"made": False, "lead_time_days": 20},
    )  # fmt: skip
    summary, rows = planned(store)
    parents, components = rows.filter(pl.col("sku") == "S0001"), rows.filter(pl.col("sku") == "S0002")
    assert summary.problems == () and set(parents["source"]) == {"make"} and set(components["source"]) == {"buy"}
    assert components["quantity"].sum() == pytest.approx(2 * parents["quantity"].sum() - 50, rel=0.05)
    # Needed within three weeks, and nothing ordered now comes before: the first order is late.
    first = components.row(0, named=True)
    assert first["release_on"] == AS_OF + timedelta(days=1) and first["late_days"] > 0 and first["level"] == 1
    assert ((parents["due_on"] - parents["release_on"]).dt.total_days() == 3).all()


def test_an_order_keeps_its_arithmetic(embedded: Store) -> None:
    a_plant(embedded, {1: 1000}, [], S0001={"minimum_order": 150, "order_multiple": 40, "safety_stock": 60})
    _, rows = planned(embedded)
    first = rows.row(0, named=True)
    assert first["safety_stock"] == 60 and first["quantity"] % 40 == 0 and first["quantity"] >= 160
    assert first["balance"] < 60 <= first["net"] + first["balance"] + 140
    assert first["quantity"] - 40 < max(first["net"], 150)


def test_a_phantom_is_passed_through_and_scrap_and_validity_count(embedded: Store) -> None:
    a_plant(
        embedded, {1: 0, 3: 0, 4: 0},
        [
            line(1, 2, 1), line(2, 3, 1, scrap_ratio=0.2, valid_to=AS_OF + timedelta(days=30)),
            line(2, 4, 1, valid_from=AS_OF + timedelta(days=31)),
        ],
        S0001={"made": True, "lead_time_days": 1}, S0002={"phantom": True},
    )  # fmt: skip
    _, rows = planned(embedded)
    assert "S0002" not in rows["sku"].to_list()
    taken = rows.filter(pl.col("sku") == "S0001", pl.col("release_on") <= AS_OF + timedelta(days=30))["quantity"].sum()
    early = rows.filter(pl.col("sku") == "S0003")["quantity"].sum()
    assert early == pytest.approx(taken / 0.8, abs=2)
    assert rows.filter(pl.col("sku") == "S0004")["quantity"].sum() > 0


@pytest.mark.parametrize(
    ("bills", "stock", "sentence"),
    [
        ([line(1, 2, 1), line(2, 3, 1), line(3, 2, 1)], {1: 0, 2: 0, 3: 0}, "2 items are made of themselves"),
        ([line(1, 2, 1)], {1: 0}, "1 item is needed where stock was never counted"),
    ],
)
def test_what_is_in_the_way_is_a_sentence_and_the_rest_is_planned(
    embedded: Store, bills: list[dict[str, Any]], stock: dict[int, float], sentence: str
) -> None:
    a_plant(embedded, stock, bills, S0001={"made": True}, S0002={"made": True}, S0003={"made": True})
    summary, rows = planned(embedded)
    assert any(problem.startswith(sentence) for problem in summary.problems)
    assert {"S0001", "S0002"} <= set(rows["sku"])


def test_a_plan_takes_the_place_of_that_days_last_one(embedded: Store) -> None:
    a_plant(embedded, {1: 100}, [])
    first, _ = planned(embedded)
    with embedded.write() as connection:
        connection.execute(sa.update(t.inventory_snapshot).values(on_hand=100_000))
    second, rows = planned(embedded)
    assert first.orders > 0 and second.orders == 0 and rows.is_empty()


def test_without_a_demand_forecast_nothing_is_planned(embedded: Store) -> None:
    summary = plan_orders(embedded, a_site(DAILY), date(2024, 1, 1))
    assert summary.orders == 0 and "Demand is not forecast" in summary.problems[0]
