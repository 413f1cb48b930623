"""Prices along the periods: where one changes, and how far the prices ahead lie from the last one."""

from __future__ import annotations

import numpy as np
import polars as pl

from manufacturing_copilot.forecasts.contract import Floats
from manufacturing_copilot.forecasts.history.panel import Panel, numbered
from manufacturing_copilot.forecasts.history.periods import EVERY, HISTORY

SMALLEST_CHANGE = 0.01
"""Logarithms of a price ratio below this are rounding, not a change."""


def price_changes(panel: Panel, prices: pl.DataFrame) -> pl.DataFrame:
    """Return row, at (the first whole period with the new price) and step (the logarithm of new over old price).

    Of the past and of the steps ahead; a price of a location goes before one of the item everywhere.
    """
    schema = {"row": pl.Int64, "at": pl.Int64, "step": pl.Float64}
    priced = _priced(panel, prices)
    if priced.is_empty():
        return pl.DataFrame(schema=schema)
    step = (pl.col("price").log() - pl.col("price").shift(1).over("row").log()).alias("step")
    return (
        priced.sort("row", "at")
        .unique(["row", "at"], keep="last", maintain_order=True)
        .with_columns(step)
        .filter(pl.col("step").abs() > SMALLEST_CHANGE)
        .filter(pl.col("at").is_between(-HISTORY[panel.frequency], panel.horizon - 1))
        .select("row", "at", "step")
    )


def price_steps(panel: Panel, prices: pl.DataFrame) -> Floats:
    """Return the logarithm of each price ahead over the last price past, series × steps; 0 where nothing changes."""
    steps = np.zeros((len(panel.values), panel.horizon))
    coming = price_changes(panel, prices).filter(pl.col("at") >= 0)
    np.add.at(steps, (coming["row"].to_numpy(), coming["at"].to_numpy()), coming["step"].to_numpy())
    return np.cumsum(steps, axis=1)


def _priced(panel: Panel, prices: pl.DataFrame) -> pl.DataFrame:
    """Return row, at and price: the first whole period from the day on which a price holds."""
    if prices.is_empty() or panel.keys.is_empty():
        return pl.DataFrame(schema={"row": pl.Int64, "at": pl.Int64, "price": pl.Float64})
    keys = panel.keys.select("item_id", "location_id").with_row_index("row").with_columns(pl.col("row").cast(pl.Int64))
    here = keys.join(prices.filter(pl.col("location_id").is_not_null()), on=["item_id", "location_id"])
    elsewhere = keys.join(here, on="row", how="anti").join(
        prices.filter(pl.col("location_id").is_null()).drop("location_id"), on="item_id"
    )
    every = EVERY[panel.frequency]
    start = pl.col("day").dt.truncate(every)
    whole = pl.when(start == pl.col("day")).then(start).otherwise(start.dt.offset_by(every))
    first = panel.periods[0]
    base = pl.DataFrame({"period": [first]}).select(numbered("period", panel.frequency, panel.weekdays))[:, 0][0]
    return (
        pl.concat([here.select("row", "day", "price"), elsewhere.select("row", "day", "price")])
        .filter(pl.col("price") > 0)
        .sort("row", "day")
        .with_columns(whole.alias("period"))
        .with_columns((numbered("period", panel.frequency, panel.weekdays) - base).alias("at"))
        .select("row", "at", "price")
    )
