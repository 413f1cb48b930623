"""The ledger of batches: every change of a status, each with its moment, its actor and its reason."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.site import Site
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.locks import named_lock
from manufacturing_copilot.store.tables import BatchStatus, batch, batch_event, batch_file, feed
from manufacturing_copilot.store.types import utc_now

UNREADABLE = "unreadable"
"""Key of `batch_file.found` of a file that could not be loaded: why."""

ATTEMPTS_AT_MOST = 5
"""So often a batch whose run dies without a word is tried again by itself; then it waits for a person."""


@dataclass(frozen=True)
class BatchCounts:
    """How a batch stands: its status, its rows by fate, and why it failed where it did.

    received = accepted + duplicate + rejected; `changed` of the accepted replaced an earlier record.
    """

    reference: str
    feed: str
    status: str
    received: int = 0
    accepted: int = 0
    duplicate: int = 0
    rejected: int = 0
    changed: int = 0
    problem: str | None = None


@dataclass(frozen=True)
class Attempt:
    """One try at loading a batch; its number is what entitles it to write the end of it."""

    batch_id: int
    feed_id: int
    reference: str
    number: int


def load_lock(feed_name: str) -> str:
    """Return the name of the lock that whoever loads batches of a feed holds, one at a time."""
    return f"load {feed_name}"


def feed_ids(connection: sa.Connection, site: Site) -> dict[str, int]:
    """Return the number of every feed of the site, by name; feeds that are new get one."""
    existing = dict(connection.execute(sa.select(feed.c.name, feed.c.id)).tuples().all())
    for declared in site.feeds:
        if declared.feed not in existing:
            existing[declared.feed] = connection.execute(
                sa.insert(feed).values(name=declared.feed).returning(feed.c.id)
            ).scalar_one()
    return {declared.feed: existing[declared.feed] for declared in site.feeds}


def note(
    connection: sa.Connection, batch_id: int, *, actor: str, from_status: str | None, to_status: str, reason: str
) -> None:
    """Write one line of the audit trail."""
    connection.execute(
        sa.insert(batch_event).values(
            batch_id=batch_id,
            at=utc_now(),
            actor=actor,
            from_status=from_status,
            to_status=to_status,
            reason=reason,
        )
    )


def counts_of(store: Store, reference: str) -> BatchCounts:
    """Return how the batch `reference` stands; raises BatchError where there is none."""
    query = (
        sa.select(
            batch.c.reference,
            feed.c.name.label("feed"),
            batch.c.status,
            batch.c.rows_received.label("received"),
            batch.c.rows_accepted.label("accepted"),
            batch.c.rows_duplicate.label("duplicate"),
            batch.c.rows_rejected.label("rejected"),
            batch.c.rows_changed.label("changed"),
            batch.c.problem,
        )
        .join(feed, feed.c.id == batch.c.feed_id)
        .where(batch.c.reference == reference)
    )
    with store.read() as connection:
        row = connection.execute(query).one_or_none()
    if row is None:
        raise unknown(reference)
    return BatchCounts(*row)


def unknown(reference: str) -> BatchError:
    """Return the error for a reference that no batch has."""
    return BatchError(f"no batch has the reference {reference!r}; `copilot batch list` shows those there are")


def begin(store: Store, reference: str, *, run_id: str | None, actor: str) -> Attempt | None:
    """Mark the batch in progress and return the attempt, or None where it is loaded already.

    The caller holds the feed's load lock: a batch that is in progress under it was left there by a run that died.
    Raises BatchError where the batch is unknown or was withdrawn.
    """
    with store.write() as connection:
        found = connection.execute(
            sa.select(batch.c.id, batch.c.feed_id, batch.c.status, batch.c.attempts).where(
                batch.c.reference == reference
            )
        ).one_or_none()
        if found is None:
            raise unknown(reference)
        if found.status == BatchStatus.SUCCESS:
            return None
        if found.status == BatchStatus.WITHDRAWN:
            raise BatchError(f"batch {reference} was withdrawn; `copilot batch restore` lets it be loaded again")
        number = found.attempts + 1
        connection.execute(
            sa.update(batch)
            .where(batch.c.id == found.id)
            .values(
                status=BatchStatus.IN_PROGRESS,
                attempts=number,
                run_id=run_id,
                started_at=utc_now(),
                finished_at=None,
                problem=None,
            )
        )
        again = "; the run before ended without a word" if found.status == BatchStatus.IN_PROGRESS else ""
        note(
            connection,
            found.id,
            actor=actor,
            from_status=found.status,
            to_status=BatchStatus.IN_PROGRESS,
            reason=f"attempt {number}{again}",
        )
    return Attempt(found.id, found.feed_id, reference, number)


def succeed(connection: sa.Connection, attempt: Attempt, counts: BatchCounts, *, actor: str) -> None:
    """Write the counts and the status success, in the transaction that writes the rows.

    Raises BatchError where another run has taken the batch over: then nothing of this one may stay.
    """
    _end(
        connection,
        attempt,
        status=BatchStatus.SUCCESS,
        problem=None,
        rows_received=counts.received,
        rows_accepted=counts.accepted,
        rows_duplicate=counts.duplicate,
        rows_rejected=counts.rejected,
        rows_changed=counts.changed,
    )
    reason = (
        f"{counts.received} rows: {counts.accepted} accepted ({counts.changed} of them changes),"
        f" {counts.duplicate} duplicate, {counts.rejected} rejected"
    )
    note(
        connection,
        attempt.batch_id,
        actor=actor,
        from_status=BatchStatus.IN_PROGRESS,
        to_status=BatchStatus.SUCCESS,
        reason=reason,
    )


def fail(
    store: Store, attempt: Attempt, problem: str, *, actor: str, unreadable: Mapping[int, str] | None = None
) -> None:
    """Write the status failed and why; `unreadable`: files by their number that are looked at anew by a retry."""
    with store.write() as connection:
        _end(connection, attempt, status=BatchStatus.FAILED, problem=problem)
        _mark_unreadable(connection, unreadable or {})
        note(
            connection,
            attempt.batch_id,
            actor=actor,
            from_status=BatchStatus.IN_PROGRESS,
            to_status=BatchStatus.FAILED,
            reason=problem,
        )


def set_apart(store: Store, attempt: Attempt, problems: Mapping[int, str], *, actor: str) -> list[str]:
    """Give each of these files, which cannot be loaded, a failed batch of its own; return their references.

    They keep their place in the order of files. Raises BatchError where another run has taken the batch over.
    """
    references = []
    with store.write() as connection:
        ours = (
            (batch.c.id == attempt.batch_id)
            & (batch.c.attempts == attempt.number)
            & (batch.c.status == BatchStatus.IN_PROGRESS)
        )
        whole = connection.execute(sa.select(batch.c.claimed_at, batch.c.run_id).where(ours)).one_or_none()
        if whole is None:
            raise BatchError(f"batch {attempt.reference} was taken over by another run; this one's work is dropped")
        for file_id, problem in problems.items():
            values = {
                "feed_id": attempt.feed_id,
                "reference": uuid.uuid4().hex,
                "status": BatchStatus.FAILED,
                "claimed_at": whole.claimed_at,
                "run_id": whole.run_id,
                "started_at": utc_now(),
                "finished_at": utc_now(),
                "attempts": 1,
                "problem": problem,
            }
            batch_id = connection.execute(sa.insert(batch).values(values).returning(batch.c.id)).scalar_one()
            reference = f"{batch_id:08d}"
            connection.execute(sa.update(batch).where(batch.c.id == batch_id).values(reference=reference))
            connection.execute(sa.update(batch_file).where(batch_file.c.id == file_id).values(batch_id=batch_id))
            for number, status in ((attempt.batch_id, BatchStatus.IN_PROGRESS), (batch_id, BatchStatus.FAILED)):
                other = reference if number == attempt.batch_id else attempt.reference
                reason = f"set apart as batch {other}: {problem}"
                if number == batch_id:
                    reason = f"set apart from batch {other}, whose other files are loaded: {problem}"
                from_status = BatchStatus.IN_PROGRESS
                note(connection, number, actor=actor, from_status=from_status, to_status=status, reason=reason)
            references.append(reference)
        _mark_unreadable(connection, problems)
    return references


def _mark_unreadable(connection: sa.Connection, problems: Mapping[int, str]) -> None:
    for file_id, problem in problems.items():
        values = {"found": {UNREADABLE: problem}}
        connection.execute(sa.update(batch_file).where(batch_file.c.id == file_id).values(values))


def put_back(store: Store, attempt: Attempt, trouble: str, *, actor: str) -> None:
    """Let an attempt that ended through no fault of the batch be made again, ATTEMPTS_AT_MOST times by itself."""
    _put_back(store, attempt.batch_id, attempt.number, actor, trouble)


def _end(connection: sa.Connection, attempt: Attempt, **values: object) -> None:
    ours = (
        (batch.c.id == attempt.batch_id)
        & (batch.c.attempts == attempt.number)
        & (batch.c.status == BatchStatus.IN_PROGRESS)
    )
    ended = connection.execute(sa.update(batch).where(ours).values(finished_at=utc_now(), **values))
    if ended.rowcount != 1:
        raise BatchError(f"batch {attempt.reference} was taken over by another run; this one's work is dropped")


def sweep(store: Store, *, actor: str) -> list[str]:
    """Put batches back to pending whose run died on the way; return their references.

    A run that lives holds the load lock of its feed, and a lock dies with its holder: so a batch in progress whose
    lock is free belongs to nobody. One that has died ATTEMPTS_AT_MOST times is marked failed and waits for a person.
    """
    left = (
        sa.select(batch.c.id, batch.c.reference, batch.c.attempts, feed.c.name)
        .join(feed, feed.c.id == batch.c.feed_id)
        .where(batch.c.status == BatchStatus.IN_PROGRESS)
        .order_by(batch.c.id)
    )
    with store.read() as connection:
        found = connection.execute(left).all()
    swept = []
    for row in found:
        with named_lock(store, load_lock(row.name), wait=False) as nobody_loads:
            if nobody_loads and _put_back(store, row.id, row.attempts, actor):
                swept.append(row.reference)
    return swept


def _put_back(store: Store, batch_id: int, attempts: int, actor: str, reason: str = "") -> bool:
    again = attempts < ATTEMPTS_AT_MOST
    status = BatchStatus.PENDING if again else BatchStatus.FAILED
    ended = reason or "its run ended without a word"
    reason = f"{ended}; {attempts} attempt{'s' if attempts > 1 else ''} by now" + (
        "" if again else ": look at the run's log, then retry it"
    )
    with store.write() as connection:
        same = (batch.c.id == batch_id) & (batch.c.attempts == attempts) & (batch.c.status == BatchStatus.IN_PROGRESS)
        values = {"status": status, "problem": None if again else reason}
        if connection.execute(sa.update(batch).where(same).values(values)).rowcount != 1:
            return False
        note(connection, batch_id, actor=actor, from_status=BatchStatus.IN_PROGRESS, to_status=status, reason=reason)
    return again


def retry(store: Store, reference: str, actor: str, *, reason: str = "") -> None:
    """Put a failed batch back to pending; raises BatchError where it is unknown or has not failed."""
    with store.write() as connection:
        found = connection.execute(
            sa.select(batch.c.id, batch.c.status).where(batch.c.reference == reference)
        ).one_or_none()
        if found is None:
            raise unknown(reference)
        if found.status != BatchStatus.FAILED:
            raise BatchError(f"batch {reference} is {found.status}; only a failed batch can be tried again")
        connection.execute(
            sa.update(batch).where(batch.c.id == found.id).values(status=BatchStatus.PENDING, attempts=0, problem=None)
        )
        why = reason.strip() or "to be tried again"
        note(
            connection, found.id, actor=actor, from_status=BatchStatus.FAILED, to_status=BatchStatus.PENDING, reason=why
        )
