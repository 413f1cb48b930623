"""A load that is killed at any instant ends, once it is run again, as if nothing had happened.

COPILOT_KILLS sets how many instants are tried on each database (6 where it is not set).
"""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import polars as pl
import psycopg
import pytest
import sqlalchemy as sa

from manufacturing_copilot.ingest.claim import claim
from manufacturing_copilot.store import Store, open_store, read_frame
from manufacturing_copilot.store.tables import (
    accepted,
    batch,
    batch_file,
    changed_record,
    duplicate_record,
    feed,
    rejected_record,
)
from manufacturing_copilot_tests.faults import loading
from manufacturing_copilot_tests.ingest.plants import MOVES_HEADER, ORDERS_HEADER, drop, site_of

KILLS = int(os.environ.get("COPILOT_KILLS", "6"))
BATCHES = 5
ROWS = 1_500

# A server that has imported everything and runs nothing: a process forked from it begins at once.
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload([loading.__name__, "pandera.polars", "pandera.strategies.base_strategies"])

# What must be the same in the end: all but when, how often and under which row number it was done.
_COMPARED = {
    batch: [
        "reference",
        "status",
        *(f"rows_{f}" for f in ("received", "accepted", "duplicate", "rejected", "changed")),
    ],
    batch_file: ["path", "sha256", "archived_as", "received_as", "repeats_file_id", "rows_received"],
    feed: ["name", "contract"],
    duplicate_record: ["file_id", "line", "of_file_id", "of_line", "reason"],
    rejected_record: ["file_id", "line", "reasons", "received"],
    changed_record: ["file_id", "line", "record_key", "was_file_id", "was_line", "was"],
    **{
        accepted[kind]: [column.name for column in accepted[kind].columns]
        for kind in ("order_lines", "stock_movements")
    },
}


@dataclass(frozen=True)
class Place:
    """A home folder and the URL of its database."""

    home: Path
    url: str

    def open(self) -> Store:
        return open_store(self.url)

    def start(self) -> BaseProcess:
        """Start a process that loads everything; return it once it is about to begin."""
        ours, theirs = _PROCESSES.Pipe()
        started = _PROCESSES.Process(target=loading.process, args=(self.home, self.url, theirs))
        started.start()
        assert ours.recv() == "ready"
        ours.close()
        theirs.close()
        return started

    def finish(self) -> None:
        store = self.open()
        loading.load_everything(store, self.home)
        store.close()

    def state(self) -> dict[str, pl.DataFrame]:
        store = self.open()
        with store.read() as connection:
            found = {
                table.name: read_frame(connection, sa.select(*(table.c[name] for name in names))).sort(*names)
                for table, names in _COMPARED.items()
            }
        store.close()
        return found


class Copies:
    """Makes places that start out equal to a prepared one."""

    def __init__(self, folder: Path, server: str | None) -> None:
        self._folder, self._server = folder, server
        self._databases: list[str] = []

    def first(self) -> Place:
        home = self._folder / "first"
        home.mkdir()
        return Place(home, self._database(home, None))

    def of(self, place: Place) -> Place:
        home = self._folder / uuid.uuid4().hex[:8]
        shutil.copytree(place.home, home)
        return Place(home, self._database(home, place.url.rpartition("/")[2]))

    def close(self) -> None:
        for name in self._databases:
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _database(self, home: Path, template: str | None) -> str:
        if self._server is None:
            return f"sqlite:///{home / 'copilot.db'}"
        name = f"kill_{uuid.uuid4().hex[:12]}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template or 'template_copilot'}")
        self._databases.append(name)
        return f"{self._server}/{name}"

    def _execute(self, statement: str) -> None:
        with psycopg.connect(f"{self._server}/postgres", autocommit=True) as connection:
            connection.execute(statement)


@pytest.fixture(params=["sqlite", "postgresql"])
def copies(request: pytest.FixtureRequest, tmp_path: Path, home: Path) -> Iterator[Copies]:
    server = None
    if request.param == "postgresql":
        request.getfixturevalue("postgres_template")
        server = request.getfixturevalue("postgres_server")
    made = Copies(tmp_path, server)
    yield made
    made.close()


def _fill(home: Path, number: int) -> None:
    """Write one file of each feed: new keys, keys of the file before (some changed), a bad row; moves repeat once."""
    start = number * ROWS // 2
    lines = [
        f"O{key},1,I{key % 50},{key % 7 + (number if key % 11 == 0 else 0)},2026-03-01"
        for key in range(start, start + ROWS)
    ]
    drop(home, f"inbox/shop/orders_{number}.csv", ORDERS_HEADER, *lines, f"X{number},1,I1,many,2026-03-01")
    content = 0 if number == BATCHES - 1 else number
    drop(
        home,
        f"inbox/stock/moves_{number}.csv",
        MOVES_HEADER,
        *(f"I{key % 50},2026-03-01,{content + 1}" for key in range(ROWS)),
    )


@pytest.fixture
def prepared(copies: Copies) -> Place:
    """A place where the batches of two feeds wait, claimed one after the other."""
    place = copies.first()
    site = site_of(place.home / "site")
    store = place.open()
    for number in range(BATCHES):
        _fill(place.home, number)
        claim(store, site, place.home, actor="test")
    store.close()
    return place


def _killed_after(place: Place, seconds: float) -> bool:
    """Start a load and kill it after so long; return whether it was killed before it had ended."""
    process = place.start()
    process.join(seconds)
    process.kill()
    process.join()
    return process.exitcode == -signal.SIGKILL


def _undisturbed(copies: Copies, prepared: Place) -> tuple[dict[str, pl.DataFrame], float]:
    """Return the state after a load that nobody disturbs, and how long it took."""
    place = copies.of(prepared)
    process = place.start()
    started = time.monotonic()
    process.join()
    seconds = time.monotonic() - started
    assert process.exitcode == 0
    return place.state(), seconds


def _assert_same(found: dict[str, pl.DataFrame], expected: dict[str, pl.DataFrame], when: str) -> None:
    for name, frame in expected.items():
        assert found[name].equals(frame), f"{name} differs {when}"


def test_a_load_killed_at_any_instant_ends_as_if_undisturbed(copies: Copies, prepared: Place) -> None:
    expected, seconds = _undisturbed(copies, prepared)
    assert set(expected["batch"]["status"]) == {"success"}
    assert all(not frame.is_empty() for frame in expected.values())
    instants = random.Random(20260301)
    killed = 0
    while killed < KILLS:
        place = copies.of(prepared)
        instant = instants.uniform(0, seconds)
        if not _killed_after(place, instant):
            seconds *= 0.8  # the machine is quicker by now: an end that came before the kill shows nothing
            continue
        killed += 1
        place.finish()
        found = place.state()
        _assert_same(found, expected, f"after a kill at {instant:.3f} s of {seconds:.3f} s")
        assert all((place.home / path).exists() for path in found["batch_file"]["received_as"])


def test_a_load_killed_again_and_again_ends_as_if_undisturbed(copies: Copies, prepared: Place) -> None:
    expected, seconds = _undisturbed(copies, prepared)
    place = copies.of(prepared)
    killed = [_killed_after(place, seconds * part) for part in (0.1, 0.1, 0.15, 0.2)]
    assert killed[0]
    place.finish()
    _assert_same(place.state(), expected, f"after {sum(killed)} kills")


def test_two_processes_that_claim_and_load_at_once_load_every_file_once(copies: Copies) -> None:
    place = copies.first()
    site_of(place.home / "site")
    place.open().close()
    for number in range(BATCHES):
        _fill(place.home, number)
    processes = [place.start() for _ in range(2)]
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    place.finish()
    found = place.state()
    assert set(found["batch"]["status"]) == {"success"}
    assert found["batch"].height == 2
    assert found["batch_file"]["path"].n_unique() == found["batch_file"].height == 2 * BATCHES
    assert found["accepted_order_lines"].height == (BATCHES + 1) * ROWS // 2
    assert found["accepted_stock_movements"].height == (BATCHES - 1) * ROWS
    assert found["duplicate_record"]["reason"].str.contains("byte for byte").sum() == ROWS
