"""Real exports of a bicycle manufacturer through the whole flow, held against the totals that came with them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa

from manufacturing_copilot.alerts import actions
from manufacturing_copilot.ingest.loading.archive import original_bytes
from manufacturing_copilot.orchestration.run import Outcome
from manufacturing_copilot.report.status import read_status
from manufacturing_copilot.store.tables import (
    accepted,
    alert,
    alert_event,
    batch,
    batch_file,
    bom_line,
    delivery,
    demand_day,
    external_id,
    feed,
    forecast,
    inventory_snapshot,
    item,
    notification,
    notification_alert,
    process,
    quality_day,
    series,
    supply_line,
    unmapped_id,
)
from manufacturing_copilot_tests.end_to_end.running import QUIET, REPOSITORY, Running, running

pytestmark = QUIET
SITE = REPOSITORY / "manufacturing_copilot_tests" / "sites" / "adventureworks"
TODAY = date(2014, 6, 30)


@pytest.fixture(scope="module")
def expected(shared_data: Path) -> dict[str, Any]:
    """The totals that whoever collected the exports counted in them."""
    return json.loads((shared_data / "adventureworks" / "EXPECTED.json").read_text())["oltp"]


@pytest.fixture(scope="module")
def plant(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home = tmp_path_factory.mktemp("adventureworks")  # the demo plant is the one that runs whole on both databases
    with running(SITE, home, url=None, COPILOT_DATA=str(shared_data)) as ready:
        yield ready


@pytest.fixture(scope="module")
def outcome(plant: Running) -> Outcome:
    """What the first run did."""
    return plant.run()


@pytest.fixture
def done(plant: Running, outcome: Outcome) -> Running:
    """The site after its first run."""
    assert outcome.success, [step for step in outcome.steps if not step.success]
    return plant


def test_every_stage_is_a_recorded_run_that_succeeded(plant: Running, outcome: Outcome) -> None:
    names = [step.name for step in outcome.steps]
    loads = [f"ingest_{declared.source}_{declared.name}" for declared in plant.site.feeds]
    assert sorted(names[: len(loads)]) == sorted(loads)
    assert names[len(loads) :] == ["unified", "forecasts", "planning", "alerts", "notify", "report"]
    assert outcome.success
    assert len({step.run_id for step in outcome.steps}) == len(names)


def test_every_row_of_every_feed_has_one_fate(done: Running, expected: dict[str, Any], shared_data: Path) -> None:
    vendors = (shared_data / "adventureworks" / "oltp_tab_utf8" / "Vendor.csv").read_bytes().count(b"\n")
    in_files = {
        "erp/boms": expected["BillOfMaterials"]["rows"],
        "erp/inventory": expected["ProductInventory"]["rows"],
        "erp/products": expected["Product"],
        "erp/purchase_lines": expected["PurchaseOrder"]["lines"],
        "erp/purchase_orders": expected["PurchaseOrder"]["headers"],
        "erp/transactions": sum(one["rows"] for one in expected["TransactionHistory+Archive"].values()),
        "erp/vendors": vendors,
        "erp/work_orders": expected["WorkOrder"]["rows"],
    }
    fates = ("received", "accepted", "duplicate", "rejected")
    sums = [sa.cast(sa.func.sum(batch.c[f"rows_{fate}"]), sa.Integer).label(fate) for fate in fates]
    found = done.rows(
        sa.select(feed.c.name, *sums).join(batch, batch.c.feed_id == feed.c.id).group_by(feed.c.name)
    ).rows_by_key("name", named=True, unique=True)
    assert {name: row["received"] for name, row in found.items()} == in_files
    for name, row in found.items():
        assert row["received"] == row["accepted"] + row["duplicate"] + row["rejected"]
        assert row["accepted"] == _count(done, accepted[done.site.feed(name).records]), name


def test_the_rows_as_received_and_the_files_themselves_are_kept(done: Running) -> None:
    columns = (batch_file.c.path, batch_file.c.archived_as, batch_file.c.received_as, batch_file.c.rows_received)
    files = done.rows(sa.select(*columns))
    assert files.height == 9  # the movements come in two files
    for path, archived, received, rows in files.rows():
        assert original_bytes(archived, done.home) == Path(path).read_bytes()
        assert pl.read_parquet(done.home / received).height == rows


def test_stock_adds_up_over_all_bins(done: Running, expected: dict[str, Any]) -> None:
    snapshot = inventory_snapshot
    assert done.rows(sa.select(snapshot.c.day).distinct())["day"].to_list() == [TODAY]
    assert done.number(sa.select(sa.func.sum(snapshot.c.on_hand))) == expected["ProductInventory"]["sum_quantity"]
    assert (
        done.number(sa.select(sa.func.count(sa.distinct(snapshot.c.item_id))))
        == expected["ProductInventory"]["products"]
    )
    levels = accepted["stock_levels"]
    bins = done.rows(sa.select(levels.c.bin, sa.func.sum(levels.c.on_hand).label("on_hand")).group_by(levels.c.bin))
    assert dict(bins.rows()) == expected["ProductInventory"]["by_LocationID"]


def test_work_orders_and_their_scrap_are_those_of_the_export(done: Running, expected: dict[str, Any]) -> None:
    wanted = expected["WorkOrder"]
    made = supply_line.c.made
    totals = done.rows(
        sa.select(
            sa.func.count().label("rows"),
            sa.func.sum(supply_line.c.ordered).label("ordered"),
            sa.func.sum(supply_line.c.received).label("received"),
            sa.func.sum(supply_line.c.rejected).label("rejected"),
        ).where(made)
    ).row(0)
    assert totals == (wanted["rows"], wanted["OrderQty"], wanted["StockedQty"], wanted["ScrappedQty"])
    orders = accepted["work_orders"]
    query = sa.select(orders.c.scrap_reason, sa.func.sum(orders.c.scrapped).label("scrapped"))
    reasons = done.rows(query.where(orders.c.scrapped > 0).group_by(orders.c.scrap_reason))
    assert dict(reasons.rows()) == wanted["scrap_by_reason"]
    lost = sa.select(sa.func.sum(quality_day.c.scrapped)).where(quality_day.c.origin == "work_orders")
    assert done.number(lost) == wanted["ScrappedQty"]


def test_purchases_add_up_and_those_of_the_future_are_not_known_yet(
    done: Running, expected: dict[str, Any], shared_data: Path
) -> None:
    lines = accepted["purchase_lines"]
    totals = done.rows(
        sa.select(
            sa.func.sum(lines.c.quantity).label("ordered"),
            sa.func.sum(lines.c.received_quantity).label("received"),
            sa.func.sum(lines.c.rejected_quantity).label("rejected"),
        )
    ).row(0)
    wanted = expected["PurchaseOrder"]
    assert totals == (wanted["OrderQty"], wanted["ReceivedQty"], wanted["RejectedQty"])
    folder = shared_data / "adventureworks" / "oltp_parquet"
    heads = pl.read_parquet(folder / "Purchasing.PurchaseOrderHeader.parquet")
    known = heads.filter(pl.col("OrderDate").cast(pl.Date) <= TODAY).select("PurchaseOrderID")
    ours = pl.read_parquet(folder / "Purchasing.PurchaseOrderDetail.parquet").join(known, on="PurchaseOrderID")
    bought = sa.select(sa.func.count(), sa.func.sum(supply_line.c.ordered)).where(~supply_line.c.made)
    assert done.rows(bought).row(0) == (ours.height, ours["OrderQty"].sum())


def test_sales_are_the_movements_of_kind_sale_and_all_of_them_become_demand(
    done: Running, expected: dict[str, Any]
) -> None:
    sales = expected["TransactionHistory+Archive"]["S"]
    moves = accepted["stock_movements"]
    sold = sa.select(sa.func.count().label("rows"), sa.func.sum(moves.c.quantity).label("quantity"))
    assert done.rows(sold.where(moves.c.movement == "sale")).row(0) == (sales["rows"], sales["quantity"])
    demand = sa.select(
        sa.func.sum(demand_day.c.order_lines).label("rows"),
        sa.func.sum(demand_day.c.quantity).label("quantity"),
        sa.func.count(sa.distinct(demand_day.c.item_id)).label("items"),
    )
    found = done.rows(demand).row(0)
    assert found == (sales["rows"], sales["quantity"], sales["products"])


def test_parts_lists_are_whole_and_rows_without_a_parent_add_nothing(done: Running, expected: dict[str, Any]) -> None:
    wanted = expected["BillOfMaterials"]
    boms = accepted["boms"]
    assert _count(done, boms) == wanted["rows"]
    without = sa.select(sa.func.count()).select_from(boms).where(boms.c.item.is_(None))
    assert done.number(without) == wanted["rows_without_ProductAssemblyID"]
    assert _count(done, bom_line) == wanted["rows"] - wanted["rows_without_ProductAssemblyID"]
    ended = sa.select(sa.func.count()).select_from(boms).where(boms.c.valid_to.is_not(None))
    assert done.number(ended) == wanted["rows_with_EndDate"]
    problems = sa.select(sa.func.count()).select_from(process).where(process.c.problem.is_not(None))
    assert done.number(problems) == 0


def test_every_code_is_an_item(done: Running, expected: dict[str, Any]) -> None:
    assert _count(done, item) == expected["Product"]
    assert _count(done, unmapped_id) == 0


def test_exactly_the_products_below_their_reorder_point_are_alerted(done: Running, expected: dict[str, Any]) -> None:
    query = (
        sa.select(external_id.c.external_id, alert.c.evidence, alert.c.title)
        .join(external_id, external_id.c.item_id == alert.c.item_id)
        .where(alert.c.rule == "below its reorder point", alert.c.status == "open", external_id.c.source == "erp")
    )
    with done.store.read() as connection:
        found = connection.execute(query).all()
    assert sorted(int(row.external_id) for row in found) == expected["alerts"]["their_ids"]
    for row in found:
        assert row.evidence["on_hand"] < row.evidence["reorder_point"]
        assert row.evidence["shortfall"] == row.evidence["reorder_point"] - row.evidence["on_hand"]
        rests_on = {(Path(line["file"]).name, line["what"]) for line in row.evidence["lines"]}
        assert rests_on == {
            ("Production.ProductInventory.parquet", "count"),
            ("Production.Product.parquet", "item"),
        }


def test_the_lines_of_the_evidence_are_about_the_product(done: Running) -> None:
    query = sa.select(external_id.c.external_id, alert.c.evidence).join(
        external_id, external_id.c.item_id == alert.c.item_id
    )
    with done.store.read() as connection:
        found = connection.execute(query.where(alert.c.rule == "below its reorder point")).all()
    for row in found:
        for line in row.evidence["lines"]:
            # line 1 of a Parquet file is its first row
            assert str(pl.read_parquet(line["file"])["ProductID"][line["line"] - 1]) == row.external_id


def test_the_planner_is_told_of_each_alert_once_with_its_evidence(done: Running) -> None:
    heard = sa.select(notification_alert.c.alert_event_id, notification.c.person).join(
        notification, notification.c.id == notification_alert.c.notification_id
    )
    events = [row.alert_event_id for row in _all(done, heard) if row.person == "planner"]
    opened = done.rows(sa.select(alert_event.c.id).where(alert_event.c.event == "opened"))["id"].to_list()
    assert sorted(events) == sorted(opened)
    text = "\n".join(message.body for message in done.messages)
    with done.store.read() as connection:
        short = connection.execute(sa.select(alert).where(alert.c.rule == "below its reorder point")).all()
    assert len(short) == 7
    for row in short:
        [told] = [part for part in text.split("\n\n") if row.title in part]
        assert re.search(r"Production\.ProductInventory\.parquet, lines? \d+", told)
        assert row.advice in told


def test_what_the_servers_received_is_what_the_ledger_says(done: Running) -> None:
    query = sa.select(notification.c.title, notification.c.person).join(
        delivery, delivery.c.notification_id == notification.c.id
    )
    sent = Counter((row.person, row.title) for row in _all(done, query.where(delivery.c.status == "accepted")))
    assert Counter((message.to.partition("@")[0], message.subject) for message in done.messages) == sent
    assert {row.status for row in _all(done, sa.select(delivery.c.status))} == {"accepted"}


def test_forecasts_stand_for_every_declared_target_and_frequency(done: Running) -> None:
    query = (
        sa.select(series.c.target, series.c.frequency, sa.func.count().label("rows"))
        .join(forecast, forecast.c.series_id == series.c.id)
        .where(forecast.c.as_of == TODAY)
        .group_by(series.c.target, series.c.frequency)
    )
    found = {(target, frequency) for target, frequency, _ in done.rows(query).rows()}
    assert found == {("demand", "weekly"), ("demand", "monthly"), ("supply", "weekly"), ("quality", "weekly")}
    broken = sa.select(sa.func.count()).select_from(forecast).where(~_in_order())
    assert done.number(broken) == 0


def test_the_status_counts_what_the_tables_hold(done: Running) -> None:
    status = read_status(done.store, done.site)
    assert status.as_of == TODAY
    assert status.batches.success == len(done.site.feeds)
    assert status.rows.received == 292_500
    assert status.rows.accepted == sum(_count(done, accepted[one.records]) for one in done.site.feeds)
    assert (status.items, status.series, status.forecast_rows) == tuple(
        _count(done, table) for table in (item, series, forecast)
    )
    assert status.alerts.open == _count(done, alert) == 7 + _quality_alerts(done)
    assert status.deliveries.accepted == len(done.messages) == _count(done, delivery)
    assert (status.deliveries.pending, status.deliveries.failed, status.deliveries.unknown) == (0, 0, 0)


def test_the_page_for_people_is_written(done: Running) -> None:
    [page] = (done.home / "reports").glob("*.html")
    text = page.read_text(encoding="utf-8")
    assert "Adventure Works Cycles" in text
    assert "is below its reorder point" in text


def test_a_second_run_finds_nothing_to_do(done: Running) -> None:
    before = len(done.messages)
    assert done.run().steps == []
    assert len(done.messages) == before


def test_an_acknowledged_alert_is_no_news(done: Running) -> None:
    [number] = done.rows(sa.select(alert.c.id).order_by(alert.c.id).limit(1))["id"].to_list()
    actions.acknowledge(done.store, number, "planner", "ordered")
    assert done.run().steps == []
    assert read_status(done.store, done.site).alerts.acknowledged == 1


def _in_order() -> sa.ColumnElement[bool]:
    return sa.and_(
        forecast.c.q025 <= forecast.c.q10,
        forecast.c.q10 <= forecast.c.q50,
        forecast.c.q50 <= forecast.c.q90,
        forecast.c.q90 <= forecast.c.q975,
    )


def _quality_alerts(done: Running) -> int:
    return int(done.number(sa.select(sa.func.count()).select_from(alert).where(alert.c.topic == "quality")))


def _count(done: Running, table: sa.Table) -> int:
    return int(done.number(sa.select(sa.func.count()).select_from(table)))


def _all(done: Running, query: sa.Select) -> list[Any]:
    with done.store.read() as connection:
        return list(connection.execute(query).all())
