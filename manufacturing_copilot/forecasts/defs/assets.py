"""The forecasts as Dagster assets: one per target the site declares, a partition per as-of day; and the challengers.

A stage that computes another target builds its asset here as well (`build_asset`).
"""

from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

import dagster as dg
import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.clock import as_of_day
from manufacturing_copilot.dagster_support import (
    Plant,
    code_version,
    column_schema,
    data_version_of,
    days,
    days_asked_for,
    preview,
)
from manufacturing_copilot.forecasts.compute.engines import ComputeSettings
from manufacturing_copilot.forecasts.defs.plots import coverage_plot
from manufacturing_copilot.forecasts.evaluation.challengers import compare_due_challengers
from manufacturing_copilot.forecasts.forecast import forecast_target
from manufacturing_copilot.forecasts.groups import Progress
from manufacturing_copilot.forecasts.recording import ForecastSummary
from manufacturing_copilot.progress import unified_data
from manufacturing_copilot.runtime.comparisons import comparisons
from manufacturing_copilot.runtime.defs.assets import MODELS
from manufacturing_copilot.site import Site, Target
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.tables import forecast as forecast_table
from manufacturing_copilot.store.tables import model_alias, model_comparison, model_version, override

GROUP = "forecasts"
OWNERS = ["team:planning"]

DEMAND = dg.AssetKey([GROUP, Target.DEMAND.value])


class Forecaster(Protocol):
    """Forecasts a target as of a day and writes the forecast."""

    def __call__(
        self,
        store: Store,
        site: Site,
        as_of: date,
        *,
        run_id: str | None,
        progress: Progress,
        compute: ComputeSettings,
    ) -> ForecastSummary:
        """Return what was written; `progress` is called with a sentence now and then."""
        ...


@dataclass(frozen=True)
class TargetAsset:
    """What the asset of a target is made from (`facts`), with which packages (`kinds`), and who forecasts it."""

    target: Target
    description: str
    facts: tuple[dg.AssetKey, ...]
    kinds: frozenset[str]
    forecast: Forecaster


def _forecaster(target: Target) -> Forecaster:
    def forecast(
        store: Store,
        site: Site,
        as_of: date,
        *,
        run_id: str | None,
        progress: Progress,
        compute: ComputeSettings,
    ) -> ForecastSummary:
        return forecast_target(store, site, target, as_of, run_id=run_id, progress=progress, compute=compute)

    return forecast


TARGETS = {
    Target.DEMAND: TargetAsset(
        Target.DEMAND,
        "Demand by item and location, with 80 % and 95 % bounds.",
        facts=(dg.AssetKey(["unified", "items"]), dg.AssetKey(["unified", "demand_history"])),
        kinds=frozenset({"statsforecast", "lightgbm", "table"}),
        forecast=_forecaster(Target.DEMAND),
    ),
    Target.SUPPLY: TargetAsset(
        Target.SUPPLY,
        "Days from order to receipt of a supplier's line, with bounds.",
        facts=(dg.AssetKey(["unified", "supply_history"]),),
        kinds=frozenset({"scipy", "table"}),
        forecast=_forecaster(Target.SUPPLY),
    ),
    Target.QUALITY: TargetAsset(
        Target.QUALITY,
        "Share of bad pieces by item and operation, with bounds.",
        facts=(dg.AssetKey(["unified", "items"]), dg.AssetKey(["unified", "quality_history"])),
        kinds=frozenset({"scipy", "table"}),
        forecast=_forecaster(Target.QUALITY),
    ),
}
"""The targets that are forecast from their history."""

_SCORES = ("rmsse", "value_added", "mase", "smape", "bias", "pinball", "msis_95", "coverage_80", "coverage_95")


def asset_key(target: Target) -> dg.AssetKey:
    """Return the key of a target's asset."""
    return dg.AssetKey([GROUP, target.value])


def forecast_assets(site: Site) -> list[dg.AssetsDefinition]:
    """Return the assets of the targets that the site declares and that are forecast from their history."""
    return [build_asset(site, TARGETS[target]) for target in site.forecasts if target in TARGETS]


def build_asset(site: Site, spec: TargetAsset) -> dg.AssetsDefinition:
    """Return the asset of one target: its forecasts at every frequency the site declares."""
    frequencies = ", ".join(frequency.value for frequency in site.forecasts[spec.target])
    key = asset_key(spec.target)

    @dg.asset(
        key=key,
        deps=[MODELS, *spec.facts],
        partitions_def=days(site),
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=GROUP,
        kinds=set(spec.kinds),
        owners=OWNERS,
        code_version=code_version(site),
        description=f"{spec.description} {frequencies.capitalize()}, as known at the end of the day.",
        metadata={"dagster/table_name": forecast_table.name, "dagster/column_schema": column_schema(forecast_table)},
    )
    def forecasts(context: dg.AssetExecutionContext, plant: Plant) -> None:
        as_of_days = days_asked_for(context, plant)
        with plant.open() as store:
            with store.read() as connection:
                version = data_version_of(plant.site, *data_read(connection))
            context.set_data_version(key, version)
            for as_of in as_of_days:
                summary = spec.forecast(
                    store,
                    plant.site,
                    as_of,
                    run_id=context.run_id,
                    progress=context.log.info,
                    compute=ComputeSettings(plant.engine, plant.home),
                )
                context.add_asset_metadata(_metadata(summary), asset_key=key, partition_key=as_of.isoformat())

    return forecasts


def data_read(connection: sa.Connection) -> tuple[object, ...]:
    """Return what tells the data that a forecast reads from other data: facts, the versions in use, and overrides.

    The same for all days of a run: which of it was known on a day, the day itself says.
    """
    in_use = sa.select(model_alias.c.model_id, model_alias.c.alias, model_alias.c.version_id)
    counted = sa.select(sa.func.max(override.c.id), sa.func.count(override.c.withdrawn_on))
    return (
        unified_data(connection),
        *connection.execute(in_use.order_by(model_alias.c.model_id, model_alias.c.alias)).all(),
        *connection.execute(counted).one(),
    )


def challengers_asset(site: Site) -> dg.AssetsDefinition:
    """Return the asset of the comparisons of challengers with champions."""

    @dg.asset(
        key=dg.AssetKey([GROUP, "challengers"]),
        deps=[MODELS, DEMAND],
        group_name=GROUP,
        kinds={"statsforecast", "table"},
        owners=OWNERS,
        code_version=code_version(site),
        description="Challengers compared with their champions on the same past windows, once a new one is registered.",
        metadata={
            "dagster/table_name": model_comparison.name,
            "dagster/column_schema": column_schema(model_comparison),
        },
    )
    def challengers(context: dg.AssetExecutionContext, plant: Plant) -> dg.MaterializeResult:
        """Compare what is due as of now; promote where the site lets the program do so."""
        with plant.open() as store:
            with store.read() as connection:
                as_of = as_of_day(connection, plant.site)
                newest = connection.scalar(sa.select(sa.func.max(model_version.c.id)))
                version = data_version_of(plant.site, as_of, newest, *data_read(connection))
            due = compare_due_challengers(store, plant.site, as_of, run_id=context.run_id)
            with store.read() as connection:
                shown = comparisons(connection, limit=12)
        for problem in due.problems:
            context.log.warning(problem)
        for comparison in due.done:
            context.log.info("%s v%s: %s", comparison.model, comparison.challenger.version, comparison.reason)
        return dg.MaterializeResult(
            data_version=version,
            metadata={
                "compared": len(due.done),
                "promoted": ", ".join(f"{done.model} v{done.challenger.version}" for done in due.done if done.promoted)
                or "none",
                "could_not_be_compared": "; ".join(due.problems) or "none",
                "newest comparisons": preview(shown.drop("at").with_columns(pl.col(pl.Float64).round(4)), rows=12),
            },
        )

    return challengers


def _metadata(summary: ForecastSummary) -> dict[str, Any]:
    scored = [run for run in summary.runs if run.metrics.measure("coverage_80") is not None]
    metadata: dict[str, Any] = {
        "dagster/partition_row_count": summary.rows,
        "series": summary.series,
        "failed_series": sum(run.failed for run in summary.runs),
        "seconds": round(summary.seconds, 2),
        "shards_computed": summary.shards_computed,
        "series_found_again": summary.series_found_again,
        "classes": dg.MetadataValue.json({f"{run.frequency} {run.demand_class}": run.series for run in summary.runs}),
    }
    if summary.target is Target.DEMAND:
        metadata["series_with_days_without_stock"] = summary.censored
        metadata["series_with_unmatched_returns"] = summary.unmatched
    for name in ("coverage_80", "coverage_95", "value_added"):
        measures = [(run.metrics.measure(name), run.metrics.measure("series_scored") or 0) for run in scored]
        weighted = [(value, weight) for value, weight in measures if value is not None]
        if weighted:
            total = sum(weight for _, weight in weighted)
            metadata[name] = round(sum(value * weight for value, weight in weighted) / total, 4)
    if summary.runs:
        metadata["runs"] = preview(_run_table(summary), rows=len(summary.runs))
    failed = [(run, failure) for run in summary.runs for failure in run.failures]
    if failed:
        rows = [{"class": f"{run.frequency} {run.demand_class}", **vars(failure)} for run, failure in failed]
        metadata["failures"] = preview(pl.DataFrame(rows), rows=len(rows))
    if not summary.preview.is_empty():
        metadata["preview"] = preview(summary.preview, rows=12)
    plot = coverage_plot(summary.runs)
    if plot:
        metadata["coverage"] = dg.MetadataValue.md(plot)
    return metadata


def _run_table(summary: ForecastSummary) -> pl.DataFrame:
    """Return the runs with their versions and scores, one a line."""
    return pl.DataFrame(
        [
            {
                "run": run.id,
                "class": f"{run.frequency} {run.demand_class}",
                "version": f"v{run.version}",
                "series": run.series,
                "failed": run.failed,
                **{name: run.metrics.measure(name) for name in _SCORES},
            }
            for run in summary.runs
        ],
        schema_overrides=dict.fromkeys(_SCORES, pl.Float64),
    ).with_columns(pl.col(pl.Float64).round(3))
