"""The item master: one row per item over all sources, who calls it what, and what the sources disagree about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.site import Site
from manufacturing_copilot.store import insert_frame, read_frame
from manufacturing_copilot.store.merge import delete_rows, delete_unreferenced, sync_frame, update_rows
from manufacturing_copilot.store.tables import external_id, item, item_conflict, supplier
from manufacturing_copilot.unified.code_counts import item_codes
from manufacturing_copilot.unified.codes import read_accepted
from manufacturing_copilot.unified.endings import with_ended_on
from manufacturing_copilot.unified.items.attributes import SETTLED, settle, settle_costs
from manufacturing_copilot.unified.items.item_events import decisions_in_force
from manufacturing_copilot.unified.items.matching import Resolution, match_codes, resolve_items
from manufacturing_copilot.unified.items.regroup import MERGED, regroup, with_own_skus
from manufacturing_copilot.unified.telling_codes import telling


@dataclass(frozen=True)
class ItemCounts:
    """What the item master holds."""

    items: int
    codes: int
    conflicts: int
    moved_codes: int
    """Codes that meant another item before: what was counted for the one belongs to the other."""


def refresh_items(connection: sa.Connection, site: Site, as_of: date) -> ItemCounts:
    """Bring item, external_id and item_conflict up to date; needs the counts of codes and the suppliers.

    Items keep their ids: an item is the one that any of its codes meant before, else the one with its SKU. What people
    decided about items (merges and splits) is applied to what the codes say by themselves.
    Where the site declares no feed of items, every code seen in a record is an item record of its own.
    """
    seen = item_codes(connection, site)
    records = _item_records(connection, site, seen)
    references = _references(connection, site)
    asked = _asked(seen, references)
    resolution = resolve_items(records, references)
    matched = match_codes(resolution, asked, references)
    decided = regroup(resolution, matched, records, seen, decisions_in_force(connection))
    if decided is not None:
        resolution, records = decided.resolution, decided.records
        matched = match_codes(resolution, asked, references)
    codes = pl.concat([resolution.codes, matched])
    placed = resolution.codes.select("source", "code", "item", joined=pl.col("matched_by") == MERGED)
    settled, conflicts = settle(records.join(placed, on=["source", "code"]))
    settled = with_own_skus(settled, resolution.codes)
    ids = _write_items(connection, resolution, settled)
    moved = _write_codes(connection, codes, ids, records)
    costs = settle_costs(connection, site, as_of, settled.join(ids, on="item"))
    update_rows(connection, item, costs.values)
    disagreements = pl.concat([conflicts.join(ids, on="item").drop("item").rename({"id": "item_id"}), costs.conflicts])
    key = ["item_id", "field", "other_source"]
    disagreements = disagreements.unique(key, keep="last", maintain_order=True)
    written = sync_frame(connection, item_conflict, disagreements, key=key)
    return ItemCounts(ids.height, codes.height, written.rows, moved)


def drop_gone_items(connection: sa.Connection, tables: Iterable[sa.Table]) -> int:
    """Remove the items that no code means any more, and their rows in `tables`; return how many there were.

    An item that a forecast or an alert still speaks of stays, inactive. To be called when the processes and the history
    are up to date.
    """
    # NOT IN would go through all codes for each item, where PostgreSQL expects more of them than it has memory for.
    known = sa.exists().where(external_id.c.item_id == item.c.id)
    gone = read_frame(connection, sa.select(item.c.id).where(~known))
    if gone.is_empty():
        return 0
    for table in tables:
        for name in {"item_id", "component_id"} & set(table.c.keys()):
            delete_rows(connection, table, gone.rename({"id": name}))
    kept = delete_unreferenced(connection, item, gone)
    update_rows(connection, item, kept.with_columns(active=pl.lit(False)))
    return gone.height


def _item_records(connection: sa.Connection, site: Site, seen: pl.DataFrame) -> pl.DataFrame:
    listed = with_ended_on(connection, site, "items", read_accepted(connection, site, "items"))
    active = pl.when(pl.col("ended_on").is_null()).then("active").otherwise(False).alias("active")
    records = listed.with_columns(active).drop("ended_on").rename({"item": "code"})
    records = records.with_columns(telling(name) for name in ("sku", "barcode", "manufacturer_part"))
    if any(feed.records == "items" for feed in site.feeds):
        return records
    spoken = seen.select("priority", "source", "code", file_id="example_file_id", line="example_line").unique(
        ["source", "code"], keep="first", maintain_order=True
    )
    return pl.concat([records, spoken], how="diagonal")


def _references(connection: sa.Connection, site: Site) -> pl.DataFrame:
    columns = ["item", "other_source", "other_code"]
    return read_accepted(connection, site, "item_references", columns).rename({"item": "code"})


def _asked(seen: pl.DataFrame, references: pl.DataFrame) -> pl.DataFrame:
    """Return the codes to find an item for: those seen in records, and those that only a reference names."""
    references = references.with_columns(telling("code"), telling("other_code")).drop_nulls(["code", "other_code"])
    declared = references.select(source="other_source", code="other_code")
    return pl.concat([seen.select("source", "code"), references.select("source", "code"), declared]).unique()


def _write_items(connection: sa.Connection, resolution: Resolution, settled: pl.DataFrame) -> pl.DataFrame:
    """Write the items; return item (the number of this run) and id."""
    known = _known_ids(connection, resolution, settled)
    suppliers = read_frame(connection, sa.select(supplier.c.id.label("supplier_id"), supplier.c.code))
    rows = (
        settled.join(known, on="item", how="left")
        .join(suppliers, left_on="supplier", right_on="code", how="left")
        .select("id", "item", "sku", "supplier_id", *(name for name in SETTLED if name in item.c), "base_unit",
                "batch_id", "file_id", "line")
        .with_columns(pl.col("service", "phantom").fill_null(False), pl.col("active").fill_null(True))
    )  # fmt: skip
    _free_skus(connection, rows)
    provenance = ("batch_id", "file_id", "line")
    # Costs are settled afterwards, with accounting's: writing them here would change them to and fro.
    update_rows(connection, item, rows.drop_nulls("id").drop("item", "unit_cost"), touch=provenance)
    insert_frame(connection, item, rows.filter(pl.col("id").is_null()).drop("id", "item"))
    ids = read_frame(connection, sa.select(item.c.id, item.c.sku))
    return rows.select("item", "sku").join(ids, on="sku").select("item", "id")


def _known_ids(connection: sa.Connection, resolution: Resolution, settled: pl.DataFrame) -> pl.DataFrame:
    """Return item and id of the items that stood here before; an id goes to one item, the first that claims it."""
    before = read_frame(
        connection,
        sa.select(external_id.c.source, external_id.c.external_id.label("code"), external_id.c.item_id.label("id")),
    )
    # What came by a merge claims last, so that a merged item keeps its id.
    codes = resolution.codes.sort(pl.col("matched_by") == MERGED, maintain_order=True)
    by_code = codes.join(before, on=["source", "code"], maintain_order="left").select("item", "id")
    skus = read_frame(connection, sa.select(item.c.id, item.c.sku))
    by_sku = settled.join(skus, on="sku", maintain_order="left").select("item", "id")
    found = by_code.clear()
    for claims in (by_code.join(by_sku, on=["item", "id"], how="semi", maintain_order="left"), by_code, by_sku):
        left = claims.join(found, on="item", how="anti", maintain_order="left")
        left = left.join(found, on="id", how="anti", maintain_order="left")
        left = left.unique("item", keep="first", maintain_order=True).sort("item", maintain_order=True)
        found = pl.concat([found, left.unique("id", keep="first", maintain_order=True)])
    return found


def _free_skus(connection: sa.Connection, rows: pl.DataFrame) -> None:
    """Take a SKU away from the item that bears it now, where another is about to."""
    held = read_frame(connection, sa.select(item.c.id.label("held_by"), item.c.sku))
    taken = rows.join(held, on="sku").filter(pl.col("id").is_null() | (pl.col("id") != pl.col("held_by")))
    freed = taken.select(id="held_by", sku=pl.format("{} (until now, {})", "sku", "held_by"))
    update_rows(connection, item, freed)


def _write_codes(connection: sa.Connection, codes: pl.DataFrame, ids: pl.DataFrame, records: pl.DataFrame) -> int:
    """Write the codes; return how many of them meant another item before."""
    batches = records.unique(["source", "code"], keep="first", maintain_order=True)
    rows = (
        codes.join(ids, on="item")
        .join(batches.select("source", "code", "batch_id"), on=["source", "code"], how="left")
        .select("source", "matched_by", "batch_id", external_id="code", item_id="id")
    )
    table = external_id
    before = read_frame(connection, sa.select(table.c.source, table.c.external_id, table.c.item_id.label("was")))
    moved = rows.join(before, on=["source", "external_id"]).filter(pl.col("was") != pl.col("item_id")).height
    sync_frame(connection, table, rows, key=["source", "external_id"], touch=["batch_id"])
    return moved
