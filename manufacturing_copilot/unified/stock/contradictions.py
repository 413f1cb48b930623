"""Counts that contradict each other: an item's count without a place, and its places."""

from __future__ import annotations

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.clock import as_of_day
from manufacturing_copilot.site import Site
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.tables import item
from manufacturing_copilot.unified.stock.snapshots import totals_against_places


def totals_beside_places(connection: sa.Connection, site: Site) -> pl.DataFrame:
    """Return the items whose count without a place and whose counts by place do not agree on the plant's day.

    Columns: sku, counted_on (of the total), total, placed_on, places, holds (`total` or `places`); what is furthest
    apart first.
    """
    rows = totals_against_places(connection, site, as_of_day(connection, site))
    if rows.is_empty():
        return rows
    skus = read_frame(connection, sa.select(item.c.id.label("item_id"), item.c.sku))
    named = rows.join(skus, on="item_id").sort(-(pl.col("total") - pl.col("places")).abs(), "sku")
    return named.select("sku", "counted_on", "total", "placed_on", "places", "holds")
