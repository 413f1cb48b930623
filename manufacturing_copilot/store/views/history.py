"""Demand, supply, suppliers and quality."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from manufacturing_copilot.store.tables import (
    SupplyStatus,
    batch_file,
    demand_day,
    item,
    location,
    quality_day,
    quality_reason,
    supplier,
    supplier_score,
    supply_line,
)
from manufacturing_copilot.store.views.view import View, number, plain


def _demand(dialect: sa.Dialect) -> sa.Select[Any]:
    table = demand_day
    return (
        sa.select(
            table.c.day,
            item.c.id.label("item_id"),
            item.c.sku,
            location.c.code.label("location"),
            plain(table.c.quantity, dialect),
            plain(table.c.value, dialect),
            table.c.order_lines,
        )
        .join(item, item.c.id == table.c.item_id)
        .join(location, location.c.id == table.c.location_id)
    )


v_demand = View(
    "v_demand",
    "item, location and day on which something was wanted, by the rules under demand in site.yaml",
    _demand,
    {
        "quantity": "quantity demanded, less returns",
        "value": "quantity times price; empty where no line has one",
        "order_lines": "number of order lines",
    },
)


def _supply(dialect: sa.Dialect) -> sa.Select[Any]:
    table = supply_line
    ordered, received = number(table.c.ordered, dialect), number(table.c.received, dialect)
    is_open = sa.and_(table.c.status == SupplyStatus.OPEN, ordered > received)
    return sa.select(
        table.c.source,
        table.c.order_no,
        table.c.line_no,
        table.c.made,
        item.c.id.label("item_id"),
        item.c.sku,
        location.c.code.label("location"),
        supplier.c.code.label("supplier"),
        table.c.ordered_on,
        table.c.promised_on,
        table.c.first_promised_on,
        table.c.redatings,
        table.c.received_on,
        table.c.last_received_on,
        ordered.label("ordered"),
        received.label("received"),
        sa.case((is_open, ordered - received), else_=0).label("missing"),
        plain(table.c.rejected, dialect),
        plain(table.c.returned, dialect),
        plain(table.c.price, dialect),
        table.c.status,
        batch_file.c.path.label("file"),
        table.c.line,
    ).select_from(
        table.join(item, item.c.id == table.c.item_id)
        .join(location, location.c.id == table.c.location_id)
        .outerjoin(supplier, supplier.c.id == table.c.supplier_id)
        .outerjoin(batch_file, batch_file.c.id == table.c.file_id)
    )


v_supply = View(
    "v_supply",
    "purchase line or work order",
    _supply,
    {
        "order_no": "number of the order",
        "line_no": "its line",
        "made": "true: a work order; false: a purchase line",
        "ordered_on": "day of the order, or first day of work",
        "promised_on": "delivery day promised last by the supplier, or due day of the work order",
        "first_promised_on": "delivery day promised first",
        "redatings": "how often the promise moved while the quantity stayed",
        "received_on": "day on which the cumulative deliveries reached the quantity ordered",
        "last_received_on": "day of the last delivery",
        "ordered": "quantity ordered",
        "received": "quantity received, less receipts that were reversed",
        "missing": "quantity still to come; 0 where the line is not open",
        "rejected": "quantity rejected at inspection, or scrapped in production",
        "returned": "part of the received quantity that was sent back for credit",
        "price": "price of one unit",
        "status": "open, closed, cancelled or draft",
        "file": "file that contains its record",
        "line": "line of its record in that file",
    },
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
        table.c.lines_redated,
        table.c.redatings,
    ).select_from(supplier.outerjoin(table, table.c.supplier_id == supplier.c.id))


v_supplier = View(
    "v_supplier",
    "supplier, over the purchase lines due in the last 365 days; see items.md",
    _supplier,
    {
        "supplier_id": "the supplier's number, for joins",
        "active": "still in use",
        "as_of": "last day of the 365",
        "lines_due": "lines promised in that time, not cancelled",
        "never_received": "number of those of which nothing was received",
        "otif": "share of lines received in full by the promised day",
        "on_time": "share of lines of which nothing was received late",
        "in_full": "share of lines received in full by now",
        "lead_time_p50": "days from order to complete: median",
        "lead_time_p90": "days from order to complete: 90 % quantile",
        "lead_time_cv": "standard deviation of the lead time over its mean",
        "promise_slip": "mean days from the promised day to full receipt; open lines count up to as_of",
        "late_value_days": "days late times value, added up",
        "reject_ppm": "rejected or sent back for credit, per million received",
        "lines_redated": "number of lines due whose promise moved",
        "redatings": "how often promises moved, on all lines due",
    },
)


def _quality(dialect: sa.Dialect) -> sa.Select[Any]:
    return _defects(quality_day, ("inspected", "defective", "scrapped"), dialect)


v_quality = View(
    "v_quality",
    "day, item, operation, supplier and origin of what was looked at",
    _quality,
    {"inspected": "quantity inspected", "reason": "the most frequent kind of defect; empty where there is none"},
)


def _quality_reason(dialect: sa.Dialect) -> sa.Select[Any]:
    return _defects(quality_reason, ("defective", "scrapped"), dialect)


v_quality_reason = View(
    "v_quality_reason",
    "reason of defects, by day, item, operation, supplier and origin: adds up to v_quality",
    _quality_reason,
    {"reason": "kind of defect; empty where none is recorded"},
)


def _defects(table: sa.Table, numbers: tuple[str, ...], dialect: sa.Dialect) -> sa.Select[Any]:
    return sa.select(
        table.c.day,
        item.c.id.label("item_id"),
        item.c.sku,
        table.c.operation,
        supplier.c.code.label("supplier"),
        table.c.origin,
        *(plain(table.c[name], dialect) for name in numbers),
        table.c.reason,
    ).select_from(
        table.join(item, item.c.id == table.c.item_id).outerjoin(supplier, supplier.c.id == table.c.supplier_id)
    )
