"""Delivering what is due: claim, send, record. At least once, never twice on purpose.

A delivery is claimed, and its attempt written, before anything is sent. One deliverer works at a time (a lock that
its death gives back), so what is still marked as being sent when another begins was interrupted, and is sent again.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from manufacturing_copilot.notify.sender import SEND_SECONDS, Answer, Outcome, send
from manufacturing_copilot.site import Severity, Site
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.locks import named_lock
from manufacturing_copilot.store.tables import delivery, delivery_attempt, notification
from manufacturing_copilot.store.types import utc_now

WAITS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 240))
"""How long to wait after the first, second, ... attempt that was refused."""
MAX_ATTEMPTS = len(WAITS) + 1
_RETRIED = (Outcome.REFUSED, Outcome.NOBODY)

logger = logging.getLogger(__name__)


@dataclass
class DeliverySummary:
    """What one round of deliveries did."""

    accepted: int = 0
    retried: int = 0
    """refused, and to be tried again"""
    failed: int = 0
    """given up: nobody was told"""
    unknown: int = 0
    """no answer in time: it may have arrived"""
    interrupted: int = 0
    """found half sent by a process that ended, and sent again"""
    problems: list[str] = field(default_factory=list)
    """one sentence for each delivery that was not accepted"""

    @property
    def attempted(self) -> int:
        """How many deliveries were tried."""
        return self.accepted + self.retried + self.failed + self.unknown


@dataclass(frozen=True)
class _Claim:
    """One message with the deliveries of it that are ours to send: id → variable, channel, attempt, its number."""

    title: str
    body: str
    severity: Severity
    person: str
    deliveries: dict[int, _Try]


@dataclass(frozen=True)
class _Try:
    variable: str
    channel: str
    attempt_id: int
    number: int


def deliver(
    store: Store,
    site: Site,
    now: datetime,
    *,
    run_id: str | None,
    environment: Mapping[str, str] = os.environ,
    seconds: float = SEND_SECONDS,
) -> DeliverySummary:
    """Send every delivery that is due at `now`, message by message, and record what became of each.

    `environment` holds the apprise URLs under the names that the site's people declare; `seconds` is how long one
    address may take. A refused delivery waits and is tried again, up to MAX_ATTEMPTS times; one without an answer
    is unknown and stays so. Waits while another process delivers.
    """
    summary = DeliverySummary()
    with named_lock(store, "deliveries"):
        summary.interrupted = _free_interrupted(store, now)
        while (claim := _claim(store, now, run_id)) is not None:
            addresses = {number: one.variable for number, one in claim.deliveries.items()}
            answers = send(claim.title, claim.body, claim.severity, addresses, environment, seconds=seconds)
            _record(store, claim, answers, now, summary)
    for problem in summary.problems:
        logger.warning("%s: %s", site.site, problem)
    return summary


def due(connection: sa.Connection, now: datetime) -> int:
    """Return how many deliveries wait to be sent at `now`, those included that a process left half sent."""
    query = (
        sa.select(sa.func.count())
        .select_from(delivery)
        .where(sa.or_(delivery.c.status == "sending", (delivery.c.status == "pending") & (delivery.c.due_at <= now)))
    )
    return int(connection.scalar(query) or 0)


def _free_interrupted(store: Store, now: datetime) -> int:
    """Put back what a process that ended left half sent. Only under the lock: nobody else is sending."""
    with store.write() as connection:
        ids = connection.scalars(sa.select(delivery.c.id).where(delivery.c.status == "sending")).all()
        if not ids:
            return 0
        connection.execute(
            sa.update(delivery_attempt)
            .where(delivery_attempt.c.delivery_id.in_(ids), delivery_attempt.c.finished_at.is_(None))
            .values(
                finished_at=now,
                outcome=Outcome.INTERRUPTED.value,
                detail="the process that sent it ended before an answer; it is sent again",
            )
        )
        # what ends its process time and again must not hold up everybody else's messages for ever
        status = sa.case((delivery.c.attempts < MAX_ATTEMPTS, "pending"), else_="failed")
        connection.execute(sa.update(delivery).where(delivery.c.id.in_(ids)).values(status=status))
        return len(ids)


def _claim(store: Store, now: datetime, run_id: str | None) -> _Claim | None:
    """Mark the due deliveries of one message as being sent, with an attempt each; None where nothing is due."""
    is_due = (delivery.c.status == "pending") & (delivery.c.due_at <= now)
    with store.write() as connection:
        first = connection.scalar(
            sa.select(delivery.c.notification_id).where(is_due).order_by(delivery.c.due_at, delivery.c.id).limit(1)
        )
        if first is None:
            return None
        rows = connection.execute(
            sa.select(delivery).where(is_due, delivery.c.notification_id == first).with_for_update()
        ).all()
        tries = {row.id: _begin(connection, row, run_id) for row in rows}
        what = connection.execute(sa.select(notification).where(notification.c.id == first)).one()
    return _Claim(what.title, what.body, Severity(what.severity), what.person, tries)


def _begin(connection: sa.Connection, row: Any, run_id: str | None) -> _Try:
    number = row.attempts + 1
    connection.execute(sa.update(delivery).where(delivery.c.id == row.id).values(status="sending", attempts=number))
    attempt = connection.execute(
        sa.insert(delivery_attempt)
        .values(delivery_id=row.id, started_at=utc_now(), run_id=run_id)
        .returning(delivery_attempt.c.id)
    ).scalar_one()
    return _Try(row.address, row.channel, attempt, number)


def _record(
    store: Store, claim: _Claim, answers: Mapping[int, Answer], now: datetime, summary: DeliverySummary
) -> None:
    with store.write() as connection:
        for number, one in claim.deliveries.items():
            answer = answers[number]
            change = _consequence(answer, one, now)
            finished = utc_now()
            if change["status"] == "accepted":
                change["accepted_at"] = finished
            connection.execute(sa.update(delivery).where(delivery.c.id == number).values(change))
            connection.execute(
                sa.update(delivery_attempt)
                .where(delivery_attempt.c.id == one.attempt_id)
                .values(finished_at=finished, outcome=answer.outcome.value, detail=answer.detail)
            )
            _count(summary, change["status"], f"{claim.person} by {one.channel}: {answer.detail}")


def _consequence(answer: Answer, one: _Try, now: datetime) -> dict[str, Any]:
    """Return what an answer makes of a delivery."""
    if answer.outcome is Outcome.ACCEPTED:
        return {"status": "accepted"}
    if answer.outcome is Outcome.TIMEOUT:
        return {"status": "unknown"}
    if answer.outcome in _RETRIED and one.number < MAX_ATTEMPTS:
        return {"status": "pending", "due_at": now + WAITS[one.number - 1]}
    return {"status": "failed"}


def _count(summary: DeliverySummary, status: str, problem: str) -> None:
    name = "retried" if status == "pending" else status
    setattr(summary, name, getattr(summary, name) + 1)
    if status != "accepted":
        summary.problems.append(problem)
