"""Purchase lines with their heads and their receipts: what was ordered, and what came when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.site import Site
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.tables import SupplyStatus, batch_file
from manufacturing_copilot.unified.codes import read_accepted
from manufacturing_copilot.unified.conform import read_conformed, with_supplier_ids
from manufacturing_copilot.unified.costs import ALWAYS
from manufacturing_copilot.unified.endings import with_ended_on
from manufacturing_copilot.unified.history.taken_back import net_of_returns

ENOUGH = 1e-6
"""A delivery is complete when no more than this is missing: the smallest quantity that is stored."""

DELIVERY, REVERSAL, RETURN = "delivery", "reversal", "return"
"""What a receipt is: goods that came; a receipt taken back, so that they are on order again; sent back for credit."""

NOT_ON_ORDER = (SupplyStatus.CANCELLED, SupplyStatus.DRAFT)
"""Lines that nobody waits for: taken back, or never sent to the supplier."""

_LINE = ["order_no", "line_no", "item", "supplier", "location", "ordered_on", "promised_on", "first_promised_on",
         "quantity", "received_quantity", "rejected_quantity", "received_on", "unit", "price", "status"]  # fmt: skip
_RECEIPT = ["receipt_no", "order_no", "line_no", "item", "received_on", "quantity", "rejected_quantity", "unit",
            "reverses", "receipt_type"]  # fmt: skip
_RETURN = ["return_no", "receipt_no", "order_no", "line_no", "item", "returned_on", "quantity", "unit",
           "replaced"]  # fmt: skip
_ARRIVAL = ["received_on", "file_id", "line"]
# How a receipt finds its line: by number, else by item, in its own system's orders, else in any system's.
_WAYS = (["source", "order_no", "line_no"], ["source", "order_no", "item_id"], ["order_no", "line_no"],
         ["order_no", "item_id"])  # fmt: skip


@dataclass(frozen=True)
class Purchases:
    """`lines`: `_line` (a number of this reading) and the fields of a purchase line, quantities in base units.

    `feed_id` and `record_key` name the line's record; `reopened`: it is closed, and a receipt was taken back since.
    `ended_on`: the day of the full list that leaves it out.

    `receipts`: `_line` (null: an orphan), item_id, supplier_id, received_on, quantity, rejected_quantity, receipt_no,
    reverses, receipt_type, in order of arrival. Quantities of reversals are negative; of returns for credit positive.
    """

    lines: pl.DataFrame
    receipts: pl.DataFrame


def read_purchases(connection: sa.Connection, site: Site) -> Purchases:
    """Return all purchase lines and receipts of known goods, whatever their day.

    Supplier, order day and status come from the order's head where the line lacks them; a line without a number
    gets its item's code, with a counter where that stands twice in an order.
    """
    quantities = ["quantity", "received_quantity", "rejected_quantity"]
    rows = read_conformed(
        connection, site, "purchase_lines", _LINE, quantities=quantities, prices=["price"], keyed=True
    )
    rows = with_ended_on(connection, site, "purchase_lines", rows)
    heads = read_accepted(connection, site, "purchase_orders", ["order_no", "supplier", "ordered_on", "status"])
    heads = with_ended_on(connection, site, "purchase_orders", heads)
    heads = heads.unique(["source", "order_no"], keep="first", maintain_order=True)
    inherited = ["supplier", "ordered_on", "status", "ended_on"]
    joined = rows.join(
        heads.select("source", "order_no", *(pl.col(name).alias(f"head_{name}") for name in inherited)),
        on=["source", "order_no"],
        how="left",
        maintain_order="left",
    ).with_columns(pl.coalesce(name, f"head_{name}").alias(name) for name in inherited)
    lines = with_supplier_ids(connection, _numbered(joined)).with_row_index("_line")
    receipts = _matched(_receipts(connection, site), lines)
    return Purchases(_reopened(connection, site, lines, receipts), receipts)


def kept_receipts(receipts: pl.DataFrame) -> pl.DataFrame:
    """Return the deliveries among `receipts` (as of Purchases) less what reversals took back of them.

    `quantity` and `rejected_quantity` are what is left; a delivery of which nothing is left is not there. A reversal
    that names its receipt takes from that one, any other from the latest before it. What takes back more than ever
    came is in `unmatched_reversals`.
    """
    if not (receipts["receipt_type"] == REVERSAL).any():
        return receipts.filter(pl.col("receipt_type") == DELIVERY)
    netted = _netted(receipts)
    kept = netted.filter(pl.col("receipt_type") == DELIVERY, pl.col("net") > ENOUGH)
    return kept.with_columns(quantity="net", rejected_quantity=pl.min_horizontal("rejected_quantity", "net")).select(
        receipts.columns
    )


def unmatched_reversals(receipts: pl.DataFrame) -> pl.DataFrame:
    """Return the reversals (as of Purchases.receipts) that take back more than had come of their lines by then."""
    reversed_ = receipts.filter(pl.col("receipt_type") == REVERSAL).drop_nulls("_line")
    if reversed_.is_empty():
        return reversed_
    owing = _netted(receipts).group_by("_line", maintain_order=True).first().filter(pl.col("owed") > ENOUGH)
    return reversed_.join(owing, on="_line", how="semi")


def _netted(receipts: pl.DataFrame) -> pl.DataFrame:
    """Return deliveries and reversals of known lines with `net` and `owed` (see `net_of_returns`)."""
    moves = receipts.filter(pl.col("receipt_type") != RETURN).drop_nulls("_line").with_row_index("_row")
    place = ["source", "_line", "receipt_no"]
    taken = (
        moves.filter(pl.col("receipt_type") == REVERSAL)
        .drop_nulls("reverses")
        .group_by("source", "_line", receipt_no="reverses")
        .agg(taken=-pl.col("quantity").sum(), taken_rejected=pl.col("rejected_quantity").abs().sum())
    )
    originals = moves.filter(pl.col("receipt_type") == DELIVERY).unique(place, keep="first", maintain_order=True)
    # One that takes back more than the receipt it names has a wrong name, and takes from the latest like any other.
    named = originals.join(taken, on=place).filter(pl.col("taken") <= pl.col("quantity") + ENOUGH)
    settled = moves.join(named.select("source", "_line", reverses="receipt_no"), on=["source", "_line", "reverses"],
                         how="semi")  # fmt: skip
    left = moves.join(settled, on="_row", how="anti").join(
        named.select("_row", "taken", "taken_rejected"), on="_row", how="left"
    )
    left = left.with_columns(
        pl.col("quantity") - pl.col("taken").fill_null(0.0),
        rejected_quantity=(pl.col("rejected_quantity") - pl.col("taken_rejected").fill_null(0.0)).clip(lower_bound=0.0),
    ).drop("taken", "taken_rejected")
    return net_of_returns(left, ["_line"], ["received_on", "_row"], "quantity")


def _receipts(connection: sa.Connection, site: Site) -> pl.DataFrame:
    """Return receipts and returns to suppliers in one form: _RECEIPT, item_id and where each stands."""
    came = read_conformed(connection, site, "receipts", _RECEIPT, quantities=["quantity", "rejected_quantity"])
    kind = pl.coalesce(
        "receipt_type",
        pl.when((pl.col("quantity") < 0) | pl.col("reverses").is_not_null()).then(pl.lit(REVERSAL)),
        pl.lit(DELIVERY),
    )
    kind = pl.when((kind == DELIVERY) & (pl.col("quantity") < 0)).then(pl.lit(REVERSAL)).otherwise(kind)
    came = came.with_columns(receipt_type=kind)
    back = read_conformed(connection, site, "purchase_returns", _RETURN, quantities=["quantity"])
    names = [*dict.fromkeys([*_RECEIPT, "item_id", "source", "priority", "batch_id", "file_id", "line"])]
    if not back.is_empty():
        came = pl.concat([came.select(names), _as_receipts(back, came).select(names)])
    much = pl.col("quantity").abs()
    signed = pl.when(pl.col("receipt_type") == REVERSAL).then(-much).otherwise(much)
    return came.select(names).with_columns(quantity=signed)


def _as_receipts(back: pl.DataFrame, came: pl.DataFrame) -> pl.DataFrame:
    """Return returns to suppliers as receipts; one that names only a receipt belongs to the order of that one."""
    orders = came.drop_nulls("receipt_no").unique(["source", "receipt_no", "item_id"], keep="first")
    named = back.join(
        orders.select("source", "receipt_no", "item_id", _order="order_no", _number="line_no"),
        on=["source", "receipt_no", "item_id"], how="left", maintain_order="left",
    )  # fmt: skip
    replaced = pl.col("replaced").fill_null(False)
    return named.with_columns(
        line_no=pl.when(pl.col("order_no").is_null()).then("_number").otherwise("line_no"),
        order_no=pl.coalesce("order_no", "_order"),
        reverses="receipt_no",
        receipt_no="return_no",
        received_on="returned_on",
        rejected_quantity=pl.lit(None, pl.Float64),
        receipt_type=pl.when(replaced).then(pl.lit(REVERSAL)).otherwise(pl.lit(RETURN)),
    )


def _reopened(connection: sa.Connection, site: Site, lines: pl.DataFrame, receipts: pl.DataFrame) -> pl.DataFrame:
    """Return the lines with `reopened`: closed by what was written before a receipt of theirs was taken back.

    A line whose record was written after that day, and still says that it is closed, is closed.
    """
    newest = (
        receipts.filter(pl.col("receipt_type") == REVERSAL).group_by("_line").agg(_back=pl.col("received_on").max())
    )
    closed = lines.filter(pl.col("status") == SupplyStatus.CLOSED).join(newest, on="_line")
    if closed.is_empty():
        return lines.with_columns(reopened=pl.lit(False))
    ids = closed["file_id"].unique().to_list()
    files = read_frame(connection, sa.select(batch_file.c.id, batch_file.c.order_ns).where(batch_file.c.id.in_(ids)))
    written = pl.from_epoch("order_ns", "ns").dt.replace_time_zone("UTC").dt.convert_time_zone(site.zone).dt.date()
    dated = closed.join(files.select(file_id="id", _written=written), on="file_id", how="left")
    again = dated.filter(pl.col("_back") >= pl.col("_written").fill_null(pl.col("_back")))
    return lines.with_columns(reopened=pl.col("_line").is_in(again["_line"].implode()))


def remaining_changes(purchases: Purchases, as_of: date) -> pl.DataFrame:
    """Return how the quantity on order changes: item_id, location_id, day, change; sum the changes up to a day.

    A line is on order from its order day until it is complete, closed or cancelled. A line that is closed short
    ends on the day of its last receipt; one that is closed and names no day of receipt was never seen open. What a
    reversal takes back is on order again from its day on; what is sent back for credit is not. A line that a
    full list leaves out ends on the day of that list, at the latest on `as_of`.
    """
    lines = purchases.lines.filter(~pl.col("status").is_in(NOT_ON_ORDER).fill_null(False))
    closed = pl.col("status").eq_missing(SupplyStatus.CLOSED) & ~pl.col("reopened")
    moves = purchases.receipts.filter(pl.col("receipt_type") != RETURN).drop_nulls("_line")
    delivered = moves.filter(pl.col("receipt_type") == DELIVERY)
    arrived = moves.join(delivered, on="_line", how="semi").select("_line", "received_on", came="quantity")
    own = lines.join(arrived, on="_line", how="anti").select(
        "_line", "received_on",
        came=pl.col("received_quantity").fill_null(
            pl.when(pl.col("received_on").is_not_null()).then("quantity").otherwise(0.0)
        ),
    )  # fmt: skip
    ended_on = pl.when(pl.col("ended_on").is_not_null()).then(pl.min_horizontal("ended_on", pl.lit(as_of)))
    ends = lines.drop_nulls("ended_on").select("_line", received_on=ended_on, came=pl.lit(0.0))
    came = pl.concat([arrived, own, ends]).join(
        lines.select("_line", "item_id", "location_id", "ordered_on", "quantity", "ended_on", closed.alias("closed")),
        on="_line",
    )
    came = came.with_columns(
        ordered_on=pl.col("ordered_on").fill_null(ALWAYS), day=pl.coalesce("received_on", "ordered_on", pl.lit(ALWAYS))
    ).sort("_line", "day", maintain_order=True)
    left = (pl.col("quantity") - pl.col("came").cum_sum().over("_line")).clip(0, pl.col("quantity"))
    is_last = pl.int_range(pl.len()).over("_line") == pl.len().over("_line") - 1
    has_ended = (pl.col("day") >= ended_on).fill_null(False)
    came = came.with_columns(left=pl.when((pl.col("closed") & is_last) | has_ended).then(0.0).otherwise(left))
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
        .sort(_ARRIVAL)
        .drop("_row")
    )
