"""Suppliers, locations and unit conversions: small lists that facts point at."""

from __future__ import annotations

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.site import Site
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.merge import delete_unreferenced, sync_frame
from manufacturing_copilot.store.tables import location, supplier, unit_conversion
from manufacturing_copilot.unified.code_counts import LOCATION, SUPPLIER, codes_of
from manufacturing_copilot.unified.codes import exact, read_accepted
from manufacturing_copilot.unified.conform import MAIN, with_item_ids
from manufacturing_copilot.unified.endings import with_ended_on


def refresh_suppliers(connection: sa.Connection, site: Site) -> int:
    """Bring the suppliers up to date: those declared, and those that records name; return how many there are.

    Suppliers are one list over all sources, by code; name and activity come from the first source by priority.
    """
    records = with_ended_on(connection, site, "suppliers", read_accepted(connection, site, "suppliers"))
    declared = (
        records.with_columns(active=pl.when(pl.col("ended_on").is_null()).then("active").otherwise(False))
        .group_by("supplier", maintain_order=True)
        .agg(pl.col("name", "active").drop_nulls().first())
        .select("name", pl.col("active").fill_null(True), code="supplier")
    )
    seen = codes_of(connection, SUPPLIER).with_columns(name=pl.lit(None, pl.String), active=pl.lit(True))
    return _merge(connection, supplier, pl.concat([declared, seen.select("name", "active", "code")]))


def refresh_locations(connection: sa.Connection, site: Site) -> int:
    """Bring the locations up to date: those declared, those that records name, and MAIN; return how many there are."""
    declared = (
        read_accepted(connection, site, "locations")
        .group_by("location", maintain_order=True)
        .agg(pl.col("name").drop_nulls().first())
        .select("name", code="location")
    )
    seen = codes_of(connection, LOCATION)
    codes = pl.concat([seen, pl.DataFrame({"code": [MAIN]})]).with_columns(name=pl.lit(None, pl.String))
    return _merge(connection, location, pl.concat([declared, codes.select("name", "code")]))


def drop_gone_masters(connection: sa.Connection, site: Site) -> None:
    """Remove the suppliers and locations that nothing names and nothing points at any more."""
    for table, declared, name in ((supplier, "suppliers", SUPPLIER), (location, "locations", LOCATION)):
        own = read_accepted(connection, site, declared, [name]).select(code=name)
        named = pl.concat([own, codes_of(connection, name), pl.DataFrame({"code": [MAIN]})])
        held = read_frame(connection, sa.select(table.c.id, table.c.code))
        delete_unreferenced(connection, table, held.join(named, on="code", how="anti").select("id"))


def refresh_conversions(connection: sa.Connection, site: Site) -> int:
    """Bring the unit conversions up to date; needs the items. The first source by priority is believed."""
    rows = read_accepted(connection, site, "unit_conversions")
    for_all = rows.filter(pl.col("item").is_null()).with_columns(item_id=pl.lit(None, pl.Int64))
    for_one = with_item_ids(connection, rows)
    frame = (
        pl.concat([for_one, for_all.select(for_one.columns)])
        .with_columns(_from=exact("from_unit"), _to=exact("to_unit"))
        .unique(["item_id", "_from", "_to"], keep="first", maintain_order=True)
        .select("item_id", "from_unit", "to_unit", "factor", "batch_id")
    )
    return sync_frame(connection, unit_conversion, frame, touch=["batch_id"]).rows


def _merge(connection: sa.Connection, table: sa.Table, frame: pl.DataFrame) -> int:
    """Write the first row of every code; what is gone is dropped later, when nothing points at it any more."""
    rows = frame.unique("code", keep="first", maintain_order=True)
    codes = read_frame(connection, sa.select(table.c.code))
    gone = table.c.code.in_(codes.join(rows, on="code", how="anti")["code"].to_list())
    return sync_frame(connection, table, rows, key=["code"], within=~gone).rows
