"""Items: what they are, their codes, where sources differ, and codes that mean nothing yet."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from manufacturing_copilot.store.tables import batch_file, external_id, item, item_conflict, supplier, unmapped_id
from manufacturing_copilot.store.views.view import View, plain


def _item(dialect: sa.Dialect) -> sa.Select[Any]:
    """One row per item: its codes, what it is, how it is replenished, what it costs."""
    codes = (
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
        codes.label("codes"),
    ).select_from(item.outerjoin(supplier, item.c.supplier_id == supplier.c.id))


v_item = View(
    "v_item",
    "item",
    _item,
    {
        "category": "the group it belongs to",
        "base_unit": "unit of measure of all its quantities",
        "abc": "A, B or C by the value of a year's demand: 80/15/5",
        "service": "a service rather than a physical item: never stocked or forecast",
        "phantom": "a phantom assembly, never stocked",
        "active": "still in use",
        "supplier": "code of the usual supplier",
        "lead_time_days": "days from order to receipt, as the systems plan",
        "reorder_point": "stock position at which to order again",
        "safety_stock": "stock held as a buffer against uncertainty",
        "minimum_order": "smallest quantity that can be ordered",
        "order_multiple": "order quantities are multiples of this",
        "list_price": "sales price",
        "discontinued_on": "last day of sale",
        "codes": "how many codes of how many sources mean it: see v_item_code",
    },
)


def _item_code(dialect: sa.Dialect) -> sa.Select[Any]:
    return sa.select(
        item.c.id.label("item_id"),
        item.c.sku,
        external_id.c.source,
        external_id.c.external_id.label("code"),
        external_id.c.matched_by,
    ).join(item, item.c.id == external_id.c.item_id)


v_item_code = View(
    "v_item_code",
    "code of a source that means an item",
    _item_code,
    {
        "code": "the source's code for it",
        "matched_by": "the key by which it was recognised, or item_references, merge, split",
    },
)


def _item_conflict(dialect: sa.Dialect) -> sa.Select[Any]:
    names = ("field", "kept_source", "kept", "other_source", "other")
    return sa.select(item.c.id.label("item_id"), item.c.sku, *(item_conflict.c[name] for name in names)).join(
        item, item.c.id == item_conflict.c.item_id
    )


v_item_conflict = View(
    "v_item_conflict",
    "attribute of an item about which a source differs from the one that is believed",
    _item_conflict,
    {
        "field": "the attribute",
        "kept_source": "the source that takes precedence, by priority",
        "kept": "its value, which is used",
        "other_source": "a source that disagrees",
        "other": "the value in that source",
    },
)


def _unmapped(dialect: sa.Dialect) -> sa.Select[Any]:
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


v_unmapped = View(
    "v_unmapped",
    "code whose records cannot be used yet",
    _unmapped,
    {
        "records": "the record kind in which it occurs",
        "code": "the code",
        "problem": "no item, or no unit factor",
        "sentence": "what is missing, and what to do",
        "rows": "number of records that wait",
        "example_file": "file of one of them",
        "example_line": "line of that record",
    },
)
