"""The versions that Dagster compares: the same for the same data and declaration, another for others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.loader import LoadingContextForTest

from manufacturing_copilot.dagster_support import code_version, feed_code_version
from manufacturing_copilot.ingest.corrections.withdraw import restore, withdraw
from manufacturing_copilot.ingest.defs.partitions import batches_of
from manufacturing_copilot.ingest.defs.sensors import RANGE_END, RANGE_START
from manufacturing_copilot.ingest.discovery.claim import claim
from manufacturing_copilot.ingest.ledger.batches import counts_of, pending_batches
from manufacturing_copilot.ingest.loading.load import load_batch
from manufacturing_copilot.orchestration.assembly import build
from manufacturing_copilot.progress import batches_hash, loaded_data
from manufacturing_copilot.site import Site, load_site
from manufacturing_copilot.store import Store
from manufacturing_copilot_tests.end_to_end import tiny
from manufacturing_copilot_tests.end_to_end.running import QUIET
from manufacturing_copilot_tests.ingest.plants import ORDERS_HEADER, drop, site_of
from manufacturing_copilot_tests.plant_resource import plant_over

pytestmark = QUIET
ORDERS = dg.AssetKey(["ingest", "shop", "order_lines"])
DEMAND = dg.AssetKey(["unified", "demand_history"])
SNAPSHOTS = dg.AssetKey(["unified", "inventory_snapshots"])
ALERTS = dg.AssetKey(["alerts", "alerts"])
PAGE = dg.AssetKey(["report", "page"])
DAY = tiny.END.isoformat()


@dataclass
class InDagster:
    """A plant, its definitions, and an instance that records what is materialized."""

    store: Store
    site: Site
    home: Path
    instance: dg.DagsterInstance

    @property
    def definitions(self) -> dg.Definitions:
        return build(self.site.folder, resources={"plant": plant_over(self.store, self.site.folder, self.home)})

    def load(self) -> list[str]:
        """Load what waits, a job for each batch, as the sensors would have it."""
        claim(self.store, self.site, self.home, actor="test")
        with self.store.read() as connection:
            pending = pending_batches(connection)
        for reference, feed_name, _ in pending.rows():
            feed = self.site.feed(feed_name)
            self.instance.add_dynamic_partitions(str(batches_of(feed).name), [reference])
            self.run(f"ingest_{feed.source}_{feed.name}", reference)
        return pending["reference"].to_list()

    def feed_of(self, reference: str) -> str:
        return counts_of(self.store, reference).feed

    def run(self, job: str, partition: str | None = None, **tags: str) -> None:
        found = self.definitions.resolve_job_def(job)
        assert found.execute_in_process(instance=self.instance, partition_key=partition, tags=tags).success

    def version(self, key: dg.AssetKey, partition: str | None = None) -> str:
        record = self.instance.get_latest_data_version_record(key, partition_key=partition)
        assert record is not None, key
        return (record.event_log_entry.tags or {})["dagster/data_version"]

    def status(self, key: dg.AssetKey) -> str:
        """What the UI says of an asset: fresh, stale (`unsynced`) or missing."""
        loading = LoadingContextForTest(self.instance)
        graph = self.definitions.resolve_asset_graph()
        return CachingStaleStatusResolver(self.instance, graph, loading).get_status(key).value


@pytest.fixture
def plant(embedded: Store, home: Path, tmp_path: Path) -> Iterator[InDagster]:
    folder = tiny.tiny_site(tmp_path / "site", forecasts="{}", clock=DAY)
    with dg.DagsterInstance.ephemeral() as instance:
        yield InDagster(embedded, load_site(folder), home, instance)


def test_materializing_twice_without_new_data_gives_the_same_versions(plant: InDagster) -> None:
    tiny.fill_inbox(plant.home)
    plant.load()
    versions = []
    for _ in range(2):
        plant.run("unified", DAY)
        plant.run("alerts")
        plant.run("report")
        versions.append([plant.version(key) for key in (DEMAND, ALERTS, PAGE)] + [plant.version(SNAPSHOTS, DAY)])
    assert versions[0] == versions[1]


def test_a_batch_has_the_version_of_its_files_however_many_a_run_loads(plant: InDagster) -> None:
    tiny.fill_inbox(plant.home)
    [feed] = [feed for feed in plant.site.feeds if feed.feed == "shop/order_lines"]
    first = plant.load()
    day = tiny.END + timedelta(days=1)
    tiny.drop_orders(plant.home, day, 1)
    [second] = plant.load()
    orders = next(reference for reference in first if plant.feed_of(reference) == feed.feed)
    alone = [plant.version(ORDERS, reference) for reference in (orders, second)]
    assert len(set(alone)) == 2
    plant.run("ingest_shop_order_lines", **{RANGE_START: orders, RANGE_END: second})
    assert [plant.version(ORDERS, reference) for reference in (orders, second)] == alone


def test_another_batch_makes_what_rests_on_it_unsynced_until_it_is_made_again(plant: InDagster) -> None:
    tiny.fill_inbox(plant.home)
    plant.load()
    plant.run("unified", DAY)
    assert plant.status(DEMAND) == "FRESH"
    before = plant.version(DEMAND)
    tiny.drop_orders(plant.home, tiny.END, 1, f"K1,1,P1,C9,{DAY},{DAY},{DAY},2,20.00,Sent")
    plant.load()
    assert plant.status(DEMAND) == "STALE"
    plant.run("unified", DAY)
    assert plant.status(DEMAND) == "FRESH"
    assert plant.version(DEMAND) != before


def test_a_batch_that_is_withdrawn_and_restored_leaves_the_version_as_it_was(store: Store, home: Path) -> None:
    site = site_of(home / "site")
    drop(home, "inbox/shop/orders_1.csv", ORDERS_HEADER, "A,1,7,2,2026-03-01")
    drop(home, "inbox/shop/orders_2.csv", ORDERS_HEADER, "B,1,7,2,2026-03-01")
    for found in claim(store, site, home, actor="test"):
        load_batch(store, site, found.reference, home=home, actor="test")
    with store.read() as connection:
        data, fingerprint = loaded_data(connection), batches_hash(connection)
    withdraw(store, site, "00000001", home=home, actor="test", reason="wrong")
    with store.read() as connection:
        assert loaded_data(connection) != data
    restore(store, "00000001", actor="test", reason="right after all")
    load_batch(store, site, "00000001", home=home, actor="test")
    with store.read() as connection:
        assert loaded_data(connection) == data
        assert batches_hash(connection) != fingerprint


def test_another_declaration_is_another_code_version(tmp_path: Path) -> None:
    site, later = (load_site(tiny.tiny_site(tmp_path / name, clock=day)) for name, day in (("a", DAY), ("b", "data")))
    assert code_version(site) == code_version(load_site(site.folder)) != code_version(later)
    assert [feed_code_version(feed) for feed in site.feeds] == [feed_code_version(feed) for feed in later.feeds]
    graph = build(site.folder).resolve_asset_graph()
    assert [key for key in graph.get_all_asset_keys() if not graph.get(key).code_version] == []
