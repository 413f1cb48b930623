"""People and alerts in a line."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from manufacturing_copilot.site import Person, Site
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.tables import alert, alert_event, delivery, delivery_attempt, notification
from manufacturing_copilot_tests.factories import DAY, make_site

NOW = datetime(2026, 4, 1, 9, tzinfo=UTC)
"""A Wednesday, eleven o'clock in Berlin."""

BUYER: dict[str, Any] = {
    "person": "buyer",
    "channels": {"mail": "env:BUYER_MAIL", "chat": "env:BUYER_CHAT"},
    "hears": [
        {"about": ["stock", "supply"], "from": "warning", "by": "mail"},
        {"about": "stock", "from": "critical", "by": ["mail", "chat"]},
    ],
}
PLANNER: dict[str, Any] = {
    "person": "planner",
    "channels": {"mail": "env:PLANNER_MAIL"},
    "hears": [{"about": ["stock", "quality"], "by": "mail"}],
}


def a_site(*people: dict[str, Any], **keys: Any) -> Site:
    made = tuple(Person.model_validate(person) for person in people)
    return make_site("erp/items", zone="Europe/Berlin", **keys).model_copy(update={"people": made})


def add_alert(store: Store, title: str = "BOLT runs out", *, severity: str = "warning", topic: str = "stock") -> int:
    """An open alert with its opening event."""
    with store.write() as connection:
        number = connection.execute(
            sa.insert(alert)
            .values(
                identity=f"{title} {topic}", rule="r", topic=topic, severity=severity, subject=title, title=title,
                advice="order 600", value=0.6, status="open", opened_at=NOW, changed_at=NOW, first_seen_on=DAY,
                last_seen_on=DAY,
                evidence={
                    "item": {"sku": "BOLT"},
                    "on_hand": 40.0,
                    "runout": {"p50": "2026-04-09"},
                    "forecast_run": 7,
                    "batches": ["00000003"],
                    "lines": [{"what": "count", "file": "inbox/stock.csv", "line": 12, "batch": "00000003"}],
                },
            )
            .returning(alert.c.id)
        ).scalar_one()  # fmt: skip
    add_event(store, number, "opened")
    return number


def add_event(store: Store, alert_id: int, event: str, **changes: Any) -> None:
    """An event of an alert, with what it changes about it."""
    with store.write() as connection:
        connection.execute(sa.insert(alert_event).values(alert_id=alert_id, at=NOW, actor="test", event=event, note=""))
        if changes:
            connection.execute(sa.update(alert).where(alert.c.id == alert_id).values(changes))


def messages(store: Store) -> list[sa.Row[Any]]:
    with store.read() as connection:
        return list(connection.execute(sa.select(notification).order_by(notification.c.id)))


def deliveries(store: Store) -> list[sa.Row[Any]]:
    with store.read() as connection:
        return list(connection.execute(sa.select(delivery).order_by(delivery.c.id)))


def attempts(store: Store) -> list[sa.Row[Any]]:
    with store.read() as connection:
        return list(connection.execute(sa.select(delivery_attempt).order_by(delivery_attempt.c.id)))
