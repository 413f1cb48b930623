"""Asset checks of unified: what does not fit together, with counts and examples. They warn; none stops the flow."""

from collections.abc import Callable, Sequence

import dagster as dg
import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.edge import Plant, preview
from manufacturing_copilot.site import Site
from manufacturing_copilot.unified.assets import ITEMS, PROCESSES, SNAPSHOTS, SUPPLY
from manufacturing_copilot.unified.findings import NO_FACTOR, NO_ITEM
from manufacturing_copilot.unified.trouble import (
    conflicts,
    negative_stock,
    orphans,
    process_problems,
    snapshot_gaps,
    stock_differences,
    unmapped,
)

Find = Callable[[sa.Connection, Site], pl.DataFrame]

_CHECKS: Sequence[tuple[dg.AssetKey, str, str, Find]] = (
    (ITEMS, "unmapped_codes", "Every code that records speak of means an item.", lambda c, _: unmapped(c, NO_ITEM)),
    (ITEMS, "unit_factors", "Every unit can be converted to the base unit.", lambda c, _: unmapped(c, NO_FACTOR)),
    (ITEMS, "conflicts", "The sources agree about the items.", lambda c, _: conflicts(c)),
    (PROCESSES, "sound_processes", "No item is made of itself, no component is unknown.",
     lambda c, _: process_problems(c)),
    (SUPPLY, "orphans", "Every receipt has its order line, every purchase line its supplier.", orphans),
    (SNAPSHOTS, "negative_stock", "No stock is below zero.", lambda c, _: negative_stock(c)),
    (SNAPSHOTS, "counts_and_movements", "What was counted is what was counted before and what moved since.",
     lambda c, _: stock_differences(c)),
    (SNAPSHOTS, "snapshot_gaps", "No day lacks its snapshot.", lambda c, _: snapshot_gaps(c)),
)  # fmt: skip


def unified_checks() -> list[dg.AssetChecksDefinition]:
    """Return the checks of the unified assets."""
    return [_check(*parts) for parts in _CHECKS]


def _check(key: dg.AssetKey, name: str, description: str, find: Find) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=key, name=name, description=description)
    def check(plant: Plant) -> dg.AssetCheckResult:
        with plant.open() as store, store.read() as connection:
            return _said(find(connection, plant.site))

    return check


def _said(found: pl.DataFrame) -> dg.AssetCheckResult:
    metadata: dict[str, dg.MarkdownMetadataValue | int] = {"found": found.height}
    for name in ("rows", "days"):
        if name in found.columns:
            metadata[name] = int(found[name].sum() or 0)
    if not found.is_empty():
        metadata["examples"] = preview(found)
    return dg.AssetCheckResult(passed=found.is_empty(), severity=dg.AssetCheckSeverity.WARN, metadata=metadata)
