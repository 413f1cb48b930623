"""What day it is at the plant."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from manufacturing_copilot.site import Site
from manufacturing_copilot.site.durations import parse_time_of_day
from manufacturing_copilot.store.tables import accepted, past_day

_FACTS = (
    accepted["stock_levels"].c.day,
    accepted["order_lines"].c.ordered_on,
    accepted["stock_movements"].c.moved_on,
    accepted["inspections"].c.inspected_on,
    accepted["receipts"].c.received_on,
)


def held_day(connection: sa.Connection) -> date | None:
    """Return the day that this database was made to look back at; None for a plant's own, which lives on."""
    return connection.scalar(sa.select(past_day.c.day))


def moment(connection: sa.Connection, site: Site) -> datetime:
    """Return this moment; in a database that looks back at a day, that of the daily run after it."""
    past = held_day(connection)
    if past is None:
        return datetime.now(UTC)
    run = datetime.combine(past + timedelta(days=1), parse_time_of_day(site.schedule), ZoneInfo(site.zone))
    return run.astimezone(UTC)


def as_of_day(connection: sa.Connection, site: Site, now: datetime | None = None) -> date:
    """Return the last complete day of the plant: the day whose end everything is judged at.

    With the system's clock that is yesterday in the site's zone; with `clock: data` the newest day that stock,
    orders, movements, inspections or receipts speak of; with a fixed day, that day. A database that was made to look
    back at a day stays at it.
    """
    past = held_day(connection)
    if past is not None:
        return past
    if isinstance(site.clock, date):
        return site.clock
    yesterday = (now or datetime.now(UTC)).astimezone(ZoneInfo(site.zone)).date() - timedelta(days=1)
    if site.clock == "system":
        return yesterday
    newest = [connection.scalar(sa.select(sa.func.max(column))) for column in _FACTS]
    return max((day for day in newest if day is not None), default=yesterday)
