"""From news about alerts to messages for people: who hears what, on which channels, and when.

The events of alerts are the outbox. A plan turns those that a person has not been told of into notifications
and pending deliveries, in one transaction; planning again adds nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from manufacturing_copilot.alerts.evidence import Evidence
from manufacturing_copilot.clock import held_day
from manufacturing_copilot.notify.messages import News, message, severity_of
from manufacturing_copilot.notify.schedule import due_at, in_digest
from manufacturing_copilot.site import Person, Severity, Site, Topic
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.locks import lock_until_commit
from manufacturing_copilot.store.tables import (
    AlertEventKind,
    AlertStatus,
    DeliveryStatus,
    NotificationKind,
    alert,
    alert_event,
    delivery,
    item,
    notification,
    notification_alert,
)

_TROUBLE = (AlertEventKind.OPENED, AlertEventKind.WORSENED)


@dataclass(frozen=True)
class _MessageGroup:
    """What the news in one message shares: person, kind, topic (none in a digest), channels, and when it is due."""

    person: str
    kind: str
    topic: str | None
    channels: tuple[str, ...]
    due_at: datetime


def plan_messages(store: Store, site: Site, now: datetime) -> int:
    """Write the messages for news that people have not been told of, and their deliveries; return how many messages.

    A message that still waits (for a digest, or the end of quiet hours) takes up later news instead of a second
    one being sent. That something is resolved is told to those, and on the channels, that were told of it.
    """
    with store.write() as connection:
        lock_until_commit(connection, "outbox")
        groups = _groups(connection, site, now)
        for group, events in groups.items():
            _write(connection, site, group, events, now)
        return len(groups)


def unplanned_messages(connection: sa.Connection, site: Site, now: datetime) -> int:
    """Return how many messages a plan would write or extend; reads only."""
    return len(_groups(connection, site, now))


def _groups(connection: sa.Connection, site: Site, now: datetime) -> dict[_MessageGroup, list[int]]:
    """Return the ids of the events that each message is to bring."""
    groups: dict[_MessageGroup, list[int]] = {}
    if held_day(connection) is not None:
        return groups  # what would have been said on a past day is nobody's news
    for person in site.people:
        for event in _news_for(connection, person):
            severity = Severity.INFO if event.event == AlertEventKind.RESOLVED else Severity(event.severity)
            channels = (
                _channels_used(connection, person, event.alert_id)
                if event.event == AlertEventKind.RESOLVED
                else _channels_declared(person, Topic(event.topic), severity)
            )
            if channels:
                digest = in_digest(person, severity)
                group = _MessageGroup(
                    person.person,
                    NotificationKind.DIGEST if digest else NotificationKind.ALERT,
                    None if digest else event.topic,
                    channels,
                    due_at(person, severity, now, site),
                )
                groups.setdefault(group, []).append(event.id)
    return groups


def _news_for(connection: sa.Connection, person: Person) -> Sequence[sa.Row]:
    """Return the events that are news to the person: of open alerts, and the end of what they were told of."""
    to_person = notification_alert.c.person == person.person
    events_told = sa.select(notification_alert.c.alert_event_id).where(to_person)
    alerts_told = (
        sa.select(alert_event.c.alert_id)
        .join(notification_alert, notification_alert.c.alert_event_id == alert_event.c.id)
        .where(to_person)
    )
    is_news = sa.or_(
        sa.and_(alert_event.c.event.in_(_TROUBLE), alert.c.status == AlertStatus.OPEN),
        sa.and_(
            alert_event.c.event == AlertEventKind.RESOLVED,
            alert.c.status == AlertStatus.RESOLVED,
            alert_event.c.alert_id.in_(alerts_told),
        ),
    )
    query = (
        sa.select(alert_event.c.id, alert_event.c.alert_id, alert_event.c.event, alert.c.topic, alert.c.severity)
        .join(alert, alert.c.id == alert_event.c.alert_id)
        .where(is_news, alert_event.c.id.not_in(events_told))
        .order_by(alert_event.c.id)
    )
    return connection.execute(query).all()


def _channels_declared(person: Person, topic: Topic, severity: Severity) -> tuple[str, ...]:
    wanted = {
        channel
        for line in person.hears
        if topic in line.about and severity.rank >= line.severity.rank
        for channel in line.by
    }
    return tuple(sorted(wanted))


def _channels_used(connection: sa.Connection, person: Person, alert_id: int) -> tuple[str, ...]:
    query = (
        sa.select(delivery.c.channel)
        .join(notification_alert, notification_alert.c.notification_id == delivery.c.notification_id)
        .join(alert_event, alert_event.c.id == notification_alert.c.alert_event_id)
        .where(notification_alert.c.person == person.person, alert_event.c.alert_id == alert_id)
        .distinct()
    )
    return tuple(sorted(channel for channel in connection.scalars(query) if channel in person.channels))


def _write(connection: sa.Connection, site: Site, group: _MessageGroup, events: list[int], now: datetime) -> None:
    message_id = _waiting_message(connection, group, now)
    if message_id is None:
        message_id = _new_message(connection, site, group, now)
    connection.execute(
        sa.insert(notification_alert),
        [{"notification_id": message_id, "alert_event_id": event, "person": group.person} for event in events],
    )
    news = _news_of(connection, message_id)
    title, body = message(news, site.site)
    connection.execute(
        sa.update(notification)
        .where(notification.c.id == message_id)
        .values(title=title, body=body, severity=severity_of(news).value)
    )


def _waiting_message(connection: sa.Connection, group: _MessageGroup, now: datetime) -> int | None:
    """Return the message of the same group that is not due yet, if there is one."""
    if group.due_at <= now:
        return None
    query = (
        sa.select(notification.c.id, delivery.c.channel, delivery.c.status, alert.c.topic)
        .join(delivery, delivery.c.notification_id == notification.c.id)
        .join(notification_alert, notification_alert.c.notification_id == notification.c.id)
        .join(alert_event, alert_event.c.id == notification_alert.c.alert_event_id)
        .join(alert, alert.c.id == alert_event.c.alert_id)
        .where(
            notification.c.person == group.person,
            notification.c.kind == group.kind,
            delivery.c.due_at == group.due_at,
            delivery.c.attempts == 0,
        )
    )
    rows_of: dict[int, list[sa.Row]] = {}
    for row in connection.execute(query):
        rows_of.setdefault(row.id, []).append(row)
    for message_id, rows in rows_of.items():
        same_channels = {row.channel for row in rows} == set(group.channels)
        same_topic = group.topic is None or {row.topic for row in rows} == {group.topic}
        if same_channels and same_topic and all(row.status == DeliveryStatus.PENDING for row in rows):
            return message_id
    return None


def _new_message(connection: sa.Connection, site: Site, group: _MessageGroup, now: datetime) -> int:
    message_id = connection.execute(
        sa.insert(notification)
        .values(person=group.person, kind=group.kind, severity="info", title="", body="", created_at=now)
        .returning(notification.c.id)
    ).scalar_one()
    person = next(declared for declared in site.people if declared.person == group.person)
    deliveries = [
        {
            "notification_id": message_id,
            "channel": channel,
            "address": person.channels[channel].removeprefix("env:"),
            "status": DeliveryStatus.PENDING,
            "due_at": group.due_at,
            "attempts": 0,
        }
        for channel in group.channels
    ]
    connection.execute(sa.insert(delivery), deliveries)
    return int(message_id)


def _news_of(connection: sa.Connection, message_id: int) -> list[News]:
    """Return what the message says: each of its alerts once, as it stands now."""
    query = (
        sa.select(
            alert.c.id, alert.c.topic, alert.c.severity, alert.c.title, alert.c.advice, alert.c.evidence,
            alert.c.status, item.c.base_unit,
        )
        .outerjoin(item, item.c.id == alert.c.item_id)
        .where(
            alert.c.id.in_(
                sa.select(alert_event.c.alert_id)
                .join(notification_alert, notification_alert.c.alert_event_id == alert_event.c.id)
                .where(notification_alert.c.notification_id == message_id)
            )
        )
        .order_by(alert.c.id)
    )  # fmt: skip
    return [
        News(
            alert_id=row.id,
            topic=row.topic,
            severity=Severity(row.severity),
            title=row.title,
            advice=row.advice,
            evidence=Evidence.from_json(row.evidence),
            item_unit=row.base_unit or "",
            resolved=row.status == AlertStatus.RESOLVED,
        )
        for row in connection.execute(query)
    ]
