"""Scores of overrides: once all their days have passed, overrides and models are compared with the actual demand."""

from __future__ import annotations

from datetime import date

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.forecasts.history.periods import EVERY
from manufacturing_copilot.site import Frequency, Target
from manufacturing_copilot.store import insert_frame, read_frame
from manufacturing_copilot.store.tables import demand_day, forecast, override, override_score, series


def score_overrides(connection: sa.Connection, as_of: date) -> int:
    """Score the overrides whose last day has come, each series at its finest frequency; return how many were scored.

    Of each period that an override touched, the last forecast made before it began counts: its mean (with the
    override) and the mean of the models alone, each against the actual demand. An override that no forecast used has
    none.
    """
    scored = sa.select(override_score.c.override_id)
    due = read_frame(
        connection,
        sa.select(override.c.id.label("override_id"), *(override.c[n] for n in ("item_id", "location_id")))
        .add_columns(override.c.first_day, override.c.last_day)
        .where(override.c.last_day <= as_of, override.c.id.not_in(scored)),
    )
    if due.is_empty():
        return 0
    touched = _touched_periods(connection, due)
    if touched.is_empty():
        return 0
    actual = _actual_demand(connection, touched)
    rows = touched.join(actual, on=["series_id", "period"], how="left").with_columns(pl.col("actual").fill_null(0.0))
    scores = rows.group_by("override_id", "series_id").agg(
        pl.col("as_of").min(),
        pl.len().cast(pl.Int64).alias("periods"),
        pl.col("actual").sum(),
        (pl.col("mean") - pl.col("actual")).abs().sum().alias("said"),
        (pl.col("model_mean") - pl.col("actual")).abs().sum().alias("model"),
    )
    insert_frame(connection, override_score, scores)
    return scores["override_id"].n_unique()


def _touched_periods(connection: sa.Connection, due: pl.DataFrame) -> pl.DataFrame:
    """Return the periods that each override touched, with the last forecast made before each began."""
    items = due["item_id"].unique().to_list()
    rows = read_frame(
        connection,
        sa.select(
            forecast.c.series_id,
            series.c.item_id,
            series.c.location_id,
            series.c.frequency,
            forecast.c.period,
            forecast.c.as_of,
            forecast.c.mean,
            forecast.c.model_mean,
        )
        .join(series, series.c.id == forecast.c.series_id)
        .where(
            series.c.target == Target.DEMAND.value,
            series.c.item_id.in_(items),
            forecast.c.model_mean.is_not(None),
            forecast.c.as_of < forecast.c.period,
        ),
    )
    order = {frequency.value: number for number, frequency in enumerate(Frequency)}
    ends = pl.coalesce(
        pl.when(pl.col("frequency") == frequency.value).then(pl.col("period").dt.offset_by(EVERY[frequency]))
        for frequency in Frequency
    )
    joined = rows.join(due, on="item_id", suffix="_override").with_columns(
        ends.alias("end"), pl.col("frequency").replace_strict(order, return_dtype=pl.Int64).alias("order")
    )
    here = pl.col("location_id_override").is_null() | (pl.col("location_id_override") == pl.col("location_id"))
    inside = (pl.col("period") >= pl.col("first_day")) & (pl.col("end").dt.offset_by("-1d") <= pl.col("last_day"))
    newest = joined.filter(here & inside).sort("as_of").unique(["override_id", "series_id", "period"], keep="last")
    finest = pl.col("order") == pl.col("order").min().over("override_id", "item_id", "location_id")
    return newest.filter(finest)


def _actual_demand(connection: sa.Connection, touched: pl.DataFrame) -> pl.DataFrame:
    demand = read_frame(
        connection,
        sa.select(demand_day.c.item_id, demand_day.c.location_id, demand_day.c.day, demand_day.c.quantity).where(
            demand_day.c.item_id.in_(touched["item_id"].unique().to_list()),
            demand_day.c.day >= touched["period"].min(),
            demand_day.c.day < touched["end"].max(),
        ),
    )
    periods = touched.select("series_id", "item_id", "location_id", "period", "end").unique(["series_id", "period"])
    return (
        demand.join(periods, on=["item_id", "location_id"])
        .filter((pl.col("day") >= pl.col("period")) & (pl.col("day") < pl.col("end")))
        .group_by("series_id", "period")
        .agg(pl.col("quantity").sum().clip(lower_bound=0).alias("actual"))
    )
