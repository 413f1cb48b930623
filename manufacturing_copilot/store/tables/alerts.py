"""Alerts, what happened to each, and since when the facts behind them hold."""

from __future__ import annotations

from enum import StrEnum

import sqlalchemy as sa

from manufacturing_copilot.store.tables.columns import listed, metadata, reference, row_id
from manufacturing_copilot.store.types import Json, UtcTimestamp


class AlertStatus(StrEnum):
    """Where an alert stands; all but the last are live."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"
    RESOLVED = "resolved"


class AlertEventKind(StrEnum):
    """What happened to an alert."""

    OPENED = "opened"
    WORSENED = "worsened"
    EASED = "eased"
    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"
    RESOLVED = "resolved"


alert = sa.Table(
    "alert",
    metadata,
    row_id(),
    sa.Column("identity", sa.Text, nullable=False, unique=True, comment="rule, subject and opening number"),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False, comment="what it is about, stable: item, order line, feed"),
    reference("item_id", "item", nullable=True, index=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("advice", sa.Text, nullable=False),
    sa.Column("value", sa.Float, nullable=False, comment="value of the fact that the rule watches"),
    sa.Column("evidence", Json, nullable=False, comment="facts, forecast run, batches, file lines"),
    sa.Column("status", sa.Text, nullable=False, index=True, comment=listed(AlertStatus)),
    sa.Column("opened_at", UtcTimestamp, nullable=False),
    sa.Column("changed_at", UtcTimestamp, nullable=False),
    sa.Column("first_seen_on", sa.Date, nullable=False),
    sa.Column("last_seen_on", sa.Date, nullable=False),
    sa.Column("snoozed_until", UtcTimestamp),
    sa.Index("ix_alert_rule_subject", "rule", "subject"),
)

alert_event = sa.Table(
    "alert_event",
    metadata,
    row_id(),
    reference("alert_id", "alert", index=True),
    sa.Column("at", UtcTimestamp, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("event", sa.Text, nullable=False, comment=", ".join(AlertEventKind)),
    sa.Column("note", sa.Text, nullable=False),
)

fact_seen = sa.Table(
    "fact_seen",
    metadata,
    sa.Column("rule", sa.Text, primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("since", sa.Date, nullable=False),
    sa.Column("settled", sa.Text, comment="a person resolved the alert at this severity while the fact held"),
    comment="since when a fact has held without a break, for rules that ask it to last",
)
