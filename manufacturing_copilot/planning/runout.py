"""Stock-outs ahead: how likely, when, and what to order by which day."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import sqlalchemy as sa
from scipy import stats

from manufacturing_copilot.forecasts.contract import Floats
from manufacturing_copilot.frame_schemas import Column, FrameSchema
from manufacturing_copilot.planning.projection import chance_above, cumulative_demand
from manufacturing_copilot.planning.replenishment_time import LEAD_TIME_POINTS, lead_times
from manufacturing_copilot.planning.stock_inputs import StockPaths, lot_size, open_supply, read_paths
from manufacturing_copilot.store import read_frame

REVIEW_DAYS = 7
"""Days from one look at the orders to the next; an order covers them too."""

SERVICE_LEVEL = 0.95
HORIZON_DAYS = 182
"""The furthest day looked at, and the longest lead time that is believed."""

STOCKOUTS = FrameSchema(
    "stock-outs",
    {
        "item_id": Column(pl.Int64),
        "location_id": Column(pl.Int64),
        "probability": Column(pl.Float64, "that stock runs out before a replenishment arrives, 0 to 1"),
        "runout_p10": Column(pl.Date, "first day by which stock has run out with 10 % probability", nullable=True),
        "runout_p50": Column(pl.Date, "with 50 % probability; null beyond HORIZON_DAYS", nullable=True),
        "runout_p90": Column(pl.Date, "with 90 % probability", nullable=True),
        "lead_time_days": Column(pl.Float64, "days that a replenishment takes, the median"),
        "on_hand": Column(pl.Float64, "stock counted"),
        "on_order": Column(pl.Float64, "outstanding of open supply lines"),
        "expected_lead_time_demand": Column(pl.Float64, "demand expected within the lead time"),
        "order_quantity": Column(pl.Float64, "what to order, by the lot rule"),
        "order_by": Column(pl.Date, "last day to order by; null where nothing is needed", nullable=True),
        "run_id": Column(pl.Int64, "the model run of the demand forecast"),
    },
    key=("item_id", "location_id"),
)
"""The stock-outs ahead, as alerts and the report read them; quantities in the unit of the item."""


def stockouts(connection: sa.Connection, as_of: date) -> pl.DataFrame:
    """Return STOCKOUTS: a row for each item-location with a demand forecast made as of that day.

    `probability`: that demand exceeds what is available (on hand less reserved, plus what is scheduled to come
    by then) on some day before a replenishment ordered on the next day could arrive; averaged over the
    distribution of the lead time. The days are judged one by one, so it is the likelihood of the worst of them:
    a lower bound of "on any". `runout_pXX`: first day by which the balance has gone below zero with that
    probability; null beyond HORIZON_DAYS. `order_quantity`: what lifts the stock position to the 95 % quantile of
    demand over lead time and review, by the lot rule; `order_by`: the last day on which an order still arrives
    before a run-out gets likelier than 5 % (the next day where it is already too late; null where nothing is
    needed). `run_id`: the model run of the demand forecast.
    """
    paths = read_paths(connection, as_of, HORIZON_DAYS)
    if paths is None:
        return pl.DataFrame(schema=STOCKOUTS.dtypes)
    leads = np.minimum(lead_times(connection, paths.keys, as_of), HORIZON_DAYS - REVIEW_DAYS)
    mean, variance = cumulative_demand(paths)
    stock = paths.keys["available"].to_numpy()[:, None] + np.cumsum(paths.receipts, axis=1)
    chances = np.maximum.accumulate(chance_above(mean, variance, paths.keys["sparse"].to_numpy(), stock), axis=1)
    on_order = _on_order(connection, paths, as_of)
    middle = leads[:, len(LEAD_TIME_POINTS) // 2]
    quantity = _order_quantities(paths, leads, mean, variance, on_order)
    runouts = {f"runout_p{int(p * 100)}": _first_day(chances, p, as_of) for p in (0.1, 0.5, 0.9)}
    return (
        paths.keys.select("item_id", "location_id")
        .with_columns(
            pl.Series("probability", _within_lead_time(chances, leads)),
            *(pl.Series(name, values, dtype=pl.Date) for name, values in runouts.items()),
            pl.Series("lead_time_days", np.ceil(middle)),
            paths.keys["on_hand"],
            pl.Series("on_order", on_order),
            pl.Series("expected_lead_time_demand", _at_day(mean, middle)),
            pl.Series("order_quantity", quantity),
            pl.Series("order_by", _order_by(chances, middle, quantity, as_of), dtype=pl.Date),
            paths.keys["run_id"],
        )
        .select(*STOCKOUTS.columns)
    )


def _place(days: Floats) -> np.ndarray:
    # A replenishment ordered on the first day ahead with lead time L arrives on day L + 1; the L days before count.
    return np.maximum(np.ceil(days).astype(int), 1) - 1


def _at_day(values: Floats, days: Floats) -> Floats:
    return values[np.arange(len(values)), np.minimum(_place(days), values.shape[1] - 1)]


def _within_lead_time(chances: Floats, leads: Floats) -> Floats:
    return np.mean([_at_day(chances, leads[:, k]) for k in range(leads.shape[1])], axis=0)


def _first_day(chances: Floats, level: float, as_of: date) -> list[date | None]:
    reached = chances >= level
    first, hits = np.argmax(reached, axis=1).tolist(), np.any(reached, axis=1).tolist()
    return [as_of + timedelta(days=day + 1) if hit else None for day, hit in zip(first, hits, strict=True)]


def _order_quantities(
    paths: StockPaths, leads: Floats, mean: Floats, variance: Floats, on_order: Floats
) -> list[float]:
    cover = leads[:, len(LEAD_TIME_POINTS) // 2] + REVIEW_DAYS
    expected, spread = _at_day(mean, cover), _at_day(variance, cover)
    # A lead time that varies adds (daily demand × its deviation)²; 2.563 deviations lie between P10 and P90.
    rate = expected / np.maximum(np.ceil(cover), 1)
    spread = spread + (rate * (leads[:, -1] - leads[:, 0]) / 2.563) ** 2
    ratio = np.maximum(spread / np.maximum(expected, 1e-12), 1.02)
    counted = stats.nbinom.ppf(SERVICE_LEVEL, np.maximum(expected, 1e-12) / (ratio - 1), 1 / ratio)
    smooth = expected + stats.norm.ppf(SERVICE_LEVEL) * np.sqrt(spread)
    upto = np.where(paths.keys["sparse"].to_numpy(), counted, smooth)
    upto = np.where(expected > 0, upto, 0.0)
    net = upto - paths.keys["available"].to_numpy() - on_order
    return [
        lot_size(float(need), least, multiple)
        for need, least, multiple in zip(net, paths.keys["minimum_order"], paths.keys["order_multiple"], strict=True)
    ]


def _order_by(chances: Floats, lead: Floats, quantity: list[float], as_of: date) -> list[date | None]:
    risky = _first_day(chances, 1 - SERVICE_LEVEL, as_of)
    return [
        None
        if amount <= 0
        else max(
            as_of + timedelta(days=1),
            (day or as_of + timedelta(days=HORIZON_DAYS)) - timedelta(days=int(np.ceil(days))),
        )
        for day, days, amount in zip(risky, lead, quantity, strict=True)
    ]


def _on_order(connection: sa.Connection, paths: StockPaths, as_of: date) -> Floats:
    lines = read_frame(connection, open_supply(as_of)).filter(pl.col("outstanding") > 0)
    sums = lines.group_by("item_id", "location_id").agg(pl.col("outstanding").sum())
    joined = paths.keys.select("item_id", "location_id").join(
        sums, on=["item_id", "location_id"], how="left", maintain_order="left"
    )
    return joined["outstanding"].fill_null(0.0).to_numpy()
