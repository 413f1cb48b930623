"""Runs and their scores: every execution of a model version, with what failed in it and why."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.errors import ModelError
from manufacturing_copilot.store import insert_frame
from manufacturing_copilot.store.tables import model_run, series_score


@dataclass(frozen=True)
class Failure:
    """A series whose model failed, and the reason in words; its forecast is the prior of its class."""

    series: str
    reason: str


@dataclass(frozen=True)
class Run:
    """One execution of a model version over the series of a target, frequency and class."""

    version_id: int
    target: str
    frequency: str
    demand_class: str
    as_of: date
    started_at: datetime
    seconds: float
    series: int
    failures: Sequence[Failure] = ()
    metrics: Mapping[str, Any] = field(default_factory=dict)
    run_id: str | None = None


def record_run(connection: sa.Connection, run: Run) -> int:
    """Write the run; return its id. It failed only where every one of its series did."""
    failed = len(run.failures)
    made = connection.execute(
        sa.insert(model_run).values(
            version_id=run.version_id,
            target=run.target,
            frequency=run.frequency,
            demand_class=run.demand_class,
            as_of=run.as_of,
            status="failed" if run.series and failed == run.series else "success",
            started_at=run.started_at,
            seconds=run.seconds,
            series=run.series,
            failed_series=failed,
            failures=[{"series": failure.series, "reason": failure.reason} for failure in run.failures],
            metrics=_finite(run.metrics),
            run_id=run.run_id,
        )
    )
    key = made.inserted_primary_key
    if key is None:
        raise ModelError("the database gave no id for a new run")
    return int(key[0])


def record_scores(connection: sa.Connection, scores: pl.DataFrame) -> int:
    """Write scores (columns run_id, series_id, measure, value); values that are not finite are left out."""
    return insert_frame(connection, series_score, scores.filter(pl.col("value").is_finite()))


def _finite(value: Any) -> Any:
    # JSON has no NaN and no infinity; a figure that could not be computed is null.
    if isinstance(value, Mapping):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
