"""How long a replenishment takes: the distribution of lead times, lines still open counted as not yet arrived.

A line that is still open has taken at least as long as it is old. Left out, a supplier who slips looks better than
he is, because only his quick lines have arrived; counted by the estimator of Kaplan and Meier (1958), he does not.
A line that is open long past everything seen is no evidence but a question: it was forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.forecasts.contract import Floats
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.tables import SupplyStatus, supply_line

DEFAULT_LEAD_TIME = 14.0
PRIOR_LINES = 1.0
"""How many received lines of its own weigh as much as what is believed of an item otherwise."""

FORGOTTEN_DAYS = 90
FORGOTTEN_TIMES = 3.0
"""An open line counts up to so many times the usual days, and so many days past them; then it was forgotten."""

MEMORY_DAYS = 730
LEAD_TIME_POINTS = np.array([0.1, 0.3, 0.5, 0.7, 0.9])
"""Levels at which the distribution of the lead time is looked at; each stands for a fifth of it."""

POINTS = tuple(f"p{number}" for number in range(len(LEAD_TIME_POINTS)))
"""The columns of a frame for LEAD_TIME_POINTS."""


TELLS_HOW_LONG = sa.or_(supply_line.c.received_on.is_not(None), supply_line.c.status == SupplyStatus.OPEN)
"""A line closed or cancelled without having arrived does not."""


def lead_times(connection: sa.Connection, keys: pl.DataFrame, as_of: date) -> Floats:
    """Return the lead time of each item at LEAD_TIME_POINTS, in days: items × points.

    `keys` holds item_id, supplier_id, lead_time_days and made (null: whichever the item has more lines of). The
    item's own lines of the last two years come first, those bought apart from those made; the fewer they are, the
    more they are pulled towards what is believed otherwise: the days that are declared (without a spread), else its
    supplier's, else the site's, else two weeks.
    """
    lines = read_lines(connection, as_of)
    sources = _sources(keys, lines)
    own = survival_quantiles(lines, ["item_id", "made"])
    suppliers = survival_quantiles(lines.filter(pl.col("supplier_id").is_not_null()), ["supplier_id", "made"])
    site = survival_quantiles(lines, ["made"])
    heard = pl.col("received") > 0
    joined = (
        sources.join(own, on=["item_id", "made"], how="left", maintain_order="left")
        .join(
            suppliers.filter(heard).drop("received"),
            on=["supplier_id", "made"],
            how="left",
            suffix="_s",
            maintain_order="left",
        )
        .join(site.filter(heard).drop("received"), on="made", how="left", suffix="_w", maintain_order="left")
    )
    declared = pl.col("lead_time_days").cast(pl.Float64)
    weight = pl.col("received").fill_null(0) / (pl.col("received").fill_null(0) + PRIOR_LINES)
    prior = {name: pl.coalesce(declared, f"{name}_s", f"{name}_w", pl.lit(DEFAULT_LEAD_TIME)) for name in POINTS}
    days = joined.select(
        (weight * pl.col(name).fill_null(0.0) + (1 - weight) * prior[name]).alias(name) for name in POINTS
    ).to_numpy()
    return np.maximum(days, 0.0)


def read_lines(connection: sa.Connection, as_of: date) -> pl.DataFrame:
    """Return the lines ordered in the two years up to `as_of`: made, item_id, supplier_id, taken (days), arrived.

    Of a line that had not completely arrived by then, `taken` is its age. One closed or cancelled without having
    arrived says nothing of how long it would have taken; it is left out, and so is one that was forgotten.
    """
    frame = read_frame(
        connection,
        sa.select(
            supply_line.c.made,
            supply_line.c.item_id,
            supply_line.c.supplier_id,
            supply_line.c.ordered_on,
            supply_line.c.promised_on,
            supply_line.c.received_on,
        ).where(
            supply_line.c.ordered_on <= as_of,
            supply_line.c.ordered_on > as_of - timedelta(days=MEMORY_DAYS),
            TELLS_HOW_LONG,
        ),
    )
    arrived, end = observed(as_of)
    lines = frame.select(
        "made",
        "item_id",
        "supplier_id",
        (end - pl.col("ordered_on")).dt.total_days().clip(lower_bound=0).cast(pl.Float64).alias("taken"),
        arrived.alias("arrived"),
        (pl.col("promised_on") - pl.col("ordered_on")).dt.total_days().cast(pl.Float64).alias("promised"),
    )
    return _remembered(lines)


def observed(as_of: date) -> tuple[pl.Expr, pl.Expr]:
    """Return whether a line has completely arrived by `as_of`, and the day up to which it was observed.

    That is its arrival, else `as_of`: it took at least so long.
    """
    arrived = (pl.col("received_on") <= as_of).fill_null(False)
    return arrived, pl.when(arrived).then("received_on").otherwise(pl.lit(as_of))


def _remembered(lines: pl.DataFrame) -> pl.DataFrame:
    """Return the lines without those still open long after their promise, or after how long such lines took."""
    came = pl.col("taken").filter("arrived")
    usual = pl.coalesce(
        pl.max_horizontal("promised", came.max().over("item_id", "made"), came.max().over("supplier_id", "made")),
        came.max().over("made"),
    )
    bound = pl.max_horizontal(usual * FORGOTTEN_TIMES, usual + FORGOTTEN_DAYS)
    # Where nothing was promised and nothing ever came, an old line is all that is known.
    return lines.filter(pl.col("arrived") | usual.is_null() | (pl.col("taken") <= bound)).drop("promised")


def survival_quantiles(lines: pl.DataFrame, group: Sequence[str]) -> pl.DataFrame:
    """Return for each group the days by which each share of LEAD_TIME_POINTS has arrived, and how many lines had.

    Columns: the group, POINTS, received. A share that has not arrived yet gets the longest time seen, which is
    the least it can be.
    """
    points = [
        pl.coalesce(pl.col("taken").filter(pl.col("open") <= 1 - point + 1e-9).min(), pl.col("taken").max()).alias(name)
        for name, point in zip(POINTS, LEAD_TIME_POINTS.tolist(), strict=True)
    ]
    waiting = (pl.len() - pl.int_range(pl.len())).over(group)
    return (
        lines.sort(*group, "taken", pl.col("arrived").not_())
        .with_columns((1 - pl.col("arrived").cast(pl.Float64) / waiting).cum_prod().over(group).alias("open"))
        .group_by(group, maintain_order=True)
        .agg(*points, pl.col("arrived").sum().cast(pl.Int64).alias("received"))
    )


def blended(quantiles: pl.DataFrame, prior: pl.DataFrame, on: Sequence[str]) -> pl.DataFrame:
    """Return POINTS of each group pulled towards those of what it belongs to, the more the fewer lines came."""
    joined = quantiles.join(prior, on=on, how="left", nulls_equal=True, suffix="_prior")
    weight = pl.col("received") / (pl.col("received") + PRIOR_LINES)
    return joined.with_columns(
        (weight * pl.col(name) + (1 - weight) * pl.coalesce(f"{name}_prior", name)).alias(name) for name in POINTS
    ).select(*quantiles.drop("received").columns)


def _sources(keys: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Return the keys with `made` settled: as declared, else as most of the item's lines."""
    usual = lines.group_by("item_id").agg(mostly=pl.col("made").mean() > 0.5)
    return (
        keys.select("item_id", "supplier_id", "lead_time_days", "made")
        .join(usual, on="item_id", how="left", maintain_order="left")
        .with_columns(made=pl.coalesce("made", "mostly", pl.lit(False)))
        .drop("mostly")
    )
