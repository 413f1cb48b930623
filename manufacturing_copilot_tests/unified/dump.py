"""What unified holds, in codes instead of ids, so that two states can be compared however they came about."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.store import Store, read_frame
from manufacturing_copilot.store import tables as t

TABLES = (
    t.external_id, t.item_conflict, t.bom_line, t.routing_step, t.process, t.unit_conversion, t.inventory_snapshot,
    t.stock_difference, t.demand_day, t.supplier_score, t.supply_line, t.quality_day, t.quality_reason, t.unmapped_id,
    t.code_count, t.promise_version, t.stock_spell, t.demand_ahead, t.demand_year, t.item, t.location, t.supplier,
)  # fmt: skip
_EXAMPLE = {"example_file_id", "example_line"}
_LEFT_OUT = {"id", "batch_id", "file_id", "line"}
"""Numbers, and where a row came from when it last changed."""


def canonical(store: Store, day: date | None = None, *, examples: bool = False) -> dict[str, list[str]]:
    """Return the rows of every table as sorted texts; items that no code means any more are left out.

    `day`: of stock that day alone; what is kept of other days is what was known then.
    `examples`: with the file and line of each, which are those of the newest record, however the state came about.
    """
    with store.read() as connection:
        return canonical_of(connection, day, examples=examples)


def canonical_of(connection: sa.Connection, day: date | None = None, *, examples: bool = False) -> dict[str, list[str]]:
    """Return what `canonical` does, as one connection sees it."""
    known = read_frame(connection, sa.select(t.external_id.c.item_id).distinct()).rename({"item_id": "id"})
    skus = read_frame(connection, sa.select(t.item.c.id, t.item.c.sku.label("code"))).join(known, on="id", how="semi")
    codes = {
        "item_id": skus,
        "component_id": skus,
        "location_id": read_frame(connection, sa.select(t.location.c.id, t.location.c.code)),
        "supplier_id": read_frame(connection, sa.select(t.supplier.c.id, t.supplier.c.code)),
    }
    out = _LEFT_OUT if examples else _LEFT_OUT | _EXAMPLE
    return {table.name: _texts(read_frame(connection, _rows(table, day)), table, codes, known, out) for table in TABLES}


def _rows(table: sa.Table, day: date | None) -> sa.Select[Any]:
    query = sa.select(table)
    return query.where(table.c.day == day) if table is t.inventory_snapshot and day is not None else query


def clear(store: Store) -> None:
    """Forget all that unified holds, but not what people decided."""
    with store.write() as connection:
        for table in (*TABLES[:-3], t.batch_seen, t.refresh, t.item, t.location, t.supplier):
            connection.execute(sa.delete(table))


def _texts(
    frame: pl.DataFrame, table: sa.Table, codes: dict[str, pl.DataFrame], known: pl.DataFrame, out: set[str]
) -> list[str]:
    if table is t.item:
        frame = frame.join(known, on="id", how="semi")
    for name in [name for name in codes if name in frame.columns]:
        frame = frame.join(codes[name], left_on=name, right_on="id", how="left").drop(name).rename({"code": name})
    frame = frame.drop(out & set(frame.columns))
    return sorted(repr(row) for row in frame.select(sorted(frame.columns)).rows())
