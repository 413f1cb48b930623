"""The day whose stock is shown where nobody names one."""

from __future__ import annotations

from datetime import date

import sqlalchemy as sa

from manufacturing_copilot.store.tables import inventory_snapshot, refresh


def newest_stock_day() -> sa.ScalarSelect[date]:
    """Return the query for the newest day that has snapshots, up to the day that unified is as of.

    Snapshots of later days may have been made, as known then, by an earlier version or under another `clock:`.
    """
    table = inventory_snapshot.alias("shown")
    held = sa.select(sa.func.max(refresh.c.as_of)).where(refresh.c.stage == "unified").scalar_subquery()
    return (
        sa.select(sa.func.max(table.c.day)).where(table.c.day <= sa.func.coalesce(held, table.c.day)).scalar_subquery()
    )
