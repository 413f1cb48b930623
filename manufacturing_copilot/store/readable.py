"""Stored numbers as people and BI tools expect to read them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from manufacturing_copilot.store.types import SCALE, ExactDecimal


def plain(column: sa.Column[Any], dialect: sa.Dialect) -> sa.Label[Any]:
    """Return the column as `number`, under its own name."""
    return number(column, dialect).label(column.name)


def number(column: sa.Column[Any], dialect: sa.Dialect) -> sa.ColumnElement[Any]:
    """Return the column as a plain number; SQLite stores exact decimals as whole millionths."""
    if isinstance(column.type, ExactDecimal) and dialect.name == "sqlite":
        return sa.type_coerce(sa.type_coerce(column, sa.Integer) / sa.literal_column(f"{10**SCALE}.0"), sa.Float)
    return column
