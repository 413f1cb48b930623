"""Counts rolled forward by what moved after them. What movements alone come to belongs in `movements`.

A count holds at the end of its day, so movements of that day are part of it; those of later days are added. Only stock
movements are, never shipments or receipts of orders: a system that sends both says each of them twice.
"""

from __future__ import annotations

import polars as pl

from manufacturing_copilot.unified.stock.movements import believed

_PLACE = ["item_id", "location_id"]


def rolled_forward(held: pl.DataFrame, movements: pl.DataFrame) -> pl.DataFrame:
    """Return the counts with what moved since: `on_hand` at the end of `day`, quantities in whole millionths.

    `held`: day, item_id, location_id, placed, counted_on, on_hand, …; `movements`: as of `read_movements`. An item's
    movements are those of the most believed source that has any. A place gets the movements that name it; a count
    without a place all of the item's. What names no place is taken from where most of the item lies, or brought there.
    Movements at a place that nobody ever counted change nothing: what lay there before is not known.
    """
    if movements.is_empty() or held.is_empty():
        return held
    moved = believed(movements)
    by_place, by_item = ["day", *_PLACE], ["day", "item_id"]
    here = moved.filter("placed").group_by(by_place).agg(pl.col("change").sum())
    everywhere = moved.group_by(by_item).agg(pl.col("change").sum())
    at_places = _with_moved(held.filter("placed"), here, _PLACE)
    in_total = _with_moved(held.filter(~pl.col("placed")), everywhere, ["item_id"])
    rows = pl.concat([at_places, in_total])
    rows = rows.with_columns(on_hand=pl.col("on_hand") + pl.col("moved")).drop("moved")
    unplaced = moved.filter(~pl.col("placed")).group_by(by_item).agg(pl.col("change").sum())
    return rows if unplaced.is_empty() else _spread(rows, unplaced)


def taken_from_most(rows: pl.DataFrame, much: pl.DataFrame) -> pl.DataFrame:
    """Return the rows less `much` (day, item_id, less): from where most of the item lies, then where next to most does.

    What is more than lies there is taken from where most lies, which is below zero then.
    """
    joined = rows.join(much, on=["day", "item_id"], how="left", maintain_order="left")
    there, less = pl.col("on_hand").clip(lower_bound=0), pl.col("less").fill_null(0)
    by_most = joined.sort("day", "item_id", "on_hand", "location_id", descending=[False, False, True, False])
    of_item = ["day", "item_id"]
    before = there.cum_sum().over(of_item) - there
    taken = (less - before).clip(lower_bound=0)
    shares = by_most.with_columns(taken=pl.min_horizontal(taken, there), missing=less - there.sum().over(of_item))
    is_first = pl.int_range(pl.len()).over(of_item) == 0
    more = pl.when(is_first).then(pl.col("missing").clip(lower_bound=0)).otherwise(0)
    return shares.with_columns(on_hand=pl.col("on_hand") - pl.col("taken") - more).drop("less", "taken", "missing")


def _spread(rows: pl.DataFrame, unplaced: pl.DataFrame) -> pl.DataFrame:
    """Apply movements that name no place to the item's counted places, from its newest count on."""
    places, totals = rows.filter("placed"), rows.filter(~pl.col("placed"))
    newest = places.group_by("day", "item_id").agg(pl.col("counted_on").max())
    moved = _with_moved(newest, unplaced, ["item_id"]).filter(pl.col("moved") != 0)
    less = moved.select("day", "item_id", less=pl.when(pl.col("moved") < 0).then(-pl.col("moved")).otherwise(0))
    came = moved.select("day", "item_id", more=pl.col("moved").clip(lower_bound=0))
    is_first = pl.int_range(pl.len()).over("day", "item_id") == 0
    spread = taken_from_most(places, less).join(came, on=["day", "item_id"], how="left", maintain_order="left")
    spread = spread.with_columns(
        on_hand=pl.col("on_hand") + pl.when(is_first).then(pl.col("more").fill_null(0)).otherwise(0)
    )
    return pl.concat([spread.select(rows.columns), totals])


def _with_moved(rows: pl.DataFrame, changes: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Return the rows with `moved`: the changes after `counted_on` up to `day`."""
    sums = changes.sort("day").select(*by, _on="day", so_far=pl.col("change").cum_sum().over(by))
    until = _joined(rows, sums, "day", by).rename({"so_far": "_until"})
    both = _joined(until, sums, "counted_on", by)
    return both.with_columns(moved=pl.col("_until") - pl.col("so_far")).drop("_until", "so_far")


def _joined(rows: pl.DataFrame, sums: pl.DataFrame, on: str, by: list[str]) -> pl.DataFrame:
    joined = rows.sort(on).join_asof(
        sums.sort("_on"), left_on=on, right_on="_on", by=by, strategy="backward", check_sortedness=False
    )  # fmt: skip
    return joined.drop("_on", strict=False).with_columns(pl.col("so_far").fill_null(0))
