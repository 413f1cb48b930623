"""Asset checks of unified: what does not fit together, with counts and examples. They warn; none stops a run."""

from collections.abc import Callable
from dataclasses import dataclass

import dagster as dg
import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.dagster_support import PREVIEW_ROWS, Plant, first_row, preview
from manufacturing_copilot.site import Site
from manufacturing_copilot.unified.defs.assets import ITEMS, PROCESSES, SNAPSHOTS, SUPPLY
from manufacturing_copilot.unified.findings.cost_outliers import cost_outliers
from manufacturing_copilot.unified.findings.data_quality import (
    conflicts,
    dated_ahead,
    doubtful_masters,
    negative_stock,
    orphans,
    process_problems,
    snapshot_gaps,
    stock_differences,
    unit_conflicts,
    unmapped,
    with_examples,
)
from manufacturing_copilot.unified.findings.unusable import NO_FACTOR, NO_ITEM
from manufacturing_copilot.unified.stock.contradictions import totals_beside_places

Find = Callable[[sa.Connection, Site], pl.DataFrame]


@dataclass(frozen=True)
class Check:
    """What is looked for, on which asset, and where an example of it stands.

    `shown_by`: the record kinds whose records of an item are an example; those of `on`, where it names a column that
    holds a day. Without kinds the finding names its own example.
    """

    asset: dg.AssetKey
    name: str
    description: str
    find: Find
    shown_by: tuple[str, ...] = ()
    on: str | None = None


_CHECKS = (
    Check(ITEMS, "unmapped_codes", "Every code in the records means an item.",
          lambda c, _: unmapped(c, NO_ITEM)),
    Check(ITEMS, "unit_factors", "Every unit can be converted to the item's base unit.",
          lambda c, _: unmapped(c, NO_FACTOR)),
    Check(ITEMS, "unit_conflicts", "No two unit conversions contradict each other.", unit_conflicts),
    Check(ITEMS, "conflicts", "The sources agree about the items.", lambda c, _: conflicts(c), ("items",)),
    Check(ITEMS, "telling_masters", "Every code and every name of an item record can tell an item.",
          doubtful_masters),
    Check(ITEMS, "cost_outliers", "No cost is far from the item's earlier cost, prices paid, or other sources.",
          cost_outliers),
    Check(PROCESSES, "sound_processes", "No item contains itself, every component is known, and shares add up.",
          lambda c, _: process_problems(c), ("boms",)),
    Check(SUPPLY, "orphans", "Every receipt has its order line, every purchase line its supplier.", orphans),
    Check(SNAPSHOTS, "negative_stock", "No stock is below zero.", lambda c, _: negative_stock(c),
          ("stock_levels", "stock_movements"), "counted_on"),
    Check(SNAPSHOTS, "counts_and_movements", "Each count of stock is the count before it plus what moved since.",
          lambda c, _: stock_differences(c), ("stock_levels",), "to_day"),
    Check(SNAPSHOTS, "totals_and_places", "What is counted without a place is what its places come to.",
          totals_beside_places),
    Check(SNAPSHOTS, "days_to_come", "No record says that something has happened on a day that has not come.",
          dated_ahead),
    Check(SNAPSHOTS, "snapshot_gaps", "Every day has its snapshot of stock.", lambda c, _: snapshot_gaps(c)),
)  # fmt: skip


_ADVICE = {
    "unmapped_codes": "codes that mean no item; their rows count nowhere. See `copilot item suggest`, and map them with"
    " `copilot item merge`.",
    "unit_factors": "units without a factor to the item's base unit; their rows count nowhere. Send a unit conversion.",
    "unit_conflicts": "conversions of the same units with different factors. Correct them in the source.",
    "conflicts": "items about which the sources disagree; the source with the higher priority counts. Correct the"
    " others.",
    "telling_masters": "codes that mean no code, have a wrong check digit, or were ruined by a spreadsheet (they join"
    " no items), and names that read like remarks. Correct them in the source; export codes without a spreadsheet.",
    "cost_outliers": "costs far from what is known of the item. Check unit and decimal point in the source.",
    "sound_processes": "problems in bills of materials or routings. Correct them in the source.",
    "orphans": "receipts without an order line, or purchase lines without a supplier. Send the missing records.",
    "negative_stock": "items with stock below zero. Count them, or look for a movement that was not sent.",
    "counts_and_movements": "counts that differ from the count before and what moved since. Look for movements that"
    " were not sent, or counts of another day.",
    "totals_and_places": "items whose count without a place is not the sum of their places. The newer statement holds;"
    " of one day the better source's, of one source the places. Correct the other in the source.",
    "days_to_come": "feeds with records of days that have not come; they count from their day on. Correct the dates in"
    " the source, or the clock of the computer that this runs on.",
    "snapshot_gaps": "gaps of days without a snapshot. Materialize unified/inventory_snapshots for these days.",
}
"""What a failed check found, and what to do about it."""


def unified_checks() -> list[dg.AssetChecksDefinition]:
    """Return the checks of the unified assets."""
    return [_check(one) for one in _CHECKS]


def _check(one: Check) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=one.asset, name=one.name, description=one.description)
    def check(plant: Plant) -> dg.AssetCheckResult:
        with plant.open() as store, store.read() as connection:
            found = one.find(connection, plant.site)
            shown = found.head(PREVIEW_ROWS)
            if one.shown_by:
                shown = with_examples(connection, shown, one.shown_by, on=one.on)
            return _result(found, shown, _ADVICE[one.name])

    return check


def _result(found: pl.DataFrame, shown: pl.DataFrame, advice: str) -> dg.AssetCheckResult:
    metadata: dict[str, dg.MarkdownMetadataValue | int] = {"found": found.height}
    for name in ("rows", "days"):
        if name in found.columns:
            metadata[name] = int(found[name].sum() or 0)
    if not found.is_empty():
        metadata["examples"] = preview(shown)
    return dg.AssetCheckResult(
        passed=found.is_empty(),
        severity=dg.AssetCheckSeverity.WARN,
        metadata=metadata,
        description=None if found.is_empty() else f"{found.height} found: {advice} The first: {first_row(shown)}.",
    )
