"""Runs and their scores: every execution of a model version, seen while it goes on, with what failed in it and why.

A run is a row from the moment its work begins. Whoever works holds the lock of a worker's number; a row in progress
whose worker's lock can be taken is of a process that died, and is called killed.
"""

from __future__ import annotations

import math
import resource
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.errors import ModelError
from manufacturing_copilot.store import Store, insert_frame
from manufacturing_copilot.store.locks import named_lock
from manufacturing_copilot.store.tables import RunPurpose, RunStatus, model_run, series_score
from manufacturing_copilot.store.types import utc_now

IN_PROGRESS = RunStatus.IN_PROGRESS
WORKERS = 64
KILLED = "its process ended without a word; what its shards found is kept, so running it again goes on from there"
CANCELLED = "it was stopped while it worked"

FORECAST_ENDED = sa.and_(
    model_run.c.purpose == RunPurpose.FORECAST, model_run.c.status.in_((RunStatus.SUCCESS, RunStatus.FAILED))
)
"""The runs that forecast and came to an end by themselves, whose figures count."""


@dataclass(frozen=True)
class Failure:
    """A series whose model failed, and the reason in words; its forecast is the prior of its class."""

    series: str
    reason: str


@dataclass(frozen=True)
class Run:
    """One execution of a model version over the series of a target, frequency and class.

    `number` is that of its row where it has one already, because it was begun.
    """

    version_id: int
    target: str
    frequency: str
    demand_class: str
    as_of: date
    started_at: datetime
    seconds: float
    series: int
    failures: Sequence[Failure] = ()
    metrics: Mapping[str, Any] = field(default_factory=dict)
    run_id: str | None = None
    purpose: RunPurpose = RunPurpose.FORECAST
    number: int | None = None


class Work:
    """What one process works on: its runs are in progress until they are recorded, or until it ends."""

    def __init__(self, store: Store, worker: int, run_id: str | None, purpose: RunPurpose) -> None:
        """Work under the lock of `worker`, which is held."""
        self.store, self.worker, self.run_id, self.purpose = store, worker, run_id, purpose
        self.begun: list[int] = []

    def begin(self, version_id: int, target: str, frequency: str, demand_class: str, as_of: date, series: int) -> int:
        """Write a run that begins now, for everybody to see; return its number."""
        with self.store.write() as connection:
            number = _inserted(
                connection,
                version_id=version_id,
                target=target,
                frequency=frequency,
                demand_class=demand_class,
                as_of=as_of,
                status=IN_PROGRESS,
                started_at=utc_now(),
                seconds=0.0,
                series=series,
                failed_series=0,
                failures=[],
                metrics={},
                run_id=self.run_id,
                purpose=self.purpose,
                worker=self.worker,
            )
        self.begun.append(number)
        return number


@contextmanager
def working(store: Store, run_id: str | None = None, purpose: RunPurpose = RunPurpose.FORECAST) -> Iterator[Work]:
    """Give the work of this process; what is still in progress at its end has failed, or was cancelled.

    `run_id` is the Dagster run. Rows that a dead process left in progress are ended first.
    """
    end_killed(store)
    with _free_worker(store) as worker:
        _end(store, model_run.c.worker == worker, RunStatus.KILLED, KILLED)
        work = Work(store, worker, run_id, purpose)
        try:
            yield work
        except Exception as error:
            _end(store, model_run.c.id.in_(work.begun), RunStatus.FAILED, str(error) or type(error).__name__)
            raise
        except BaseException:  # a person, or Dagster on behalf of one, stopped it
            _end(store, model_run.c.id.in_(work.begun), RunStatus.CANCELLED, CANCELLED)
            raise
        _end(store, model_run.c.id.in_(work.begun), RunStatus.FAILED, "it ended without a result")


def end_killed(store: Store) -> int:
    """End the runs in progress that nobody works on any more; return how many."""
    with store.read() as connection:
        workers = connection.scalars(
            sa.select(model_run.c.worker).where(model_run.c.status == IN_PROGRESS).distinct()
        ).all()
    ended = 0
    for worker in workers:
        with named_lock(store, _lock(worker), wait=False) as nobody_works:
            if nobody_works:
                ended += _end(store, model_run.c.worker == worker, RunStatus.KILLED, KILLED)
    return ended


def record_run(connection: sa.Connection, run: Run) -> int:
    """Write how the run ended; return its number. It failed only where every one of its series did."""
    failed = len(run.failures)
    every = bool(run.series and failed == run.series)
    ended = {
        "status": RunStatus.FAILED if every else RunStatus.SUCCESS,
        "seconds": run.seconds,
        "series": run.series,
        "failed_series": failed,
        "failures": [{"series": failure.series, "reason": failure.reason} for failure in run.failures],
        "metrics": finite(run.metrics),
        "finished_at": utc_now(),
        "peak_mb": _peak_mb(),
        "problem": f"every series failed, the first because: {run.failures[0].reason}" if every else None,
    }
    if run.number is not None:
        connection.execute(sa.update(model_run).where(model_run.c.id == run.number).values(**ended))
        return run.number
    return _inserted(
        connection,
        version_id=run.version_id,
        target=run.target,
        frequency=run.frequency,
        demand_class=run.demand_class,
        as_of=run.as_of,
        started_at=run.started_at,
        run_id=run.run_id,
        purpose=run.purpose,
        **ended,
    )


def record_scores(connection: sa.Connection, scores: pl.DataFrame) -> int:
    """Write scores (columns run_id, series_id, measure, value); values that are not finite are left out."""
    return insert_frame(connection, series_score, scores.filter(pl.col("value").is_finite()))


@contextmanager
def _free_worker(store: Store) -> Iterator[int]:
    for worker in range(WORKERS):
        with named_lock(store, _lock(worker), wait=False) as is_mine:
            if is_mine:
                yield worker
                return
    raise ModelError(f"{WORKERS} processes are forecasting at once; wait until one of them is done")


def _lock(worker: int) -> str:
    return f"model worker {worker}"


def _end(store: Store, which: sa.ColumnElement[bool], status: str, problem: str) -> int:
    with store.write() as connection:
        ended = connection.execute(
            sa.update(model_run)
            .where(model_run.c.status == IN_PROGRESS, which)
            .values(status=status, problem=problem, finished_at=utc_now())
        )
        return ended.rowcount


def _inserted(connection: sa.Connection, **values: Any) -> int:
    key = connection.execute(sa.insert(model_run).values(**values)).inserted_primary_key
    if key is None:
        raise ModelError("the database gave no id for a new run")
    return int(key[0])


def _peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1024**2 if sys.platform == "darwin" else 1024), 1)


def finite(value: Any) -> Any:
    """Return `value` for JSON, which has no NaN and no infinity: a figure that could not be computed is null."""
    if isinstance(value, Mapping):
        return {str(key): finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
