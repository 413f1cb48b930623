"""The report page: one HTML file that holds everything it shows, for a screen, a phone or paper."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import jinja2
import sqlalchemy as sa

from manufacturing_copilot import __version__, formatting
from manufacturing_copilot.alerts.lifecycle import LIVE
from manufacturing_copilot.report.cards import Card, read_cards
from manufacturing_copilot.report.forecast_scores import Remarks, Score, read_remarks, read_scores
from manufacturing_copilot.report.row_problems import RowProblem, duplicate_rows, rejected_rows
from manufacturing_copilot.report.status import Status, read_status
from manufacturing_copilot.site import Site
from manufacturing_copilot.site.rules import Severity, Topic
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.engine import PRODUCTS
from manufacturing_copilot.store.private import private_folder
from manufacturing_copilot.store.tables import alert, delivery, delivery_attempt, notification, unmapped_id
from manufacturing_copilot.store.types import utc_now

FIRST = 5
ROW_PROBLEMS = 20
DELIVERIES = 30
CODES = 20


@dataclass(frozen=True)
class Sent:
    """One delivery in the ledger: what, to whom, by which channel, how it went."""

    person: str
    channel: str
    kind: str
    severity: str
    title: str
    status: str
    attempts: int
    at: datetime
    detail: str | None


@dataclass(frozen=True)
class UnmappedCode:
    """A code whose records cannot be used yet: why, and how many records wait for it."""

    source: str
    records: str
    code: str
    sentence: str
    rows: int


@dataclass(frozen=True)
class Contents:
    """Everything the page shows."""

    status: Status
    as_of: date
    cards: tuple[Card, ...]
    scores: tuple[Score, ...]
    remarks: Remarks
    rejected: tuple[RowProblem, ...]
    duplicates: tuple[RowProblem, ...]
    sent: tuple[Sent, ...]
    unmapped: tuple[UnmappedCode, ...]
    critical: int

    @property
    def unresolved(self) -> int:
        """How many alerts are not resolved; the page shows the first of each topic."""
        counts = self.status.alerts
        return counts.open + counts.acknowledged + counts.snoozed


def write_report(store: Store, site: Site, home: Path, *, as_of: date) -> Path:
    """Write the report of the day `as_of` to `home`/reports/<as_of>.html, replacing an older one; return its path.

    The file appears whole or not at all: it is written under another name in the same folder and renamed.
    """
    text = render(read_contents(store, site, as_of))
    folder = private_folder(home / "reports")
    path = folder / f"{as_of.isoformat()}.html"
    unfinished = folder / f".{path.name}.{os.getpid()}"
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)
    return path


def read_contents(store: Store, site: Site, as_of: date) -> Contents:
    """Return what the page of `as_of` shows, read from the store."""
    status = read_status(store, site)
    with store.read() as connection:
        cards = read_cards(connection, as_of)
        return Contents(
            status=status,
            as_of=as_of,
            cards=cards,
            scores=read_scores(connection, as_of),
            remarks=read_remarks(connection, as_of),
            rejected=rejected_rows(connection, ROW_PROBLEMS),
            duplicates=duplicate_rows(connection, ROW_PROBLEMS),
            sent=_sent(connection),
            unmapped=_unmapped(connection),
            critical=_critical(connection),
        )


def render(contents: Contents) -> str:
    """Return the page as HTML text; every value from outside is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("manufacturing_copilot.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(
        number=formatting.number,
        compact=formatting.compact,
        percent=formatting.percent,
        day=formatting.day,
        short_day=formatting.short_day,
        distance=lambda value: formatting.distance(value, contents.as_of),
        moment=lambda value: formatting.moment(value, contents.status.zone),
        counted=formatting.counted,
    )
    return environment.get_template("report.html.j2").render(
        page=contents,
        status=contents.status,
        first=contents.cards[:FIRST],
        rest=_by_topic(contents.cards[FIRST:]),
        made_at=utc_now(),
        version=__version__,
        database=PRODUCTS[contents.status.database],
    )


def _by_topic(cards: tuple[Card, ...]) -> list[tuple[str, list[Card]]]:
    topics = {topic.value: [card for card in cards if card.topic == topic] for topic in Topic}
    return [(topic, listed) for topic, listed in topics.items() if listed]


def _critical(connection: sa.Connection) -> int:
    query = sa.select(sa.func.count()).where(alert.c.severity == Severity.CRITICAL, alert.c.status.in_(LIVE))
    return connection.scalar(query) or 0


def _sent(connection: sa.Connection) -> tuple[Sent, ...]:
    last = (
        sa.select(delivery_attempt.c.delivery_id, sa.func.max(delivery_attempt.c.id).label("id"))
        .group_by(delivery_attempt.c.delivery_id)
        .subquery()
    )
    query = (
        sa.select(
            notification.c.person,
            delivery.c.channel,
            notification.c.kind,
            notification.c.severity,
            notification.c.title,
            delivery.c.status,
            delivery.c.attempts,
            sa.func.coalesce(delivery.c.accepted_at, delivery.c.due_at, type_=delivery.c.due_at.type).label("at"),
            delivery_attempt.c.detail,
        )
        .join(notification, notification.c.id == delivery.c.notification_id)
        .join(last, last.c.delivery_id == delivery.c.id, isouter=True)
        .join(delivery_attempt, delivery_attempt.c.id == last.c.id, isouter=True)
        .order_by(delivery.c.id.desc())
        .limit(DELIVERIES)
    )
    return tuple(Sent(**row) for row in connection.execute(query).mappings())


def _unmapped(connection: sa.Connection) -> tuple[UnmappedCode, ...]:
    query = (
        sa.select(
            unmapped_id.c.source,
            unmapped_id.c.records,
            unmapped_id.c.external_id.label("code"),
            unmapped_id.c.sentence,
            unmapped_id.c.rows,
        )
        .order_by(unmapped_id.c.rows.desc(), unmapped_id.c.source, unmapped_id.c.external_id)
        .limit(CODES)
    )
    return tuple(UnmappedCode(**row) for row in connection.execute(query).mappings())
