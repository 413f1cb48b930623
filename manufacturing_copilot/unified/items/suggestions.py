"""Pairs of items that may be one, with a score. They are for a person to judge: nothing is ever merged by itself."""

from __future__ import annotations

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.frame_schemas import Column, FrameSchema
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.tables import accepted, external_id, feed, item
from manufacturing_copilot.unified.codes import normal
from manufacturing_copilot.unified.telling_codes import barcode_key, part_key

LEAST_SCORE = 88.0
RARE = 30
"""A word or key that more items share than this says nothing about which of them are one."""
_OTHER_NUMBERS = 0.6
_SAME_SOURCE = 0.9

DUPLICATES = FrameSchema(
    "pairs of items that may be one",
    {
        "score": Column(pl.Float64, "likeness, 0 to 100"),
        "sku": Column(pl.String, "SKU of the one that is older in the item master"),
        "name": Column(pl.String, "its name", nullable=True),
        "other": Column(pl.String, "SKU of the other"),
        "other_name": Column(pl.String, "its name", nullable=True),
        "why": Column(pl.String, "the key that both have, or that they are alike"),
    },
    key=("sku", "other"),
)


def suggest_duplicates(connection: sa.Connection, *, least: float = LEAST_SCORE) -> pl.DataFrame:
    """Return DUPLICATES: the pairs of active items with a score of `least` or more, the highest first.

    Compared are items that share a rare word of their names, the digits of their codes, a barcode or a manufacturer
    part. The score, of 100, is the greater of the likeness of the names (rapidfuzz' token_sort_ratio) and of the
    codes (its ratio, without case, padding and separators, times 0.95); 99 where a barcode or manufacturer part is the
    same. It is times 0.6 where the names hold different numbers, for an M8 is no M10, and times 0.9 where one system
    knows both, for it tells them apart. A barcode or manufacturer part that two systems have in common scores no less
    than LEAST_SCORE; one that means nothing is none.
    """
    items = _items(connection)
    keyed = pl.concat([_words(items), _digits(items), _parts(connection)])
    rare = keyed.unique().filter(pl.len().over("kind", "key") <= RARE)
    pairs = (
        rare.join(rare, on=["kind", "key"], suffix="_other")
        .filter(pl.col("id") < pl.col("id_other"))
        .group_by("id", "id_other")
        .agg(pl.col("kind").unique())
    )
    if pairs.is_empty():
        return DUPLICATES.empty()
    return _scored(pairs, items, _sources(connection)).filter(pl.col("score") >= least).sort(
        ["score", "sku", "other"], descending=[True, False, False]
    )  # fmt: skip


def _items(connection: sa.Connection) -> pl.DataFrame:
    items = read_frame(connection, sa.select(item.c.id, item.c.sku, item.c.name).where(item.c.active))
    words = pl.col("name").fill_null("").str.to_lowercase()
    return items.with_columns(
        words=words,
        code=normal("sku").fill_null(""),
        numbers=words.str.extract_all(r"\d+(?:[.,]\d+)?").list.unique().list.sort().list.join(" "),
    )


def _words(items: pl.DataFrame) -> pl.DataFrame:
    words = items.select("id", key=pl.col("words").str.extract_all(r"[\p{L}\p{N}]{3,}")).explode("key")
    return words.drop_nulls("key").select("id", "key", kind=pl.lit("name"))


def _digits(items: pl.DataFrame) -> pl.DataFrame:
    digits = items.select("id", key=pl.col("code").str.replace_all(r"\D", "").str.strip_chars_start("0"))
    return digits.filter(pl.col("key").str.len_chars() >= 3).select("id", "key", kind=pl.lit("code"))


def _parts(connection: sa.Connection) -> pl.DataFrame:
    """Return the barcodes and manufacturer parts of the item records; what fits several items matched none of them."""
    table = accepted["items"]
    query = sa.select(feed.c.name, table.c.item.label("code"), table.c.barcode, table.c.manufacturer_part).join(
        feed, feed.c.id == table.c.feed_id
    )
    records = read_frame(connection, query).with_columns(source=pl.col("name").str.split("/").list.first())
    codes = read_frame(
        connection,
        sa.select(external_id.c.source, external_id.c.external_id.label("code"), external_id.c.item_id.label("id")),
    )
    known = records.join(codes, on=["source", "code"])
    parts = [
        known.select("id", key=key_of(name), kind=pl.lit(name.replace("_", " ")))
        for name, key_of in (("barcode", barcode_key), ("manufacturer_part", part_key))
    ]
    return pl.concat(parts).drop_nulls("key")


def _sources(connection: sa.Connection) -> pl.DataFrame:
    """Return id and sources of each item: the systems that have a record of it."""
    query = sa.select(external_id.c.item_id.label("id"), external_id.c.source).where(
        external_id.c.batch_id.is_not(None)
    )
    return read_frame(connection, query).group_by("id").agg(sources=pl.col("source").unique())


def _scored(pairs: pl.DataFrame, items: pl.DataFrame, sources: pl.DataFrame) -> pl.DataFrame:
    from rapidfuzz import fuzz, process  # imported here, because only this one verb needs it

    described = items.join(sources, on="id", how="left")
    both = pairs.join(described, on="id").join(described, left_on="id_other", right_on="id", suffix="_other")
    names = process.cpdist(both["words"].to_list(), both["words_other"].to_list(), scorer=fuzz.token_sort_ratio)
    codes = process.cpdist(both["code"].to_list(), both["code_other"].to_list(), scorer=fuzz.ratio)
    named = (pl.col("words") != "") & (pl.col("words_other") != "")
    same_part = pl.col("kind").list.set_intersection(["barcode", "manufacturer part"])
    score = pl.max_horizontal(
        pl.when(named).then(pl.Series(names).cast(pl.Float64)).otherwise(0.0),
        pl.Series(codes).cast(pl.Float64) * 0.95,
        pl.when(same_part.list.len() > 0).then(99.0).otherwise(0.0),
    )
    other_numbers = named & (pl.col("numbers") != pl.col("numbers_other"))
    one_source = pl.col("sources").list.set_intersection("sources_other").list.len() > 0
    score = score * pl.when(other_numbers).then(_OTHER_NUMBERS).otherwise(1.0)
    score = score * pl.when(one_source.fill_null(False)).then(_SAME_SOURCE).otherwise(1.0)
    # A code in common that did not join two systems' items is for a person to judge, whatever the names say.
    between_systems = (same_part.list.len() > 0) & ~one_source.fill_null(True)
    score = pl.when(between_systems).then(pl.max_horizontal(score, pl.lit(LEAST_SCORE))).otherwise(score)
    return both.select(
        "sku", "name", score=score.round(1), other="sku_other", other_name="name_other",
        why=pl.when(same_part.list.len() > 0)
        .then(pl.format("the same {}", same_part.list.sort().list.join(" and ")))
        .otherwise(pl.lit("alike")),
    ).select(*DUPLICATES.columns)  # fmt: skip
