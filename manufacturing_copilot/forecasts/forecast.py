"""Forecasting a target as of a day: read, forecast at every declared frequency, write in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import date
from time import perf_counter
from typing import Any

import numpy as np
import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.forecasts.compute.artifacts import keeping_learned
from manufacturing_copilot.forecasts.compute.engines import engine_in_use
from manufacturing_copilot.forecasts.compute.shards import Engine, Sharding, ThisProcess, sharded
from manufacturing_copilot.forecasts.contract import Outcome
from manufacturing_copilot.forecasts.demand import expected_demand
from manufacturing_copilot.forecasts.evaluation.scores import pooled_metrics, score_series
from manufacturing_copilot.forecasts.expected import Expected, expected
from manufacturing_copilot.forecasts.groups import Begin, Champions, Part, Progress, demand_parts, observed_part
from manufacturing_copilot.forecasts.history.observed import defect_task, lead_time_task, read_defects, read_lead_times
from manufacturing_copilot.forecasts.history.panel import Panel
from manufacturing_copilot.forecasts.history.periods import first_period, periods_from
from manufacturing_copilot.forecasts.overrides.override_scores import score_overrides
from manufacturing_copilot.planning.stock_inputs import read_paths
from manufacturing_copilot.progress import note_follows
from manufacturing_copilot.runtime.policies import ALL, DYING, REGULAR, SPARSE, YOUNG
from manufacturing_copilot.runtime.registry import ModelVersion, champion, load_code
from manufacturing_copilot.runtime.runs import Failure, Run, record_run, record_scores, working
from manufacturing_copilot.runtime.series import register_series
from manufacturing_copilot.site import Frequency, Site, Target
from manufacturing_copilot.store import Store, home_folder, insert_frame, read_frame
from manufacturing_copilot.store.tables import QUANTILES, cleaned_period, series
from manufacturing_copilot.store.tables import forecast as forecast_table
from manufacturing_copilot.store.types import utc_now
from manufacturing_copilot.unified.refresh.past_day import facts_as_known

FAILURES_SHOWN = 5
"""Failed series of a run that its summary names; the run itself holds all of them."""


@dataclass(frozen=True)
class RunSummary:
    """One model run of a forecast, as recorded."""

    id: int
    frequency: str
    demand_class: str
    version: int
    series: int
    failed: int
    metrics: dict[str, Any]
    failures: tuple[Failure, ...] = ()


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


def forecast_target(
    store: Store,
    site: Site,
    target: Target,
    as_of: date,
    *,
    run_id: str | None = None,
    progress: Progress | None = None,
) -> ForecastSummary:
    """Forecast `target` at every frequency the site declares, from the facts as known at the end of `as_of`.

    Writes series, scores, forecasts and how the runs ended in one transaction; what was forecast as of that day
    before is replaced. The runs are seen in progress before that; after a kill in the middle another call goes on
    from the shards that were done. `run_id` is the Dagster run. Raises ModelError where a champion is not
    registered. Inventory rests on the demand forecast of the same day and gives nothing without one.
    """
    start = perf_counter()
    say = progress or (lambda _: None)
    frequencies = site.forecasts.get(target, ())
    with working(store, run_id) as work, _sharded(target, say) as sharding:

        def begin(version: ModelVersion, frequency: Frequency, demand_class: str, count: int) -> int:
            return work.begin(version.id, target.value, frequency.value, demand_class, as_of, count)

        with facts_as_known(store, site, as_of) as connection:
            parts, cut = _parts(connection, site, target, frequencies, as_of, say, begin)
        with store.write() as connection:
            written = write_parts(connection, target, parts, as_of, run_id)
            if target is Target.DEMAND:
                _write_cut(connection, cut, as_of)
                score_overrides(connection, as_of)
            note_follows(connection, site, as_of, f"forecasts/{target.value}")
    say(f"{target.value}: wrote {sum(rows for _, rows, _ in written)} forecasts")
    return ForecastSummary(
        target=target,
        as_of=as_of,
        series=sum(one.part.keys.height for one in parts),
        rows=sum(rows for _, rows, _ in written),
        runs=tuple(run for run, _, _ in written),
        seconds=perf_counter() - start,
        preview=pl.concat([head for _, _, head in written]) if written else pl.DataFrame(),
        shards_computed=sharding.computed,
        series_found_again=sharding.found_again,
    )


@contextmanager
def _sharded(target: Target, say: Progress) -> Iterator[Sharding]:
    """Let what each series does alone be computed where COPILOT_ENGINE says, and kept below the home folder."""
    folder = home_folder() / "forecasts"
    # The other targets do too little alone for a cluster to be worth the way.
    here: AbstractContextManager[Engine] = nullcontext(ThisProcess())
    with (
        engine_in_use() if target is Target.DEMAND else here as engine,
        sharded(engine, folder / "shards", tell=say) as sharding,
        keeping_learned(folder / "learned"),
    ):
        yield sharding


def write_parts(
    connection: sa.Connection, target: Target, parts: Sequence[Expected], as_of: date, run_id: str | None = None
) -> list[tuple[RunSummary, int, pl.DataFrame]]:
    """Replace the target's forecasts of that day by these: per part its run, the rows written, and the first two."""
    _forget(connection, target, as_of)
    return [_write(connection, part, as_of, run_id) for part in parts]


def _parts(
    connection: sa.Connection,
    site: Site,
    target: Target,
    frequencies: Sequence[Frequency],
    as_of: date,
    say: Progress,
    begin: Begin,
) -> tuple[list[Expected], pl.DataFrame]:
    champions = _champions(connection, target, frequencies)
    if target is Target.DEMAND:

        def forecast(panel: Panel, name: str | None) -> list[Part]:
            return demand_parts(panel, champions, as_of, begin, name)

        found = expected_demand(connection, site, frequencies, as_of, forecast, say)
        return list(found.parts), found.cut
    if target is Target.INVENTORY:
        parts = _inventory_parts(connection, site, frequencies, champions, as_of, say, begin)
        return [expected(part) for part in parts], pl.DataFrame()
    read, make = (read_lead_times, lead_time_task) if target is Target.SUPPLY else (read_defects, defect_task)
    seen = read(connection, as_of)
    parts = []
    for frequency in frequencies:
        version = champions[frequency, ALL]
        periods = periods_from(first_period(as_of, frequency), frequency, site.horizons[frequency])
        keys, task = make(seen, frequency, as_of, len(periods), version.parameters)
        say(f"{target.value} {frequency.value}: {keys.height} series")
        parts += observed_part(target, frequency, keys, task, version, periods, begin)
    return [expected(part) for part in parts], pl.DataFrame()


def _champions(connection: sa.Connection, target: Target, frequencies: Sequence[Frequency]) -> Champions:
    classes = (*REGULAR, *SPARSE, *YOUNG, *DYING) if target is Target.DEMAND else (ALL,)
    return {
        (frequency, name): champion(connection, target.value, frequency.value, name)
        for frequency in frequencies
        for name in classes
    }


def _inventory_parts(
    connection: sa.Connection,
    site: Site,
    frequencies: Sequence[Frequency],
    champions: Champions,
    as_of: date,
    say: Progress,
    begin: Begin,
) -> list[Part]:
    """Project stock day by day once; a coarser frequency shows the balance at the end of each of its periods."""
    ends: dict[Frequency, tuple[list[date], list[int]]] = {}
    for frequency in frequencies:
        periods = periods_from(first_period(as_of, frequency), frequency, site.horizons[frequency] + 1)
        ends[frequency] = (periods[:-1], [(following - as_of).days - 2 for following in periods[1:]])
    days = max((steps[-1] + 1 for _, steps in ends.values()), default=0)
    started_at, start = utc_now(), perf_counter()
    paths = read_paths(connection, as_of, days) if days else None
    if paths is None:
        say("inventory: demand is not forecast as of that day, so nothing is projected")
        return []
    keys = paths.keys.select("item_id", "location_id", pl.lit(None, pl.Int64).alias("supplier_id"), "name")
    parts = []
    for frequency, (periods, steps) in ends.items():
        version = champions[frequency, ALL]
        run = begin(version, frequency, ALL, keys.height)
        outcome = load_code(version.code)(paths)
        say(f"inventory {frequency.value}: {keys.height} series")
        seconds, start = perf_counter() - start, perf_counter()
        parts.append(
            Part(
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
    return parts


def _forget(connection: sa.Connection, target: Target, as_of: date) -> None:
    mine = sa.select(series.c.id).where(series.c.target == target.value)
    connection.execute(
        sa.delete(forecast_table).where(forecast_table.c.as_of == as_of, forecast_table.c.series_id.in_(mine))
    )


def _write(
    connection: sa.Connection, one: Expected, as_of: date, run_id: str | None
) -> tuple[RunSummary, int, pl.DataFrame]:
    part = one.part
    named = part.keys.select("item_id", "location_id", "supplier_id", "name").with_columns(
        pl.lit(part.target.value).alias("target"),
        pl.lit(part.frequency.value).alias("frequency"),
        pl.lit(part.demand_class).alias("demand_class"),
    )
    ids = register_series(connection, named)["series_id"].to_numpy()
    outcome = part.outcome
    scores = score_series(outcome.backtest, part.season) if outcome.backtest else None
    metrics = _metrics(part, scores)
    names = part.keys["name"].to_list()
    failures = [Failure(names[row], reason) for row, reason in outcome.failures]
    number = record_run(
        connection,
        Run(
            version_id=part.version.id,
            target=part.target.value,
            frequency=part.frequency.value,
            demand_class=part.demand_class,
            as_of=as_of,
            started_at=part.started_at,
            seconds=part.seconds,
            series=len(names),
            failures=failures,
            metrics=metrics,
            run_id=run_id,
            number=part.run,
        ),
    )
    record_scores(connection, _scores(outcome, scores, ids, number))
    frame = _rows(one, ids, as_of, number)
    insert_frame(connection, forecast_table, frame)
    summary = RunSummary(
        number,
        part.frequency.value,
        part.demand_class,
        part.version.version,
        len(names),
        len(failures),
        metrics,
        tuple(failures[:FAILURES_SHOWN]),
    )
    head = frame.head(2).select(
        pl.lit(part.frequency.value).alias("frequency"),
        pl.lit(part.demand_class).alias("class"),
        pl.lit(names[0] if names else "").alias("series"),
        "period",
        *(pl.col(name).round(3) for name in ("mean", "q025", "q10", "q50", "q90", "q975")),
    )
    return summary, frame.height, head


def _metrics(part: Part, scores: pl.DataFrame | None) -> dict[str, Any]:
    outcome = part.outcome
    metrics: dict[str, Any] = {
        "series": part.keys.height,
        "clipped_forecasts": outcome.clipped,
        "clipped_history": part.clipped_history,
        "inflation": [round(float(value), 4) for value in outcome.inflation],
        **outcome.notes,
    }
    if scores is not None and outcome.backtest is not None:
        metrics |= pooled_metrics(scores, outcome.backtest)
    elif outcome.cohort is not None:
        # Young and dying series have no window of their own: those that stood in the class earlier are judged.
        metrics |= pooled_metrics(score_series(outcome.cohort, part.season), outcome.cohort)
        metrics["scored_on"] = "series that stood in the class at earlier cut-offs"
    return metrics


def _scores(outcome: Outcome, scores: pl.DataFrame | None, ids: np.ndarray, run: int) -> pl.DataFrame:
    long = pl.DataFrame({"series_id": ids, "measure": "deviation", "value": outcome.deviation})
    if scores is not None:
        measured = scores.unpivot(index="unique_id", variable_name="measure", value_name="value").drop_nulls("value")
        measured = measured.select(
            pl.Series("series_id", ids[measured["unique_id"].to_numpy()], dtype=pl.Int64), "measure", "value"
        )
        long = pl.concat([long, measured])
    return long.select(pl.lit(run).alias("run_id"), "series_id", "measure", pl.col("value").cast(pl.Float64))


def _rows(one: Expected, ids: np.ndarray, as_of: date, run: int) -> pl.DataFrame:
    count = len(ids)
    flat = one.quantiles.reshape(-1, len(QUANTILES))
    said = pl.Series(one.model_mean.ravel()).fill_nan(None) if one.model_mean is not None else pl.lit(None, pl.Float64)
    return pl.DataFrame(
        {
            "series_id": np.repeat(ids, len(one.part.periods)),
            "period": pl.Series(list(one.part.periods) * count, dtype=pl.Date),
            "mean": one.mean.ravel(),
            **{name: flat[:, place] for place, name in enumerate(QUANTILES)},
        }
    ).with_columns(pl.lit(as_of).alias("as_of"), pl.lit(run).alias("run_id"), said.alias("model_mean"))


def _write_cut(connection: sa.Connection, cut: pl.DataFrame, as_of: date) -> None:
    """Keep what was cut of the histories as outliers, in place of what an earlier run as of that day has kept."""
    mine = sa.select(series.c.id).where(series.c.target == Target.DEMAND.value)
    connection.execute(
        sa.delete(cleaned_period).where(cleaned_period.c.as_of == as_of, cleaned_period.c.series_id.in_(mine))
    )
    if cut.is_empty():
        return
    known = read_frame(
        connection,
        sa.select(series.c.id.label("series_id"), series.c.frequency, series.c.name).where(
            series.c.target == Target.DEMAND.value
        ),
    )
    rows = cut.join(known, on=["frequency", "name"])
    insert_frame(
        connection,
        cleaned_period,
        rows.select("series_id", pl.lit(as_of).alias("as_of"), "period", "was", "used", "reason"),
    )
