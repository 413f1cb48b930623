"""The order of alerts: which one a person should look at first, the same for the status and for the page."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from manufacturing_copilot.alerts.facts import names
from manufacturing_copilot.alerts.lifecycle import LIVE
from manufacturing_copilot.site.rules import Severity, Topic
from manufacturing_copilot.store.tables import AlertStatus, alert


def most_urgent_first(statuses: tuple[str, ...] = LIVE, *, per_topic: int | None = None) -> sa.Select[Any]:
    """Return a query for the alerts in `statuses`, most urgent first; at most `per_topic` of each topic.

    What nobody has in hand comes before what is acknowledged or snoozed; then severity decides. Within a severity
    the topics take turns, so that twenty stock-outs do not hide the one process that drifts. Within a topic, what
    must be ordered soonest comes first, then the larger value.
    """
    severity = sa.case({level.value: -level.rank for level in Severity}, value=alert.c.severity, else_=1)
    topic = sa.case(
        {name.value: position for position, name in enumerate(Topic)}, value=alert.c.topic, else_=len(Topic)
    )
    order_by = alert.c.evidence[names.ORDER_BY.path].as_string()
    within = (sa.case((order_by.is_(None), 1), else_=0), order_by, alert.c.value.desc(), alert.c.id)
    in_hand = sa.case((alert.c.status == AlertStatus.OPEN, 0), else_=1)
    turn = sa.func.row_number().over(partition_by=(in_hand, alert.c.severity, alert.c.topic), order_by=within)
    position = sa.func.row_number().over(partition_by=alert.c.topic, order_by=(in_hand, severity, *within))
    ranked = (
        sa.select(
            alert,
            in_hand.label("in_hand"),
            severity.label("by_severity"),
            topic.label("by_topic"),
            turn.label("turn"),
            position.label("position"),
        )
        .where(alert.c.status.in_(statuses))
        .subquery()
    )
    query = sa.select(*(ranked.c[column.name] for column in alert.columns)).order_by(
        ranked.c.in_hand, ranked.c.by_severity, ranked.c.turn, ranked.c.by_topic
    )
    return query if per_topic is None else query.where(ranked.c.position <= per_topic)
