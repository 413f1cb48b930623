"""What is wrong with the unified facts, as frames a person can read: the checks and reports are made from these."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.site import Site
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.tables import (
    batch_file,
    inventory_snapshot,
    item,
    item_conflict,
    location,
    process,
    stock_difference,
    supply_line,
    unmapped_id,
)
from manufacturing_copilot.unified.purchases import read_purchases


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


def conflicts(connection: sa.Connection) -> pl.DataFrame:
    """Return what the sources disagree about: sku, field, kept_source, kept, other_source, other."""
    columns = [column for column in item_conflict.c if column.name != "item_id"]
    query = sa.select(item.c.sku, *columns).join(item, item.c.id == item_conflict.c.item_id)
    return read_frame(connection, query).sort("sku", "field", "other_source")


def orphans(connection: sa.Connection, site: Site) -> pl.DataFrame:
    """Return facts that point at nothing: what, number, rows; receipts without an order line, lines without a supplier.

    A line without a supplier is one only where the site delivers suppliers or heads of purchase orders at all.
    """
    receipts = read_purchases(connection, site).receipts.filter(pl.col("_line").is_null())
    lost = receipts.group_by(number="order_no").agg(rows=pl.len().cast(pl.Int64))
    found = [lost.select(what=pl.lit("receipt without an order line"), number="number", rows="rows")]
    if any(feed.records in ("suppliers", "purchase_orders") for feed in site.feeds):
        table = supply_line
        nobody = read_frame(
            connection,
            sa.select(table.c.order_no.label("number"), sa.func.count().label("rows"))
            .where(~table.c.made, table.c.supplier_id.is_(None))
            .group_by(table.c.order_no),
        )
        found.append(nobody.select(what=pl.lit("purchase line without a supplier"), number="number", rows="rows"))
    return pl.concat(found).sort("what", "number")


def negative_stock(connection: sa.Connection, day: date | None = None) -> pl.DataFrame:
    """Return stock below zero on `day` (the newest where not given): day, sku, location, on_hand."""
    table = inventory_snapshot
    newest = sa.select(sa.func.max(table.c.day)).scalar_subquery()
    query = (
        sa.select(table.c.day, item.c.sku, location.c.code.label("location"), table.c.on_hand)
        .join(item, item.c.id == table.c.item_id)
        .join(location, location.c.id == table.c.location_id)
        .where(table.c.on_hand < 0, table.c.day == (day if day is not None else newest))
    )
    return read_frame(connection, query).sort("on_hand", "sku", "location")


def stock_differences(connection: sa.Connection) -> pl.DataFrame:
    """Return the counts that movements do not explain, the most money first.

    Columns: sku, location (empty: all of the item's together), from_day, to_day, counted_before, moved, counted,
    difference, value (at what the item costs; empty where nobody says).
    """
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
