"""Unified as Dagster assets: the facts of a day in one step, because they are one transaction; stock by day."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import dagster as dg
import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.clock import as_of_day
from manufacturing_copilot.dagster_support import (
    BULK_LOAD_POOL,
    PREVIEW_ROWS,
    Plant,
    code_version,
    column_schema,
    data_version_of,
    days,
    days_asked_for,
    table_metadata,
)
from manufacturing_copilot.progress import loaded_data
from manufacturing_copilot.site import Site
from manufacturing_copilot.store import Store, read_frame
from manufacturing_copilot.store.tables import (
    demand_day,
    inventory_snapshot,
    item,
    process,
    quality_day,
    supply_line,
)
from manufacturing_copilot.store.views import EVERYWHERE, VIEWS, view_query
from manufacturing_copilot.unified.changes import RULES
from manufacturing_copilot.unified.declared_parts import assets_before, kinds_shown
from manufacturing_copilot.unified.refresh.past_day import refresh_snapshots_of
from manufacturing_copilot.unified.refresh.refresh import RefreshCounts, refresh

GROUP = "unified"
OWNERS = ["team:planning"]

ITEMS = dg.AssetKey([GROUP, "items"])
PROCESSES = dg.AssetKey([GROUP, "processes"])
DEMAND = dg.AssetKey([GROUP, "demand_history"])
SUPPLY = dg.AssetKey([GROUP, "supply_history"])
QUALITY = dg.AssetKey([GROUP, "quality_history"])
SNAPSHOTS = dg.AssetKey([GROUP, "inventory_snapshots"])

_VIEWS = {
    item.name: "v_item",
    process.name: "v_process",
    demand_day.name: "v_demand",
    supply_line.name: "v_supply",
    quality_day.name: "v_quality",
    inventory_snapshot.name: "v_stock_day",
}
"""By which view people read a table: its preview is taken from there, in codes, and so is what its columns mean."""
_NUMBERS = {
    "id": "the row's own number",
    "location_id": "the location's number",
    "supplier_id": "the supplier's number",
    "batch_id": "the batch that brought it",
    "file_id": "the file that it stands in",
    "line": "the line in that file",
}


def facts_asset(site: Site) -> dg.AssetsDefinition:
    """Return the assets of items, processes and history; one step, in one transaction."""
    specs = [
        _spec(site, ITEMS, item, "The item master over all sources, with their conflicts."),
        _spec(site, PROCESSES, process, "Bills of materials and routings, checked for cycles."),
        _spec(site, DEMAND, demand_day, "Customer demand by day and item."),
        _spec(site, SUPPLY, supply_line, "Order lines to suppliers and to production: ordered, promised, received."),
        _spec(
            site,
            QUALITY,
            quality_day,
            "Pieces inspected, defective and scrapped, by day, item, operation, supplier.",
        ),
    ]

    @dg.multi_asset(name="facts", specs=specs, pool=BULK_LOAD_POOL, can_subset=False)
    def facts(context: dg.AssetExecutionContext, plant: Plant) -> Iterator[dg.MaterializeResult]:
        # Also in a run of a past day: what reads the facts of a day takes those up to it, and alerts are about now.
        with plant.open() as store:
            with store.read() as connection:
                as_of = as_of_day(connection, plant.site)
                version = data_version_of(plant.site, as_of, loaded_data(connection))
            counts = refresh(store, plant.site, as_of)
            context.log.info(f"{counts.items.items} items, as of {as_of}")
            yield from (result._replace(data_version=version) for result in _results(store, counts))

    return facts


def snapshots_asset(site: Site) -> dg.AssetsDefinition:
    """Return the asset of stock by item, location and day; a range of days is one run."""

    @dg.asset(
        key=SNAPSHOTS,
        deps=_deps(site, SNAPSHOTS),
        partitions_def=days(site),
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=GROUP,
        kinds={"table"},
        owners=OWNERS,
        pool=BULK_LOAD_POOL,
        code_version=_code_version(site),
        description="Stock by item and location at the end of each day, as known then: on hand, reserved, on order.",
        metadata={
            "dagster/table_name": inventory_snapshot.name,
            "dagster/column_schema": column_schema(inventory_snapshot, _meanings(inventory_snapshot)),
        },
    )
    def inventory_snapshots(context: dg.AssetExecutionContext, plant: Plant) -> dg.MaterializeResult:
        asked = days_asked_for(context, plant)
        with plant.open() as store:
            with store.read() as connection:
                version = data_version_of(plant.site, loaded_data(connection))
            counts = refresh_snapshots_of(store, plant.site, asked[0], asked[-1])
            shown = shown_rows(store, inventory_snapshot, asked[-1])
        return dg.MaterializeResult(
            data_version=version,
            metadata={
                **table_metadata(
                    inventory_snapshot, rows=counts.rows, frame=shown, meanings=_meanings(inventory_snapshot)
                ),
                "dagster/partition_row_count": counts.rows,
                "days": len(asked),
                "rows written or removed": counts.touched,
                "negative": counts.negative,
            },
        )

    return inventory_snapshots


def _code_version(site: Site) -> str:
    return f"{code_version(site)}, rules {RULES}"


def _spec(site: Site, key: dg.AssetKey, table: sa.Table, description: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        key,
        deps=_deps(site, key),
        description=description,
        group_name=GROUP,
        kinds={"table"},
        owners=OWNERS,
        code_version=_code_version(site),
        metadata={"dagster/table_name": table.name, "dagster/column_schema": column_schema(table, _meanings(table))},
    )


def _deps(site: Site, key: dg.AssetKey) -> list[dg.AssetDep]:
    """Return what an asset depends on by the declaration of its parts: feeds, and other assets of unified."""
    name = key.path[-1]
    kinds = kinds_shown(name, site)
    # Batches and days have nothing to do with each other: every day rests on all batches.
    feeds = [
        dg.AssetDep(dg.AssetKey(["ingest", feed.source, feed.name]), partition_mapping=dg.AllPartitionMapping())
        for feed in site.feeds
        if feed.records in kinds
    ]
    return [*feeds, *(dg.AssetDep(dg.AssetKey([GROUP, earlier])) for earlier in assets_before(name))]


def _results(store: Store, counts: RefreshCounts) -> Iterator[dg.MaterializeResult]:
    yield _result(
        store, ITEMS, item, counts.items.items, counts,
        codes=counts.items.codes, conflicts=counts.items.conflicts, unmapped_codes=counts.unmapped_codes,
        gone=counts.gone_items,
    )  # fmt: skip
    processes = counts.processes
    yield _result(
        store, PROCESSES, process, processes.processes, counts,
        bom_lines=processes.bom_lines, routing_steps=processes.routing_steps, problems=processes.problems,
    )  # fmt: skip
    yield _result(
        store, DEMAND, demand_day, counts.demand.rows.rows, counts,
        written=counts.demand.rows.touched, without_factor=_waiting(counts, "order_lines", "stock_movements"),
    )  # fmt: skip
    supply = counts.supply
    yield _result(
        store, SUPPLY, supply_line, supply.rows.rows, counts,
        written=supply.rows.touched, orphan_receipts=supply.orphan_receipts,
        unmatched_reversals=supply.unmatched_reversals,
        without_factor=_waiting(counts, "purchase_lines", "receipts", "purchase_returns"),
    )  # fmt: skip
    yield _result(store, QUALITY, quality_day, counts.quality.rows.rows, counts, written=counts.quality.rows.touched)


def _waiting(counts: RefreshCounts, *kinds: str) -> int:
    return sum(counts.without_factor.get(kind, 0) for kind in kinds)


def _why_rebuilt(key: dg.AssetKey, counts: RefreshCounts) -> dict[str, str]:
    """Why the part was made from all records; nothing where it was carried on or left as it was."""
    why = counts.rebuilt.get(key.path[-1].removesuffix("_history"))
    return {"rebuilt because": why} if why else {}


def _result(
    store: Store, key: dg.AssetKey, table: sa.Table, rows: int, counts: RefreshCounts, **more: int
) -> dg.MaterializeResult:
    metadata: dict[str, Any] = table_metadata(
        table, rows=rows, frame=shown_rows(store, table), meanings=_meanings(table)
    )
    said = {name.replace("_", " "): count for name, count in more.items()}
    return dg.MaterializeResult(
        asset_key=key, metadata={**metadata, "as of": counts.as_of.isoformat(), **said, **_why_rebuilt(key, counts)}
    )


def _meanings(table: sa.Table) -> dict[str, str]:
    return {**EVERYWHERE, **_NUMBERS, **VIEWS[_VIEWS[table.name]].columns}


def shown_rows(store: Store, table: sa.Table, day: date | None = None) -> pl.DataFrame:
    """Return the first rows as people read them: of `day`, else of the newest days where the table has days."""
    with store.read() as connection:
        query = view_query(connection, _VIEWS[table.name]).limit(PREVIEW_ROWS)
        if day is not None:
            query = query.where(table.c.day == day)
        elif "day" in table.c:
            query = query.order_by(table.c.day.desc())
        return read_frame(connection, query).drop("item_id")
