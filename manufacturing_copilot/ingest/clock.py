"""What day it is at the plant."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from manufacturing_copilot.site import Site
from manufacturing_copilot.store.tables import accepted

_FACTS = (
    accepted["stock_levels"].c.day,
    accepted["order_lines"].c.ordered_on,
    accepted["stock_movements"].c.moved_on,
    accepted["inspections"].c.inspected_on,
    accepted["receipts"].c.received_on,
)


def as_of_day(connection: sa.Connection, site: Site, now: datetime | None = None) -> date:
    """Return the last complete day of the plant: the day whose end everything is judged at.

    With the system's clock that is yesterday in the site's zone; with `clock: data` the newest day that stock,
    orders, movements, inspections or receipts speak of; with a fixed day, that day.
    """
    if isinstance(site.clock, date):
        return site.clock
    yesterday = (now or datetime.now(UTC)).astimezone(ZoneInfo(site.zone)).date() - timedelta(days=1)
    if site.clock == "system":
        return yesterday
    newest = [connection.scalar(sa.select(sa.func.max(column))) for column in _FACTS]
    return max((day for day in newest if day is not None), default=yesterday)
