"""Every asset check brought to fail, on one plant whose exports are wrong in every way, and what it then says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
import yaml

from manufacturing_copilot.alerts.lifecycle import update_alerts
from manufacturing_copilot.ingest.discovery.claim import claim
from manufacturing_copilot.ingest.loading.load import load_batch
from manufacturing_copilot.orchestration.assembly import build
from manufacturing_copilot.runtime.policies import declared_policies
from manufacturing_copilot.runtime.registry import champion, register_declared
from manufacturing_copilot.runtime.runs import Failure, Run, record_run
from manufacturing_copilot.site import Frequency, Target, load_site
from manufacturing_copilot.store import Store, open_store
from manufacturing_copilot.store.tables import accepted, alert
from manufacturing_copilot.store.types import utc_now
from manufacturing_copilot.unified.refresh.past_day import refresh_snapshots_of
from manufacturing_copilot.unified.refresh.refresh import refresh
from manufacturing_copilot_tests.end_to_end.running import QUIET, REPOSITORY
from manufacturing_copilot_tests.factories import make_feed
from manufacturing_copilot_tests.ingest.plants import drop
from manufacturing_copilot_tests.plant_resource import plant_over

pytestmark = QUIET
DAY = date(2026, 3, 31)
BEFORE = DAY - timedelta(days=5)
FEEDS = (
    "erp/items", "erp/unit_conversions", "erp/boms", "erp/purchase_lines", "erp/receipts", "erp/stock_levels",
    "erp/item_costs", "shop/items", "shop/order_lines", "erp/stock_movements",
)  # fmt: skip
RULE = {
    "rule": "below the reorder point", "when": "below_reorder_point", "levels": {"warning": 0.1},
    "say": "{{ item.sku }} is short",
}  # fmt: skip
FIGURES = {"series_scored": 50, "coverage_80": 0.4, "coverage_95": 0.5, "value_added": -0.3, "rmsse": 1.3}

CASES: dict[str, tuple[str, str, str]] = {
    "rows_conserved": ("do not add up", "00000001", "Restore a backup"),
    "duplicates": ("repeat one that was accepted before", "batch 00000008 (1)", "Nothing needs to be done unless"),
    "rejected_share": ("were rejected, more than 5%", "batch 00000004 (1)", "copilot rejected export"),
    "no_overlap": ("hold mostly rows that earlier batches had brought", "00000016", "Declare the feed's key"),
    "usual_volume": ("has 90 rows, usually 2", "00000014", "Ask the sender"),
    "unmapped_codes": ("codes that mean no item", "unobtainium", "copilot item suggest"),
    "unit_factors": ("units without a factor", "PALLET", "Send a unit conversion"),
    "unit_conflicts": ("conversions of the same units with different factors", "BOX", "Correct them in the source"),
    "telling_masters": ("codes that mean no code", "N/A", "export codes without a spreadsheet"),
    "conflicts": ("items about which the sources disagree", "Wheel", "Correct the others"),
    "cost_outliers": ("costs far from what is known of the item", "250", "Check unit and decimal point"),
    "sound_processes": ("problems in bills of materials", "unobtainium", "Correct them in the source"),
    "orphans": ("receipts without an order line", "P9", "Send the missing records"),
    "negative_stock": ("items with stock below zero", "-3", "Count them"),
    "counts_and_movements": ("counts that differ from the count before", "A", "Look for movements"),
    "totals_and_places": ("items whose count without a place is not the sum", "7", "Correct the other in the source"),
    "days_to_come": (
        "feeds with records of days that have not come",
        "erp/receipts",
        "Correct the dates in the source",
    ),
    "full_lists": ("1 rejected row does not tell which record it is", "boms", "mended or refused"),
    "snapshot_gaps": ("gaps of days without a snapshot", "2026-03-27", "Materialize unified/inventory_snapshots"),
    "bounds_hold": ("the bounds cover clearly less", "weekly", "Do not plan safety stock by them"),
    "better_than_naive": ("the (seasonal) naive forecast would have been better", "weekly", "compare another version"),
    "no_series_failed": ("could not be forecast by their own model", "A: no history", "Look for what is unusual"),
    "plans_everything": ("nothing is planned", DAY.isoformat(), "Materialize forecasts/demand"),
    "evidence": ("hold no facts that they rest on", "number 1", "Run the alerts again"),
    "one_alert_each": ("have two live alerts of the same rule", "below the reorder point", "copilot alert resolve 2"),
}
"""By check: what is wrong, where, and what to do; fragments of the sentence that a person reads."""


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, str], str]]:
    """What the checks of the plant say, by asset and name; those that pass are not among them."""
    home = tmp_path_factory.mktemp("checks")
    folder = home / "site"
    declare(folder)
    store = open_store(f"sqlite:///{home}/copilot.db")
    load(store, folder, home)
    damage(store)
    resources = {"plant": plant_over(store, folder, home)}
    # The check of the planned orders is part of their asset: they say what is in the way when they are planned.
    planned = dg.AssetSelection.assets("planning/planned_orders")
    alone = dg.AssetSelection.all_asset_checks() - dg.AssetSelection.checks_for_assets("planning/planned_orders")
    jobs = [dg.define_asset_job("checks", selection=alone), dg.define_asset_job("planned", selection=planned)]
    definitions = dg.Definitions.merge(build(folder, resources=resources), dg.Definitions(jobs=jobs))
    with dg.DagsterInstance.ephemeral() as instance:
        results = [
            definitions.resolve_job_def("checks").execute_in_process(instance=instance),
            definitions.resolve_job_def("planned").execute_in_process(instance=instance, partition_key=DAY.isoformat()),
        ]
    yield {
        (evaluation.asset_key.to_user_string(), evaluation.check_name): evaluation.description or ""
        for result in results
        for evaluation in result.get_asset_check_evaluations()
        if not evaluation.passed
    }
    store.close()


def test_every_check_that_there_is_has_a_case_that_fails() -> None:
    sites = (
        REPOSITORY / "manufacturing_copilot" / "demo" / "site",
        REPOSITORY / "manufacturing_copilot_tests" / "sites" / "adventureworks",
    )
    names = {key.name for folder in sites for key in build(folder).resolve_asset_graph().asset_check_keys}
    assert names - set(CASES) == set()


def test_every_check_of_the_plant_fails(failed: dict[tuple[str, str], str]) -> None:
    assert {name for _, name in failed} == set(CASES)
    targets = {asset for asset, name in failed if name == "no_series_failed"}
    assert targets == {f"forecasts/{target.value}" for target in Target}


@pytest.mark.parametrize(("name", "fragments"), list(CASES.items()))
def test_a_failed_check_says_what_is_wrong_where_and_what_to_do(
    failed: dict[tuple[str, str], str], name: str, fragments: tuple[str, str, str]
) -> None:
    sentences = [sentence for (_, check), sentence in failed.items() if check == name]
    assert sentences
    for sentence in sentences:
        assert sentence.endswith((".", "`.")) and "None" not in sentence and "  " not in sentence, sentence
    assert [sentence for sentence in sentences if all(part in sentence for part in fragments)], sentences


def declare(folder: Path) -> None:
    (folder / "feeds").mkdir(parents=True)
    main = {
        "site": "Hall 4",
        "clock": DAY.isoformat(),
        "history_from": "2026-01-01",
        "sources": {"erp": {"kind": "erp", "priority": 1}, "shop": {"kind": "sales", "priority": 2}},
        "forecasts": {target.value: ["weekly"] for target in Target},
    }
    (folder / "site.yaml").write_text(yaml.safe_dump(main), encoding="utf-8")
    (folder / "rules.yaml").write_text(yaml.safe_dump([RULE]), encoding="utf-8")
    for name in FEEDS:
        columns = make_feed(name, name.partition("/")[2]).columns
        feed: dict[str, Any] = {
            "feed": name,
            "records": name.partition("/")[2],
            "files": f"inbox/{name}*.csv",
            "columns": {field: {"column": field, "optional": True} for field in columns},
        }
        if name == "erp/stock_movements":
            feed["repeats"] = "keep"
        if name == "erp/receipts":
            feed["guards"] = {"future_dates": "off"}
        if name == "erp/boms":
            feed["holds"] = "all"
        (folder / "feeds" / f"{name.replace('/', '_')}.yaml").write_text(yaml.safe_dump(feed), encoding="utf-8")


def load(store: Store, folder: Path, home: Path) -> None:
    """Load exports in which whatever can be wrong is, and bring everything up to date."""
    site = load_site(folder)

    def deliver(feed: str, *lines: str) -> None:
        number = len(list((home / "inbox").rglob("*.csv")))
        drop(home, f"inbox/{feed}_{number}.csv", *lines, age=10_000 - number)
        [found] = claim(store, site, home, actor="test")
        counts = load_batch(store, site, found.reference, home=home, actor="test")
        assert counts.status == "success", counts.problem

    deliver("erp/items", "item,name,unit,reorder_point", "A,Axle,EA,50", "B,Block,EA,")
    deliver("shop/items", "item,name,barcode", "A,Wheel,N/A")
    deliver("erp/unit_conversions", "item,from_unit,to_unit,factor", "A,BOX,EA,12", "A,EA,BOX,0.1")
    deliver("erp/boms", "item,component,quantity_per", "B,unobtainium,1", "B,A,two")
    deliver("erp/purchase_lines", "order_no,line_no,item,ordered_on,quantity", f"P2,1,A,{BEFORE},1")
    deliver(
        "erp/receipts",
        "receipt_no,order_no,line_no,item,received_on,quantity",
        f"2,P9,1,A,{DAY},5",
        f"3,P2,1,A,{date.today() + timedelta(days=2)},1",
    )
    deliver("erp/item_costs", "item,valid_from,unit_cost", "A,2026-01-01,2", "A,2026-03-01,250")
    header = "order_no,line_no,item,ordered_on,quantity,unit"
    sold = [f"S1,1,A,{DAY},1,PALLET", f"S1,1,A,{DAY},1,PALLET", f"S2,1,A,{DAY},x,EA", f"S3,1,A,{DAY},y,EA"]
    deliver("shop/order_lines", header, *sold)
    for number in range(5):
        deliver("shop/order_lines", header, *(f"T{number},{line},A,{DAY},1,EA" for line in (1, 2)))
    deliver("shop/order_lines", header, *(f"U{number},1,A,{DAY},1,EA" for number in range(90)))
    moved = [f"A,{DAY},{number},sale" for number in range(1, 30)]
    deliver("erp/stock_movements", "item,moved_on,quantity,movement", *moved)
    deliver("erp/stock_movements", "item,moved_on,quantity,movement", *moved, f"A,{DAY},7,purchase")
    counted = [f"A,H4,{BEFORE},10", f"A,H4,{DAY},-3", f"A,,{DAY},7"]
    deliver("erp/stock_levels", "item,location,day,on_hand", *counted)

    refresh(store, site, DAY)
    refresh_snapshots_of(store, site, BEFORE, BEFORE)
    update_alerts(store, site, DAY, actor="test", now=utc_now())
    with store.write() as connection:
        register_declared(connection, declared_policies())
        weekly = {policy.target: policy for policy in declared_policies() if policy.frequency is Frequency.WEEKLY}
        for target, policy in weekly.items():
            demand_class = policy.demand_class
            version = champion(connection, target.value, "weekly", demand_class)
            failures = (Failure("A", "no history"),)
            record_run(
                connection,
                Run(version.id, target.value, "weekly", demand_class, DAY, utc_now(), 1.0, 60, failures, FIGURES),
            )


def damage(store: Store) -> None:
    """Do to the database what only another program does."""
    columns = [column for column in alert.columns if column.name not in ("id", "identity")]
    again = sa.select(sa.literal("again"), *columns).where(alert.c.id == 1)
    with store.write() as connection:
        connection.execute(sa.delete(accepted["items"]).where(accepted["items"].c.item == "B"))
        connection.execute(sa.insert(alert).from_select(["identity", *(column.name for column in columns)], again))
        connection.execute(sa.update(alert).where(alert.c.id == 1).values(evidence={}))
