"""The flow's jobs, schedule and sensor: who asks for what, and when."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from manufacturing_copilot.dagster_support import Plant
from manufacturing_copilot.ingest.defs.sensors import RANGE_END, RANGE_START
from manufacturing_copilot.orchestration.assembly import build
from manufacturing_copilot.orchestration.jobs import DAILY, FACTS, is_by_day
from manufacturing_copilot.orchestration.sensors import ATTEMPTS_AT_MOST, SEEN_TAG
from manufacturing_copilot.progress import batches_hash, record_refresh, up_to_batch
from manufacturing_copilot.site import Site, load_site
from manufacturing_copilot.store import Store, open_store
from manufacturing_copilot.store.tables import batch
from manufacturing_copilot.store.types import utc_now
from manufacturing_copilot.unified.defs import build_definitions as unified
from manufacturing_copilot.unified.defs.assets import SNAPSHOTS
from manufacturing_copilot_tests.end_to_end import tiny
from manufacturing_copilot_tests.end_to_end.running import QUIET, REPOSITORY
from manufacturing_copilot_tests.factories import add_records

pytestmark = QUIET
DEMO = REPOSITORY / "manufacturing_copilot" / "demo" / "site"
DAY = date(2026, 10, 31)


@pytest.fixture
def site(home: Path, tmp_path: Path) -> Site:
    return load_site(tiny.tiny_site(tmp_path / "site", clock=DAY.isoformat()))


@pytest.fixture
def definitions(site: Site) -> dg.Definitions:
    return build(site.folder)


@pytest.fixture
def embedded(home: Path) -> Iterator[Store]:
    opened = open_store()
    yield opened
    opened.close()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.mark.parametrize("folder", [DEMO, REPOSITORY / "manufacturing_copilot_tests" / "sites" / "adventureworks"])
def test_dagster_can_load_every_site(folder: Path) -> None:
    dg.Definitions.validate_loadable(build(folder))


def test_every_asset_has_an_owner_a_kind_a_description_and_the_group_of_its_stage() -> None:
    graph = build(DEMO).resolve_asset_graph()
    stages = {"ingest", "unified", "runtime", "forecasts", "planning", "alerts", "report"}
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.group_name == key.path[0] and node.group_name in stages, key
        assert node.owners and node.kinds and node.description, key


def test_every_column_of_every_asset_says_what_it_means() -> None:
    graph = build(DEMO).resolve_asset_graph()
    schemas = {key: graph.get(key).metadata.get("dagster/column_schema") for key in graph.get_all_asset_keys()}
    assert [key.to_user_string() for key, schema in schemas.items() if schema is None] == ["report/page"]
    unexplained = {
        f"{key.to_user_string()}: {column.name}"
        for key, schema in schemas.items()
        for column in (schema.columns if schema is not None else ())
        if not column.description
    }
    assert unexplained == set()


def test_data_moves_down_only() -> None:
    graph = build(DEMO).resolve_asset_graph()
    order = ["ingest", "unified", "runtime", "forecasts", "planning", "alerts", "report"]
    for key in graph.get_all_asset_keys():
        for parent in graph.get(key).parent_keys:
            assert order.index(parent.path[0]) <= order.index(key.path[0]), (parent, key)


def test_the_daily_job_holds_every_stage_after_ingest_and_the_facts_job_no_forecast(
    definitions: dg.Definitions,
) -> None:
    def groups(name: str) -> set[str]:
        selected = definitions.resolve_job_def(name).asset_layer.selected_asset_keys
        return {key.path[0] for key in selected}

    assert groups(DAILY) == {"unified", "runtime", "forecasts", "planning", "alerts", "report"}
    assert groups(FACTS) == {"unified", "planning", "alerts", "report"}
    for name in (DAILY, FACTS):
        assert is_by_day(name)
        assert definitions.resolve_job_def(name).partitions_def is not None
    for name in ("alerts", "report"):
        assert not is_by_day(name)
        assert definitions.resolve_job_def(name).partitions_def is None


def test_the_schedule_asks_once_a_day_for_the_last_complete_day(
    home: Path, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    site = load_site(tiny.tiny_site(tmp_path / "site", clock="system", schedule='"06:15"'))
    open_store().close()
    schedule = build(site.folder).resolve_schedule_def(DAILY)
    assert schedule.cron_schedule == "15 6 * * *"
    assert schedule.execution_timezone == "Europe/Berlin"
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    # shortly after midnight in Berlin it is still the day before in UTC
    at = datetime(2026, 7, 3, 22, 30, tzinfo=UTC)
    with dg.build_schedule_context(instance=instance, scheduled_execution_time=at, resources=plant(site)) as context:
        request = schedule(context)
    assert isinstance(request, dg.RunRequest)
    assert request.partition_key == "2026-07-03"


def test_a_range_of_days_the_other_way_round_fails_with_a_sentence(
    embedded: Store, site: Site, instance: dg.DagsterInstance
) -> None:
    definitions = dg.Definitions.merge(unified(site), dg.Definitions(resources=plant(site)))
    tags = {RANGE_START: DAY.isoformat(), RANGE_END: date(2026, 10, 1).isoformat()}
    result = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance, tags=tags, asset_selection=[SNAPSHOTS], raise_on_error=False
    )
    assert not result.success
    [failure] = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    said = f"{failure.error} {failure.user_failure_data}"
    assert "no day" in said or "the first day" in said, said


def test_a_site_may_leave_the_starting_to_others(home: Path, tmp_path: Path) -> None:
    site = load_site(tiny.tiny_site(tmp_path / "site", schedule_on="false"))
    definitions = build(site.folder)
    assert definitions.resolve_schedule_def(DAILY).default_status is dg.DefaultScheduleStatus.STOPPED
    for name in ("new_batches", "files_of_erp", "files_of_shop", "undelivered"):
        assert definitions.resolve_sensor_def(name).default_status is dg.DefaultSensorStatus.STOPPED


def test_before_the_first_batch_nothing_is_asked_for(
    embedded: Store, site: Site, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    assert ask(definitions, site, instance) == "no batch was loaded yet"


def test_on_a_day_without_forecasts_the_whole_flow_is_asked_for(
    embedded: Store, site: Site, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    add_records(embedded, "erp/items", [{"item": "A"}])
    assert_asks(ask(definitions, site, instance), DAILY)


def test_on_a_day_with_forecasts_only_facts_and_alerts_follow(
    embedded: Store, site: Site, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    add_records(embedded, "erp/items", [{"item": "A"}])
    up_to_date(embedded, site, "unified", "forecasts/demand")
    assert ask(definitions, site, instance) == "no batch was loaded since the facts were brought up to date"
    add_records(embedded, "erp/items", [{"item": "B"}])
    assert_asks(ask(definitions, site, instance), FACTS)


def test_facts_wait_for_batches_that_are_being_loaded(
    embedded: Store, site: Site, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    add_records(embedded, "erp/items", [{"item": "A"}])
    second = add_records(embedded, "erp/items", [{"item": "B"}])
    with embedded.write() as connection:
        chosen = sa.update(batch).where(batch.c.id == second)
        connection.execute(chosen.values(status="in_progress", claimed_at=utc_now()))
    assert ask(definitions, site, instance) == "1 batches are being loaded; the facts follow them"


def test_one_job_of_the_flow_at_a_time(
    embedded: Store, site: Site, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    add_records(embedded, "erp/items", [{"item": "A"}])
    instance.add_run(dg.DagsterRun(job_name=FACTS, status=dg.DagsterRunStatus.STARTED))
    assert ask(definitions, site, instance) == f"the job {FACTS} is under way"


def test_a_job_that_keeps_failing_on_the_same_batches_is_given_up(
    embedded: Store, site: Site, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    add_records(embedded, "erp/items", [{"item": "A"}])
    keys = set()
    for _ in range(ATTEMPTS_AT_MOST):
        asked = ask(definitions, site, instance)
        assert isinstance(asked, dg.RunRequest)
        keys.add(asked.run_key)
        failed = dg.DagsterRun(job_name=DAILY, status=dg.DagsterRunStatus.FAILURE, tags=dict(asked.tags))
        instance.add_run(failed)
    assert len(keys) == ATTEMPTS_AT_MOST
    said = ask(definitions, site, instance)
    assert isinstance(said, str) and "look at their logs" in said
    add_records(embedded, "erp/items", [{"item": "B"}])
    assert_asks(ask(definitions, site, instance), DAILY)


def assert_asks(asked: dg.RunRequest | str, job: str) -> None:
    assert isinstance(asked, dg.RunRequest), asked
    assert (asked.job_name, asked.partition_key) == (job, DAY.isoformat())
    assert SEEN_TAG in asked.tags


def ask(definitions: dg.Definitions, site: Site, instance: dg.DagsterInstance) -> dg.RunRequest | str:
    """What the sensor asks for, or why it asks for nothing."""
    with dg.build_sensor_context(instance=instance, resources=plant(site), definitions=definitions) as context:
        result = definitions.resolve_sensor_def("new_batches").evaluate_tick(context)
    if result.run_requests:
        [request] = result.run_requests
        return request
    return result.skip_message or ""


def up_to_date(store: Store, site: Site, *parts: str) -> None:
    with store.write() as connection:
        seen = batches_hash(connection)
        for part in parts:
            record_refresh(connection, site, DAY, up_to=up_to_batch(connection), seen=seen, stage=part)


def plant(site: Site) -> dict[str, Plant]:
    return {"plant": Plant(site_folder=str(site.folder))}
