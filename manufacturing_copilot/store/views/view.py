"""What a view is, what columns mean wherever they occur, and stored numbers as people expect to read them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from manufacturing_copilot.store.types import SCALE, ExactDecimal


@dataclass(frozen=True)
class View:
    """One view: what one of its rows is, its query, and what its columns mean where they mean more than everywhere."""

    name: str
    rows: str
    query: Callable[[sa.Dialect], sa.Select[Any]]
    columns: dict[str, str] = field(default_factory=dict)


EVERYWHERE = {
    "item_id": "the item's number, for joins",
    "sku": "the item's SKU",
    "name": "the name people use",
    "location": "code of the location; MAIN where the record names none",
    "supplier": "code of the supplier",
    "day": "the day",
    "as_of": "the day it was made for",
    "unit_cost": "cost of one unit, from accounting where it has one",
    "valid_from": "first day on which it is valid; empty: always",
    "valid_to": "last day on which it is valid; empty: open-ended",
    "bill": "which of the item's bills of materials, where it has several",
    "on_hand": "quantity on hand, free and reserved",
    "reserved": "part of on_hand that is reserved for orders",
    "available": "on_hand less reserved",
    "in_inspection": "in addition to on_hand, blocked until it has been inspected",
    "on_order": "ordered and not yet received",
    "counted_on": "day of the count or movement that it is based on",
    "made": "true: made here; false: bought",
    "operation": "the operation; empty where none is named",
    "origin": "inspections, work_orders or receipts",
    "defective": "quantity found defective",
    "scrapped": "part of it that was scrapped",
    "severity": "info, warning or critical",
    "title": "a short title",
    "status": "the status",
    "source": "the source, as in site.yaml",
}
"""Columns that mean the same in every view that has them; quantities are in the item's base unit."""


def plain(column: sa.Column[Any], dialect: sa.Dialect) -> sa.Label[Any]:
    """Return the column as `number`, under its own name."""
    return number(column, dialect).label(column.name)


def number(column: sa.Column[Any], dialect: sa.Dialect) -> sa.ColumnElement[Any]:
    """Return the column as a plain number; SQLite stores exact decimals as whole millionths."""
    if isinstance(column.type, ExactDecimal) and dialect.name == "sqlite":
        return sa.type_coerce(sa.type_coerce(column, sa.Integer) / sa.literal_column(f"{10**SCALE}.0"), sa.Float)
    return column
