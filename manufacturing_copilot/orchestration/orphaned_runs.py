"""Runs whose process crashed: recognised by the lock that a living run holds, and ended.

Dagster's own monitoring asks the code server that started a run whether the run is alive. Where that server has crashed
too, nobody answers, and the run would keep its batches and its slots in the pools for hours.
"""

from __future__ import annotations

import time

import dagster as dg

from manufacturing_copilot.dagster_support import LIVES_TAG, life_lock, mark_of
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.locks import named_lock

GRACE_SECONDS = 3.0
"""Within this time a run that has released its lock reports how it ended."""

_WORKING = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def end_dead_runs(instance: dg.DagsterInstance, store: Store, *, grace_seconds: float = GRACE_SECONDS) -> list[str]:
    """End the started runs over this store that no process works on any more; return their ids.

    That frees their slots in the pools, and their batches can be requested again. A run whose lock is free may be about
    to report its own end; it is given `grace_seconds` for that.
    """
    begun = instance.get_runs(dg.RunsFilter(statuses=_WORKING, tags={LIVES_TAG: mark_of(store)}))
    suspects = [run.run_id for run in begun if _is_free(store, run.run_id)]
    if not suspects:
        return []
    time.sleep(grace_seconds)
    still = instance.get_runs(dg.RunsFilter(run_ids=suspects, statuses=_WORKING))
    for run in still:
        end(instance, run, "its process crashed")
    return [run.run_id for run in still]


def end(instance: dg.DagsterInstance, run: dg.DagsterRun, why: str) -> None:
    """Mark a run as failed and free its slots in the pools."""
    instance.report_run_failed(run, why)
    instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)


def _is_free(store: Store, run_id: str) -> bool:
    with named_lock(store, life_lock(run_id), wait=False, once=True) as is_free:
        return is_free
