"""When there was stock and when there was none, as far as that is known: from the states that snapshots are made of."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.store.merge import SyncCounts, sync_frame
from manufacturing_copilot.store.tables import stock_spell
from manufacturing_copilot.unified.stock.totals import without_totals

_PLACE = ["item_id", "location_id"]
_DAY = timedelta(days=1)


def refresh_spells(connection: sa.Connection, states: pl.DataFrame, as_of: date) -> SyncCounts:
    """Bring stock_spell up to date from what sources knew (`StockFacts.states`) up to `as_of`."""
    places = without_totals(states)
    return sync_frame(connection, stock_spell, stock_spells(places, as_of), key=[*_PLACE, "from_day"])


def stock_spells(states: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Return item_id, location_id, from_day, to_day, in_stock: spells with stock and without, in turn.

    A day is without stock where nothing was there at its beginning and nothing at its end: on the day on which the
    last piece goes, and on the one on which the next comes, something was sold. Stock is known from the first day that
    the most believed source of a place names, up to the last day on which that source counted anything at all. Stock
    below zero is a booking to be found, not an empty shelf.
    """
    known = states.filter(pl.col("day") <= as_of)
    ends = known.group_by("source").agg(last=pl.col("day").max())
    best = known.sort("priority", "source").unique(_PLACE, keep="first", maintain_order=True)
    believed = known.join(best.select(*_PLACE, "source"), on=[*_PLACE, "source"], how="semi").sort(*_PLACE, "day")
    here = believed.with_columns(empty=pl.col("on_hand") == 0)
    begins = here.filter(pl.col("empty").ne_missing(pl.col("empty").shift(1).over(_PLACE)))
    runs = begins.join(ends, on="source").sort(*_PLACE, "day").with_columns(
        following=pl.col("day").shift(-1).over(_PLACE), earlier=pl.col("day").shift(1).over(_PLACE)
    )  # fmt: skip
    first, next_day = pl.col("day"), pl.col("following")
    spells = runs.select(
        *_PLACE,
        from_day=pl.when("empty").then(first + _DAY).otherwise(first),
        # The day on which stock ends belongs to the days with stock.
        to_day=pl.when(next_day.is_null()).then("last").when("empty").then(next_day - _DAY).otherwise(next_day),
        in_stock=~pl.col("empty"),
    )
    return spells.filter(pl.col("from_day") <= pl.col("to_day"))
