"""How fast batches are loaded, beside a plain COPY and beside dlt, in one run.

    python -m benchmarks.ingest [--rows first,large] [--json]

Ours goes through the batch asset, on a Dagster instance on disk, each load in a fresh process whose start and imports
are not counted: archiving, hashing, reading, checking, rejected rows with reasons, duplicates, upsert, status. COPY is
the one of psql, of the same file into a table of the file's columns with its primary key. dlt is its fastest way found
(benchmarks/with_dlt.py); it needs an environment of its own: `--dlt PYTHON`, or the group `bench` installed here;
without it its rows are left out. Both sides use one PostgreSQL server with its default settings (the disk is waited
for), started here or named by `--server`, and a fresh database each time. They take turns; a figure is the median of
the ratios of `--times` turns, of fewer where a row takes longer than `--minutes` (the figure says of how many).
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.orders import KEY, write_dirty, write_orders
from benchmarks.site import write_site
from manufacturing_copilot.store import migrate
from manufacturing_copilot.store.engine import connect_store
from manufacturing_copilot_tests import postgres

HERE = Path(__file__).parent
Took = dict[str, float]

_TABLE = f"""
create table order_lines (
  order_no text, line_no text, item text not null, customer text, ordered_on date not null, requested_on date,
  quantity numeric(18, 6) not null, price numeric(18, 6), status text, primary key ({", ".join(KEY)})
)"""


@dataclass(frozen=True)
class Measure:
    """One line of the table: what was reached, and what is to be."""

    measure: str
    must: str
    goal: str
    value: float
    unit: str


@dataclass
class Bench:
    """Where things lie, and how often each is done."""

    server: str
    folder: Path
    times: int
    minutes: float
    lines: int
    large: int
    dlt: str | None
    quiet: bool
    found: list[Measure] = field(default_factory=list)

    def say(self, text: str) -> None:
        """Print how far it has come."""
        if not self.quiet:
            print(text, flush=True)

    def turns(self) -> Iterator[int]:
        """Give the number of each turn, as many as asked for, or fewer where they take too long."""
        began = time.monotonic()
        for number in range(self.times):
            yield number
            if time.monotonic() - began > self.minutes * 60:
                return

    def add_ratio(self, measure: str, must: str, goal: str, over: list[float], under: list[float]) -> None:
        """Keep the median of the ratios of all turns."""
        ratios = [one / other for one, other in zip(over, under, strict=True)]
        times = "once" if len(ratios) == 1 else f"median of {len(ratios)}"
        self.add(f"{measure} ({times})", must, goal, statistics.median(ratios), "x")

    def add(self, measure: str, must: str, goal: str, value: float, unit: str) -> None:
        """Keep one figure."""
        self.found.append(Measure(measure, must, goal, round(value, 3), unit))
        self.say(f"  {measure}: {value:.2f} {unit} (must {must}, goal {goal})")

    def file(self, name: str, rows: int, *, first: int = 0, revision: int = 0) -> Path:
        """Return a file of order lines, made once."""
        path = self.folder / f"{name}_{rows}.csv"
        return path if path.exists() else write_orders(path, rows, first=first, revision=revision)

    @contextmanager
    def database(self, *, ours: bool) -> Iterator[str]:
        """Give the URL of a fresh database, with our tables or none."""
        name = f"bench_{uuid.uuid4().hex[:10]}"
        self._run(f"CREATE DATABASE {name}")
        url = f"{self.server}/{name}"
        try:
            if ours:
                store = connect_store(url.replace("postgresql:", "postgresql+psycopg:"))
                migrate.upgrade(store)
                store.close()
            self._run("CHECKPOINT")
            yield url
        finally:
            self._run(f"DROP DATABASE {name} WITH (FORCE)")

    def _run(self, statement: str) -> None:
        with psycopg.connect(f"{self.server}/postgres", autocommit=True) as connection:
            connection.execute(statement)

    @contextmanager
    def home(self) -> Iterator[Path]:
        """Give a fresh home folder with the site."""
        folder = Path(tempfile.mkdtemp(prefix="home-", dir=self.folder))
        write_site(folder)
        yield folder
        shutil.rmtree(folder)

    def load(self, home: Path, url: str | None, *files: Path) -> Took:
        """Put files into the inbox of a home and load them."""
        inbox = home / "inbox"
        inbox.mkdir(exist_ok=True)
        for file in files:
            os.link(file, inbox / f"{len(list(inbox.iterdir()))}_{file.name}")
        environment = {name: value for name, value in os.environ.items() if name != "COPILOT_DATABASE_URL"}
        if url is not None:
            environment["COPILOT_DATABASE_URL"] = url
        return self._child([sys.executable, "-m", "benchmarks.ours", str(home)], environment)

    def by_dlt(self, url: str, file: Path, state: Path) -> Took:
        """Load one file by dlt; `state` is the folder in which it remembers what it did."""
        assert self.dlt is not None
        with_password = url.replace("copilot@", "copilot:none@")  # dlt insists on one; the server asks for none
        return self._child(
            [self.dlt, str(HERE / "with_dlt.py"), str(file), with_password, str(state)], dict(os.environ)
        )

    def copy(self, file: Path) -> float:
        """Return the seconds of a plain COPY of a file into a fresh table."""
        with self.database(ours=False) as url:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(_TABLE)
            began = time.perf_counter()
            command = f"\\copy order_lines from '{file}' csv header"
            subprocess.run(["psql", "-q", url, "-c", command], check=True)
            return time.perf_counter() - began

    def _child(self, command: list[str], environment: dict[str, str]) -> Took:
        done = subprocess.run(command, env=environment, cwd=HERE.parent, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-3000:]}")
        took: Took = json.loads(done.stdout.strip().splitlines()[-1])
        return took

    def first(self, file: Path) -> Took:
        """Return what our first load of a file takes on PostgreSQL."""
        with self.home() as home, self.database(ours=True) as url:
            return self.load(home, url, file)

    def first_by_dlt(self, file: Path) -> Took:
        """Return what dlt's first load of a file takes."""
        with self.database(ours=False) as url, tempfile.TemporaryDirectory(dir=self.folder) as state:
            return self.by_dlt(url, file, Path(state))


def first_load(bench: Bench) -> None:
    """Measure a first load, beside COPY and dlt, in turn."""
    file = bench.file("orders", bench.lines)
    ours, copies, theirs = [], [], []
    for _ in bench.turns():
        ours.append(bench.first(file)["seconds"])
        copies.append(bench.copy(file))
        if bench.dlt:
            theirs.append(bench.first_by_dlt(file)["seconds"])
        bench.say(f"  ours {ours[-1]:.2f} s, COPY {copies[-1]:.2f} s" + (f", dlt {theirs[-1]:.2f} s" if theirs else ""))
    name = f"PostgreSQL, {bench.lines:,} rows first load"
    bench.add_ratio(f"{name}, of COPY", ">= 0.50", ">= 0.80", copies, ours)
    if theirs:
        bench.add_ratio(f"{name}, against dlt", ">= 1.5", ">= 2.5", theirs, ours)


def overlapping(bench: Bench) -> None:
    """Measure a batch of which half is there already, a tenth of that with other content, beside dlt."""
    if not bench.dlt:
        return
    old = bench.file("orders", bench.lines)
    new = bench.file("overlapping", bench.lines, first=bench.lines // 2, revision=1)
    ours, theirs = [], []
    for _ in bench.turns():
        with bench.home() as home, bench.database(ours=True) as url:
            bench.load(home, url, old)
            ours.append(bench.load(home, url, new)["seconds"])
        with bench.database(ours=False) as url, tempfile.TemporaryDirectory(dir=bench.folder) as state:
            bench.by_dlt(url, old, Path(state))
            theirs.append(bench.by_dlt(url, new, Path(state))["seconds"])
        bench.say(f"  ours {ours[-1]:.2f} s, dlt {theirs[-1]:.2f} s")
    name = f"half-overlapping {bench.lines:,} rows, against dlt"
    bench.add_ratio(name, ">= 1.15", ">= 2", theirs, ours)


def large(bench: Bench) -> None:
    """Measure ten times as many rows, then a hundredth of them on top, half of it known; once."""
    file = bench.file("orders", bench.large)
    more = bench.file("on_top", bench.large // 100, first=bench.large - bench.large // 200, revision=1)
    with bench.home() as home, bench.database(ours=True) as url:
        ours, ours_more = bench.load(home, url, file), bench.load(home, url, more)
    bench.say(f"  ours {ours['seconds']:.1f} s, then {ours_more['seconds']:.2f} s")
    name = f"{bench.large:,} rows first load"
    if bench.dlt:
        with bench.database(ours=False) as url, tempfile.TemporaryDirectory(dir=bench.folder) as state:
            theirs, theirs_more = bench.by_dlt(url, file, Path(state)), bench.by_dlt(url, more, Path(state))
        bench.say(f"  dlt {theirs['seconds']:.1f} s, then {theirs_more['seconds']:.2f} s")
        bench.add_ratio(f"{name}, against dlt", ">= 1.25", ">= 2", [theirs["seconds"]], [ours["seconds"]])
        on_top = f"{bench.large // 100:,} rows into {bench.large:,}, against dlt"
        bench.add_ratio(on_top, ">= 5", ">= 10", [theirs_more["seconds"]], [ours_more["seconds"]])
    bench.add(f"{name}, peak memory", "<= 1", "<= 0.6", ours["peak_mb"] / 1024, "GB")


def sqlite(bench: Bench) -> None:
    """Measure a first load into SQLite, beside COPY into PostgreSQL."""
    file = bench.file("orders", bench.lines)
    ours, copies = [], []
    for _ in bench.turns():
        with bench.home() as home:
            ours.append(bench.load(home, None, file)["seconds"])
        copies.append(bench.copy(file))
        bench.say(f"  ours {ours[-1]:.2f} s, COPY {copies[-1]:.2f} s")
    name = f"SQLite, {bench.lines:,} rows first load, of COPY"
    bench.add_ratio(name, ">= 0.40", ">= 0.60", copies, ours)


def dirty(bench: Bench) -> None:
    """Measure a file with five lines in a hundred spoilt, beside the clean one."""
    clean = bench.file("orders", bench.lines)
    spoilt = bench.folder / f"dirty_{bench.lines}.csv"
    if not spoilt.exists():
        write_dirty(spoilt, clean)
    dirty_seconds, clean_seconds = [], []
    for _ in bench.turns():
        dirty_seconds.append(bench.first(spoilt)["seconds"])
        clean_seconds.append(bench.first(clean)["seconds"])
        bench.say(f"  dirty {dirty_seconds[-1]:.2f} s, clean {clean_seconds[-1]:.2f} s")
    bench.add_ratio("dirty file against the clean one", "<= 3", "<= 1.5", dirty_seconds, clean_seconds)


def small_files(bench: Bench) -> None:
    """Measure a thousand files of a thousand rows at once: CPU seconds of our process, from the claim to the end."""
    folder = bench.folder / "small"
    if not folder.exists():
        for number in range(1_000):
            write_orders(folder / f"orders_{number:04d}.csv", 1_000, first=number * 1_000)
    with bench.home() as home, bench.database(ours=True) as url:
        took = bench.load(home, url, *sorted(folder.iterdir()))
    bench.say(f"  {took['seconds_with_claim']:.1f} s")
    bench.add("1,000 files of 1,000 rows at once", "<= 30", "<= 12", took["cpu_with_claim"], "CPU s")


MEASURES: dict[str, Callable[[Bench], None]] = {
    "first": first_load,
    "overlapping": overlapping,
    "large": large,
    "sqlite": sqlite,
    "dirty": dirty,
    "small-files": small_files,
}


def _dlt_python(named: str | None) -> str | None:
    if named:
        return named
    return sys.executable if importlib.util.find_spec("dlt") else None


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ingest", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rows", default=",".join(MEASURES), help=f"some of {', '.join(MEASURES)}")
    parser.add_argument("--times", type=int, default=5, help="turns of each (the large one and the small files: one)")
    parser.add_argument("--minutes", type=float, default=8.0, help="no new turn of a row after so long")
    parser.add_argument("--lines", type=int, default=1_000_000, help="lines of the files")
    parser.add_argument("--large", type=int, default=10_000_000, help="lines of the large file")
    parser.add_argument("--server", help="URL of a PostgreSQL server, without a database, to use instead of an own one")
    parser.add_argument("--dlt", help="the Python of an environment that has dlt[postgres] and pyarrow")
    parser.add_argument("--folder", type=Path, help="where files are made and kept; else a temporary one")
    parser.add_argument("--json", action="store_true", help="print nothing but the figures, as JSON")
    chosen = parser.parse_args(arguments)
    names = [name.strip() for name in chosen.rows.split(",") if name.strip()]
    unknown = [name for name in names if name not in MEASURES]
    if unknown:
        parser.error(f"there is no row {unknown[0]!r}; there are {', '.join(MEASURES)}")
    if shutil.which("psql") is None:
        parser.error("psql is not here, and its \\copy is what is measured against; install PostgreSQL's client")
    dlt = _dlt_python(chosen.dlt)
    if dlt is None:
        print("dlt is not here: its rows are left out (--dlt PYTHON names an environment that has it)", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="copilot-bench-") as temporary, _server(chosen.server) as server:
        folder = (chosen.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        bench = Bench(server, folder, chosen.times, chosen.minutes, chosen.lines, chosen.large, dlt, chosen.json)
        for name in names:
            bench.say(f"{name}: {(MEASURES[name].__doc__ or '').strip()}")
            MEASURES[name](bench)
    figures: list[dict[str, Any]] = [asdict(measure) for measure in bench.found]
    if chosen.json:
        print(json.dumps(figures, indent=2))


def _server(named: str | None) -> contextlib.AbstractContextManager[str]:
    return contextlib.nullcontext(named.rstrip("/")) if named else postgres.server("fsync=on")


if __name__ == "__main__":
    main()
