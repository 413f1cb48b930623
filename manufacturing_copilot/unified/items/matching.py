"""Which codes of which sources mean the same item. Frames in, frames out: no database here.

Sources are taken by priority. A code joins a known item by, in this order, a declared reference, its SKU, its
barcode, its manufacturer part; else it is a new item. Two codes of one source are two items unless they carry the
same SKU or a reference says so. A key that would fit several items fits none, and one that tells no item joins none
(see `telling_codes`): a wrong match is worse than none. A barcode or part that would join items whose names and units
both differ is left to a person, as a suggestion; so is a short one where the names do.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from manufacturing_copilot.unified.codes import exact, normal
from manufacturing_copilot.unified.telling_codes import (
    SHORT,
    barcode_key,
    part_key,
    telling,
    unit_in_common,
    words_of,
)

CODES = {"source": pl.String, "code": pl.String, "item": pl.Int64, "matched_by": pl.String}
_KEYS = {"kind": pl.String, "key": pl.String, "item": pl.Int64}
_DESCRIBED = pl.Schema([("item", pl.Int64()), ("words", pl.List(pl.String)), ("base", pl.String())])
_MATCHERS = (("exact", "sku"), ("sku", "sku"), ("barcode", "barcode"), ("part", "manufacturer_part"))


@dataclass(frozen=True)
class Resolution:
    """`codes`: source, code, item (a number from 0), matched_by. `keys`: kind, key, item: what later codes match.

    `described`: item, words of its name, base (its unit), as its first record has them.
    """

    codes: pl.DataFrame
    keys: pl.DataFrame
    described: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_DESCRIBED))

    @property
    def next_item(self) -> int:
        """The number that the next new item gets."""
        return 0 if self.codes.is_empty() else int(self.codes["item"].max()) + 1  # type: ignore[arg-type]


def resolve_items(records: pl.DataFrame, references: pl.DataFrame) -> Resolution:
    """Return which item each item record's code means.

    `records`: priority, source, code, sku, barcode, manufacturer_part, name, unit. `references`: source, code,
    other_source, other_code. Codes are unique per source in the result.
    """
    known = Resolution(pl.DataFrame(schema=CODES), pl.DataFrame(schema=_KEYS))
    pairs = both_ways(references)
    order = (
        records.select("priority", "source").unique().sort("priority", "source")["source"].unique(maintain_order=True)
    )
    for source in order:
        known = _add_source(known, records.filter(pl.col("source") == source), pairs)
    return known


def match_codes(known: Resolution, seen: pl.DataFrame, references: pl.DataFrame) -> pl.DataFrame:
    """Return the codes (as CODES) of `seen` (source, code) that are not known by themselves but mean a known item.

    Tried in order: a declared reference, another writing of one of the source's own codes, SKU, barcode,
    manufacturer part.
    """
    left = seen.select("source", "code").unique().join(known.codes, on=["source", "code"], how="anti")
    found = [_by_reference(known, left, both_ways(references))]
    left = left.join(found[-1], on=["source", "code"], how="anti")
    own = _single(known.codes.select("source", "item", key=normal("code")), ["source", "key"])
    spelt = left.with_columns(key=normal("code")).join(own, on=["source", "key"])
    found.append(spelt.select("source", "code", "item", matched_by=pl.lit("sku")))
    for kind, name in _MATCHERS:
        left = left.join(found[-1], on=["source", "code"], how="anti")
        keys = _single(known.keys.filter(pl.col("kind") == kind).select("key", "item"), ["key"])
        hit = left.with_columns(key=exact("code") if kind == "exact" else normal("code")).join(keys, on="key")
        found.append(hit.select("source", "code", "item", matched_by=pl.lit(name)))
    return pl.concat(found)


def keys_of(records: pl.DataFrame, codes: pl.DataFrame) -> pl.DataFrame:
    """Return the keys (kind, key, item) by which other codes find the items of these records' codes."""
    placed = _nodes(records).join(codes.select("source", "code", "item"), on=["source", "code"], maintain_order="left")
    return _keys(placed)


def both_ways(references: pl.DataFrame) -> pl.DataFrame:
    """Return the references as pairs that can be read from either end."""
    references = references.with_columns(telling("code"), telling("other_code"))
    there = references.select("source", "code", "other_source", "other_code")
    back = references.select(source="other_source", code="other_code", other_source="source", other_code="code")
    return pl.concat([there, back]).drop_nulls().unique(maintain_order=True)


def _add_source(known: Resolution, records: pl.DataFrame, pairs: pl.DataFrame) -> Resolution:
    own = _nodes(records)
    matched = _match_nodes(known, own, pairs)
    fresh = own.select("node").unique(maintain_order=True).join(matched, on="node", how="anti")
    new = fresh.with_row_index("offset").select(
        "node", item=pl.col("offset").cast(pl.Int64) + known.next_item, matched_by=pl.lit("sku")
    )
    placed = own.join(pl.concat([matched, new]), on="node", maintain_order="left")
    codes = placed.select("source", "code", "item", "matched_by")
    described = pl.concat([known.described, placed.select(list(_DESCRIBED))])
    return Resolution(
        pl.concat([known.codes, codes]),
        pl.concat([known.keys, _keys(placed)]).unique(maintain_order=True),
        described.group_by("item", maintain_order=True).agg(pl.col("words", "base").drop_nulls().first()),
    )


def _keys(placed: pl.DataFrame) -> pl.DataFrame:
    kinds = (("exact", "exact"), ("sku", "sku_key"), ("barcode", "barcode_key"), ("part", "part_key"))
    keys = [placed.select(kind=pl.lit(kind), key=column, item="item") for kind, column in kinds]
    return pl.concat(keys).drop_nulls("key").unique(maintain_order=True)


def _nodes(records: pl.DataFrame) -> pl.DataFrame:
    """One row per code of one source, with its keys; codes that carry the same SKU share a node."""
    first = records.group_by("source", "code", maintain_order=True).agg(
        telling("sku").drop_nulls().first(), pl.col("barcode", "manufacturer_part", "name", "unit").drop_nulls().first()
    )
    keyed = first.with_columns(sku=pl.coalesce("sku", "code")).with_columns(
        exact=exact("sku"),
        sku_key=normal("sku"),
        barcode_key=barcode_key("barcode"),
        part_key=part_key("manufacturer_part"),
        words=words_of("name"),
        base=unit_in_common("unit"),
    )
    return keyed.with_columns(node=pl.col("exact"))


def _match_nodes(known: Resolution, own: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """Return node, item, matched_by of the nodes that mean a known item."""
    by_reference = _by_reference(known, own.select("source", "code"), pairs)
    found = own.join(by_reference, on=["source", "code"]).select("node", "item", "matched_by")
    found = found.unique("node", keep="first", maintain_order=True)
    columns = {"exact": "exact", "sku": "sku_key", "barcode": "barcode_key", "part": "part_key"}
    for kind, name in _MATCHERS:
        left = own.join(found, on="node", how="anti").select("node", key=columns[kind]).drop_nulls("key")
        mine = _single(left, ["key"], value="node")
        theirs = _single(known.keys.filter(pl.col("kind") == kind).select("key", "item"), ["key"])
        hit = mine.join(theirs, on="key")
        if kind in ("barcode", "part"):
            hit = _without_strangers(hit, known, own)
        hit = hit.select("node", "item", matched_by=pl.lit(name))
        # A weaker key never joins a second code of this source to an item that a stronger one has claimed.
        hit = _single(hit.join(found, on="item", how="anti"), ["item"], value="node", keep=["matched_by"])
        found = pl.concat([found, _single(hit, ["node"], keep=["matched_by"]).select("node", "item", "matched_by")])
    return found


def _without_strangers(hit: pl.DataFrame, known: Resolution, own: pl.DataFrame) -> pl.DataFrame:
    """Return the matches (key, node, item) but those of items that are described as two different things."""
    if hit.is_empty():
        return hit
    mine = own.group_by("node", maintain_order=True).agg(pl.col("words", "base").drop_nulls().first())
    both = hit.join(mine, on="node").join(known.described, on="item", suffix="_known")
    named = (pl.col("words").list.len() > 0) & (pl.col("words_known").list.len() > 0)
    other_name = named & (pl.col("words").list.set_intersection("words_known").list.len() == 0)
    other_unit = pl.col("base") != pl.col("base_known")
    short = pl.col("key").str.len_chars() < SHORT
    return both.filter(~(other_name & (other_unit | short)).fill_null(False)).select(hit.columns)


def _by_reference(known: Resolution, left: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    there = known.codes.select(other_source="source", other_code="code", item="item")
    hit = left.join(pairs, on=["source", "code"]).join(there, on=["other_source", "other_code"])
    single = _single(hit.select("source", "code", "item"), ["source", "code"])
    return single.select("source", "code", "item", matched_by=pl.lit("item_references"))


def _single(frame: pl.DataFrame, key: list[str], *, value: str = "item", keep: list[str] | None = None) -> pl.DataFrame:
    """Return the rows of `key` that lead to one `value` only."""
    grouped = (
        frame.drop_nulls(key)
        .group_by(key)
        .agg(pl.col(value).n_unique().alias("_choices"), pl.col(value, *(keep or [])).first())
    )
    return grouped.filter(pl.col("_choices") == 1).drop("_choices")
