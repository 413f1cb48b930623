"""Records refused because their key was taken, where the feed says `repeats: reject`: the reason in words."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.ingest.loading.archive import received_texts
from manufacturing_copilot.ingest.loading.reprocess import mended_texts
from manufacturing_copilot.ingest.received import LINE
from manufacturing_copilot.ingest.record_keys import FILE, KEY, SEPARATOR
from manufacturing_copilot.ingest.rejections import single_reason
from manufacturing_copilot.site import Feed
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.tables import batch_file

REFUSED_RULE = "repeats"
"""The rule in the reasons of a refused record."""


def is_refused(reasons: pl.Expr) -> pl.Expr:
    """Whether `reasons` (JSON text) says that a record was refused because another holds its key."""
    return reasons.str.contains(rf'"rule":\s*"{REFUSED_RULE}"')


def refused_rows(connection: sa.Connection, feed: Feed, refused: pl.DataFrame, texts: pl.DataFrame) -> pl.DataFrame:
    """Return refused records with `reasons` and `received`, beside `file_id` and `_line`.

    `refused`: `file_id`, `_line`, `record_key`, and `of_file_id`, `of_line` of the record that holds the key.
    `texts`: the same rows with `received` (JSON text).
    """
    of_files = refused["of_file_id"].unique().to_list()
    paths = read_frame(
        connection,
        sa.select(batch_file.c.id.label("of_file_id"), batch_file.c.path).where(batch_file.c.id.in_(of_files)),
    )
    sentence = pl.format(
        "the record {} was accepted before with other content (line {} of {}), and this feed says repeats: reject;"
        " the first one holds",
        pl.col("value"),
        pl.col("of_line"),
        pl.col("path"),
    )
    return (
        refused.join(texts, on=[FILE, LINE])
        .join(paths, on="of_file_id")
        .with_columns(pl.col(KEY).str.replace_all(SEPARATOR, " / ", literal=True).alias("value"))
        .with_columns(single_reason(", ".join(feed.record_key), pl.col("value"), REFUSED_RULE, sentence))
        .select(FILE, LINE, "reasons", "received")
    )


def texts_of(connection: sa.Connection, rows: pl.DataFrame, home: Path) -> pl.DataFrame:
    """Return `file_id`, `_line` and `received` (JSON text) of some rows: what was received, or was mended since."""
    files = rows[FILE].unique().to_list()
    query = sa.select(batch_file.c.id, batch_file.c.received_as).where(batch_file.c.id.in_(files))
    kept = dict(connection.execute(query).tuples().all())
    received = pl.concat(
        received_texts(kept[file_id], home, rows.filter(pl.col(FILE) == file_id)[LINE]).with_columns(
            pl.lit(file_id, pl.Int64).alias(FILE)
        )
        for file_id in files
    )
    return with_mended_texts(connection, received)


def with_mended_texts(connection: sa.Connection, received: pl.DataFrame) -> pl.DataFrame:
    """Return rows (`file_id`, `_line`, `received`) with the texts of those that a person mended in place of theirs."""
    mended = mended_texts(connection, received[FILE].unique().to_list())
    return received.join(mended, on=[FILE, LINE], how="left").select(
        FILE, LINE, pl.coalesce("mended", "received").alias("received")
    )
