"""Kills: a load of twenty batches is killed (SIGKILL) at random instants and started again.

    python -m manufacturing_copilot_tests.faults.kills --kills 50

kills the load of 20 batches 50 times on SQLite and 50 times on PostgreSQL, and prints how many ended as if nothing
had happened. `--way run` kills `copilot run` (the default), `--way load` the bare load of batches, `--way pieces`
loads of large files: a first one, and one into what that left. `--seed` draws other instants.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from manufacturing_copilot.ingest.discovery.claim import claim
from manufacturing_copilot_tests import postgres
from manufacturing_copilot_tests.faults.plant_copies import Copies, Plant, State, differences
from manufacturing_copilot_tests.ingest.plants import MOVES, MOVES_HEADER, ORDERS, ORDERS_HEADER, drop, site_of

WAYS = ("run", "load", "pieces")
ROUNDS = 10
"""Rounds of deliveries; each is a batch of two feeds, so that there are twenty."""
SEED = 20260301


@dataclass
class Report:
    """What kills did: how many there were, what stood differently afterwards (in words), and how long they took."""

    kills: int = 0
    wrong: list[str] = field(default_factory=list)
    undisturbed_seconds: float = 0.0
    seconds: float = 0.0
    in_progress: int = 0
    """Kills that left a batch half done; the others came before, between or after."""


def prepare(copies: Copies, way: str, *, rounds: int = ROUNDS, rows: int = 600) -> Plant:
    """Return a plant where batches of two feeds wait, all but the last round claimed one after the other."""
    plant = copies.first()
    feeds = (ORDERS,) if way == "pieces" else (ORDERS, MOVES)
    site = site_of(plant.home / "site", *feeds, forecasts={}, clock="data")
    store = plant.open()
    for number in range(2 if way == "pieces" else rounds):
        if number:
            claim(store, site, plant.home, actor="test")
        fill(plant.home, number, rounds, rows * (4 if way == "pieces" else 1), moves=way != "pieces")
    store.close()
    return plant


def fill(home: Path, number: int, rounds: int, rows: int, *, moves: bool = True) -> None:
    """Write one file of each feed: new keys, keys of the file before (some changed), a bad row; moves repeat once."""
    start = number * rows // 2
    lines = [
        f"O{key % (rows * rounds)},1,I{key % 50},{key % 7 + (number if key % 11 == 0 else 0)},2026-03-01"
        for key in [*range(start, start + rows), *range(start, start + rows // 10)]
    ]
    lines.insert(rows // 3, f"X{number},1,I1,many,2026-03-01")
    drop(home, f"inbox/shop/orders_{number}.csv", ORDERS_HEADER, *lines, "short,row")
    content = 0 if number == rounds - 1 else number
    if moves:
        stock = (f"I{key % 50},2026-03-01,{content + 1}" for key in range(rows))
        drop(home, f"inbox/stock/moves_{number}.csv", MOVES_HEADER, *stock)


def undisturbed(copies: Copies, prepared: Plant, way: str) -> tuple[State, float]:
    """Return the state after work that nobody disturbs, and how long it took."""
    plant = copies.of(prepared)
    seconds = plant.finish(way)
    state = plant.state()
    copies.drop(plant)
    assert set(state["batch"]["status"]) == {"success"}
    return state, seconds


@dataclass(frozen=True)
class Undisturbed:
    """Work that nobody disturbs: the plant before it, the state after it, and how long it took."""

    prepared: Plant
    state: State
    seconds: float


def rehearse(copies: Copies, way: str, **amount: int) -> Undisturbed:
    """Prepare a plant and let a copy of it be worked on to the end, as often kills are held against it."""
    prepared = prepare(copies, way, **amount)
    return Undisturbed(prepared, *undisturbed(copies, prepared, way))


def kill_often(copies: Copies, way: str, kills: int, rehearsed: Undisturbed, *, seed: int = SEED) -> Report:
    """Kill the work on a fresh copy at `kills` random instants, each time start it again, and compare."""
    began = time.monotonic()
    expected, seconds = rehearsed.state, rehearsed.seconds
    report = Report(undisturbed_seconds=seconds)
    instants = random.Random(seed)
    while report.kills < kills:
        plant = copies.of(rehearsed.prepared)
        instant = instants.uniform(0, seconds)
        if plant.killed_after(way, instant):
            report.kills += 1
            _take_up(plant, way, expected, report, f"a kill at {instant:.3f} s of {seconds:.3f} s")
        else:
            seconds *= 0.9  # the machine is quicker by now: an end that came before the kill shows nothing
        copies.drop(plant)
    report.seconds = time.monotonic() - began
    return report


def _take_up(plant: Plant, way: str, expected: State, report: Report, what: str) -> None:
    report.in_progress += "in_progress" in set(plant.state()["batch"]["status"])
    try:
        plant.finish(way)
    except AssertionError as problem:
        report.wrong.append(f"{what}: {problem}")
        return
    wrong = differences(plant.state(), expected)
    if wrong:
        report.wrong.append(f"{what}: {', '.join(wrong)} differ")


@contextmanager
def copies_on(database: str, folder: Path) -> Iterator[Copies]:
    """Give the maker of plants on `sqlite`, or on a `postgresql` server that ends with the context."""
    if database == "sqlite":
        yield Copies(folder, None)
        return
    with postgres.server() as url:
        copies = Copies(folder, url, postgres.template(url))
        yield copies
        copies.close()


def main() -> int:
    """Run the kills that the command line asks for; the exit code says whether all ended well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50, help="on each database")
    parser.add_argument("--way", choices=WAYS, default="run")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), action="append")
    parser.add_argument("--seed", type=int, default=SEED)
    asked = parser.parse_args()
    wrong = 0
    for database in asked.database or ("sqlite", "postgresql"):
        with (
            tempfile.TemporaryDirectory(prefix="copilot-kills-") as folder,
            copies_on(database, Path(folder)) as copies,
        ):
            report = kill_often(copies, asked.way, asked.kills, rehearse(copies, asked.way), seed=asked.seed)
        wrong += len(report.wrong)
        print(  # noqa: T201
            f"{database}, {asked.way}: {report.kills} kills over {report.undisturbed_seconds:.1f} s of work,"
            f" {report.in_progress} of them with a batch half done; {report.kills - len(report.wrong)} ended as if"
            f" undisturbed; {report.seconds:.0f} s"
        )
        for problem in report.wrong:
            print(f"  {problem}")  # noqa: T201
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
