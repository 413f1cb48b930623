"""What unified is made of: one declaration per part, in the order in which a refresh brings them up to date.

Each part names its tables, what it reads, and what makes its tables outdated. From this follow: which parts a refresh
works at and in which order, the dependencies between the assets, the temporary tables of a past day, and from which
tables the rows of items that are gone are deleted. How a part's rows are worked out belongs in its room.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from enum import Enum, auto
from functools import cached_property
from typing import Any, Generic, TypeVar, cast

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.records import RECORD_KINDS
from manufacturing_copilot.site import Site
from manufacturing_copilot.site.holds import ABSENT
from manufacturing_copilot.store import tables as t
from manufacturing_copilot.store.merge import SyncCounts
from manufacturing_copilot.unified.changes import Changes
from manufacturing_copilot.unified.code_counts import fields_of, item_codes, refresh_code_counts
from manufacturing_copilot.unified.conform import Meanings, read_meanings
from manufacturing_copilot.unified.endings import refresh_endings
from manufacturing_copilot.unified.findings.unusable import refresh_findings
from manufacturing_copilot.unified.history.demand import DemandCounts, refresh_demand
from manufacturing_copilot.unified.history.demand_year import classify_items
from manufacturing_copilot.unified.history.promises import refresh_promises
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
from manufacturing_copilot.unified.stock.movements import read_movements
from manufacturing_copilot.unified.stock.snapshots import (
    StockCounts,
    StockFacts,
    days_to_count,
    read_stock_facts,
    reconcile,
    refresh_snapshots,
)
from manufacturing_copilot.unified.stock.spells import refresh_spells
from manufacturing_copilot.unified.structure.processes import ProcessCounts, refresh_processes

Counts = TypeVar("Counts")


class Upkeep(Enum):
    """How a part is kept up to date."""

    ALWAYS = auto()
    """Worked out in every refresh: it is small, or compares by itself."""
    CARRIED_ON = auto()
    """What came is added and what it replaced is taken off; rebuilt where what was read before means another thing."""
    WHEN_OUTDATED = auto()
    """Rebuilt from all its records when something that it rests on has changed; else left as it is."""


@dataclass(frozen=True)
class Noted(Generic[Counts]):
    """What the table `refresh` notes of a part's counts, under `key`, so that the next refresh need not count again."""

    key: str
    write: Callable[[Counts], Any]
    read: Callable[[Any], Counts]


@dataclass(frozen=True, eq=False)
class Part(Generic[Counts]):
    """A part of unified: tables that are brought up to date together.

    What it reads: `records` (kinds of accepted records; with `choose` the one of them that the site declares) and
    the tables of the parts in `reads`. It comes after these, and after those in `after`.
    `changes`: tables of other parts in which it writes too. `clean_up`: it removes rows from the tables of any part.

    What makes it outdated besides its records: that a part in `follows` was rebuilt; `daily`: another day; `valid`:
    that a day has passed which records of a kind name in one of these fields; `decisions`: that people decided about
    items; `new_codes`: that codes of items have come or gone. `because` says so to a person. `gives_meaning`: codes and
    units mean what its tables say; records of which they mean another thing than before are read again.

    Where it is left as it is, its counts are what was `noted` with the refresh before, else `left`.

    `asset`: the asset that shows it to people; none where it is only of use to other parts.
    `numbered`: of its tables, those whose rows keep their number for good: a past day begins with today's rows.
    `named`: of these, those of which a row that only a record of a past day names gets a lasting number as well.
    `reassigned`: of its tables, those whose rows of a past day are given to the item that their codes mean today.
    """

    name: str
    refresh: Callable[[RefreshContext], Counts]
    tables: tuple[sa.Table, ...] = ()
    records: frozenset[str] = frozenset()
    choose: Callable[[Site], str] | None = None
    reads: tuple[Part[Any], ...] = ()
    after: tuple[Part[Any], ...] = ()
    changes: tuple[sa.Table, ...] = ()
    clean_up: bool = False
    upkeep: Upkeep = Upkeep.WHEN_OUTDATED
    follows: tuple[Part[Any], ...] = ()
    daily: bool = False
    valid: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    decisions: bool = False
    new_codes: bool = False
    because: str = "its records have changed, or the day"
    gives_meaning: bool = False
    noted: Noted[Counts] | None = None
    left: Counts | None = None
    asset: str | None = None
    numbered: tuple[sa.Table, ...] = ()
    named: tuple[sa.Table, ...] = ()
    reassigned: tuple[sa.Table, ...] = ()

    def kinds(self, site: Site) -> frozenset[str]:
        """Return the kinds of records that it reads at this site."""
        return self.records if self.choose is None else self.records & {self.choose(site)}


@dataclass
class RefreshContext:
    """What the parts of one refresh share: where they read and write, what has changed, and what was done so far.

    `reasons`: why a part was rebuilt, by its name. `remapped`: the record kinds of which codes mean another item than
    before this refresh. `factors_changed`: units of measure have other factors than before.
    """

    connection: sa.Connection
    site: Site
    as_of: date
    changes: Changes
    reasons: dict[str, str] = field(default_factory=dict)
    remapped: frozenset[str] = frozenset()
    factors_changed: bool = False
    _counts: dict[str, object] = field(default_factory=dict)
    _meanings_before: Meanings | None = None

    @cached_property
    def purchases(self) -> Purchases:
        """What supply, quality and stock rest on; read once, when items and suppliers are up to date."""
        return read_purchases(self.connection, self.site)

    @cached_property
    def movements(self) -> pl.DataFrame:
        """What entered and left stock; read once, when items and locations are up to date."""
        return read_movements(self.connection, self.site)

    @cached_property
    def stock_facts(self) -> StockFacts:
        """What snapshots and spells of stock are made from; read once."""
        return read_stock_facts(self.connection, self.site, self.as_of, self.purchases, self.movements)

    def counts(self, part: Part[Counts]) -> Counts:
        """Return what the part's refresh counted; it must have been refreshed or left."""
        return cast(Counts, self._counts[part.name])

    def note_counts(self, part: Part[Counts], counts: Counts) -> None:
        """Keep what the part's refresh counted, for those that come after it."""
        self._counts[part.name] = counts

    def remember_meanings(self) -> None:
        """Keep what codes and units mean now, before items or conversions are written for the first time."""
        if self._meanings_before is None:
            self._meanings_before = read_meanings(self.connection)

    def compare_meanings(self) -> None:
        """Note which codes and units mean something else now than what was remembered; nothing where nothing was."""
        if self._meanings_before is None:
            return
        before, after = self._meanings_before, read_meanings(self.connection)
        columns = before.codes.columns
        differing = [
            one.join(other, on=columns, how="anti", nulls_equal=True)
            for one, other in ((before.codes, after.codes), (after.codes, before.codes))
        ]
        changed = pl.concat(differing).select("source", "code").unique()
        if not changed.is_empty():
            seen = item_codes(self.connection, self.site)
            self.remapped = frozenset(self.counts(CODE_COUNTS).records_before(changed, seen))
        pair = ["item_id", "_from", "_to"]
        self.factors_changed = not before.factors.sort(pair).equals(after.factors.sort(pair))


def _refresh_demand(context: RefreshContext) -> DemandCounts:
    rebuild = DEMAND.name in context.reasons
    return refresh_demand(context.connection, context.site, context.as_of, context.changes, rebuild=rebuild)


def _refresh_promises(context: RefreshContext) -> None:
    came = context.changes.of("purchase_lines")
    refresh_promises(context.connection, came, rebuild=PROMISES.name in context.reasons)


def _refresh_scorecards(context: RefreshContext) -> None:
    refresh_scorecards(context.connection, context.site, context.as_of)


def _refresh_stock(context: RefreshContext) -> StockCounts:
    codes_moved = context.counts(GONE_ITEMS) > 0 or context.counts(ITEMS).moved_codes > 0
    first, last = days_to_count(context.connection, context.as_of, codes_moved=codes_moved)
    return refresh_snapshots(context.connection, context.site, first, last, context.stock_facts)


def _refresh_spells(context: RefreshContext) -> None:
    refresh_spells(context.connection, context.stock_facts.states, context.as_of)


_PURCHASES = frozenset({"purchase_orders", "purchase_lines", "receipts", "purchase_returns"})
_COUNTS = frozenset({"stock_levels", "stock_movements"})

CODE_COUNTS = Part(
    "code_counts",
    lambda context: refresh_code_counts(context.connection, context.site, context.changes),
    tables=(t.code_count,),
    records=frozenset(kind for kind in RECORD_KINDS if fields_of(kind)),
    upkeep=Upkeep.CARRIED_ON,
)
ENDINGS = Part(
    "endings",
    lambda context: refresh_endings(context.connection, context.site, context.changes),
    tables=(t.list_stretch,),
    records=frozenset(ABSENT),
    upkeep=Upkeep.ALWAYS,
)
SUPPLIERS = Part(
    "suppliers",
    lambda context: refresh_suppliers(context.connection, context.site),
    tables=(t.supplier,),
    records=frozenset({"suppliers"}),
    reads=(CODE_COUNTS, ENDINGS),
    upkeep=Upkeep.ALWAYS,
    asset="items",
    numbered=(t.supplier,),
    named=(t.supplier,),
)
LOCATIONS = Part(
    "locations",
    lambda context: refresh_locations(context.connection, context.site),
    tables=(t.location,),
    records=frozenset({"locations"}),
    reads=(CODE_COUNTS,),
    upkeep=Upkeep.ALWAYS,
    asset="items",
    numbered=(t.location,),
    named=(t.location,),
)
ITEMS = Part(
    "items",
    lambda context: refresh_items(context.connection, context.site, context.as_of),
    tables=(t.item, t.external_id, t.item_conflict),
    records=frozenset({"items", "item_references", "item_costs"}),
    reads=(CODE_COUNTS, ENDINGS, SUPPLIERS),
    follows=(SUPPLIERS,),
    valid={"item_costs": ("valid_from",)},
    decisions=True,
    new_codes=True,
    because="codes, items, costs or decisions about items have changed",
    gives_meaning=True,
    noted=Noted("items", asdict, lambda noted: ItemCounts(**{**noted, "moved_codes": 0})),
    asset="items",
    numbered=(t.item, t.external_id),
)
CONVERSIONS = Part(
    "conversions",
    lambda context: refresh_conversions(context.connection, context.site),
    tables=(t.unit_conversion,),
    records=frozenset({"unit_conversions"}),
    reads=(ITEMS,),
    follows=(ITEMS,),
    gives_meaning=True,
    asset="items",
)
PROCESSES = Part(
    "processes",
    lambda context: refresh_processes(context.connection, context.site, context.as_of),
    tables=(t.process, t.bom_line, t.routing_step),
    changes=(t.unmapped_id,),
    records=frozenset({"boms", "routings"}),
    reads=(ENDINGS, ITEMS, CONVERSIONS),
    follows=(CONVERSIONS,),
    valid={"boms": ("valid_from", "valid_to"), "routings": ("valid_from", "valid_to")},
    noted=Noted("processes", asdict, lambda noted: ProcessCounts(**noted)),
    asset="processes",
)
DEMAND = Part(
    "demand",
    _refresh_demand,
    tables=(t.demand_day, t.demand_ahead, t.demand_year),
    records=frozenset({"order_lines", "stock_movements"}),
    choose=lambda site: site.demand.records,
    reads=(LOCATIONS, ITEMS, CONVERSIONS),
    upkeep=Upkeep.CARRIED_ON,
    noted=Noted("demand_rows", lambda counts: counts.rows.rows, lambda rows: DemandCounts(SyncCounts(rows))),
    asset="demand_history",
    reassigned=(t.demand_day,),
)
PROMISES = Part(
    "promises",
    _refresh_promises,
    tables=(t.promise_version,),
    records=frozenset({"purchase_lines"}),
    upkeep=Upkeep.CARRIED_ON,
)
SUPPLY = Part(
    "supply",
    lambda context: refresh_supply(context.connection, context.site, context.as_of, context.purchases),
    tables=(t.supply_line,),
    records=_PURCHASES | {"work_orders"},
    reads=(ENDINGS, SUPPLIERS, LOCATIONS, ITEMS, CONVERSIONS, PROMISES),
    daily=True,
    noted=Noted(
        "supply",
        lambda counts: {
            "rows": counts.rows.rows,
            "orphans": counts.orphan_receipts,
            "reversals": counts.unmatched_reversals,
        },
        lambda noted: SupplyCounts(SyncCounts(noted["rows"]), noted["orphans"], noted["reversals"]),
    ),
    asset="supply_history",
    reassigned=(t.supply_line,),
)
SCORECARDS = Part(
    "scorecards",
    _refresh_scorecards,
    tables=(t.supplier_score,),
    reads=(SUPPLY,),
    follows=(SUPPLY,),
    asset="supply_history",
)
QUALITY = Part(
    "quality",
    lambda context: refresh_quality(context.connection, context.site, context.as_of, context.purchases),
    tables=(t.quality_day, t.quality_reason),
    records=_PURCHASES | {"work_orders", "inspections"},
    reads=(ENDINGS, SUPPLIERS, LOCATIONS, ITEMS, CONVERSIONS),
    daily=True,
    noted=Noted(
        "quality",
        lambda counts: {"rows": counts.rows.rows},
        lambda noted: QualityCounts(SyncCounts(noted["rows"])),
    ),
    asset="quality_history",
    reassigned=(t.quality_day, t.quality_reason),
)
GONE_ITEMS: Part[int] = Part(
    "gone_items",
    lambda context: drop_gone_items(context.connection, TABLES),
    clean_up=True,
    after=(PROCESSES, DEMAND, SUPPLY, QUALITY),
    follows=(ITEMS,),
    left=0,
)
CLASSES = Part(
    "classes",
    lambda context: classify_items(context.connection),
    changes=(t.item,),
    reads=(ITEMS, DEMAND),
    after=(GONE_ITEMS,),
    upkeep=Upkeep.ALWAYS,
)
STOCK = Part(
    "stock",
    _refresh_stock,
    tables=(t.inventory_snapshot,),
    records=_PURCHASES | _COUNTS | {"items", "item_costs"},
    reads=(ENDINGS, SUPPLIERS, LOCATIONS, ITEMS, CONVERSIONS),
    after=(SUPPLY, GONE_ITEMS),
    follows=(ITEMS,),
    daily=True,
    noted=Noted(
        "stock",
        lambda counts: {"rows": counts.rows, "negative": counts.negative},
        lambda noted: StockCounts(noted["rows"], 0, noted["negative"]),
    ),
    asset="inventory_snapshots",
    reassigned=(t.inventory_snapshot,),
)
SPELLS = Part(
    "spells",
    _refresh_spells,
    tables=(t.stock_spell,),
    records=_PURCHASES | _COUNTS | {"items", "item_costs"},
    reads=(ENDINGS, SUPPLIERS, LOCATIONS, ITEMS, CONVERSIONS),
    after=(STOCK,),
    follows=(ITEMS,),
    daily=True,
    reassigned=(t.stock_spell,),
)
DIFFERENCES = Part(
    "differences",
    lambda context: reconcile(context.connection, context.site, context.as_of, context.movements),
    tables=(t.stock_difference,),
    records=_COUNTS,
    reads=(ENDINGS, LOCATIONS, ITEMS, CONVERSIONS),
    after=(GONE_ITEMS,),
    daily=True,
    noted=Noted("differences", lambda counts: counts.rows, SyncCounts),
    asset="inventory_snapshots",
)
GONE_MASTERS = Part(
    "gone_masters",
    lambda context: drop_gone_masters(context.connection, context.site),
    clean_up=True,
    records=frozenset({"suppliers", "locations"}),
    reads=(CODE_COUNTS,),
    after=(SUPPLIERS, LOCATIONS, ITEMS, DEMAND, SUPPLY, SCORECARDS, QUALITY, STOCK, SPELLS, DIFFERENCES),
    upkeep=Upkeep.ALWAYS,
)
UNUSABLE = Part(
    "unusable",
    lambda context: refresh_findings(context.connection, context.site),
    tables=(t.unmapped_id,),
    reads=(CODE_COUNTS, ITEMS, CONVERSIONS),
    after=(PROCESSES, GONE_ITEMS),
    upkeep=Upkeep.ALWAYS,
)

PARTS: tuple[Part[Any], ...] = (
    CODE_COUNTS, ENDINGS, SUPPLIERS, LOCATIONS, ITEMS, CONVERSIONS, PROCESSES, DEMAND, PROMISES, SUPPLY, SCORECARDS,
    QUALITY, GONE_ITEMS, CLASSES, STOCK, SPELLS, DIFFERENCES, GONE_MASTERS, UNUSABLE,
)  # fmt: skip
"""In the order in which they are refreshed: a part can only name parts that were declared before it."""

TABLES: tuple[sa.Table, ...] = tuple(table for part in PARTS for table in part.tables)
"""What is made from the records, and can be made from them again."""
NOTES = (t.batch_seen, t.refresh)
"""What a refresh notes of itself."""
KEPT = (t.item_event,)
"""What people decided: nothing can make it again."""


def parts_read_by(*wanted: Part[Any]) -> list[Part[Any]]:
    """Return the parts that these read, and those that those read, in the order in which they are refreshed."""
    needed = {earlier for part in wanted for earlier in part.reads}
    while further := {earlier for part in needed for earlier in part.reads} - needed:
        needed |= further
    return [part for part in PARTS if part in needed]


def kinds_shown(asset: str, site: Site) -> frozenset[str]:
    """Return the kinds of records that the parts shown by `asset` read at this site."""
    return frozenset(kind for part in PARTS if part.asset == asset for kind in part.kinds(site))


def assets_before(asset: str) -> list[str]:
    """Return the assets whose parts those shown by `asset` read or come after, in order."""
    shown = [part for part in PARTS if part.asset == asset]
    upstream = {earlier for part in shown for earlier in (*part.reads, *part.after, *part.follows)}
    names = dict.fromkeys(part.asset for part in PARTS if part in upstream)
    return [name for name in names if name is not None and name != asset]
