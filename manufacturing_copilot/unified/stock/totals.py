"""Counts of an item without a place beside counts that name one: they are its total, not one more place."""

from __future__ import annotations

import polars as pl

from manufacturing_copilot.unified.stock.roll_forward import taken_from_most

_ITEM = ["day", "item_id"]
_SUMMED = ("on_hand", "reserved", "in_inspection", "on_order", "given")


def with_totals(held: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of `held` with one row per day, item and place, in which no total counts as a place.

    `held`: day, item_id, location_id, placed, priority, counted_on, on_hand, reserved, in_inspection, on_order, given.
    The newest statement about an item holds, of one day that of the better source, of one source the places. Where the
    total holds, what it says beyond the places lies in MAIN; what it says less is taken from where most lies.
    """
    totals = held.filter(~pl.col("placed"))
    places = held.filter("placed")
    if totals.is_empty() or places.is_empty():
        return held.drop("placed", "priority")
    beside = totals.join(_of_places(places), on=_ITEM, how="left", maintain_order="left")
    alone = beside.filter(pl.col("newest").is_null())
    both = beside.filter(pl.col("newest").is_not_null())
    holding, outdated = both.filter(total_holds()), both.filter(~total_holds())
    excess = pl.col("on_hand") - pl.col("on_hand_placed")
    less = holding.filter(excess < 0).select(*_ITEM, less=-excess)
    rest = holding.with_columns(
        excess.clip(lower_bound=0).alias("on_hand"),
        *((pl.col(name) - pl.col(f"{name}_placed")).clip(lower_bound=0) for name in _SUMMED[1:4]),
    ).filter(pl.any_horizontal(pl.col(name) != 0 for name in _SUMMED))
    # An outdated total may be all that says what is on order.
    nothing = [pl.lit(0, pl.Int64).alias(name) for name in _SUMMED[:3]]
    ordered = outdated.filter((pl.col("given") > 0) & (pl.col("given_placed") == 0)).with_columns(nothing)
    columns = [name for name in held.columns if name not in ("placed", "priority")]
    rows = pl.concat([part.select(columns) for part in (taken_from_most(places, less), alone, rest, ordered)])
    others = [name for name in columns if name not in (*_ITEM, "location_id", *_SUMMED)]
    # A place that is called MAIN and the rest that lies in MAIN are one row.
    return rows.group_by(*_ITEM, "location_id", maintain_order=True).agg(
        pl.col(_SUMMED).sum(), pl.col(others).max()
    ).select(columns)  # fmt: skip


def without_totals(states: pl.DataFrame) -> pl.DataFrame:
    """Return rows (item_id, placed, …) without the totals of items that are counted by place as well."""
    by_place = states.filter("placed").select("item_id").unique()
    return states.filter(pl.col("placed") | ~pl.col("item_id").is_in(by_place["item_id"].implode()))


def disagreements(held: pl.DataFrame) -> pl.DataFrame:
    """Return where a total is not what the places say.

    Only of one day, or where the newer total is less: a newer total of more may count what has no place yet. `held`
    as of `with_totals`. Columns: day, item_id, counted_on (of the total), total, placed_on, places, holds (`total` or
    `places`); quantities in whole millionths.
    """
    totals = held.filter(~pl.col("placed"))
    both = totals.join(_of_places(held.filter("placed")), on=_ITEM)
    differ = pl.col("on_hand") != pl.col("on_hand_placed")
    same_day = pl.col("counted_on") == pl.col("newest")
    newer = (pl.col("counted_on") > pl.col("newest")) & (pl.col("on_hand") < pl.col("on_hand_placed"))
    return both.filter(differ & (same_day | newer)).select(
        *_ITEM, "counted_on", total="on_hand", placed_on="newest", places="on_hand_placed",
        holds=pl.when(total_holds()).then(pl.lit("total")).otherwise(pl.lit("places")),
    ).sort(*_ITEM)  # fmt: skip


def total_holds() -> pl.Expr:
    """Whether a total is believed rather than the places beside it."""
    newer = pl.col("counted_on") > pl.col("newest")
    return newer | ((pl.col("counted_on") == pl.col("newest")) & (pl.col("priority") < pl.col("best")))


def _of_places(places: pl.DataFrame) -> pl.DataFrame:
    newest = pl.col("counted_on") == pl.col("counted_on").max()
    return places.group_by(_ITEM).agg(
        newest=pl.col("counted_on").max(),
        best=pl.col("priority").filter(newest).min(),
        **{f"{name}_placed": pl.col(name).sum() for name in _SUMMED},
    )
