"""How things stand at a site: what came in, what is forecast, what is open, who was told; counted by the database."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict

from manufacturing_copilot.clock import as_of_day
from manufacturing_copilot.report.alert_order import most_urgent_first
from manufacturing_copilot.report.row_problems import RowProblem, rejected_rows
from manufacturing_copilot.site import Frequency, Site
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.tables import (
    AlertStatus,
    BatchStatus,
    DeliveryStatus,
    RunPurpose,
    RunStatus,
    alert,
    batch,
    delivery,
    feed,
    forecast,
    item,
    model_run,
    notification,
    series,
    unmapped_id,
)

ROW_PROBLEMS_SHOWN = 5
URGENT_SHOWN = 5
_LENGTHS = {frequency.value: position for position, frequency in enumerate(Frequency)}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class BatchCounts(_Part):
    """The number of batches by status."""

    pending: int = 0
    in_progress: int = 0
    success: int = 0
    failed: int = 0
    withdrawn: int = 0


class RowCounts(_Part):
    """The rows of all batches that are not withdrawn; received = accepted + duplicate + rejected."""

    received: int = 0
    accepted: int = 0
    duplicate: int = 0
    rejected: int = 0


class AlertCounts(_Part):
    """The number of alerts by status."""

    open: int = 0
    acknowledged: int = 0
    snoozed: int = 0
    resolved: int = 0


class DeliveryCounts(_Part):
    """The number of deliveries by status; one that is being sent counts as pending."""

    pending: int = 0
    accepted: int = 0
    failed: int = 0
    unknown: int = 0


class FeedStatus(_Part):
    """What one feed delivered; `declared` is false where the site no longer names it.

    `problem` says why its newest finished batch failed, if it did.
    """

    feed: str
    declared: bool
    batches: int = 0
    received: int = 0
    accepted: int = 0
    duplicate: int = 0
    rejected: int = 0
    last_batch_at: datetime | None = None
    problem: str | None = None


class ForecastStatus(_Part):
    """The newest forecast of one target at one frequency."""

    target: str
    frequency: str
    as_of: date
    series: int
    rows: int
    last_period: date


class UrgentAlert(_Part):
    """One of the most urgent open alerts."""

    severity: str
    topic: str
    title: str
    advice: str


class PersonDeliveries(_Part):
    """How many messages one person was sent on one channel, and how they went."""

    person: str
    channel: str
    accepted: int
    pending: int
    failed: int
    unknown: int
    last_at: datetime | None


class Status(_Part):
    """The whole status of a site, as `copilot status --json` prints it."""

    site: str
    zone: str
    as_of: date
    database: str
    batches: BatchCounts
    rows: RowCounts
    items: int
    series: int
    forecast_rows: int
    alerts: AlertCounts
    deliveries: DeliveryCounts
    unmapped_ids: int
    feeds: tuple[FeedStatus, ...]
    rejected: tuple[RowProblem, ...]
    forecasts: tuple[ForecastStatus, ...]
    urgent: tuple[UrgentAlert, ...]
    told: tuple[PersonDeliveries, ...]

    @property
    def is_empty(self) -> bool:
        """Whether no batch ever came in."""
        return not any(getattr(self.batches, name) for name in BatchCounts.model_fields)

    def to_json(self) -> str:
        """Return the status as indented JSON text; days and moments in ISO form."""
        return self.model_dump_json(indent=2)


def read_status(store: Store, site: Site) -> Status:
    """Return how things stand in `store`, read in one transaction that sees one state."""
    with store.read() as connection:
        return Status(
            site=site.site,
            zone=site.zone,
            as_of=as_of_day(connection, site),
            database=store.database,
            batches=BatchCounts(**_by_status(connection, batch)),
            rows=_rows(connection),
            items=_count(connection, item),
            series=_count(connection, series),
            forecast_rows=_count(connection, forecast),
            alerts=AlertCounts(**_by_status(connection, alert)),
            deliveries=_deliveries(connection),
            unmapped_ids=_count(connection, unmapped_id),
            feeds=read_feeds(connection, site),
            rejected=rejected_rows(connection, ROW_PROBLEMS_SHOWN),
            forecasts=read_forecasts(connection),
            urgent=_urgent(connection),
            told=read_deliveries(connection),
        )


def read_feeds(connection: sa.Connection, site: Site) -> tuple[FeedStatus, ...]:
    """Return what each feed delivered: those the site declares, in its order, then those it no longer names."""
    counted = batch.c.status != BatchStatus.WITHDRAWN
    newest = (
        sa.select(batch.c.feed_id, sa.func.max(batch.c.id).label("id"))
        .where(batch.c.status.in_((BatchStatus.SUCCESS, BatchStatus.FAILED)))
        .group_by(batch.c.feed_id)
        .subquery()
    )
    last = sa.alias(batch, "last_batch")
    query = (
        sa.select(
            feed.c.name,
            sa.func.count(batch.c.id).label("batches"),
            *(_sum(batch.c[f"rows_{name}"]).label(name) for name in RowCounts.model_fields),
            sa.func.max(batch.c.claimed_at).label("last_batch_at"),
            sa.func.max(last.c.problem).label("problem"),
        )
        .select_from(feed)
        .join(batch, sa.and_(batch.c.feed_id == feed.c.id, counted), isouter=True)
        .join(newest, newest.c.feed_id == feed.c.id, isouter=True)
        .join(last, last.c.id == newest.c.id, isouter=True)
        .group_by(feed.c.name)
        .order_by(feed.c.name)
    )
    declared = [declaration.feed for declaration in site.feeds]
    by_name = {
        row["name"]: FeedStatus(feed=row["name"], declared=row["name"] in declared, **_without(row, "name"))
        for row in connection.execute(query).mappings()
    }
    in_order = [by_name.get(name) or FeedStatus(feed=name, declared=True) for name in declared]
    return (*in_order, *(feed_status for name, feed_status in by_name.items() if name not in declared))


def read_forecasts(connection: sa.Connection) -> tuple[ForecastStatus, ...]:
    """Return the newest forecast of each target and frequency."""
    newest = (
        sa.select(model_run.c.target, model_run.c.frequency, sa.func.max(model_run.c.as_of).label("as_of"))
        .where(model_run.c.status == RunStatus.SUCCESS, model_run.c.purpose == RunPurpose.FORECAST)
        .group_by(model_run.c.target, model_run.c.frequency)
        .subquery()
    )
    query = (
        sa.select(
            series.c.target,
            series.c.frequency,
            newest.c.as_of,
            sa.func.count(sa.distinct(series.c.id)).label("series"),
            sa.func.count().label("rows"),
            sa.func.max(forecast.c.period).label("last_period"),
        )
        .join(newest, sa.and_(newest.c.target == series.c.target, newest.c.frequency == series.c.frequency))
        .join(forecast, sa.and_(forecast.c.series_id == series.c.id, forecast.c.as_of == newest.c.as_of))
        .group_by(series.c.target, series.c.frequency, newest.c.as_of)
    )
    forecasts = [ForecastStatus(**row) for row in connection.execute(query).mappings()]
    return tuple(sorted(forecasts, key=lambda newest: (newest.target, _LENGTHS[newest.frequency])))


def read_deliveries(connection: sa.Connection) -> tuple[PersonDeliveries, ...]:
    """Return how many deliveries each person got on each channel, and how they went."""
    query = (
        sa.select(
            notification.c.person,
            delivery.c.channel,
            *(
                _sum(sa.case((delivery.c.status.in_(statuses), 1), else_=0)).label(name)
                for name, statuses in _DELIVERED.items()
            ),
            sa.func.max(delivery.c.accepted_at).label("last_at"),
        )
        .join(notification, notification.c.id == delivery.c.notification_id)
        .group_by(notification.c.person, delivery.c.channel)
        .order_by(notification.c.person, delivery.c.channel)
    )
    return tuple(PersonDeliveries(**row) for row in connection.execute(query).mappings())


_DELIVERED = {
    "accepted": (DeliveryStatus.ACCEPTED,),
    "pending": (DeliveryStatus.PENDING, DeliveryStatus.SENDING),
    "failed": (DeliveryStatus.FAILED,),
    "unknown": (DeliveryStatus.UNKNOWN,),
}


def _urgent(connection: sa.Connection) -> tuple[UrgentAlert, ...]:
    rows = connection.execute(most_urgent_first((AlertStatus.OPEN,)).limit(URGENT_SHOWN)).mappings()
    return tuple(UrgentAlert(**{name: row[name] for name in UrgentAlert.model_fields}) for row in rows)


def _rows(connection: sa.Connection) -> RowCounts:
    sums = [_sum(batch.c[f"rows_{name}"]).label(name) for name in RowCounts.model_fields]
    return RowCounts(
        **connection.execute(sa.select(*sums).where(batch.c.status != BatchStatus.WITHDRAWN)).mappings().one()
    )


def _deliveries(connection: sa.Connection) -> DeliveryCounts:
    counts = _by_status(connection, delivery)
    return DeliveryCounts(
        **{name: sum(counts.get(status, 0) for status in statuses) for name, statuses in _DELIVERED.items()}
    )


def _by_status(connection: sa.Connection, table: sa.Table) -> dict[str, int]:
    query = sa.select(table.c.status, sa.func.count()).group_by(table.c.status)
    return {status: count for status, count in connection.execute(query)}


def _count(connection: sa.Connection, table: sa.Table) -> int:
    return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def _sum(column: sa.ColumnElement[Any]) -> sa.ColumnElement[int]:
    return sa.cast(sa.func.coalesce(sa.func.sum(column), 0), sa.BigInteger)


def _without(row: Any, *names: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in names}
