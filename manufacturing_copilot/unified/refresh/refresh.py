"""Bringing everything in unified up to date, in one transaction.

What has not changed is not touched, and what has is worked out from what came, as far as that can be. Whatever way it
came about, the state is the one that a rebuild from all batches would give.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import cached_property
from typing import Any

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.progress import UNIFIED, batches_hash, is_current, note_refresh, up_to_batch
from manufacturing_copilot.site import Site
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.merge import SyncCounts
from manufacturing_copilot.store.tables import accepted, inventory_snapshot
from manufacturing_copilot.store.tables import refresh as refresh_table
from manufacturing_copilot.unified.changes import RULES, Changes, changes_since, decisions_mark, note_seen, seen_batches
from manufacturing_copilot.unified.code_counts import ITEM, CodeChanges, item_codes, refresh_code_counts
from manufacturing_copilot.unified.conform import read_meanings
from manufacturing_copilot.unified.findings.unusable import count_unmapped, refresh_findings
from manufacturing_copilot.unified.history.demand import DemandCounts, refresh_demand
from manufacturing_copilot.unified.history.demand_year import classify_items
from manufacturing_copilot.unified.history.purchases import Purchases, read_purchases
from manufacturing_copilot.unified.history.quality import QualityCounts, refresh_quality
from manufacturing_copilot.unified.history.scorecards import refresh_scorecards
from manufacturing_copilot.unified.history.supply import SupplyCounts, refresh_supply
from manufacturing_copilot.unified.items.item_master import ItemCounts, drop_gone_items, refresh_items
from manufacturing_copilot.unified.masters import (
    drop_gone_masters,
    refresh_conversions,
    refresh_locations,
    refresh_suppliers,
)
from manufacturing_copilot.unified.stock.snapshots import StockCounts, reconcile, refresh_snapshots
from manufacturing_copilot.unified.structure.processes import ProcessCounts, refresh_processes

__all__ = ["RefreshCounts", "batches_hash", "is_current", "note_refresh", "refresh", "up_to_batch"]

_PURCHASES = frozenset({"purchase_orders", "purchase_lines", "receipts"})
_SUPPLY = _PURCHASES | {"work_orders"}
_QUALITY = _PURCHASES | {"work_orders", "inspections"}
_COUNTS = frozenset({"stock_levels", "stock_movements"})
_STOCK = _PURCHASES | _COUNTS
_MASTERS = frozenset({"items", "item_references", "item_costs", "suppliers"})


@dataclass(frozen=True)
class RefreshCounts:
    """What unified holds after a refresh, part by part.

    `unmapped_codes`: no item answers to them. `without_factor`: by record kind, the records that wait for a factor.
    `anew`: the parts that were made from all records, and why; what is not named was carried on from what came.
    """

    as_of: date
    items: ItemCounts
    processes: ProcessCounts
    demand: DemandCounts
    supply: SupplyCounts
    quality: QualityCounts
    stock: StockCounts
    differences: SyncCounts
    gone_items: int
    unmapped_codes: int
    without_factor: dict[str, int]
    anew: dict[str, str]


def refresh(store: Store, site: Site, as_of: date, *, full: bool = False) -> RefreshCounts:
    """Bring items, processes, history and the stock of `as_of` up to date; a second call changes nothing.

    Facts later than `as_of` do not count. All in one transaction: readers see the state before or after, and a run
    that is killed leaves nothing. What was known at other days is not kept, but for the snapshots of other days.
    `full`: make everything from all records, as if nothing were there; the result is the same.
    """
    with store.write() as connection:
        return refresh_within(connection, site, as_of, full=full)


def refresh_within(connection: sa.Connection, site: Site, as_of: date, *, full: bool = False) -> RefreshCounts:
    """Do the work of `refresh` in the caller's transaction."""
    up_to, seen, batches = up_to_batch(connection), batches_hash(connection), seen_batches(connection)
    changes = changes_since(connection, site, as_of, full=full)
    counts = _Refresh(connection, site, as_of, changes).run()
    # The tables hold one as-of day: what was noted for others is no longer so.
    connection.execute(sa.delete(refresh_table).where(refresh_table.c.stage == UNIFIED, refresh_table.c.as_of != as_of))
    note_seen(connection, batches)
    held = {"rules": RULES, "decisions": decisions_mark(connection), **_held(counts)}
    note_refresh(connection, site, as_of, up_to=up_to, seen=seen, held=held)
    return counts


@dataclass
class _Refresh:
    """One refresh: what is due, in the order in which one part needs another."""

    connection: sa.Connection
    site: Site
    as_of: date
    changes: Changes
    why: dict[str, str] = field(default_factory=dict)
    remapped: frozenset[str] = frozenset()
    factors_changed: bool = False

    def run(self) -> RefreshCounts:
        connection, site, as_of, changes = self.connection, self.site, self.as_of, self.changes
        codes = refresh_code_counts(connection, site, changes)
        refresh_suppliers(connection, site)
        refresh_locations(connection, site)
        items = self._items(codes)
        demand = refresh_demand(connection, site, as_of, changes, anew=self._anew("demand", [site.demand.records]))
        supply = self._supply()
        quality = self._quality()
        gone = drop_gone_items(connection) if "items" in self.why else 0
        classify_items(connection)
        stock = self._stock(gone > 0 or items.moved_codes > 0)
        differences = self._differences()
        drop_gone_masters(connection, site)
        lacking = refresh_findings(connection, site)
        return RefreshCounts(
            as_of, items, self.processes, demand, supply, quality, stock, differences, gone,
            count_unmapped(connection), lacking, self.why,
        )  # fmt: skip

    @cached_property
    def _purchases(self) -> Purchases:
        """What supply, quality and stock rest on; read once, when items and suppliers are up to date."""
        return read_purchases(self.connection, self.site)

    def _items(self, codes: CodeChanges) -> ItemCounts:
        """Bring items, conversions and processes up to date; note which codes and units mean something else now."""
        connection, site, changes = self.connection, self.site, self.changes
        costs = self._passed("item_costs", "valid_from")
        due = changes.decided or costs or changes.any_of(_MASTERS) or codes.come_or_gone(connection, ITEM)
        units_due = due or changes.any_of(["unit_conversions"])
        if not units_due:
            held = ItemCounts(**{**changes.held["items"], "moved_codes": 0})
            self.processes = self._processes(due=False)
            return held
        before = read_meanings(connection)
        if due:
            self.why["items"] = changes.all_anew or "codes, items, costs or decisions about items have changed"
            items = refresh_items(connection, site, self.as_of)
        else:
            items = ItemCounts(**{**changes.held["items"], "moved_codes": 0})
        refresh_conversions(connection, site)
        after = read_meanings(connection)
        mine, theirs = before.codes, after.codes
        other = [
            one.join(two, on=mine.columns, how="anti", nulls_equal=True)
            for one, two in ((mine, theirs), (theirs, mine))
        ]
        changed = pl.concat(other).select("source", "code").unique()
        if not changed.is_empty():
            self.remapped = frozenset(codes.records_before(changed, item_codes(connection, site)))
        places = ["item_id", "_from", "_to"]
        self.factors_changed = not before.factors.sort(places).equals(after.factors.sort(places))
        self.processes = self._processes(due=True)
        return items

    def _processes(self, *, due: bool) -> ProcessCounts:
        passed = any(self._passed(kind, "valid_from", "valid_to") for kind in ("boms", "routings"))
        if due or passed or self.changes.any_of(["boms", "routings"]):
            return refresh_processes(self.connection, self.site, self.as_of)
        return ProcessCounts(**self.changes.held["processes"])

    def _supply(self) -> SupplyCounts:
        if self._untouched("supply", _SUPPLY):
            return SupplyCounts(SyncCounts(self.changes.held["supply"]["rows"]), self.changes.held["supply"]["orphans"])
        counts = refresh_supply(self.connection, self.site, self.as_of, self._purchases)
        refresh_scorecards(self.connection, self.as_of)
        return counts

    def _quality(self) -> QualityCounts:
        if self._untouched("quality", _QUALITY):
            return QualityCounts(SyncCounts(self.changes.held["quality"]["rows"]))
        return refresh_quality(self.connection, self.site, self.as_of, self._purchases)

    def _stock(self, codes_moved: bool) -> StockCounts:
        if self._untouched("stock", _STOCK) and "items" not in self.why:
            held = self.changes.held["stock"]
            return StockCounts(held["rows"], 0, held["negative"])
        first, last = _days_to_count(self.connection, self.as_of, codes_moved)
        return refresh_snapshots(self.connection, self.site, first, last, self._purchases)

    def _differences(self) -> SyncCounts:
        if self._untouched("differences", _COUNTS):
            return SyncCounts(self.changes.held["differences"])
        return reconcile(self.connection, self.site, self.as_of)

    def _untouched(self, part: str, kinds: Iterable[str]) -> bool:
        if not self._anew(part, kinds) and self.as_of == self.changes.since and not self.changes.any_of(kinds):
            return True
        self.why.setdefault(part, "its records have changed, or the day")
        return False

    def _anew(self, part: str, kinds: Iterable[str]) -> bool:
        """Whether what is held cannot be carried on, because records seen before have moved or mean another thing."""
        reasons = {
            self.changes.all_anew: bool(self.changes.all_anew),
            "batches were withdrawn, came late or were mended": any(self.changes.of(kind).anew for kind in kinds),
            "codes mean another item now": not self.remapped.isdisjoint(kinds),
            "units of measure have another factor now": self.factors_changed,
        }
        found = [reason for reason, holds in reasons.items() if holds]
        if found:
            self.why[part] = found[0]
        return bool(found)

    def _passed(self, kind: str, *names: str) -> bool:
        """Whether a day that a record of `kind` names lies between the day of what is held and the as-of day."""
        since, until, table = self.changes.since, self.as_of, accepted[kind]
        if since == until:
            return False
        # A last day of validity has passed on the day after it.
        passed = [sa.and_(table.c[name] >= since, table.c[name] <= until) for name in names]
        return bool(self.connection.scalar(sa.select(sa.exists().where(sa.or_(*passed)))))


def _held(counts: RefreshCounts) -> dict[str, Any]:
    return {
        "items": asdict(counts.items),
        "processes": asdict(counts.processes),
        "demand_rows": counts.demand.rows.rows,
        "supply": {"rows": counts.supply.rows.rows, "orphans": counts.supply.orphan_receipts},
        "quality": {"rows": counts.quality.rows.rows},
        "stock": {"rows": counts.stock.rows, "negative": counts.stock.negative},
        "differences": counts.differences.rows,
    }


def _days_to_count(connection: sa.Connection, as_of: date, codes_moved: bool) -> tuple[date, date]:
    """Where codes mean another item now, their stock of earlier days is that item's: count those days anew."""
    if not codes_moved:
        return as_of, as_of
    table = inventory_snapshot
    first, last = connection.execute(sa.select(sa.func.min(table.c.day), sa.func.max(table.c.day))).one()
    return min(first or as_of, as_of), max(last or as_of, as_of)
