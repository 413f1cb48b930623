"""Overlap: rows of a feed without a key that stand accepted from another batch already.

Such rows may repeat legitimately, so none is a duplicate; but where most of a file has come before, it is the same
export once more, and its rows would count twice. That is told, and a person decides.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.ingest.received import LINE
from manufacturing_copilot.ingest.record_keys import exact
from manufacturing_copilot.records import FieldType
from manufacturing_copilot.site import Feed
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.tables import accepted, batch

ROWS_LOOKED_AT = 20_000
"""So many rows of a batch are compared, its first ones: an export that comes again does so from its beginning."""
SHARE, ROWS = 0.5, 20
"""An overlap is told from this share of the rows, and so many of them."""


@dataclass(frozen=True)
class Overlap:
    """How many of `rows` records stand accepted from other batches, most of them from the batch `reference`."""

    rows: int
    again: int
    reference: str

    @property
    def telling(self) -> bool:
        """Whether so many are there that chance does not explain them."""
        return self.again >= max(ROWS, SHARE * self.rows)

    def __str__(self) -> str:
        """Return it in words."""
        return (
            f"{self.again:,} of the first {self.rows:,} rows stand accepted already, most from batch {self.reference},"
            " and would count twice, as this feed has no key; withdraw one of the two batches, or give the feed a key"
        )


def overlap_of(
    connection: sa.Connection, feed: Feed, feed_id: int, records: pl.DataFrame, batch_id: int | None = None
) -> Overlap | None:
    """Return how far records of a feed without a key overlap those of its other batches; None where it has a key.

    Rows are the same where every field is; each accepted row counts for one. `batch_id` is the batch that the records
    are of, where they are accepted already.
    """
    if feed.record_key or records.is_empty():
        return None
    names = [name for name in feed.kind.field_names if name in feed.columns]
    ours = exact(records, feed.kind).sort(LINE).head(ROWS_LOOKED_AT).select(names)  # as the table keeps them
    theirs = _accepted(connection, feed, feed_id, ours, names, batch_id)
    counted = ours.group_by(names).len("ours")
    both = counted.join(theirs.group_by(names).len("theirs"), on=names, how="inner", nulls_equal=True)
    repeated = int(both.select(pl.min_horizontal("ours", "theirs").sum()).item())
    if not repeated:
        return Overlap(ours.height, 0, "")
    common = theirs.join(counted, on=names, how="semi", nulls_equal=True).get_column("batch_id")
    most = common.value_counts(sort=True).get_column("batch_id")[0]
    return Overlap(
        ours.height, repeated, str(connection.scalar(sa.select(batch.c.reference).where(batch.c.id == most)))
    )


def _accepted(
    connection: sa.Connection, feed: Feed, feed_id: int, ours: pl.DataFrame, names: list[str], batch_id: int | None
) -> pl.DataFrame:
    """Return the accepted rows of other batches, of the days that the records are of."""
    table = accepted[feed.records]
    query = sa.select(*(table.c[name] for name in names), table.c.batch_id).where(table.c.feed_id == feed_id)
    if batch_id is not None:
        query = query.where(table.c.batch_id != batch_id)
    days = next((f.name for f in feed.kind.fields if f.type is FieldType.DATE and f.required and f.name in names), None)
    if days is not None:
        query = query.where(table.c[days].between(ours[days].min(), ours[days].max()))
    return read_frame(connection, query)
