"""Successors: an item that takes over from another begins with its history, and the other ends."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl


def inherit_history(demand: pl.DataFrame, successions: pl.DataFrame) -> pl.DataFrame:
    """Return the demand with what successors take over: the predecessor's demand before the day of succession.

    `demand`: item_id, location_id, day, and quantity where it is not of days alone. Successions are followed one after
    the other, the earliest first, so that a successor of a successor begins with the history of both. The predecessor
    keeps its own history.
    """
    for row in successions.sort("from_day", "item_id").iter_rows(named=True):
        of_item = (pl.col("item_id") == row["item_id"]) & (pl.col("day") < row["from_day"])
        at, to = row.get("location_id"), row.get("successor_location_id")
        before = demand.filter(of_item if at is None else of_item & (pl.col("location_id") == at))
        inherited = before.with_columns(pl.lit(row["successor_id"], demand.schema["item_id"]).alias("item_id"))
        if to is not None:
            inherited = inherited.with_columns(pl.lit(to, demand.schema["location_id"]).alias("location_id"))
        if "quantity" in demand.columns:
            inherited = inherited.with_columns(pl.col("quantity") * row["factor"])
        demand = pl.concat([demand, inherited])
    return demand


def discontinue_predecessors(items: pl.DataFrame, successions: pl.DataFrame) -> pl.DataFrame:
    """Return the items with `discontinued_on` no later than the day before another takes over for good."""
    if "goes_on" in successions.columns:
        successions = successions.filter(~pl.col("goes_on"))
    ends = successions.select("item_id", (pl.col("from_day") - timedelta(days=1)).alias("ends"))
    return (
        items.join(ends, on="item_id", how="left", maintain_order="left")
        .with_columns(pl.min_horizontal("discontinued_on", "ends").alias("discontinued_on"))
        .drop("ends")
    )


def successions_in_force(successions: pl.DataFrame, as_of: date, horizon_days: int) -> pl.DataFrame:
    """Return the successions whose successor is forecast: their day has come, or comes within the days ahead."""
    return successions.filter(pl.col("from_day") <= as_of + timedelta(days=horizon_days))
