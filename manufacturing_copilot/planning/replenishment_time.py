"""How long a replenishment takes: the distribution of lead times, lines still open counted as not yet arrived.

A line that is still open has taken at least as long as it is old. Left out, a supplier who slips looks better than
he is, because only his quick lines have arrived; counted by the estimator of Kaplan and Meier (1958), he does not.
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.forecasts.contract import Floats
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.tables import SupplyStatus, supply_line

DEFAULT_LEAD_TIME = 14.0
FEWEST_LINES = 5
"""Received lines below which an item or a supplier has no distribution of its own."""

MEMORY_DAYS = 730
LEAD_TIME_POINTS = np.array([0.1, 0.3, 0.5, 0.7, 0.9])
"""Levels at which the distribution of the lead time is looked at; each stands for a fifth of it."""


def lead_times(connection: sa.Connection, keys: pl.DataFrame, as_of: date) -> Floats:
    """Return the lead time of each item at LEAD_TIME_POINTS, in days: items × points.

    `keys` holds item_id, supplier_id and lead_time_days. What was measured comes first: the item's own lines
    ordered in the last two years (five received at least), then its supplier's, then the days the system believes
    (without a spread), then the plant's median, then two weeks.
    """
    lines = read_lines(connection, as_of)
    names = [f"p{k}" for k in range(len(LEAD_TIME_POINTS))]
    own = _enough(survival_quantiles(lines, "item_id"))
    by_supplier = _enough(survival_quantiles(lines.filter(pl.col("supplier_id").is_not_null()), "supplier_id")).rename(
        {name: f"s_{name}" for name in names}
    )
    whole = survival_quantiles(lines.with_columns(pl.lit(0).alias("plant")), "plant")
    plant = float(whole[names[len(names) // 2]][0]) if whole.height and whole["received"][0] else DEFAULT_LEAD_TIME
    joined = (
        keys.select("item_id", "supplier_id", "lead_time_days")
        .join(own, on="item_id", how="left", maintain_order="left")
        .join(by_supplier, on="supplier_id", how="left", maintain_order="left")
    )
    days = joined.select(
        pl.coalesce(name, f"s_{name}", pl.col("lead_time_days").cast(pl.Float64), pl.lit(plant)) for name in names
    ).to_numpy()
    return np.maximum(days, 0.0)


def read_lines(connection: sa.Connection, as_of: date) -> pl.DataFrame:
    """Return the lines ordered in the two years up to `as_of`: item_id, supplier_id, taken (days), arrived.

    Of a line that had not completely arrived by then, `taken` is its age. One closed or cancelled without having
    arrived says nothing of how long it would have taken; it is left out.
    """
    frame = read_frame(
        connection,
        sa.select(
            supply_line.c.item_id, supply_line.c.supplier_id, supply_line.c.ordered_on, supply_line.c.received_on
        ).where(
            supply_line.c.ordered_on <= as_of,
            supply_line.c.ordered_on > as_of - timedelta(days=MEMORY_DAYS),
            sa.or_(supply_line.c.received_on.is_not(None), supply_line.c.status == SupplyStatus.OPEN),
        ),
    )
    arrived = (pl.col("received_on") <= as_of).fill_null(False)
    end = pl.when(arrived).then(pl.col("received_on")).otherwise(pl.lit(as_of))
    return frame.select(
        "item_id",
        "supplier_id",
        (end - pl.col("ordered_on")).dt.total_days().clip(lower_bound=0).cast(pl.Float64).alias("taken"),
        arrived.alias("arrived"),
    )


def survival_quantiles(lines: pl.DataFrame, group: str) -> pl.DataFrame:
    """Return for each group the days by which each share of LEAD_TIME_POINTS has arrived, and how many lines had.

    Columns: the group, p0 to p4, received. A share that has not arrived yet gets the longest time seen, which is
    the least it can be.
    """
    points = [
        pl.coalesce(pl.col("taken").filter(pl.col("open") <= 1 - point + 1e-9).min(), pl.col("taken").max()).alias(
            f"p{number}"
        )
        for number, point in enumerate(LEAD_TIME_POINTS.tolist())
    ]
    waiting = (pl.len() - pl.int_range(pl.len())).over(group)
    return (
        lines.sort(group, "taken", pl.col("arrived").not_())
        .with_columns((1 - pl.col("arrived").cast(pl.Float64) / waiting).cum_prod().over(group).alias("open"))
        .group_by(group, maintain_order=True)
        .agg(*points, pl.col("arrived").sum().cast(pl.Int64).alias("received"))
    )


def _enough(quantiles: pl.DataFrame) -> pl.DataFrame:
    return quantiles.filter(pl.col("received") >= FEWEST_LINES).drop("received")
