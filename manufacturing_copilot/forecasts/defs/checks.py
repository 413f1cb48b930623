"""Asset checks of the forecasts: bounds that hold, better than naive, no series failed. They warn, with figures."""

from collections.abc import Callable, Sequence
from datetime import date

import dagster as dg
import polars as pl

from manufacturing_copilot.dagster_support import Plant, preview
from manufacturing_copilot.forecasts.defs.assets import TARGETS, asset_key
from manufacturing_copilot.forecasts.evaluation.quality_report import (
    outside_tolerance,
    runs_of,
    with_failures,
    worse_than_naive,
)
from manufacturing_copilot.formatting import listed
from manufacturing_copilot.site import Site, Target

Judge = Callable[[pl.DataFrame], pl.DataFrame]

_SCORED = (
    (
        "bounds_hold",
        "The 80 % and 95 % bounds cover as much of what was held back as they promise.",
        outside_tolerance,
    ),
    ("better_than_naive", "The forecasts are better than the (seasonal) naive forecast.", worse_than_naive),
)
_ADVICE = {
    "bounds_hold": "the bounds cover clearly less than they promise. Do not plan safety stock by them until a"
    " challenger (`copilot model compare`) does better.",
    "better_than_naive": "the (seasonal) naive forecast would have been better. Look for a change in these series, or"
    " compare another version (`copilot model compare`).",
    "no_series_failed": "some series could not be forecast by their own model and have a simple forecast instead. Look"
    " for what is unusual in their history; all failures are in the asset's metadata.",
}
"""What a failed check found, and what to do about it."""
_DAY_TAGS = ("dagster/partition", "dagster/asset_partition_range_end")


def forecast_checks(site: Site) -> Sequence[dg.AssetChecksDefinition]:
    """Return the checks of the targets that the site declares and that are forecast from their history."""
    return [
        check
        for target in site.forecasts
        if target in TARGETS
        for check in (*(_check(target, *scored) for scored in _SCORED), failed_series_check(target))
    ]


def failed_series_check(target: Target) -> dg.AssetChecksDefinition:
    """Return the check that every series of a target was forecast by its own model."""
    return _check(target, "no_series_failed", "Every series was forecast by its own model.", with_failures)


def _check(target: Target, name: str, description: str, judge: Judge) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=asset_key(target), name=name, description=description)
    def check(context: dg.AssetCheckExecutionContext, plant: Plant) -> dg.AssetCheckResult:
        tags = context.run.tags
        day = next((date.fromisoformat(tags[tag]) for tag in _DAY_TAGS if tags.get(tag)), None)
        with plant.open() as store, store.read() as connection:
            runs = runs_of(connection, target, day)
        return _result(runs, judge(runs), _ADVICE[name])

    return check


def _names(runs: pl.DataFrame) -> list[str]:
    """Return how people name the runs: by frequency and class, with the first failures where series failed."""
    return [
        f"run {run}, {frequency} {demand_class}{f', {failures}' if failures else ''}"
        for run, frequency, demand_class, failures in runs.select(
            "run", "frequency", "demand_class", "failures"
        ).iter_rows()
    ]


def _result(runs: pl.DataFrame, failing: pl.DataFrame, advice: str) -> dg.AssetCheckResult:
    shown = failing if not failing.is_empty() else runs
    rounded = shown.select(pl.exclude("as_of")).with_columns(pl.col(pl.Float64).round(3))
    return dg.AssetCheckResult(
        passed=failing.is_empty(),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"runs": runs.height, "found": failing.height, "figures": preview(rounded, rows=30)},
        description=None
        if failing.is_empty()
        else f"{failing.height} of {runs.height} runs ({listed(_names(failing))}): {advice}",
    )
