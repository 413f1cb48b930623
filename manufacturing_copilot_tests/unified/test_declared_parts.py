"""The declaration of the parts is complete: what a refresh reads and writes is what the parts declare."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import sqlalchemy as sa

from manufacturing_copilot.site import Site
from manufacturing_copilot.store import Store, open_store
from manufacturing_copilot.store import tables as t
from manufacturing_copilot.store.tables import history, items, progress, stock, structure
from manufacturing_copilot.unified.changes import Changes, changes_since
from manufacturing_copilot.unified.declared_parts import (
    KEPT,
    NOTES,
    PARTS,
    TABLES,
    Part,
    RefreshContext,
    assets_before,
    kinds_shown,
)
from manufacturing_copilot.unified.refresh.refresh import refresh
from manufacturing_copilot_tests.factories import DAY, make_site
from manufacturing_copilot_tests.unified.refresh.plants import BEFORE, ONE_OF_EACH_FEED, SITE, one_of_each

ACCEPTED = {table.name: kind for kind, table in t.accepted.items()}
OURS = {table.name for table in (*TABLES, *NOTES, *KEPT)}
LEDGER = {"feed", "batch", "batch_file", "batch_event", "changed_record", "full_list"}
"""What came, what it replaced, and what lists name: any part may look there for the records of its kinds."""
FROM_MOVEMENTS = make_site(*ONE_OF_EACH_FEED, demand={"records": "stock_movements"})


@dataclass
class Seen:
    """The lasting tables that were read and written, by name."""

    read: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)


@contextmanager
def watched(connection: sa.Connection) -> Iterator[Seen]:
    """Note every table of ours that SQLite reads or writes for the connection, whichever way a statement is sent."""
    raw: Any = connection.connection.driver_connection
    seen = Seen()

    def note(action: int, name: str | None, _column: str | None, _database: str | None, _view: str | None) -> int:
        if name in t.metadata.tables:
            if action == sqlite3.SQLITE_READ:
                seen.read.add(name)
            elif action in (sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE):
                seen.written.add(name)
        return sqlite3.SQLITE_OK

    raw.set_authorizer(note)
    try:
        yield seen
    finally:
        raw.set_authorizer(None)


@contextmanager
def without_foreign_keys(store: Store) -> Iterator[sa.Connection]:
    """Give a connection that does not look at what a foreign key points at: only what the parts ask for is seen."""
    with store.engine.connect() as connection:
        raw: Any = connection.connection.driver_connection
        raw.execute("PRAGMA foreign_keys=OFF")
        with connection.begin():
            yield connection
        raw.execute("PRAGMA foreign_keys=ON")


def undeclared(part: Part[Any], site: Site, seen: Seen) -> tuple[set[str], set[str]]:
    """Return what the part has read and written without having declared it."""
    own = {table.name for table in (*part.tables, *part.changes)}
    readable = own | LEDGER | {t.accepted[kind].name for kind in part.kinds(site)}
    readable |= {table.name for earlier in part.reads for table in earlier.tables}
    readable |= {t.batch_seen.name} | ({t.item_event.name} if part.decisions else set())
    if part.clean_up:  # looks wherever a row may still point at what it removes
        return seen.read & set(ACCEPTED) - readable, seen.written - OURS
    return seen.read - readable, seen.written - own


def refreshed(connection: sa.Connection, site: Site, changes: Changes, *, rebuild: bool) -> dict[str, Any]:
    """Refresh every part; return what they read and wrote without having declared it, and what they did in all."""
    context = RefreshContext(connection, site, DAY, changes)
    context.remember_meanings()
    wrong: dict[str, Any] = {}
    for part in PARTS:
        if rebuild:
            context.reasons[part.name] = "it is watched"
        with watched(connection) as seen:
            context.note_counts(part, part.refresh(context))
        reads, writes = undeclared(part, site, seen)
        if reads or writes:
            wrong[part.name] = {"reads": reads, "writes": writes}
    return wrong


@pytest.mark.parametrize("site", [SITE, FROM_MOVEMENTS], ids=["orders", "movements"])
def test_every_table_that_a_part_reads_or_writes_is_declared(home: Path, site: Site) -> None:
    store = open_store()
    one_of_each(store)
    with without_foreign_keys(store) as connection:
        assert refreshed(connection, site, Changes(DAY, rebuild_all="it is watched"), rebuild=True) == {}
    refresh(store, site, DAY)
    one_of_each(store)  # the same again replaces what came before
    with without_foreign_keys(store) as connection:
        assert refreshed(connection, site, changes_since(connection, site, DAY), rebuild=False) == {}
    store.close()


def test_a_part_that_does_not_declare_what_it_reads_or_writes_is_found(home: Path) -> None:
    store = open_store()
    one_of_each(store)
    newest = sa.select(sa.func.max(t.supply_line.c.order_no)).scalar_subquery()
    sly = Part("sly", lambda context: context.connection.execute(sa.update(t.item).values(abc=newest)))
    with without_foreign_keys(store) as connection:
        context = RefreshContext(connection, SITE, DAY, Changes(DAY))
        with watched(connection) as seen:
            sly.refresh(context)
    store.close()
    assert undeclared(sly, SITE, seen) == ({"supply_line"}, {"item"})


def test_every_table_that_is_declared_is_written_for_a_plant_that_has_all_of_it(home: Path) -> None:
    store = open_store()
    one_of_each(store)
    refresh(store, SITE, BEFORE)
    refresh(store, SITE, DAY)
    with store.read() as connection:
        empty = {
            table.name
            for table in (*TABLES, *NOTES)
            if not connection.scalar(sa.select(sa.func.count()).select_from(table))
        }
    store.close()
    assert empty == set()


def test_every_table_of_unified_belongs_to_one_part() -> None:
    times = Counter(table.name for table in (*TABLES, *NOTES, *KEPT))
    assert {name for name, count in times.items() if count > 1} == set()
    declared = {table.name for module in (history, items, progress, stock, structure) for table in _tables(module)}
    assert set(times) == declared - {t.past_day.name}  # which ingest and the clock read: a database that looks back


def _tables(module: ModuleType) -> list[sa.Table]:
    return [value for value in vars(module).values() if isinstance(value, sa.Table)]


def test_every_kind_of_record_is_read_by_a_part_or_by_a_later_stage() -> None:
    read = {kind for part in PARTS for kind in part.records}
    assert set(ACCEPTED.values()) - read == set()


def test_a_part_comes_after_all_that_it_names() -> None:
    for number, part in enumerate(PARTS):
        earlier = {*part.reads, *part.after, *part.follows}
        assert earlier <= set(PARTS[:number]), part.name


def test_what_keeps_its_number_and_what_goes_to_another_item_are_tables_of_the_part() -> None:
    for part in PARTS:
        assert {*part.numbered, *part.reassigned} <= set(part.tables), part.name
        assert set(part.valid) <= part.records, part.name


def test_the_assets_depend_on_what_their_parts_read() -> None:
    purchases = {"purchase_orders", "purchase_lines", "receipts", "purchase_returns"}
    masters = {"items", "item_references", "item_costs", "suppliers", "locations", "unit_conversions"}
    shown = {part.asset for part in PARTS if part.asset is not None}
    assert {asset: kinds_shown(asset, SITE) for asset in shown} == {
        "items": masters,
        "processes": {"boms", "routings"},
        "demand_history": {"order_lines"},
        "supply_history": purchases | {"work_orders"},
        "quality_history": purchases | {"work_orders", "inspections"},
        "inventory_snapshots": purchases | {"stock_levels", "stock_movements", "items", "item_costs"},
    }
    assert kinds_shown("demand_history", FROM_MOVEMENTS) == {"stock_movements"}
    assert {asset: assets_before(asset) for asset in shown} == {
        "items": [],
        "processes": ["items"],
        "demand_history": ["items"],
        "supply_history": ["items"],
        "quality_history": ["items"],
        "inventory_snapshots": ["items", "supply_history"],
    }


def test_the_plant_that_is_watched_delivers_every_kind_of_record() -> None:
    kinds = {name.partition("/")[2] for name in ONE_OF_EACH_FEED}
    assert {kind for part in PARTS for kind in part.records} <= kinds
