"""How good the forecasts are: the newest run of each target, frequency and demand class with its measures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa

from manufacturing_copilot.site import Frequency
from manufacturing_copilot.store.tables import model, model_run, model_version

_COVERAGE_80 = ("coverage_80", "coverage80", "coverage.80")
_COVERAGE_95 = ("coverage_95", "coverage95", "coverage.95")
_VALUE_ADDED = ("value_added", "value_added_against_naive", "forecast_value_added", "fva", "better_than_naive")
_LENGTHS = {frequency.value: place for place, frequency in enumerate(Frequency)}


@dataclass(frozen=True)
class Score:
    """The newest run of one target, frequency and class.

    Coverages and value added are shares of one, None where the run could not measure them. `others` are the run's
    further numbers by name.
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
    others: tuple[tuple[str, float], ...]


def read_scores(connection: sa.Connection, as_of: date) -> tuple[Score, ...]:
    """Return the newest run up to `as_of` of each target, frequency and demand class."""
    newest = (
        sa.select(sa.func.max(model_run.c.id))
        .where(model_run.c.as_of <= as_of, model_run.c.status == "success")
        .group_by(model_run.c.target, model_run.c.frequency, model_run.c.demand_class)
    )
    query = (
        sa.select(model_run, model.c.name, model_version.c.version)
        .join(model_version, model_version.c.id == model_run.c.version_id)
        .join(model, model.c.id == model_version.c.model_id)
        .where(model_run.c.id.in_(newest))
    )
    found = [_score(row) for row in connection.execute(query).mappings()]
    return tuple(sorted(found, key=lambda one: (one.target, _LENGTHS.get(one.frequency, 9), one.demand_class)))


def _score(row: Any) -> Score:
    metrics = _flat(row["metrics"] or {})
    used = {*_COVERAGE_80, *_COVERAGE_95, *_VALUE_ADDED}
    return Score(
        target=row["target"],
        frequency=row["frequency"],
        demand_class=row["demand_class"],
        model=f"{row['name']} v{row['version']}",
        as_of=row["as_of"],
        series=row["series"],
        failed=row["failed_series"],
        coverage_80=_share(_first(metrics, _COVERAGE_80)),
        coverage_95=_share(_first(metrics, _COVERAGE_95)),
        value_added=_first(metrics, _VALUE_ADDED),
        others=tuple((name, value) for name, value in metrics.items() if name not in used),
    )


def _flat(metrics: Mapping[str, Any], before: str = "") -> dict[str, float]:
    found: dict[str, float] = {}
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            found.update(_flat(value, f"{before}{name}."))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found[f"{before}{name}"] = float(value)
    return found


def _first(metrics: Mapping[str, float], names: tuple[str, ...]) -> float | None:
    return next((metrics[name] for name in names if name in metrics), None)


def _share(value: float | None) -> float | None:
    return value / 100 if value is not None and value > 1 else value
