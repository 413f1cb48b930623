"""Telling apart what is new, what repeats, what changes and what may not: on frames, without the database.

The rule is that of reading the records one after the other. A record whose key has not been seen is accepted. Where
it has, `repeats: update` compares with the record that holds the key by then: the same content is a duplicate of it,
other content is accepted, takes its place, and the old content is kept as a change. `repeats: reject` compares with
the first record of the key: the same content is a duplicate of it, other content is refused. Where a field of a newer
record is empty, and the feed says that blanks keep, it has the value of the record before it, and the two are compared
like that. So it makes no difference how records are dealt out over batches, only in which order they come.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from manufacturing_copilot.ingest.received import LINE
from manufacturing_copilot.ingest.record_keys import FILE, KEY
from manufacturing_copilot.records import NUMERIC_TYPES, RecordKind
from manufacturing_copilot.site.feeds import Repeats
from manufacturing_copilot.store.types import SCALE

_PLACE, _KNOWN, _FIRST, _SAME, _AGAINST = "_place", "_known", "_first", "_same", "_against"


@dataclass(frozen=True)
class Classified:
    """The fates of the records of a batch.

    `new`, `changed`: the records that hold their keys in the end, where the table had none, and where it had another.
    `replaced`: `file_id`, `_line` and `record_key` of the record that came; `was_file_id`, `was_line` and `was`
    (JSON text) of the one it replaced.
    `duplicates`, `refused`: `file_id`, `_line`, `of_file_id`, `of_line` (the record that holds the key).
    `accepted`: how many records were accepted, with those that others of the batch replaced.
    Records = accepted + duplicates + refused.
    """

    new: pl.DataFrame
    changed: pl.DataFrame
    replaced: pl.DataFrame
    duplicates: pl.DataFrame
    refused: pl.DataFrame
    accepted: int


def classify(
    records: pl.DataFrame, known: pl.DataFrame, kind: RecordKind, repeats: Repeats, keeps: tuple[str, ...] = ()
) -> Classified:
    """Return the fates of `records`, in the order in which they stand, against what the table knows of their keys.

    `keeps`: the fields whose value stays where a newer record has none. Both frames have the kind's fields,
    `record_key`, `file_id` and `_line`; a key stands in `known` once.
    """
    columns = [*kind.field_names, KEY, FILE, LINE]
    records, known = records.select(columns), known.select(columns)
    several = records.select(pl.col(KEY).is_duplicated()).to_series()
    chained = None
    if several.any():
        in_chains = records.filter(several)
        known_of_them = known.join(in_chains, on=KEY, how="semi")
        chained = _split(_chains(in_chains, known_of_them, kind, repeats, keeps), columns, kind)
        records = records.filter(~several)
    if known.is_empty():
        alone = Classified(records, *_nothing(records), records.height)
    else:
        alone = _single(records, known, columns, kind, repeats, keeps)
    return alone if chained is None else _both(alone, chained)


def _nothing(records: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return that nothing is changed, replaced, duplicate or refused."""
    places = pl.DataFrame(schema={FILE: pl.Int64, LINE: pl.Int64, "of_file_id": pl.Int64, "of_line": pl.Int64})
    replaced = pl.DataFrame(
        schema={
            **{FILE: pl.Int64, LINE: pl.Int64, KEY: pl.String},
            **{"was_file_id": pl.Int64, "was_line": pl.Int64, "was": pl.String},
        }
    )
    return records.clear(), replaced, places, places


def _both(one: Classified, other: Classified) -> Classified:
    def joined(name: str) -> pl.DataFrame:
        frames = [frame for frame in (getattr(one, name), getattr(other, name)) if not frame.is_empty()]
        return pl.concat(frames) if frames else getattr(one, name)

    names = ("new", "changed", "replaced", "duplicates", "refused")
    return Classified(**{name: joined(name) for name in names}, accepted=one.accepted + other.accepted)


def _single(
    records: pl.DataFrame,
    known: pl.DataFrame,
    columns: list[str],
    kind: RecordKind,
    repeats: Repeats,
    keeps: tuple[str, ...],
) -> Classified:
    """Tell apart records whose keys stand among them once: each is compared with what is known, if anything is."""
    was = {name: f"was {name}" for name in columns if name != KEY}
    beside = records.join(known.rename(was), on=KEY, how="left", maintain_order="left")
    beside = beside.with_columns(pl.coalesce(name, was[name]) for name in keeps)
    same = pl.all_horizontal(
        _plain(pl.col(field.name), field.type in NUMERIC_TYPES).eq_missing(
            _plain(pl.col(was[field.name]), field.type in NUMERIC_TYPES)
        )
        for field in kind.fields
    )
    is_new = pl.col(was[LINE]).is_null()
    told = beside.with_columns(is_new.alias(_FIRST), (same & ~is_new).alias(_SAME))
    new, met = told.filter(_FIRST).select(columns), told.filter(~pl.col(_FIRST))
    holder = [pl.col(was[FILE]).alias("of_file_id"), pl.col(was[LINE]).alias("of_line")]
    duplicates = met.filter(_SAME).select(FILE, LINE, *holder)
    other = met.filter(~pl.col(_SAME))
    nothing, not_replaced, _, not_refused = _nothing(new)
    if repeats is not Repeats.UPDATE:
        refused = other.select(FILE, LINE, *holder)
        return Classified(new, nothing, not_replaced, duplicates, refused, new.height)
    replaced = other.select(
        FILE,
        LINE,
        KEY,
        pl.col(was[FILE]).alias("was_file_id"),
        pl.col(was[LINE]).alias("was_line"),
        pl.struct(pl.col(was[name]).alias(name) for name in kind.field_names).struct.json_encode().alias("was"),
    )
    return Classified(new, other.select(columns), replaced, duplicates, not_refused, new.height + other.height)


def _chains(
    records: pl.DataFrame, known: pl.DataFrame, kind: RecordKind, repeats: Repeats, keeps: tuple[str, ...]
) -> pl.DataFrame:
    """Return the records of each key in a row, what is known first, each compared with the one it must bear."""
    together = pl.concat(
        [known.with_columns(pl.lit(True).alias(_KNOWN)), records.with_columns(pl.lit(False).alias(_KNOWN))]
    )
    ordered = (
        together.with_row_index("_order")
        .sort(KEY, "_order")
        .drop("_order")
        .with_row_index(_PLACE)
        .with_columns((pl.col(KEY) != pl.col(KEY).shift(1)).fill_null(True).alias(_FIRST))
    )
    if keeps:
        ordered = ordered.with_columns(pl.col(keeps).forward_fill().over(KEY))
    first_of_key = pl.when(_FIRST).then(_PLACE).forward_fill()
    before = (pl.col(_PLACE).cast(pl.Int64) - 1).clip(lower_bound=0).cast(pl.UInt32)
    bears = before if repeats is Repeats.UPDATE else first_of_key
    placed = ordered.with_columns(bears.alias(_AGAINST))
    same = pl.all_horizontal(_same_as(field.name, field.type in NUMERIC_TYPES) for field in kind.fields)
    compared = placed.with_columns((same & ~pl.col(_FIRST)).alias(_SAME))
    # The record that holds the key after each row: the row itself, unless it only repeats or is refused.
    holds = ~pl.col(_SAME) if repeats is Repeats.UPDATE else pl.col(_FIRST)
    return compared.with_columns(
        pl.when(holds).then(FILE).forward_fill().alias("of_file_id"),
        pl.when(holds).then(LINE).forward_fill().alias("of_line"),
        holds.alias("_holds"),
    )


def _same_as(name: str, decimal: bool) -> pl.Expr:
    value = _plain(pl.col(name), decimal)
    return value.eq_missing(value.gather(pl.col(_AGAINST)))


def _plain(value: pl.Expr, decimal: bool) -> pl.Expr:
    """Return a value as it is compared: decimals by the places that the table keeps."""
    return (value * 10**SCALE).round() if decimal else value


def _split(chains: pl.DataFrame, columns: list[str], kind: RecordKind) -> Classified:
    came, where = ~pl.col(_KNOWN), [FILE, LINE, "of_file_id", "of_line"]
    holders = chains.filter("_holds")
    is_last = (pl.col(KEY) != pl.col(KEY).shift(-1)).fill_null(True)
    last = holders.with_columns(pl.col(_KNOWN).first().over(KEY).alias("_was_known")).filter(is_last & came)
    replaced = holders.with_columns(
        pl.col(FILE).shift(1).alias("was_file_id"),
        pl.col(LINE).shift(1).alias("was_line"),
        pl.struct(kind.field_names).struct.json_encode().shift(1).alias("was"),
    ).filter(~pl.col(_FIRST))
    return Classified(
        new=last.filter(~pl.col("_was_known")).select(columns),
        changed=last.filter("_was_known").select(columns),
        replaced=replaced.select(FILE, LINE, KEY, "was_file_id", "was_line", "was"),
        duplicates=chains.filter(_SAME).select(where),
        refused=chains.filter(~pl.col("_holds") & ~pl.col(_SAME)).select(where),
        accepted=holders.filter(came).height,
    )
