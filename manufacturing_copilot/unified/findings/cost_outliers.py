"""Costs that cannot be right: far from what the item cost before, what was paid for it, or what another system says."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.clock import as_of_day
from manufacturing_copilot.site import Site
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.newest_day import newest_stock_day
from manufacturing_copilot.store.tables import (
    SupplyStatus,
    batch_file,
    inventory_snapshot,
    item,
    item_conflict,
    supply_line,
)
from manufacturing_copilot.unified.codes import read_accepted
from manufacturing_copilot.unified.conform import with_item_ids
from manufacturing_copilot.unified.costs import ALWAYS

TIMES = 3.0
"""A cost is an outlier from so many times the other one, or one such part of it."""
_PAID_DAYS = 365
_COLUMNS = ["sku", "unit_cost", "compared_with", "other", "times", "value", "example"]


def cost_outliers(connection: sa.Connection, site: Site) -> pl.DataFrame:
    """Return the items whose cost is more than three times something comparable, or less than a third of it.

    Columns: sku, unit_cost, compared_with (before: the cost that held until then; paid: the median price of the
    purchase lines of the last year; else the source that says otherwise), other (that cost), times (unit_cost over
    other), value (of the stock, by how much it would differ), example (file and line of the cost). A cost of nothing
    is one too, where there is something to compare it with. One row an item: the most telling comparison. The most
    money first.
    """
    as_of = as_of_day(connection, site)
    records = _cost_lines(connection, site).filter(pl.col("valid_from") <= as_of)
    now = _now(connection)
    year = supply_line.c.ordered_on > as_of - timedelta(days=_PAID_DAYS)
    compared = pl.concat([_before(records), _paid(connection, year), _elsewhere(connection)])
    times = pl.col("unit_cost") / pl.col("other")
    far = (times > TIMES) | (times < 1 / TIMES)
    found = now.join(compared, on="item_id").filter(pl.col("other") > 0).with_columns(times=times).filter(far)
    telling = pl.max_horizontal(pl.col("times"), 1 / pl.col("times"))
    found = found.sort(telling, "compared_with", descending=[True, False]).unique(
        "item_id", keep="first", maintain_order=True
    )
    newest = records.sort("valid_from", descending=True, maintain_order=True).unique("item_id", keep="first")
    placed = found.join(newest.select("item_id", "file_id", "line"), on="item_id", how="left", suffix="_cost")
    files = read_frame(connection, sa.select(batch_file.c.id.label("file"), batch_file.c.path))
    named = placed.with_columns(
        file=pl.coalesce("file_id_cost", "file_id"), line=pl.coalesce("line_cost", "line")
    ).join(files, on="file", how="left")
    value = (pl.col("on_hand") * (pl.col("unit_cost") - pl.col("other"))).round(2)
    named = named.with_columns(
        value=value, times=pl.col("times").round_sig_figs(3), example=pl.format("{}, line {}", "path", "line")
    )
    return named.sort(-pl.col("value").abs().fill_null(0), "sku").select(_COLUMNS)


def _now(connection: sa.Connection) -> pl.DataFrame:
    """Return item_id, sku, unit_cost, on_hand, file_id and line of every item that is no service and has a cost."""
    table = inventory_snapshot
    newest = newest_stock_day()
    held = read_frame(connection, sa.select(table.c.item_id, table.c.on_hand).where(table.c.day == newest))
    columns = (item.c.id.label("item_id"), item.c.sku, item.c.unit_cost, item.c.file_id, item.c.line)
    items = read_frame(connection, sa.select(*columns).where(item.c.unit_cost.is_not(None), ~item.c.service))
    return items.join(held.group_by("item_id").agg(pl.col("on_hand").sum()), on="item_id", how="left")


def _cost_lines(connection: sa.Connection, site: Site) -> pl.DataFrame:
    """Return accounting's costs of each item, those of the most believed source, with their day and their line."""
    rows = with_item_ids(connection, read_accepted(connection, site, "item_costs", ["item", "valid_from", "unit_cost"]))
    believed = rows.filter(pl.col("source") == pl.col("source").first().over("item_id"))
    return believed.with_columns(pl.col("valid_from").fill_null(ALWAYS)).select(
        "item_id", "valid_from", "unit_cost", "file_id", "line"
    )


def _before(records: pl.DataFrame) -> pl.DataFrame:
    dated = records.sort("valid_from", descending=True, maintain_order=True)
    second = dated.filter(pl.int_range(pl.len()).over("item_id") == 1)
    return second.select("item_id", compared_with=pl.lit("before"), other="unit_cost")


def _paid(connection: sa.Connection, year: sa.ColumnElement[bool]) -> pl.DataFrame:
    table = supply_line
    query = sa.select(table.c.item_id, table.c.price).where(
        ~table.c.made, table.c.price.is_not(None), table.c.status != SupplyStatus.CANCELLED, year
    )
    prices = read_frame(connection, query).group_by("item_id").agg(other=pl.col("price").median())
    return prices.select("item_id", compared_with=pl.lit("paid"), other="other")


def _elsewhere(connection: sa.Connection) -> pl.DataFrame:
    table = item_conflict
    query = sa.select(table.c.item_id, table.c.other_source, table.c.other).where(table.c.field == "unit_cost")
    return read_frame(connection, query).select(
        "item_id", compared_with="other_source", other=pl.col("other").cast(pl.Float64, strict=False)
    )
