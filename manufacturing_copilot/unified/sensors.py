"""A sensor: once new batches are loaded, the facts are brought up to date."""

import dagster as dg
import sqlalchemy as sa

from manufacturing_copilot.edge import Plant
from manufacturing_copilot.ingest.clock import as_of_day
from manufacturing_copilot.site import Site
from manufacturing_copilot.store.tables import batch
from manufacturing_copilot.unified.jobs import FACTS
from manufacturing_copilot.unified.progress import batches_hash, last_seen_batch, up_to_batch

INTERVAL_SECONDS = 30
ATTEMPTS_AT_MOST = 3
SEEN_TAG = "copilot/batches_seen"
_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def new_batches_sensor(site: Site) -> dg.SensorDefinition:
    """Return the sensor that asks for one run of `facts` when batches were loaded, or withdrawn, since the last."""
    running = dg.DefaultSensorStatus.RUNNING if site.schedule_on else dg.DefaultSensorStatus.STOPPED

    @dg.sensor(
        name="new_batches",
        job_name=FACTS,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=running,
        description="Asks for the facts to be brought up to date when batches have been loaded.",
    )
    def new_batches(context: dg.SensorEvaluationContext, plant: Plant) -> dg.SensorResult:
        with plant.open() as store, store.read() as connection:
            seen, newest = batches_hash(connection), up_to_batch(connection)
            known = last_seen_batch(connection)
            if seen == known or (known is None and newest == 0):
                return dg.SensorResult(skip_reason="no batch was loaded since the facts were brought up to date")
            loading = connection.scalar(sa.select(sa.func.count()).where(batch.c.status == "in_progress"))
            as_of = as_of_day(connection, plant.site)
        if loading:
            return dg.SensorResult(skip_reason=f"{loading} batches are being loaded; the facts follow them")
        return _ask(context.instance, f"{newest} {seen[:16]}", as_of.isoformat())

    return new_batches


def _ask(instance: dg.DagsterInstance, seen: str, day: str) -> dg.SensorResult:
    if instance.get_runs_count(dg.RunsFilter(job_name=FACTS, statuses=_UNFINISHED)):
        return dg.SensorResult(skip_reason="the facts are being brought up to date")
    earlier = instance.get_runs_count(dg.RunsFilter(job_name=FACTS, tags={SEEN_TAG: seen}))
    if earlier >= ATTEMPTS_AT_MOST:
        return dg.SensorResult(skip_reason=f"{earlier} runs have failed on these batches; look at their logs")
    # A run key is used up for ever, by failed runs too: so it counts the runs that there were.
    request = dg.RunRequest(run_key=f"{seen} {earlier + 1}", partition_key=day, tags={SEEN_TAG: seen})
    return dg.SensorResult(run_requests=[request])
