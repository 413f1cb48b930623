"""The views of what unified holds: codes, disagreements, how items are made, stock by day, and history."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from manufacturing_copilot.store.readable import number, plain
from manufacturing_copilot.store.tables import (
    SupplyStatus,
    batch_file,
    bom_line,
    demand_day,
    external_id,
    inventory_snapshot,
    item,
    item_conflict,
    location,
    process,
    quality_day,
    quality_reason,
    routing_step,
    supplier,
    supply_line,
    unmapped_id,
)


def fact_views(dialect: sa.Dialect) -> dict[str, sa.Select[Any]]:
    """Return the views' queries by name."""
    return {
        "v_item_code": _item_code(),
        "v_item_conflict": _item_conflict(),
        "v_unmapped": _unmapped(),
        "v_process": _process(dialect),
        "v_bom": _bom(dialect),
        "v_routing": _routing(dialect),
        "v_stock_day": _stock_day(dialect),
        "v_demand": _demand(dialect),
        "v_supply": _supply(dialect),
        "v_quality": _quality(dialect),
        "v_quality_reason": _quality_reason(dialect),
    }


def _item_code() -> sa.Select[Any]:
    return sa.select(
        item.c.id.label("item_id"),
        item.c.sku,
        external_id.c.source,
        external_id.c.external_id.label("code"),
        external_id.c.matched_by,
    ).join(item, item.c.id == external_id.c.item_id)


def _item_conflict() -> sa.Select[Any]:
    names = ("field", "kept_source", "kept", "other_source", "other")
    return sa.select(item.c.id.label("item_id"), item.c.sku, *(item_conflict.c[name] for name in names)).join(
        item, item.c.id == item_conflict.c.item_id
    )


def _unmapped() -> sa.Select[Any]:
    table = unmapped_id
    return sa.select(
        table.c.source,
        table.c.records,
        table.c.external_id.label("code"),
        table.c.problem,
        table.c.sentence,
        table.c.rows,
        batch_file.c.path.label("example_file"),
        table.c.example_line,
    ).select_from(table.outerjoin(batch_file, batch_file.c.id == table.c.example_file_id))


def _process(dialect: sa.Dialect) -> sa.Select[Any]:
    names = ("version", "bill", "valid_from", "valid_to", "components", "steps")
    return sa.select(
        item.c.id.label("item_id"),
        item.c.sku,
        *(process.c[name] for name in names),
        plain(process.c.share, dialect),
        process.c.problem,
    ).join(item, item.c.id == process.c.item_id)


def _bom(dialect: sa.Dialect) -> sa.Select[Any]:
    component = item.alias("component")
    return (
        sa.select(
            item.c.id.label("item_id"),
            item.c.sku,
            component.c.id.label("component_id"),
            component.c.sku.label("component"),
            component.c.name.label("component_name"),
            plain(bom_line.c.quantity_per, dialect),
            component.c.base_unit.label("unit"),
            plain(bom_line.c.scrap_ratio, dialect),
            bom_line.c.bill,
            bom_line.c.bill_priority,
            plain(bom_line.c.bill_share, dialect),
            bom_line.c.alternate_group,
            bom_line.c.priority,
            plain(bom_line.c.share, dialect),
            bom_line.c.valid_from,
            bom_line.c.valid_to,
        )
        .join(item, item.c.id == bom_line.c.item_id)
        .join(component, component.c.id == bom_line.c.component_id)
    )


def _routing(dialect: sa.Dialect) -> sa.Select[Any]:
    table = routing_step
    return sa.select(
        item.c.id.label("item_id"),
        item.c.sku,
        table.c.step,
        table.c.operation,
        table.c.work_center,
        plain(table.c.setup_minutes, dialect),
        plain(table.c.run_minutes, dialect),
        table.c.valid_from,
        table.c.valid_to,
    ).join(item, item.c.id == table.c.item_id)


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
        table.c.received_on,
        table.c.last_received_on,
        ordered.label("ordered"),
        received.label("received"),
        sa.case((is_open, ordered - received), else_=0).label("missing"),
        plain(table.c.rejected, dialect),
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


def _quality(dialect: sa.Dialect) -> sa.Select[Any]:
    return _found(quality_day, ("inspected", "defective", "scrapped"), dialect)


def _quality_reason(dialect: sa.Dialect) -> sa.Select[Any]:
    return _found(quality_reason, ("defective", "scrapped"), dialect)


def _found(table: sa.Table, numbers: tuple[str, ...], dialect: sa.Dialect) -> sa.Select[Any]:
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
