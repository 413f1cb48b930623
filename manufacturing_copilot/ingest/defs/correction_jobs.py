"""What a person decides about batches and rejected rows, as Dagster jobs: the same as the verbs of the command line.

Whoever starts one from the UI says in its run config who they are and why; both go into the batch's audit trail with
the run beside them.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pydantic

from manufacturing_copilot.dagster_support import Plant, failing_in_words, preview
from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.ingest.corrections.replay import refuse, release, replay
from manufacturing_copilot.ingest.corrections.withdraw import restore, withdraw
from manufacturing_copilot.ingest.ledger import attempts
from manufacturing_copilot.ingest.ledger.batches import story_of
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.types import utc_now

_EVENTS_SHOWN = 20

_SENTENCES = 20  # of a mended file, in the message of a failed run


class BatchDecision(dg.Config):
    """A batch by its reference, who decides about it, and why."""

    reference: str = pydantic.Field(description="Reference of the batch, such as 00000042.")
    actor: str = pydantic.Field(description="Who decides.")
    reason: str = pydantic.Field(description="Why, for whoever asks later.")


class ChosenRows(BatchDecision):
    """Rejected rows of a batch, by their lines."""

    lines: list[int] = pydantic.Field(description="Line numbers of the rows in their file.")


class MendedRows(dg.Config):
    """A file of mended rows, named from the home folder, who mended them, and why."""

    file: str = pydantic.Field(description="Path of the file of mended rows, from the home folder.")
    actor: str = pydantic.Field(description="Who mended the rows.")
    reason: str = pydantic.Field(description="Why, for whoever asks later.")


@dg.op(name="withdraw", description="Withdraw a batch: remove its effect from everything, as if it had never come.")
def withdraw_op(context: dg.OpExecutionContext, config: BatchDecision, plant: Plant) -> None:
    """Withdraw the batch."""
    with _deciding(context, config, plant) as (store, actor):
        withdraw(store, plant.site, config.reference, home=plant.home, actor=actor, reason=config.reason)
        _tell_of_batch(context, store, config.reference)


@dg.op(name="restore", description="Restore a withdrawn batch: it is loaded again, in its old place in the order.")
def restore_op(context: dg.OpExecutionContext, config: BatchDecision, plant: Plant) -> None:
    """Restore the batch."""
    with _deciding(context, config, plant) as (store, actor):
        restore(store, config.reference, actor=actor, reason=config.reason)
        _tell_of_batch(context, store, config.reference)


@dg.op(name="retry", description="Retry a failed batch: it is loaded again.")
def retry_op(context: dg.OpExecutionContext, config: BatchDecision, plant: Plant) -> None:
    """Put the batch back to pending."""
    with _deciding(context, config, plant) as (store, actor):
        attempts.retry(store, config.reference, actor=actor, reason=config.reason)
        _tell_of_batch(context, store, config.reference)


@dg.op(name="release_rows", description="Release rows that a guard held back and that are correct as they are.")
def release_rows_op(context: dg.OpExecutionContext, config: ChosenRows, plant: Plant) -> None:
    """Release the rows."""
    with _deciding(context, config, plant) as (store, actor):
        released = release(
            store, plant.site, config.reference, config.lines, home=plant.home, actor=actor, reason=config.reason
        )
        context.add_output_metadata({"rows released": released})
        _tell_of_batch(context, store, config.reference)


@dg.op(name="refuse_rows", description="Refuse rejected rows for good, so that they no longer wait for a decision.")
def refuse_rows_op(context: dg.OpExecutionContext, config: ChosenRows, plant: Plant) -> None:
    """Refuse the rows."""
    with _deciding(context, config, plant) as (store, actor):
        refused = refuse(
            store, plant.site, config.reference, config.lines, home=plant.home, actor=actor, reason=config.reason
        )
        context.add_output_metadata({"rows refused": refused})
        _tell_of_batch(context, store, config.reference)


@dg.op(
    name="replay_rows",
    description="Replay corrected rows: those that pass now are accepted.",
)
def replay_rows_op(context: dg.OpExecutionContext, config: MendedRows, plant: Plant) -> None:
    """Replay the file."""
    with _deciding(context, config, plant) as (store, actor):
        source = _below_home(plant.home, config.file)
        done = replay(store, plant.site, source, home=plant.home, actor=actor, reason=config.reason)
    context.add_output_metadata(
        {"rows mended": done.mended, "rows still rejected": done.rejected, "rows mended before": done.before}
    )
    wrong = (*done.not_taken, *done.still_wrong)
    if wrong:
        more = f"; and {len(wrong) - _SENTENCES:,} more" if len(wrong) > _SENTENCES else ""
        raise dg.Failure("; ".join(wrong[:_SENTENCES]) + more, allow_retries=False)


@contextmanager
def _deciding(
    context: dg.OpExecutionContext, config: BatchDecision | MendedRows, plant: Plant
) -> Iterator[tuple[Store, str]]:
    """Give the store and who acts; a mistake fails the run in its sentence, and is not tried again."""
    with failing_in_words():
        if not config.actor.strip() or not config.reason.strip():
            raise BatchError("actor or reason is empty; say who decides and why, for whoever asks later")
        with plant.open() as store:
            yield store, f"{config.actor.strip()} in run {context.run_id}"


def _below_home(home: Path, file: str) -> Path:
    path = (home / file).resolve()
    if not path.is_relative_to(home.resolve()):
        raise BatchError(f"{file} lies outside the home folder; put the file below it and name it from there")
    return path


def _tell_of_batch(context: dg.OpExecutionContext, store: Store, reference: str) -> None:
    story = story_of(store, reference)
    context.log.info("batch %s is %s as of %s", reference, story.counts.status, utc_now().isoformat(timespec="seconds"))
    events = story.events.tail(_EVENTS_SHOWN)
    context.add_output_metadata({"status": story.counts.status, "history": preview(events, events.height)})


def correction_jobs() -> list[dg.JobDefinition]:
    """Return the jobs, one a verb, each in one process."""
    ops: dict[str, dg.OpDefinition] = {
        "withdraw_batch": withdraw_op,
        "restore_batch": restore_op,
        "retry_batch": retry_op,
        "release_rejected": release_rows_op,
        "refuse_rejected": refuse_rows_op,
        "replay_rejected": replay_rows_op,
    }
    return [_job(name, op) for name, op in ops.items()]


def _job(name: str, op: dg.OpDefinition) -> dg.JobDefinition:
    def only() -> None:
        op()

    make: Callable[[Callable[[], None]], dg.JobDefinition] = dg.job(
        name=name, executor_def=dg.in_process_executor, description=op.description
    )
    return make(only)
