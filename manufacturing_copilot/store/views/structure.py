"""How items are made: versions of a process, bills of materials, routings."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from manufacturing_copilot.store.tables import bom_line, item, process, routing_step
from manufacturing_copilot.store.views.view import View, plain


def _process(dialect: sa.Dialect) -> sa.Select[Any]:
    names = ("version", "bill", "valid_from", "valid_to", "components", "steps")
    return sa.select(
        item.c.id.label("item_id"),
        item.c.sku,
        *(process.c[name] for name in names),
        plain(process.c.share, dialect),
        process.c.problem,
    ).join(item, item.c.id == process.c.item_id)


v_process = View(
    "v_process",
    "version in which an item was, is or will be made: one for each bill and period without a change",
    _process,
    {
        "version": "from 1, the oldest first",
        "components": "number of lines valid in this version",
        "steps": "number of operations valid in this version",
        "share": "share of the item that is made this way now; empty: not in force",
        "problem": "a cycle, a missing component, shares that do not add up; in words",
    },
)


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
            bom_line.c.optional,
            bom_line.c.valid_from,
            bom_line.c.valid_to,
        )
        .join(item, item.c.id == bom_line.c.item_id)
        .join(component, component.c.id == bom_line.c.component_id)
    )


v_bom = View(
    "v_bom",
    "line of a bill of materials, past, present or to come",
    _bom,
    {
        "sku": "SKU of the item that is made",
        "component_id": "number of the component, for joins",
        "component": "SKU of the component",
        "component_name": "name of the component",
        "quantity_per": "quantity of the component for one item, without scrap",
        "unit": "the component's base unit",
        "scrap_ratio": "share of the component lost as scrap",
        "bill_priority": "of several bills the one with the lowest number is used",
        "bill_share": "share of the item's output made with this bill",
        "alternate_group": "lines of a bill with the same group are alternatives to each other",
        "priority": "of alternates the one with the lowest number is used",
        "share": "share of the need that this alternate covers",
        "optional": "not needed to make the item",
    },
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


v_routing = View(
    "v_routing",
    "operation in the making of an item",
    _routing,
    {
        "step": "position in the sequence of operations",
        "operation": "the operation",
        "work_center": "work center of the operation",
        "setup_minutes": "setup time in minutes, per order",
        "run_minutes": "run time in minutes, per unit",
    },
)
