"""What customers wanted: quantity by day, item and location."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.site import Demand, Site
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.tables import demand_day, item
from manufacturing_copilot.unified.facts import read_facts
from manufacturing_copilot.unified.findings import write_missing_factors
from manufacturing_copilot.unified.sync import SyncCounts, sync_frame, update_rows

A_SHARE, B_SHARE = 0.80, 0.95
"""ABC classes: the items that make the first 80 % of the annual value of demand are A, to 95 % B, the rest C."""


@dataclass(frozen=True)
class DemandCounts:
    """What became of the records of demand."""

    rows: SyncCounts
    without_factor: int


def refresh_demand(connection: sa.Connection, site: Site, as_of: date) -> DemandCounts:
    """Bring demand_day up to date with what was wanted up to `as_of`; needs items, locations and conversions.

    Which records count is the site's choice (`demand.records`). Days without demand have no row.
    """
    if site.demand.records == "order_lines":
        wanted, lacking = _from_order_lines(connection, site, as_of)
    else:
        wanted, lacking = _from_movements(connection, site, as_of)
    rows = (
        wanted.with_columns(value=pl.col("quantity") * pl.col("price"))
        .group_by("day", "item_id", "location_id")
        .agg(
            pl.col("quantity").sum(),
            value=pl.when(pl.col("value").count() > 0).then(pl.col("value").sum()),
            order_lines=pl.len(),
        )
    )
    write_missing_factors(
        connection, "order_lines", lacking if site.demand.records == "order_lines" else lacking.clear()
    )
    if site.demand.records == "stock_movements":  # else what stock finds in them stands
        write_missing_factors(connection, "stock_movements", lacking)
    counts = sync_frame(connection, demand_day, rows, key=["day", "item_id", "location_id"])
    return DemandCounts(counts, lacking.height)


def classify_items(connection: sa.Connection, as_of: date) -> int:
    """Set the items' ABC classes by the value of the last 365 days' demand; return how many changed.

    Value is quantity times unit cost, else times the price it was sold at. Services have no class; goods without
    demand are C.
    """
    year = sa.and_(demand_day.c.day > as_of - timedelta(days=365), demand_day.c.day <= as_of)
    table = demand_day
    sold = read_frame(connection, sa.select(table.c.item_id.label("id"), table.c.quantity, table.c.value).where(year))
    totals = sold.group_by("id").agg(pl.col("quantity", "value").sum())
    items = read_frame(connection, sa.select(item.c.id, item.c.sku, item.c.unit_cost, item.c.service))
    worth = items.join(totals, on="id", how="left").with_columns(
        worth=pl.coalesce(pl.col("quantity") * pl.col("unit_cost"), "value").fill_null(0).clip(lower_bound=0)
    )
    goods = worth.filter(~pl.col("service")).sort(["worth", "sku"], descending=[True, False])
    # An item belongs to the class in which its value begins, so that the greatest is always A.
    begins = (pl.col("worth").cum_sum() - pl.col("worth")) / pl.col("worth").sum()
    classed = goods.with_columns(
        abc=pl.when((begins < A_SHARE) & (pl.col("worth") > 0))
        .then(pl.lit("A"))
        .when((begins < B_SHARE) & (pl.col("worth") > 0))
        .then(pl.lit("B"))
        .otherwise(pl.lit("C"))
    )
    services = worth.filter("service").with_columns(abc=pl.lit(None, pl.String))
    return update_rows(connection, item, pl.concat([classed, services]).select("id", "abc"))


def _from_order_lines(connection: sa.Connection, site: Site, as_of: date) -> tuple[pl.DataFrame, pl.DataFrame]:
    columns = ["item", "location", "ordered_on", "requested_on", "shipped_on", "quantity", "unit", "price", "status",
               "free_of_charge"]  # fmt: skip
    rows, lacking = read_facts(
        connection, site, "order_lines", columns, quantities=["quantity"], prices=["price"]
    )  # fmt: skip
    day = pl.coalesce(*dict.fromkeys([f"{site.demand.day}_on", "ordered_on"]))
    returned = pl.col("status").eq_missing("returned")
    wanted = rows.filter(_counts(site.demand), pl.col("ordered_on") <= as_of, day <= as_of)
    return wanted.select(
        "item_id", "location_id", "price",
        day=day,
        quantity=pl.when(returned).then(-pl.col("quantity").abs()).otherwise("quantity"),
    ), lacking  # fmt: skip


def _counts(rules: Demand) -> pl.Expr:
    """Whether an order line is demand by what the site declares."""
    unwanted = pl.lit(False)
    if rules.cancelled == "leave_out":
        unwanted |= pl.col("status").eq_missing("cancelled")
    if rules.returns == "leave_out":
        unwanted |= pl.col("status").eq_missing("returned") | (pl.col("quantity") < 0)
    if rules.free_of_charge == "leave_out":
        unwanted |= pl.coalesce("free_of_charge", pl.col("price") == 0, pl.lit(False))
    return ~unwanted


def _from_movements(connection: sa.Connection, site: Site, as_of: date) -> tuple[pl.DataFrame, pl.DataFrame]:
    columns = ["item", "location", "moved_on", "quantity", "movement", "price", "unit"]
    rows, lacking = read_facts(
        connection, site, "stock_movements", columns, quantities=["quantity"], prices=["price"]
    )  # fmt: skip
    # Some systems write a sale as minus five, others as five: the movement's kind says which way it went.
    sign = pl.when(pl.col("movement") == "sale").then(1.0).otherwise(-1.0)
    kinds = ["sale", "sales_return"] if site.demand.returns == "subtract" else ["sale"]
    return rows.filter(pl.col("movement").is_in(kinds), pl.col("moved_on") <= as_of).select(
        "item_id", "location_id", "price", day="moved_on", quantity=pl.col("quantity").abs() * sign
    ), lacking
