"""What has ended because a newer full list leaves it out."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from manufacturing_copilot.store.tables import batch, batch_file, feed, list_stretch
from manufacturing_copilot.store.views.view import View


def _ended(dialect: sa.Dialect) -> sa.Select[Any]:
    """One row per record and list that leaves it out, though the list before names it."""
    table = list_stretch
    again = table.alias("again")
    returned = sa.select(sa.func.min(again.c.from_day)).where(
        again.c.feed_id == table.c.feed_id, again.c.entity == table.c.entity, again.c.from_day >= table.c.until_day
    )
    return (
        sa.select(
            feed.c.name.label("feed"),
            sa.func.replace(table.c.entity, "\x1f", " / ").label("record"),
            table.c.from_day.label("listed_from"),
            table.c.until_day.label("ended_on"),
            returned.scalar_subquery().label("listed_again"),
            batch_file.c.path.label("file"),
            batch.c.reference.label("batch"),
        )
        .join(feed, feed.c.id == table.c.feed_id)
        .join(batch_file, batch_file.c.id == table.c.until_file_id)
        .join(batch, batch.c.id == batch_file.c.batch_id)
    )


v_ended = View(
    "v_ended",
    "record that a full list left out, and which list it was",
    _ended,
    {
        "feed": "the feed that says holds: all",
        "record": "the fields of the feed's key, joined, less the day of a count",
        "listed_from": "day of the list that names it first; 1900-01-01: it was loaded before lists were kept",
        "ended_on": "day of the list that leaves it out",
        "listed_again": "day of the list that names it again; empty: none has",
        "file": "that left it out",
        "batch": "reference of that file's batch",
    },
)
