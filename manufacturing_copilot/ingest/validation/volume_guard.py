"""The volume guards: whether a batch has as many rows as usual, and a full list as the one before it."""

from __future__ import annotations

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.formatting import counted, rounded
from manufacturing_copilot.frame_schemas import Column, FrameSchema
from manufacturing_copilot.ingest.ledger.attempts import Attempt
from manufacturing_copilot.ingest.ledger.full_lists import FullList, lists_of, named_by, never_listed
from manufacturing_copilot.site import Feed
from manufacturing_copilot.site.holds import Holds
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
_SHORT = "waits for a person"
LISTS_BEFORE = 40
"""So many lists are looked at for what was listed before, where each is of one place, supplier or name."""
ENDS_AT_LEAST = 3
"""A list that ends fewer does not wait, whatever share of the last they are; one that names nothing always does."""


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
    if volume["unusual"] and not _was_held(connection, attempt.batch_id, f"holds batches of {_HELD}"):
        raise BatchError(
            f"{volume_in_words(rows, volume['usual'])}, and {feed.feed} holds batches of {_HELD}; look at its files,"
            f" then `copilot batch retry {attempt.reference}` loads it as it is"
        )


def volume_in_words(rows: int, usual: float) -> str:
    """Return the finding about a batch of an unusual number of rows."""
    return f"the batch has {counted(rows, 'row')}, where {rounded(usual, 0)} are usual"


def hold_short_list(connection: sa.Connection, feed: Feed, attempt: Attempt) -> None:
    """Raise BatchError where a full list in the batch would end more of the last one than the feed lets it.

    What the files of the batch name must have been kept. A batch that was held once and that a person let be tried
    again is held no more.
    """
    if feed.holds is Holds.CHANGES or _was_held(connection, attempt.batch_id, _SHORT):
        return
    lists = lists_of(connection, feed.feed, feed.holds, with_batch=attempt.batch_id)
    for number, coming in enumerate(lists):
        if coming.batch_id != attempt.batch_id:
            continue
        known = _named_before(connection, feed, lists[:number])
        named = named_by(connection, feed, coming)
        gone = named.leaves_out(known).height
        covered = known.height if named.scopes is None else known.filter(pl.col("scope").is_in(named.scopes)).height
        if gone and (named.rows.is_empty() or (gone >= ENDS_AT_LEAST and gone > feed.guards.ends_at_most * covered)):
            name = coming.path.rpartition("/")[2]
            raise BatchError(
                f"{name} leaves out {gone:,} of the {covered:,} records that were listed before it"
                f" ({gone / covered:.0%}), and they would end."
                f" {feed.feed} says holds: {feed.holds.value}, and a list that ends more than"
                f" {feed.guards.ends_at_most:.0%} {_SHORT}: where the file is whole, `copilot batch retry"
                f" {attempt.reference}` loads it as it is; where it is one part of a list, or holds changes, `copilot"
                f" batch withdraw {attempt.reference}`, and say so under holds:"
            )


def _named_before(connection: sa.Connection, feed: Feed, lists: list[FullList]) -> pl.DataFrame:
    """Return entity and scope of what the newest list of each scope names; of a feed's last lists."""
    known = pl.DataFrame(schema={"entity": pl.String, "scope": pl.String})
    for earlier in reversed(lists[-LISTS_BEFORE:]):
        named = named_by(connection, feed, earlier)
        rows = named.rows.filter("accepted").select("entity", pl.col("scope").fill_null(""))
        new_scopes = rows.filter(~pl.col("scope").is_in(known["scope"].unique().implode()))
        known = pl.concat([known, new_scopes.join(known, on="entity", how="anti")])
        if named.scopes is None:
            return known
    return known if lists else never_listed(connection, feed).select("entity", "scope")


def _was_held(connection: sa.Connection, batch_id: int, sentence: str) -> bool:
    was_held = sa.select(sa.literal(1)).where(
        sa.exists().where(
            batch_event.c.batch_id == batch_id,
            batch_event.c.to_status == BatchStatus.FAILED,
            batch_event.c.reason.contains(sentence),
        )
    )
    return connection.scalar(was_held) is not None
