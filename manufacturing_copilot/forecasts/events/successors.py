"""Successors: an item that takes over from another begins with its history, and the other ends."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl


def inherit_history(demand: pl.DataFrame, successions: pl.DataFrame) -> pl.DataFrame:
    """Return the demand with what successors take over: the predecessor's demand before the day of succession.

    `demand`: item_id, location_id, day, quantity. Successions are followed one after the other, the earliest first,
    so that a successor of a successor begins with the history of both. The predecessor keeps its own history.
    """
    for item, successor, from_day, factor in successions.sort("from_day", "item_id").iter_rows():
        before = demand.filter((pl.col("item_id") == item) & (pl.col("day") < from_day))
        inherited = before.with_columns(
            pl.lit(successor, demand.schema["item_id"]).alias("item_id"), pl.col("quantity") * factor
        )
        demand = pl.concat([demand, inherited])
    return demand


def discontinue_predecessors(items: pl.DataFrame, successions: pl.DataFrame) -> pl.DataFrame:
    """Return the items with `discontinued_on` no later than the day before another takes over."""
    ends = successions.select("item_id", (pl.col("from_day") - timedelta(days=1)).alias("ends"))
    return (
        items.join(ends, on="item_id", how="left", maintain_order="left")
        .with_columns(pl.min_horizontal("discontinued_on", "ends").alias("discontinued_on"))
        .drop("ends")
    )


def successions_in_force(successions: pl.DataFrame, as_of: date, horizon_days: int) -> pl.DataFrame:
    """Return the successions whose successor is forecast: their day has come, or comes within the days ahead."""
    return successions.filter(pl.col("from_day") <= as_of + timedelta(days=horizon_days))
