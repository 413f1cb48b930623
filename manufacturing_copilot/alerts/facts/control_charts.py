"""Control charts: the p chart with Laney's correction, and the runs rules that find signals on it.

p chart: p̄ ± 3√(p̄(1−p̄)/nᵢ). Laney's p′ multiplies σ by σ_z, the mean moving range of the baseline's z-scores
divided by 1.128, so that large lots, whose shares vary more than chance alone explains, do not alarm constantly.
"""

from __future__ import annotations

import polars as pl

from manufacturing_copilot.frame_schemas import Column, FrameSchema

MOVING_RANGE_TO_SIGMA = 1.128
BASELINE_AT_LEAST = 20
RUN_LENGTH = 8

POINTS = FrameSchema(
    "points of control charts",
    {
        "rate": Column(pl.Float64(), "bad pieces as a share of the inspected"),
        "centre": Column(pl.Float64(), "the usual share"),
        "limit": Column(pl.Float64(), "the upper limit for that many inspected, three sigmas above the centre"),
        "sigmas": Column(pl.Float64(), "how far the share lies above the centre"),
    },
    key=("chart", "period"),
    more=True,
)
"""What `p_chart` adds to the points that it is given."""


def p_chart(points: pl.DataFrame) -> pl.DataFrame:
    """Return the points with the columns of POINTS.

    `points`: chart (any key), period, inspected, bad (same unit), baseline (whether it sets the limits). Charts
    with fewer than 20 baseline points, or without anything bad in them, are left out. Baseline points beyond
    three sigmas are removed once and the limits computed again, so that an old accident does not widen them.
    """
    usable = points.filter(pl.col("inspected") > 0).with_columns((pl.col("bad") / pl.col("inspected")).alias("rate"))
    first = _scored(usable, usable.filter("baseline"))
    calm = first.filter(pl.col("baseline") & (pl.col("sigmas").abs() <= 3))
    return _scored(usable, calm.select(usable.columns)).sort("chart", "period")


def signals(points: pl.DataFrame) -> pl.DataFrame:
    """Return the points of `p_chart` that signal a worse process, with `signal`: which rule, in words.

    Rules: one point beyond three sigmas; two of three beyond two; eight in a row above the centre. The lower
    side is left out: fewer defects than usual is no trouble.
    """
    beyond_two = (pl.col("sigmas") > 2).cast(pl.Int8)
    judged = points.sort("chart", "period").with_columns(
        beyond_two.rolling_sum(3, min_samples=2).over("chart").alias("_twos"),
        (pl.col("sigmas") > 0).cast(pl.Int8).rolling_sum(RUN_LENGTH).over("chart").alias("_above"),
    )
    rule = (
        pl.when(pl.col("sigmas") > 3)
        .then(pl.lit("one point beyond 3 sigmas"))
        .when((pl.col("sigmas") > 2) & (pl.col("_twos") >= 2))
        .then(pl.lit("2 of 3 points beyond 2 sigmas"))
        .when(pl.col("_above") == RUN_LENGTH)
        .then(pl.lit(f"{RUN_LENGTH} points in a row above the centre"))
    )
    return judged.with_columns(rule.alias("signal")).filter(pl.col("signal").is_not_null()).drop("_twos", "_above")


def _scored(points: pl.DataFrame, baseline: pl.DataFrame) -> pl.DataFrame:
    centres = (
        baseline.group_by("chart")
        .agg((pl.col("bad").sum() / pl.col("inspected").sum()).alias("centre"), pl.len().alias("baseline_points"))
        .filter((pl.col("baseline_points") >= BASELINE_AT_LEAST) & pl.col("centre").is_between(0, 1, closed="none"))
    )
    plain = pl.col("centre") * (1 - pl.col("centre")) / pl.col("inspected")
    z = (pl.col("rate") - pl.col("centre")) / plain.sqrt()
    spread = (
        baseline.join(centres, on="chart")
        .sort("chart", "period")
        .group_by("chart", maintain_order=True)
        .agg((z.diff().abs().mean() / MOVING_RANGE_TO_SIGMA).alias("spread"))
        # less spread than chance explains is luck or rounding: it must not narrow the limits
        .with_columns(pl.col("spread").clip(lower_bound=1.0))
    )
    sigma = plain.sqrt() * pl.col("spread")
    return (
        points.join(centres, on="chart")
        .join(spread, on="chart")
        .with_columns((pl.col("centre") + 3 * sigma).alias("limit"), (z / pl.col("spread")).alias("sigmas"))
    )
