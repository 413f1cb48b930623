from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
import yaml

from manufacturing_copilot.alerts.defs import build_definitions
from manufacturing_copilot.dagster_support import Plant
from manufacturing_copilot.site import load_site
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.tables import alert
from manufacturing_copilot_tests.alerts.factories import LOW, add_item, add_stock, alerts
from manufacturing_copilot_tests.factories import DAY
from manufacturing_copilot_tests.plant_resource import plant_over

FEED = {"feed": "erp/items", "records": "items", "files": "inbox/*.csv", "columns": {"item": "item"}}
KEY = dg.AssetKey(["alerts", "alerts"])


@pytest.fixture
def plant(store: Store, home: Path, tmp_path: Path) -> Plant:
    folder = tmp_path / "site"
    (folder / "feeds").mkdir(parents=True)
    main = {
        "site": "Hall 4",
        "history_from": "2026-01-01",
        "clock": DAY.isoformat(),
        "sources": {"erp": {"kind": "erp"}},
        "forecasts": {"demand": ["weekly"]},
    }
    for name, content in (("site.yaml", main), ("feeds/items.yaml", FEED), ("rules.yaml", [LOW])):
        (folder / name).write_text(yaml.safe_dump(content), encoding="utf-8")
    return plant_over(store, folder, home)


def _materialize(plant: Plant) -> dg.ExecuteInProcessResult:
    defs = build_definitions(load_site(Path(plant.site_folder)))
    with dg.DagsterInstance.ephemeral() as instance:
        return dg.materialize(
            [*(defs.assets or ()), *(defs.asset_checks or ())], resources={"plant": plant}, instance=instance
        )  # fmt: skip


def test_the_asset_writes_the_alerts_of_the_day_and_says_what_it_did(store: Store, plant: Plant) -> None:
    add_stock(store, add_item(store, "BOLT", reorder_point=100), 80)
    result = _materialize(plant)
    (event,) = result.asset_materializations_for_node("alerts__alerts")
    assert event.metadata["opened"].value == 1
    assert event.metadata["as of"].value == DAY.isoformat()
    assert event.metadata["dagster/row_count"].value == 1
    assert "BOLT is 20 short" in str(event.metadata["preview"].value)
    assert [one.status for one in alerts(store)] == ["open"]
    assert {check.check_name: check.passed for check in result.get_asset_check_evaluations()} == {
        "evidence": True,
        "one_alert_each": True,
    }


def test_the_checks_find_an_alert_without_evidence_and_a_trouble_twice(store: Store, plant: Plant) -> None:
    add_stock(store, add_item(store, "BOLT", reorder_point=100), 80)
    _materialize(plant)
    with store.write() as connection:
        row = connection.execute(sa.select(alert)).one()._asdict()
        again = {**row, "identity": "again", "evidence": {"batches": [], "lines": []}}
        del again["id"]
        connection.execute(sa.insert(alert).values(again))
    # the rule's own pass would bring the evidence up to date: look with the checks alone
    from manufacturing_copilot.alerts.summary import twice_open, without_evidence

    with store.read() as connection:
        assert len(without_evidence(connection)) == 1
        assert twice_open(connection).height == 1


def test_the_asset_comes_after_the_forecasts_that_the_site_declares(plant: Plant) -> None:
    defs = build_definitions(load_site(Path(plant.site_folder)))
    (asset,) = defs.assets or ()
    assert isinstance(asset, dg.AssetsDefinition)
    upstream = {"/".join(key.path) for key in asset.asset_deps[KEY]}
    assert upstream == {
        "forecasts/demand",
        "unified/inventory_snapshots",
        "unified/supply_history",
        "unified/quality_history",
    }
    assert asset.group_names_by_key[KEY] == "alerts"
