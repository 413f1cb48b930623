"""Bringing everything in unified up to date, in one transaction.

What has not changed is not touched, and what has is worked out from what came, as far as that can be. Whatever way it
came about, the state is the one that a rebuild from all batches would give. Which parts there are, and when one of
them is outdated, is declared in `unified.declared_parts`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa

from manufacturing_copilot.progress import UNIFIED, batches_hash, loaded_data, record_refresh, up_to_batch
from manufacturing_copilot.site import Site
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.merge import SyncCounts
from manufacturing_copilot.store.tables import accepted
from manufacturing_copilot.store.tables import refresh as refresh_table
from manufacturing_copilot.unified import declared_parts as parts
from manufacturing_copilot.unified.changes import RULES, changes_since, decisions_mark, note_seen, seen_batches
from manufacturing_copilot.unified.code_counts import ITEM
from manufacturing_copilot.unified.declared_parts import PARTS, Part, RefreshContext, Upkeep
from manufacturing_copilot.unified.endings import ended_between
from manufacturing_copilot.unified.findings.unusable import count_unmapped
from manufacturing_copilot.unified.history.demand import DemandCounts
from manufacturing_copilot.unified.history.quality import QualityCounts
from manufacturing_copilot.unified.history.supply import SupplyCounts
from manufacturing_copilot.unified.items.item_master import ItemCounts
from manufacturing_copilot.unified.stock.snapshots import StockCounts
from manufacturing_copilot.unified.structure.processes import ProcessCounts


@dataclass(frozen=True)
class RefreshCounts:
    """What unified holds after a refresh, part by part.

    `unmapped_codes`: no item answers to them. `without_factor`: by record kind, the records that wait for a factor.
    `rebuilt`: the parts that were made from all records, and why; what is not named was carried on or left as it was.
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
    rebuilt: dict[str, str]


def refresh(store: Store, site: Site, as_of: date, *, full: bool = False) -> RefreshCounts:
    """Bring items, processes, history and the stock of `as_of` up to date; a second call changes nothing.

    What is dated later than `as_of` does not count. All in one transaction: readers see the state before or after, and
    a run that is killed leaves nothing. What was known at other days is not kept, but for the snapshots of other days.
    `full`: rebuild everything from all records, as if nothing were there; the result is the same.
    """
    with store.write() as connection:
        return refresh_within(connection, site, as_of, full=full)


def refresh_within(connection: sa.Connection, site: Site, as_of: date, *, full: bool = False) -> RefreshCounts:
    """Do the work of `refresh` in the caller's transaction."""
    up_to, seen, batches = up_to_batch(connection), batches_hash(connection, site), seen_batches(connection)
    data = loaded_data(connection)
    context = RefreshContext(connection, site, as_of, changes_since(connection, site, as_of, full=full))
    for part in PARTS:
        refresh_part(context, part)
    # The tables hold one as-of day: what was noted for others is no longer so.
    connection.execute(sa.delete(refresh_table).where(refresh_table.c.stage == UNIFIED, refresh_table.c.as_of != as_of))
    note_seen(connection, batches)
    held = {"rules": RULES, "data": data, "decisions": decisions_mark(connection), **_noted(context)}
    record_refresh(connection, site, as_of, up_to=up_to, seen=seen, held=held)
    return _counted(context)


def refresh_part(context: RefreshContext, part: Part[Any]) -> None:
    """Bring one part up to date, or leave it where nothing has changed; those before it have been already."""
    reason = _why_rebuilt(context, part)
    if reason:
        context.reasons[part.name] = reason
    if reason or part.upkeep is not Upkeep.WHEN_OUTDATED:
        if part.gives_meaning:
            context.remember_meanings()
        counts = part.refresh(context)
    else:
        counts = part.left if part.noted is None else part.noted.read(context.changes.held[part.noted.key])
    context.note_counts(part, counts)
    if part is parts.CONVERSIONS:  # the last that gives meaning
        context.compare_meanings()


def _why_rebuilt(context: RefreshContext, part: Part[Any]) -> str:
    """Return why the part is made from all its records, in words; empty where it is carried on or left."""
    reason = _why_not_carried_on(context, part)
    if reason or part.upkeep is Upkeep.CARRIED_ON:
        return reason
    return part.because if _is_outdated(context, part) else ""


def _why_not_carried_on(context: RefreshContext, part: Part[Any]) -> str:
    """Return why records that were read before have moved or mean another thing; empty where they do not."""
    changes, kinds = context.changes, part.kinds(context.site)
    if changes.rebuild_all:
        return changes.rebuild_all
    if any(changes.of(kind).reread for kind in kinds):
        return "batches were withdrawn, came late or were mended"
    if not context.remapped.isdisjoint(kinds):
        return "codes mean another item now"
    if context.factors_changed and parts.CONVERSIONS in part.reads:
        return "units of measure have another factor now"
    return ""


def _is_outdated(context: RefreshContext, part: Part[Any]) -> bool:
    changes = context.changes
    return (
        changes.any_of(part.kinds(context.site))
        or any(earlier.name in context.reasons for earlier in part.follows)
        or (part.daily and context.as_of != changes.since)
        or (part.decisions and changes.decided)
        or any(_has_passed(context, kind, fields) for kind, fields in part.valid.items())
        or (part.new_codes and context.counts(parts.CODE_COUNTS).come_or_gone(context.connection, ITEM))
    )


def _has_passed(context: RefreshContext, kind: str, fields: tuple[str, ...]) -> bool:
    """Whether a day that a record of `kind` names lies between the day of what is held and the as-of day."""
    since, until, table = context.changes.since, context.as_of, accepted[kind]
    if since == until:
        return False
    if ended_between(context.connection, context.site, frozenset({kind}), since, until):
        return True
    # A last day of validity has passed on the day after it.
    passed = [sa.and_(table.c[name] >= since, table.c[name] <= until) for name in fields]
    return bool(context.connection.scalar(sa.select(sa.exists().where(sa.or_(*passed)))))


def _noted(context: RefreshContext) -> dict[str, Any]:
    return {part.noted.key: part.noted.write(context.counts(part)) for part in PARTS if part.noted is not None}


def _counted(context: RefreshContext) -> RefreshCounts:
    return RefreshCounts(
        as_of=context.as_of,
        items=context.counts(parts.ITEMS),
        processes=context.counts(parts.PROCESSES),
        demand=context.counts(parts.DEMAND),
        supply=context.counts(parts.SUPPLY),
        quality=context.counts(parts.QUALITY),
        stock=context.counts(parts.STOCK),
        differences=context.counts(parts.DIFFERENCES),
        gone_items=context.counts(parts.GONE_ITEMS),
        unmapped_codes=count_unmapped(context.connection),
        without_factor=context.counts(parts.UNUSABLE),
        rebuilt=context.reasons,
    )
