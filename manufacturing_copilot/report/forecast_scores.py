"""How good the forecasts are: the newest run of each target, frequency and demand class with its measures."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa

from manufacturing_copilot.site import Frequency
from manufacturing_copilot.store.tables import RunPurpose, RunStatus, model, model_run, model_version

_LENGTHS = {frequency.value: position for position, frequency in enumerate(Frequency)}


@dataclass(frozen=True)
class Score:
    """The newest run of one target, frequency and class.

    Coverages are shares of past periods; value added is the share of the naive forecast's error that the model
    saves. None where the run could not measure them.
    """

    target: str
    frequency: str
    demand_class: str
    model: str
    as_of: date
    series: int
    failed: int
    coverage_80: float | None
    coverage_95: float | None
    value_added: float | None


def read_scores(connection: sa.Connection, as_of: date) -> tuple[Score, ...]:
    """Return the newest run up to `as_of` of each target, frequency and demand class."""
    newest = (
        sa.select(sa.func.max(model_run.c.id))
        .where(
            model_run.c.as_of <= as_of,
            model_run.c.status == RunStatus.SUCCESS,
            model_run.c.purpose == RunPurpose.FORECAST,
        )
        .group_by(model_run.c.target, model_run.c.frequency, model_run.c.demand_class)
    )
    query = (
        sa.select(model_run, model.c.name, model_version.c.version)
        .join(model_version, model_version.c.id == model_run.c.version_id)
        .join(model, model.c.id == model_version.c.model_id)
        .where(model_run.c.id.in_(newest))
    )
    scores = [_score(row) for row in connection.execute(query).mappings()]
    return tuple(sorted(scores, key=lambda score: (score.target, _LENGTHS.get(score.frequency, 9), score.demand_class)))


def _score(row: Any) -> Score:
    metrics = row["metrics"] or {}
    return Score(
        target=row["target"],
        frequency=row["frequency"],
        demand_class=row["demand_class"],
        model=f"{row['name']} v{row['version']}",
        as_of=row["as_of"],
        series=row["series"],
        failed=row["failed_series"],
        **{name: metrics.get(name) for name in ("coverage_80", "coverage_95", "value_added")},
    )
