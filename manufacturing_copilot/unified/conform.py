"""Conformed records: accepted records in which codes become items and locations, quantities the item's base unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.site import Site
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.tables import external_id, item, location, supplier
from manufacturing_copilot.unified.codes import read_accepted
from manufacturing_copilot.unified.units import conversions, factors_of

MAIN = "MAIN"
"""The location of records that name none."""


@dataclass(frozen=True)
class Meanings:
    """What codes and units mean, read once for many frames of records.

    `codes`: source, code, item_id, base_unit, of goods alone; `places`: location, location_id; `factors`: as of
    `conversions`.
    """

    codes: pl.DataFrame
    places: pl.DataFrame
    factors: pl.DataFrame

    def of(self, rows: pl.DataFrame, *, quantities: Sequence[str] = (), prices: Sequence[str] = ()) -> pl.DataFrame:
        """Return the records of known goods (source, item, …) whose unit can be converted, in their order.

        With item_id, and where they have a location, location_id and placed (whether they name it). `quantities` are
        in the item's base unit, `prices` per base unit.
        """
        found = rows.join(self.codes, left_on=["source", "item"], right_on=["source", "code"], maintain_order="left")
        if "location" in rows.columns:
            named = pl.col("location").is_not_null().alias("placed")
            found = found.with_columns(named, pl.col("location").fill_null(MAIN)).join(
                self.places, on="location", how="left", maintain_order="left"
            )
        if "unit" not in rows.columns:
            return found.drop("base_unit")
        converted = factors_of(found, self.factors).drop_nulls("factor").with_columns(
            *(pl.col(name) * pl.col("factor") for name in quantities),
            *(pl.col(name) / pl.col("factor") for name in prices),
        )  # fmt: skip
        return converted.drop("factor", "base_unit")


_NO_MEANINGS = Meanings(
    pl.DataFrame(schema={"source": pl.String, "code": pl.String, "item_id": pl.Int64, "base_unit": pl.String}),
    pl.DataFrame(schema={"location_id": pl.Int64, "location": pl.String}),
    pl.DataFrame(schema={"item_id": pl.Int64, "_from": pl.String, "_to": pl.String, "factor": pl.Float64}),
)


def read_meanings(connection: sa.Connection) -> Meanings:
    """Return what codes and units mean now."""
    codes = sa.select(
        external_id.c.source, external_id.c.external_id.label("code"), external_id.c.item_id, item.c.base_unit
    ).join(item, item.c.id == external_id.c.item_id)
    places = sa.select(location.c.id.label("location_id"), location.c.code.label("location"))
    return Meanings(
        read_frame(connection, codes.where(~item.c.service)), read_frame(connection, places), conversions(connection)
    )


def with_item_ids(connection: sa.Connection, records: pl.DataFrame, code: str = "item") -> pl.DataFrame:
    """Return the records whose `code` means an item, with `item_id`; the others are left out, and counted elsewhere."""
    known = read_frame(
        connection, sa.select(external_id.c.source, external_id.c.external_id.label(code), external_id.c.item_id)
    )
    return records.join(known, on=["source", code], how="inner", maintain_order="left")


def read_conformed(
    connection: sa.Connection,
    site: Site,
    kind: str,
    columns: list[str],
    *,
    quantities: Sequence[str] = (),
    prices: Sequence[str] = (),
    keyed: bool = False,
) -> pl.DataFrame:
    """Return the records of `kind` that speak of known goods, and whose unit can be converted.

    Columns: `columns`, item_id, location_id and placed (where there is a location), source, priority, batch_id,
    file_id, line; `quantities` are in the item's base unit, `prices` per base unit. Services are left out. `keyed`:
    as of `read_accepted`.
    """
    rows = read_accepted(connection, site, kind, columns, keyed=keyed)
    return conformed(connection, rows, quantities=quantities, prices=prices)


def conformed(
    connection: sa.Connection, rows: pl.DataFrame, *, quantities: Sequence[str] = (), prices: Sequence[str] = ()
) -> pl.DataFrame:
    """Return records as `read_conformed` does, which are read already."""
    known = _NO_MEANINGS if rows.is_empty() else read_meanings(connection)
    return known.of(rows, quantities=quantities, prices=prices)


def with_supplier_ids(connection: sa.Connection, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with supplier_id for their `supplier`; null where they name none."""
    known = read_frame(connection, sa.select(supplier.c.id.label("supplier_id"), supplier.c.code.label("supplier")))
    return rows.join(known, on="supplier", how="left", maintain_order="left")
