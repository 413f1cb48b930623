"""Alerts, live and resolved."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from manufacturing_copilot.store.tables import alert, item
from manufacturing_copilot.store.views.view import View


def _alert(dialect: sa.Dialect) -> sa.Select[Any]:
    """One row per alert, living or resolved: what it is about, how bad, since when."""
    return sa.select(
        alert.c.id.label("alert_id"),
        alert.c.rule,
        alert.c.topic,
        alert.c.severity,
        alert.c.status,
        alert.c.subject,
        item.c.sku,
        alert.c.title,
        alert.c.advice,
        alert.c.value,
        alert.c.opened_at,
        alert.c.changed_at,
        alert.c.first_seen_on,
        alert.c.last_seen_on,
        alert.c.snoozed_until,
    ).select_from(alert.outerjoin(item, alert.c.item_id == item.c.id))


v_alert = View(
    "v_alert",
    "alert, living or resolved",
    _alert,
    {
        "alert_id": "the alert's number",
        "rule": "the rule that raised it",
        "topic": "stock, supply, demand, quality or data",
        "status": "open, acknowledged, snoozed or resolved",
        "subject": "what it is about",
        "advice": "what to do",
        "value": "value of the fact that the rule watches",
        "opened_at": "when the alert was opened, UTC",
        "changed_at": "when it last changed, UTC",
        "first_seen_on": "first day on which the rule applied",
        "last_seen_on": "last day on which the rule applied",
        "snoozed_until": "silent until then, UTC",
    },
)
