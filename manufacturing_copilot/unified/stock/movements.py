"""What entered and left stock: stock itself where nobody counts, and held against the counts where somebody does.

Quantities are whole millionths here, so that sums are exact in any order.
"""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.site import Site
from manufacturing_copilot.store.merge import SyncCounts, sync_frame
from manufacturing_copilot.store.tables import stock_difference
from manufacturing_copilot.store.types import SCALE
from manufacturing_copilot.unified.conform import MAIN, read_conformed

RECONCILED_DAYS = 28
"""Counts of so many days before the as-of day are held against the movements."""

_IN = ("sales_return", "purchase", "production")
_OUT = ("sale", "consumption", "scrap", "purchase_return")
_SIGNED = ("purchase", "production")
"""What came by these may be taken back under the same name, with the other sign."""
_PLACE = ["item_id", "location_id"]


def counted_nowhere(site: Site) -> bool:
    """Whether the site's stock comes from movements alone: it declares a feed of them and none of counts."""
    kinds = {feed.records for feed in site.feeds}
    return "stock_movements" in kinds and "stock_levels" not in kinds


def read_movements(connection: sa.Connection, site: Site) -> pl.DataFrame:
    """Return the movements of known goods with their sign.

    Columns: item_id, location_id, placed (whether the movement names its place), located (whether any of its source
    does), source, priority, day, change, batch_id.

    Some systems write an issue as minus five, others as five: what was sold, consumed or scrapped left, what was
    bought, made or taken back came, whatever its sign. Adjustments and transfers go by the sign in the source; so does
    what was bought or made, where a source writes both signs: the negative ones are taken back. A movement that names
    the one it reverses goes the other way.
    """
    columns = ["item", "location", "moved_on", "quantity", "movement", "unit", "reverses"]
    rows = read_conformed(connection, site, "stock_movements", columns, quantities=["quantity"])
    kind, much = pl.col("movement"), (pl.col("quantity") * 10**SCALE).round().cast(pl.Int64)
    plain = pl.col("reverses").is_null()
    signed = kind.is_in(_SIGNED) & plain & (plain & (pl.col("quantity") > 0)).any().over("source", "movement")
    change = (
        pl.when(signed).then(much)
        .when(kind.is_in(_IN)).then(much.abs())
        .when(kind.is_in(_OUT)).then(-much.abs())
        .otherwise(much)
    )  # fmt: skip
    back = pl.col("reverses").is_not_null() & kind.is_in([*_IN, *_OUT])
    change = pl.when(back).then(-change).otherwise(change)
    return rows.select(
        *_PLACE, "placed", "source", "priority", "batch_id",
        day="moved_on", change=change, located=(pl.col("location") != MAIN).any().over("source"),
    )  # fmt: skip


def states(movements: pl.DataFrame) -> pl.DataFrame:
    """Return what lies where from which day on, by movements alone, which begin at nothing.

    Columns: item_id, location_id, source, priority, day, on_hand, reserved, on_order, in_inspection, given,
    batch_id.
    """
    by_day = (
        movements.group_by(*_PLACE, "source", "day")
        .agg(pl.col("change").sum(), pl.col("priority").first(), pl.col("batch_id").max())
        .sort("day")
    )
    nothing = {name: pl.lit(0, pl.Int64) for name in ("reserved", "on_order", "in_inspection", "given")}
    return by_day.select(
        *_PLACE, "source", "priority", "day", "batch_id",
        on_hand=pl.col("change").cum_sum().over(*_PLACE, "source"), **nothing,
    )  # fmt: skip


def refresh_differences(
    connection: sa.Connection, counts: pl.DataFrame, movements: pl.DataFrame, as_of: date
) -> SyncCounts:
    """Make stock_difference hold where counts and movements of the last days up to `as_of` do not agree.

    `counts`: what sources counted (item_id, location_id, source, priority, day, on_hand); `movements` as of
    `read_movements`.
    """
    rows = differences(counts, movements, as_of - timedelta(days=RECONCILED_DAYS), as_of)
    exact = ("counted_before", "moved", "counted", "difference")
    return sync_frame(connection, stock_difference, rows.with_columns(pl.col(name) / 10**SCALE for name in exact))


def differences(counts: pl.DataFrame, movements: pl.DataFrame, first: date, last: date) -> pl.DataFrame:
    """Return the counts that are not the count before and what moved since: one row per place and pair of counts.

    Columns: item_id, location_id, from_day, to_day, counted_before, moved, counted, difference (counted less
    expected). An item's counts and its movements are those of the most believed source that has any. Where a source
    of movements names no places, the item's places are taken together, and location_id is empty.
    """
    moved = believed(movements.filter(pl.col("day") <= last))
    by_place = moved.group_by("item_id").agg(pl.col("located").first())
    counted = believed(counts.filter(pl.col("day") <= last)).join(by_place, on="item_id")
    here = pl.when("located").then("location_id")
    sums = _summed(moved.with_columns(location_id=here), "change")
    levels = _together(counted, here)
    place = ["item_id", "location_id"]
    before = levels.sort("day").with_columns(
        from_day=pl.col("day").shift(1).over(place), counted_before=pl.col("on_hand").shift(1).over(place)
    )
    pairs = before.drop_nulls("from_day").filter(pl.col("day") > first)
    so_far = _up_to(pairs, sums, "day").rename({"so_far": "_to"})
    both = _up_to(so_far, sums, "from_day").with_columns(moved=pl.col("_to") - pl.col("so_far"))
    expected = pl.col("counted_before") + pl.col("moved")
    return both.with_columns(difference=pl.col("on_hand") - expected).filter(pl.col("difference") != 0).select(
        *place, "from_day", "counted_before", "moved", "difference", to_day="day", counted="on_hand"
    )  # fmt: skip


def believed(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of each item that come from the most believed source that has any of it."""
    best = rows.sort("priority", "source").unique("item_id", keep="first", maintain_order=True)
    return rows.join(best.select("item_id", "source"), on=["item_id", "source"], how="semi")


def _together(counted: pl.DataFrame, here: pl.Expr) -> pl.DataFrame:
    """Return item_id, location_id, day, on_hand: the counts as they stand, or added up over the places of an item."""
    place = ["item_id", "location_id"]
    single = counted.filter("located").select(*place, "day", "on_hand")
    changes = (
        counted.filter(~pl.col("located"))
        .sort("day")
        .with_columns(change=pl.col("on_hand") - pl.col("on_hand").shift(1).over(place).fill_null(0))
        .with_columns(location_id=here)
    )
    return pl.concat([single, _summed(changes, "change").rename({"so_far": "on_hand"})])


def _summed(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    """Return item_id, location_id, day and so_far: the sum of all changes up to each day."""
    place = ["item_id", "location_id"]
    by_day = rows.group_by(*place, "day").agg(pl.col(name).sum()).sort("day")
    return by_day.select(*place, "day", so_far=pl.col(name).cum_sum().over(place))


def _up_to(rows: pl.DataFrame, sums: pl.DataFrame, on: str) -> pl.DataFrame:
    # An as-of join knows no equal nulls: places taken together are the place -1 while it is made.
    key = pl.col("location_id").fill_null(-1)
    joined = rows.with_columns(_place=key).sort(on).join_asof(
        sums.with_columns(_place=key).drop("location_id").rename({"day": "_day"}).sort("_day"),
        left_on=on, right_on="_day", by=["item_id", "_place"], strategy="backward", check_sortedness=False,
    )  # fmt: skip
    return joined.with_columns(pl.col("so_far").fill_null(0)).drop("_place", "_day")
