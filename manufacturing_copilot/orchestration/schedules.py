"""The schedule of the flow: all of it, once a day."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from manufacturing_copilot.clock import day_to_run
from manufacturing_copilot.dagster_support import Plant
from manufacturing_copilot.orchestration.jobs import DAILY
from manufacturing_copilot.site import Site

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition


def daily_schedule(site: Site, job: UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    """Return the schedule that runs the whole flow every day at the site's time, for the plant's last complete day."""
    hours, _, minutes = site.schedule.partition(":")

    @dg.schedule(
        name=DAILY,
        job=job,
        cron_schedule=f"{int(minutes)} {int(hours)} * * *",
        execution_timezone=site.zone,
        default_status=dg.DefaultScheduleStatus.RUNNING if site.schedule_on else dg.DefaultScheduleStatus.STOPPED,
        description=f"Runs the whole flow every day at {site.schedule} ({site.zone}).",
    )
    def daily(context: dg.ScheduleEvaluationContext, plant: Plant) -> dg.RunRequest:
        at = context.scheduled_execution_time
        with plant.open() as store, store.read() as connection:
            as_of = day_to_run(connection, plant.site, at)
        return dg.RunRequest(run_key=f"{at:%Y-%m-%d %H:%M}", partition_key=as_of.isoformat())

    return daily
