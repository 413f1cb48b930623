"""The views that people and BI tools read: the public face of the tables, in codes and plain numbers.

Tables may change from version to version; views keep their columns. Each is a query; every upgrade of the database
makes them anew, over the tables as they are then.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from manufacturing_copilot.store.fact_views import fact_views
from manufacturing_copilot.store.readable import number, plain
from manufacturing_copilot.store.tables import (
    alert,
    delivery,
    delivery_attempt,
    external_id,
    forecast,
    inventory_snapshot,
    item,
    item_conflict,
    location,
    notification,
    series,
    stock_difference,
    supplier,
    supplier_score,
)


def create_views(connection: sa.Connection) -> None:
    """Make every view anew."""
    drop_views(connection)
    for name, query in views(connection.dialect).items():
        text = query.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
        connection.exec_driver_sql(f"CREATE VIEW {name} AS {text}")


def drop_views(connection: sa.Connection) -> None:
    """Remove every view of ours, those of an earlier version too."""
    for name in sa.inspect(connection).get_view_names():
        if name.startswith("v_"):
            connection.exec_driver_sql(f"DROP VIEW {name}")


def views(dialect: sa.Dialect) -> dict[str, sa.Select[Any]]:
    """Return the views' queries by name."""
    return {
        "v_item": _item(dialect),
        "v_stock": _stock(dialect),
        "v_stock_value": _stock_value(dialect),
        "v_stock_difference": _stock_difference(dialect),
        "v_supplier": _supplier(dialect),
        **fact_views(dialect),
        "v_forecast": _forecast(),
        "v_alert": _alert(),
        "v_delivery": _delivery(),
    }


def _item(dialect: sa.Dialect) -> sa.Select[Any]:
    """One row per item: its codes, what it is, how it is replenished, what it costs."""
    known_as = (
        sa.select(sa.func.count()).select_from(external_id).where(external_id.c.item_id == item.c.id).scalar_subquery()
    )
    numbers = ("reorder_point", "safety_stock", "minimum_order", "order_multiple", "unit_cost", "list_price")
    return sa.select(
        item.c.id.label("item_id"),
        item.c.sku,
        item.c.name,
        item.c.category,
        item.c.base_unit,
        item.c.abc,
        item.c.made,
        item.c.service,
        item.c.phantom,
        item.c.active,
        supplier.c.code.label("supplier"),
        item.c.lead_time_days,
        *(plain(item.c[name], dialect) for name in numbers),
        item.c.discontinued_on,
        known_as.label("codes"),
    ).select_from(item.outerjoin(supplier, item.c.supplier_id == supplier.c.id))


def _stock(dialect: sa.Dialect) -> sa.Select[Any]:
    """One row per item and location: stock at the end of the newest day there is."""
    table = inventory_snapshot
    newest = sa.select(sa.func.max(table.c.day)).scalar_subquery()
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


def _stock_value(dialect: sa.Dialect) -> sa.Select[Any]:
    """One row per item in stock, the most money first: what lies there is worth in the books, and to another system.

    `unit_cost` is what stock is valued at: accounting's cost where it has one. `other_cost` is what the first system
    that disagrees believes, `difference` what the stock would be worth more by that.
    """
    table, conflict = inventory_snapshot, item_conflict
    newest = sa.select(sa.func.max(table.c.day)).scalar_subquery()
    held = (
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
    said = conflict.c.other
    other_cost = sa.cast(said, sa.Float if dialect.name == "sqlite" else sa.Numeric)
    owned = held.c.on_hand + held.c.in_inspection
    value = owned * held.c.unit_cost
    total = sa.func.sum(value).over()
    return sa.select(
        sa.func.rank().over(order_by=sa.func.coalesce(value, 0).desc()).label("rank"),
        held.c.day,
        item.c.id.label("item_id"),
        item.c.sku,
        item.c.name,
        item.c.abc,
        held.c.on_hand,
        held.c.in_inspection,
        held.c.unit_cost,
        value.label("value"),
        (value / sa.func.nullif(total, 0)).label("share"),
        first.c.other_source,
        other_cost.label("other_cost"),
        (owned * (other_cost - held.c.unit_cost)).label("difference"),
    ).select_from(
        held.join(item, item.c.id == held.c.item_id)
        .outerjoin(first, first.c.item_id == held.c.item_id)
        .outerjoin(
            conflict,
            sa.and_(
                conflict.c.item_id == held.c.item_id,
                conflict.c.field == "unit_cost",
                conflict.c.other_source == first.c.other_source,
            ),
        )
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


def _supplier(dialect: sa.Dialect) -> sa.Select[Any]:
    """One row per supplier: how well it keeps its word, over the purchase lines due in the last year.

    Shares are of the lines due, never-received ones included; empty where no line was due.
    """
    table = supplier_score
    numbers = ("otif", "on_time", "in_full", "lead_time_p50", "lead_time_p90", "lead_time_cv", "promise_slip",
               "late_value_days", "reject_ppm")  # fmt: skip
    return sa.select(
        supplier.c.id.label("supplier_id"),
        supplier.c.code.label("supplier"),
        supplier.c.name,
        supplier.c.active,
        table.c.as_of,
        table.c.lines_due,
        table.c.never_received,
        *(plain(table.c[name], dialect) for name in numbers),
    ).select_from(supplier.outerjoin(table, table.c.supplier_id == supplier.c.id))


def _forecast() -> sa.Select[Any]:
    """One row per series and period of its newest forecast: mean, median, 80 % and 95 % bounds, and who made it."""
    again = forecast.alias("again")
    newest = sa.select(sa.func.max(again.c.as_of)).where(again.c.series_id == series.c.id).scalar_subquery()
    return (
        sa.select(
            series.c.id.label("series_id"),
            series.c.target,
            series.c.frequency,
            series.c.name.label("series"),
            series.c.demand_class,
            series.c.item_id,
            item.c.sku,
            location.c.code.label("location"),
            supplier.c.code.label("supplier"),
            forecast.c.as_of,
            forecast.c.period,
            forecast.c.mean,
            forecast.c.model_mean,
            forecast.c.q50.label("median"),
            forecast.c.q10.label("low_80"),
            forecast.c.q90.label("high_80"),
            forecast.c.q025.label("low_95"),
            forecast.c.q975.label("high_95"),
            forecast.c.run_id,
        )
        .select_from(
            forecast.join(series, series.c.id == forecast.c.series_id)
            .outerjoin(item, item.c.id == series.c.item_id)
            .outerjoin(location, location.c.id == series.c.location_id)
            .outerjoin(supplier, supplier.c.id == series.c.supplier_id)
        )
        .where(forecast.c.as_of == newest)
    )


def _alert() -> sa.Select[Any]:
    """One row per alert, living or resolved: what it is about, how bad, since when."""
    return sa.select(
        alert.c.id.label("alert_id"),
        alert.c.rule,
        alert.c.topic,
        alert.c.severity,
        alert.c.status,
        alert.c.subject,
        item.c.sku,
        alert.c.title,
        alert.c.advice,
        alert.c.value,
        alert.c.opened_at,
        alert.c.changed_at,
        alert.c.first_seen_on,
        alert.c.last_seen_on,
        alert.c.snoozed_until,
    ).select_from(alert.outerjoin(item, alert.c.item_id == item.c.id))


def _delivery() -> sa.Select[Any]:
    """One row per delivery: who was told what, on which channel, when, and what became of the last attempt."""
    newest = (
        sa.select(sa.func.max(delivery_attempt.c.id))
        .where(delivery_attempt.c.delivery_id == delivery.c.id)
        .correlate(delivery)
        .scalar_subquery()
    )
    return sa.select(
        delivery.c.id.label("delivery_id"),
        delivery.c.notification_id,
        notification.c.person,
        delivery.c.channel,
        notification.c.kind,
        notification.c.severity,
        notification.c.title,
        delivery.c.status,
        delivery.c.due_at,
        delivery.c.attempts,
        delivery.c.accepted_at,
        delivery_attempt.c.outcome.label("last_outcome"),
        delivery_attempt.c.detail.label("last_detail"),
    ).select_from(
        delivery.join(notification, notification.c.id == delivery.c.notification_id).outerjoin(
            delivery_attempt, delivery_attempt.c.id == newest
        )
    )
