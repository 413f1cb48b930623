"""What was looked at and what was found wrong: by day, item, operation and supplier."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.site import Site
from manufacturing_copilot.store.merge import SyncCounts, sync_frame
from manufacturing_copilot.store.tables import SupplyStatus, quality_day, quality_reason
from manufacturing_copilot.unified.conform import read_conformed, with_supplier_ids
from manufacturing_copilot.unified.history.purchases import Purchases, kept_receipts

_PLACE = ["day", "item_id", "operation", "supplier_id", "origin"]
_ROW = [*_PLACE, "inspected", "defective", "scrapped", "reason"]


@dataclass(frozen=True)
class QualityCounts:
    """What became of the records of quality."""

    rows: SyncCounts


def refresh_quality(connection: sa.Connection, site: Site, as_of: date, purchases: Purchases) -> QualityCounts:
    """Bring quality_day and quality_reason up to date with what was found up to `as_of`.

    Needs items, suppliers and conversions. `reason` of a day is the one behind most of its defects; quality_reason has
    them all. Scrapped pieces are defective ones.
    """
    parts = [
        _inspected(connection, site),
        _scrapped(connection, site),
        _refused(purchases, as_of),
    ]
    rows = pl.concat([part.select(_ROW) for part in parts]).filter(pl.col("day") <= as_of)
    sync_frame(connection, quality_reason, _by_reason(rows))
    return QualityCounts(sync_frame(connection, quality_day, _by_day(rows)))


def _inspected(connection: sa.Connection, site: Site) -> pl.DataFrame:
    columns = ["item", "inspected_on", "operation", "supplier", "inspected", "defective", "reason"]
    rows = read_conformed(connection, site, "inspections", columns)
    return with_supplier_ids(connection, rows).with_columns(
        day="inspected_on", origin=pl.lit("inspections"), scrapped=pl.lit(0.0)
    )


def _scrapped(connection: sa.Connection, site: Site) -> pl.DataFrame:
    """Finished work orders: everything that was made was looked at."""
    columns = ["item", "quantity", "completed", "scrapped", "scrap_reason", "operation", "finished_on", "status",
               "reverses"]  # fmt: skip
    rows = read_conformed(connection, site, "work_orders", columns).filter(pl.col("reverses").is_null())
    lost = pl.col("scrapped").fill_null(0.0)
    finished = rows.filter(pl.col("finished_on").is_not_null(), pl.col("status").ne_missing(SupplyStatus.CANCELLED))
    return finished.with_columns(
        day="finished_on",
        supplier_id=pl.lit(None, pl.Int64),
        origin=pl.lit("work_orders"),
        inspected=(pl.col("completed") + lost).fill_null(pl.col("quantity")),
        defective=lost,
        scrapped=lost,
        reason="scrap_reason",
    )


def _refused(purchases: Purchases, as_of: date) -> pl.DataFrame:
    """Deliveries of which the system says how many were refused, by receipt, else by purchase line.

    A receipt that was taken back by `as_of` was no delivery. A purchase line that names no day of receipt counts on
    the day that was promised: the nearest that is known.
    """
    columns = {"origin": pl.lit("receipts"), "scrapped": pl.lit(0.0), "operation": pl.lit(None, pl.String),
               "reason": pl.lit(None, pl.String)}  # fmt: skip
    came = kept_receipts(purchases.receipts.filter(pl.col("received_on") <= as_of))
    receipts = came.drop_nulls("rejected_quantity").with_columns(
        day="received_on", inspected="quantity", defective="rejected_quantity", **columns
    )
    lines = purchases.lines.join(purchases.receipts.drop_nulls("_line"), on="_line", how="anti")
    lines = lines.drop_nulls("rejected_quantity").with_columns(
        day=pl.coalesce("received_on", "promised_on"),
        inspected=pl.coalesce("received_quantity", "quantity"),
        defective="rejected_quantity",
        **columns,
    )
    return pl.concat([receipts.select(_ROW), lines.select(_ROW)]).filter(pl.col("inspected") > 0)


def _by_reason(rows: pl.DataFrame) -> pl.DataFrame:
    named = rows.with_columns(pl.col("operation", "reason").fill_null(""))
    bad = named.filter((pl.col("defective") > 0) | (pl.col("scrapped") > 0))
    return bad.group_by(*_PLACE, "reason").agg(pl.col("defective", "scrapped").sum())


def _by_day(rows: pl.DataFrame) -> pl.DataFrame:
    named = rows.with_columns(pl.col("operation").fill_null(""))
    reasons = (
        _by_reason(rows)
        .filter((pl.col("reason") != "") & (pl.col("defective") > 0))
        .sort(["defective", "reason"], descending=[True, False])
        .unique(_PLACE, keep="first", maintain_order=True)
    )
    totals = named.group_by(_PLACE).agg(pl.col("inspected", "defective", "scrapped").sum())
    return totals.join(reasons.select(*_PLACE, "reason"), on=_PLACE, how="left", nulls_equal=True).with_columns(
        pl.col("reason").fill_null("")
    )
