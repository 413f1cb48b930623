"""What a person does with an alert: acknowledge, snooze or resolve it; each leaves an event and an audit trail."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from manufacturing_copilot.alerts.lifecycle import LIVE
from manufacturing_copilot.errors import CopilotError
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.audit import record_audit_event
from manufacturing_copilot.store.tables import AlertStatus, alert, alert_event, fact_seen
from manufacturing_copilot.store.types import utc_now


class AlertError(CopilotError):
    """What was asked for cannot be done to this alert."""


def acknowledge(store: Store, alert_id: int, actor: str, note: str = "", *, now: datetime | None = None) -> None:
    """Mark the alert as taken care of by `actor`: it stays visible, and nobody is told again unless it worsens.

    Raises AlertError where there is no such alert, or it is resolved.
    """
    _change_status(store, alert_id, actor, AlertStatus.ACKNOWLEDGED, note, now or utc_now())


def snooze(
    store: Store, alert_id: int, actor: str, until: datetime, note: str = "", *, now: datetime | None = None
) -> None:
    """Put the alert aside until a moment; it comes back then, or as soon as it worsens.

    Raises AlertError where there is no such alert, it is resolved, or the moment is past.
    """
    at = now or utc_now()
    if until <= at:
        raise AlertError(f"alert {alert_id} cannot be snoozed until {until:%Y-%m-%d %H:%M}: that moment is past")
    _change_status(store, alert_id, actor, AlertStatus.SNOOZED, note, at, until)


def resolve(store: Store, alert_id: int, actor: str, note: str = "", *, now: datetime | None = None) -> None:
    """Close the alert; while the same trouble lasts it is opened again only if it gets worse.

    Raises AlertError where there is no such alert, or it is resolved.
    """
    _change_status(store, alert_id, actor, AlertStatus.RESOLVED, note, now or utc_now())


def _change_status(
    store: Store,
    alert_id: int,
    actor: str,
    status: str,
    note: str,
    now: datetime,
    snoozed_until: datetime | None = None,
) -> None:
    with store.write() as connection:
        row = connection.execute(sa.select(alert).where(alert.c.id == alert_id).with_for_update()).one_or_none()
        if row is None:
            raise AlertError(f"there is no alert {alert_id}; `copilot alert list` shows those there are")
        if row.status not in LIVE:
            raise AlertError(f"alert {alert_id} is {row.status} already: {row.title}")
        connection.execute(
            sa.update(alert)
            .where(alert.c.id == alert_id)
            .values(status=status, changed_at=now, snoozed_until=snoozed_until)
        )
        connection.execute(
            sa.insert(alert_event).values(alert_id=alert_id, at=now, actor=actor, event=status, note=note)
        )
        if status == AlertStatus.RESOLVED:
            same_trouble = (fact_seen.c.rule == row.rule) & (fact_seen.c.subject == row.subject)
            connection.execute(sa.update(fact_seen).where(same_trouble).values(settled=row.severity))
        detail = {"note": note, "was": row.status, "title": row.title}
        if snoozed_until is not None:
            detail["until"] = snoozed_until.isoformat()
        record_audit_event(
            connection, at=now, actor=actor, verb=f"alert {status}", subject=f"alert {alert_id}", detail=detail
        )
