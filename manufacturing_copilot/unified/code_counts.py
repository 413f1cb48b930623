"""How many records speak of each code, kept up to date from what came and what it replaced.

Codes are of items, locations and suppliers. Who needs to know which codes there are asks here instead of reading the
records. The example of a code is its newest record.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.records import RECORD_KINDS
from manufacturing_copilot.site import Site
from manufacturing_copilot.store import prefer_indexes, read_frame, staged
from manufacturing_copilot.store.merge import add_frame, sync_frame
from manufacturing_copilot.store.tables import accepted, code_count
from manufacturing_copilot.unified.changes import Changes, came, replaced
from manufacturing_copilot.unified.codes import SEEN_IN, feed_sources, source_priorities

ITEM, LOCATION, SUPPLIER = "item", "location", "supplier"
_LOCATED = (
    "stock_levels",
    "stock_movements",
    "order_lines",
    "purchase_lines",
    "receipts",
    "purchase_returns",
    "work_orders",
)
_SUPPLIED = ("items", "purchase_orders", "purchase_lines", "inspections")
_KEY = ["means", "source", "records", "code", "unit"]
_CODE = _KEY[:4]
_EXAMPLE = ["example_file_id", "example_line"]
_LINES = 2**32
"""More than a file has lines: so file and line fit one number, whose greatest is the newest record."""


@dataclass(frozen=True)
class CodeChanges:
    """`codes`: means, source, records, code, before, after: of how many records, where that has changed."""

    codes: pl.DataFrame

    def records_before(self, codes: pl.DataFrame, counts: pl.DataFrame) -> set[str]:
        """Return the kinds whose records spoke of item codes (source, code) before; `counts`: `item_codes` of now."""
        one = ["source", "records", "code"]
        mine = self.codes.filter(pl.col("means") == ITEM).select(*one, "before")
        both = counts.select(*one, "rows").join(mine, on=one, how="full", coalesce=True)
        held = both.filter(pl.coalesce("before", "rows") > 0).join(codes, on=["source", "code"], how="semi")
        return set(held["records"].unique())

    def come_or_gone(self, connection: sa.Connection, means: str) -> bool:
        """Whether there are codes that records speak of now and did not before, or the other way round."""
        mine = self.codes.filter(pl.col("means") == means)
        asked = mine.filter((pl.col("before") == 0) | (pl.col("after") == 0)).select("means", "source", "code").unique()
        if asked.is_empty():
            return False
        kinds = pl.DataFrame({"records": [kind for kind in RECORD_KINDS if fields_of(kind)]})
        totals = _now(connection, asked.join(kinds, how="cross")).group_by("source", "code").agg(pl.col("rows").sum())
        change = mine.group_by("source", "code").agg(change=(pl.col("after") - pl.col("before")).sum())
        both = asked.join(totals, on=["source", "code"], how="left").join(change, on=["source", "code"])
        now = pl.col("rows").fill_null(0)
        return bool(both.select(((now > 0) != (now - pl.col("change") > 0)).any()).item())


def fields_of(kind: str) -> list[tuple[str, str]]:
    """Return what the records of `kind` speak of: (item, location or supplier; the field in which they do)."""
    found = [(ITEM, name) for name in SEEN_IN.get(kind, ())]
    found += [(LOCATION, "location")] * (kind in _LOCATED)
    return found + [(SUPPLIER, "supplier")] * (kind in _SUPPLIED)


def refresh_code_counts(connection: sa.Connection, site: Site, changes: Changes) -> CodeChanges:
    """Bring the counts up to date; return what has changed in them."""
    found = [
        _recounted(connection, site, kind) if changes.of(kind).reread else _counted_on(connection, site, kind, changes)
        for kind in RECORD_KINDS
        if fields_of(kind) and not changes.of(kind).nothing
    ]
    return CodeChanges(pl.concat([_no_changes(), *found]))


def item_codes(connection: sa.Connection, site: Site) -> pl.DataFrame:
    """Return every code that records call an item by.

    Columns: source, priority, records, code, rows, example_file_id, example_line; one row per source, record kind and
    code, sorted.
    """
    table = code_count
    newest = sa.func.max(table.c.example_file_id * _LINES + table.c.example_line).label("newest")
    one = [table.c.source, table.c.records, table.c.code]
    query = sa.select(*one, sa.func.sum(table.c.rows).label("rows"), newest).where(table.c.means == ITEM)
    frame = _with_examples(read_frame(connection, query.group_by(*one))).with_columns(pl.col("rows").cast(pl.Int64))
    return frame.join(source_priorities(site, frame["source"]), on="source").sort(
        "priority", "source", "records", "code"
    )


def codes_of(connection: sa.Connection, means: str) -> pl.DataFrame:
    """Return the codes of locations or suppliers that records name: code."""
    table = code_count
    return read_frame(connection, sa.select(table.c.code).where(table.c.means == means).distinct()).sort("code")


def _counted_on(connection: sa.Connection, site: Site, kind: str, changes: Changes) -> pl.DataFrame:
    names = _names(kind)
    batches = changes.of(kind).batches
    new, old = (read(connection, site, kind, batches, names) for read in (came, replaced))
    more, fewer = _sightings(new, kind), _sightings(old, kind)
    if more.is_empty() and fewer.is_empty():
        return _no_changes()
    change = pl.concat([more, fewer.with_columns(rows=-pl.col("rows"), newest=pl.lit(0, pl.Int64))])
    change = _with_examples(change.group_by(_KEY).agg(pl.col("rows").sum(), pl.col("newest").max()))
    add_frame(connection, code_count, change, key=_KEY, counted_by="rows", others=_newer_example)
    if _lost_an_example(connection, fewer):
        _recounted(connection, site, kind)
    moved = change.group_by(_CODE).agg(change=pl.col("rows").sum())
    now = _now(connection, moved.select(_CODE)).rename({"rows": "after"})
    both = moved.join(now, on=_CODE, how="left").with_columns(pl.col("after").fill_null(0))
    return both.select(*_CODE, (pl.col("after") - pl.col("change")).alias("before"), "after")


def _recounted(connection: sa.Connection, site: Site, kind: str) -> pl.DataFrame:
    """Count all records of `kind`, in the database; return what has changed."""
    sources = feed_sources(connection, site)
    parts = [_no_sightings()]
    for means, field in fields_of(kind):
        parts.append(_named(_counted(connection, kind, field).join(sources, on="feed_id"), kind, means))
    whole = _with_examples(pl.concat(parts).group_by(_KEY).agg(pl.col("rows").sum(), pl.col("newest").max()))
    here = code_count.c.records == kind
    before = _summed(read_frame(connection, sa.select(*(code_count.c[name] for name in (*_CODE, "rows"))).where(here)))
    sync_frame(connection, code_count, whole, key=_KEY, within=here)
    after = _summed(whole.select(*_CODE, "rows")).rename({"rows": "after"})
    both = after.join(before.rename({"rows": "before"}), on=_CODE, how="full", coalesce=True)
    filled = both.select(*_CODE, pl.col("before", "after").fill_null(0))
    return filled.filter(pl.col("before") != pl.col("after"))


def _now(connection: sa.Connection, codes: pl.DataFrame) -> pl.DataFrame:
    """Return means, source, records, code and rows: the counts of these codes."""
    with staged(connection, code_count, codes.select(_CODE)) as stage, prefer_indexes(connection):
        same = sa.and_(*(code_count.c[name] == stage.c[name] for name in _CODE))
        columns = [code_count.c[name] for name in (*_CODE, "rows")]
        return _summed(read_frame(connection, sa.select(*columns).select_from(stage.join(code_count, same))))


def _summed(rows: pl.DataFrame) -> pl.DataFrame:
    """Add up the units of each code."""
    return rows.group_by(_CODE).agg(pl.col("rows").sum())


def _counted(connection: sa.Connection, kind: str, field: str) -> pl.DataFrame:
    table = accepted[kind]
    unit = [sa.func.coalesce(table.c.unit, "").label("unit")] if "unit" in table.c else []
    place: list[sa.ColumnElement[Any]] = [table.c.feed_id, table.c[field].label("code"), *unit]
    newest = sa.func.max(table.c.file_id * _LINES + table.c.line).label("newest")
    query = sa.select(*place, sa.func.count().label("rows"), newest).where(table.c[field] != "")
    rows = read_frame(connection, query.group_by(*place))
    return rows if unit else rows.with_columns(unit=pl.lit(""))


def _sightings(rows: pl.DataFrame, kind: str) -> pl.DataFrame:
    unit = pl.col("unit").fill_null("") if "unit" in rows.columns else pl.lit("")
    newest = pl.col("file_id") * _LINES + pl.col("line")
    parts = [
        _named(rows.select("source", code=field, unit=unit, rows=pl.lit(1, pl.Int64), newest=newest), kind, means)
        for means, field in fields_of(kind)
    ]
    named = pl.concat([_no_sightings(), *parts]).filter(pl.col("code") != "")
    return named.group_by(_KEY).agg(pl.col("rows").sum(), pl.col("newest").max())


def _named(rows: pl.DataFrame, kind: str, means: str) -> pl.DataFrame:
    unit = pl.col("unit") if means == ITEM else pl.lit("")
    return rows.select(means=pl.lit(means), source="source", records=pl.lit(kind), code="code", unit=unit,
                       rows="rows", newest="newest")  # fmt: skip


def _names(kind: str) -> list[str]:
    known = RECORD_KINDS[kind].field_names
    return [*dict.fromkeys(field for _, field in fields_of(kind)), *(["unit"] if "unit" in known else [])]


def _with_examples(rows: pl.DataFrame) -> pl.DataFrame:
    newest = pl.col("newest")
    return rows.with_columns(example_file_id=newest // _LINES, example_line=newest % _LINES).drop("newest")


def _newer_example(table: sa.Table, coming: Any) -> dict[str, Any]:
    file_id, line = _EXAMPLE
    newer = sa.or_(
        coming[file_id] > table.c[file_id],
        sa.and_(coming[file_id] == table.c[file_id], coming[line] > table.c[line]),
    )
    return {name: sa.case((newer, coming[name]), else_=table.c[name]) for name in _EXAMPLE}


def _lost_an_example(connection: sa.Connection, gone: pl.DataFrame) -> bool:
    """Whether the newest record of a code is one of those that are gone: then another is, which only a count finds."""
    if gone.is_empty():
        return False
    places = _with_examples(gone).drop("rows")
    with staged(connection, code_count, places) as stage, prefer_indexes(connection):
        same = sa.and_(*(code_count.c[name] == stage.c[name] for name in (*_KEY, *_EXAMPLE)))
        return bool(connection.scalar(sa.select(sa.func.count()).select_from(stage.join(code_count, same))))


def _no_sightings() -> pl.DataFrame:
    texts = dict.fromkeys(_KEY, pl.String)
    return pl.DataFrame(schema={**texts, "rows": pl.Int64, "newest": pl.Int64})


def _no_changes() -> pl.DataFrame:
    texts = dict.fromkeys(_CODE, pl.String)
    return pl.DataFrame(schema={**texts, "before": pl.Int64, "after": pl.Int64})
