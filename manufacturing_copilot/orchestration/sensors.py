"""The sensor of the flow: once new batches are loaded, what rests on them is brought up to date."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import dagster as dg
import sqlalchemy as sa

from manufacturing_copilot.clock import day_to_run
from manufacturing_copilot.dagster_support import SENSOR_SECONDS, UNFINISHED, Plant
from manufacturing_copilot.orchestration.jobs import DAILY, FACTS
from manufacturing_copilot.orchestration.orphaned_runs import end_dead_runs
from manufacturing_copilot.progress import batches_hash, is_current
from manufacturing_copilot.site import Site
from manufacturing_copilot.store.tables import BatchStatus, batch, refresh
from manufacturing_copilot.store.types import utc_now

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

ATTEMPTS_AT_MOST = 3
SEEN_TAG = "copilot/batches_seen"
_WAIT_FOR_CLAIMED = timedelta(hours=1)
"""Batches that were claimed longer ago and are still not loaded need a person; the others do not wait for them."""


def new_batches_sensor(
    site: Site, jobs: dict[str, UnresolvedAssetJobDefinition], every_seconds: int = SENSOR_SECONDS
) -> dg.SensorDefinition:
    """Return the sensor that follows the batches.

    On a day that has its forecasts it asks for facts, alerts and report; on a day that has none, for the whole flow.
    """
    running = dg.DefaultSensorStatus.RUNNING if site.schedule_on else dg.DefaultSensorStatus.STOPPED

    @dg.sensor(
        name="new_batches",
        jobs=[jobs[FACTS], jobs[DAILY]],
        minimum_interval_seconds=every_seconds,
        default_status=running,
        description="Brings facts, alerts and report up to date after a load; on a new day, the forecasts too.",
    )
    def new_batches(context: dg.SensorEvaluationContext, plant: Plant) -> dg.SensorResult:
        with plant.open() as store:
            end_dead_runs(context.instance, store)
        with plant.open() as store, store.read() as connection:
            as_of = day_to_run(connection, plant.site)
            skip = _why_wait(connection, plant.site, as_of)
            if skip is not None:
                return dg.SensorResult(skip_reason=skip)
            seen = batches_hash(connection, plant.site)
            job = FACTS if _has_forecasts(connection, plant.site, as_of) else DAILY
        return _ask(context.instance, job, f"{seen[:16]} {as_of}", as_of)

    return new_batches


def _why_wait(connection: sa.Connection, site: Site, as_of: date) -> str | None:
    if not connection.scalar(sa.select(sa.func.count()).where(batch.c.status == BatchStatus.SUCCESS)):
        return "no batch was loaded yet"
    if is_current(connection, site, as_of):
        return "no batch was loaded since the facts were brought up to date"
    recent = batch.c.claimed_at > utc_now() - _WAIT_FOR_CLAIMED
    loading = connection.scalar(
        sa.select(sa.func.count()).where(batch.c.status.in_((BatchStatus.PENDING, BatchStatus.IN_PROGRESS)), recent)
    )
    return f"{loading} batches are being loaded; the facts follow them" if loading else None


def _has_forecasts(connection: sa.Connection, site: Site, as_of: date) -> bool:
    wanted = {f"forecasts/{target.value}" for target in site.forecasts}
    made = connection.scalars(sa.select(refresh.c.stage).where(refresh.c.as_of == as_of, refresh.c.stage.in_(wanted)))
    return wanted == set(made)


def _ask(instance: dg.DagsterInstance, job: str, seen: str, as_of: date) -> dg.SensorResult:
    for name in (FACTS, DAILY):
        if instance.get_runs_count(dg.RunsFilter(job_name=name, statuses=UNFINISHED)):
            return dg.SensorResult(skip_reason=f"the job {name} is under way")
    earlier = instance.get_runs_count(dg.RunsFilter(job_name=job, tags={SEEN_TAG: seen}))
    if earlier >= ATTEMPTS_AT_MOST:
        return dg.SensorResult(skip_reason=f"{earlier} runs of {job} have failed on these batches; look at their logs")
    # A run key is used up for ever, by failed runs too: so it counts the runs that there were.
    request = dg.RunRequest(
        run_key=f"{job} {seen} {earlier + 1}",
        job_name=job,
        partition_key=as_of.isoformat(),
        tags={SEEN_TAG: seen},
    )
    return dg.SensorResult(run_requests=[request])
