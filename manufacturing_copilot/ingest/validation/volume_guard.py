"""The volume guard: whether a batch has as many rows as the feed's batches usually have."""

from __future__ import annotations

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.formatting import counted, rounded
from manufacturing_copilot.frame_schemas import Column, FrameSchema
from manufacturing_copilot.ingest.ledger.attempts import Attempt
from manufacturing_copilot.site import Feed
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.tables import BatchStatus, batch, batch_event
from manufacturing_copilot.store.tables import feed as feed_table

BATCHES_BEFORE, BATCHES_AT_LEAST = 20, 5
"""A batch is compared with so many before it, at most and at least."""

VOLUMES = FrameSchema(
    "rows of a feed's batches beside those of the batches before each",
    {
        "reference": Column(pl.String, "the batch; empty for one that is not loaded yet"),
        "rows": Column(pl.Int64, "rows received"),
        "usual": Column(pl.Float64, "median rows of the batches before it; null where they are too few", nullable=True),
        "spread": Column(pl.Float64, "robust standard deviation of those, rows; at least 2 and a tenth of the median"),
        "unusual": Column(pl.Boolean, "more than five times the spread away from the median"),
    },
)

_HELD = "unusual volume"


def volumes(connection: sa.Connection, feed_name: str, *, last: int, coming: int | None = None) -> pl.DataFrame:
    """Return how the rows of a feed's `last` loaded batches compare with those of the batches before each; see VOLUMES.

    Each is compared with up to BATCHES_BEFORE batches before it, where there are BATCHES_AT_LEAST. The robust
    standard deviation is 1.4826 times the median absolute deviation.
    `coming`: rows of one more batch, which is not loaded yet and comes last, with an empty reference.
    """
    query = (
        sa.select(batch.c.id, batch.c.reference, batch.c.rows_received.label("rows"))
        .join(feed_table, feed_table.c.id == batch.c.feed_id)
        .where(feed_table.c.name == feed_name, batch.c.status == BatchStatus.SUCCESS, batch.c.rows_received > 0)
        .order_by(batch.c.id.desc())
        .limit(last + BATCHES_BEFORE)
    )
    loaded = read_frame(connection, query).sort("id").drop("id")
    if coming is not None:
        loaded = pl.concat([loaded, pl.DataFrame({"reference": [""], "rows": [coming]})])
    return _beside_earlier(loaded).tail(last)


def _beside_earlier(loaded: pl.DataFrame) -> pl.DataFrame:
    earlier = pl.concat_list([pl.col("rows").shift(back) for back in range(1, BATCHES_BEFORE + 1)]).list.drop_nulls()
    enough = earlier.list.len() >= BATCHES_AT_LEAST
    away = pl.element() - pl.element().median()
    compared = loaded.with_columns(
        pl.when(enough).then(earlier.list.median()).alias("usual"),
        pl.when(enough).then(earlier.list.eval(away.abs()).list.median() * 1.4826).alias("spread"),
    ).with_columns(pl.max_horizontal("spread", pl.col("usual") / 10, pl.lit(2.0)).alias("spread"))
    unusual = (pl.col("rows") - pl.col("usual")).abs() > 5 * pl.col("spread")
    return compared.with_columns(unusual.fill_null(False).alias("unusual"))


def hold_unusual_volume(connection: sa.Connection, feed: Feed, attempt: Attempt, rows: int) -> None:
    """Raise BatchError where the batch has an unusual number of rows and the feed holds such batches.

    A batch that was held once and that a person let be tried again is held no more.
    """
    if feed.guards.volume != "hold" or rows == 0:
        return
    [volume] = volumes(connection, feed.feed, last=1, coming=rows).rows(named=True)
    if volume["unusual"] and not _was_held(connection, attempt.batch_id):
        raise BatchError(
            f"{volume_in_words(rows, volume['usual'])}, and {feed.feed} holds batches of {_HELD}; look at its files,"
            f" then `copilot batch retry {attempt.reference}` loads it as it is"
        )


def volume_in_words(rows: int, usual: float) -> str:
    """Return the finding about a batch of an unusual number of rows."""
    return f"the batch has {counted(rows, 'row')}, where {rounded(usual, 0)} are usual"


def _was_held(connection: sa.Connection, batch_id: int) -> bool:
    was_held = sa.select(sa.literal(1)).where(
        sa.exists().where(
            batch_event.c.batch_id == batch_id,
            batch_event.c.to_status == BatchStatus.FAILED,
            batch_event.c.reason.contains(f"holds batches of {_HELD}"),
        )
    )
    return connection.scalar(was_held) is not None
