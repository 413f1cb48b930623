"""What items cost, and since when."""

from __future__ import annotations

from datetime import date

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.site import Site
from manufacturing_copilot.unified.codes import read_accepted
from manufacturing_copilot.unified.conform import with_item_ids

ALWAYS = date(1, 1, 1)
"""Since when the cost of an item record holds: it carries no day of its own."""


def cost_records(connection: sa.Connection, site: Site) -> pl.DataFrame:
    """Return accounting's costs: item_id, valid_from, unit_cost, source, priority, sorted by priority.

    A cost without a day holds always.
    """
    rows = read_accepted(connection, site, "item_costs", ["item", "valid_from", "unit_cost"])
    return (
        with_item_ids(connection, rows)
        .with_columns(pl.col("valid_from").fill_null(ALWAYS))
        .select("item_id", "valid_from", "unit_cost", "source", "priority")
    )


def cost_history(connection: sa.Connection, site: Site) -> pl.DataFrame:
    """Return what each item costs from which day on: item_id, valid_from, unit_cost; one row per item and day.

    Of several accounting sources the first by priority is believed for the whole of an item's history; before its
    first day, and for items it does not know, the item record's own cost holds.
    """
    books = cost_records(connection, site)
    books = books.filter(pl.col("priority") == pl.col("priority").min().over("item_id"))
    own = with_item_ids(connection, read_accepted(connection, site, "items", ["item", "unit_cost"]))
    own = own.drop_nulls("unit_cost").unique("item_id", keep="first", maintain_order=True)
    both = pl.concat(
        [
            books.select("item_id", "valid_from", "unit_cost"),
            own.select("item_id", pl.lit(ALWAYS).alias("valid_from"), "unit_cost"),
        ]
    )
    return both.unique(["item_id", "valid_from"], keep="first", maintain_order=True).sort("item_id", "valid_from")
