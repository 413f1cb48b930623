"""What the record of demand does not show by itself: days without stock, and what each return takes back.

Days on which nothing could be sold say nothing of what was wanted, and a return belongs to what was sold before it.
"""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.frame_schemas import Column, FrameSchema
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.tables import location, stock_spell
from manufacturing_copilot.unified.conform import MAIN
from manufacturing_copilot.unified.history.taken_back import net_of_returns

LEAST_STOCKED_DAYS = 12
LEAST_STOCKED_SHARE = 0.1
"""An item that had stock on fewer days, or a smaller share of them, is bought to order: an empty shelf is usual."""

ORDERED_ANYWAY = 0.5
"""Where days without stock bring demand at least half as often as days with it, customers order all the same."""

_PLACE = ["item_id", "location_id"]

DAYS_WITHOUT_STOCK = FrameSchema(
    "days without stock",
    {"item_id": Column(pl.Int64), "location_id": Column(pl.Int64), "day": Column(pl.Date)},
    key=("item_id", "location_id", "day"),
)
RETURNS = FrameSchema(
    "returns of series",
    {
        "item_id": Column(pl.Int64),
        "location_id": Column(pl.Int64),
        "matched": Column(pl.Float64, "returned, and taken off what was sold before"),
        "unmatched": Column(pl.Float64, "returned, without a sale that it belongs to"),
    },
    key=("item_id", "location_id"),
)


def read_spells(connection: sa.Connection, as_of: date) -> pl.DataFrame:
    """Return the spells with and without stock up to `as_of`.

    Columns: item_id, location_id, from_day, to_day, in_stock, main_id. `main_id`: the place of records that name none.
    """
    table = stock_spell
    query = sa.select(table.c.item_id, table.c.location_id, table.c.from_day, table.c.to_day, table.c.in_stock)
    rows = read_frame(connection, query.where(table.c.from_day <= as_of))
    main = connection.scalar(sa.select(location.c.id).where(location.c.code == MAIN))
    return rows.with_columns(to_day=pl.min_horizontal("to_day", pl.lit(as_of)), main_id=pl.lit(main, pl.Int64))


def days_without_stock(demand: pl.DataFrame, spells: pl.DataFrame) -> pl.DataFrame:
    """Return DAYS_WITHOUT_STOCK: the days since its first demand of which a series' record says nothing.

    `demand`: item_id, location_id, day, quantity; `spells` as of `read_spells`. Demand that is recorded on a day
    without stock is demand, and that day counts as any other. Series whose customers order all the same, and items
    that are bought to order, have none. Where demand or stock names no place, the series has the stock of the item's
    only one.
    """
    if spells.is_empty() or demand.is_empty():
        return DAYS_WITHOUT_STOCK.empty()
    wanted = demand.filter(pl.col("quantity") > 0).select(*_PLACE, "day").unique()
    series = wanted.group_by(_PLACE).agg(first=pl.col("day").min())
    days = _days(_placed(series, spells)).filter(pl.col("day") >= pl.col("first"))
    told = days.join(wanted.with_columns(wanted=pl.lit(True)), on=[*_PLACE, "day"], how="left").with_columns(
        pl.col("wanted").fill_null(False)
    )
    stocked, asked = pl.col("in_stock"), pl.col("wanted")
    usual = told.group_by(_PLACE).agg(
        stocked=stocked.sum(), share=stocked.mean(),
        with_stock=asked.filter(stocked).mean(), without=asked.filter(~stocked).mean(),
    ).filter(
        pl.col("stocked") >= LEAST_STOCKED_DAYS,
        pl.col("share") >= LEAST_STOCKED_SHARE,
        pl.col("without") < ORDERED_ANYWAY * pl.col("with_stock"),
    )  # fmt: skip
    lost = told.filter(~stocked & ~asked).join(usual, on=_PLACE, how="semi")
    return lost.select(*DAYS_WITHOUT_STOCK.columns).sort(*_PLACE, "day")


def _placed(series: pl.DataFrame, spells: pl.DataFrame) -> pl.DataFrame:
    """Return the spells of each series (with its `first` day): of its own place, else of the item's only one."""
    own = spells.join(series, on=_PLACE)
    rest = series.join(own, on=_PLACE, how="anti")
    if rest.is_empty():
        return own
    places = spells.group_by("item_id").agg(places=pl.col("location_id").n_unique())
    single = spells.join(places.filter(pl.col("places") == 1), on="item_id", how="semi").rename({"location_id": "_at"})
    unnamed = (pl.col("location_id") == pl.col("main_id")) | (pl.col("_at") == pl.col("main_id"))
    return pl.concat([own, rest.join(single, on="item_id").filter(unnamed).select(own.columns)])


def _days(spells: pl.DataFrame) -> pl.DataFrame:
    day = pl.date_ranges("from_day", "to_day").alias("day")
    return spells.select(*_PLACE, "first", "in_stock", day).explode("day").drop_nulls("day")


def without_returns(demand: pl.DataFrame, within_days: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the demand with its returns taken off what was sold before, and what became of them (RETURNS).

    `demand`: item_id, location_id, day, quantity; below zero for days on which more came back than was wanted. What
    comes back is taken off the latest demand before it that is not older than `within_days`. What belongs to no sale
    counts as no demand. Days keep their rows, at the least with 0: whatever the length of a period, the sums agree.
    """
    negative = demand.filter(pl.col("quantity") < 0)
    if negative.is_empty():
        return demand, RETURNS.empty()
    having = negative.select(_PLACE).unique()
    mine = demand.join(having, on=_PLACE, how="semi").with_row_index("_row")
    netted = _restored(net_of_returns(mine, _PLACE, ["day", "_row"], "quantity"), within_days)
    returned = (-pl.col("quantity").clip(upper_bound=0.0)).sum()
    taken = (pl.col("quantity").clip(lower_bound=0.0) - pl.col("net")).sum()
    notes = netted.group_by(_PLACE).agg(matched=taken, unmatched=returned - taken)
    rows = netted.with_columns(quantity="net").select(demand.columns)
    return pl.concat([demand.join(having, on=_PLACE, how="anti"), rows]), notes.select(*RETURNS.columns)


def _restored(netted: pl.DataFrame, within_days: int) -> pl.DataFrame:
    """Give sales back what was taken off by returns that came too long after them.

    The debts are paid in the order in which they are met from the end: so each payment, laid end to end, belongs to
    the return that owes at that place.
    """
    backward = netted.sort(*_PLACE, "day", "_row", descending=[False, False, True, True])
    owed = (-pl.col("quantity").clip(upper_bound=0.0)).cum_sum().over(_PLACE)
    paid = (pl.col("quantity").clip(lower_bound=0.0) - pl.col("net")).cum_sum().over(_PLACE)
    ends = backward.with_columns(_owed=owed, _paid=paid)
    marks = pl.concat(
        [
            ends.filter(pl.col("quantity") < 0).select(*_PLACE, mark="_owed"),
            ends.filter(pl.col("quantity") > pl.col("net")).select(*_PLACE, mark="_paid"),
        ]
    )
    most = ends.group_by(_PLACE).agg(most=pl.col("_paid").max())
    pieces = (
        marks.unique().join(most, on=_PLACE).filter(pl.col("mark") <= pl.col("most") + 1e-9).sort("mark")
        .with_columns(much=pl.col("mark") - pl.col("mark").shift(1).over(_PLACE).fill_null(0.0))
    )  # fmt: skip
    back = ends.filter(pl.col("quantity") < 0).select(*_PLACE, back_on="day", mark="_owed").sort("mark")
    sold = ends.filter(pl.col("quantity") > pl.col("net")).select(*_PLACE, "_row", sold_on="day", mark="_paid")
    pairs = pieces.join_asof(back, on="mark", by=_PLACE, strategy="forward", check_sortedness=False).join_asof(
        sold.sort("mark"), on="mark", by=_PLACE, strategy="forward", check_sortedness=False
    )
    late = pairs.filter(pl.col("back_on") - pl.col("sold_on") > timedelta(days=within_days))
    again = late.group_by("_row").agg(_again=pl.col("much").sum())
    return netted.join(again, on="_row", how="left", maintain_order="left").with_columns(
        net=pl.col("net") + pl.col("_again").fill_null(0.0)
    )
