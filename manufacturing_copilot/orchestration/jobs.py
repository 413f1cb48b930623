"""The jobs of the flow: one over all stages after ingest, and one a stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from manufacturing_copilot.dagster_support import days
from manufacturing_copilot.site import Site, Target

if TYPE_CHECKING:  # dagster gives this type no public name
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

DAILY = "daily"
FACTS = "facts_and_alerts"
"""Not just `facts`: the step that brings unified up to date is called so, and Dagster wants names to differ."""
PLANNING = "planning"
"""There is nothing to plan where no demand is forecast: the job is missing there, as the stage is."""
_GROUPS = {
    DAILY: ("unified", "runtime", "forecasts", "planning", "alerts", "report"),
    FACTS: ("unified", "planning", "alerts", "report"),
    "unified": ("unified",),
    "forecasts": ("runtime", "forecasts"),
    PLANNING: ("planning",),
    "alerts": ("alerts",),
    "report": ("report",),
}
_BY_DAY = {"unified", "forecasts", PLANNING}
"""The groups that hold assets with a partition a day; the others are about now."""


def is_by_day(job: str) -> bool:
    """Whether the job is run for a day (its partition), or about now."""
    return bool(_BY_DAY & set(_GROUPS[job]))


def flow_jobs(site: Site) -> dict[str, UnresolvedAssetJobDefinition]:
    """Return the jobs by name. All run in one process: starting one for each step costs more than most steps."""
    return {
        name: dg.define_asset_job(
            name,
            selection=dg.AssetSelection.groups(*groups),
            partitions_def=days(site) if is_by_day(name) else None,
            executor_def=dg.in_process_executor,
            description=_in_words(name, groups),
        )
        for name, groups in _GROUPS.items()
        if name != PLANNING or Target.DEMAND in site.forecasts
    }


def _in_words(name: str, groups: tuple[str, ...]) -> str:
    when = "as known at the end of one day" if is_by_day(name) else "as of now"
    return f"Brings {', '.join(groups)} up to date, {when}."
