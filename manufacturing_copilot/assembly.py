"""Joining the stages: one Definitions for one site."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

# Every process that loads this module would print them; what is beta here is chosen and pinned.
warnings.filterwarnings("ignore", category=dg.BetaWarning)
warnings.filterwarnings("ignore", category=dg.PreviewWarning)
warnings.filterwarnings("ignore", category=dg.SupersessionWarning)

from manufacturing_copilot.alerts.definitions import build_definitions as alerts  # noqa: E402
from manufacturing_copilot.edge import Plant, days  # noqa: E402
from manufacturing_copilot.forecasts.definitions import build_definitions as forecasts  # noqa: E402
from manufacturing_copilot.ingest.clock import as_of_day  # noqa: E402
from manufacturing_copilot.ingest.definitions import build_definitions as ingest  # noqa: E402
from manufacturing_copilot.notify.definitions import build_definitions as notify  # noqa: E402
from manufacturing_copilot.report.definitions import build_definitions as report  # noqa: E402
from manufacturing_copilot.runtime.definitions import build_definitions as runtime  # noqa: E402
from manufacturing_copilot.site import Site, load_site  # noqa: E402
from manufacturing_copilot.unified.definitions import build_definitions as unified  # noqa: E402

if TYPE_CHECKING:  # dagster gives this type no public name
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

AFTER_INGEST = ("unified", "runtime", "forecasts", "alerts", "report")
"""The groups of assets that are made as of a day, in the order of the flow."""

_STAGE_JOBS = (("forecasts", "runtime", "forecasts"), ("alerts", "alerts"), ("report", "report"))
"""Name and groups of the jobs of single stages; unified brings its own."""


def build(folder: Path) -> dg.Definitions:
    """Return everything Dagster shows of the site in `folder`.

    Raises SiteError, naming file, line and key, where the site's YAML is wrong.
    """
    site = load_site(folder)
    stages = [stage(site) for stage in (ingest, unified, runtime, forecasts, alerts, notify, report)]
    daily = _daily_job(site, "daily", *AFTER_INGEST)
    return dg.Definitions.merge(
        *stages,
        dg.Definitions(
            jobs=[daily, *(_daily_job(site, *groups) for groups in _STAGE_JOBS)],
            schedules=[_daily_schedule(site, daily)],
            resources={"plant": Plant(site_folder=str(folder))},
            executor=dg.in_process_executor,
        ),
    )


def _daily_job(site: Site, name: str, *groups: str) -> UnresolvedAssetJobDefinition:
    return dg.define_asset_job(
        name,
        selection=dg.AssetSelection.groups(*groups),
        partitions_def=days(site),
        executor_def=dg.in_process_executor,
        description=f"{', '.join(groups)}: as known at the end of one day.",
    )


def _daily_schedule(site: Site, job: UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    hours, _, minutes = site.schedule.partition(":")

    @dg.schedule(
        name="daily",
        job=job,
        cron_schedule=f"{int(minutes)} {int(hours)} * * *",
        execution_timezone=site.zone,
        default_status=dg.DefaultScheduleStatus.RUNNING if site.schedule_on else dg.DefaultScheduleStatus.STOPPED,
        description=f"The whole flow, every day at {site.schedule} ({site.zone}).",
    )
    def daily_schedule(context: dg.ScheduleEvaluationContext, plant: Plant) -> dg.RunRequest:
        with plant.open() as store, store.read() as connection:
            as_of = as_of_day(connection, plant.site, context.scheduled_execution_time)
        return dg.RunRequest(run_key=f"{context.scheduled_execution_time:%Y-%m-%d}", partition_key=as_of.isoformat())

    return daily_schedule

