"""What was ordered from suppliers and from the plant itself, when it was promised, and when it came."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.site import Site
from manufacturing_copilot.store.merge import SyncCounts, sync_frame
from manufacturing_copilot.store.tables import SupplyStatus, supply_line
from manufacturing_copilot.unified.conform import read_conformed
from manufacturing_copilot.unified.endings import with_ended_on
from manufacturing_copilot.unified.history.promises import with_promises
from manufacturing_copilot.unified.history.purchases import (
    DELIVERY,
    ENOUGH,
    NOT_ON_ORDER,
    RETURN,
    Purchases,
    kept_receipts,
    unmatched_reversals,
)

_KEY = ["made", "source", "order_no", "line_no"]
_COLUMNS = [*_KEY, "item_id", "location_id", "supplier_id", "ordered_on", "promised_on", "first_promised_on",
            "redatings", "received_on", "last_received_on", "ordered", "received", "rejected", "returned", "price",
            "status", "batch_id", "file_id", "line"]  # fmt: skip
_WORK_ORDER = ["work_order", "item", "location", "quantity", "completed", "scrapped", "started_on", "due_on",
               "finished_on", "status", "reverses"]  # fmt: skip


@dataclass(frozen=True)
class SupplyCounts:
    """What became of the records of supply.

    `orphan_receipts`: receipts and returns without an order line; `unmatched_reversals`: receipts and work orders
    taken back that never were.
    """

    rows: SyncCounts
    orphan_receipts: int
    unmatched_reversals: int = 0


def refresh_supply(connection: sa.Connection, site: Site, as_of: date, purchases: Purchases) -> SupplyCounts:
    """Bring supply_line up to date as known on `as_of`; needs items, locations, suppliers and conversions.

    Rows are purchase lines (made: false) and work orders (made: true) begun by then.
    """
    promised = replace(purchases, lines=with_promises(connection, purchases.lines))
    orders = read_conformed(connection, site, "work_orders", _WORK_ORDER)
    orders = with_ended_on(connection, site, "work_orders", orders)
    rows = pl.concat([bought(promised, as_of), made(orders, as_of)])
    counts = sync_frame(connection, supply_line, rows, key=_KEY, touch=["batch_id", "file_id", "line"])
    known = purchases.receipts.filter(pl.col("received_on") <= as_of)
    orphans = known.filter(pl.col("_line").is_null())
    return SupplyCounts(
        counts, orphans.height, unmatched_reversals(known).height + orders_without_original(orders).height
    )


def bought(purchases: Purchases, as_of: date) -> pl.DataFrame:
    """Return the purchase lines as rows of supply_line, as known on `as_of`; needs the lines' promises.

    Split deliveries count by cumulative quantity: received_on is the day on which what was ordered was complete,
    and stayed so: a receipt that was taken back never came. Where a line has no receipts its own received quantity
    and day hold. A line that is closed today, but of which something came only later than `as_of`, was open then; one
    of which a receipt was taken back since is open again. What was sent back for credit did come.
    """
    lines = purchases.lines.filter(pl.col("ordered_on").is_null() | (pl.col("ordered_on") <= as_of))
    came = _received_by_receipts(purchases, as_of)
    own_later = pl.col("received_on") > as_of
    own_day = pl.when(~own_later).then("received_on")
    own_received = pl.col("received_quantity").fill_null(
        pl.when(pl.col("received_on").is_not_null()).then("quantity").otherwise(0.0)
    )
    here = ~own_later.fill_null(False)
    joined = lines.join(came, on="_line", how="left", maintain_order="left").with_columns(
        received=pl.coalesce("came", pl.when(here).then(own_received).otherwise(0.0)),
        rejected=pl.coalesce("came_rejected", pl.when(here).then("rejected_quantity"), pl.lit(0.0)),
        returned=pl.col("came_back").fill_null(0.0),
        later=pl.coalesce("came_later", own_later, pl.lit(False)) | pl.col("reopened"),
        last_received_on=pl.when(pl.col("came").is_not_null()).then("last_on").otherwise(own_day),
    )
    complete = pl.col("received") >= pl.col("quantity") - ENOUGH
    done_on = pl.when(pl.col("came").is_not_null()).then("complete_on").when(complete).then(own_day)
    return joined.with_columns(
        made=pl.lit(False),
        ordered="quantity",
        received_on=done_on,
        status=pl.when(pl.col("status").is_in(NOT_ON_ORDER)).then("status")
        .when(complete | pl.col("ended_on").is_not_null()).then(pl.lit(SupplyStatus.CLOSED))
        .when("later").then(pl.lit(SupplyStatus.OPEN))
        .otherwise(pl.coalesce("status", pl.lit(SupplyStatus.OPEN))),
    ).select(_COLUMNS)  # fmt: skip


def made(orders: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Return the work orders as rows of supply_line, as known on `as_of`: scrap is what was rejected.

    A document that takes back what an order made is no order: what it takes back is still to be made.
    """
    begun = orders.filter(
        pl.col("reverses").is_null(), pl.col("started_on").is_null() | (pl.col("started_on") <= as_of)
    )
    begun = begun.unique(["source", "work_order"], keep="first", maintain_order=True)
    begun = begun.join(
        _taken_back(orders, as_of), on=["source", "work_order"], how="left", maintain_order="left"
    ).with_columns(pl.col("undone", "unscrapped").fill_null(0.0))
    later = (pl.col("finished_on") > as_of).fill_null(False)
    again = (pl.col("undone") > 0) & (_completed() - pl.col("undone") < pl.col("quantity") - _scrapped() - ENOUGH)
    begun = begun.with_columns(
        pl.when(again & ~later).then(None).otherwise("finished_on").alias("finished_on"),
        pl.when(again & pl.col("status").eq_missing("finished")).then(pl.lit("open")).otherwise("status")
        .alias("status"),
        completed=pl.when(pl.col("undone") > 0)
        .then((_completed() - pl.col("undone")).clip(lower_bound=0.0)).otherwise("completed"),
        scrapped=pl.when(pl.col("unscrapped") > 0).then(_scrapped()).otherwise("scrapped"),
    )  # fmt: skip
    finished = pl.when(~later).then("finished_on")
    status = (
        pl.when(pl.col("status") == SupplyStatus.CANCELLED).then(pl.lit(SupplyStatus.CANCELLED))
        .when(pl.col("ended_on").is_not_null()).then(pl.lit(SupplyStatus.CLOSED))
        .when(later).then(pl.lit(SupplyStatus.OPEN))
        .when((pl.col("status") == "finished") | (pl.col("status").is_null() & finished.is_not_null()))
        .then(pl.lit(SupplyStatus.CLOSED))
        .otherwise(pl.lit(SupplyStatus.OPEN))
    )  # fmt: skip
    ended = pl.when(finished.is_not_null()).then(pl.col("quantity") - pl.col("scrapped").fill_null(0))
    return begun.with_columns(
        made=pl.lit(True),
        order_no="work_order",
        line_no=pl.lit("1"),
        supplier_id=pl.lit(None, pl.Int64),
        ordered_on="started_on",
        promised_on="due_on",
        first_promised_on="due_on",
        redatings=pl.lit(0, pl.Int64),
        returned=pl.lit(0.0),
        received_on=finished,
        last_received_on=finished,
        ordered="quantity",
        received=pl.when(later).then(0.0).otherwise(pl.coalesce("completed", ended, pl.lit(0.0))),
        rejected=pl.when(later).then(0.0).otherwise(pl.col("scrapped").fill_null(0.0)),
        price=pl.lit(None, pl.Float64),
        status=status,
    ).select(_COLUMNS)


def orders_without_original(orders: pl.DataFrame) -> pl.DataFrame:
    """Return the documents among work orders that take back an order that is not there."""
    back = orders.filter(pl.col("reverses").is_not_null())
    return back.join(
        orders.filter(pl.col("reverses").is_null()), left_on=["source", "reverses"],
        right_on=["source", "work_order"], how="anti",
    )  # fmt: skip


def _taken_back(orders: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Return source, work_order, undone and unscrapped: what documents up to `as_of` take back of each order."""
    day = pl.coalesce("finished_on", "started_on", "due_on")
    back = orders.filter(pl.col("reverses").is_not_null(), day.is_null() | (day <= as_of))
    return back.group_by("source", work_order="reverses").agg(
        undone=pl.coalesce("completed", "quantity").abs().sum(), unscrapped=pl.col("scrapped").abs().sum()
    )


def _completed() -> pl.Expr:
    made_all = pl.when(pl.col("finished_on").is_not_null()).then(pl.col("quantity") - pl.col("scrapped").fill_null(0.0))
    return pl.coalesce("completed", made_all, pl.lit(0.0))


def _scrapped() -> pl.Expr:
    return (pl.col("scrapped").fill_null(0.0) - pl.col("unscrapped")).clip(lower_bound=0.0)


def _received_by_receipts(purchases: Purchases, as_of: date) -> pl.DataFrame:
    """Return per `_line` what receipts say: came, came_rejected, complete_on, last_on, came_later, came_back."""
    ordered = purchases.lines.select("_line", ordered="quantity")
    receipts = purchases.receipts.drop_nulls("_line")
    known = pl.col("received_on") <= as_of
    kept = kept_receipts(receipts.filter(known)).sort("received_on", "file_id", "line")
    kept = kept.join(ordered, on="_line", maintain_order="left")
    kept = kept.with_columns(so_far=pl.col("quantity").cum_sum().over("_line"))
    complete = pl.col("so_far") >= pl.col("ordered") - ENOUGH
    of_line = kept.group_by("_line").agg(
        came=pl.col("quantity").sum(),
        came_rejected=pl.col("rejected_quantity").sum(),
        complete_on=pl.col("received_on").filter(complete).min(),
        last_on=pl.col("received_on").max(),
    )
    returned = pl.col("receipt_type") == RETURN
    delivered = pl.col("receipt_type") == DELIVERY
    seen = receipts.group_by("_line").agg(
        came_later=(~known & delivered).any(),
        came_back=pl.col("quantity").filter(known & returned).sum(),
        delivered=delivered.any(),
    )
    # Lines of which nothing was ever delivered by a receipt have figures of their own.
    whole = seen.join(of_line, on="_line", how="left")
    own = ~pl.col("delivered")
    return whole.select(
        "_line", "complete_on", "last_on", "came_back",
        came=pl.when(~own).then(pl.col("came").fill_null(0.0)),
        came_rejected=pl.when(~own).then(pl.col("came_rejected").fill_null(0.0)),
        came_later=pl.when(~own).then("came_later"),
    )  # fmt: skip
