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
        "location_id": Column(pl.Int64, "of the history that is taken over; null: every place", nullable=True),
        "successor_location_id": Column(pl.Int64, "null: where the predecessor was sold", nullable=True),
        "goes_on": Column(pl.Boolean, "the predecessor is sold on"),
    },
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
    columns = ["item", "successor", "from_day", "factor", "location", "successor_location", "goes_on"]
    rows = _at_places(connection, read_accepted(connection, site, "successions", columns))
    rows = with_item_ids(connection, rows)
    rows = with_item_ids(connection, rows.rename({"item_id": "from_id"}), "successor")
    moves = pl.col("location_id").ne_missing(pl.col("successor_location_id"))
    place = pl.col("successor_location_id")
    return (
        # An item that follows itself only says something where it is another place that it is sold at.
        rows.filter((pl.col("from_id") != pl.col("item_id")) | (moves & place.is_not_null()))
        .unique(["from_id", "location_id", "successor_location_id"], keep="first", maintain_order=True)
        .select(
            pl.col("from_id").alias("item_id"),
            pl.col("item_id").alias("successor_id"),
            "from_day",
            pl.col("factor").fill_null(1.0),
            "location_id",
            "successor_location_id",
            pl.col("goes_on").fill_null(False) | pl.col("location_id").is_not_null(),
        )
    )


def _at_places(connection: sa.Connection, rows: pl.DataFrame) -> pl.DataFrame:
    """Add location_id and successor_location_id; a succession at a place that nobody knows is left out."""
    places = read_frame(connection, sa.select(location.c.id, location.c.code))
    for name in ("location", "successor_location"):
        named = places.rename({"id": f"{name}_id", "code": name})
        rows = rows.join(named, on=name, how="left", maintain_order="left")
        rows = rows.filter(pl.col(name).is_null() | pl.col(f"{name}_id").is_not_null())
    return rows


def _placed(connection: sa.Connection, rows: pl.DataFrame) -> pl.DataFrame:
    """Add item_id and location_id: null where a record names none; one whose code nobody knows is left out."""
    places = read_frame(connection, sa.select(location.c.id.label("location_id"), location.c.code.label("location")))
    rows = rows.join(places, on="location", how="left", maintain_order="left").filter(
        pl.col("location").is_null() | pl.col("location_id").is_not_null()
    )
    for_all = rows.filter(pl.col("item").is_null()).with_columns(pl.lit(None, pl.Int64).alias("item_id"))
    for_one = with_item_ids(connection, rows)
    return pl.concat([for_one, for_all.select(for_one.columns)])
