"""Messages to people, by channel."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from manufacturing_copilot.store.tables import delivery, delivery_attempt, notification
from manufacturing_copilot.store.views.view import View


def _delivery(dialect: sa.Dialect) -> sa.Select[Any]:
    """One row per delivery: who was told what, on which channel, when, and what became of the last attempt."""
    newest = (
        sa.select(sa.func.max(delivery_attempt.c.id))
        .where(delivery_attempt.c.delivery_id == delivery.c.id)
        .correlate(delivery)
        .scalar_subquery()
    )
    return sa.select(
        delivery.c.id.label("delivery_id"),
        delivery.c.notification_id,
        notification.c.person,
        delivery.c.channel,
        notification.c.kind,
        notification.c.severity,
        notification.c.title,
        delivery.c.status,
        delivery.c.due_at,
        delivery.c.attempts,
        delivery.c.accepted_at,
        delivery_attempt.c.outcome.label("last_outcome"),
        delivery_attempt.c.detail.label("last_detail"),
    ).select_from(
        delivery.join(notification, notification.c.id == delivery.c.notification_id).outerjoin(
            delivery_attempt, delivery_attempt.c.id == newest
        )
    )


v_delivery = View(
    "v_delivery",
    "message to a person on a channel",
    _delivery,
    {
        "delivery_id": "the delivery's number",
        "notification_id": "the notification's number",
        "person": "the person notified",
        "channel": "the person's name for the channel",
        "kind": "alert or digest",
        "status": "pending, sending, accepted, failed or unknown",
        "due_at": "when it is to be sent, UTC",
        "attempts": "number of attempts",
        "accepted_at": "when the channel accepted it, UTC",
        "last_outcome": "outcome of the last attempt",
        "last_detail": "details of the last attempt",
    },
)
