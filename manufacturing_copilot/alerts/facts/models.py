"""Facts about the models: a champion whose error has grown."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.alerts.facts import names
from manufacturing_copilot.alerts.facts.base import LINE_SCHEMA, Fact, Question
from manufacturing_copilot.runtime.runs import FORECAST_ENDED
from manufacturing_copilot.store.tables import RunStatus, model, model_run, model_version

APART = timedelta(days=28)
"""Runs nearer than this to the newest one were scored on much the same days, and are no measure of what is usual."""

LOOKED_BACK = timedelta(days=365)
FEWEST_RUNS = 3

_SCHEMA: dict[str, Any] = {
    "model": pl.String,
    "version": pl.Int64,
    "as_of": pl.Date,
    "rmsse": pl.Float64,
    "naive_rmsse": pl.Float64,
}


def gather_model_decay(connection: sa.Connection, question: Question) -> pl.DataFrame | None:
    """Return the models whose newest error is above their usual one (value: by how many per cent).

    The error is that of the newest window held back, over the naive forecast's on the same window: a month that was
    hard for everybody is no decay. Usual is the median of the runs of the year before, at least FEWEST_RUNS days
    of them and at least four weeks older. None where no model has run that often.
    """
    runs = _runs(connection, question.as_of).with_columns((pl.col("rmsse") / pl.col("naive_rmsse")).alias("error"))
    newest = runs.filter(pl.col("as_of") == pl.col("as_of").max().over("model")).rename({"error": "newest_error"})
    usual = (
        runs.join(newest.select("model", pl.col("as_of").alias("newest")), on="model")
        .filter(pl.col("as_of") <= pl.col("newest") - APART)
        .group_by("model")
        .agg(pl.col("error").median().alias("usual_error"), pl.len().alias("runs"))
        .filter((pl.col("runs") >= FEWEST_RUNS) & (pl.col("usual_error") > 0))
    )
    if usual.is_empty():
        return None
    return (
        newest.join(usual, on="model")
        .with_columns((100 * (pl.col("newest_error") / pl.col("usual_error") - 1)).alias("value"))
        .filter(pl.col("value") > 0)
        .sort("model")
        .select(
            pl.col("model").alias("subject"),
            pl.lit(None, pl.Int64).alias("item_id"),
            "value",
            "model",
            "version",
            "newest_error",
            "usual_error",
            "as_of",
        )
    )


def trace_nothing(_connection: sa.Connection, _rows: pl.DataFrame) -> pl.DataFrame:
    """Return no line: an error comes from runs, and `copilot model runs` lists them."""
    return pl.DataFrame(schema=LINE_SCHEMA)


def _runs(connection: sa.Connection, as_of: date) -> pl.DataFrame:
    """Return the newest run of each model and day: model, version, as_of, rmsse, naive_rmsse."""
    newest = (
        sa.select(sa.func.max(model_run.c.id))
        .join(model_version, model_version.c.id == model_run.c.version_id)
        .join(model, model.c.id == model_version.c.model_id)
        .where(
            FORECAST_ENDED,
            model_run.c.status == RunStatus.SUCCESS,
            model_run.c.as_of <= as_of,
            model_run.c.as_of > as_of - LOOKED_BACK,
            model_run.c.demand_class == model.c.demand_class,
        )
        .group_by(model.c.id, model_run.c.as_of)
    )
    query = (
        sa.select(model.c.name.label("model"), model_version.c.version, model_run.c.as_of, model_run.c.metrics)
        .join(model_version, model_version.c.id == model_run.c.version_id)
        .join(model, model.c.id == model_version.c.model_id)
        .where(model_run.c.id.in_(newest))
    )
    rows = [
        {"model": row.model, "version": row.version, "as_of": row.as_of,
         **{name: row.metrics.get(name) for name in ("rmsse", "naive_rmsse")}}
        for row in connection.execute(query)
    ]  # fmt: skip
    frame = pl.DataFrame(rows, schema=_SCHEMA)
    return frame.drop_nulls().filter(pl.col("naive_rmsse") > 0)


MODEL_DECAY = Fact(
    "per cent by which a model's newest error is above its usual one",
    gather_model_decay,
    trace_nothing,
    (names.MODEL, names.VERSION, names.NEWEST_ERROR, names.USUAL_ERROR, names.AS_OF),
)
