"""Accepted records as facts about items: codes become items and locations, quantities the item's base unit."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.site import Site
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.tables import external_id, item, location, supplier
from manufacturing_copilot.unified.codes import read_accepted
from manufacturing_copilot.unified.units import unit_factors

MAIN = "MAIN"
"""The location of records that name none."""


def with_item_ids(connection: sa.Connection, records: pl.DataFrame, code: str = "item") -> pl.DataFrame:
    """Return the records whose `code` means an item, with `item_id`; the others are left out, and counted elsewhere."""
    known = read_frame(
        connection, sa.select(external_id.c.source, external_id.c.external_id.label(code), external_id.c.item_id)
    )
    return records.join(known, on=["source", code], how="inner", maintain_order="left")


def read_facts(
    connection: sa.Connection,
    site: Site,
    kind: str,
    columns: list[str],
    *,
    quantities: Sequence[str] = (),
    prices: Sequence[str] = (),
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the records of `kind` that speak of known goods, and those whose unit cannot be converted.

    The first frame has `columns`, item_id, location_id (where there is a location), source, priority, batch_id,
    file_id, line; `quantities` are in the item's base unit, `prices` per base unit. Services are left out.
    The second has source, code, unit, base_unit, file_id, line.
    """
    rows = with_item_ids(connection, read_accepted(connection, site, kind, columns))
    goods = read_frame(connection, sa.select(item.c.id.label("item_id"), item.c.base_unit).where(~item.c.service))
    rows = rows.join(goods, on="item_id", maintain_order="left")
    if "location" in columns:
        rows = with_location_ids(connection, rows)
    if "unit" not in columns:
        return rows.drop("base_unit"), _without_factor(rows.with_columns(unit=pl.lit(None, pl.String)).clear())
    rows = unit_factors(connection, rows)
    lacking = pl.col("factor").is_null()
    converted = rows.filter(~lacking).with_columns(
        *(pl.col(name) * pl.col("factor") for name in quantities), *(pl.col(name) / pl.col("factor") for name in prices)
    )
    return converted.drop("factor", "base_unit"), _without_factor(rows.filter(lacking))


def with_location_ids(connection: sa.Connection, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with location_id for their `location`; none means MAIN."""
    places = read_frame(connection, sa.select(location.c.id.label("location_id"), location.c.code.label("location")))
    return rows.with_columns(pl.col("location").fill_null(MAIN)).join(
        places, on="location", how="left", maintain_order="left"
    )


def with_supplier_ids(connection: sa.Connection, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with supplier_id for their `supplier`; null where they name none."""
    known = read_frame(connection, sa.select(supplier.c.id.label("supplier_id"), supplier.c.code.label("supplier")))
    return rows.join(known, on="supplier", how="left", maintain_order="left")


def _without_factor(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select("source", "unit", "base_unit", "file_id", "line", code="item")
