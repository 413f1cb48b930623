"""The job that tells people: plans what is news, and delivers what is due."""

import dagster as dg

from manufacturing_copilot.dagster_support import Plant, preview
from manufacturing_copilot.notify import delivery_ledger
from manufacturing_copilot.notify.delivery import deliver
from manufacturing_copilot.notify.outbox import plan_messages
from manufacturing_copilot.store.types import utc_now

JOB = "notify"


@dg.op(description="Plan the messages that people need, and send what is due; every attempt is recorded.")
def deliver_notifications(context: dg.OpExecutionContext, plant: Plant) -> None:
    """Plan, deliver, and fail where somebody could not be told at all."""
    with plant.open() as store:
        planned = plan_messages(store, plant.site, utc_now())
        summary = deliver(store, plant.site, utc_now(), run_id=context.run_id)
        with store.read() as connection:
            totals = delivery_ledger.totals(connection)
            newest = delivery_ledger.newest_deliveries(connection, limit=20)
    context.log.info(
        "%s messages planned; deliveries: %s accepted, %s to be tried again, %s failed, %s unknown",
        *(planned, summary.accepted, summary.retried, summary.failed, summary.unknown),
    )
    for problem in summary.problems:
        context.log.warning(problem)
    context.add_output_metadata(
        {
            "messages planned": planned,
            "deliveries accepted": summary.accepted,
            "deliveries to be tried again": summary.retried,
            "deliveries failed": summary.failed,
            "deliveries unknown": summary.unknown,
            "deliveries interrupted before": summary.interrupted,
            "ledger": dict(totals),
            "newest deliveries": preview(
                newest.select("person", "channel", "status", "severity", "title", "detail"), newest.height
            ),
        }
    )
    if summary.failed:
        raise dg.Failure(
            f"{summary.failed} deliveries failed for good, so that somebody was not told: {summary.problems[0]}",
            allow_retries=False,
        )


@dg.job(
    name=JOB,
    executor_def=dg.in_process_executor,
    description="Tells people about alerts: the right person, on the right channel, at the right time.",
    tags={"dagster/max_runtime": 3600},
)
def notify() -> None:
    """Run the one op."""
    deliver_notifications()
