"""What is on order, and when it is likely to come: by how such lines came, never the bare promise.

The slip of a line is the days from its promise to its complete receipt. That of an item from a supplier is pulled
towards the supplier's, and that towards the site's, the more the fewer lines there are. Lines still open count as not
yet arrived (Kaplan, Meier 1958). A line that nobody has touched long after its day is a question to a person; it is
not counted.
"""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.frame_schemas import Column, FrameSchema
from manufacturing_copilot.planning.replenishment_time import (
    MEMORY_DAYS,
    POINTS,
    TELLS_HOW_LONG,
    blended,
    observed,
    survival_quantiles,
)
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.tables import SupplyStatus, supply_line

DEAD_AFTER_DAYS = 90
"""Days after its likely day from which on an open line is asked about; longer where such lines came later still."""

OVERDUE_ARRIVES_AFTER = 7
"""Days from the as-of day after which a line is counted on that is later than any such line ever was."""

SUPPLY_AHEAD = FrameSchema(
    "open supply lines and when they come",
    {
        "id": Column(pl.Int64, "supply_line.id"),
        "item_id": Column(pl.Int64),
        "location_id": Column(pl.Int64),
        "outstanding": Column(pl.Float64, "ordered less received; of a work order less its scrap too"),
        "dead": Column(pl.Boolean, "long past its day: not counted until somebody confirms it"),
        **{name: Column(pl.Date, "a day by which it has come in this part of all cases") for name in POINTS},
    },
    key=("id",),
)


def open_supply(as_of: date) -> sa.Select:
    """Return the query of the supply lines open at the end of `as_of`, with what is outstanding of each.

    What was received later does not count as received; of a line received in parts, only a part whose day is
    known to lie before counts. What a work order has scrapped will not come either.
    """
    came = sa.case((supply_line.c.last_received_on <= as_of, supply_line.c.received), else_=sa.literal(0))
    came = sa.case((supply_line.c.last_received_on.is_(None), supply_line.c.received), else_=came)
    scrapped = sa.case((supply_line.c.made, supply_line.c.rejected), else_=sa.literal(0))
    return sa.select(
        supply_line.c.id,
        supply_line.c.made,
        supply_line.c.item_id,
        supply_line.c.location_id,
        supply_line.c.supplier_id,
        supply_line.c.ordered_on,
        supply_line.c.promised_on,
        sa.type_coerce(supply_line.c.ordered - came - scrapped, supply_line.c.ordered.type).label("outstanding"),
    ).where(
        sa.or_(supply_line.c.ordered_on.is_(None), supply_line.c.ordered_on <= as_of),
        supply_line.c.status != SupplyStatus.CANCELLED,
        sa.or_(
            supply_line.c.received_on > as_of,
            sa.and_(supply_line.c.received_on.is_(None), supply_line.c.status == SupplyStatus.OPEN),
        ),
    )


def supply_ahead(connection: sa.Connection, lead_days: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Return SUPPLY_AHEAD of the items of `lead_days` (item_id, lead_time: the likely days of a replenishment)."""
    lines = read_frame(connection, open_supply(as_of)).filter(pl.col("outstanding") > 0)
    if lines.is_empty():
        return SUPPLY_AHEAD.empty()
    ordered = pl.coalesce("ordered_on", pl.lit(as_of))
    expected = ordered + pl.duration(days=pl.col("lead_time").ceil().cast(pl.Int64))
    slips = _slips(connection, as_of)
    dated = (
        lines.join(lead_days.unique("item_id"), on="item_id")
        .with_columns(due=pl.coalesce("promised_on", expected), promised=pl.col("promised_on").is_not_null())
        .join(slips.items, on=["made", "item_id", "supplier_id"], how="left", nulls_equal=True)
        .join(slips.suppliers, on=["made", "supplier_id"], how="left", nulls_equal=True, suffix="_supplier")
        .join(slips.site, on="made", how="left", suffix="_site")
    )
    # Without a promise the lead time has the slips in it already.
    points = [
        pl.when("promised")
        .then(pl.coalesce(name, f"{name}_supplier", f"{name}_site", pl.lit(0.0)))
        .otherwise(0.0)
        .alias(name)
        for name in POINTS
    ]
    dated = dated.with_columns(points).with_columns(
        late=(pl.lit(as_of) - pl.col("due")).dt.total_days().cast(pl.Float64)
    )
    longest = pl.max_horizontal(*POINTS, pl.lit(0.0))
    slips_ahead = [_slip_of(number).ceil().cast(pl.Int64).alias(f"_{name}") for number, name in enumerate(POINTS)]
    days = [(pl.col("due") + pl.duration(days=pl.col(f"_{name}"))).alias(name) for name in POINTS]
    tomorrow = pl.lit(as_of + timedelta(days=1))
    return (
        dated.with_columns(dead=pl.col("late") > pl.max_horizontal(pl.lit(float(DEAD_AFTER_DAYS)), 2 * longest))
        .with_columns(slips_ahead)
        .with_columns(days)
        .select(
            "id",
            "item_id",
            "location_id",
            pl.col("outstanding").cast(pl.Float64),
            "dead",
            *(pl.max_horizontal(name, tomorrow).alias(name) for name in POINTS),
        )
    )


class _Slips:
    """Slips at POINTS: of an item from a supplier, of a supplier, of the site, bought and made apart."""

    def __init__(self, lines: pl.DataFrame) -> None:
        site = survival_quantiles(lines, ["made"])
        suppliers = survival_quantiles(lines, ["made", "supplier_id"])
        items = survival_quantiles(lines, ["made", "item_id", "supplier_id"])
        self.site = site.filter(pl.col("received") > 0).drop("received")
        self.suppliers = blended(suppliers, site.drop("received"), on=["made"])
        self.items = blended(items, self.suppliers, on=["made", "supplier_id"])


def _slips(connection: sa.Connection, as_of: date) -> _Slips:
    frame = read_frame(
        connection,
        sa.select(
            supply_line.c.made,
            supply_line.c.item_id,
            supply_line.c.supplier_id,
            supply_line.c.promised_on,
            supply_line.c.received_on,
        ).where(
            supply_line.c.promised_on.is_not(None),
            supply_line.c.promised_on > as_of - timedelta(days=MEMORY_DAYS),
            sa.or_(supply_line.c.ordered_on.is_(None), supply_line.c.ordered_on <= as_of),
            TELLS_HOW_LONG,
        ),
    )
    arrived, end = observed(as_of)
    lines = frame.select(
        "made", "item_id", "supplier_id",
        (end - pl.col("promised_on")).dt.total_days().cast(pl.Float64).alias("taken"), arrived.alias("arrived"),
    )  # fmt: skip
    # An open line says something once its promise has passed, and nothing any more once it is forgotten.
    return _Slips(lines.filter("arrived" | pl.col("taken").is_between(0, DEAD_AFTER_DAYS, closed="right")))


def _slip_of(number: int) -> pl.Expr:
    """Return the slip of the case `number`, of a line that is not there yet.

    Of the cases that lie past its lateness each stands for an equal part; past all of them it is counted on soon.
    """
    count = len(POINTS)
    ahead = pl.sum_horizontal(*(pl.col(name) > pl.col("late") for name in POINTS)).cast(pl.Int64)
    chosen = pl.min_horizontal(count - ahead + (pl.lit(number) * ahead) // count, pl.lit(count - 1))
    slip = pl.coalesce(*(pl.when(chosen == place).then(pl.col(name)) for place, name in enumerate(POINTS)))
    return pl.when(ahead > 0).then(slip).otherwise(pl.max_horizontal("late", pl.lit(0.0)) + OVERDUE_ARRIVES_AFTER)
