"""What unified promised and what is reached: bills of materials, looking an item up, and a day after a long history.

    python -m benchmarks.unified [--json] [--rows explosion,lookup,history] [--lines 1000000,10000000] [--sqlite]

Each row runs in a process of its own, so that its peak memory is its own. The history lies in a PostgreSQL server that
is started for it (fsync on), or in SQLite; it takes some 15 GB of disk and a quarter of an hour.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import polars as pl
import psycopg
import sqlalchemy as sa

from benchmarks import history as past
from manufacturing_copilot.store import migrate
from manufacturing_copilot.store.engine import connect_store
from manufacturing_copilot_tests import postgres

T = TypeVar("T")
HISTORY_DAYS = 4
DAY = date(2026, 3, 31)
BOM_LINES, BOM_LEVELS = 1_000_000, 12
ITEMS, LOCATIONS = 100_000, 5


@dataclass(frozen=True)
class Line:
    """One line of the table: `must` and `goal` as texts, the measured value and its unit."""

    measure: str
    must: str
    goal: str
    value: float
    unit: str


def main() -> None:
    """Measure the rows asked for and print them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.unified", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="for programs")
    known = [*ROWS, "history"]
    parser.add_argument("--rows", default=",".join(known), help=f"some of {', '.join(known)}")
    parser.add_argument("--lines", default="1000000,10000000", help="sales lines of the shorter and the longer history")
    parser.add_argument("--sqlite", action="store_true", help="keep the histories in SQLite")
    asked = parser.parse_args()
    names = [name.strip() for name in asked.rows.split(",") if name.strip()]
    unknown = [name for name in names if name not in known]
    if unknown:
        parser.error(f"there is no row {unknown[0]!r}; there are {', '.join(known)}")
    sizes = [int(size) for size in asked.lines.split(",")]
    rows = {**ROWS, "history": partial(history, sizes, asked.sqlite)}
    lines = [line for name in names for line in (_apart(rows[name]) if name in ROWS else rows[name]())]
    if asked.json:
        print(json.dumps([asdict(line) for line in lines], ensure_ascii=False, indent=1))
        return
    print("| measure | must | goal | measured |\n|---|---|---|---|")
    for one in lines:
        print(f"| {one.measure} | {one.must} | {one.goal} | {one.value:.3g} {one.unit} |")


def _apart(row: Callable[..., T], *arguments: object) -> T:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(row, arguments)


def history(sizes: list[int], in_sqlite: bool) -> list[Line]:
    """One day's load and refresh, and a rebuild, after a short history and after a long one, in turn."""
    with tempfile.TemporaryDirectory(prefix="copilot-bench-") as folder, ExitStack() as stack:
        server = None if in_sqlite else stack.enter_context(postgres.server("fsync=on"))
        plants = {size: Path(folder) / str(size) for size in sizes}
        rebuilt, days = {}, {size: [] for size in sizes}
        for size, home in plants.items():
            with _database(server, size):
                _apart(past.build, home, size)
                rebuilt[size] = _apart(past.rebuild, home)
            print(f"# {size:,} lines: rebuilt in {rebuilt[size].seconds:.1f} s, {rebuilt[size].said}", file=sys.stderr)
        for day in range(1, HISTORY_DAYS + 1):
            for size, home in plants.items():
                with _database(server, size):
                    days[size].append(_apart(past.one_day, home, day))
                loaded, refreshed = days[size][-1]
                print(f"# {size:,} lines, day {day}: loaded in {loaded.seconds:.2f} s, brought up to date in"
                      f" {refreshed.seconds:.2f} s ({refreshed.said})", file=sys.stderr)  # fmt: skip
    short, long = min(sizes), max(sizes)
    where = "SQLite" if in_sqlite else "PostgreSQL"
    # The first day warms what it reads.
    day_s = {size: statistics.median(one.seconds + two.seconds for one, two in days[size][1:]) for size in sizes}
    refresh_s = {size: statistics.median(two.seconds for _, two in days[size][1:]) for size in sizes}
    a_row = {size: rebuilt[size].seconds / size * 1e6 for size in sizes}
    what = f"{where}, a day of {past.A_DAYS_LINES:,} lines"
    return [
        *(Line(f"{what} after {size:,}: load and refresh", "", "", round(day_s[size], 2), "s") for size in sizes),
        *(Line(f"{what} after {size:,}: refresh alone", "", "", round(refresh_s[size], 2), "s") for size in sizes),
        Line(f"{what}: {long:,} against {short:,}", "≤ 1.3", "", round(day_s[long] / day_s[short], 3), "times"),
        Line(f"{what}: refresh alone", "≤ 1.3", "", round(refresh_s[long] / refresh_s[short], 3), "times"),
        *(Line(f"{where}, rebuilt from {size:,} lines", "", "", round(a_row[size], 2), "µs a line") for size in sizes),
        Line(f"{where}, rebuilt: a line of {long:,} against {short:,}", "≤ 1.2", "",
             round(a_row[long] / a_row[short], 3), "times"),
        Line(f"{where}, rebuilt from {long:,} lines: peak memory", "", "", round(rebuilt[long].peak, 2), "GB"),
        Line(f"{what} after {long:,}: peak memory", "", "", round(max(two.peak for _, two in days[long]), 2), "GB"),
    ]  # fmt: skip


@contextmanager
def _database(server: str | None, size: int) -> Iterator[None]:
    """Let the environment name the database of the plant with so many lines; it is made where it is not there."""
    if server is None:
        yield
        return
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        if not connection.execute("select 1 from pg_database where datname = %s", [f"lines_{size}"]).fetchone():
            connection.execute(f"CREATE DATABASE lines_{size}")
    url = f"{server}/lines_{size}"
    store = connect_store(url.replace("postgresql:", "postgresql+psycopg:"))
    migrate.upgrade(store)
    store.close()
    os.environ["COPILOT_DATABASE_URL"] = url
    try:
        yield
    finally:
        del os.environ["COPILOT_DATABASE_URL"]


def explosion() -> list[Line]:
    """Explode 1,000,000 lines, 12 levels deep: for what is sold together, and for each item that is made alone."""
    from manufacturing_copilot.unified.structure.explosion import explode, explode_each, structure

    lines = bom_lines(BOM_LINES, BOM_LEVELS)
    start = time.perf_counter()
    found = structure(lines, DAY)
    built = time.perf_counter() - start
    tops = found.levels.filter(pl.col("level") == 0).select("item_id", quantity=pl.lit(1.0))
    start = time.perf_counter()
    explode(found, tops)
    together = built + time.perf_counter() - start
    start = time.perf_counter()
    pairs = explode_each(found)
    each = built + time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    what = f"{lines.height:,} BOM lines, {found.levels['level'].max()} levels"
    return [
        Line(f"{what}: gross needs of all that is sold", "≤ 10", "", round(together, 2), "s"),
        Line(f"{what}: one unit of each made item, {pairs.height:,} rows", "≤ 10", "", round(each, 2), "s"),
        Line(f"{what}: peak memory", "≤ 2", "", round(peak, 2), "GB"),
    ]


def bom_lines(lines: int, levels: int) -> pl.DataFrame:
    """Return lines in which every item of a level goes into one of the level above; always the same."""
    per = lines // levels
    number = pl.int_range(levels * per, eager=True).alias("n").to_frame()
    level, place = pl.col("n") // per, pl.col("n") % per
    mixed = place * 2_654_435_761 % 4_294_967_291
    above = pl.when(level == 0).then(mixed % (per // 4)).otherwise((level - 1) * per + per + mixed % per)
    return number.select(
        parent=above,
        child=level * per + per + place,
        quantity_per=(1 + mixed % 4).cast(pl.Float64),
        scrap_ratio=pl.when(mixed % 3 == 0).then(0.02),
        valid_from=pl.lit(None, pl.Date),
        valid_to=pl.lit(None, pl.Date),
    )


def lookup() -> list[Line]:
    """Show one of 100,000 items at 5 locations, by each way of asking; the slowest way counts."""
    from manufacturing_copilot.store import open_store
    from manufacturing_copilot.unified.items.lookup import describe_item

    with tempfile.TemporaryDirectory() as folder:
        store = open_store(home=Path(folder))
        _fill(store)
        asked = {"its SKU": "SKU-054321", "another spelling": "sku 054321", "another system's code": "W54321",
                 "words of its name": "part 54321 steel"}  # fmt: skip
        measured = []
        for way, code in asked.items():
            seconds = []
            for _ in range(5):
                start = time.perf_counter()
                with store.read() as connection:
                    story = describe_item(connection, code)
                seconds.append(time.perf_counter() - start)
                assert story.sku == "SKU-054321", story.sku
            measured.append(Line(f"{ITEMS:,} items: one by {way}", "≤ 1", "", statistics.median(seconds), "s"))
        store.close()
    return measured


def _fill(store: object) -> None:
    from manufacturing_copilot.store import Store, insert_frame
    from manufacturing_copilot.store import tables as t

    assert isinstance(store, Store)
    number = pl.int_range(1, ITEMS + 1, eager=True).alias("id").to_frame()
    n = pl.col("id")
    code = n.cast(pl.String).str.zfill(6)
    moment = datetime(2026, 3, 31, tzinfo=UTC)
    batch = {"id": 1, "feed_id": 1, "reference": "00000001", "status": "success", "claimed_at": moment}
    with store.write() as connection:
        connection.execute(sa.insert(t.feed).values(id=1, name="books/item_costs"))
        connection.execute(sa.insert(t.batch).values(**batch))
        named = pl.format("part {} {}", n, pl.when(n % 3 == 0).then(pl.lit("steel")).otherwise(pl.lit("brass")))
        insert_frame(connection, t.item, number.select("id", sku=pl.format("SKU-{}", code), name=named))
        for source, text in (("erp", pl.format("SKU-{}", code)), ("wms", pl.format("W{}", n)), ("shop", code)):
            codes = number.select(source=pl.lit(source), external_id=text, item_id="id", matched_by=pl.lit("sku"))
            insert_frame(connection, t.external_id, codes)
        places = pl.DataFrame({"location_id": range(1, LOCATIONS + 1)})
        insert_frame(connection, t.location, places.select(id="location_id", code=pl.format("H{}", "location_id")))
        stock = number.join(places, how="cross").select(
            "location_id", item_id="id", day=pl.lit(DAY), on_hand=(n % 90).cast(pl.Float64), reserved=pl.lit(0.0),
            on_order=pl.lit(0.0), counted_on=pl.lit(DAY),
        )  # fmt: skip
        insert_frame(connection, t.inventory_snapshot, stock)
        days = pl.DataFrame({"back": range(20)})
        demand = number.join(days, how="cross").select(
            day=pl.lit(DAY) - pl.duration(days="back"), item_id="id", location_id=n % LOCATIONS + 1,
            quantity=(n % 7).cast(pl.Float64), order_lines=pl.lit(1),
        )  # fmt: skip
        insert_frame(connection, t.demand_day, demand)
        nothing = {name: pl.lit(0.0) for name in ("received", "rejected")}
        orders = number.select(
            made=pl.lit(False), source=pl.lit("erp"), order_no=pl.format("P{}", n // 4),
            line_no=(n % 4).cast(pl.String), item_id="id", location_id=pl.lit(1), ordered=pl.lit(5.0),
            promised_on=pl.lit(DAY), status=pl.lit("open"), **nothing,
        )  # fmt: skip
        insert_frame(connection, t.supply_line, orders)
        costs = number.select(
            feed_id=pl.lit(1), record_key=code, item=pl.format("SKU-{}", code), unit_cost=pl.lit(2.5),
            valid_from=pl.lit(DAY), batch_id=pl.lit(1), file_id=pl.lit(1), line="id",
        )  # fmt: skip
        insert_frame(connection, t.accepted["item_costs"], costs)
        parts = number.filter(n < ITEMS // 2).select(
            item_id="id", component_id=n + ITEMS // 2, quantity_per=pl.lit(2.0), has_alternative=pl.lit(False)
        )
        insert_frame(connection, t.bom_line, parts)


ROWS: dict[str, Callable[[], list[Line]]] = {"explosion": explosion, "lookup": lookup}

if __name__ == "__main__":
    main()
