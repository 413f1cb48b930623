"""How good the forecasts are: the newest run of each target, frequency and demand class with its measures."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa

from manufacturing_copilot.site import Frequency
from manufacturing_copilot.store.tables import (
    RunPurpose,
    RunStatus,
    model,
    model_run,
    model_version,
    series_history,
    supplier_score,
)

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


@dataclass(frozen=True)
class Remarks:
    """What a reader of the figures should know: counts of series of the newest forecasts, and of purchase lines.

    `censored`: series with days without stock in their history; `unmatched`: series with returns that belong to no
    sale. `lines_due`, `lines_redated`, `redatings`: purchase lines of the last year, those whose promise moved, and
    how often.
    """

    censored: int
    unmatched: int
    lines_due: int
    lines_redated: int
    redatings: int


def read_remarks(connection: sa.Connection, as_of: date) -> Remarks:
    """Return the remarks as of the newest forecast up to `as_of`, and as the suppliers' scores stand."""
    table, score = series_history, supplier_score
    newest = sa.select(sa.func.max(table.c.as_of)).where(table.c.as_of <= as_of).scalar_subquery()
    counts = connection.execute(
        sa.select(
            sa.func.coalesce(sa.func.sum(sa.case((table.c.censored > 0, 1), else_=0)), 0),
            sa.func.coalesce(sa.func.sum(sa.case((table.c.returns_unmatched > 0, 1), else_=0)), 0),
        ).where(table.c.as_of == newest)
    ).one()
    lines = connection.execute(
        sa.select(*(sa.func.coalesce(sa.func.sum(score.c[name]), 0) for name in
                    ("lines_due", "lines_redated", "redatings")))
    ).one()  # fmt: skip
    return Remarks(*(int(count) for count in (*counts, *lines)))


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
