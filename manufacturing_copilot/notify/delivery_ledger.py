"""The ledger of deliveries: who was told what, when, by which channel, and whether it arrived."""

from __future__ import annotations

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.frame_schemas import Column, FrameSchema
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.tables import (
    DeliveryStatus,
    alert_event,
    delivery,
    delivery_attempt,
    notification,
    notification_alert,
)

DELIVERIES = FrameSchema(
    "deliveries with their last attempt",
    {
        "delivery_id": Column(pl.Int64()),
        "person": Column(pl.String(), "whom the message is for"),
        "channel": Column(pl.String(), "the name of the person's channel"),
        "severity": Column(pl.String()),
        "title": Column(pl.String(), "the subject of the message"),
        "status": Column(pl.String()),
        "due_at": Column(pl.Datetime("us", "UTC"), "from when it may be sent"),
        "attempts": Column(pl.Int64(), "how often it was tried"),
        "accepted_at": Column(pl.Datetime("us", "UTC"), "when the service took it", nullable=True),
        "outcome": Column(pl.String(), "what became of the last attempt", nullable=True),
        "detail": Column(pl.String(), "the last attempt's answer in words", nullable=True),
    },
    key=("delivery_id",),
)

STATUSES = (DeliveryStatus.PENDING, DeliveryStatus.ACCEPTED, DeliveryStatus.FAILED, DeliveryStatus.UNKNOWN)


def totals(connection: sa.Connection) -> dict[str, int]:
    """Return how many deliveries are pending (being sent included), accepted, failed and unknown."""
    rows = connection.execute(sa.select(delivery.c.status, sa.func.count()).group_by(delivery.c.status))
    counts = {status: int(count) for status, count in rows}
    counts[DeliveryStatus.PENDING] = counts.get(DeliveryStatus.PENDING, 0) + counts.pop(DeliveryStatus.SENDING, 0)
    return {status.value: counts.get(status, 0) for status in STATUSES}


def newest_deliveries(
    connection: sa.Connection, *, person: str | None = None, alert_id: int | None = None, limit: int = 100
) -> pl.DataFrame:
    """Return the newest DELIVERIES, of one person or about one alert where asked, the newest first."""
    last = (
        sa.select(delivery_attempt.c.delivery_id, sa.func.max(delivery_attempt.c.id).label("attempt_id"))
        .group_by(delivery_attempt.c.delivery_id)
        .subquery()
    )
    query = (
        sa.select(
            delivery.c.id.label("delivery_id"),
            notification.c.person,
            delivery.c.channel,
            notification.c.severity,
            notification.c.title,
            delivery.c.status,
            delivery.c.due_at,
            delivery.c.attempts,
            delivery.c.accepted_at,
            delivery_attempt.c.outcome,
            delivery_attempt.c.detail,
        )
        .join(notification, notification.c.id == delivery.c.notification_id)
        .outerjoin(last, last.c.delivery_id == delivery.c.id)
        .outerjoin(delivery_attempt, delivery_attempt.c.id == last.c.attempt_id)
        .order_by(delivery.c.id.desc())
        .limit(limit)
    )
    if person is not None:
        query = query.where(notification.c.person == person)
    if alert_id is not None:
        messages_about_alert = (
            sa.select(notification_alert.c.notification_id)
            .join(alert_event, alert_event.c.id == notification_alert.c.alert_event_id)
            .where(alert_event.c.alert_id == alert_id)
        )
        query = query.where(notification.c.id.in_(messages_about_alert))
    return read_frame(connection, query).sort("delivery_id", descending=True)
