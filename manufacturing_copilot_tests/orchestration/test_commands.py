"""Dagster's own commands, from the repository's root, as the README shows them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa

from manufacturing_copilot.ingest.discovery.claim import claim
from manufacturing_copilot.ingest.loading.load import load_batch
from manufacturing_copilot.store.tables import demand_day, inventory_snapshot
from manufacturing_copilot.unified.refresh.refresh import refresh
from manufacturing_copilot_tests.end_to_end import tiny
from manufacturing_copilot_tests.end_to_end.running import REPOSITORY, Running, running

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
MODULE = ("-m", "manufacturing_copilot.definitions")
FIRST, LAST = tiny.END - timedelta(days=4), tiny.END


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The small plant with its batches loaded, and nothing made of them yet."""
    folder = tmp_path_factory.mktemp("commands")
    home = folder / "home"
    home.mkdir()
    with running(tiny.tiny_site(folder / "site"), home) as ready:
        settings = home / "dagster" / "dagster.yaml"
        text = settings.read_text(encoding="utf-8")
        # from the repository's root this would lie in the repository
        settings.write_text(text.replace(".copilot/dagster", str(home / "storage")), encoding="utf-8")
        tiny.fill_inbox(home)
        for passed, seals in enumerate((700, 800), start=2):
            tiny.drop_stock(home, tiny.END - timedelta(days=passed), seals=seals)
        for found in claim(ready.store, ready.site, home, actor="test"):
            load_batch(ready.store, ready.site, found.reference, home=home, actor="test")
        yield ready


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / arguments[0]
    return subprocess.run(
        [program, *arguments[1:]],
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY), "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=300,
    )


def snapshots(plant: Running, first: date, last: date) -> pl.DataFrame:
    table = inventory_snapshot
    return plant.rows(sa.select(table).where(table.c.day.between(first, last))).sort("day", "item_id", "location_id")


def test_the_definitions_are_sound(plant: Running) -> None:
    assert "\ndg check defs\n" in README
    ended = command("dg", "check", "defs")
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_one_day_of_facts_is_made_by_one_command(plant: Running) -> None:
    assert "--select 'group:unified' --partition " in README
    ended = command(
        "dagster", "asset", "materialize", *MODULE, "--select", "group:unified", "--partition", LAST.isoformat()
    )
    assert ended.returncode == 0, ended.stderr[-4000:]
    assert snapshots(plant, LAST, LAST)["on_hand"].to_list() == [5, 5000, 900]
    assert plant.number(sa.select(sa.func.sum(demand_day.c.quantity))) == 6 * tiny.DAYS


def test_a_range_of_snapshots_is_its_days(plant: Running) -> None:
    assert "--partition-range " in README
    days = [FIRST + timedelta(days=passed) for passed in range((LAST - FIRST).days + 1)]
    for day in days:
        refresh(plant.store, plant.site, day)
    one_by_one = snapshots(plant, FIRST, LAST)
    assert one_by_one["day"].unique().sort().to_list() == days[1:]  # nothing was counted before the second day
    with plant.store.write() as connection:
        connection.execute(sa.delete(inventory_snapshot))
    ended = command(
        *("dagster", "asset", "materialize", *MODULE, "--select", 'key:"unified/inventory_snapshots"'),
        *("--partition-range", f"{FIRST}...{LAST}"),
    )
    assert ended.returncode == 0, ended.stderr[-4000:]
    assert snapshots(plant, FIRST, LAST).equals(one_by_one)
