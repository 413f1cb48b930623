"""What is true of an item where sources differ: the first source by priority is believed, the rest is a conflict."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.site import Site
from manufacturing_copilot.unified.costs import cost_records

SETTLED = (
    "name",
    "category",
    "made",
    "service",
    "phantom",
    "active",
    "lead_time_days",
    "reorder_point",
    "safety_stock",
    "minimum_order",
    "order_multiple",
    "unit_cost",
    "list_price",
    "discontinued_on",
)
_COMPARED = (*SETTLED, "unit", "barcode", "manufacturer_part", "supplier")
_CONFLICT = ("field", "kept_source", "kept", "other_source", "other")


@dataclass(frozen=True)
class Costs:
    """`values`: id, unit_cost. `conflicts`: item_id and the columns of item_conflict."""

    values: pl.DataFrame
    conflicts: pl.DataFrame


def settle(records: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return one row per item with its settled attributes, and one row per disagreement (with `item`).

    `records`: item records with `item` and `joined` (came by a merge), sorted by priority: the first value that is not
    empty holds. The SKU is the first one given; where no source gives one, the code of the first record. A merged
    item keeps the SKU it had.
    """
    columns = [*SETTLED, "unit", "supplier"]
    own = ~pl.col("joined")
    settled = (
        records.group_by("item", maintain_order=True)
        .agg(
            pl.col(columns).drop_nulls().first(),
            sku=pl.coalesce(
                pl.col("sku").filter(own).drop_nulls().first(),
                pl.col("code").filter(own).first(),
                pl.col("sku").drop_nulls().first(),
                pl.col("code").first(),
            ),
            cost_source=pl.col("source").filter(pl.col("unit_cost").is_not_null()).first(),
            batch_id=pl.col("batch_id").first(),
            file_id=pl.col("file_id").first(),
            line=pl.col("line").first(),
            base_unit=pl.col("unit").drop_nulls().first(),
        )
        .drop("unit")
        .sort("item")
    )
    return settled, _conflicts(records)


def settle_costs(connection: sa.Connection, site: Site, as_of: date, settled: pl.DataFrame) -> Costs:
    """Return what each item costs on `as_of`: accounting's newest cost that holds then, else the item record's.

    `settled`: id, unit_cost and cost_source of every item.
    """
    records = cost_records(connection, site).filter(pl.col("valid_from") <= as_of)
    newest = (
        records.sort("valid_from", descending=True, maintain_order=True)
        .sort("priority", maintain_order=True)
        .group_by("item_id", maintain_order=True)
        .agg(pl.col("unit_cost", "source").first())
    )
    both = settled.select("id", "unit_cost", "cost_source").join(
        newest.rename({"unit_cost": "kept"}), left_on="id", right_on="item_id", how="left"
    )
    differs = (
        pl.col("kept").is_not_null()
        & (pl.col("unit_cost") != pl.col("kept"))
        & (pl.col("source") != pl.col("cost_source"))
    )
    conflicts = both.filter(differs).select(
        field=pl.lit("unit_cost"),
        kept_source="source",
        kept=pl.col("kept").cast(pl.String),
        other_source="cost_source",
        other=pl.col("unit_cost").cast(pl.String),
        item_id="id",
    )
    return Costs(both.select("id", unit_cost=pl.coalesce("kept", "unit_cost")), conflicts)


def _conflicts(records: pl.DataFrame) -> pl.DataFrame:
    several = records.filter(pl.col("source").n_unique().over("item") > 1)
    long = (
        several.select("item", "source", *(pl.col(name).cast(pl.String) for name in _COMPARED))
        .unpivot(index=["item", "source"], variable_name="field", value_name="value")
        .drop_nulls("value")
    )
    first = long.group_by("item", "field", maintain_order=True).agg(
        kept_source=pl.col("source").first(), kept=pl.col("value").first()
    )
    others = long.unique(["item", "field", "source"], keep="first", maintain_order=True).rename(
        {"source": "other_source", "value": "other"}
    )
    same = pl.col("kept").str.strip_chars().str.to_lowercase() == pl.col("other").str.strip_chars().str.to_lowercase()
    differing = others.join(first, on=["item", "field"], maintain_order="left").filter(
        (pl.col("other_source") != pl.col("kept_source")) & ~same
    )
    return differing.select(*_CONFLICT, "item")
