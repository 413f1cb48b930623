"""The flow in one process, after a call of it that was killed."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from manufacturing_copilot.dagster_support import LIVES_TAG, life_lock, mark_of
from manufacturing_copilot.ingest.defs.sensors import REFERENCES_TAG
from manufacturing_copilot.ingest.discovery.claim import claim
from manufacturing_copilot.ingest.ledger.attempts import begin
from manufacturing_copilot.orchestration.orphaned_runs import end_dead_runs
from manufacturing_copilot.store.locks import named_lock
from manufacturing_copilot.store.tables import batch
from manufacturing_copilot_tests.end_to_end import tiny
from manufacturing_copilot_tests.end_to_end.running import QUIET, Running, running
from manufacturing_copilot_tests.plant_resource import plant_over

pytestmark = QUIET
POOL = "bulk_load"
MANY = 100_000
"""Orders in the file whose load is stopped: enough that there is a middle."""


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Running]:
    home = tmp_path / "home"
    home.mkdir()
    with running(tiny.tiny_site(tmp_path / "site", forecasts="{}"), home) as ready:
        yield ready


def test_what_a_killed_call_left_is_taken_up_by_the_next(plant: Running) -> None:
    first = left_by_a_killed_call(plant, {"copilot/started_by": "copilot run"})
    outcome = plant.run()
    assert outcome.success
    assert outcome.steps[0].name == "ingest_erp_items"
    assert plant.rows(sa.select(batch.c.status, batch.c.attempts)).rows() == [("success", 2)]
    with dg.DagsterInstance.get() as instance:
        ended = instance.get_run_by_id(first)
        assert ended is not None and ended.status is dg.DagsterRunStatus.FAILURE
    assert plant.run().steps == []


def test_storage_that_a_killed_call_left_half_made_is_made_whole(plant: Running) -> None:
    with dg.DagsterInstance.get() as instance:
        index = Path(instance.event_log_storage.path_for_shard("index"))
    for file in index.parent.glob("index.db*"):
        file.unlink()
    index.touch()  # as it is between its making and that of its tables
    tiny.fill_inbox(plant.home)
    assert plant.run().success


def test_what_a_daemon_works_on_is_left_to_it(plant: Running) -> None:
    first = left_by_a_killed_call(plant, {}, holds_the_pool=False)
    outcome = plant.run()
    assert "ingest_erp_items" not in [step.name for step in outcome.steps]
    with dg.DagsterInstance.get() as instance:
        still = instance.get_run_by_id(first)
        assert still is not None and still.status is dg.DagsterRunStatus.STARTED


def test_a_run_whose_process_died_with_its_code_server_is_ended_and_its_batch_is_loaded(plant: Running) -> None:
    first = left_by_a_killed_call(plant, {LIVES_TAG: mark_of(plant.store)})
    assert plant.run().success
    assert plant.rows(sa.select(batch.c.status, batch.c.attempts)).rows() == [("success", 2)]
    with dg.DagsterInstance.get() as instance:
        ended = instance.get_run_by_id(first)
        assert ended is not None and ended.status is dg.DagsterRunStatus.FAILURE
        assert instance.event_log_storage.get_concurrency_info(POOL).active_slot_count == 0


def test_a_run_that_lives_or_works_for_another_site_is_left_alone(plant: Running) -> None:
    with dg.DagsterInstance.get() as instance:
        ours, other = (
            dg.DagsterRun(job_name="any", status=dg.DagsterRunStatus.STARTED, tags={LIVES_TAG: mark})
            for mark in (mark_of(plant.store), "of another site")
        )
        instance.add_run(ours)
        instance.add_run(other)
        with named_lock(plant.store, life_lock(ours.run_id)):
            assert end_dead_runs(instance, plant.store, grace_seconds=0) == []
        assert end_dead_runs(instance, plant.store, grace_seconds=0) == [ours.run_id]


def test_a_run_holds_its_lock_until_it_ends(plant: Running) -> None:
    free: list[bool] = []

    @dg.op(required_resource_keys={"plant"})
    def look(context) -> None:  # type: ignore[no-untyped-def]  # dagster reads no postponed annotation
        with named_lock(plant.store, life_lock(context.run_id), wait=False) as is_free:
            free.append(is_free)

    @dg.job(
        executor_def=dg.in_process_executor,
        resource_defs={"plant": plant_over(plant.store, plant.site.folder, plant.home)},
    )
    def looking() -> None:
        look()

    with dg.DagsterInstance.get() as instance:
        result = looking.execute_in_process(instance=instance)
        run = instance.get_run_by_id(result.run_id)
        assert run is not None and run.tags[LIVES_TAG] == mark_of(plant.store)
    with named_lock(plant.store, life_lock(result.run_id), wait=False) as is_free:
        free.append(is_free)
    assert free == [False, True]


def test_no_other_call_runs_meanwhile_and_no_daemon_retries_its_runs(plant: Running) -> None:
    tiny.drop(plant.home, "erp/items_1.csv", tiny.ITEMS_FILE)
    free: list[bool] = []

    def look(_name: str) -> None:
        with named_lock(plant.store, "copilot run", wait=False) as is_free:
            free.append(is_free)

    assert plant.run(look).success
    assert free and not any(free)
    with dg.DagsterInstance.get() as instance:
        assert {run.tags["dagster/max_retries"] for run in instance.get_runs()} == {"0"}


def test_whoever_stops_it_stops_all_of_it_and_the_next_call_goes_on(plant: Running) -> None:
    tiny.drop(plant.home, "erp/items_1.csv", tiny.ITEMS_FILE)
    orders = [f"K{number},1,P1,C9,{tiny.END},{tiny.END},{tiny.END},2,20.00,Sent" for number in range(MANY)]
    tiny.drop_orders(plant.home, tiny.END, 1, *orders)
    begun: list[str] = []
    loading = sa.select(sa.func.count()).select_from(batch).where(batch.c.status == "in_progress")

    def stop() -> None:
        while begun[-1:] != ["ingest_shop_order_lines"] or not plant.number(loading):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=stop, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        plant.run(begun.append)
    assert begun[-1] == "ingest_shop_order_lines"
    assert plant.run().success
    states = plant.rows(sa.select(batch.c.status, batch.c.rows_accepted)).rows()
    assert sorted(states) == [("success", 3), ("success", MANY + 3)]


def left_by_a_killed_call(plant: Running, tags: dict[str, str], *, holds_the_pool: bool = True) -> str:
    """Leave behind what a call does that is killed in the middle of its first load; return its run's id."""
    tiny.drop(plant.home, "erp/items_1.csv", tiny.ITEMS_FILE)
    [found] = claim(plant.store, plant.site, plant.home, actor="test")
    with dg.DagsterInstance.get() as instance:
        run = dg.DagsterRun(
            job_name="ingest_erp_items",
            status=dg.DagsterRunStatus.STARTED,
            tags={REFERENCES_TAG: found.reference, **tags},
        )
        instance.add_run(run)
        begin(plant.store, found.reference, actor="test", run_id=run.run_id)
        if holds_the_pool:
            storage = instance.event_log_storage
            storage.set_concurrency_slots(POOL, 1)
            taken = storage.claim_concurrency_slot(POOL, run.run_id, "ingest__erp__items")
            assert taken.is_claimed
    return run.run_id
