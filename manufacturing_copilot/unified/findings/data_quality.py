"""What is wrong with the unified facts, as frames a person can read: the checks and reports are made from these."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.clock import FACT_DAYS, plants_today
from manufacturing_copilot.frame_schemas import Column, FrameSchema
from manufacturing_copilot.site import Site
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.newest_day import newest_stock_day
from manufacturing_copilot.store.tables import (
    accepted,
    batch_file,
    external_id,
    feed,
    inventory_snapshot,
    item,
    item_conflict,
    location,
    process,
    stock_difference,
    supply_line,
    unmapped_id,
)
from manufacturing_copilot.unified.codes import exact, read_accepted
from manufacturing_copilot.unified.conform import with_item_ids
from manufacturing_copilot.unified.history.purchases import DELIVERY, read_purchases, unmatched_reversals
from manufacturing_copilot.unified.telling_codes import NO_CODE, NO_NAME, doubt_of, remark_in, telling

_DAYS = {"stock_levels": "day", "stock_movements": "moved_on"}
_SAME_FACTOR = 0.001
"""Conversions that differ by no more than this share are the same, rounded."""

CONFLICTS = FrameSchema(
    "what the sources disagree about",
    {
        "sku": Column(pl.String, "the item's SKU"),
        "field": Column(pl.String, "the attribute"),
        "kept_source": Column(pl.String, "the source that takes precedence, by the site's priority"),
        "kept": Column(pl.String, "its value, which is used"),
        "other_source": Column(pl.String, "a source that disagrees"),
        "other": Column(pl.String, "the value in that source"),
        "apart": Column(pl.Float64, "of numbers: the difference as a share of what is used", nullable=True),
    },
    key=("sku", "field", "other_source"),
)
NEGATIVE_STOCK = FrameSchema(
    "stock below zero",
    {
        "day": Column(pl.Date, "the day at whose end it was so"),
        "sku": Column(pl.String, "the item's SKU"),
        "location": Column(pl.String, "code of the location"),
        "on_hand": Column(pl.Float64, "quantity on hand, in the item's base unit"),
        "counted_on": Column(pl.Date, "day of the count or movement that it is based on", nullable=True),
    },
    key=("day", "sku", "location"),
)
STOCK_DIFFERENCES = FrameSchema(
    "counts that movements do not explain",
    {
        "sku": Column(pl.String, "the item's SKU"),
        "location": Column(pl.String, "code of the location; null: all of the item's together", nullable=True),
        "from_day": Column(pl.Date, "day of the count before"),
        "to_day": Column(pl.Date, "day of the count"),
        "counted_before": Column(pl.Float64, "quantity counted then, in the item's base unit"),
        "moved": Column(pl.Float64, "net quantity moved since"),
        "counted": Column(pl.Float64, "quantity counted"),
        "difference": Column(pl.Float64, "counted less expected"),
        "value": Column(pl.Float64, "difference at the item's cost, in the site's currency", nullable=True),
    },
    key=("sku", "location", "to_day"),
)


def unmapped(connection: sa.Connection, problem: str) -> pl.DataFrame:
    """Return the codes with this `problem`, the most rows first: source, records, code, rows, example, sentence."""
    table = unmapped_id
    frame = read_frame(
        connection,
        sa.select(
            table.c.source,
            table.c.records,
            table.c.external_id.label("code"),
            table.c.rows,
            batch_file.c.path,
            table.c.example_line,
            table.c.sentence,
        )
        .select_from(table.outerjoin(batch_file, table.c.example_file_id == batch_file.c.id))
        .where(table.c.problem == problem),
    )
    example = pl.format("{}, line {}", "path", "example_line")
    return frame.with_columns(example=example).drop("path", "example_line").sort(
        ["rows", "source", "records", "code"], descending=[True, False, False, False]
    )  # fmt: skip


def conflicts(connection: sa.Connection, item_id: int | None = None) -> pl.DataFrame:
    """Return CONFLICTS of all items or of one: texts first, then what is furthest apart."""
    columns = [column for column in item_conflict.c if column.name != "item_id"]
    query = sa.select(item.c.sku, *columns).join(item, item.c.id == item_conflict.c.item_id)
    if item_id is not None:
        query = query.where(item_conflict.c.item_id == item_id)
    kept, other = (pl.col(name).cast(pl.Float64, strict=False) for name in ("kept", "other"))
    apart = pl.when(kept != 0).then((other - kept).abs() / kept.abs()).round(3)
    found = read_frame(connection, query).with_columns(apart=apart)
    return found.sort(
        "apart", "sku", "field", "other_source", descending=[True, False, False, False], nulls_last=False
    )  # fmt: skip


def orphans(connection: sa.Connection, site: Site) -> pl.DataFrame:
    """Return facts that point at nothing.

    Receipts and returns without an order line, reversals of what never came, purchase lines without a supplier.

    Columns: what, number (of the order), rows, example.

    A line without a supplier is one only where the site delivers suppliers or heads of purchase orders at all.
    """
    receipts = read_purchases(connection, site).receipts
    place = ["file_id", "line"]
    names = ["number", "rows", *place]
    lost = receipts.filter(pl.col("_line").is_null())
    came = pl.col("receipt_type") == DELIVERY
    by_what = {
        "receipt without an order line": lost.filter(came),
        "return or reversal without an order line": lost.filter(~came),
        "reversal of more than was received": unmatched_reversals(receipts),
    }
    found = [
        rows.sort(place)
        .group_by(number="order_no")
        .agg(pl.col(place).first(), rows=pl.len().cast(pl.Int64))
        .select(pl.lit(what).alias("what"), *names)
        for what, rows in by_what.items()
    ]
    if any(feed.records in ("suppliers", "purchase_orders") for feed in site.feeds):
        table = supply_line
        nobody = read_frame(
            connection,
            sa.select(table.c.order_no.label("number"), table.c.file_id, table.c.line).where(
                ~table.c.made, table.c.supplier_id.is_(None)
            ),
        )
        found.append(
            nobody.sort(place)
            .group_by("number")
            .agg(pl.col(place).first(), rows=pl.len().cast(pl.Int64))
            .select(pl.lit("purchase line without a supplier").alias("what"), *names)
        )
    return _named(connection, pl.concat(found)).sort("what", "number")


def unit_conflicts(connection: sa.Connection, site: Site) -> pl.DataFrame:
    """Return the unit conversions that contradict each other, of one source or of several.

    Columns: sku (empty: for all items), units, factors (of the second unit per first one), sources, rows, example. A
    conversion and its reverse speak of the same pair of units.
    """
    rows = read_accepted(connection, site, "unit_conversions", ["item", "from_unit", "to_unit", "factor"])
    of_all = rows.filter(pl.col("item").is_null()).with_columns(item_id=pl.lit(None, pl.Int64))
    of_one = with_item_ids(connection, rows)
    declared = pl.concat([of_one, of_all.select(of_one.columns)]).filter(pl.col("factor") > 0)
    there = declared.with_columns(_from=exact("from_unit"), _to=exact("to_unit"))
    turned = pl.col("_from") > pl.col("_to")
    pairs = there.with_columns(
        units=pl.format("{} in {}", pl.min_horizontal("_from", "_to"), pl.max_horizontal("_from", "_to")),
        factor=pl.when(turned).then(1 / pl.col("factor")).otherwise("factor"),
    )
    apart = pl.col("factor").max() > pl.col("factor").min() * (1 + _SAME_FACTOR)
    factors = pl.col("factor").round_sig_figs(6).unique().sort().cast(pl.String).str.join(", ")
    found = (
        pairs.sort("file_id", "line")
        .group_by("item_id", "units")
        .agg(
            apart.alias("apart"),
            factors.alias("factors"),
            pl.col("file_id", "line").first(),
            sources=pl.col("source").unique().sort().str.join(", "),
            rows=pl.len().cast(pl.Int64),
        )
        .filter("apart")
    )
    skus = read_frame(connection, sa.select(item.c.id.label("item_id"), item.c.sku))
    named = found.join(skus, on="item_id", how="left")
    return _named(connection, named.select("sku", "units", "factors", "sources", "rows", "file_id", "line")).sort(
        "sku", "units"
    )


def doubtful_masters(connection: sa.Connection, site: Site) -> pl.DataFrame:
    """Return the codes of item records that tell no item or were ruined, which join no items, and names that are none.

    Columns: source, code, field, value, problem, example; and `rows`, how many item records have the same.
    """
    records = read_accepted(connection, site, "items", ["item", "sku", "barcode", "manufacturer_part", "name"])
    doubts = {
        "barcode": doubt_of("barcode"),
        "manufacturer_part": pl.when(telling("manufacturer_part").is_null()).then(pl.lit(NO_CODE)),
        "sku": pl.when(telling("sku").is_null()).then(pl.lit(NO_CODE)),
        "name": pl.when(remark_in("name")).then(pl.lit(NO_NAME)),
    }
    found = []
    for name, problem in doubts.items():
        found.append(
            records.drop_nulls(name)
            .select("source", "file_id", "line", code="item", field=pl.lit(name), value=name, problem=problem)
            .drop_nulls("problem")
        )
    each = pl.concat(found).sort("file_id", "line")
    groups = each.group_by("source", "field", "value", "problem", maintain_order=True).agg(
        pl.col("code", "file_id", "line").first(), rows=pl.len().cast(pl.Int64)
    )
    return _named(connection, groups).sort(["rows", "source", "field", "value"], descending=[True, False, False, False])


def with_examples(
    connection: sa.Connection, rows: pl.DataFrame, kinds: tuple[str, ...], *, on: str | None = None
) -> pl.DataFrame:
    """Return the rows (with sku) and an example each: file and line of a record of the first of `kinds` about the item.

    `on` names a column of days: then a record of that day. Meant for a handful of rows.
    """
    records = pl.concat([_records_of(connection, kind, rows["sku"].unique().to_list()) for kind in kinds])
    keys = ["sku"] if on is None else ["sku", on]
    named = records if on is None else records.rename({"day": on})
    first = named.unique(keys, keep="first", maintain_order=True).select(*keys, "file_id", "line")
    return _named(connection, rows.join(first, on=keys, how="left", maintain_order="left"))


def _records_of(connection: sa.Connection, kind: str, skus: list[str]) -> pl.DataFrame:
    """Return sku, day (null where the kind has none), file_id and line of the records of these items, in order."""
    table = accepted[kind]
    day = table.c[_DAYS[kind]] if kind in _DAYS else sa.null()
    query = (
        sa.select(item.c.sku, sa.type_coerce(day, sa.Date).label("day"), table.c.file_id, table.c.line)
        .join(external_id, external_id.c.item_id == item.c.id)
        .join(table, table.c.item == external_id.c.external_id)
        .join(feed, sa.and_(feed.c.id == table.c.feed_id, feed.c.name.startswith(external_id.c.source.concat("/"))))
        .where(item.c.sku.in_(skus))
    )
    return read_frame(connection, query).with_columns(pl.col("day").cast(pl.Date)).sort("file_id", "line")


def _named(connection: sa.Connection, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with `example`, in words, for their file_id and line."""
    files = read_frame(connection, sa.select(batch_file.c.id.label("file_id"), batch_file.c.path))
    example = pl.format("{}, line {}", "path", "line")
    return (
        rows.join(files, on="file_id", how="left", maintain_order="left")
        .with_columns(example=example)
        .drop("file_id", "path", "line")
    )


def negative_stock(connection: sa.Connection, day: date | None = None) -> pl.DataFrame:
    """Return NEGATIVE_STOCK of `day` (the newest where not given), the lowest first."""
    table = inventory_snapshot
    newest = newest_stock_day()
    query = (
        sa.select(table.c.day, item.c.sku, location.c.code.label("location"), table.c.on_hand, table.c.counted_on)
        .join(item, item.c.id == table.c.item_id)
        .join(location, location.c.id == table.c.location_id)
        .where(table.c.on_hand < 0, table.c.day == (day if day is not None else newest))
    )
    return read_frame(connection, query).sort("on_hand", "sku", "location")


def stock_differences(connection: sa.Connection) -> pl.DataFrame:
    """Return STOCK_DIFFERENCES, the most money first."""
    table = stock_difference
    names = ("from_day", "to_day", "counted_before", "moved", "counted", "difference")
    query = sa.select(
        item.c.sku, location.c.code.label("location"), *(table.c[name] for name in names), item.c.unit_cost
    ).select_from(
        table.join(item, item.c.id == table.c.item_id).outerjoin(location, location.c.id == table.c.location_id)
    )
    frame = read_frame(connection, query).with_columns(value=(pl.col("difference") * pl.col("unit_cost")).round(2))
    money = pl.col("value").abs().fill_null(0)
    return frame.drop("unit_cost").sort(-money, "sku", "location", "to_day")


def dated_ahead(connection: sa.Connection, site: Site) -> pl.DataFrame:
    """Return the feeds with records of something that happened on a day that has not come.

    Columns: feed, records, day (the furthest), rows, example. Such records count from their day on, and move no clock.
    """
    today = plants_today(site)
    parts = []
    for column in FACT_DAYS:
        table = column.table
        ahead = sa.select(table.c.feed_id, column.label("day"), table.c.file_id, table.c.line).where(column > today)
        rows = read_frame(connection, ahead).sort("day", "file_id", "line", descending=[True, False, False])
        parts.append(
            rows.group_by("feed_id", maintain_order=True)
            .agg(pl.col("day", "file_id", "line").first(), rows=pl.len().cast(pl.Int64))
            .with_columns(records=pl.lit(table.name.removeprefix("accepted_")))
        )
    feeds = read_frame(connection, sa.select(feed.c.id.label("feed_id"), feed.c.name.label("feed")))
    named = pl.concat(parts).join(feeds, on="feed_id").select("feed", "records", "day", "rows", "file_id", "line")
    return _named(connection, named).sort("feed", "records")


def snapshot_gaps(connection: sa.Connection) -> pl.DataFrame:
    """Return the runs of days without a snapshot between the first and the last there is: first, last, days."""
    table = inventory_snapshot
    held = read_frame(connection, sa.select(table.c.day).distinct()).sort("day")
    step = pl.col("day").diff().dt.total_days()
    return held.with_columns(days=step - 1, before=pl.col("day").shift(1)).filter(pl.col("days") > 0).select(
        first=pl.col("before") + timedelta(days=1), last=pl.col("day") - timedelta(days=1), days="days"
    )  # fmt: skip


def process_problems(connection: sa.Connection) -> pl.DataFrame:
    """Return the items whose making is not sound: sku, problem."""
    query = sa.select(item.c.sku, process.c.problem).join(item, item.c.id == process.c.item_id)
    return read_frame(connection, query.where(process.c.problem.is_not(None))).sort("sku")
