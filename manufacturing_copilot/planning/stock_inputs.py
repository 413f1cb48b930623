"""What the projection of stock starts from: stock, what is on order, and demand day by day, firm and forecast."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.forecasts.contract import Floats
from manufacturing_copilot.frame_schemas import Column, FrameSchema
from manufacturing_copilot.planning.arithmetic.consumption import consume
from manufacturing_copilot.planning.firm_demand import open_orders
from manufacturing_copilot.planning.replenishment_time import LEAD_TIME_POINTS, POINTS, lead_times
from manufacturing_copilot.planning.scheduled_supply import supply_ahead
from manufacturing_copilot.runtime.runs import FORECAST_ENDED
from manufacturing_copilot.site import Frequency, Target
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.tables import (
    forecast,
    inventory_snapshot,
    item,
    location,
    model_run,
    series,
    series_score,
)
from manufacturing_copilot.unified.conform import MAIN

LONGEST_DAYS = 1095
"""The furthest day looked at, however long a lead time is."""

STOCK_KEYS = FrameSchema(
    "item-locations with a demand forecast and a stock record",
    {
        "item_id": Column(pl.Int64),
        "location_id": Column(pl.Int64),
        "name": Column(pl.String, "the series' name"),
        "run_id": Column(pl.Int64, "the model run of the demand forecast"),
        "days_per_period": Column(pl.Int64, "days of a period of the finest frequency forecast"),
        "sparse": Column(pl.Boolean, "whether demand is intermittent, so that counts are discrete"),
        "supplier_id": Column(pl.Int64, nullable=True),
        "made": Column(pl.Boolean, "whether the item is made; null where nothing says", nullable=True),
        "lead_time_days": Column(pl.Int64, "as the system believes", nullable=True),
        "minimum_order": Column(pl.Float64, nullable=True),
        "order_multiple": Column(pl.Float64, nullable=True),
        "base_unit": Column(pl.String, nullable=True),
        "on_hand": Column(pl.Float64, "stock counted"),
        "available": Column(pl.Float64, "on hand, not below 0; what is reserved is firm demand"),
        "reserved": Column(pl.Float64, "of it, set aside for orders"),
        "on_order": Column(pl.Float64, "what is on order, by its lines, else as the stock record says"),
        "asked_about": Column(pl.Float64, "of it, on lines long past their day, which are not counted"),
    },
    key=("item_id", "location_id"),
)


@dataclass(frozen=True)
class StockPaths:
    """Item-locations with a demand forecast, and their days ahead (columns; the first is the day after as-of).

    `keys`: STOCK_KEYS. `demand` and `variance` are of the forecast that no firm order has consumed, `firm` the orders
    themselves, what is late on the first day; series × days. `inflation`: the factor by which the variance of demand
    summed up to a day exceeds the sum of the daily variances. `supply`: row, quantity and in POINTS the step on
    which it comes in this part of all cases. `leads`: series × LEAD_TIME_POINTS, in days.
    """

    as_of: date
    keys: pl.DataFrame
    demand: Floats
    variance: Floats
    inflation: Floats
    firm: Floats
    supply: pl.DataFrame
    leads: Floats

    @property
    def days(self) -> int:
        """Days ahead."""
        return int(self.demand.shape[1])

    def flow(self, case: int) -> Floats:
        """Return what comes less firm demand, series × days, in one of the cases of LEAD_TIME_POINTS."""
        receipts = np.zeros_like(self.demand)
        step = self.supply[POINTS[case]].to_numpy()
        inside = step < self.days
        row, quantity = self.supply["row"].to_numpy()[inside], self.supply["quantity"].to_numpy()[inside]
        np.add.at(receipts, (row, step[inside]), quantity)
        return receipts - self.firm

    def expected_flow(self) -> Floats:
        """Return what comes on average less firm demand, series × days."""
        cases = range(len(POINTS))
        return sum((self.flow(case) for case in cases), np.zeros_like(self.demand)) / len(POINTS)


def read_paths(
    connection: sa.Connection, as_of: date, days: int, *, beyond_lead_time: int | None = None
) -> StockPaths | None:
    """Return the paths of the next `days` days; None where demand was not forecast as of that day.

    With `beyond_lead_time` they reach at least so many days past the longest lead time. An item that was never
    counted at a place is not among them: its stock is unknown, which is not zero.
    """
    rows = read_frame(connection, _demand_forecasts(as_of))
    if rows.is_empty():
        return None
    stock = stock_records(connection, as_of)
    main = main_place(connection)
    rows = _forecasts_at_their_places(rows, stock, main)
    keys = _keys(connection, rows, stock)
    leads = lead_times(connection, keys, as_of) if keys.height else np.zeros((0, len(POINTS)))
    if beyond_lead_time is not None:
        longest = int(np.ceil(leads.max(initial=0.0))) + beyond_lead_time
        days = min(max(days, longest), LONGEST_DAYS)
    row_numbers = keys.select("item_id", "location_id").with_row_index("row")
    inflations = _inflations(connection, as_of)
    daily = _daily(rows, as_of, days)
    demand, variance, factor = (np.zeros((keys.height, days)) for _ in range(3))
    at = daily.join(row_numbers, on=["item_id", "location_id"])
    index = at["row"].to_numpy(), at["step"].to_numpy()
    demand[index] = at["mean"].to_numpy()
    variance[index] = at["variance"].to_numpy()
    for row, (run_id, per_period) in enumerate(zip(keys["run_id"], keys["days_per_period"], strict=True)):
        factor[row] = _per_day(inflations.get(run_id, [1.0]), per_period, days)
    orders = _at_their_places(open_orders(connection, as_of), stock, main)
    firm = _by_day(orders.join(row_numbers, on=["item_id", "location_id"]), as_of, demand.shape)
    left, firm = _consumed(keys, demand, firm)
    share = np.divide(left, demand, out=np.ones_like(demand), where=demand > 0)
    supply, keys = counted_supply(connection, keys, row_numbers, leads, stock, as_of, main)
    return StockPaths(as_of, keys.select(*STOCK_KEYS.columns), left, variance * share, factor, firm, supply, leads)


def _demand_forecasts(as_of: date) -> sa.Select:
    deviation = series_score.alias("deviation")
    return (
        sa.select(
            series.c.item_id,
            series.c.location_id,
            series.c.frequency,
            series.c.name,
            series.c.demand_class,
            forecast.c.period,
            forecast.c.mean,
            forecast.c.run_id,
            deviation.c.value.label("deviation"),
        )
        .join(series, series.c.id == forecast.c.series_id)
        .join(
            deviation,
            sa.and_(
                deviation.c.run_id == forecast.c.run_id,
                deviation.c.series_id == forecast.c.series_id,
                deviation.c.measure == "deviation",
            ),
        )
        .where(series.c.target == Target.DEMAND.value, forecast.c.as_of == as_of)
    )


_ORDER = {frequency.value: number for number, frequency in enumerate(Frequency)}
_DAYS = {"daily": 1, "weekly": 7, "monthly": 30, "quarterly": 91}
_LENGTH = {"daily": "1d", "weekly": "1w", "monthly": "1mo", "quarterly": "1q"}


def _daily(rows: pl.DataFrame, as_of: date, days: int) -> pl.DataFrame:
    """Spread every period over its days; each day takes the finest frequency that covers it.

    Days past the last period carry on at the average of the coarsest frequency's path.
    """
    ends = pl.coalesce(
        pl.when(pl.col("frequency") == name).then(pl.col("period").dt.offset_by(length))
        for name, length in _LENGTH.items()
    )
    spread = (
        rows.with_columns(ends.alias("end"), pl.col("frequency").replace_strict(_ORDER).alias("order"))
        .with_columns(((pl.col("end") - pl.col("period")).dt.total_days()).alias("length"))
        .with_columns(
            (pl.col("mean") / pl.col("length")).alias("mean"),
            # A day without expected demand has no variance either; the others share the period's.
            pl.when(pl.col("mean") > 0)
            .then(pl.col("deviation") ** 2 / pl.col("length"))
            .otherwise(0.0)
            .alias("variance"),
            pl.date_ranges("period", pl.col("end") - pl.duration(days=1)).alias("day"),
        )
        .explode("day")
        .with_columns(((pl.col("day") - pl.lit(as_of)).dt.total_days() - 1).alias("step"))
        .filter(pl.col("step").is_between(0, days - 1))
        .sort("order")
        .unique(["item_id", "location_id", "step"], keep="first", maintain_order=True)
        .select("item_id", "location_id", "step", "mean", "variance", "order")
    )
    # The tail of each series: the average of its path so far, over whole weeks where it has them.
    last = spread.group_by("item_id", "location_id").agg(
        pl.col("step").max().alias("last"),
        pl.col("mean").sort_by("step").tail(28).mean(),
        pl.col("variance").sort_by("step").tail(28).mean(),
    )
    tail = (
        last.with_columns(pl.int_ranges(pl.col("last") + 1, pl.lit(days)).alias("step"))
        .filter(pl.col("step").list.len() > 0)
        .explode("step")
        .select("item_id", "location_id", "step", "mean", "variance")
    )
    return pl.concat([spread.drop("order"), tail], how="vertical_relaxed")


def main_place(connection: sa.Connection) -> int | None:
    """Return the location of records that name none."""
    return connection.scalar(sa.select(location.c.id).where(location.c.code == MAIN))


def _at_their_places(rows: pl.DataFrame, stock: pl.DataFrame, main: int | None) -> pl.DataFrame:
    """Return rows of records that name no place where their item lies, if it lies at one place alone."""
    only = stock.group_by("item_id").agg(places=pl.len(), _only=pl.col("location_id").first())
    moves = (pl.col("location_id") == pl.lit(main, pl.Int64)) & (pl.col("places") == 1)
    return (
        rows.join(only, on="item_id", how="left", maintain_order="left")
        .with_columns(location_id=pl.when(moves).then("_only").otherwise("location_id"))
        .select(rows.columns)
    )


def _forecasts_at_their_places(rows: pl.DataFrame, stock: pl.DataFrame, main: int | None) -> pl.DataFrame:
    """Return the forecasts likewise; where one is made for the place as well, that of no place stays apart."""
    moved = _at_their_places(rows, stock, main)
    apart = pl.struct("item_id", "location_id", "frequency", "period").is_duplicated()
    return pl.concat([moved.filter(~apart), rows.filter(moved.select(apart).to_series())])


def _keys(connection: sa.Connection, rows: pl.DataFrame, stock: pl.DataFrame) -> pl.DataFrame:
    finest = (
        rows.with_columns(pl.col("frequency").replace_strict(_ORDER).alias("order"))
        .sort("order")
        .unique(["item_id", "location_id"], keep="first", maintain_order=True)
        .with_columns(
            pl.col("frequency").replace_strict(_DAYS).alias("days_per_period"),
            pl.col("demand_class").is_in(["smooth", "erratic"]).not_().alias("sparse"),
        )
        .select("item_id", "location_id", "name", "run_id", "days_per_period", "sparse")
    )
    items = read_frame(
        connection,
        sa.select(
            item.c.id.label("item_id"),
            item.c.supplier_id,
            item.c.made,
            item.c.lead_time_days,
            item.c.minimum_order,
            item.c.order_multiple,
            item.c.base_unit,
        ),
    )
    return (
        finest.join(items, on="item_id")
        .join(stock.select("item_id", "location_id", "on_hand", "available", "reserved"), on=["item_id", "location_id"])
        .sort("item_id", "location_id")
    )


def stock_records(connection: sa.Connection, as_of: date) -> pl.DataFrame:
    """Return item_id, location_id, on_hand, reserved, said_on_order and available of the newest snapshot by then."""
    newest = sa.select(sa.func.max(inventory_snapshot.c.day)).where(inventory_snapshot.c.day <= as_of).scalar_subquery()
    frame = read_frame(
        connection,
        sa.select(
            inventory_snapshot.c.item_id,
            inventory_snapshot.c.location_id,
            inventory_snapshot.c.on_hand,
            inventory_snapshot.c.reserved,
            inventory_snapshot.c.on_order.label("said_on_order"),
        ).where(inventory_snapshot.c.day == newest),
    )
    # Less than nothing cannot lie there: a negative count is a booking to be found, and reported as such, not a want.
    return frame.with_columns(available=pl.col("on_hand").clip(lower_bound=0))


def _by_day(orders: pl.DataFrame, as_of: date, shape: tuple[int, ...]) -> Floats:
    """Return open orders as series × days, late ones on the first day."""
    firm = np.zeros(shape)
    step = np.maximum((orders["due"] - as_of).dt.total_days().to_numpy() - 1, 0)
    inside = step < shape[1]
    np.add.at(firm, (orders["row"].to_numpy()[inside], step[inside]), orders["quantity"].to_numpy()[inside])
    return firm


def _consumed(keys: pl.DataFrame, demand: Floats, firm: Floats) -> tuple[Floats, Floats]:
    """Return what is left of the forecast, and firm demand; an order consumes the forecast of its own period.

    A reservation is stock for orders that count already. Where more is reserved than orders are known, the rest is for
    the demand expected next: day by day that becomes firm, and it is not demanded a second time.
    """
    left, firm = demand.copy(), firm.copy()
    days = np.arange(demand.shape[1], dtype=np.int64)
    periods = keys["days_per_period"].to_numpy()
    for period in np.unique(periods):
        rows = np.flatnonzero((periods == period) & firm.any(axis=1))
        reach = int(period) - 1
        if len(rows):
            left[rows] = consume(demand[rows], days, days + 1, firm[rows], days, back_days=reach, forward_days=reach)
    rest = np.maximum(keys["reserved"].to_numpy() - firm.sum(axis=1), 0.0)
    becomes_firm = np.diff(np.minimum(np.cumsum(left, axis=1), rest[:, None]), axis=1, prepend=0.0)
    firm += becomes_firm
    firm[:, 0] += rest - becomes_firm.sum(axis=1)
    return left - becomes_firm, firm


def counted_supply(
    connection: sa.Connection,
    keys: pl.DataFrame,
    row_numbers: pl.DataFrame,
    leads: Floats,
    stock: pl.DataFrame,
    as_of: date,
    main: int | None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return what is counted on (see StockPaths.supply), and the keys with on_order and asked_about."""
    middle = leads[:, len(LEAD_TIME_POINTS) // 2]
    days = keys.select("item_id").with_columns(lead_time=pl.Series(middle))
    lines = _at_their_places(supply_ahead(connection, days, as_of), stock, main).join(
        row_numbers, on=["item_id", "location_id"]
    )
    steps = [((pl.col(name) - pl.lit(as_of)).dt.total_days() - 1).alias(name) for name in POINTS]
    counted = lines.filter(~pl.col("dead")).select("row", pl.col("outstanding").alias("quantity"), *steps)
    sums = lines.group_by("row").agg(
        of_lines=pl.col("outstanding").sum(), asked_about=pl.col("outstanding").filter("dead").sum()
    )
    known = (
        row_numbers.join(stock, on=["item_id", "location_id"], how="left", maintain_order="left")
        .join(sums, on="row", how="left", maintain_order="left")
        .with_columns(pl.col("of_lines", "asked_about").fill_null(0.0))
        .with_columns(lead=pl.Series(middle))
    )
    # On order by the stock record alone: no line says when, so a replenishment time from now.
    undated = known.filter((pl.col("of_lines") == 0) & (pl.col("said_on_order") > 0)).select(
        "row",
        quantity=pl.col("said_on_order").cast(pl.Float64),
        **{name: (pl.col("lead").ceil().cast(pl.Int64) - 1).clip(lower_bound=0) for name in POINTS},
    )
    on_order = pl.when(pl.col("of_lines") > 0).then("of_lines").otherwise(pl.col("said_on_order").cast(pl.Float64))
    keys = keys.with_columns(
        known.select(on_order=on_order.fill_null(0.0).cast(pl.Float64))["on_order"], known["asked_about"]
    )
    return pl.concat([counted, undated.cast(counted.schema)]), keys


def _inflations(connection: sa.Connection, as_of: date) -> dict[int, list[float]]:
    runs = connection.execute(
        sa.select(model_run.c.id, model_run.c.metrics).where(
            model_run.c.target == Target.DEMAND.value, model_run.c.as_of == as_of, FORECAST_ENDED
        )
    )
    return {row.id: row.metrics.get("inflation") or [1.0] for row in runs}


def _per_day(inflation: list[float], days_per_period: int, days: int) -> Floats:
    # Within a period the factor is that of the period; past the last one it stays.
    period = np.minimum(np.arange(days) // days_per_period, len(inflation) - 1)
    return np.array(inflation)[period]
