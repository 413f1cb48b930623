"""Forecasting demand, lead times or defect rates as of a day, at every frequency that the site declares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from datetime import date

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.forecasts.compute.artifacts import artifacts_kept_below
from manufacturing_copilot.forecasts.compute.engines import ComputeSettings, configured_engine
from manufacturing_copilot.forecasts.compute.shards import Engine, Sharding, ThisProcess, sharded
from manufacturing_copilot.forecasts.demand import forecast_demand
from manufacturing_copilot.forecasts.groups import (
    BeginRun,
    Champions,
    DatedForecast,
    ForecastGroup,
    Progress,
    dated_forecast,
)
from manufacturing_copilot.forecasts.history.observed import defect_task, lead_time_task, read_defects, read_lead_times
from manufacturing_copilot.forecasts.history.panel import Panel
from manufacturing_copilot.forecasts.history.periods import first_period, periods_from
from manufacturing_copilot.forecasts.overrides.override_scores import score_overrides
from manufacturing_copilot.forecasts.panel_forecast import forecast_observations, forecast_panel
from manufacturing_copilot.forecasts.recording import ForecastSummary, record_forecast
from manufacturing_copilot.runtime.policies import ALL, DEMAND_CLASSES
from manufacturing_copilot.runtime.registry import champions_of
from manufacturing_copilot.site import Site, Target
from manufacturing_copilot.store import Store, home_folder, insert_frame, read_frame
from manufacturing_copilot.store.tables import cleaned_period, series, series_history

OBSERVED = {Target.SUPPLY: (read_lead_times, lead_time_task), Target.QUALITY: (read_defects, defect_task)}
"""Targets that are observed now and then: how their facts are read, and how they become the task of a method."""


def forecast_target(
    store: Store,
    site: Site,
    target: Target,
    as_of: date,
    *,
    run_id: str | None = None,
    progress: Progress | None = None,
    compute: ComputeSettings | None = None,
) -> ForecastSummary:
    """Forecast `target` at every frequency the site declares, from the facts as known at the end of `as_of`.

    Writes series, scores, forecasts and how the runs ended in one transaction; what was forecast as of that day
    before is replaced. The runs are seen in progress before that; after a kill in the middle another call goes on
    from the shards that were done. `run_id` is the Dagster run. Raises ModelError where a champion is not
    registered, ValueError for a target that is not forecast but projected (inventory).
    """
    if target is not Target.DEMAND and target not in OBSERVED:
        raise ValueError(f"{target.value} is not forecast from its history")
    report = progress or (lambda _: None)
    frequencies = site.forecasts.get(target, ())
    cleaned, histories = pl.DataFrame(), pl.DataFrame()

    def make(connection: sa.Connection, begin_run: BeginRun) -> Sequence[DatedForecast]:
        nonlocal cleaned, histories
        if target is not Target.DEMAND:
            return _observed_forecasts(connection, site, target, as_of, report, begin_run)
        champions = champions_of(connection, target, frequencies, DEMAND_CLASSES)

        def forecast(panel: Panel, name: str | None) -> list[ForecastGroup]:
            return forecast_panel(panel, champions, as_of, begin_run, name)

        demand = forecast_demand(connection, site, frequencies, as_of, forecast, report)
        cleaned, histories = demand.cleaned, demand.histories
        return demand.forecasts

    def write_more(connection: sa.Connection) -> None:
        _write_of_series(connection, cleaned_period, cleaned, as_of)
        _write_of_series(connection, series_history, histories, as_of)
        score_overrides(connection, as_of)

    with _sharded(target, report, compute or ComputeSettings()) as sharding:
        summary = record_forecast(
            store,
            site,
            target,
            as_of,
            make,
            write_more=write_more if target is Target.DEMAND else None,
            run_id=run_id,
            progress=report,
        )
    return replace(
        summary,
        shards_computed=sharding.computed,
        series_found_again=sharding.reused,
        censored=0 if histories.is_empty() else int((histories["censored"] > 0).sum()),
        unmatched=0 if histories.is_empty() else int((histories["returns_unmatched"] > 0).sum()),
    )


@contextmanager
def _sharded(target: Target, progress: Progress, compute: ComputeSettings) -> Iterator[Sharding]:
    """Compute what concerns single series where `compute` says, and keep it below the home folder."""
    folder = (compute.home or home_folder()) / "forecasts"
    # The other targets have too little work of this kind to be worth sending to a cluster.
    local: AbstractContextManager[Engine] = nullcontext(ThisProcess())
    with (
        configured_engine(name=compute.engine) if target is Target.DEMAND else local as engine,
        sharded(engine, folder / "shards", progress=progress) as sharding,
        artifacts_kept_below(folder / "learned"),
    ):
        yield sharding


def _observed_forecasts(
    connection: sa.Connection,
    site: Site,
    target: Target,
    as_of: date,
    progress: Progress,
    begin_run: BeginRun,
) -> list[DatedForecast]:
    frequencies = site.forecasts.get(target, ())
    champions: Champions = champions_of(connection, target, frequencies, (ALL,))
    read, make_task = OBSERVED[target]
    observations = read(connection, as_of)
    groups: list[ForecastGroup] = []
    for frequency in frequencies:
        version = champions[frequency, ALL]
        periods = periods_from(first_period(as_of, frequency), frequency, site.horizons[frequency])
        keys, task = make_task(observations, frequency, as_of, len(periods), version.parameters)
        progress(f"{target.value} {frequency.value}: {keys.height} series")
        groups += forecast_observations(target, frequency, keys, task, version, periods, begin_run)
    return [dated_forecast(group) for group in groups]


def _write_of_series(connection: sa.Connection, table: sa.Table, rows: pl.DataFrame, as_of: date) -> None:
    """Write rows about series, told by `frequency` and `name`; those of an earlier run as of the day are replaced."""
    of_demand = sa.select(series.c.id).where(series.c.target == Target.DEMAND.value)
    connection.execute(sa.delete(table).where(table.c.as_of == as_of, table.c.series_id.in_(of_demand)))
    if rows.is_empty():
        return
    numbered = read_frame(
        connection,
        sa.select(series.c.id.label("series_id"), series.c.frequency, series.c.name).where(
            series.c.target == Target.DEMAND.value
        ),
    )
    named = rows.join(numbered, on=["frequency", "name"]).drop("frequency", "name")
    insert_frame(connection, table, named.with_columns(pl.lit(as_of).alias("as_of")))
