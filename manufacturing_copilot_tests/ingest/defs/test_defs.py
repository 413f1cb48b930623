"""The Dagster edge of ingest: assets, checks and sensors on an instance of the test's own."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa

from manufacturing_copilot.dagster_support import Plant
from manufacturing_copilot.ingest.defs import build_definitions
from manufacturing_copilot.ingest.defs.assets import feed_asset
from manufacturing_copilot.ingest.defs.checks import feed_checks
from manufacturing_copilot.ingest.defs.jobs import feed_job
from manufacturing_copilot.ingest.defs.sensors import (
    RANGE_END,
    RANGE_START,
    REFERENCES_TAG,
    RUNS_AN_HOUR,
    source_sensor,
)
from manufacturing_copilot.ingest.discovery.claim import claim
from manufacturing_copilot.ingest.ledger.attempts import begin, counts_of
from manufacturing_copilot.ingest.ledger.batches import totals
from manufacturing_copilot.site import Site
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.tables import duplicate_record
from manufacturing_copilot_tests.ingest.plants import ORDERS, ORDERS_HEADER, drop, site_of

KEY = dg.AssetKey(["ingest", "shop", "orders"])
PARTITIONS = "batches_shop_orders"
pytestmark = [
    pytest.mark.filterwarnings("ignore::dagster.BetaWarning"),
    pytest.mark.filterwarnings("ignore::dagster.PreviewWarning"),
]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


@pytest.fixture
def site(home: Path) -> Site:
    return site_of(home / "site")


def plant_of(site: Site) -> Plant:
    return Plant(site_folder=str(site.folder))


def orders(home: Path, number: int, *lines: str) -> None:
    drop(home, f"inbox/shop/orders_{number}.csv", ORDERS_HEADER, *lines)


def claimed(store: Store, site: Site, home: Path, instance: dg.DagsterInstance) -> str:
    [found] = claim(store, site, home, actor="test")
    instance.add_dynamic_partitions(PARTITIONS, [found.reference])
    return found.reference


def run(
    site: Site, instance: dg.DagsterInstance, *references: str, tags: dict[str, str] | None = None
) -> dg.ExecuteInProcessResult:
    """Run the job of the orders over these batches, as a request of the sensor would."""
    definitions = dg.Definitions.merge(build_definitions(site), dg.Definitions(resources={"plant": plant_of(site)}))
    job = definitions.resolve_job_def("ingest_shop_orders")
    key = references[0] if len(references) == 1 else None
    wanted = tags or ({} if key else {RANGE_START: references[0], RANGE_END: references[-1]})
    return job.execute_in_process(instance=instance, partition_key=key, tags=wanted, raise_on_error=False)


def metadata_of(instance: dg.DagsterInstance, reference: str) -> dict[str, Any]:
    filters = dg.AssetRecordsFilter(asset_key=KEY, asset_partitions=[reference])
    found: dict[str, Any] = {}
    for record in instance.fetch_materializations(filters, limit=1).records:
        materialization = record.asset_materialization
        assert materialization is not None
        found |= {name: value.value for name, value in materialization.metadata.items()}
    return found


def check_of(result: dg.ExecuteInProcessResult, name: str) -> dg.AssetCheckEvaluation:
    return next(found for found in result.get_asset_check_evaluations() if found.check_name == name)


def sensor_of(site: Site, source: str) -> dg.SensorDefinition:
    return source_sensor(site, source, {feed.feed: feed_job(feed) for feed in site.feeds})


def tick(site: Site, instance: dg.DagsterInstance, source: str = "shop") -> dg.SensorResult:
    with dg.build_sensor_context(instance=instance, resources={"plant": plant_of(site)}) as context:
        result = sensor_of(site, source)(context)
    assert isinstance(result, dg.SensorResult)
    return result


def test_the_definitions_are_valid_and_every_feed_has_its_asset_checks_job_and_sensor(site: Site) -> None:
    definitions = dg.Definitions.merge(build_definitions(site), dg.Definitions(resources={"plant": plant_of(site)}))
    dg.Definitions.validate_loadable(definitions)
    specs = {spec.key: spec for spec in definitions.resolve_all_asset_specs()}
    assert set(specs) == {KEY, dg.AssetKey(["ingest", "stock", "moves"])}
    assert specs[KEY].group_name == "ingest"
    assert specs[KEY].owners
    assert specs[KEY].kinds == {"csv", "table"}
    assert specs[KEY].metadata["dagster/table_name"] == "accepted_order_lines"
    assert isinstance(specs[KEY].partitions_def, dg.DynamicPartitionsDefinition)
    assert len(list(feed_checks(site.feed("shop/orders")).check_keys)) == 4
    assert {sensor.name for sensor in definitions.sensors or []} == {"files_of_shop", "files_of_stock"}


def test_a_run_loads_its_batch_and_says_what_came_of_it(
    store: Store, site: Site, home: Path, instance: dg.DagsterInstance
) -> None:
    orders(home, 1, "A,1,7,2,2026-03-01", "A,1,7,2,2026-03-01", "A,2,7,x,2026-03-01")
    reference = claimed(store, site, home, instance)
    result = run(site, instance, reference)
    assert result.success
    found = metadata_of(instance, reference)
    assert [found[name] for name in ("received", "accepted", "duplicate", "rejected")] == [3, 1, 1, 1]
    assert found["dagster/partition_row_count"] == 1
    assert "orders_1.csv" in found["files"]
    assert "A" in found["preview"]
    assert "quantity" in found["rejected rows"]
    assert counts_of(store, reference).status == "success"


def test_one_run_loads_a_range_of_batches_each_with_its_own_counts(
    store: Store, site: Site, home: Path, instance: dg.DagsterInstance
) -> None:
    references = []
    for number in range(3):
        orders(home, number, *(f"{number},{line},7,2,2026-03-01" for line in range(number + 1)))
        references.append(claimed(store, site, home, instance))
    assert run(site, instance, *references).success
    assert [metadata_of(instance, reference)["accepted"] for reference in references] == [1, 2, 3]


def test_the_checks_pass_on_clean_rows_and_warn_of_dirt(
    store: Store, site: Site, home: Path, instance: dg.DagsterInstance
) -> None:
    orders(home, 1, "A,1,7,2,2026-03-01", "A,2,7,2,2026-03-01")
    clean = run(site, instance, claimed(store, site, home, instance))
    assert all(found.passed for found in clean.get_asset_check_evaluations())
    orders(home, 2, "B,1,7,2,2026-03-01", "A,2,7,2,2026-03-01", "C,2,7,x,2026-03-01")
    dirty = run(site, instance, claimed(store, site, home, instance))
    assert dirty.success
    conserved, duplicates, share = (
        check_of(dirty, name) for name in ("rows_conserved", "duplicates", "rejected_share")
    )
    assert conserved.passed
    assert (duplicates.passed, duplicates.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert duplicates.metadata["duplicates"].value == 1
    assert "inbox/shop/orders_1.csv" in str(duplicates.metadata["examples"].value)
    assert (share.passed, share.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert share.metadata["share"].value == pytest.approx(1 / 3)
    for failed in (duplicates, share):
        assert failed.description is not None and failed.description.startswith("1 ")


def test_a_feed_that_must_be_fresh_says_so_in_dagster(home: Path) -> None:
    fresh = site_of(home / "site", ORDERS | {"fresh_within": "26 hours"})
    [spec] = feed_asset(fresh.feed("shop/orders")).specs
    assert spec.freshness_policy == dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=26))


def test_rows_that_were_replaced_since_still_count_as_accepted(
    store: Store, site: Site, home: Path, instance: dg.DagsterInstance
) -> None:
    orders(home, 1, "A,1,7,2,2026-03-01", "A,1,7,2,2026-03-01", "B,1,7,2,2026-03-01")
    first = claimed(store, site, home, instance)
    orders(home, 2, "A,1,7,4,2026-03-01")
    second = claimed(store, site, home, instance)
    result = run(site, instance, first, second)
    assert check_of(result, "rows_conserved").passed
    assert counts_of(store, first).accepted == 2


def test_a_row_that_got_lost_is_found_by_the_check(
    store: Store, site: Site, home: Path, instance: dg.DagsterInstance
) -> None:
    orders(home, 1, "A,1,7,2,2026-03-01", "A,1,7,2,2026-03-01")
    reference = claimed(store, site, home, instance)
    run(site, instance, reference)
    with store.write() as connection:
        connection.execute(sa.delete(duplicate_record))
    found = check_of(run(site, instance, reference), "rows_conserved")
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert reference in str(found.metadata["batches that do not add up"].value)


def test_a_batch_that_fails_fails_the_run_in_its_sentence_and_costs_its_neighbours_nothing(
    store: Store, site: Site, home: Path, instance: dg.DagsterInstance
) -> None:
    orders(home, 1, "A,1,7,2,2026-03-01")
    first = claimed(store, site, home, instance)
    drop(home, "inbox/shop/orders_2.csv", "order,line,amount", "B,1,2")
    bad = claimed(store, site, home, instance)
    orders(home, 3, "C,1,7,2,2026-03-01")
    last = claimed(store, site, home, instance)
    result = run(site, instance, first, last)
    assert not result.success
    failure = next(event for event in result.all_events if event.is_step_failure).step_failure_data
    assert failure.user_failure_data is not None
    assert "orders_2.csv" in (failure.user_failure_data.description or "")
    assert [counts_of(store, reference).status for reference in (first, bad, last)] == ["success", "failed", "success"]
    assert metadata_of(instance, last)["accepted"] == 1
    assert instance.get_materialized_partitions(KEY) == {first, last}


def test_a_range_turned_round_loads_nothing_and_says_so(
    store: Store, site: Site, home: Path, instance: dg.DagsterInstance
) -> None:
    references = []
    for number in range(2):
        orders(home, number, f"{number},1,7,2,2026-03-01")
        references.append(claimed(store, site, home, instance))
    result = run(site, instance, *references, tags={RANGE_START: references[1], RANGE_END: references[0]})
    assert not result.success
    assert totals(store).batches["pending"] == 2


def test_a_tick_claims_what_waits_and_asks_for_one_run(
    store: Store, site: Site, home: Path, instance: dg.DagsterInstance
) -> None:
    orders(home, 1, "A,1,7,2,2026-03-01")
    claim(store, site, home, actor="earlier")
    orders(home, 2, "B,1,7,2,2026-03-01")
    result = tick(site, instance)
    [request] = result.run_requests or []
    assert request.job_name == "ingest_shop_orders"
    assert (request.tags[RANGE_START], request.tags[RANGE_END]) == ("00000001", "00000002")
    [addition] = result.dynamic_partitions_requests or []
    assert (addition.partitions_def_name, list(addition.partition_keys)) == (PARTITIONS, ["00000001", "00000002"])


def test_what_the_sensor_asks_for_can_be_run(
    store: Store, site: Site, home: Path, instance: dg.DagsterInstance
) -> None:
    orders(home, 1, "A,1,7,2,2026-03-01")
    claim(store, site, home, actor="earlier")
    orders(home, 2, "B,1,7,2,2026-03-01")
    result = tick(site, instance)
    [request], [addition] = result.run_requests or [], result.dynamic_partitions_requests or []
    instance.add_dynamic_partitions(PARTITIONS, list(addition.partition_keys))
    assert run(site, instance, "00000001", "00000002", tags=dict(request.tags)).success
    assert totals(store).batches["success"] == 2
    assert not tick(site, instance).run_requests


def test_a_tick_with_nothing_new_says_so(site: Site, store: Store, instance: dg.DagsterInstance) -> None:
    result = tick(site, instance)
    assert not result.run_requests
    assert result.skip_reason is not None
    assert result.skip_reason.skip_message == "nothing new"


def test_a_batch_that_a_run_will_load_is_not_asked_for_again(
    store: Store, site: Site, home: Path, instance: dg.DagsterInstance
) -> None:
    orders(home, 1, "A,1,7,2,2026-03-01")
    [request] = tick(site, instance).run_requests or []
    instance.create_run_for_job(_job(), tags=dict(request.tags), status=dg.DagsterRunStatus.STARTED)
    orders(home, 2, "B,1,7,2,2026-03-01")
    [second] = tick(site, instance).run_requests or []
    assert second.tags[REFERENCES_TAG] == "00000002"


def test_a_batch_whose_run_died_is_asked_for_again_under_a_new_key(
    store: Store, site: Site, home: Path, instance: dg.DagsterInstance
) -> None:
    orders(home, 1, "A,1,7,2,2026-03-01")
    [request] = tick(site, instance).run_requests or []
    instance.create_run_for_job(_job(), tags=dict(request.tags), status=dg.DagsterRunStatus.FAILURE)
    begin(store, "00000001", run_id="dead", actor="test")
    [again] = tick(site, instance).run_requests or []
    assert again.partition_key == "00000001"
    assert again.run_key != request.run_key


def test_a_batch_whose_runs_die_before_they_begin_is_not_asked_for_without_end(
    store: Store, site: Site, home: Path, instance: dg.DagsterInstance
) -> None:
    orders(home, 1, "A,1,7,2,2026-03-01")
    for _ in range(RUNS_AN_HOUR):
        [request] = tick(site, instance).run_requests or []
        instance.create_run_for_job(_job(), tags=dict(request.tags), status=dg.DagsterRunStatus.FAILURE)
    result = tick(site, instance)
    assert not result.run_requests
    assert result.skip_reason is not None
    assert "have not loaded 00000001" in (result.skip_reason.skip_message or "")


def test_a_failed_batch_is_not_loaded_by_standing_between_two_others(
    store: Store, site: Site, home: Path, instance: dg.DagsterInstance
) -> None:
    orders(home, 1, "A,1,7,2,2026-03-01")
    claimed(store, site, home, instance)
    drop(home, "inbox/shop/orders_2.csv", "order,line,amount", "B,1,2")
    run(site, instance, claimed(store, site, home, instance))
    orders(home, 3, "C,1,7,2,2026-03-01")
    requests = tick(site, instance).run_requests or []
    assert [request.partition_key for request in requests] == ["00000001", "00000003"]


def test_a_source_whose_folder_cannot_be_named_fails_the_tick(
    store: Store, home: Path, instance: dg.DagsterInstance
) -> None:
    site = site_of(home / "site", ORDERS | {"files": "$NO_SUCH_FOLDER/orders.csv"})
    with pytest.raises(Exception, match="no environment variable of that name is set"):
        tick(site, instance)


@pytest.mark.parametrize(("on", "status"), [(True, "RUNNING"), (False, "STOPPED")])
def test_sensors_start_by_themselves_where_the_site_says_so(home: Path, on: bool, status: str) -> None:
    sensor = sensor_of(site_of(home / "site", schedule_on=on), "shop")
    assert sensor.default_status.value == status
    assert sensor.minimum_interval_seconds == 30


def _job() -> dg.JobDefinition:
    @dg.op
    def nothing() -> None: ...

    @dg.job(name="ingest_shop_orders")
    def job() -> None:
        nothing()

    return job
