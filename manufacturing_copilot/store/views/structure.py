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
        "components": "lines of the bill that hold",
        "steps": "operations that hold",
        "share": "of the item that is made like this now; empty: not in force",
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
        "component": "SKU of what goes into it",
        "component_name": "what people call that",
        "quantity_per": "of the component for one item, what is lost in making not included",
        "unit": "the component's base unit",
        "scrap_ratio": "share of the component that is lost",
        "bill_priority": "of several bills the lowest is made",
        "bill_share": "share of the item that is made by this bill",
        "alternate_group": "lines of one bill with the same group stand for each other",
        "priority": "of alternates the lowest is taken",
        "share": "share of the need that this alternate covers",
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
        "step": "place in the order of operations",
        "operation": "what is done",
        "work_center": "where",
        "setup_minutes": "to set up, per order",
        "run_minutes": "to make one",
    },
)
