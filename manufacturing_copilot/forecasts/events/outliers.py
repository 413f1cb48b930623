"""Outliers: single periods far beyond all that a history holds elsewhere. They are cut, and what was cut is kept."""

from __future__ import annotations

import numpy as np
import polars as pl

from manufacturing_copilot.forecasts.contract import Floats
from manufacturing_copilot.forecasts.events.cells import FlatHistories
from manufacturing_copilot.frame_schemas import Column, FrameSchema

FEWEST_SIZES = 12
"""Periods with demand that a history needs before one of them can be told to be out of line."""

SPREADS = 6.0
"""How many robust standard deviations of the logarithms a size must lie above the median."""

SMALLEST_SPREAD = 0.2
AT_LEAST_TIMES = 3.0
"""An outlier is also this many times the largest of the other sizes: a tail of large orders is no outlier."""

OUTLIER = "outlier: more than three times anything else in this history"

OUTLIERS = FrameSchema(
    "outliers of a panel",
    {
        "row": Column(pl.Int64, "of the series in the panel"),
        "at": Column(pl.Int64, "period counted from the first one ahead: -1 is the last past"),
        "was": Column(pl.Float64, "the demand of the period"),
        "used": Column(pl.Float64, "what the models see in its place"),
        "reason": Column(pl.String),
    },
    key=("row",),
)


def cut_outliers(flat: FlatHistories) -> tuple[Floats, pl.DataFrame]:
    """Return the values with outliers cut to the largest other size of their history, and what was cut (OUTLIERS).

    An outlier lies SPREADS robust standard deviations (1.4826 times the median absolute deviation, of the logarithms
    of the sizes; Hampel 1974) above the median, and stands alone: AT_LEAST_TIMES the largest other size. At most one
    period of a history is one; two of the same size are how the item sells.
    """
    values = flat.values.copy()
    sizes = pl.DataFrame(
        {
            "row": np.repeat(np.arange(len(flat.lengths)), flat.lengths),
            "index": np.arange(len(values)),
            "size": values,
        }
    ).filter(pl.col("size") > 0)
    log = pl.col("size").log()
    outliers = (
        sizes.with_columns(log.alias("log"))
        .group_by("row")
        .agg(
            pl.len().alias("count"),
            pl.col("log").median().alias("middle"),
            ((pl.col("log") - pl.col("log").median()).abs().median() * 1.4826).alias("spread"),
            pl.col("size").max().alias("was"),
            pl.col("size").top_k(2).min().alias("used"),
            pl.col("index").sort_by("size").last(),
        )
        .filter(
            (pl.col("count") >= FEWEST_SIZES)
            & (pl.col("was") >= AT_LEAST_TIMES * pl.col("used"))
            & (pl.col("was").log() > pl.col("middle") + SPREADS * pl.max_horizontal("spread", pl.lit(SMALLEST_SPREAD)))
        )
        .sort("row")
    )
    row, index = outliers["row"].to_numpy(), outliers["index"].to_numpy()
    values[index] = outliers["used"].to_numpy()
    at = index - flat.ends[row] if outliers.height else np.empty(0, dtype=np.int64)
    return values, outliers.select(
        pl.col("row").cast(pl.Int64),
        pl.Series("at", at, dtype=pl.Int64),
        "was",
        "used",
        pl.lit(OUTLIER).alias("reason"),
    )
