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

from manufacturing_copilot.ingest.claim import claim
from manufacturing_copilot.ingest.ledger import begin
from manufacturing_copilot.ingest.sensors import REFERENCES_TAG
from manufacturing_copilot.store.locks import held
from manufacturing_copilot.store.tables import batch
from manufacturing_copilot_tests.end_to_end import tiny
from manufacturing_copilot_tests.end_to_end.running import QUIET, Running, running

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


def test_what_a_daemon_works_on_is_left_to_it(plant: Running) -> None:
    first = left_by_a_killed_call(plant, {}, holds_the_pool=False)
    outcome = plant.run()
    assert "ingest_erp_items" not in [step.name for step in outcome.steps]
    with dg.DagsterInstance.get() as instance:
        still = instance.get_run_by_id(first)
        assert still is not None and still.status is dg.DagsterRunStatus.STARTED


def test_no_other_call_runs_meanwhile_and_no_daemon_retries_its_runs(plant: Running) -> None:
    tiny.drop(plant.home, "erp/items_1.csv", tiny.ITEMS_FILE)
    free: list[bool] = []

    def look(_name: str) -> None:
        with held(plant.store, "copilot run", wait=False) as is_free:
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
