from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import sqlalchemy as sa

from manufacturing_copilot import formatting
from manufacturing_copilot.alerts.facts import Question
from manufacturing_copilot.alerts.facts.stock import gather_below_reorder_point, gather_stockouts, trace
from manufacturing_copilot.forecasts.forecast import forecast_target
from manufacturing_copilot.planning import runout
from manufacturing_copilot.site import Frequency, Target
from manufacturing_copilot.store import Store, insert_frame
from manufacturing_copilot.store.tables import batch_file, inventory_snapshot, item
from manufacturing_copilot_tests.alerts.factories import (
    LOW,
    NOW,
    a_site,
    add_item,
    add_location,
    add_stock,
    add_supplier,
    alerts,
    judge,
)
from manufacturing_copilot_tests.factories import DAY, add_records
from manufacturing_copilot_tests.forecasts import plants

STOCKOUT = {
    "rule": "runs out",
    "when": "stockout_probability_in_lead_time",
    "levels": {"warning": 0.2, "critical": 0.5},
    "say": "{{ item.sku }} runs out {{ runout.p50 | day }} at {{ location }}",
    "advise": "order {{ order.quantity | number }} by {{ order.by | day }}",
}


def _question() -> Question:
    return Question(a_site(LOW), DAY, NOW)


def test_stock_of_all_locations_counts_against_the_reorder_point(store: Store) -> None:
    bolt = add_item(store, "BOLT", reorder_point=100)
    add_stock(store, bolt, 60, place="NORTH")
    add_stock(store, bolt, 50, place="SOUTH")
    nut = add_item(store, "NUT", reorder_point=100)
    add_stock(store, nut, 60, place="NORTH")
    add_stock(store, nut, 30, place="SOUTH")
    with store.read() as connection:
        found = gather_below_reorder_point(connection, _question())
    assert found is not None
    assert found.select("subject", "on_hand", "shortfall", "value").rows() == [("NUT", 90.0, 10.0, pytest.approx(0.1))]


def test_an_item_that_is_never_stocked_is_not_below_its_reorder_point(store: Store) -> None:
    add_item(store, "DRAWING", reorder_point=100)
    add_stock(store, add_item(store, "BOLT", reorder_point=1), 5)
    with store.read() as connection:
        found = gather_below_reorder_point(connection, _question())
    assert found is not None and found.is_empty()


def test_only_the_newest_snapshot_up_to_the_day_is_judged(store: Store) -> None:
    bolt = add_item(store, "BOLT", reorder_point=100)
    add_stock(store, bolt, 150, date(2026, 3, 30))
    add_stock(store, bolt, 10, date(2026, 4, 2))
    with store.read() as connection:
        found = gather_below_reorder_point(connection, _question())
    assert found is not None and found.is_empty()


def test_the_evidence_names_the_lines_of_the_count_and_of_the_item(store: Store) -> None:
    items = add_records(store, "erp/items", [{"item": "BOLT"}])
    levels = [{"item": "BOLT", "day": DAY, "on_hand": 4, "bin": bin_} for bin_ in ("A1", "A2")]
    counted = add_records(store, "erp/stock_levels", levels)
    with store.read() as connection:
        file_id = connection.scalar(sa.select(batch_file.c.id).where(batch_file.c.batch_id == items))
    vulcan = add_supplier(store)
    bolt = add_item(store, "BOLT", reorder_point=10, file_id=file_id, line=2, supplier_id=vulcan, batch_id=items)
    add_stock(store, bolt, 8, batch_id=counted)
    judge(store, a_site(LOW))
    (one,) = alerts(store)
    assert [(line["what"], line["file"], line["line"]) for line in one.evidence["lines"]] == [
        ("item", f"inbox/{items}.csv", 2),
        ("count", f"inbox/{counted}.csv", 2),
        ("count", f"inbox/{counted}.csv", 3),
    ]
    assert one.evidence["batches"] == [f"{items:08d}", f"{counted:08d}"]
    assert (one.title, one.advice) == ("BOLT is 2 short of its reorder point", "order at Vulcan")


def test_a_stock_out_ahead_says_when_and_what_to_order(store: Store) -> None:
    _forecast_demand(store, on_hand=60)
    judge(store, a_site(STOCKOUT))
    with store.read() as connection:
        (ahead,) = runout.stockouts(connection, DAY).iter_rows(named=True)
    (one,) = alerts(store)
    assert (one.severity, one.subject, one.value) == ("critical", "BOLT at MAIN", ahead["probability"])
    assert one.title == f"BOLT runs out {formatting.spoken_day(ahead['runout_p50'])} at MAIN"
    order_by = formatting.spoken_day(ahead["order_by"])
    assert one.advice == f"order {formatting.rounded(ahead['order_quantity'])} by {order_by}"
    assert one.evidence["runout"] == {name: ahead[f"runout_{name}"].isoformat() for name in ("p10", "p50", "p90")}
    assert one.evidence["forecast_run"] == ahead["run_id"]
    assert (one.evidence["lead_time_days"], one.evidence["on_hand"]) == (10, 60)


def test_a_missing_forecast_resolves_no_alert(store: Store) -> None:
    bolt = _forecast_demand(store, on_hand=60)
    judge(store, a_site(STOCKOUT))
    next_day = DAY + timedelta(days=1)
    add_stock(store, bolt, 60, next_day)
    left = judge(store, a_site(STOCKOUT), next_day)  # nothing was forecast as of that day
    assert (left.resolved, left.unknown) == (0, ("runs out",))
    assert [one.status for one in alerts(store)] == ["open"]


def test_nothing_is_known_of_stock_outs_where_nothing_is_forecast(store: Store) -> None:
    add_stock(store, add_item(store, "BOLT"), 60)
    with store.read() as connection:
        assert gather_stockouts(connection, _question()) is None


def test_exactly_the_seven_real_products_below_their_reorder_point_are_found(store: Store, shared_data: Path) -> None:
    folder = shared_data / "adventureworks" / "oltp_parquet"
    products = pl.read_parquet(folder / "Production.Product.parquet")
    counts = pl.read_parquet(folder / "Production.ProductInventory.parquet")
    with store.write() as connection:
        insert_frame(
            connection,
            item,
            products.select(
                pl.col("ProductID").cast(pl.Int64).alias("id"),
                pl.col("ProductID").cast(pl.String).alias("sku"),
                pl.col("ReorderPoint").cast(pl.Float64).alias("reorder_point"),
            ),
        )
    places = {number: add_location(store, str(number)) for number in counts["LocationID"].unique().sort().to_list()}
    with store.write() as connection:
        insert_frame(
            connection,
            inventory_snapshot,
            counts.group_by("ProductID", "LocationID").agg(pl.col("Quantity").sum().cast(pl.Float64)).select(
                pl.lit(DAY).alias("day"),
                pl.col("ProductID").cast(pl.Int64).alias("item_id"),
                pl.col("LocationID").cast(pl.Int64).replace_strict(places, return_dtype=pl.Int64).alias("location_id"),
                pl.col("Quantity").alias("on_hand"),
                pl.lit(0.0).alias("reserved"),
                pl.lit(0.0).alias("on_order"),
                pl.lit(DAY).alias("counted_on"),
            ),
        )  # fmt: skip
    with store.read() as connection:
        found = gather_below_reorder_point(connection, _question())
        assert found is not None
        traced = trace(connection, found)
    assert sorted(found["item_id"]) == [386, 462, 853, 859, 876, 882, 910]
    assert traced.is_empty()  # nothing here came from a file


def _forecast_demand(store: Store, on_hand: float) -> int:
    """An item that sells about ten a day and takes ten days to replenish, with its demand forecast; return its id."""
    bolt, main = add_item(store, "BOLT", lead_time_days=10), add_location(store)
    add_stock(store, bolt, on_hand)
    plants.with_models(store)
    sold = np.random.default_rng(19).poisson(10, 300)
    with store.write() as connection:
        plants.add_demand(connection, sold, item=bolt, location=main, until=DAY)
    forecast_target(store, plants.a_site({Target.DEMAND: (Frequency.DAILY,)}, clock=DAY), Target.DEMAND, DAY)
    return bolt
