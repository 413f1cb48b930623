"""What the plant has said of the future and of days that differ, by item and location."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.frame_schemas import Column, FrameSchema
from manufacturing_copilot.site import Site
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.tables import location
from manufacturing_copilot.unified.codes import read_accepted
from manufacturing_copilot.unified.conform import with_item_ids

CLOSED = "closed"
PROMOTION = "promotion"

_APPLIES_TO = {
    "item_id": Column(pl.Int64, "null: every item", nullable=True),
    "location_id": Column(pl.Int64, "null: every location", nullable=True),
}
DAYS = FrameSchema(
    "days with an event",
    {**_APPLIES_TO, "day": Column(pl.Date), "event": Column(pl.String, "closed or promotion")},
)
PRICES = FrameSchema(
    "prices",
    {
        "item_id": Column(pl.Int64),
        "location_id": _APPLIES_TO["location_id"],
        "day": Column(pl.Date, "from which the price holds"),
        "price": Column(pl.Float64, "of one unit, in the currency of the site"),
    },
    key=("item_id", "location_id", "day"),
)
SUCCESSIONS = FrameSchema(
    "successions",
    {
        "item_id": Column(pl.Int64, "the predecessor"),
        "successor_id": Column(pl.Int64),
        "from_day": Column(pl.Date, "first day on which the successor takes over"),
        "factor": Column(pl.Float64, "number of the successor that stands for one of the predecessor"),
    },
    key=("item_id",),
)


@dataclass(frozen=True)
class DeclaredEvents:
    """What is known beyond the history: `days` is DAYS, `prices` PRICES and `successions` SUCCESSIONS."""

    days: pl.DataFrame = field(default_factory=DAYS.empty)
    prices: pl.DataFrame = field(default_factory=PRICES.empty)
    successions: pl.DataFrame = field(default_factory=SUCCESSIONS.empty)


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
