"""What the plant has said of the future and of days that differ, by item and location."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.site import Site
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.tables import location
from manufacturing_copilot.unified.codes import read_accepted
from manufacturing_copilot.unified.conform import with_item_ids

CLOSED = "closed"
PROMOTION = "promotion"

_PLACE = {"item_id": pl.Int64, "location_id": pl.Int64}
DAYS: dict[str, type[pl.DataType]] = {**_PLACE, "day": pl.Date, "event": pl.String}
PRICES: dict[str, type[pl.DataType]] = {**_PLACE, "day": pl.Date, "price": pl.Float64}
SUCCESSIONS: dict[str, type[pl.DataType]] = {
    "item_id": pl.Int64,
    "successor_id": pl.Int64,
    "from_day": pl.Date,
    "factor": pl.Float64,
}


def _empty(schema: dict[str, type[pl.DataType]]) -> pl.DataFrame:
    return pl.DataFrame(schema=schema)


@dataclass(frozen=True)
class DeclaredEvents:
    """What is known beyond the history; no item or no location means all of them.

    `days`: item_id, location_id, day, event (closed or promotion). `prices`: item_id, location_id, day from which it
    holds, price. `successions`: item_id, successor_id, from_day, factor (successor per item).
    """

    days: pl.DataFrame = field(default_factory=lambda: _empty(DAYS))
    prices: pl.DataFrame = field(default_factory=lambda: _empty(PRICES))
    successions: pl.DataFrame = field(default_factory=lambda: _empty(SUCCESSIONS))


def read_declared_events(connection: sa.Connection, site: Site) -> DeclaredEvents:
    """Return what feeds of the kinds calendar, prices and successions say; an item that nobody knows is left out.

    Where sources disagree about a price or a succession, the first by priority is believed.
    """
    return DeclaredEvents(_days(connection, site), _prices(connection, site), _successions(connection, site))


def _days(connection: sa.Connection, site: Site) -> pl.DataFrame:
    rows = _placed(connection, read_accepted(connection, site, "calendar", ["day", "location", "item", "event"]))
    event = pl.when(pl.col("event") == PROMOTION).then(pl.lit(PROMOTION)).otherwise(pl.lit(CLOSED))
    return rows.select("item_id", "location_id", "day", event.alias("event")).unique(maintain_order=True)


def _prices(connection: sa.Connection, site: Site) -> pl.DataFrame:
    rows = _placed(connection, read_accepted(connection, site, "prices", ["item", "location", "valid_from", "price"]))
    return rows.select("item_id", "location_id", pl.col("valid_from").alias("day"), "price").unique(
        ["item_id", "location_id", "day"], keep="first", maintain_order=True
    )


def _successions(connection: sa.Connection, site: Site) -> pl.DataFrame:
    rows = read_accepted(connection, site, "successions", ["item", "successor", "from_day", "factor"])
    rows = with_item_ids(connection, rows)
    rows = with_item_ids(connection, rows.rename({"item_id": "from_id"}), "successor")
    return (
        rows.filter(pl.col("from_id") != pl.col("item_id"))
        .unique("from_id", keep="first", maintain_order=True)
        .select(
            pl.col("from_id").alias("item_id"),
            pl.col("item_id").alias("successor_id"),
            "from_day",
            pl.col("factor").fill_null(1.0),
        )
    )


def _placed(connection: sa.Connection, rows: pl.DataFrame) -> pl.DataFrame:
    """Add item_id and location_id: null where a record names none; one whose code nobody knows is left out."""
    places = read_frame(connection, sa.select(location.c.id.label("location_id"), location.c.code.label("location")))
    rows = rows.join(places, on="location", how="left", maintain_order="left").filter(
        pl.col("location").is_null() | pl.col("location_id").is_not_null()
    )
    for_all = rows.filter(pl.col("item").is_null()).with_columns(pl.lit(None, pl.Int64).alias("item_id"))
    for_one = with_item_ids(connection, rows)
    return pl.concat([for_one, for_all.select(for_one.columns)])
