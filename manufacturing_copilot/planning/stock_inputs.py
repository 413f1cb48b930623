"""What the projection of stock starts from: stock, open supply, the path of demand day by day."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.forecasts.contract import Floats
from manufacturing_copilot.frame_schemas import Column, FrameSchema
from manufacturing_copilot.planning.replenishment_time import DEFAULT_LEAD_TIME
from manufacturing_copilot.runtime.runs import FORECAST_ENDED
from manufacturing_copilot.site import Frequency, Target
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.tables import (
    SupplyStatus,
    forecast,
    inventory_snapshot,
    item,
    model_run,
    series,
    series_score,
    supply_line,
)

OVERDUE_ARRIVES_AFTER = 7
"""Days from the as-of day after which a line that is past its promised date is counted on."""


STOCK_KEYS = FrameSchema(
    "item-locations with a demand forecast",
    {
        "item_id": Column(pl.Int64),
        "location_id": Column(pl.Int64),
        "name": Column(pl.String, "the series' name"),
        "run_id": Column(pl.Int64, "the model run of the demand forecast"),
        "days_per_period": Column(pl.Int64, "days of a period of the finest frequency forecast"),
        "sparse": Column(pl.Boolean, "whether demand is intermittent, so that counts are discrete"),
        "supplier_id": Column(pl.Int64, nullable=True),
        "lead_time_days": Column(pl.Int64, "as the system believes", nullable=True),
        "minimum_order": Column(pl.Float64, nullable=True),
        "order_multiple": Column(pl.Float64, nullable=True),
        "on_hand": Column(pl.Float64, "stock counted; 0 where it never was"),
        "available": Column(pl.Float64, "on hand, not below 0, less reserved"),
    },
    key=("item_id", "location_id"),
)


@dataclass(frozen=True)
class StockPaths:
    """Item-locations with a demand forecast, and their days ahead (columns; the first is the day after as-of).

    `keys`: STOCK_KEYS. `demand`, `variance` and `receipts` are series × days; `inflation` the factor by which
    the variance of demand summed up to a day exceeds the sum of the daily variances.
    """

    as_of: date
    keys: pl.DataFrame
    demand: Floats
    variance: Floats
    inflation: Floats
    receipts: Floats

    @property
    def days(self) -> int:
        """Days ahead."""
        return int(self.demand.shape[1])


def read_paths(connection: sa.Connection, as_of: date, days: int) -> StockPaths | None:
    """Return the paths of the next `days` days; None where demand was not forecast as of that day."""
    rows = read_frame(connection, _demand_forecasts(as_of))
    if rows.is_empty():
        return None
    inflations = _inflations(connection, as_of)
    daily = _daily(rows, as_of, days)
    keys = _keys(connection, rows, as_of)
    row_numbers = keys.select("item_id", "location_id").with_row_index("row")
    demand, variance, factor = (np.zeros((keys.height, days)) for _ in range(3))
    at = daily.join(row_numbers, on=["item_id", "location_id"])
    index = at["row"].to_numpy(), at["step"].to_numpy()
    demand[index] = at["mean"].to_numpy()
    variance[index] = at["variance"].to_numpy()
    for row, (run_id, per_period) in enumerate(zip(keys["run_id"], keys["days_per_period"], strict=True)):
        factor[row] = _per_day(inflations.get(run_id, [1.0]), per_period, days)
    return StockPaths(as_of, keys, demand, variance, factor, _receipts(connection, row_numbers, as_of, days))


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


def _keys(connection: sa.Connection, rows: pl.DataFrame, as_of: date) -> pl.DataFrame:
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
            item.c.lead_time_days,
            item.c.minimum_order,
            item.c.order_multiple,
        ),
    )
    return (
        finest.join(items, on="item_id")
        .join(_stock(connection, as_of), on=["item_id", "location_id"], how="left")
        .with_columns(pl.col("on_hand", "available").fill_null(0.0))
        .sort("item_id", "location_id")
    )


def _stock(connection: sa.Connection, as_of: date) -> pl.DataFrame:
    newest = sa.select(sa.func.max(inventory_snapshot.c.day)).where(inventory_snapshot.c.day <= as_of).scalar_subquery()
    frame = read_frame(
        connection,
        sa.select(
            inventory_snapshot.c.item_id,
            inventory_snapshot.c.location_id,
            inventory_snapshot.c.on_hand,
            inventory_snapshot.c.reserved,
        ).where(inventory_snapshot.c.day == newest),
    )
    # Less than nothing cannot lie there: a negative count is a booking to be found, and reported as such, not a want.
    countable = pl.col("on_hand").clip(lower_bound=0)
    return frame.with_columns((countable - pl.col("reserved")).alias("available")).drop("reserved")


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


def _receipts(connection: sa.Connection, row_numbers: pl.DataFrame, as_of: date, days: int) -> Floats:
    lines = read_frame(connection, open_supply(as_of))
    receipts = np.zeros((row_numbers.height, days))
    if lines.is_empty():
        return receipts
    due = (
        lines.join(row_numbers, on=["item_id", "location_id"])
        .with_columns(
            pl.coalesce("promised_on", pl.col("ordered_on") + pl.duration(days=int(DEFAULT_LEAD_TIME))).alias("due")
        )
        .with_columns(
            pl.when(pl.col("due") <= as_of)
            .then(pl.lit(as_of + timedelta(days=OVERDUE_ARRIVES_AFTER)))
            .otherwise("due")
            .alias("due")
        )
        .with_columns(((pl.col("due") - pl.lit(as_of)).dt.total_days() - 1).alias("step"))
        .filter((pl.col("step") < days) & (pl.col("outstanding") > 0))
    )
    np.add.at(receipts, (due["row"].to_numpy(), due["step"].to_numpy()), due["outstanding"].to_numpy())
    return receipts


def open_supply(as_of: date) -> sa.Select:
    """Return the query of the supply lines open at the end of `as_of`, with what is outstanding of each.

    What was received later does not count as received; of a line received in parts, only a part whose day is
    known to lie before counts.
    """
    came = sa.case((supply_line.c.last_received_on <= as_of, supply_line.c.received), else_=sa.literal(0))
    came = sa.case((supply_line.c.last_received_on.is_(None), supply_line.c.received), else_=came)
    return sa.select(
        supply_line.c.id,
        supply_line.c.item_id,
        supply_line.c.location_id,
        supply_line.c.supplier_id,
        supply_line.c.ordered_on,
        supply_line.c.promised_on,
        sa.type_coerce(supply_line.c.ordered - came, supply_line.c.ordered.type).label("outstanding"),
    ).where(
        supply_line.c.ordered_on <= as_of,
        supply_line.c.status != SupplyStatus.CANCELLED,
        sa.or_(
            supply_line.c.received_on > as_of,
            sa.and_(supply_line.c.received_on.is_(None), supply_line.c.status == SupplyStatus.OPEN),
        ),
    )


def lot_size(net: float, minimum: float | None, multiple: float | None) -> float:
    """Return what to order for a net need: max(MOQ, ceil(net / multiple) · multiple); 0 where nothing is needed."""
    if net <= 0:
        return 0.0
    lots = math.ceil(net / multiple - 1e-9) * multiple if multiple else float(math.ceil(net - 1e-9))
    return max(lots, minimum or 0.0)
