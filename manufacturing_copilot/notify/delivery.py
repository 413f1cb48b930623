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

from manufacturing_copilot.notify.sender import SEND_SECONDS, Answer, send
from manufacturing_copilot.site import Severity, Site
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.locks import named_lock
from manufacturing_copilot.store.tables import AttemptOutcome, DeliveryStatus, delivery, delivery_attempt, notification
from manufacturing_copilot.store.types import utc_now

_RETRIED = (AttemptOutcome.REFUSED, AttemptOutcome.NOBODY)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DeliverySettings:
    """How deliveries are sent and tried again."""

    seconds: float = SEND_SECONDS
    """how long one address may take to answer"""
    waits: tuple[timedelta, ...] = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 240))
    """how long to wait after the first, second, ... attempt that was refused"""

    @property
    def max_attempts(self) -> int:
        """How often a delivery is tried before it is given up."""
        return len(self.waits) + 1


DEFAULT_SETTINGS = DeliverySettings()


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
    """One message with the deliveries of it that this process is to send, by id."""

    title: str
    body: str
    severity: Severity
    person: str
    deliveries: dict[int, _Attempt]


@dataclass(frozen=True)
class _Attempt:
    """One attempt, the `number`th of its delivery; `variable` names the environment variable with the address."""

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
    settings: DeliverySettings = DEFAULT_SETTINGS,
) -> DeliverySummary:
    """Send every delivery that is due at `now`, message by message, and record what became of each.

    `environment` holds the apprise URLs under the names that the site's people declare. A refused delivery waits and
    is tried again, as often as `settings` allow; one without an answer is unknown and stays so. Waits while another
    process delivers.
    """
    summary = DeliverySummary()
    with named_lock(store, "deliveries"):
        summary.interrupted = _release_interrupted(store, now, settings)
        while (claim := _claim(store, now, run_id)) is not None:
            addresses = {delivery_id: attempt.variable for delivery_id, attempt in claim.deliveries.items()}
            answers = send(claim.title, claim.body, claim.severity, addresses, environment, seconds=settings.seconds)
            _record(store, claim, answers, now, summary, settings)
    for problem in summary.problems:
        logger.warning("%s: %s", site.site, problem)
    return summary


def due_deliveries(connection: sa.Connection, now: datetime) -> int:
    """Return how many deliveries wait to be sent at `now`, those included that a process left half sent."""
    query = (
        sa.select(sa.func.count())
        .select_from(delivery)
        .where(
            sa.or_(
                delivery.c.status == DeliveryStatus.SENDING,
                (delivery.c.status == DeliveryStatus.PENDING) & (delivery.c.due_at <= now),
            )
        )
    )
    return int(connection.scalar(query) or 0)


def _release_interrupted(store: Store, now: datetime, settings: DeliverySettings) -> int:
    """Put back what a process that ended left half sent; needs the lock, under which nobody else is sending."""
    with store.write() as connection:
        ids = connection.scalars(sa.select(delivery.c.id).where(delivery.c.status == DeliveryStatus.SENDING)).all()
        if not ids:
            return 0
        connection.execute(
            sa.update(delivery_attempt)
            .where(delivery_attempt.c.delivery_id.in_(ids), delivery_attempt.c.finished_at.is_(None))
            .values(
                finished_at=now,
                outcome=AttemptOutcome.INTERRUPTED.value,
                detail="the process that sent it ended before an answer; it is sent again",
            )
        )
        # a message that ends its process every time must not hold up everybody else's
        status = sa.case(
            (delivery.c.attempts < settings.max_attempts, DeliveryStatus.PENDING), else_=DeliveryStatus.FAILED
        )
        connection.execute(sa.update(delivery).where(delivery.c.id.in_(ids)).values(status=status))
        return len(ids)


def _claim(store: Store, now: datetime, run_id: str | None) -> _Claim | None:
    """Mark the due deliveries of one message as being sent, with an attempt each; None where nothing is due."""
    is_due = (delivery.c.status == DeliveryStatus.PENDING) & (delivery.c.due_at <= now)
    with store.write() as connection:
        message_id = connection.scalar(
            sa.select(delivery.c.notification_id).where(is_due).order_by(delivery.c.due_at, delivery.c.id).limit(1)
        )
        if message_id is None:
            return None
        rows = connection.execute(
            sa.select(delivery).where(is_due, delivery.c.notification_id == message_id).with_for_update()
        ).all()
        attempts = {row.id: _begin_attempt(connection, row, run_id) for row in rows}
        message = connection.execute(sa.select(notification).where(notification.c.id == message_id)).one()
    return _Claim(message.title, message.body, Severity(message.severity), message.person, attempts)


def _begin_attempt(connection: sa.Connection, row: sa.Row[Any], run_id: str | None) -> _Attempt:
    number = row.attempts + 1
    connection.execute(
        sa.update(delivery).where(delivery.c.id == row.id).values(status=DeliveryStatus.SENDING, attempts=number)
    )
    attempt_id = connection.execute(
        sa.insert(delivery_attempt)
        .values(delivery_id=row.id, started_at=utc_now(), run_id=run_id)
        .returning(delivery_attempt.c.id)
    ).scalar_one()
    return _Attempt(row.address, row.channel, attempt_id, number)


def _record(
    store: Store,
    claim: _Claim,
    answers: Mapping[int, Answer],
    now: datetime,
    summary: DeliverySummary,
    settings: DeliverySettings,
) -> None:
    with store.write() as connection:
        for delivery_id, attempt in claim.deliveries.items():
            answer = answers[delivery_id]
            status = _status_after(answer, attempt, settings)
            finished = utc_now()
            changes: dict[str, Any] = {"status": status}
            if status == DeliveryStatus.ACCEPTED:
                changes["accepted_at"] = finished
            elif status == DeliveryStatus.PENDING:
                changes["due_at"] = now + settings.waits[attempt.number - 1]
            connection.execute(sa.update(delivery).where(delivery.c.id == delivery_id).values(changes))
            connection.execute(
                sa.update(delivery_attempt)
                .where(delivery_attempt.c.id == attempt.attempt_id)
                .values(finished_at=finished, outcome=answer.outcome.value, detail=answer.detail)
            )
            _count(summary, status, f"{claim.person} by {attempt.channel}: {answer.detail}")


def _status_after(answer: Answer, attempt: _Attempt, settings: DeliverySettings) -> str:
    if answer.outcome is AttemptOutcome.ACCEPTED:
        return DeliveryStatus.ACCEPTED
    if answer.outcome is AttemptOutcome.TIMEOUT:
        return DeliveryStatus.UNKNOWN
    if answer.outcome in _RETRIED and attempt.number < settings.max_attempts:
        return DeliveryStatus.PENDING
    return DeliveryStatus.FAILED


def _count(summary: DeliverySummary, status: str, problem: str) -> None:
    name = "retried" if status == DeliveryStatus.PENDING else status
    setattr(summary, name, getattr(summary, name) + 1)
    if status != DeliveryStatus.ACCEPTED:
        summary.problems.append(problem)
