"""The whole flow in one process, without a daemon, as recorded Dagster runs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from manufacturing_copilot.clock import as_of_day, day_to_run
from manufacturing_copilot.errors import SiteError, StoreError
from manufacturing_copilot.ingest.discovery.claim import claim
from manufacturing_copilot.ingest.ledger.batches import pending_batches, sweep
from manufacturing_copilot.notify.delivery import due_deliveries
from manufacturing_copilot.notify.outbox import unplanned_messages
from manufacturing_copilot.orchestration.staleness import stages_behind
from manufacturing_copilot.site import Site
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.locks import named_lock
from manufacturing_copilot.store.private import private_folder
from manufacturing_copilot.store.types import utc_now

if TYPE_CHECKING:  # importing Dagster takes seconds, and a run that finds nothing new does without
    import dagster as dg

_STARTED_BY = {"copilot/started_by": "copilot run"}
_NO_RETRIES = {"dagster/max_retries": "0"}
"""The next call takes up what this one leaves; a daemon that sees its runs shall not."""
_UNDER_WAY = "copilot run"
"""The lock that a call of `run_site` holds."""

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Step:
    """One recorded run: what it was, whether it succeeded, its seconds, and what went wrong in words."""

    name: str
    success: bool
    seconds: float
    run_id: str
    problems: tuple[str, ...] = ()


@dataclass
class Outcome:
    """What one call of `run_site` did; no step at all where nothing was new."""

    steps: list[Step] = field(default_factory=list)

    @property
    def success(self) -> bool:
        """Whether every step succeeded."""
        return all(step.success for step in self.steps)


Tell = Callable[[str], None]
"""Called with the name of a step before it begins."""


def run_site(store: Store, site: Site, home: Path, *, actor: str, tell: Tell, told: Callable[[Step], None]) -> Outcome:
    """Load what waits in the inbox and bring every stage up to date, each step a recorded Dagster run.

    Batches that a dead process left half done are taken up again. A feed that fails does not keep the others from
    being loaded; a later stage that fails ends the flow. Where another call is under way, this one waits for it.
    Raises SiteError where the site's YAML is wrong, KeyboardInterrupt where a person stops it.
    """
    with store.read() as connection:
        day_to_run(connection, site)
    sweep(store, actor=actor)
    outcome = Outcome()
    began = time.monotonic()
    try:
        claim(store, site, home, actor=actor)
    except SiteError as problem:  # a table that does not answer keeps nothing else from being loaded
        step = Step("looking for what waits", False, time.monotonic() - began, "", (str(problem),))
        outcome.steps.append(step)
        told(step)
    if not is_anything_to_do(store, site):
        return outcome
    flow = _Flow(store, site, home, outcome, tell, told)
    with named_lock(store, _UNDER_WAY), flow.instance() as instance:
        flow.end_dead_runs(instance)
        flow.ingest(instance)
        flow.stages(instance)
        flow.notify(instance)  # also what waited from before, where no stage is behind
    return outcome


def is_anything_to_do(store: Store, site: Site) -> bool:
    """Whether a batch waits, a stage is behind, or somebody is still to be told."""
    with store.read() as connection:
        return (
            not pending_batches(connection).is_empty()
            or bool(stages_behind(connection, site, as_of_day(connection, site)))
            or _is_news(store, site)
        )


def _is_news(store: Store, site: Site) -> bool:
    now = utc_now()
    with store.read() as connection:
        return unplanned_messages(connection, site, now) > 0 or due_deliveries(connection, now) > 0


class _Flow:
    """The steps of one call, in order."""

    def __init__(
        self, store: Store, site: Site, home: Path, outcome: Outcome, tell: Tell, told: Callable[[Step], None]
    ) -> None:
        from manufacturing_copilot.dagster_support import Plant
        from manufacturing_copilot.orchestration import assembly

        self.store, self.site, self.outcome, self.tell, self.told = store, site, outcome, tell, told
        plant = Plant(
            site_folder=str(site.folder),
            home_folder=str(home),
            database_url=store.engine.url.render_as_string(hide_password=False),
        )
        self.definitions = assembly.build(site.folder, resources={"plant": plant})

    @contextmanager
    def instance(self) -> Iterator[dg.DagsterInstance]:
        import dagster as dg

        os.environ.setdefault("DAGSTER_HOME", str(dagster_home()))
        with dg.DagsterInstance.get() as instance:
            # Whoever was killed while making Dagster's storage left it without tables. Reading an asset makes what is
            # missing; asking for a batch's partition does not, and fails.
            instance.get_asset_keys(limit=1)
            yield instance

    def end_dead_runs(self, instance: dg.DagsterInstance) -> None:
        """End the runs of calls that were killed, and others' whose process is dead: they keep batches and pools.

        We hold the lock that a call holds, so that no run of a call lives.
        """
        import dagster as dg

        from manufacturing_copilot.orchestration.orphaned_runs import end, end_dead_runs

        ended = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
        unfinished = [status for status in dg.DagsterRunStatus if status not in ended]
        for run in instance.get_runs(dg.RunsFilter(tags=_STARTED_BY, statuses=unfinished)):
            end(instance, run, "the `copilot run` that worked on it was killed")
        end_dead_runs(instance, self.store)

    def ingest(self, instance: dg.DagsterInstance) -> None:
        from manufacturing_copilot.ingest.defs.sensors import requests_for

        with self.store.read() as connection:
            pending = pending_batches(connection)
        asked = requests_for(instance, self.site.feeds, pending)
        for addition in asked.dynamic_partitions_requests or []:
            instance.add_dynamic_partitions(addition.partitions_def_name, list(addition.partition_keys))
        for request in asked.run_requests or []:
            self._execute(request.job_name or "", instance, request.partition_key, dict(request.tags))

    def stages(self, instance: dg.DagsterInstance) -> None:
        from manufacturing_copilot.orchestration.jobs import is_by_day

        with self.store.read() as connection:
            as_of = day_to_run(connection, self.site)
            behind = stages_behind(connection, self.site, as_of)
        for stage in behind:
            if stage == "report":
                self.notify(instance)  # the page says who was told
            if not self._execute(stage, instance, as_of.isoformat() if is_by_day(stage) else None, {}):
                return

    def notify(self, instance: dg.DagsterInstance) -> None:
        # A feed that failed keeps nobody from hearing what the others brought to light.
        failed = any(step.name == "notify" and not step.success for step in self.outcome.steps)
        if not failed and _is_news(self.store, self.site):
            self._execute("notify", instance, None, {})

    def _execute(
        self,
        name: str,
        instance: dg.DagsterInstance,
        partition: str | None,
        tags: dict[str, str],
    ) -> bool:
        job = self.definitions.resolve_job_def(name)
        self.tell(name)
        started = time.monotonic()
        result = job.execute_in_process(
            instance=instance,
            partition_key=partition,
            tags=tags | _STARTED_BY | _NO_RETRIES,
            run_config=_QUIET,
            raise_on_error=False,
        )
        _stop_if_interrupted(result)
        problems = tuple(dict.fromkeys(_problem_of(event) for event in result.all_events if event.is_step_failure))
        step = Step(name, result.success, time.monotonic() - started, result.run_id, problems)
        self.outcome.steps.append(step)
        self.told(step)
        return step.success


def _stop_if_interrupted(result: dg.ExecuteInProcessResult) -> None:
    """Raise KeyboardInterrupt where a person stopped the run; Dagster reports that as a failure of the step."""
    failures = [event.step_failure_data.error for event in result.all_events if event.is_step_failure]
    if any(error is not None and error.cls_name == "DagsterExecutionInterruptedError" for error in failures):
        raise KeyboardInterrupt


def _problem_of(event: dg.DagsterEvent) -> str:
    """Return the sentence of a failed step: the words of our own error, else those of the innermost one."""
    failure = event.step_failure_data
    if failure.user_failure_data and failure.user_failure_data.description:
        return failure.user_failure_data.description
    error = failure.error
    while error is not None and error.cause is not None and error.cls_name != StoreError.__name__:
        error = error.cause
    return error.message.strip() if error is not None else f"step {event.step_key} failed"


def dagster_home() -> Path:
    """Return the folder whose dagster.yaml holds: this one where it has one, else `dagster` in the home folder.

    The latter gets our settings where it has none: without any, Dagster would report its use to its makers.
    """
    from manufacturing_copilot.store import home_folder

    if (Path.cwd() / "dagster.yaml").exists():
        return Path.cwd()
    folder = private_folder(home_folder() / "dagster")
    if not (folder / "dagster.yaml").exists():
        settings = resources.files(__package__) / "dagster.yaml"
        (folder / "dagster.yaml").write_bytes(settings.read_bytes())
    return folder
