"""What is observed now and then: lead times of received lines per supplier, defect rates per item and operation."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.forecasts.contract import Floats, Observations, name_noise
from manufacturing_copilot.forecasts.history.periods import EVERY, HISTORY, first_period, number_of
from manufacturing_copilot.site import Frequency
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.tables import item, quality_day, supplier, supply_line

PRODUCTION = "own production"
"""The name of the one series of work orders among the suppliers."""


def read_lead_times(connection: sa.Connection, as_of: date) -> pl.DataFrame:
    """Return the lines completely received up to `as_of`: supplier_id, name, day (received), value (days taken)."""
    name = sa.case(
        (supply_line.c.made, sa.literal(PRODUCTION)), else_=sa.func.coalesce(supplier.c.code, sa.literal("unknown"))
    )
    frame = read_frame(
        connection,
        sa.select(
            sa.case((supply_line.c.made, sa.null()), else_=supply_line.c.supplier_id).label("supplier_id"),
            sa.type_coerce(name, sa.Text).label("name"),
            supply_line.c.ordered_on,
            supply_line.c.received_on,
        )
        .join(supplier, supplier.c.id == supply_line.c.supplier_id, isouter=True)
        .where(
            supply_line.c.received_on <= as_of,
            supply_line.c.ordered_on.is_not(None),
            supply_line.c.ordered_on <= supply_line.c.received_on,
        ),
    )
    taken = (pl.col("received_on") - pl.col("ordered_on")).dt.total_days().cast(pl.Float64)
    return frame.select(
        pl.col("supplier_id").cast(pl.Int64), "name", pl.col("received_on").alias("day"), taken.alias("value")
    )


def read_defects(connection: sa.Connection, as_of: date) -> pl.DataFrame:
    """Return what was inspected up to `as_of`: item_id, name (SKU / operation), day, bad and inspected pieces."""
    bad = sa.type_coerce(quality_day.c.defective + quality_day.c.scrapped, quality_day.c.defective.type)
    frame = read_frame(
        connection,
        sa.select(
            quality_day.c.item_id,
            item.c.sku,
            quality_day.c.operation,
            quality_day.c.day,
            bad.label("bad"),
            quality_day.c.inspected,
        )
        .join(item, item.c.id == quality_day.c.item_id)
        .where(quality_day.c.day <= as_of, quality_day.c.inspected > 0),
    )
    operation = pl.when(pl.col("operation").fill_null("") != "").then(pl.lit(" / ") + pl.col("operation"))
    return frame.select(
        "item_id", (pl.col("sku") + operation.otherwise(pl.lit(""))).alias("name"), "day", "bad", "inspected"
    )


def lead_time_task(
    lines: pl.DataFrame, frequency: Frequency, as_of: date, horizon: int, parameters: Mapping[str, Any]
) -> tuple[pl.DataFrame, Observations]:
    """Return the series of suppliers and their lines, one value a line, up to the last complete period."""
    seen = _seen(lines, frequency, as_of).with_columns(pl.lit(1.0).alias("weight")).sort("name", "day", "value")
    keys = seen.unique("name", keep="first", maintain_order=True).select(
        pl.lit(None, pl.Int64).alias("item_id"), pl.lit(None, pl.Int64).alias("location_id"), "supplier_id", "name"
    )
    return keys, _observations(seen, keys, horizon, parameters)


def defect_task(
    pieces: pl.DataFrame, frequency: Frequency, as_of: date, horizon: int, parameters: Mapping[str, Any]
) -> tuple[pl.DataFrame, Observations]:
    """Return the series of items and operations, one rate a period with inspections, up to the last complete one."""
    seen = (
        _seen(pieces, frequency, as_of)
        .group_by("item_id", "name", "age")
        .agg(pl.col("bad").sum(), pl.col("inspected").sum())
        .with_columns(
            (pl.col("bad") / pl.col("inspected")).clip(0.0, 1.0).alias("value"), pl.col("inspected").alias("weight")
        )
        .sort("name", pl.col("age"), descending=[False, True])
    )
    keys = seen.unique("name", keep="first", maintain_order=True).select(
        "item_id", pl.lit(None, pl.Int64).alias("location_id"), pl.lit(None, pl.Int64).alias("supplier_id"), "name"
    )
    return keys, _observations(seen, keys, horizon, parameters)


def _seen(rows: pl.DataFrame, frequency: Frequency, as_of: date) -> pl.DataFrame:
    start = pl.lit(first_period(as_of, frequency))
    age = number_of(start, frequency) - number_of(pl.col("day").dt.truncate(EVERY[frequency]), frequency)
    return rows.with_columns(age.cast(pl.Float64).alias("age")).filter(
        (pl.col("age") >= 1) & (pl.col("age") <= HISTORY[frequency])
    )


def _observations(seen: pl.DataFrame, keys: pl.DataFrame, horizon: int, parameters: Mapping[str, Any]) -> Observations:
    names = keys["name"].to_list()
    cuts = np.cumsum(seen.group_by("name", maintain_order=True).len()["len"].to_numpy())[:-1] if names else np.array([])

    def split(column: str) -> list[Floats]:
        return np.split(seen[column].to_numpy(), cuts) if names else []

    return Observations(names, split("value"), split("age"), split("weight"), horizon, parameters, name_noise(names))
