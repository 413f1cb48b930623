"""What lies where and what it is worth, and counts that nothing explains."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from manufacturing_copilot.store.newest_day import newest_stock_day
from manufacturing_copilot.store.tables import (
    inventory_snapshot,
    item,
    item_conflict,
    location,
    stock_difference,
    stock_spell,
)
from manufacturing_copilot.store.views.view import View, number, plain


def _stock(dialect: sa.Dialect) -> sa.Select[Any]:
    """One row per item and location: stock at the end of the newest day up to the plant's."""
    table = inventory_snapshot
    newest = newest_stock_day()
    on_hand, reserved, in_inspection = (
        number(table.c[name], dialect) for name in ("on_hand", "reserved", "in_inspection")
    )
    value = (on_hand + in_inspection) * number(table.c.unit_cost, dialect)
    return (
        sa.select(
            table.c.day,
            item.c.id.label("item_id"),
            item.c.sku,
            item.c.name,
            location.c.code.label("location"),
            on_hand.label("on_hand"),
            reserved.label("reserved"),
            (on_hand - reserved).label("available"),
            in_inspection.label("in_inspection"),
            *(plain(table.c[name], dialect) for name in ("on_order", "unit_cost")),
            value.label("value"),
            table.c.counted_on,
        )
        .select_from(
            table.join(item, table.c.item_id == item.c.id).join(location, table.c.location_id == location.c.id)
        )
        .where(table.c.day == newest)
    )


v_stock = View(
    "v_stock",
    "item and location, at the end of the newest day up to the plant's",
    _stock,
    {"value": "on_hand and in_inspection, times unit_cost"},
)


def _stock_day(dialect: sa.Dialect) -> sa.Select[Any]:
    table = inventory_snapshot
    on_hand, reserved, in_inspection, cost = (
        number(table.c[name], dialect) for name in ("on_hand", "reserved", "in_inspection", "unit_cost")
    )
    return (
        sa.select(
            table.c.day,
            item.c.id.label("item_id"),
            item.c.sku,
            location.c.code.label("location"),
            on_hand.label("on_hand"),
            reserved.label("reserved"),
            (on_hand - reserved).label("available"),
            in_inspection.label("in_inspection"),
            plain(table.c.on_order, dialect),
            cost.label("unit_cost"),
            ((on_hand + in_inspection) * cost).label("value"),
            table.c.counted_on,
        )
        .join(item, item.c.id == table.c.item_id)
        .join(location, location.c.id == table.c.location_id)
    )


v_stock_day = View(
    "v_stock_day",
    "item, location and day: every snapshot there is",
    _stock_day,
    {"value": "on_hand and in_inspection, times unit_cost", "unit_cost": "cost of one unit on that day"},
)


def _stock_value(dialect: sa.Dialect) -> sa.Select[Any]:
    """One row per item in stock, the most money first: what lies there is worth in the books, and to another system.

    `unit_cost` is what stock is valued at: accounting's cost where it has one. `other_cost` is what the first system
    that disagrees believes, `difference` what the stock would be worth more by that.
    """
    table, conflict = inventory_snapshot, item_conflict
    newest = newest_stock_day()
    stock = (
        sa.select(
            table.c.day,
            table.c.item_id,
            sa.func.sum(number(table.c.on_hand, dialect)).label("on_hand"),
            sa.func.sum(number(table.c.in_inspection, dialect)).label("in_inspection"),
            sa.func.max(number(table.c.unit_cost, dialect)).label("unit_cost"),
        )
        .where(table.c.day == newest)
        .group_by(table.c.day, table.c.item_id)
        .subquery("held")
    )
    first = (
        sa.select(conflict.c.item_id, sa.func.min(conflict.c.other_source).label("other_source"))
        .where(conflict.c.field == "unit_cost")
        .group_by(conflict.c.item_id)
        .subquery("first")
    )
    other_cost = sa.cast(conflict.c.other, sa.Float if dialect.name == "sqlite" else sa.Numeric)
    owned = stock.c.on_hand + stock.c.in_inspection
    value = owned * stock.c.unit_cost
    total = sa.func.sum(value).over()
    return sa.select(
        sa.func.rank().over(order_by=sa.func.coalesce(value, 0).desc()).label("rank"),
        stock.c.day,
        item.c.id.label("item_id"),
        item.c.sku,
        item.c.name,
        item.c.abc,
        stock.c.on_hand,
        stock.c.in_inspection,
        stock.c.unit_cost,
        value.label("value"),
        (value / sa.func.nullif(total, 0)).label("share"),
        first.c.other_source,
        other_cost.label("other_cost"),
        (owned * (other_cost - stock.c.unit_cost)).label("difference"),
    ).select_from(
        stock.join(item, item.c.id == stock.c.item_id)
        .outerjoin(first, first.c.item_id == stock.c.item_id)
        .outerjoin(
            conflict,
            sa.and_(
                conflict.c.item_id == stock.c.item_id,
                conflict.c.field == "unit_cost",
                conflict.c.other_source == first.c.other_source,
            ),
        )
    )


v_stock_value = View(
    "v_stock_value",
    "item in stock at the newest day up to the plant's, the most money first",
    _stock_value,
    {
        "rank": "rank by value, from 1",
        "abc": "A, B or C by the value of a year's demand",
        "value": "on_hand and in_inspection, times unit_cost: book value",
        "share": "share of the value of all stock",
        "other_source": "the first other source with a different cost",
        "other_cost": "the cost in that source",
        "difference": "by how much the stock would be worth more at that cost",
    },
)


def _stock_difference(dialect: sa.Dialect) -> sa.Select[Any]:
    """One row per count that the count before and the movements since do not explain; no location: all together."""
    table = stock_difference
    numbers = ("counted_before", "moved", "counted", "difference")
    value = number(table.c.difference, dialect) * number(item.c.unit_cost, dialect)
    return sa.select(
        item.c.id.label("item_id"),
        item.c.sku,
        item.c.name,
        location.c.code.label("location"),
        table.c.from_day,
        table.c.to_day,
        *(plain(table.c[name], dialect) for name in numbers),
        value.label("value"),
    ).select_from(
        table.join(item, item.c.id == table.c.item_id).outerjoin(location, location.c.id == table.c.location_id)
    )


v_stock_difference = View(
    "v_stock_difference",
    "count that the count before and the movements since do not explain",
    _stock_difference,
    {
        "location": "code of the location; empty: all locations of the item together",
        "from_day": "day of the count before",
        "to_day": "day of the count",
        "counted_before": "quantity counted then",
        "moved": "net quantity moved since, receipts less issues",
        "counted": "quantity counted",
        "difference": "counted less expected",
        "value": "difference times the item's cost",
    },
)


def _spells(dialect: sa.Dialect) -> sa.Select[Any]:
    table = stock_spell
    return (
        sa.select(
            item.c.id.label("item_id"),
            item.c.sku,
            location.c.code.label("location"),
            table.c.from_day,
            table.c.to_day,
            table.c.in_stock,
        )
        .join(item, item.c.id == table.c.item_id)
        .join(location, location.c.id == table.c.location_id)
    )


v_stock_spell = View(
    "v_stock_spell",
    "spell of days of which it is known whether there was stock, by item and location; of other days nothing is known",
    _spells,
    {
        "from_day": "first day of the spell",
        "to_day": "last day of the spell, or the last day known",
        "in_stock": "false: nothing was there from morning to evening",
    },
)
