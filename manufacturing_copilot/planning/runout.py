"""Stock-outs ahead: how likely, when, and what to order by which day."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import sqlalchemy as sa
from scipy import stats

from manufacturing_copilot.forecasts.contract import Floats
from manufacturing_copilot.frame_schemas import Column, FrameSchema
from manufacturing_copilot.planning.arithmetic.lot_rules import LotRules, order_total
from manufacturing_copilot.planning.projection import chance_above, cumulative_demand
from manufacturing_copilot.planning.replenishment_time import LEAD_TIME_POINTS
from manufacturing_copilot.planning.stock_inputs import StockPaths, read_paths

REVIEW_DAYS = 7
"""Days from one look at the orders to the next; an order covers them too."""

SERVICE_LEVEL = 0.95
HORIZON_DAYS = 182
"""The furthest day looked at, where no lead time is longer; a longer one lengthens it."""

COUNTED_UNITS = frozenset({"piece", "pieces", "pcs", "pc", "pce", "st", "stk", "ea", "each", "unit", "units", "nos"})
"""Units of which there are only whole ones; an item that names no unit is counted too."""

STOCKOUTS = FrameSchema(
    "stock-outs",
    {
        "item_id": Column(pl.Int64),
        "location_id": Column(pl.Int64),
        "probability": Column(pl.Float64, "that stock runs out before a replenishment arrives, 0 to 1"),
        "runout_p10": Column(pl.Date, "first day by which stock has run out with 10 % probability", nullable=True),
        "runout_p50": Column(pl.Date, "with 50 % probability; null beyond the horizon", nullable=True),
        "runout_p90": Column(pl.Date, "with 90 % probability", nullable=True),
        "lead_time_days": Column(pl.Float64, "days that a replenishment takes, the median"),
        "on_hand": Column(pl.Float64, "stock counted"),
        "on_order": Column(pl.Float64, "outstanding of open supply lines, else as the stock record says"),
        "asked_about": Column(pl.Float64, "of it, on lines long past their day: not counted until confirmed"),
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

    `probability`: that demand (firm orders and what they leave of the forecast) exceeds what is available (on hand,
    plus what is on order by its likely days) on some day before a replenishment ordered on the next day could
    arrive; averaged over the distribution of the lead time. The days are judged one by one, so it is the likelihood
    of the worst of them: a lower bound of "on any". `runout_pXX`: first day by which the balance has gone below zero
    with that probability; null beyond the horizon. `order_quantity`: what lifts the stock position to the 95 %
    quantile of demand over lead time and review, by the lot rule; `order_by`: the last day on which an order still
    arrives before a run-out gets likelier than 5 % (the next day where it is already too late; null where nothing is
    needed). `run_id`: the model run of the demand forecast. What was never counted has no row: its stock is unknown.
    """
    paths = read_paths(connection, as_of, HORIZON_DAYS, beyond_lead_time=REVIEW_DAYS + 1)
    if paths is None:
        return pl.DataFrame(schema=STOCKOUTS.dtypes)
    leads = np.minimum(paths.leads, paths.days - REVIEW_DAYS - 1)
    mean, variance = cumulative_demand(paths)
    chances = _chances(paths, mean, variance)
    middle = leads[:, len(LEAD_TIME_POINTS) // 2]
    quantity = _order_quantities(paths, leads, mean, variance)
    runouts = {f"runout_p{int(p * 100)}": _first_day(chances, p, as_of) for p in (0.1, 0.5, 0.9)}
    expected = mean + np.cumsum(paths.firm, axis=1)
    return (
        paths.keys.select("item_id", "location_id")
        .with_columns(
            pl.Series("probability", _within_lead_time(chances, leads)),
            *(pl.Series(name, values, dtype=pl.Date) for name, values in runouts.items()),
            pl.Series("lead_time_days", np.ceil(middle)),
            paths.keys["on_hand"],
            paths.keys["on_order"],
            paths.keys["asked_about"],
            pl.Series("expected_lead_time_demand", _at_day(expected, middle)),
            pl.Series("order_quantity", quantity),
            pl.Series("order_by", _order_by(chances, middle, quantity, as_of), dtype=pl.Date),
            paths.keys["run_id"],
        )
        .select(*STOCKOUTS.columns)
    )


def _chances(paths: StockPaths, mean: Floats, variance: Floats) -> Floats:
    """Return the chance to be out by each day, averaged over when what is on order comes."""
    sparse, available = paths.keys["sparse"].to_numpy(), paths.keys["available"].to_numpy()
    total = np.zeros_like(mean)
    for case in range(len(LEAD_TIME_POINTS)):
        stock = available[:, None] + np.cumsum(paths.flow(case), axis=1)
        total += np.maximum.accumulate(chance_above(mean, variance, sparse, stock), axis=1)
    return total / len(LEAD_TIME_POINTS)


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


def _order_quantities(paths: StockPaths, leads: Floats, mean: Floats, variance: Floats) -> list[float]:
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
    # The position: stock and what comes within lead time and review, less the firm orders of that time.
    position = paths.keys["available"].to_numpy() + _at_day(np.cumsum(paths.expected_flow(), axis=1), cover)
    lots: list[float] = order_total(upto - position, lot_rules(paths.keys)).tolist()
    return lots


def lot_rules(keys: pl.DataFrame) -> LotRules:
    """Return the lot rules of items (minimum_order, order_multiple, base_unit); whole units of what is counted."""
    unit = pl.col("base_unit").str.strip_chars().str.to_lowercase().fill_null("")
    counted = keys.select(unit.is_in(["", *COUNTED_UNITS])).to_series().to_numpy()
    multiple = keys["order_multiple"].fill_null(0.0).to_numpy()
    return LotRules(
        keys["minimum_order"].fill_null(0.0).to_numpy(),
        np.where((multiple <= 0) & counted, 1.0, np.maximum(multiple, 0.0)),
        np.full(keys.height, np.inf),
    )


def _order_by(chances: Floats, lead: Floats, quantity: list[float], as_of: date) -> list[date | None]:
    risky = _first_day(chances, 1 - SERVICE_LEVEL, as_of)
    return [
        None
        if amount <= 0
        else max(
            as_of + timedelta(days=1),
            (day or as_of + timedelta(days=chances.shape[1])) - timedelta(days=int(np.ceil(days))),
        )
        for day, days, amount in zip(risky, lead, quantity, strict=True)
    ]
