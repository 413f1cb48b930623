"""How overrides did: once all their days have passed, what was said is held against what came, beside the models."""

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

    Of each period that an override touched, the last forecast made before it began counts: its mean (what the person
    said) and what the models said, each against the demand that came. An override that no forecast took up has none.
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
    said = _said(connection, due)
    if said.is_empty():
        return 0
    came = _came(connection, said)
    rows = said.join(came, on=["series_id", "period"], how="left").with_columns(pl.col("came").fill_null(0.0))
    found = rows.group_by("override_id", "series_id").agg(
        pl.col("as_of").min(),
        pl.len().cast(pl.Int64).alias("periods"),
        pl.col("came").sum().alias("actual"),
        (pl.col("mean") - pl.col("came")).abs().sum().alias("said"),
        (pl.col("model_mean") - pl.col("came")).abs().sum().alias("model"),
    )
    insert_frame(connection, override_score, found)
    return found["override_id"].n_unique()


def _said(connection: sa.Connection, due: pl.DataFrame) -> pl.DataFrame:
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
    order = {frequency.value: place for place, frequency in enumerate(Frequency)}
    ends = pl.coalesce(
        pl.when(pl.col("frequency") == frequency.value).then(pl.col("period").dt.offset_by(EVERY[frequency]))
        for frequency in Frequency
    )
    joined = rows.join(due, on="item_id", suffix="_said").with_columns(
        ends.alias("end"), pl.col("frequency").replace_strict(order, return_dtype=pl.Int64).alias("order")
    )
    here = pl.col("location_id_said").is_null() | (pl.col("location_id_said") == pl.col("location_id"))
    inside = (pl.col("period") >= pl.col("first_day")) & (pl.col("end").dt.offset_by("-1d") <= pl.col("last_day"))
    newest = joined.filter(here & inside).sort("as_of").unique(["override_id", "series_id", "period"], keep="last")
    finest = pl.col("order") == pl.col("order").min().over("override_id", "item_id", "location_id")
    return newest.filter(finest)


def _came(connection: sa.Connection, said: pl.DataFrame) -> pl.DataFrame:
    demand = read_frame(
        connection,
        sa.select(demand_day.c.item_id, demand_day.c.location_id, demand_day.c.day, demand_day.c.quantity).where(
            demand_day.c.item_id.in_(said["item_id"].unique().to_list()),
            demand_day.c.day >= said["period"].min(),
            demand_day.c.day < said["end"].max(),
        ),
    )
    periods = said.select("series_id", "item_id", "location_id", "period", "end").unique(["series_id", "period"])
    return (
        demand.join(periods, on=["item_id", "location_id"])
        .filter((pl.col("day") >= pl.col("period")) & (pl.col("day") < pl.col("end")))
        .group_by("series_id", "period")
        .agg(pl.col("quantity").sum().clip(lower_bound=0).alias("came"))
    )
