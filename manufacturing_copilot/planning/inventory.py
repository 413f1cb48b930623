"""The inventory forecast of a day: stock projected from the demand forecast, recorded like any other forecast."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from time import perf_counter

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.forecasts.groups import BeginRun, DatedForecast, ForecastGroup, Progress, dated_forecast
from manufacturing_copilot.forecasts.history.periods import first_period, periods_from
from manufacturing_copilot.forecasts.recording import ForecastSummary, record_forecast
from manufacturing_copilot.planning.stock_inputs import read_paths
from manufacturing_copilot.runtime.policies import ALL
from manufacturing_copilot.runtime.registry import champions_of, load_code
from manufacturing_copilot.site import Frequency, Site, Target
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.types import utc_now


def project_inventory(
    store: Store,
    site: Site,
    as_of: date,
    *,
    run_id: str | None = None,
    progress: Progress | None = None,
) -> ForecastSummary:
    """Project stock at every frequency the site declares, from the facts as known at the end of `as_of`.

    It rests on the demand forecast of the same day and gives nothing without one. Writes in one transaction, in
    place of what was projected as of that day before. `run_id` is the Dagster run. Raises ModelError where a champion
    is not registered.
    """
    report = progress or (lambda _: None)

    def make(connection: sa.Connection, begin_run: BeginRun) -> Sequence[DatedForecast]:
        return [dated_forecast(group) for group in _project(connection, site, as_of, report, begin_run)]

    return record_forecast(store, site, Target.INVENTORY, as_of, make, run_id=run_id, progress=report)


def _project(
    connection: sa.Connection, site: Site, as_of: date, progress: Progress, begin_run: BeginRun
) -> list[ForecastGroup]:
    """Project stock day by day once; a coarser frequency shows the balance at the end of each of its periods."""
    frequencies = site.forecasts.get(Target.INVENTORY, ())
    champions = champions_of(connection, Target.INVENTORY, frequencies, (ALL,))
    last_days: dict[Frequency, tuple[list[date], list[int]]] = {}
    for frequency in frequencies:
        periods = periods_from(first_period(as_of, frequency), frequency, site.horizons[frequency] + 1)
        last_days[frequency] = (periods[:-1], [(following - as_of).days - 2 for following in periods[1:]])
    days = max((steps[-1] + 1 for _, steps in last_days.values()), default=0)
    started_at, start = utc_now(), perf_counter()
    paths = read_paths(connection, as_of, days) if days else None
    if paths is None:
        progress("inventory: demand is not forecast as of that day, so nothing is projected")
        return []
    keys = paths.keys.select("item_id", "location_id", pl.lit(None, pl.Int64).alias("supplier_id"), "name")
    groups = []
    for frequency, (periods, steps) in last_days.items():
        version = champions[frequency, ALL]
        run = begin_run(version, frequency, ALL, keys.height)
        outcome = load_code(version.code)(paths)
        progress(f"inventory {frequency.value}: {keys.height} series")
        seconds, start = perf_counter() - start, perf_counter()
        groups.append(
            ForecastGroup(
                Target.INVENTORY,
                frequency,
                ALL,
                version,
                keys,
                outcome,
                periods,
                steps,
                1,
                started_at,
                seconds,
                run=run,
            )
        )
    return groups
