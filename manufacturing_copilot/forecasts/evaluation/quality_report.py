"""How good a target's newest forecast is: coverage of its bounds, value over naive, failed series."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.runtime.runs import FORECAST_ENDED
from manufacturing_copilot.site import Target
from manufacturing_copilot.store.tables import model_run

TOLERANCE = 0.05
"""Points of coverage that may be missing, beside what chance explains."""

FEWEST_SCORED = 5
"""Series below which nothing is concluded about a class."""

_NOMINAL = {"coverage_80": 0.80, "coverage_95": 0.95}


def runs_of(connection: sa.Connection, target: Target, as_of: date | None = None) -> pl.DataFrame:
    """Return the newest run per frequency and class of the target as of a day (the newest day, unless given).

    Columns: run, as_of, frequency, demand_class, series, failed_series, failures, series_scored, coverage_80,
    coverage_95, rmsse, naive_rmsse, value_added, smape, bias.
    """
    day = as_of or connection.scalar(
        sa.select(sa.func.max(model_run.c.as_of)).where(model_run.c.target == target.value, FORECAST_ENDED)
    )
    newest = (
        sa.select(sa.func.max(model_run.c.id))
        .where(model_run.c.target == target.value, model_run.c.as_of == day, FORECAST_ENDED)
        .group_by(model_run.c.frequency, model_run.c.demand_class)
    )
    rows = connection.execute(sa.select(model_run).where(model_run.c.id.in_(newest)).order_by(model_run.c.id)).all()
    measures = ("series_scored", "coverage_80", "coverage_95", "rmsse", "naive_rmsse", "value_added", "smape", "bias")
    return pl.DataFrame(
        [
            {
                "run": row.id,
                "as_of": row.as_of,
                "frequency": row.frequency,
                "demand_class": row.demand_class,
                "series": row.series,
                "failed_series": row.failed_series,
                "failures": "; ".join(f"{one['series']}: {one['reason']}" for one in row.failures[:3]),
                **{name: _number(row.metrics.get(name)) for name in measures},
            }
            for row in rows
        ],
        schema={
            "run": pl.Int64,
            "as_of": pl.Date,
            "frequency": pl.String,
            "demand_class": pl.String,
            "series": pl.Int64,
            "failed_series": pl.Int64,
            "failures": pl.String,
            **dict.fromkeys(measures, pl.Float64),
        },
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
