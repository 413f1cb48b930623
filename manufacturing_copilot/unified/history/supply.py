"""What was ordered from suppliers and from the plant itself, when it was promised, and when it came."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.site import Site
from manufacturing_copilot.store.merge import SyncCounts, sync_frame
from manufacturing_copilot.store.tables import SupplyStatus, supply_line
from manufacturing_copilot.unified.conform import read_conformed
from manufacturing_copilot.unified.history.purchases import ENOUGH, Purchases

_KEY = ["made", "source", "order_no", "line_no"]
_COLUMNS = [*_KEY, "item_id", "location_id", "supplier_id", "ordered_on", "promised_on", "received_on",
            "last_received_on", "ordered", "received", "rejected", "price", "status", "batch_id", "file_id",
            "line"]  # fmt: skip
_WORK_ORDER = ["work_order", "item", "location", "quantity", "completed", "scrapped", "started_on", "due_on",
               "finished_on", "status"]  # fmt: skip


@dataclass(frozen=True)
class SupplyCounts:
    """What became of the records of supply."""

    rows: SyncCounts
    orphan_receipts: int


def refresh_supply(connection: sa.Connection, site: Site, as_of: date, purchases: Purchases) -> SupplyCounts:
    """Bring supply_line up to date as known on `as_of`; needs items, locations, suppliers and conversions.

    Rows are purchase lines (made: false) and work orders (made: true) begun by then.
    """
    rows = pl.concat([bought(purchases, as_of), made(connection, site, as_of)])
    counts = sync_frame(connection, supply_line, rows, key=_KEY, touch=["batch_id", "file_id", "line"])
    orphans = purchases.receipts.filter(pl.col("_line").is_null(), pl.col("received_on") <= as_of)
    return SupplyCounts(counts, orphans.height)


def bought(purchases: Purchases, as_of: date) -> pl.DataFrame:
    """Return the purchase lines as rows of supply_line, as known on `as_of`.

    Split deliveries count by cumulative quantity: received_on is the day on which what was ordered was complete.
    Where a line has no receipts its own received quantity and day hold. A line that is closed today, but of which
    something came only later than `as_of`, was open then.
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
        later=pl.coalesce("came_later", own_later, pl.lit(False)),
        last_received_on=pl.when(pl.col("came").is_not_null()).then("last_on").otherwise(own_day),
    )
    complete = pl.col("received") >= pl.col("quantity") - ENOUGH
    done_on = pl.when(pl.col("came").is_not_null()).then("complete_on").when(complete).then(own_day)
    return joined.with_columns(
        made=pl.lit(False),
        ordered="quantity",
        received_on=done_on,
        status=pl.when(pl.col("status") == SupplyStatus.CANCELLED).then(pl.lit(SupplyStatus.CANCELLED))
        .when(complete).then(pl.lit(SupplyStatus.CLOSED))
        .when("later").then(pl.lit(SupplyStatus.OPEN))
        .otherwise(pl.coalesce("status", pl.lit(SupplyStatus.OPEN))),
    ).select(_COLUMNS)  # fmt: skip


def made(connection: sa.Connection, site: Site, as_of: date) -> pl.DataFrame:
    """Return the work orders as rows of supply_line, as known on `as_of`: scrap is what was rejected."""
    rows = read_conformed(connection, site, "work_orders", _WORK_ORDER)
    begun = rows.filter(pl.col("started_on").is_null() | (pl.col("started_on") <= as_of))
    begun = begun.unique(["source", "work_order"], keep="first", maintain_order=True)
    later = (pl.col("finished_on") > as_of).fill_null(False)
    finished = pl.when(~later).then("finished_on")
    status = (
        pl.when(pl.col("status") == SupplyStatus.CANCELLED).then(pl.lit(SupplyStatus.CANCELLED))
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
        received_on=finished,
        last_received_on=finished,
        ordered="quantity",
        received=pl.when(later).then(0.0).otherwise(pl.coalesce("completed", ended, pl.lit(0.0))),
        rejected=pl.when(later).then(0.0).otherwise(pl.col("scrapped").fill_null(0.0)),
        price=pl.lit(None, pl.Float64),
        status=status,
    ).select(_COLUMNS)


def _received_by_receipts(purchases: Purchases, as_of: date) -> pl.DataFrame:
    """Return per `_line` what receipts say: came, came_rejected, complete_on, last_on, came_later."""
    ordered = purchases.lines.select("_line", ordered="quantity")
    receipts = purchases.receipts.drop_nulls("_line").join(ordered, on="_line", maintain_order="left")
    known = pl.col("received_on") <= as_of
    receipts = receipts.with_columns(so_far=pl.col("quantity").cum_sum().over("_line"))
    complete = known & (pl.col("so_far") >= pl.col("ordered") - ENOUGH)
    return receipts.group_by("_line").agg(
        came=pl.col("quantity").filter(known).sum(),
        came_rejected=pl.col("rejected_quantity").filter(known).sum(),
        complete_on=pl.col("received_on").filter(complete).min(),
        last_on=pl.col("received_on").filter(known).max(),
        came_later=(~known).any(),
    )
