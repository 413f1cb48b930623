"""Messages to people, their deliveries by channel, and every attempt at one."""

from __future__ import annotations

from enum import StrEnum

import sqlalchemy as sa

from manufacturing_copilot.store.tables.columns import listed, metadata, reference, row_id, value_check
from manufacturing_copilot.store.types import UtcTimestamp


class NotificationKind(StrEnum):
    """What a message is."""

    ALERT = "alert"
    DIGEST = "digest"


class DeliveryStatus(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    SENDING = "sending"
    ACCEPTED = "accepted"
    FAILED = "failed"
    UNKNOWN = "unknown"


class AttemptOutcome(StrEnum):
    """How an attempt at a delivery ended."""

    ACCEPTED = "accepted"  # the service took it; whether a person reads it, nobody can say
    REFUSED = "refused"  # the service said no, or was not to be reached
    TIMEOUT = "timeout"  # no answer in time: it may arrive or not, so it is never sent again blindly
    NOBODY = "nobody"  # there was no address to send to
    INTERRUPTED = "interrupted"  # the process that sent it ended before an answer


notification = sa.Table(
    "notification",
    metadata,
    row_id(),
    sa.Column("person", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False, comment=listed(NotificationKind)),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("created_at", UtcTimestamp, nullable=False),
)

notification_alert = sa.Table(
    "notification_alert",
    metadata,
    reference("notification_id", "notification"),
    reference("alert_event_id", "alert_event", index=True),
    sa.Column("person", sa.Text, nullable=False, comment="as in notification, so that nobody is told the same twice"),
    sa.PrimaryKeyConstraint("notification_id", "alert_event_id"),
    sa.UniqueConstraint("person", "alert_event_id"),
)

delivery = sa.Table(
    "delivery",
    metadata,
    row_id(),
    reference("notification_id", "notification", index=True),
    sa.Column("channel", sa.Text, nullable=False, comment="the person's name for it"),
    sa.Column("address", sa.Text, nullable=False, comment="the environment variable that holds the URL, never the URL"),
    sa.Column("status", sa.Text, nullable=False, index=True, comment=listed(DeliveryStatus)),
    sa.Column("due_at", UtcTimestamp, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, default=0, server_default="0"),
    sa.Column("accepted_at", UtcTimestamp),
    value_check("delivery", "status", DeliveryStatus),
)

delivery_attempt = sa.Table(
    "delivery_attempt",
    metadata,
    row_id(),
    reference("delivery_id", "delivery", index=True),
    sa.Column("started_at", UtcTimestamp, nullable=False),
    sa.Column("finished_at", UtcTimestamp),
    sa.Column("outcome", sa.Text, comment=listed(AttemptOutcome)),
    sa.Column("detail", sa.Text, comment="in words, without secrets"),
    sa.Column("run_id", sa.Text),
)
