"""What has to be ordered or made."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from manufacturing_copilot.store.tables import item, location, planned_order, supplier
from manufacturing_copilot.store.views.view import View, number, plain


def _planned_order(dialect: sa.Dialect) -> sa.Select[Any]:
    """One row per planned order, as of the newest day there is."""
    table = planned_order
    newest = sa.select(sa.func.max(table.c.as_of)).scalar_subquery()
    value = number(table.c.quantity, dialect) * number(item.c.unit_cost, dialect)
    return (
        sa.select(
            table.c.as_of,
            item.c.id.label("item_id"),
            item.c.sku,
            item.c.name,
            location.c.code.label("location"),
            supplier.c.code.label("supplier"),
            *(table.c[name] for name in ("source", "release_on", "due_on", "late_days")),
            plain(table.c.quantity, dialect),
            value.label("value"),
            *(plain(table.c[name], dialect) for name in ("gross", "balance", "pulled_in", "net", "safety_stock")),
            *(table.c[name] for name in ("lead_time_days", "level", "stock_known")),
        )
        .select_from(
            table.join(item, table.c.item_id == item.c.id)
            .join(location, table.c.location_id == location.c.id)
            .outerjoin(supplier, item.c.supplier_id == supplier.c.id)
        )
        .where(table.c.as_of == newest)
    )


v_planned_order = View(
    "v_planned_order",
    "order that has to be placed or begun, as of the newest day there is",
    _planned_order,
    {
        "source": "buy or make",
        "supplier": "code of the item's supplier",
        "release_on": "the day on which it has to be ordered, or begun",
        "due_on": "the day it has to be there",
        "late_days": "days by which it comes after it is needed; 0: in time",
        "quantity": "how much, by the lot rule",
        "value": "quantity times the item's unit cost",
        "gross": "demand of the day or week in which it is due, dependent demand included",
        "balance": "stock at the end of it without this order; below 0: short",
        "pulled_in": "of balance, open orders that come a little later and should be asked for earlier",
        "net": "what is missing to the safety stock over the week that the order covers",
        "safety_stock": "what is kept for demand above the expected: as declared, else computed",
        "lead_time_days": "days from release to due",
        "level": "0 where nothing is made of the item, 1 where only such things are, and so on",
        "stock_known": "false where it was never counted there; then nothing is taken to be there",
    },
)
