"""How good a target's newest forecast is: coverage of its bounds, value over naive, failed series."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.frame_schemas import Column, FrameSchema
from manufacturing_copilot.runtime.runs import FORECAST_ENDED
from manufacturing_copilot.site import Target
from manufacturing_copilot.store.tables import model_run

TOLERANCE = 0.05
"""Points of coverage that may be missing, beside what chance explains."""

FEWEST_SCORED = 5
"""Series below which nothing is concluded about a class."""

_NOMINAL = {"coverage_80": 0.80, "coverage_95": 0.95}


_MEASURES = ("series_scored", "coverage_80", "coverage_95", "rmsse", "naive_rmsse", "value_added", "smape", "bias")

RUNS = FrameSchema(
    "newest runs of a target",
    {
        "run": Column(pl.Int64, "number of the model run"),
        "as_of": Column(pl.Date),
        "frequency": Column(pl.String),
        "demand_class": Column(pl.String),
        "series": Column(pl.Int64, "number of series forecast"),
        "failed_series": Column(pl.Int64, "number of series whose model failed"),
        "failures": Column(pl.String, "the first three, with their reasons"),
        **{name: Column(pl.Float64, "null where nothing was held back", nullable=True) for name in _MEASURES},
    },
    key=("run",),
)


def runs_of(connection: sa.Connection, target: Target, as_of: date | None = None) -> pl.DataFrame:
    """Return RUNS: the newest run per frequency and class of the target as of a day (default: the newest day)."""
    day = as_of or connection.scalar(
        sa.select(sa.func.max(model_run.c.as_of)).where(model_run.c.target == target.value, FORECAST_ENDED)
    )
    newest = (
        sa.select(sa.func.max(model_run.c.id))
        .where(model_run.c.target == target.value, model_run.c.as_of == day, FORECAST_ENDED)
        .group_by(model_run.c.frequency, model_run.c.demand_class)
    )
    rows = connection.execute(sa.select(model_run).where(model_run.c.id.in_(newest)).order_by(model_run.c.id)).all()
    return pl.DataFrame(
        [
            {
                "run": row.id,
                "as_of": row.as_of,
                "frequency": row.frequency,
                "demand_class": row.demand_class,
                "series": row.series,
                "failed_series": row.failed_series,
                "failures": "; ".join(f"{failure['series']}: {failure['reason']}" for failure in row.failures[:3]),
                **{name: _number(row.metrics.get(name)) for name in _MEASURES},
            }
            for row in rows
        ],
        schema=RUNS.dtypes,
    )


def outside_tolerance(runs: pl.DataFrame) -> pl.DataFrame:
    """Return the runs whose bounds hold less than they say: by 5 points and twice the standard error of the share.

    The error counts series, not values: those of one series go together. Bounds of a discrete quantity hold more
    than they say, which is no fault.
    """
    short = [
        pl.col(name) < nominal - TOLERANCE - 2 * (math.sqrt(nominal * (1 - nominal)) / pl.col("series_scored").sqrt())
        for name, nominal in _NOMINAL.items()
    ]
    return runs.filter((pl.col("series_scored") >= FEWEST_SCORED) & pl.any_horizontal(short))


def worse_than_naive(runs: pl.DataFrame) -> pl.DataFrame:
    """Return the runs whose error is larger than that of the (seasonal) naive forecast."""
    return runs.filter((pl.col("series_scored") >= FEWEST_SCORED) & (pl.col("value_added") < 0))


def with_failures(runs: pl.DataFrame) -> pl.DataFrame:
    """Return the runs in which the model of a series failed; its forecast is a fallback."""
    return runs.filter(pl.col("failed_series") > 0)


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
