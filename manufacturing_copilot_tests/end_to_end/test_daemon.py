"""A real daemon over a small plant: what is dropped into the inbox reaches the right person, whoever is killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from manufacturing_copilot.ingest.discovery.claim import claim
from manufacturing_copilot.ingest.ledger.batches import totals
from manufacturing_copilot.ingest.loading.load import load_batch
from manufacturing_copilot.store.tables import accepted, alert, batch, batch_event
from manufacturing_copilot_tests.end_to_end import tiny
from manufacturing_copilot_tests.end_to_end.running import REPOSITORY, Running, running

PATIENCE = 600
"""Seconds after which a wait has failed; on two idle cores the longest takes about half a minute."""
MANY = 150_000
"""Orders in the file whose load is killed: seconds of work, so that there is a middle."""


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("daemon")
    home = folder / "home"
    home.mkdir()
    # nothing is forecast: what is tested here is who starts what
    site = tiny.tiny_site(folder / "site", forecasts="{}")
    (site / "feeds" / "stock_levels.yaml").unlink()
    with running(site, home) as ready:
        tiny.fill_inbox(home)
        for arrived in ("erp/purchases_1.csv", "erp/stock_20261031.csv"):
            (home / "inbox" / arrived).rename(folder / Path(arrived).name)
        load_what_waits(ready)
        yield ready


@pytest.fixture(scope="module")
def daemon(plant: Running) -> Iterator[None]:
    with started(plant.home):
        yield


def test_a_dropped_file_is_loaded_and_the_right_person_hears_of_it(plant: Running, daemon: None) -> None:
    text = (plant.home.parent / "purchases_1.csv").read_text(encoding="utf-8")
    tiny.drop(plant.home, "erp/purchases_1.csv", text)
    wait_until(lambda: [one for one in plant.messages if one.to.startswith("planner")], plant)
    [message] = [one for one in plant.messages if one.to.startswith("planner")]
    assert "PO1 line 10: P3 from V2 is 12 days late" in message.body
    assert "purchases_1.csv, line 2" in message.body
    assert statuses(plant) == {"success": 3}
    with dagster() as instance:
        jobs = {run.job_name: run.status for run in instance.get_runs()}
    assert {"ingest_erp_purchase_lines", "facts_and_alerts", "notify"} == set(jobs)
    assert plant.number(sa.select(sa.func.count()).select_from(alert)) == 1


def test_a_load_that_is_killed_is_finished_by_the_daemon_itself(plant: Running, daemon: None) -> None:
    before = totals(plant.store).rows
    day = tiny.END + timedelta(days=1)
    orders = [f"K{number},1,P1,C9,{day},{day},{day},2,20.00,Sent" for number in range(MANY)]
    tiny.drop_orders(plant.home, day, 1, *orders)
    wait_until(lambda: worker_of("ingest_shop_order_lines"), plant)
    worker = worker_of("ingest_shop_order_lines")
    wait_until(lambda: "in_progress" in statuses(plant), plant)
    os.kill(worker, signal.SIGKILL)

    wait_until(lambda: statuses(plant) == {"success": 4}, plant)
    after = totals(plant.store).rows
    added = MANY + len(tiny.ITEMS)
    assert after == before | {"received": before["received"] + added, "accepted": before["accepted"] + added}
    newest = sa.select(sa.func.max(batch.c.id)).scalar_subquery()
    story = plant.rows(sa.select(batch_event.c.id, batch_event.c.to_status).where(batch_event.c.batch_id == newest))
    words = story.sort("id")["to_status"].to_list()
    assert words.count("in_progress") >= 2, "the first load was killed before it began or after it had ended"
    assert words[-1] == "success"

    orders = accepted["order_lines"]
    sold = sa.select(sa.func.sum(orders.c.quantity)).where(orders.c.ordered_on == day)
    assert plant.number(sold) == 2 * MANY + 3 + 2 + 1  # every order counts once


def load_what_waits(plant: Running) -> None:
    """Load the files in the inbox without Dagster, as the past of the plant."""
    for found in claim(plant.store, plant.site, plant.home, actor="test"):
        load_batch(plant.store, plant.site, found.reference, home=plant.home, actor="test")


@contextmanager
def started(home: Path) -> Iterator[None]:
    """Run Dagster's daemon, with a code server of its own, until the end of the block."""
    daemon = Path(sys.executable).parent / "dagster-daemon"
    command = [daemon, "run", "-m", "manufacturing_copilot_tests.end_to_end.quick"]
    log = home / "daemon.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=home,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
            start_new_session=True,
        )
        try:
            yield
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            end_group(process.pid)


def end_group(leader: int) -> None:
    """End what the daemon started and left: code server and workers, all of its own process group."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return


@contextmanager
def dagster() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.get() as instance:
        yield instance


def worker_of(job: str) -> int:
    """The process that works on the newest run of `job`, as Dagster's own events name it; 0 where none does yet."""
    with dagster() as instance:
        runs = instance.get_runs(dg.RunsFilter(job_name=job), limit=1)
        said = [entry.message for run in runs for entry in instance.all_logs(run.run_id)]
    found = [match for text in said if (match := re.search(r"Started process for run \(pid: (\d+)\)", text))]
    return int(found[-1].group(1)) if found else 0


def statuses(plant: Running) -> dict[str, int]:
    query = sa.select(batch.c.status, sa.func.count()).group_by(batch.c.status)
    return dict(plant.rows(query).rows())


def wait_until(holds: Callable[[], object], plant: Running) -> None:
    """Wait until `holds` says so; fail with the end of the daemon's log where it never does."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            log = (plant.home / "daemon.log").read_text(encoding="utf-8", errors="replace")
            pytest.fail(f"not within {PATIENCE} s; batches: {statuses(plant)}; the daemon said:\n{log[-6000:]}")
        time.sleep(0.02)
