"""How items are made: bills of materials and routings, with the cycles and gaps found in them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.site import Site
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.tables import bom_line, item, process, routing_step
from manufacturing_copilot.unified.codes import read_accepted
from manufacturing_copilot.unified.cycles import cycles
from manufacturing_copilot.unified.facts import with_item_ids
from manufacturing_copilot.unified.findings import write_missing_factors
from manufacturing_copilot.unified.sync import delete_rows, sync_frame
from manufacturing_copilot.unified.units import unit_factors

VERSION = 1
"""Feeds deliver one definition per item; what changes over time are its lines, each with its validity."""


@dataclass(frozen=True)
class ProcessCounts:
    """What is known of how items are made."""

    processes: int
    bom_lines: int
    routing_steps: int
    problems: int


def refresh_processes(connection: sa.Connection, site: Site, as_of: date) -> ProcessCounts:
    """Bring process, bom_line and routing_step up to date; needs the items.

    An item's bill of materials comes from the first source by priority that has one, and so does its routing.
    Lines without a parent name a top-level item and add nothing. Cycles are looked for among the lines valid on
    `as_of`; a component that no item answers to is a problem of its parent.
    """
    lines = _bom_lines(connection, site)
    steps = _routing_steps(connection, site)
    wanted = _processes(connection, lines, steps, as_of)
    gone = _gone(connection, wanted)
    delete_rows(connection, bom_line, gone.rename({"id": "process_id"}))
    delete_rows(connection, routing_step, gone.rename({"id": "process_id"}))
    sync_frame(connection, process, wanted, key=["item_id", "version"])
    ids = read_frame(connection, sa.select(process.c.id.label("process_id"), process.c.item_id))
    known = lines.drop_nulls("component_id").join(ids, on="item_id").drop("item_id", "component")
    boms = sync_frame(connection, bom_line, _added_up(known), touch=["batch_id"])
    routed = steps.join(ids, on="item_id").drop("item_id")
    routings = sync_frame(connection, routing_step, routed, touch=["batch_id"])
    return ProcessCounts(wanted.height, boms.rows, routings.rows, wanted["problem"].drop_nulls().len())


def valid_on(day: date) -> pl.Expr:
    """Whether a line with valid_from and valid_to holds on `day`; an empty end is open."""
    return (pl.col("valid_from").fill_null(day) <= day) & (pl.col("valid_to").fill_null(day) >= day)


def _bom_lines(connection: sa.Connection, site: Site) -> pl.DataFrame:
    """Return item_id, component_id (null: unknown), component, quantity_per in its base unit, and the rest."""
    columns = ["item", "component", "quantity_per", "unit", "scrap_ratio", "valid_from", "valid_to"]
    rows = with_item_ids(connection, read_accepted(connection, site, "boms", columns).drop_nulls("item"))
    rows = _first_source(rows)
    found = with_item_ids(connection, rows.drop("item_id").with_row_index("_row"), "component")
    joined = rows.with_row_index("_row").join(
        found.select("_row", component_id="item_id"), on="_row", how="left", maintain_order="left"
    )
    units = read_frame(connection, sa.select(item.c.id.label("component_id"), item.c.base_unit))
    parents = joined.join(units, on="component_id", how="left", maintain_order="left").rename(
        {"item_id": "_parent", "component_id": "item_id"}
    )
    factored = unit_factors(connection, parents).rename({"item_id": "component_id", "_parent": "item_id"})
    lacking = pl.col("factor").is_null() & pl.col("component_id").is_not_null()
    lost = factored.filter(lacking).select("source", "unit", "base_unit", "file_id", "line", code="component")
    write_missing_factors(connection, "boms", lost)
    return factored.filter(~lacking).select(
        "item_id", "component_id", "component", pl.col("quantity_per") * pl.col("factor"), "scrap_ratio",
        "valid_from", "valid_to", "batch_id",
    )  # fmt: skip


def _routing_steps(connection: sa.Connection, site: Site) -> pl.DataFrame:
    columns = ["item", "step", "operation", "work_center", "setup_minutes", "run_minutes"]
    rows = _first_source(with_item_ids(connection, read_accepted(connection, site, "routings", columns)))
    return rows.unique(["item_id", "step"], keep="first", maintain_order=True).select(
        "item_id", *columns[1:], "batch_id"
    )


def _first_source(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col("source") == pl.col("source").first().over("item_id"))


def _processes(connection: sa.Connection, lines: pl.DataFrame, steps: pl.DataFrame, as_of: date) -> pl.DataFrame:
    spans = lines.group_by("item_id").agg(
        # An empty end is open, and the whole is open where one of its lines is.
        valid_from=pl.when(pl.col("valid_from").null_count() == 0).then(pl.col("valid_from").min()),
        valid_to=pl.when(pl.col("valid_to").null_count() == 0).then(pl.col("valid_to").max()),
    )
    items = pl.concat([lines.select("item_id"), steps.select("item_id")]).unique()
    problems = pl.concat([_missing(lines, as_of), _all_lost(lines, as_of), _circular(connection, lines, as_of)])
    problems = problems.sort("item_id", "problem").group_by("item_id").agg(pl.col("problem").str.join("; "))
    return (
        items.join(spans, on="item_id", how="left")
        .join(problems, on="item_id", how="left")
        .with_columns(version=pl.lit(VERSION))
        .sort("item_id")
    )


def _missing(lines: pl.DataFrame, as_of: date) -> pl.DataFrame:
    unknown = lines.filter(pl.col("component_id").is_null(), valid_on(as_of)).unique(["item_id", "component"])
    return unknown.sort("component").select(
        "item_id", problem=pl.format("the component {} is not a known item", "component")
    )


def _all_lost(lines: pl.DataFrame, as_of: date) -> pl.DataFrame:
    nothing_left = lines.filter(pl.col("scrap_ratio") >= 1, valid_on(as_of)).unique(["item_id", "component"])
    return nothing_left.sort("component").select(
        "item_id", problem=pl.format("a scrap ratio of 1 leaves nothing of the component {}", "component")
    )


def _circular(connection: sa.Connection, lines: pl.DataFrame, as_of: date) -> pl.DataFrame:
    edges = lines.drop_nulls("component_id").filter(valid_on(as_of)).select(parent="item_id", child="component_id")
    found = cycles(edges.unique())
    members = sorted({member for cycle in found for member in cycle})
    rows = connection.execute(sa.select(item.c.id, item.c.sku).where(item.c.id.in_(members))).all() if members else []
    skus = {row.id: row.sku for row in rows}
    said = [
        (member, "made of itself: " + " → ".join(skus[step] for step in (*cycle, cycle[0])))
        for cycle in found
        for member in cycle
    ]
    return pl.DataFrame(said, schema={"item_id": pl.Int64, "problem": pl.String}, orient="row")


def _gone(connection: sa.Connection, wanted: pl.DataFrame) -> pl.DataFrame:
    held = read_frame(connection, sa.select(process.c.id, process.c.item_id, process.c.version))
    return held.join(wanted, on=["item_id", "version"], how="anti").select("id")


def _added_up(lines: pl.DataFrame) -> pl.DataFrame:
    """Lines that differ in nothing but their place in the list are one line with the sum of their quantities."""
    same = ["process_id", "component_id", "scrap_ratio", "valid_from", "valid_to"]
    return lines.group_by(same, maintain_order=True).agg(pl.col("quantity_per").sum(), pl.col("batch_id").first())
