"""Units of measure: how many of an item's base unit a record's unit is."""

from __future__ import annotations

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.tables import unit_conversion
from manufacturing_copilot.unified.codes import exact

_PAIR = ("item_id", "_from", "_to")
_LONGEST = 6
"""Conversions of a chain at most: pieces are not packed deeper than that."""


def unit_factors(connection: sa.Connection, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows as of `factors_of`, by the conversions that unified holds."""
    return factors_of(rows, conversions(connection))


def factors_of(rows: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Return the rows (item_id, unit, base_unit) with `factor`: base units per unit; null where none is known.

    1 where the record names no unit, or the item has none, or they are the same but for case and blanks. Else the
    item's own conversion, else the one for all items, each in either direction; else the shortest chain of them, such
    as from box to carton to piece. `known`: as of `conversions`.
    """
    named = rows.with_columns(_from=exact("unit"), _to=exact("base_unit"))
    same = pl.col("_from").is_null() | pl.col("_to").is_null() | (pl.col("_from") == pl.col("_to"))
    if named.select((~same).any()).item() is not True:
        return rows.with_columns(factor=pl.lit(1.0))
    pairs = named.filter(~same).select("item_id", "_from", "_to").unique()
    found = named.join(_chains(known, pairs), on=[*_PAIR], how="left", maintain_order="left")
    factor = pl.when(same).then(1.0).otherwise("_factor")
    return found.with_columns(factor=factor).drop("_from", "_to", "_factor")


def _chains(known: pl.DataFrame, wanted: pl.DataFrame) -> pl.DataFrame:
    """Return the wanted pairs of units (item_id, _from, _to) to which a way leads, with `_factor`.

    Of several ways the shortest is taken, of equally short ones that by the item's own conversions.
    """
    own = known.drop_nulls("item_id")
    common = known.filter(pl.col("item_id").is_null()).drop("item_id")
    front = wanted.with_columns(at="_from", _factor=pl.lit(1.0))
    seen = front.select(*_PAIR, "at")
    found = front.select(*_PAIR, "_factor").clear()
    for _ in range(_LONGEST):
        at = front.rename({"at": "unit"})
        steps = pl.concat(
            [
                at.join(own.rename({"_from": "unit", "_to": "at"}), on=["item_id", "unit"], maintain_order="left"),
                at.join(common.rename({"_from": "unit", "_to": "at"}), on="unit", maintain_order="left"),
            ]
        ).with_columns(_factor=pl.col("_factor") * pl.col("factor"))
        steps = steps.unique([*_PAIR, "at"], keep="first", maintain_order=True).join(
            seen, on=[*_PAIR, "at"], how="anti", maintain_order="left"
        )
        there = pl.col("at") == pl.col("_to")
        found = pl.concat([found, steps.filter(there).select(*_PAIR, "_factor")])
        front = steps.select(*_PAIR, "at", "_factor").join(found, on=[*_PAIR], how="anti", maintain_order="left")
        if front.is_empty():
            break
        seen = pl.concat([seen, front.select(*_PAIR, "at")])
    return found


def conversions(connection: sa.Connection) -> pl.DataFrame:
    """Return item_id (null: all items), _from, _to, factor, in both directions; declared ones before turned ones."""
    table = unit_conversion
    names = ("item_id", "from_unit", "to_unit")
    query = sa.select(*(table.c[name] for name in (*names, "factor"))).where(table.c.factor > 0)
    # In an order that does not depend on when each came in: of equally short chains the first is taken.
    declared = read_frame(connection, query).sort(names, nulls_last=True)
    there = declared.select("item_id", _from=exact("from_unit"), _to=exact("to_unit"), factor="factor")
    back = there.select("item_id", _from="_to", _to="_from", factor=1 / pl.col("factor"))
    return pl.concat([there, back]).unique(["item_id", "_from", "_to"], keep="first", maintain_order=True)
