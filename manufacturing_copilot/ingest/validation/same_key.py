"""Rows of one file with the same key and other content: parts of one record, its versions, or a question.

A file is one look at the plant: a record in it twice is hardly ever an update. `same_key:` of the feed says what such
rows are; where nobody has, all of them wait among the rejected ones, as any of them alone would be half the truth.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from manufacturing_copilot.frame_schemas import Column, FrameSchema
from manufacturing_copilot.ingest.received import LINE
from manufacturing_copilot.ingest.record_keys import FILE, KEY, SEPARATOR
from manufacturing_copilot.ingest.rejections import STOPPED_ROWS, single_reason
from manufacturing_copilot.records import FieldType, RecordKind
from manufacturing_copilot.site import Feed
from manufacturing_copilot.site.feeds import SameKey

RULE = "same_key"
"""The rule in the reasons of rows that wait because of it."""
OF_LINE = "of_line"

ADDED_ROWS = FrameSchema(
    "rows whose quantities were added to another row of their file",
    {
        FILE: Column(pl.Int64, "number of the file in the ledger"),
        LINE: Column(pl.Int64, "line of the row"),
        OF_LINE: Column(pl.Int64, "line of the record that it is part of, in the same file"),
    },
    key=(FILE, LINE),
)

_TELLS_WHAT_IS_COUNTED = frozenset({"item", "component", "unit", "location"})
_LINES_NAMED = 5


@dataclass(frozen=True)
class OneEach:
    """The records of a file with every key once, or several times with one content.

    `records`: with totals at the line of the first part. `added`: ADDED_ROWS, the other parts. `asked`: STOPPED_ROWS,
    those that nobody has said anything of. Records given = records + added + asked. `summed`: how many `records` are
    totals, of how many `rows`, and by field in how many of them the rows say different things.
    """

    records: pl.DataFrame
    added: pl.DataFrame = field(default_factory=ADDED_ROWS.empty)
    asked: pl.DataFrame = field(default_factory=STOPPED_ROWS.empty)
    summed: dict[str, int] = field(default_factory=dict)


def one_record_each(records: pl.DataFrame, feed: Feed, file_name: str) -> OneEach:
    """Settle what rows of one file with the same key are, as the feed declares it.

    `records`: all of the file's, with `record_key`, `file_id` and `_line`, by line; sentences call it `file_name`.
    """
    rule = feed.within_a_file
    if rule is SameKey.LAST or records.is_empty() or not feed.record_key:
        return OneEach(records)
    several = records.get_column(KEY).is_duplicated()
    if not several.any():
        return OneEach(records)
    shared, alone = records.filter(several), records.filter(~several)
    differing = _differing(shared, feed)
    if rule is SameKey.ASK:
        asked = shared.join(
            differing.filter(pl.col("differ").list.len() > 0), on=KEY, how="inner", maintain_order="left"
        )
        left = shared.join(asked, on=LINE, how="anti")
        kept = records if left.height == shared.height else _by_line(alone, left)
        return OneEach(kept, asked=_questions(asked, feed, file_name, _OPEN))
    unlike = pl.col("differ").list.set_intersection(pl.lit(_not_to_be_added(feed.kind))).list.len() > 0
    asked = shared.join(differing.filter(unlike), on=KEY, how="inner", maintain_order="left")
    parts = shared.join(asked, on=LINE, how="anti", maintain_order="left")
    totals = _totals(parts, feed.kind)
    added = parts.join(totals.select(KEY, pl.col(LINE).alias(OF_LINE)), on=KEY).filter(pl.col(LINE) != pl.col(OF_LINE))
    told = differing.join(totals, on=KEY, how="semi").select(pl.col("differ").explode()).drop_nulls().to_series()
    counts = {
        str(name): int(count) for name, count in told.value_counts(sort=True).rows() if name not in feed.kind.summed
    }
    return OneEach(
        _by_line(alone, totals.select(records.columns)),
        added.select(FILE, LINE, OF_LINE).sort(LINE),
        _questions(asked, feed, file_name, _UNLIKE),
        {"records": totals.height, "rows": parts.height, **counts} if totals.height else {},
    )


@dataclass(frozen=True)
class LateRows:
    """Rows of a file that come after its others: mended, released, or settled by what the feed says now.

    `records`: what joins those of the file. `gone`: places (`file_id`, `_line`) of records of the file that are in a
    total of `records` now. `moved`: `file_id`, `was`, `now`: lines of totals that have an earlier part now. `added`:
    ADDED_ROWS. `asked`: STOPPED_ROWS.
    """

    records: pl.DataFrame
    gone: pl.DataFrame
    moved: pl.DataFrame
    added: pl.DataFrame
    asked: pl.DataFrame


def late_rows(before: pl.DataFrame, late: pl.DataFrame, feed: Feed, file_name: str) -> LateRows:
    """Settle rows of one file with those that it has under their keys.

    `before`: the file's records of these keys, those that were replaced included; `late`: what comes. Both as
    `one_record_each` takes them. What had been a total counts as a total, whatever the parts were.
    """
    nowhere = before.select(FILE, LINE).clear()
    unmoved = pl.DataFrame(schema={FILE: pl.Int64, "was": pl.Int64, "now": pl.Int64})
    if feed.within_a_file is SameKey.LAST:
        return LateRows(late, nowhere, unmoved, ADDED_ROWS.empty(), STOPPED_ROWS.empty())
    latest = before.sort(LINE).unique(KEY, keep="last", maintain_order=True)
    settled = one_record_each(_by_line(latest, late), feed, file_name)
    asked = settled.asked.join(late, on=LINE, how="semi")
    if feed.within_a_file is SameKey.ASK:
        return LateRows(late.join(asked, on=LINE, how="anti"), nowhere, unmoved, ADDED_ROWS.empty(), asked)
    parts = _by_line(latest, late).join(settled.asked, on=LINE, how="anti")
    totals = settled.records.join(late.select(KEY), on=KEY, how="semi").join(settled.asked, on=LINE, how="anti")
    gone = latest.join(totals, on=KEY, how="semi").join(parts, on=LINE, how="semi")
    moved = gone.join(totals.select(KEY, pl.col(LINE).alias("now")), on=KEY).filter(pl.col(LINE) != pl.col("now"))
    return LateRows(
        totals, gone.select(FILE, LINE), moved.select(FILE, pl.col(LINE).alias("was"), "now"), settled.added, asked
    )


def _by_line(one: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([one, other]).sort(LINE)


def _differing(shared: pl.DataFrame, feed: Feed) -> pl.DataFrame:
    """Return for each key the fields in which its rows differ, in the kind's order: record_key, differ.

    A blank differs from nothing where the feed says that blanks keep what there is.
    """
    names, keeps = feed.kind.field_names, feed.kept_where_blank
    several = shared.group_by(KEY).agg(
        (pl.col(name).drop_nulls() if name in keeps else pl.col(name)).n_unique() > 1 for name in names
    )
    lists = pl.concat_list(pl.when(pl.col(name)).then(pl.lit(name)) for name in names).list.drop_nulls()
    return several.select(KEY, lists.alias("differ"))


def _not_to_be_added(kind: RecordKind) -> list[str]:
    return [
        field.name
        for field in kind.fields
        if field.name in _TELLS_WHAT_IS_COUNTED or field.choices or field.type is FieldType.FLAG
    ]


def _totals(parts: pl.DataFrame, kind: RecordKind) -> pl.DataFrame:
    """Return one record for each key: its quantities added up, the rest as its first row has it."""
    total = [
        pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()).alias(name)
        if name in kind.summed
        else pl.col(name).first()
        for name in parts.columns
        if name != KEY
    ]
    return parts.group_by(KEY, maintain_order=True).agg(total)


_OPEN = (
    "and nobody has said what they are: declare same_key: sum in {feed} if they are parts of one record (quantities are"
    " added), same_key: last if they are its versions (the last line holds), or a key: with a field that tells them"
    " apart; then replay them"
)
_UNLIKE = (
    "so their quantities cannot be added: add what tells them apart to key: of {feed}, or mend the lines; then"
    " replay them"
)


def _questions(rows: pl.DataFrame, feed: Feed, file_name: str, what: str) -> pl.DataFrame:
    """Return STOPPED_ROWS for rows that share their keys; `rows` have `differ`."""
    if rows.is_empty():
        return STOPPED_ROWS.empty()
    texts = pl.col("lines").list.head(_LINES_NAMED).cast(pl.List(pl.String)).list.join(", ")
    more = pl.col("lines").list.len().cast(pl.Int64) - _LINES_NAMED
    lines = rows.group_by(KEY).agg(pl.col(LINE).sort().alias("lines")).with_columns(
        pl.when(more > 0).then(pl.format("{} and {} more", texts, more)).otherwise(texts).alias("lines")
    )  # fmt: skip
    key = ", ".join(feed.record_key)
    sentence = pl.format(
        f"{{}}, line {{}}: lines {{}} have the same key ({key}: {{}}) and differ in {{}},"
        f" {what.format(feed=feed.feed)}",
        pl.lit(file_name),
        pl.col(LINE),
        pl.col("lines"),
        pl.col("value"),
        pl.col("differ").list.join(", "),
    )
    return (
        rows.join(lines, on=KEY, maintain_order="left")
        .with_columns(pl.col(KEY).str.replace_all(SEPARATOR, " / ", literal=True).alias("value"))
        .select(FILE, LINE, single_reason(key, pl.col("value"), RULE, sentence))
    )
