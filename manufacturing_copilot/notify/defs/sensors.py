"""The sensor that starts the notify job when somebody needs to be told."""

import dagster as dg

from manufacturing_copilot.dagster_support import SENSOR_SECONDS, Plant
from manufacturing_copilot.notify.defs.jobs import JOB, notify
from manufacturing_copilot.notify.delivery import due_deliveries
from manufacturing_copilot.notify.outbox import unplanned_messages
from manufacturing_copilot.site import Site
from manufacturing_copilot.store.types import utc_now

_UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


def build_undelivered(site: Site, every_seconds: int = SENSOR_SECONDS) -> dg.SensorDefinition:
    """Return the sensor `undelivered`; it starts by itself where the site's schedule does."""

    @dg.sensor(
        name="undelivered",
        job=notify,
        minimum_interval_seconds=every_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING if site.schedule_on else dg.DefaultSensorStatus.STOPPED,
        description="Starts the job `notify` when there is news for somebody or a delivery is due.",
    )
    def undelivered(context: dg.SensorEvaluationContext, plant: Plant) -> dg.RunRequest | dg.SkipReason:
        filters = dg.RunsFilter(job_name=JOB, statuses=_UNDER_WAY)
        if context.instance.get_runs_count(filters):
            return dg.SkipReason("the job that sends messages is already running")
        now = utc_now()
        with plant.open() as store, store.read() as connection:
            waiting, news = due_deliveries(connection, now), unplanned_messages(connection, plant.site, now)
        if not waiting and not news:
            return dg.SkipReason("no message is due and there is no news")
        # the time is part of the key: a run key is used once only, and a run that failed must be able to start again
        return dg.RunRequest(run_key=f"{now:%Y-%m-%dT%H:%M:%S}", tags={"waiting": str(waiting), "news": str(news)})

    return undelivered
