"""Purchase lines with their heads and their receipts: what was ordered, and what came when."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.site import Site
from manufacturing_copilot.store.tables import SupplyStatus
from manufacturing_copilot.unified.codes import read_accepted
from manufacturing_copilot.unified.conform import read_conformed, with_supplier_ids
from manufacturing_copilot.unified.costs import ALWAYS

ENOUGH = 1e-6
"""A delivery is complete when no more than this is missing: the smallest quantity that is stored."""

_LINE = ["order_no", "line_no", "item", "supplier", "location", "ordered_on", "promised_on", "quantity",
         "received_quantity", "rejected_quantity", "received_on", "unit", "price", "status"]  # fmt: skip
_RECEIPT = ["order_no", "line_no", "item", "received_on", "quantity", "rejected_quantity", "unit"]
# How a receipt finds its line: by number, else by item, in its own system's orders, else in any system's.
_WAYS = (["source", "order_no", "line_no"], ["source", "order_no", "item_id"], ["order_no", "line_no"],
         ["order_no", "item_id"])  # fmt: skip


@dataclass(frozen=True)
class Purchases:
    """`lines`: `_line` (a number of this reading) and the fields of a purchase line, quantities in base units.

    `receipts`: `_line` (null: an orphan), item_id, supplier_id, received_on, quantity, rejected_quantity, in order
    of arrival.
    """

    lines: pl.DataFrame
    receipts: pl.DataFrame


def read_purchases(connection: sa.Connection, site: Site) -> Purchases:
    """Return all purchase lines and receipts of known goods, whatever their day.

    Supplier, order day and status come from the order's head where the line lacks them; a line without a number
    gets its item's code, with a counter where that stands twice in an order.
    """
    quantities = ["quantity", "received_quantity", "rejected_quantity"]
    rows = read_conformed(connection, site, "purchase_lines", _LINE, quantities=quantities, prices=["price"])
    heads = read_accepted(connection, site, "purchase_orders", ["order_no", "supplier", "ordered_on", "status"])
    heads = heads.unique(["source", "order_no"], keep="first", maintain_order=True)
    inherited = ["supplier", "ordered_on", "status"]
    joined = rows.join(
        heads.select("source", "order_no", *(pl.col(name).alias(f"head_{name}") for name in inherited)),
        on=["source", "order_no"],
        how="left",
        maintain_order="left",
    ).with_columns(pl.coalesce(name, f"head_{name}").alias(name) for name in inherited)
    lines = with_supplier_ids(connection, _numbered(joined)).with_row_index("_line")
    receipts = read_conformed(connection, site, "receipts", _RECEIPT, quantities=["quantity", "rejected_quantity"])
    return Purchases(lines, _matched(receipts, lines))


def remaining_changes(purchases: Purchases) -> pl.DataFrame:
    """Return how the quantity on order changes: item_id, location_id, day, change; sum the changes up to a day.

    A line is on order from its order day until it is complete, closed or cancelled. A line that is closed short
    ends on the day of its last receipt; one that is closed and names no day of receipt was never seen open.
    """
    lines = purchases.lines.filter(pl.col("status").ne_missing(SupplyStatus.CANCELLED))
    closed = pl.col("status").eq_missing(SupplyStatus.CLOSED)
    arrived = purchases.receipts.drop_nulls("_line").select("_line", "received_on", came="quantity")
    own = lines.join(arrived, on="_line", how="anti").select(
        "_line", "received_on",
        came=pl.col("received_quantity").fill_null(
            pl.when(pl.col("received_on").is_not_null()).then("quantity").otherwise(0.0)
        ),
    )  # fmt: skip
    came = pl.concat([arrived, own]).join(
        lines.select("_line", "item_id", "location_id", "ordered_on", "quantity", closed.alias("closed")), on="_line"
    )
    came = came.with_columns(
        ordered_on=pl.col("ordered_on").fill_null(ALWAYS), day=pl.coalesce("received_on", "ordered_on", pl.lit(ALWAYS))
    ).sort("_line", "day", maintain_order=True)
    left = (pl.col("quantity") - pl.col("came").cum_sum().over("_line")).clip(lower_bound=0)
    is_last = pl.int_range(pl.len()).over("_line") == pl.len().over("_line") - 1
    came = came.with_columns(left=pl.when(pl.col("closed") & is_last).then(0.0).otherwise(left))
    # Nothing is on order before its order day, even where the receipt is dated earlier.
    came = came.with_columns(day=pl.max_horizontal("day", "ordered_on"))
    before = pl.col("left").shift(1).over("_line").fill_null(pl.col("quantity"))
    drops = came.select("item_id", "location_id", "day", change=pl.col("left") - before)
    starts = lines.select(
        "item_id", "location_id", day=pl.col("ordered_on").fill_null(ALWAYS), change="quantity"
    )  # fmt: skip
    return pl.concat([starts, drops]).group_by("item_id", "location_id", "day").agg(pl.col("change").sum())


def _numbered(rows: pl.DataFrame) -> pl.DataFrame:
    rows = rows.with_columns(line_no=pl.coalesce("line_no", "item"))
    count = pl.int_range(1, pl.len() + 1).over("source", "order_no", "line_no")
    again = pl.concat_str("line_no", pl.lit("#"), count.cast(pl.String))
    return rows.with_columns(line_no=pl.when(count > 1).then(again).otherwise("line_no"))


def _matched(receipts: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    left = receipts.with_row_index("_row")
    found = []
    for way in _WAYS:
        keys = lines.unique(way, keep="first", maintain_order=True).select("_line", *way)
        if "source" not in way:  # another system's number counts only where no two systems use it
            single = lines.group_by(way).agg(pl.col("source").n_unique().alias("n")).filter(pl.col("n") == 1)
            keys = keys.join(single, on=way, how="semi")
        found.append(left.join(keys, on=way))
        left = left.join(found[-1], on="_row", how="anti")
    orphans = left.with_columns(_line=pl.lit(None, lines.schema["_line"]))
    columns = [*orphans.columns]
    return (
        pl.concat([part.select(columns) for part in [*found, orphans]])
        .join(lines.select("_line", "supplier_id"), on="_line", how="left")
        .sort("received_on", "file_id", "line")
    )
