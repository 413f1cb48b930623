"""What the demo plant's story comes to at the end of a day: stock, shortages to come, late lines, drift.

All from what the simulator knows and no reader of its files can: the expected demand itself.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl

from manufacturing_copilot.demo import dirt
from manufacturing_copilot.demo.catalogue import FREIGHT, LOCATIONS, SLIPPING, Vector
from manufacturing_copilot.demo.state import State
from manufacturing_copilot.demo.truth import Drifting, FeedTruth, LateLine, RunningOut, ThreeCodes, Truth
from manufacturing_copilot.demo.working_day import DRIFT_DAYS, Plant

_SHORT = 1.3  # standard deviations of demand by which a shortage is clear
_SAFE = 2.5
_WORTH_A_WORD = 0.2  # units a day below which a shortage of a fading item is no news


def describe(plant: Plant, state: State, feeds: dict[str, FeedTruth], *, net_demand: dict[str, float]) -> Truth:
    """Return the truth at the end of the state's day."""
    items = plant.catalogue.items
    item = items.filter(pl.col("by_barcode") & pl.col("stock_code").is_not_null()).row(0, named=True)
    return Truth(
        start=plant.first_day,
        end=state.day,
        seed=plant.seed,
        items=items.height,
        services=[FREIGHT],
        locations=list(LOCATIONS),
        feeds=feeds,
        slipping_supplier=plant.catalogue.suppliers["supplier"][SLIPPING],
        net_demand=net_demand,
        three_codes=ThreeCodes(sku=item["sku"], barcode=item["barcode"], stock_code=item["stock_code"]),
        unmapped={feed: [code] for feed, code in dirt.UNKNOWN_ITEM.items()},
        classes=dict(items.filter(pl.col("demand_class") != "none").select("sku", "demand_class").iter_rows()),
        **open_troubles(plant, state),
    )


def open_troubles(plant: Plant, state: State) -> dict[str, Any]:
    """Return the parts of the truth that change from day to day, by their names in `Truth`."""
    names = [(plant.replenishment.skus[place], plant.replenishment.locations[place]) for place in _places(state)]
    on_hand: dict[str, dict[str, float]] = {}
    for (sku, location), quantity in zip(names, state.on_hand.tolist(), strict=True):
        on_hand.setdefault(sku, {})[location] = quantity
    running_out, comfortable = _shortages(plant, state)
    return {
        "on_hand": on_hand,
        "negative": [name for name, quantity in zip(names, state.on_hand, strict=True) if quantity < 0],
        "running_out": running_out,
        "comfortable": [names[place] for place in comfortable],
        "late_lines": _late_lines(state),
        "drifting": _drifting(plant, state.day),
    }


def _places(state: State) -> range:
    return range(len(state.on_hand))


def _shortages(plant: Plant, state: State) -> tuple[list[RunningOut], list[int]]:
    """Return the places that surely run short within their lead time, and those that surely do not.

    Surely short: on some day of the lead time, stock and all that is promised by then fall below expected demand
    less 1.3 standard deviations. Surely not: what is not owed to waiting orders stays, without anything overdue,
    above it plus 2.5.
    """
    ahead = plant.expect(state.day + timedelta(days=1), 0)
    units = np.cumsum(ahead * plant.catalogue.line_quantity, axis=0)
    deviation = np.sqrt(np.cumsum(ahead * plant.square, axis=0))
    owed = state.sales.filter(pl.col("cancel_on").is_null() & (pl.col("wanted_on") <= state.day))
    free = state.on_hand - np.bincount(owed["place"], owed["quantity"], minlength=len(state.on_hand))
    within = np.arange(len(ahead))[:, None] < plant.replenishment.lead[None, :]
    best = state.on_hand + _supply(state, len(ahead), overdue=True)
    worst = free + _supply(state, len(ahead), overdue=False)
    short = within & (best < units - _SHORT * deviation)
    safe = (~within | (worst > units + _SAFE * deviation)).all(axis=0)
    lead = plant.replenishment.lead
    daily = units[lead - 1, np.arange(len(lead))] / lead
    is_judged = plant.replenishment.sold & (state.on_hand >= 0)
    running_out = [
        RunningOut(
            sku=plant.replenishment.skus[place],
            location=plant.replenishment.locations[place],
            on_hand=float(state.on_hand[place]),
            lead_time_days=int(lead[place]),
            daily_demand=round(float(daily[place]), 3),
            first_day_short=state.day + timedelta(days=1 + int(np.argmax(best[:, place] < units[:, place]))),
        )
        for place in np.flatnonzero(short.any(axis=0) & is_judged & (daily >= _WORTH_A_WORD)).tolist()
    ]
    return running_out, np.flatnonzero(safe & is_judged).tolist()


def _supply(state: State, days: int, *, overdue: bool) -> Vector:
    """Return units promised by the end of each coming day (rows) by place; what is overdue counts tomorrow or never."""
    promised = pl.concat(
        [
            state.purchases.select("place", pl.col("promised_on").alias("on"), pl.col("quantity") - pl.col("received")),
            state.works.select("place", pl.col("due_on").alias("on"), pl.col("completed").alias("quantity")),
        ]
    )
    if not overdue:
        promised = promised.filter(pl.col("on") > state.day)
    coming = np.zeros((days, len(state.on_hand)))
    after = (promised["on"] - state.day).dt.total_days().to_numpy() - 1
    kept = after < days
    np.add.at(
        coming, (np.maximum(after[kept], 0), promised["place"].to_numpy()[kept]), promised["quantity"].to_numpy()[kept]
    )
    return np.cumsum(coming, axis=0)


def _late_lines(state: State) -> list[LateLine]:
    late = state.purchases.filter(pl.col("promised_on") < state.day)
    return [
        LateLine(
            order_no=row["order_no"],
            line_no=str(row["line_no"]),
            sku=row["item"],
            supplier=row["supplier"],
            promised_on=row["promised_on"],
            days_late=(state.day - row["promised_on"]).days,
        )
        for row in late.iter_rows(named=True)
    ]


def _drifting(plant: Plant, day: date) -> Drifting:
    row = plant.catalogue.controlled.row(plant.catalogue.drifting, named=True)
    return Drifting(
        sku=plant.catalogue.items["sku"][row["item"]],
        operation=row["operation"],
        since=plant.story_end - timedelta(days=DRIFT_DAYS),
        usual_rate=row["rate"],
        rate=row["rate"] * (1 + plant.drift(day)),
    )
