"""Column types that keep what SQLite alone would lose: exact decimals and UTC times."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

SCALE = 6


class ExactDecimal(sa.types.TypeDecorator[Decimal]):
    """A decimal of six places: NUMERIC(18, 6) on PostgreSQL, a scaled integer on SQLite.

    SQLite's own NUMERIC is a float and would round money. Python sees Decimal; `read_frame` gives float64.
    """

    impl = sa.Numeric(18, SCALE)
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """Return BIGINT on SQLite, NUMERIC(18, 6) elsewhere."""
        return dialect.type_descriptor(sa.BigInteger() if dialect.name == "sqlite" else sa.Numeric(18, SCALE))

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        """Scale `value` for SQLite."""
        if value is None or dialect.name != "sqlite":
            return value
        return int((Decimal(str(value)) * 10**SCALE).to_integral_value())

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Decimal | None:
        """Give back the decimal."""
        if value is None:
            return None
        return Decimal(int(value)).scaleb(-SCALE) if dialect.name == "sqlite" else Decimal(value)


class UtcTimestamp(sa.types.TypeDecorator[datetime]):
    """A moment in UTC: TIMESTAMPTZ on PostgreSQL, ISO text that sorts on SQLite.

    SQLite's own DateTime drops the offset in silence. Naive datetimes are refused.
    """

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """Return TEXT on SQLite, TIMESTAMPTZ elsewhere."""
        return dialect.type_descriptor(sa.String(32) if dialect.name == "sqlite" else sa.DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> Any:
        """Turn `value` to UTC; raises ValueError where it has no zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without a zone cannot be stored: {value.isoformat()}")
        moment = value.astimezone(UTC)
        return moment.isoformat(timespec="microseconds") if dialect.name == "sqlite" else moment

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        """Give back the moment in UTC."""
        if value is None:
            return None
        return datetime.fromisoformat(value) if isinstance(value, str) else value.astimezone(UTC)


Json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def utc_now() -> datetime:
    """Return this moment, in UTC."""
    return datetime.now(UTC)
