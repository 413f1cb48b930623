"""Bringing everything in unified up to date, in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa

from manufacturing_copilot.site import Site
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.tables import inventory_snapshot
from manufacturing_copilot.store.tables import refresh as refresh_table
from manufacturing_copilot.unified.demand import DemandCounts, classify_items, refresh_demand
from manufacturing_copilot.unified.items import ItemCounts, drop_gone_items, refresh_items
from manufacturing_copilot.unified.masters import (
    drop_gone_masters,
    refresh_conversions,
    refresh_locations,
    refresh_suppliers,
)
from manufacturing_copilot.unified.processes import ProcessCounts, refresh_processes
from manufacturing_copilot.unified.progress import UNIFIED, batches_hash, is_current, note_refresh, up_to_batch
from manufacturing_copilot.unified.quality import QualityCounts, refresh_quality
from manufacturing_copilot.unified.scorecards import refresh_scorecards
from manufacturing_copilot.unified.stock import StockCounts, reconcile, refresh_snapshots
from manufacturing_copilot.unified.supply import SupplyCounts, refresh_supply
from manufacturing_copilot.unified.sync import SyncCounts

__all__ = ["RefreshCounts", "batches_hash", "is_current", "note_refresh", "refresh", "up_to_batch"]


@dataclass(frozen=True)
class RefreshCounts:
    """What unified holds after a refresh, part by part."""

    as_of: date
    items: ItemCounts
    processes: ProcessCounts
    demand: DemandCounts
    supply: SupplyCounts
    quality: QualityCounts
    stock: StockCounts
    differences: SyncCounts
    gone_items: int


def refresh(store: Store, site: Site, as_of: date) -> RefreshCounts:
    """Bring items, processes, history and the stock of `as_of` up to date; a second call changes nothing.

    Facts later than `as_of` do not count. All in one transaction: readers see the state before or after, and a run
    that is killed leaves nothing. What was known at other days is not kept, but for the snapshots of other days.
    """
    with store.write() as connection:
        return refresh_within(connection, site, as_of)


def refresh_within(connection: sa.Connection, site: Site, as_of: date) -> RefreshCounts:
    """Do the work of `refresh` in the caller's transaction."""
    up_to, seen = up_to_batch(connection), batches_hash(connection)
    refresh_suppliers(connection, site)
    refresh_locations(connection, site)
    items = refresh_items(connection, site, as_of)
    refresh_conversions(connection, site)
    processes = refresh_processes(connection, site, as_of)
    demand = refresh_demand(connection, site, as_of)
    classify_items(connection, as_of)
    supply = refresh_supply(connection, site, as_of)
    quality = refresh_quality(connection, site, as_of)
    gone = drop_gone_items(connection)
    refresh_scorecards(connection, as_of)
    stock = refresh_snapshots(connection, site, *_days_to_count(connection, as_of, bool(gone or items.moved_codes)))
    differences = reconcile(connection, site, as_of)
    drop_gone_masters(connection, site)
    # The tables hold one as-of day: what was noted for others is no longer so.
    connection.execute(sa.delete(refresh_table).where(refresh_table.c.stage == UNIFIED, refresh_table.c.as_of != as_of))
    note_refresh(connection, site, as_of, up_to=up_to, seen=seen)
    return RefreshCounts(as_of, items, processes, demand, supply, quality, stock, differences, gone)


def _days_to_count(connection: sa.Connection, as_of: date, codes_moved: bool) -> tuple[date, date]:
    """Where codes mean another item now, their stock of earlier days is that item's: count those days anew."""
    if not codes_moved:
        return as_of, as_of
    table = inventory_snapshot
    first, last = connection.execute(sa.select(sa.func.min(table.c.day), sa.func.max(table.c.day))).one()
    return min(first or as_of, as_of), max(last or as_of, as_of)
