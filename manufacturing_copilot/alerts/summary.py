"""Alerts in numbers and rows, for the Dagster UI."""

from __future__ import annotations

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.alerts.evidence import Evidence
from manufacturing_copilot.alerts.lifecycle import LIVE
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.tables import alert


def live_counts(connection: sa.Connection) -> pl.DataFrame:
    """Return how many alerts live, by rule and severity: rule, severity, alerts."""
    query = (
        sa.select(alert.c.rule, alert.c.severity, sa.func.count().label("alerts"))
        .where(alert.c.status.in_(LIVE))
        .group_by(alert.c.rule, alert.c.severity)
    )
    return read_frame(connection, query).sort("rule", "severity")


def newest(connection: sa.Connection, rows: int) -> pl.DataFrame:
    """Return the newest live alerts: severity, title, advice, rule, subject, first_seen_on."""
    query = (
        sa.select(alert.c.severity, alert.c.title, alert.c.advice, alert.c.rule, alert.c.subject, alert.c.first_seen_on)
        .where(alert.c.status.in_(LIVE))
        .order_by(alert.c.changed_at.desc(), alert.c.id)
        .limit(rows)
    )
    return read_frame(connection, query)


def without_evidence(connection: sa.Connection) -> list[int]:
    """Return the numbers of live alerts whose evidence holds no value."""
    query = sa.select(alert.c.id, alert.c.evidence).where(alert.c.status.in_(LIVE))
    return [alert_id for alert_id, stored in connection.execute(query) if not Evidence.from_json(stored).values]


def twice_open(connection: sa.Connection) -> pl.DataFrame:
    """Return what has more than one live alert, which is a defect: rule, subject, newest (the last alert's number)."""
    doubles = (
        sa.select(alert.c.rule, alert.c.subject, sa.func.max(alert.c.id).label("newest"))
        .where(alert.c.status.in_(LIVE))
        .group_by(alert.c.rule, alert.c.subject)
        .having(sa.func.count() > 1)
    )
    return read_frame(connection, doubles).sort("newest")
