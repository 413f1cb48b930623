"""How items are made: bills of materials and routings, with the cycles and gaps found in them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.site import Site
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.merge import sync_frame
from manufacturing_copilot.store.tables import bom_line, item, process, routing_step
from manufacturing_copilot.unified.codes import read_accepted
from manufacturing_copilot.unified.conform import with_item_ids
from manufacturing_copilot.unified.endings import with_ended_on
from manufacturing_copilot.unified.findings.unusable import write_missing_factors
from manufacturing_copilot.unified.structure.alternates import bill_usage, uneven_shares
from manufacturing_copilot.unified.structure.cycles import cycles
from manufacturing_copilot.unified.structure.versions import process_versions
from manufacturing_copilot.unified.units import unit_factors

_BOM = ["item", "component", "quantity_per", "unit", "scrap_ratio", "valid_from", "valid_to",
        "reference", "bill", "bill_priority", "bill_share", "alternate_group", "priority", "share",
        "substitute_for", "optional"]  # fmt: skip
_ALTERNATIVES = ["bill", "bill_priority", "bill_share", "alternate_group", "priority", "share", "has_alternative",
                 "optional"]  # fmt: skip


@dataclass(frozen=True)
class ProcessCounts:
    """What is known of how items are made."""

    processes: int
    bom_lines: int
    routing_steps: int
    problems: int


def refresh_processes(connection: sa.Connection, site: Site, as_of: date) -> ProcessCounts:
    """Bring process, bom_line and routing_step up to date; needs the items.

    An item's bills of materials come from the first source by priority that has one, and so does its routing.
    Lines without a parent name a top-level item and add nothing. Cycles are looked for among the lines valid on
    `as_of`; a component that no item answers to is a problem of its parent.
    """
    lines = _bom_lines(connection, site, as_of)
    steps = _routing_steps(connection, site, as_of)
    wanted = _processes(connection, lines, steps, as_of)
    sync_frame(connection, process, wanted, key=["item_id", "version"])
    boms = sync_frame(connection, bom_line, _added_up(lines), touch=["batch_id"])
    routings = sync_frame(connection, routing_step, steps, touch=["batch_id"])
    return ProcessCounts(wanted.height, boms.rows, routings.rows, wanted["problem"].drop_nulls().len())


def valid_on(day: date) -> pl.Expr:
    """Whether a line with valid_from and valid_to holds on `day`; an empty end is open."""
    return (pl.col("valid_from").fill_null(day) <= day) & (pl.col("valid_to").fill_null(day) >= day)


def _bom_lines(connection: sa.Connection, site: Site, as_of: date) -> pl.DataFrame:
    """Return item_id, component_id (null: unknown), component, quantity_per in its base unit, and the rest."""
    rows = with_item_ids(connection, _listed(connection, site, "boms", _BOM, as_of).drop_nulls("item"))
    rows = _with_alternatives(_succeeded(_first_source(rows), ["item_id", "bill", "reference"]))
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
        "item_id", "component_id", "component", pl.col("quantity_per") * pl.col("factor"),
        "scrap_ratio", "valid_from", "valid_to", *_ALTERNATIVES, "substitute_for", "batch_id",
    )  # fmt: skip


def _with_alternatives(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the lines with has_alternative, and with the priority and the share of their bill, whichever names it.

    A substitute and the component that it may replace are alternates; the component comes first.
    """
    bill = ["item_id", "bill"]
    rows = _with_substitutes(rows)
    several = pl.col("bill").n_unique().over("item_id") > 1
    return rows.with_columns(
        pl.col("bill_priority").min().over(bill),
        pl.col("bill_share").max().over(bill),
        has_alternative=several | pl.col("alternate_group").is_not_null() | pl.col("optional").fill_null(False),
        optional=pl.col("optional").fill_null(False),
    )


def _with_substitutes(rows: pl.DataFrame) -> pl.DataFrame:
    replaced = rows.select("item_id", "bill", component="substitute_for", _replaced=pl.lit(True)).drop_nulls(
        "component"
    )
    joined = rows.join(
        replaced.unique(), on=["item_id", "bill", "component"], how="left", nulls_equal=True, maintain_order="left"
    )
    first = pl.col("_replaced").fill_null(False) & pl.col("substitute_for").is_null()
    of = pl.coalesce("substitute_for", pl.when(first).then("component"))
    return joined.with_columns(
        alternate_group=pl.coalesce("alternate_group", pl.format("for {}", of)),
        priority=pl.when(first).then(pl.col("priority").fill_null(0)).otherwise("priority"),
    ).drop("_replaced")


def _routing_steps(connection: sa.Connection, site: Site, as_of: date) -> pl.DataFrame:
    columns = ["item", "step", "operation", "work_center", "setup_minutes", "run_minutes", "valid_from", "valid_to"]
    rows = _first_source(with_item_ids(connection, _listed(connection, site, "routings", columns, as_of)))
    rows = rows.unique(["item_id", "step", "valid_from"], keep="first", maintain_order=True)
    return _succeeded(rows, ["item_id", "step"]).select("item_id", *columns[1:], "batch_id")


def _listed(connection: sa.Connection, site: Site, kind: str, columns: list[str], as_of: date) -> pl.DataFrame:
    """Return the records; one that a full list leaves out ends on the day before, or is gone if that has not come."""
    rows = with_ended_on(connection, site, kind, read_accepted(connection, site, kind, columns))
    last = pl.col("ended_on") - pl.duration(days=1)
    return rows.filter((pl.col("ended_on") <= as_of).fill_null(True)).with_columns(
        valid_to=pl.min_horizontal("valid_to", last)
    ).drop("ended_on")  # fmt: skip


def _succeeded(rows: pl.DataFrame, same: list[str]) -> pl.DataFrame:
    """Return the rows, each ending on the day before the next of the same number begins, where it did not end before.

    Rows without a number are nobody's predecessor.
    """
    numbered = pl.col(same[-1]).is_not_null()
    dated = rows.sort("valid_from", nulls_last=False, maintain_order=True)
    begins = pl.col("valid_from").shift(-1).over(same) - pl.duration(days=1)
    ends = pl.when(numbered & (begins >= pl.col("valid_from").fill_null(begins))).then(begins)
    return dated.with_columns(valid_to=pl.min_horizontal("valid_to", ends))


def _first_source(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col("source") == pl.col("source").first().over("item_id"))


def _processes(connection: sa.Connection, lines: pl.DataFrame, steps: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Return the rows of process: one version for each bill and each period in which nothing changes."""
    versions = process_versions(lines, steps)
    holding = lines.filter(valid_on(as_of))
    edges = holding.rename({"item_id": "parent", "component_id": "child"})
    shares = bill_usage(edges).select("bill", item_id="parent", usage="usage")
    uneven = uneven_shares(edges).rename({"parent": "item_id"})
    problems = pl.concat(
        [_missing(holding), _unanchored(holding), _all_lost(holding), _circular(connection, edges), uneven]
    )
    problems = problems.sort("item_id", "problem").group_by("item_id").agg(pl.col("problem").str.join("; "))
    now = valid_on(as_of)
    found = versions.join(shares, on=["item_id", "bill"], how="left", nulls_equal=True, maintain_order="left").join(
        problems, on="item_id", how="left", maintain_order="left"
    )
    return found.select(
        *versions.columns,
        # What has steps and no bill is made by them alone.
        share=pl.when(now).then(pl.col("usage").fill_null(pl.when(pl.col("components") == 0).then(1.0).otherwise(0.0))),
        problem=pl.when(now).then("problem"),
    )


def _missing(lines: pl.DataFrame) -> pl.DataFrame:
    unknown = lines.filter(pl.col("component_id").is_null()).unique(["item_id", "component"])
    return unknown.sort("component").select(
        "item_id", problem=pl.format("the component {} is not a known item", "component")
    )


def _unanchored(lines: pl.DataFrame) -> pl.DataFrame:
    place = ["item_id", "bill"]
    substitutes = lines.drop_nulls("substitute_for")
    there = lines.select(*place, substitute_for="component").unique()
    alone = substitutes.join(there, on=[*place, "substitute_for"], how="anti", nulls_equal=True)
    return alone.unique(["item_id", "component", "substitute_for"]).sort("component").select(
        "item_id",
        problem=pl.format("{} may replace {}, which is no component of the bill", "component", "substitute_for"),
    )  # fmt: skip


def _all_lost(lines: pl.DataFrame) -> pl.DataFrame:
    nothing_left = lines.filter(pl.col("scrap_ratio") >= 1).unique(["item_id", "component"])
    return nothing_left.sort("component").select(
        "item_id", problem=pl.format("a scrap ratio of 1 leaves nothing of the component {}", "component")
    )


def _circular(connection: sa.Connection, lines: pl.DataFrame) -> pl.DataFrame:
    found = cycles(lines.drop_nulls("child").select("parent", "child").unique())
    members = sorted({member for cycle in found for member in cycle})
    rows = connection.execute(sa.select(item.c.id, item.c.sku).where(item.c.id.in_(members))).all() if members else []
    skus = {row.id: row.sku for row in rows}
    said = [
        (member, "made of itself: " + " → ".join(skus[step] for step in (*cycle, cycle[0])))
        for cycle in found
        for member in cycle
    ]
    return pl.DataFrame(said, schema={"item_id": pl.Int64, "problem": pl.String}, orient="row")


def _added_up(lines: pl.DataFrame) -> pl.DataFrame:
    """Lines that differ in nothing but their place in the list are one line with the sum of their quantities."""
    known = lines.drop_nulls("component_id")
    same = ["item_id", "component_id", "scrap_ratio", "valid_from", "valid_to", *_ALTERNATIVES]
    return known.group_by(same, maintain_order=True).agg(pl.col("quantity_per").sum(), pl.col("batch_id").first())
