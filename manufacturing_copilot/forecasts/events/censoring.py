"""Periods with days without stock: what was recorded stays, and what other periods brought stands in for the rest.

A period without stock is missing, not zero. What stands in for it is not a mean but what a comparable period of the
same series brought (a hot deck; Andridge, Little 2010): the newest ones before it, in turn, of days those of the same
weekday. So a series that sells now and then stays one that does, and its sizes vary as they did. A period that was
without stock in part keeps what was recorded in it, and gets of the other the share of its days without stock: no
division by few days, and nothing jumps where a share is small.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from manufacturing_copilot.forecasts.contract import Floats
from manufacturing_copilot.forecasts.events.cells import FlatHistories, event_cells
from manufacturing_copilot.forecasts.history.panel import Panel
from manufacturing_copilot.frame_schemas import Column, FrameSchema

DONORS = 13
"""The newest comparable periods before a gap that stand in for it, in turn."""

JUDGED_BELOW = 0.1
"""A period with a larger share of its days without stock is no truth that a forecast could be held against."""

GOLDEN = 0.6180339887498949

CENSORED = FrameSchema(
    "periods with days without stock",
    {
        "row": Column(pl.Int64, "of the series in the panel"),
        "at": Column(pl.Int64, "period counted from the first one ahead: -1 is the last past"),
        "share": Column(pl.Float64, "of the days on which demand comes in, without stock"),
        "filled": Column(pl.Float64, "demand that stands in for them"),
    },
    key=("row", "at"),
)


def censored_cells(panel: Panel, days: pl.DataFrame) -> pl.DataFrame:
    """Return the periods of the histories (CENSORED, nothing filled yet) in which these days without stock lie."""
    cells = event_cells(panel, days)
    lengths = pl.DataFrame({"length": [len(y) for y in panel.values]}, schema={"length": pl.Int64})
    rows = lengths.with_row_index("row").with_columns(pl.col("row").cast(pl.Int64))
    inside = cells.join(rows, on="row").filter((pl.col("at") < 0) & (pl.col("at") >= -pl.col("length")))
    return inside.select("row", "at", "share", pl.lit(0.0).alias("filled")).sort("row", "at")


def filled(flat: FlatHistories, cells: pl.DataFrame, lag: int) -> tuple[Floats, pl.DataFrame]:
    """Return the values with the gaps filled, and the cells (CENSORED) with what stands in.

    `lag`: how far apart comparable periods lie. A series without any period that had stock throughout stays as it is.
    """
    rows = cells["row"].unique().to_numpy()
    lengths = flat.lengths[rows]
    ends = flat.ends[rows]
    at = np.concatenate([np.arange(-length, 0) for length in lengths])
    index = np.repeat(ends, lengths) + at
    every = pl.DataFrame({"row": np.repeat(rows, lengths), "index": index, "at": at, "value": flat.values[index]})
    every = every.with_columns(phase=pl.col("at") % lag).join(
        cells.select("row", "at", "share"), on=["row", "at"], how="left", maintain_order="left"
    )
    phase = ["row", "phase"]
    clean = pl.col("share").is_null()
    told = every.sort("row", "phase", "at").with_columns(
        before=clean.cum_sum().over(phase).cast(pl.Int64), donors=clean.sum().over(phase).cast(pl.Int64)
    )
    gaps = told.filter(~clean).with_columns(nth=pl.int_range(pl.len()).over([*phase, "before"]))
    near = pl.min_horizontal("before", pl.lit(DONORS))
    after = pl.min_horizontal("donors", pl.lit(DONORS))
    rank = (
        pl.when(pl.col("before") > 0)
        .then(pl.col("before") - pl.col("nth") % pl.max_horizontal(near, pl.lit(1)))
        .otherwise(1 + pl.col("nth") % pl.max_horizontal(after, pl.lit(1)))
    )
    donors = told.filter(clean).select(*phase, rank=pl.col("before"), donor=pl.col("value"))
    matched = gaps.with_columns(rank=rank).join(donors, on=[*phase, "rank"], how="left", maintain_order="left")
    whole = every.group_by("row").agg(whole=(pl.col("value") == pl.col("value").round()).all())
    matched = matched.join(whole, on="row", how="left", maintain_order="left").with_columns(
        part=(pl.col("share") * pl.col("donor")).fill_null(0.0)
    )
    # Pieces stay whole: rounded up as often as the rest of a piece says, by a sequence that is even over any stretch.
    even = (pl.col("index") * GOLDEN) % 1.0
    matched = matched.with_columns(
        part=pl.when("whole").then((pl.col("part") + even).floor().clip(0, pl.col("donor"))).otherwise("part")
        .fill_null(0.0)
    )  # fmt: skip
    values = flat.values.copy()
    values[matched["index"].to_numpy()] += matched["part"].to_numpy()
    parts = matched.select("row", "at", filled="part")
    joined = cells.drop("filled").join(parts, on=["row", "at"], how="left", maintain_order="left")
    return values, joined.select(*CENSORED.columns)


def judged_histories(panel: Panel, days: pl.DataFrame) -> list[Floats]:
    """Return the histories with NaN in the periods that no forecast can be held against: too long without stock."""
    flat = FlatHistories.of(panel)
    cells = censored_cells(panel, days).filter(pl.col("share") >= JUDGED_BELOW)
    flat.values[flat.index(cells["row"].to_numpy(), cells["at"].to_numpy())] = np.nan
    return flat.split(flat.values)
