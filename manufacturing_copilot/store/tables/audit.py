"""Who did what to what, and why: one table for every stage."""

from __future__ import annotations

import sqlalchemy as sa

from manufacturing_copilot.store.tables.columns import metadata, row_id
from manufacturing_copilot.store.types import Json, UtcTimestamp

audit_event = sa.Table(
    "audit_event",
    metadata,
    row_id(),
    sa.Column("at", UtcTimestamp, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("verb", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("detail", Json, nullable=False),
)
