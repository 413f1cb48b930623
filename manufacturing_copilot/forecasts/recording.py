"""Recording a forecast: its runs, its scores and its rows, in one transaction, for whichever stage made it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from time import perf_counter
from typing import TypeAlias

import numpy as np
import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.forecasts.contract import JsonValue, Notes, Outcome
from manufacturing_copilot.forecasts.evaluation.scores import PooledScores, pooled_metrics, score_series
from manufacturing_copilot.forecasts.groups import BeginRun, DatedForecast, ForecastGroup, Progress
from manufacturing_copilot.progress import record_progress
from manufacturing_copilot.runtime.registry import ModelVersion
from manufacturing_copilot.runtime.runs import Failure, Run, record_run, record_scores, working
from manufacturing_copilot.runtime.series import register_series
from manufacturing_copilot.site import Frequency, Site, Target
from manufacturing_copilot.store import Store, insert_frame
from manufacturing_copilot.store.tables import QUANTILES, series
from manufacturing_copilot.store.tables import forecast as forecast_table
from manufacturing_copilot.unified.refresh.past_day import facts_as_known

FAILURES_SHOWN = 5
"""Failed series that the summary of a run names; the run itself holds all of them."""

MakeForecast: TypeAlias = Callable[[sa.Connection, BeginRun], Sequence[DatedForecast]]
"""Makes the forecast from the facts that the connection shows; calls the other argument before each group."""

WriteMore: TypeAlias = Callable[[sa.Connection], None]


@dataclass(frozen=True)
class RunMetrics:
    """The figures of a run.

    `clipped_forecasts`: series whose point forecast was put up to the floor; `clipped_history`: values of the history
    that were cut as outliers. `inflation`: as of `Outcome`. `measures`: pooled over the series, where they were
    scored; `scored_on`: which series were, where they were not those of the run.
    """

    series: int
    clipped_forecasts: int
    clipped_history: int
    inflation: Sequence[float]
    notes: Notes
    measures: PooledScores | None = None
    scored_on: str | None = None

    def measure(self, name: str) -> float | None:
        """Return a measure; None where the run was not scored, or it cannot be computed."""
        return None if self.measures is None else self.measures.get(name)

    def stored(self) -> dict[str, JsonValue]:
        """Return them as `model_run.metrics` keeps them, in one level."""
        return {
            "series": self.series,
            "clipped_forecasts": self.clipped_forecasts,
            "clipped_history": self.clipped_history,
            "inflation": self.inflation,
            **self.notes,
            **(self.measures or {}),
            **({"scored_on": self.scored_on} if self.scored_on else {}),
        }


@dataclass(frozen=True)
class RunSummary:
    """One model run of a forecast, as recorded."""

    id: int
    frequency: str
    demand_class: str
    version: int
    series: int
    failed: int
    metrics: RunMetrics
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True)
class RecordedGroup:
    """What was written of one group: its run, the number of rows, and the first rows for whoever looks."""

    run: RunSummary
    rows: int
    preview: pl.DataFrame


@dataclass(frozen=True)
class ForecastSummary:
    """What forecasting a target as of a day wrote."""

    target: Target
    as_of: date
    series: int
    rows: int
    runs: tuple[RunSummary, ...]
    seconds: float
    preview: pl.DataFrame
    shards_computed: int = 0
    series_found_again: int = 0
    censored: int = 0
    """series with periods of history that had days without stock"""
    unmatched: int = 0
    """series with returns that belong to no sale"""


def record_forecast(
    store: Store,
    site: Site,
    target: Target,
    as_of: date,
    make: MakeForecast,
    *,
    write_more: WriteMore | None = None,
    run_id: str | None = None,
    progress: Progress,
) -> ForecastSummary:
    """Make a forecast from the facts as known at the end of `as_of` and write it in one transaction.

    Its runs are seen in progress while `make` works; what was forecast for the target as of that day before is
    replaced. `write_more` writes into the same transaction, after the forecast. `run_id` is the Dagster run.
    """
    start = perf_counter()
    with working(store, run_id) as work:

        def begin_run(version: ModelVersion, frequency: Frequency, demand_class: str, count: int) -> int:
            return work.begin(version.id, target.value, frequency.value, demand_class, as_of, count)

        with facts_as_known(store, site, as_of) as connection:
            forecasts = make(connection, begin_run)
        with store.write() as connection:
            recorded = write_groups(connection, target, forecasts, as_of, run_id)
            if write_more is not None:
                write_more(connection)
            record_progress(connection, site, as_of, f"forecasts/{target.value}")
    rows = sum(group.rows for group in recorded)
    progress(f"{target.value}: wrote {rows} forecasts")
    return ForecastSummary(
        target=target,
        as_of=as_of,
        series=sum(group.run.series for group in recorded),
        rows=rows,
        runs=tuple(group.run for group in recorded),
        seconds=perf_counter() - start,
        preview=pl.concat([group.preview for group in recorded]) if recorded else pl.DataFrame(),
    )


def write_groups(
    connection: sa.Connection,
    target: Target,
    forecasts: Sequence[DatedForecast],
    as_of: date,
    run_id: str | None = None,
) -> list[RecordedGroup]:
    """Replace the target's forecasts of that day by these; return what was written of each group."""
    _delete_forecasts(connection, target, as_of)
    return [_write_group(connection, forecast, as_of, run_id) for forecast in forecasts]


def _delete_forecasts(connection: sa.Connection, target: Target, as_of: date) -> None:
    of_target = sa.select(series.c.id).where(series.c.target == target.value)
    connection.execute(
        sa.delete(forecast_table).where(forecast_table.c.as_of == as_of, forecast_table.c.series_id.in_(of_target))
    )


def _write_group(connection: sa.Connection, forecast: DatedForecast, as_of: date, run_id: str | None) -> RecordedGroup:
    group = forecast.group
    named = group.keys.select("item_id", "location_id", "supplier_id", "name").with_columns(
        pl.lit(group.target.value).alias("target"),
        pl.lit(group.frequency.value).alias("frequency"),
        pl.lit(group.demand_class).alias("demand_class"),
    )
    series_ids = register_series(connection, named)["series_id"].to_numpy()
    outcome = group.outcome
    scores = score_series(outcome.backtest, group.season) if outcome.backtest else None
    metrics = _metrics(group, scores)
    names = group.keys["name"].to_list()
    failures = [Failure(names[row], reason) for row, reason in outcome.failures]
    run_number = record_run(
        connection,
        Run(
            version_id=group.version.id,
            target=group.target.value,
            frequency=group.frequency.value,
            demand_class=group.demand_class,
            as_of=as_of,
            started_at=group.started_at,
            seconds=group.seconds,
            series=len(names),
            failures=failures,
            metrics=metrics.stored(),
            run_id=run_id,
            number=group.run,
        ),
    )
    record_scores(connection, _score_rows(outcome, scores, series_ids, run_number))
    rows = _forecast_rows(forecast, series_ids, as_of, run_number)
    insert_frame(connection, forecast_table, rows)
    summary = RunSummary(
        run_number,
        group.frequency.value,
        group.demand_class,
        group.version.version,
        len(names),
        len(failures),
        metrics,
        tuple(failures[:FAILURES_SHOWN]),
    )
    preview = rows.head(2).select(
        pl.lit(group.frequency.value).alias("frequency"),
        pl.lit(group.demand_class).alias("class"),
        pl.lit(names[0] if names else "").alias("series"),
        "period",
        *(pl.col(name).round(3) for name in ("mean", "q025", "q10", "q50", "q90", "q975")),
    )
    return RecordedGroup(summary, rows.height, preview)


def _metrics(group: ForecastGroup, scores: pl.DataFrame | None) -> RunMetrics:
    outcome = group.outcome
    metrics = RunMetrics(
        series=group.keys.height,
        clipped_forecasts=outcome.clipped,
        clipped_history=group.clipped_history,
        inflation=[round(float(value), 4) for value in outcome.inflation],
        notes=outcome.notes,
    )
    if scores is not None and outcome.backtest is not None:
        return replace(metrics, measures=pooled_metrics(scores, outcome.backtest))
    if outcome.cohort is None:
        return metrics
    # New and fading series have no window of their own: those that stood in the class earlier are judged.
    measures = pooled_metrics(score_series(outcome.cohort, group.season), outcome.cohort)
    return replace(metrics, measures=measures, scored_on="series that stood in the class at earlier cut-offs")


def _score_rows(outcome: Outcome, scores: pl.DataFrame | None, series_ids: np.ndarray, run: int) -> pl.DataFrame:
    long = pl.DataFrame({"series_id": series_ids, "measure": "deviation", "value": outcome.deviation})
    if scores is not None:
        measured = scores.unpivot(index="unique_id", variable_name="measure", value_name="value").drop_nulls("value")
        measured = measured.select(
            pl.Series("series_id", series_ids[measured["unique_id"].to_numpy()], dtype=pl.Int64), "measure", "value"
        )
        long = pl.concat([long, measured])
    return long.select(pl.lit(run).alias("run_id"), "series_id", "measure", pl.col("value").cast(pl.Float64))


def _forecast_rows(forecast: DatedForecast, series_ids: np.ndarray, as_of: date, run: int) -> pl.DataFrame:
    periods = forecast.group.periods
    quantiles = forecast.quantiles.reshape(-1, len(QUANTILES))
    model_mean = (
        pl.lit(None, pl.Float64)
        if forecast.model_mean is None
        else pl.Series(forecast.model_mean.ravel()).fill_nan(None)
    )
    return pl.DataFrame(
        {
            "series_id": np.repeat(series_ids, len(periods)),
            "period": pl.Series(list(periods) * len(series_ids), dtype=pl.Date),
            "mean": forecast.mean.ravel(),
            **{name: quantiles[:, column] for column, name in enumerate(QUANTILES)},
        }
    ).with_columns(pl.lit(as_of).alias("as_of"), pl.lit(run).alias("run_id"), model_mean.alias("model_mean"))
