"""How far each stage has come, so that a run with nothing new does nothing."""

from __future__ import annotations

import sqlalchemy as sa

from manufacturing_copilot.store.tables.columns import Id, metadata
from manufacturing_copilot.store.types import Json, UtcTimestamp

past_day = sa.Table(
    "past_day",
    metadata,
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("made_at", UtcTimestamp, nullable=False),
    comment="only in a database that holds what was known on that day: it takes nothing in and tells nobody",
)

batch_seen = sa.Table(
    "batch_seen",
    metadata,
    sa.Column("batch_id", Id, sa.ForeignKey("batch.id"), primary_key=True, autoincrement=False),
    sa.Column("event_id", Id, nullable=False, comment="the newest batch_event.id of its success by then; 0: none"),
    comment="the batches whose records unified holds, and in which state",
)

refresh = sa.Table(
    "refresh",
    metadata,
    sa.Column("stage", sa.Text, primary_key=True, comment="unified, forecasts or alerts"),
    sa.Column("as_of", sa.Date, primary_key=True),
    sa.Column("up_to_batch_id", Id, nullable=False, comment="the last batch it has seen"),
    sa.Column(
        "batches_hash", sa.String(64), nullable=False, default="", server_default="", comment="of all it has seen"
    ),
    sa.Column("site_hash", sa.String(64), nullable=False, comment="of the declarations it was made under"),
    sa.Column("at", UtcTimestamp, nullable=False),
    sa.Column("held", Json, comment="of unified: the rules it was made by, and what its tables hold"),
    comment="how far each stage has come, so that a run with nothing new does nothing",
)
