"""What was known on a past day, held against a plant that was run day by day and asked on that day."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manufacturing_copilot.ingest.as_of import records_as_known
from manufacturing_copilot.ingest.corrections.withdraw import withdraw
from manufacturing_copilot.ingest.discovery.claim import claim
from manufacturing_copilot.ingest.loading.load import load_batch
from manufacturing_copilot.site import Site
from manufacturing_copilot.store import Store, open_store, read_frame
from manufacturing_copilot.store import tables as t
from manufacturing_copilot.unified.refresh.past_day import facts_as_known, make_room, refresh_snapshots_of
from manufacturing_copilot.unified.refresh.refresh import refresh, refresh_within
from manufacturing_copilot_tests.ingest.plants import drop, site_of
from manufacturing_copilot_tests.unified.dump import canonical, canonical_of, clear

ZONE = ZoneInfo("Europe/Berlin")
MONDAY = date(2026, 3, 2)
LATER = MONDAY + timedelta(days=60)
DAYS = [MONDAY + timedelta(days=passed) for passed in range(5)]
COLUMNS = {
    "items": ["item", "sku", "name", "unit", "unit_cost", "supplier", "barcode"],
    "order_lines": ["order_no", "line_no", "item", "location", "ordered_on", "quantity", "unit", "status"],
    "purchase_lines": ["order_no", "line_no", "item", "supplier", "ordered_on", "promised_on", "quantity", "status"],
    "receipts": ["receipt_no", "order_no", "line_no", "item", "received_on", "quantity", "rejected_quantity"],
    "stock_levels": ["item", "location", "day", "on_hand"],
    "unit_conversions": ["item", "from_unit", "to_unit", "factor"],
}


def plant(home: Path, **keys: Any) -> Site:
    """A site with a feed of each kind in COLUMNS; nothing counts before it came."""
    feeds = [
        {"feed": f"erp/{kind}", "records": kind, "files": f"inbox/erp/{kind}-*.csv", "guards": {"unit_jump": "off"},
         "columns": {name: name for name in columns}}
        for kind, columns in COLUMNS.items()
    ]  # fmt: skip
    return site_of(home / "site", *feeds, **{"clock": LATER, "known": {"history": "nothing"}} | keys)


@dataclass(frozen=True)
class File:
    """One export: its kind, the evening on which it was written, and its rows by field."""

    kind: str
    day: date
    rows: Sequence[dict[str, object]]


def write(home: Path, file: File, number: int) -> None:
    columns = COLUMNS[file.kind]
    lines = [",".join(str(row.get(name) or "") for name in columns) for row in file.rows]
    path = drop(home, f"inbox/erp/{file.kind}-{number:03d}.csv", ",".join(columns), *lines)
    at = datetime(file.day.year, file.day.month, file.day.day, 21, tzinfo=ZONE).timestamp() + number
    os.utime(path, (at, at))


def load(store: Store, site: Site, home: Path) -> list[str]:
    found = [one.reference for one in claim(store, site, home, actor="test")]
    for reference in found:
        assert load_batch(store, site, reference, home=home, actor="test").status == "success"
    return found


def dump_as_known(store: Store, site: Site, day: date) -> dict[str, list[str]]:
    with facts_as_known(store, site, day) as connection:
        return canonical_of(connection)


def item(code: str, **more: object) -> dict[str, object]:
    return {"item": code, "name": f"item {code}", "unit": "pcs", "unit_cost": 2} | more


def order(number: int, day: date, quantity: float = 3, **more: object) -> dict[str, object]:
    return {"order_no": f"S{number}", "line_no": 1, "item": "A", "ordered_on": day, "quantity": quantity} | more


def count(code: str, day: date, on_hand: float) -> dict[str, object]:
    return {"item": code, "location": "H4", "day": day, "on_hand": on_hand}


def demand(store: Store, site: Site, day: date) -> list[tuple[Any, ...]]:
    with facts_as_known(store, site, day) as connection:
        return read_frame(connection, sa.select(t.demand_day.c.day, t.demand_day.c.quantity)).sort("day").rows()


def test_what_came_later_does_not_count_and_todays_tables_stay_as_they_are(store: Store, home: Path) -> None:
    site = plant(home)
    write(home, File("items", MONDAY, [item("A")]), 1)
    write(home, File("order_lines", MONDAY, [order(1, MONDAY), order(2, MONDAY, 4)]), 2)
    write(home, File("order_lines", DAYS[2], [order(2, MONDAY, 0.5), order(3, DAYS[1], 7)]), 3)
    load(store, site, home)
    refresh(store, site, LATER)
    before = canonical(store)
    assert demand(store, site, DAYS[1]) == [(MONDAY, 7.0)]
    assert demand(store, site, DAYS[2]) == [(MONDAY, 3.5), (DAYS[1], 7.0)]
    assert demand(store, site, MONDAY - timedelta(days=1)) == []
    assert canonical(store) == before


def test_items_keep_their_numbers_and_one_that_came_later_was_not_known(store: Store, home: Path) -> None:
    site = plant(home)
    write(home, File("items", MONDAY, [item("A")]), 1)
    write(home, File("order_lines", MONDAY, [order(1, MONDAY), order(2, MONDAY, item="B")]), 2)
    write(home, File("items", DAYS[1], [item("A", name="renamed"), item("B")]), 3)
    load(store, site, home)
    refresh(store, site, LATER)
    query = sa.select(t.item.c.id, t.item.c.sku, t.item.c.name)
    with store.read() as connection:
        today = {row.sku: row.id for row in connection.execute(query)}
    with facts_as_known(store, site, MONDAY) as connection:
        assert connection.execute(query).all() == [(today["A"], "A", "item A")]
        assert connection.scalars(sa.select(t.unmapped_id.c.external_id)).all() == ["B"]


def test_the_snapshot_of_a_past_day_rests_on_what_was_known_then(store: Store, home: Path) -> None:
    site = plant(home)
    write(home, File("items", MONDAY, [item("A")]), 1)
    write(home, File("stock_levels", MONDAY, [count("A", MONDAY, 5)]), 2)
    write(home, File("stock_levels", DAYS[2], [count("A", MONDAY, 6), count("A", DAYS[2], 8)]), 3)
    write(home, File("stock_levels", DAYS[4], [count("A", DAYS[3], 9)]), 4)
    load(store, site, home)
    refresh(store, site, LATER)
    counts = refresh_snapshots_of(store, site, MONDAY, DAYS[4])
    table = t.inventory_snapshot
    with store.read() as connection:
        query = sa.select(table.c.day, table.c.on_hand).where(table.c.day <= DAYS[4])
        found = read_frame(connection, query).sort("day")["on_hand"].to_list()
    assert (counts.rows, found) == (5, [5.0, 5.0, 8.0, 8.0, 9.0])


def test_no_lasting_table_is_written_for_a_look_at_the_past(home: Path) -> None:
    site = plant(home)
    store = open_store()
    for number, (kind, row) in enumerate(ONE_OF_EACH.items()):
        write(home, File(kind, MONDAY, [row]), number)
    load(store, site, home)
    refresh(store, site, LATER)
    written = set()

    def ask(action: int, name: str | None, _column: str | None, database: str | None, _by: str | None) -> int:
        if action in (sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE) and database == "main":
            written.add(name)
        return sqlite3.SQLITE_OK

    with records_as_known(store, site, MONDAY, MONDAY) as connection:
        raw: Any = connection.connection.driver_connection
        make_room(connection)
        raw.set_authorizer(ask)
        refresh_within(connection, site, MONDAY)
        raw.set_authorizer(None)
        assert connection.scalar(sa.select(sa.func.count()).select_from(t.supply_line)) == 1
    store.close()
    assert written == set()


ONE_OF_EACH: dict[str, dict[str, object]] = {
    "items": item("A", supplier="V1"),
    "order_lines": order(1, MONDAY),
    "purchase_lines": {"order_no": "P1", "line_no": 1, "item": "A", "supplier": "V1", "ordered_on": MONDAY,
                       "promised_on": DAYS[1], "quantity": 5, "status": "open"},
    "receipts": {"receipt_no": "R1", "order_no": "P1", "line_no": 1, "item": "A", "received_on": MONDAY,
                 "quantity": 2, "rejected_quantity": 1},
    "stock_levels": count("A", MONDAY, 5),
    "unit_conversions": {"item": "", "from_unit": "box", "to_unit": "pcs", "factor": 12},
}  # fmt: skip


def test_facts_of_an_item_that_is_another_today_are_that_ones(store: Store, home: Path) -> None:
    site = plant(home)
    one, other = (item(code, sku=sku) for code, sku in (("A", "A"), ("B", "B")))
    write(home, File("items", MONDAY, [one, other]), 1)
    write(home, File("order_lines", MONDAY, [order(1, MONDAY), order(2, MONDAY, item="B"), order(3, MONDAY, 5)]), 2)
    write(home, File("stock_levels", MONDAY, [count("A", MONDAY, 5), count("B", MONDAY, 7)]), 3)
    write(home, File("items", DAYS[1], [other | {"sku": "A"}]), 4)
    load(store, site, home)
    refresh(store, site, LATER)
    assert demand(store, site, MONDAY) == [(MONDAY, 11.0)]
    refresh_snapshots_of(store, site, MONDAY, MONDAY)
    with store.read() as connection:
        table = t.inventory_snapshot
        query = sa.select(t.item.c.sku, table.c.on_hand).join(t.item).where(table.c.day == MONDAY)
        assert connection.execute(query).all() == [("A", 12)]


def test_a_place_that_only_a_record_of_that_time_names_is_known_to_what_is_made_of_it(store: Store, home: Path) -> None:
    site = plant(home)
    write(home, File("items", MONDAY, [item("A")]), 1)
    write(home, File("order_lines", MONDAY, [order(1, MONDAY, location="H9")]), 2)
    write(home, File("order_lines", DAYS[1], [order(1, MONDAY, location="H4")]), 3)
    load(store, site, home)
    refresh(store, site, LATER)
    places = sa.select(t.location.c.id, t.location.c.code)
    with facts_as_known(store, site, MONDAY) as connection, store.read() as lasting:
        [place] = connection.scalars(sa.select(t.demand_day.c.location_id))
        assert (place, "H9") in lasting.execute(places).all()
    refresh(store, site, LATER)
    with store.read() as connection:
        assert set(connection.scalars(sa.select(t.location.c.code))) == {"MAIN", "H4"}


CODES = st.sampled_from(["A", "B", "C"])
ROWS = {
    "items": st.builds(item, CODES, unit_cost=st.integers(1, 3), barcode=st.sampled_from(["", "77"])),
    "order_lines": st.builds(
        order, st.integers(1, 4), st.sampled_from(DAYS), st.integers(1, 3), item=CODES,
        unit=st.sampled_from(["", "box"]), status=st.sampled_from(["open", "cancelled"]),
    ),
    "purchase_lines": st.builds(
        lambda number, code, day, much: {
            "order_no": f"P{number}", "line_no": 1, "item": code, "supplier": "V1", "ordered_on": day,
            "promised_on": day + timedelta(days=2), "quantity": much, "status": "open",
        },
        st.integers(1, 3), CODES, st.sampled_from(DAYS), st.integers(1, 9),
    ),
    "receipts": st.builds(
        lambda number, order_no, day, much: {
            "receipt_no": f"R{number}", "order_no": f"P{order_no}", "line_no": 1, "received_on": day,
            "item": "A", "quantity": much, "rejected_quantity": 1,
        },
        st.integers(1, 3), st.integers(1, 3), st.sampled_from(DAYS), st.integers(1, 9),
    ),
    "stock_levels": st.builds(count, CODES, st.sampled_from(DAYS), st.integers(0, 9)),
    "unit_conversions": st.builds(
        lambda factor: {"item": "", "from_unit": "box", "to_unit": "pcs", "factor": factor}, st.integers(2, 4)
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Play:
    """Files in the order in which they were written, when the inbox was looked at, and which batches are taken back."""

    files: Sequence[File]
    looks: Sequence[date]
    withdrawn: set[tuple[str, date]]

    def batch(self, file: File) -> tuple[str, date]:
        """The batch of a file: its kind and the day on which it was found."""
        return file.kind, min(day for day in self.looks if day >= file.day)


@st.composite
def plays(draw: st.DrawFn) -> Play:
    kinds = draw(st.lists(st.sampled_from(sorted(COLUMNS)), min_size=3, max_size=9))
    days = sorted(draw(st.lists(st.sampled_from(DAYS), min_size=len(kinds), max_size=len(kinds))))
    rows = [draw(st.lists(ROWS[kind], min_size=1, max_size=4)) for kind in kinds]
    later = [File(kind, day, of_it) for kind, day, of_it in zip(kinds, days, rows, strict=True)]
    files = [File("items", MONDAY, [item("A"), item("B")]), *later]
    looks = sorted({*draw(st.sets(st.sampled_from(DAYS))), DAYS[-1]})
    batches = sorted({Play(files, looks, set()).batch(file) for file in files})
    return Play(files, looks, draw(st.sets(st.sampled_from(batches), max_size=2)))


def emptied(store: Store, home: Path) -> None:
    shutil.rmtree(home / "inbox", ignore_errors=True)
    clear(store)
    ledger = [
        t.full_list,
        t.changed_record,
        t.duplicate_record,
        t.rejected_record,
        t.batch_event,
        t.batch_file,
        t.batch,
    ]
    with store.write() as connection:
        connection.execute(sa.update(t.batch_file).values(repeats_file_id=None))
        for table in (*(t.accepted[kind] for kind in COLUMNS), *ledger, t.feed):
            connection.execute(sa.delete(table))


def test_every_day_as_known_is_what_a_plant_run_day_by_day_held_on_it(store: Store, home: Path) -> None:
    site = plant(home)

    @settings(
        max_examples=int(os.environ.get("COPILOT_EXAMPLES", "2")),
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(plays())
    def holds(play: Play) -> None:
        emptied(store, home)
        held = {}
        for day in DAYS:
            for number, file in enumerate(play.files):
                if file.day == day and play.batch(file) not in play.withdrawn:
                    write(home, file, number)
            load(store, site, home)
            refresh(store, site, day)
            held[day] = canonical(store)
        stock = held[DAYS[-1]]["inventory_snapshot"]

        emptied(store, home)
        for day in DAYS:
            for number, file in enumerate(play.files):
                if file.day == day:
                    write(home, file, number)
            if day not in play.looks:
                continue
            references = load(store, site, home)
            for kind, reference in zip(
                sorted({f.kind for f in play.files if play.batch(f)[1] == day}), references, strict=True
            ):
                if (kind, day) in play.withdrawn:
                    withdraw(store, site, reference, home=home, actor="planner", reason="sent by mistake")
        refresh(store, site, LATER)
        refresh_snapshots_of(store, site, DAYS[0], DAYS[-1])
        today = [row for row in canonical(store)["inventory_snapshot"] if repr(LATER) not in row]
        assert today == stock
        for day in DAYS:
            found = dump_as_known(store, site, day)
            for name, rows in found.items():
                assert name == "inventory_snapshot" or rows == held[day][name], (day, name)

    holds()
