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
    "name": "what people call it",
    "location": "code of the location; MAIN where nobody names one",
    "supplier": "code of the supplier",
    "day": "the day",
    "as_of": "the day it was made for",
    "unit_cost": "what one costs, by accounting where it says so",
    "valid_from": "first day on which it holds; empty: always",
    "valid_to": "last day on which it holds; empty: open",
    "bill": "which of the item's bills of materials, where it has several",
    "on_hand": "what lies there, free and reserved",
    "reserved": "of on_hand, already promised",
    "available": "on_hand less reserved",
    "in_inspection": "there besides on_hand, but not free until it has been inspected",
    "on_order": "ordered and not yet received",
    "counted_on": "day of the count or movement that it rests on",
    "made": "true: made here; false: bought",
    "operation": "at which operation; empty where none is named",
    "origin": "inspections, work_orders or receipts",
    "defective": "how many were bad",
    "scrapped": "of them, scrapped",
    "severity": "how bad: info, warning or critical",
    "title": "in a few words",
    "status": "where it stands",
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
