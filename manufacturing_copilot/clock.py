"""What day it is at the plant."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from manufacturing_copilot.errors import SiteError, StoreError
from manufacturing_copilot.site import Site
from manufacturing_copilot.site.durations import parse_time_of_day
from manufacturing_copilot.store.tables import accepted, past_day

FACT_DAYS = (
    accepted["stock_levels"].c.day,
    accepted["order_lines"].c.ordered_on,
    accepted["stock_movements"].c.moved_on,
    accepted["inspections"].c.inspected_on,
    accepted["receipts"].c.received_on,
)
"""The days on which something has happened, by what records say."""


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


def plants_today(site: Site, now: datetime | None = None) -> date:
    """Return the calendar day in the plant's zone, whatever its `clock:` says."""
    return (now or datetime.now(UTC)).astimezone(ZoneInfo(site.zone)).date()


def as_of_day(connection: sa.Connection, site: Site, now: datetime | None = None) -> date:
    """Return the last complete day of the plant: the day whose end everything is judged at.

    With the system's clock that is yesterday in the site's zone; with `clock: data` the newest day up to today that
    stock, orders, movements, inspections or receipts speak of; with a fixed day, that day. A database that was made to
    look back at a day stays at it.
    """
    past = held_day(connection)
    if past is not None:
        return past
    if isinstance(site.clock, date):
        return site.clock
    today = plants_today(site, now)
    yesterday = today - timedelta(days=1)
    if site.clock == "system":
        return yesterday
    # A day that has not come is a mistake in a record: it does not move the plant there.
    newest = [connection.scalar(sa.select(sa.func.max(column)).where(column <= today)) for column in FACT_DAYS]
    return max((day for day in newest if day is not None), default=yesterday)


def day_to_run(connection: sa.Connection, site: Site, now: datetime | None = None) -> date:
    """Return `as_of_day` where the flow can be run for it.

    Raises SiteError where it has not come yet (a fixed `clock:`), or lies before `history_from`.
    """
    day, today = as_of_day(connection, site, now), plants_today(site, now)
    where = f"{site.folder / 'site.yaml'}: "
    if day > today:
        raise SiteError(
            f"{where}clock: found {day}, which has not come: at the plant it is {today} ({site.zone}); give a day up to"
            " today, or system or data"
        )
    if day < site.history_from:
        says = {"system": "yesterday was", "data": "the newest day in the data is"}.get(str(site.clock), "the clock is")
        raise SiteError(
            f"{where}history_from: found {site.history_from}, and {says} {day}; the first day of the history cannot"
            " come after the day that is looked at: name that day or an earlier one, or check the dates in the data"
        )
    return day


def refuse_days_to_come(connection: sa.Connection, site: Site, days: Iterable[date]) -> None:
    """Raise StoreError where one of the days is later than the last complete day of the plant."""
    newest, last = max(days), as_of_day(connection, site)
    if newest > last:
        raise StoreError(
            f"{newest} is still to come: the plant's last complete day is {last}; name that one or an earlier"
        )
