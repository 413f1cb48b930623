"""Facts about supply: what a supplier promised and has not delivered."""

from __future__ import annotations

from datetime import date

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.alerts.facts import names
from manufacturing_copilot.alerts.facts.base import ITEM_NAMES, Fact, Question, file_lines, items
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.tables import SupplyStatus, supplier, supply_line


def gather_days_late(connection: sa.Connection, question: Question) -> pl.DataFrame:
    """Return the purchase lines that were open past their promised day at the end of the day (value: days).

    A line counts by what is still missing: a part that came in time does not excuse the rest. A line that was
    completed only after the day was open on it.
    """
    table, day = supply_line, question.as_of
    came_later = sa.and_(table.c.received_on.is_not(None), table.c.received_on > day)
    query = (
        sa.select(
            table.c.order_no,
            table.c.line_no,
            table.c.item_id,
            table.c.promised_on,
            table.c.ordered,
            table.c.received,
            table.c.last_received_on,
            table.c.file_id.label("_file_id"),
            table.c.line.label("_line"),
            sa.func.coalesce(supplier.c.name, supplier.c.code).label("supplier"),
            supplier.c.code.label("_supplier_code"),
        )
        .select_from(table)
        .outerjoin(supplier, supplier.c.id == table.c.supplier_id)
        .where(
            table.c.made.is_(sa.false()),
            table.c.promised_on < day,
            sa.or_(table.c.ordered_on.is_(None), table.c.ordered_on <= day),
            sa.or_(sa.and_(table.c.status == SupplyStatus.OPEN, table.c.ordered > table.c.received), came_later),
        )
    )
    # the supplier of the line, not the item's usual one
    item_columns = items(connection).drop("supplier", "_supplier_code")
    return _with_lateness(read_frame(connection, query), day).join(item_columns, on="item_id")


def _with_lateness(lines: pl.DataFrame, day: date) -> pl.DataFrame:
    # what came after the day was still missing on it; how much of it came when is not kept, so all of it counts
    received = pl.when(pl.col("last_received_on") > day).then(0.0).otherwise(pl.col("received"))
    return lines.with_columns(
        (pl.col("ordered") - received).alias("open_quantity"),
        (pl.lit(day) - pl.col("promised_on")).dt.total_days().alias("days_late"),
        pl.format("purchase {} line {}", "order_no", "line_no").alias("subject"),
    ).with_columns(pl.col("days_late").cast(pl.Float64).alias("value"))


def trace(connection: sa.Connection, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the line of each purchase line."""
    return file_lines(connection, rows, file="_file_id", line="_line", what="purchase line")


DAYS_LATE = Fact(
    "days by which an open purchase line is past its promised day",
    gather_days_late,
    trace,
    (
        *ITEM_NAMES, names.SUPPLIER, names.ORDER_NO, names.LINE_NO, names.PROMISED_ON, names.DAYS_LATE,
        names.OPEN_QUANTITY, names.ORDERED,
    ),
    frozenset({"purchase_lines", "receipts"}),
)  # fmt: skip
