"""The order of a feed's files: which of two that say different things of one record is the newer.

A file stands where it was written, at the latest where it was claimed; files of one moment stand in the order in which
they were claimed. So the order in which they arrive, and are loaded, does not change what they come to. Within a file
rows stand by their line.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.site.feeds import Order
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.tables import batch_file

IN_ORDER = (batch_file.c.order_ns, batch_file.c.id)
"""What files are ordered by: they get their numbers as they are claimed."""

Place = tuple[int, int]
"""The values of IN_ORDER of a file."""

AFTER_ALL = (1 << 63) - 1
"""The moment of a file that no batch has claimed yet: later than any."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def order_ns(modified_ns: Sequence[int], claimed_at: datetime, order: Order, *, newest: int) -> list[int]:
    """Return the moments at which files stand that are claimed now, in nanoseconds since 1970.

    `modified_ns`: when each was written; 0 where nobody says so. Files that stand by their claim do not come before
    the `newest` of the feed, whatever the clock says.
    """
    claimed = (claimed_at - _EPOCH) // timedelta(microseconds=1) * 1_000
    by_claim = max(claimed, newest)
    return [min(moment, claimed) if moment > 0 and order is Order.WRITTEN else by_claim for moment in modified_ns]


def newest_ns(connection: sa.Connection, feed_id: int) -> int:
    """Return the moment at which the newest file of the feed stands; 0 where there is none."""
    newest = sa.select(sa.func.max(batch_file.c.order_ns)).where(batch_file.c.feed_id == feed_id)
    return connection.scalar(newest) or 0


def first_place(connection: sa.Connection, batch_id: int) -> Place | None:
    """Return where the oldest file of a batch stands; None where it has none."""
    ours = batch_file.c.batch_id == batch_id
    return _place(connection, sa.select(*IN_ORDER).where(ours).order_by(*IN_ORDER).limit(1))


def last_place(connection: sa.Connection, feed_id: int, counts: sa.ColumnElement[bool]) -> Place | None:
    """Return where the newest of those files of the feed stands for which `counts` holds; None where there is none."""
    newest_first = [column.desc() for column in IN_ORDER]
    query = sa.select(*IN_ORDER).where(batch_file.c.feed_id == feed_id, counts).order_by(*newest_first).limit(1)
    return _place(connection, query)


def moments(connection: sa.Connection, files: pl.Series) -> pl.DataFrame:
    """Return `file_id`, `batch_id` and `order_ns` of these files, in no order."""
    columns = (batch_file.c.id.label("file_id"), batch_file.c.batch_id, batch_file.c.order_ns)
    return read_frame(connection, sa.select(*columns).where(batch_file.c.id.in_(files.unique().to_list())))


def _place(connection: sa.Connection, query: sa.Select[Any]) -> Place | None:
    row = connection.execute(query).one_or_none()
    return None if row is None else (row.order_ns, row.id)
