"""Units of measure: how many of an item's base unit a record's unit is."""

from __future__ import annotations

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.tables import unit_conversion
from manufacturing_copilot.unified.codes import exact


def unit_factors(connection: sa.Connection, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows (item_id, unit, base_unit) with `factor`: base units per unit; null where none is known.

    1 where the record names no unit, or the item has none, or they are the same but for case and blanks. Else the
    item's own conversion, else the one for all items, each in either direction.
    """
    named = rows.with_columns(_from=exact("unit"), _to=exact("base_unit"))
    same = pl.col("_from").is_null() | pl.col("_to").is_null() | (pl.col("_from") == pl.col("_to"))
    if named.select((~same).any()).item() is not True:
        return rows.with_columns(factor=pl.lit(1.0))
    known = conversions(connection)
    own = known.drop_nulls("item_id").rename({"factor": "_own"})
    common = known.filter(pl.col("item_id").is_null()).drop("item_id").rename({"factor": "_common"})
    joined = named.join(own, on=["item_id", "_from", "_to"], how="left", maintain_order="left").join(
        common, on=["_from", "_to"], how="left", maintain_order="left"
    )
    factor = pl.when(same).then(1.0).otherwise(pl.coalesce("_own", "_common"))
    return joined.with_columns(factor=factor).drop("_from", "_to", "_own", "_common")


def conversions(connection: sa.Connection) -> pl.DataFrame:
    """Return item_id (null: all items), _from, _to, factor, in both directions; declared ones before turned ones."""
    table = unit_conversion
    declared = read_frame(
        connection, sa.select(table.c.id, table.c.item_id, table.c.from_unit, table.c.to_unit, table.c.factor)
    ).sort("id").filter(pl.col("factor") > 0)  # fmt: skip
    there = declared.select("item_id", _from=exact("from_unit"), _to=exact("to_unit"), factor="factor")
    back = there.select("item_id", _from="_to", _to="_from", factor=1 / pl.col("factor"))
    return pl.concat([there, back]).unique(["item_id", "_from", "_to"], keep="first", maintain_order=True)
