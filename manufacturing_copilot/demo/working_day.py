"""A day in the life of the demo plant: sales, deliveries, production, shipping, inspection, replenishment.

`Plant.live` moves the state on by one day and gives that day's events. The same code makes two years of
history and the one day that `copilot demo next-day` adds; chance depends on the seed and the day alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from manufacturing_copilot.demo.catalogue import FREIGHT, LOCATIONS, Vector, make_catalogue
from manufacturing_copilot.demo.replenishment import Replenishment
from manufacturing_copilot.demo.state import RETURNS, SALES, State, empty_state
from manufacturing_copilot.demo.volumes import expected_lines, lumpy, quantity_square

AHEAD = 60  # days that replenishment may look ahead
DRIFT_DAYS = 21
DRIFT_FACTOR = 4.0
CUSTOMERS = 120
GIANT_DAYS = 40  # before the end of the story, somebody orders far too much and cancels it
MISCOUNT_DAYS = 2
_SAMPLE = (60, 120)
_REASONS = ("burr, outer edge", "diameter out of tolerance", "scratch", "porosity", "wrong part")


@dataclass(frozen=True)
class Events:
    """What one day left behind: the records that are new or changed, as they stand at its end."""

    day: date
    order_lines: pl.DataFrame
    purchase_lines: pl.DataFrame
    receipts: pl.DataFrame
    work_orders: pl.DataFrame
    inspections: pl.DataFrame
    stock: pl.DataFrame  # place, on_hand, reserved
    adjusted: Vector  # stock booked in or out without a document, by place
    consumed: Vector


class Plant:
    """The demo plant of one seed, size and story."""

    def __init__(self, *, end: date, seed: int, items: int, days: int) -> None:
        """Lay the plant out; `end` is the day at which the story has its troubles."""
        self.story_end, self.seed, self.days = end, seed, days
        self.catalogue = make_catalogue(end=end, seed=seed, items=items, days=days)
        self.lumpy = lumpy(self.catalogue)
        self.square = quantity_square(self.catalogue)
        self.replenishment = Replenishment(self.catalogue, story_end=end, days=days)
        self.skus = np.array(self.catalogue.items["sku"].to_list(), dtype=object)
        self.prices = self.catalogue.items["list_price"].to_numpy()

    @property
    def first_day(self) -> date:
        """The first day of the story."""
        return self.story_end - timedelta(days=self.days - 1)

    def expect(self, first: date, count: int) -> Vector:
        """Return expected order lines, days by places, from `first` on."""
        return expected_lines(
            self.catalogue, story_end=self.story_end, days=self.days, first=first, count=count + AHEAD
        )

    def open(self) -> State:
        """Return the state on the evening before the first day: every place comfortably stocked."""
        rng = np.random.default_rng([self.seed, 2])
        ahead = self.expect(self.first_day, 0)
        levels = self.replenishment.levels(ahead, self.square)
        stock = np.floor(levels.reorder_point + levels.lot * rng.uniform(0.3, 1.0, len(levels.lot)))
        return empty_state(self.first_day - timedelta(days=1), stock)

    def live(self, state: State, ahead: Vector) -> Events:
        """Move `state` on by one day and return its events; `ahead` holds expected lines from that day on."""
        day = state.day + timedelta(days=1)
        rng = np.random.default_rng([self.seed, 3, day.toordinal()])
        state.day = day
        arrived = self.replenishment.receive(state, rng)
        finished = self.replenishment.finish(state)
        new = self._orders(state, rng, ahead[0])
        freight = self._freight(rng, new)
        returned = self._returns(state)
        adjusted = self._miscount(state)
        changed = self._ship(state, new, rng)
        started, ordered, consumed = self.replenishment.order(state, rng, ahead, self.square, self._backlog(state))
        purchases = pl.concat([arrived.lines, ordered, self.replenishment.promise_again(state)])
        return Events(
            day=day,
            order_lines=pl.concat([changed, freight, returned]),
            purchase_lines=purchases.unique(["order_no", "line_no"], keep="last", maintain_order=True),
            receipts=arrived.receipts,
            work_orders=pl.concat([finished, started]),
            inspections=self._inspections(state, np.random.default_rng([self.seed, 4, day.toordinal()])),
            stock=pl.DataFrame(
                {
                    "place": np.arange(len(state.on_hand)),
                    "on_hand": state.on_hand.copy(),  # a frame shares the memory of the array it is made from
                    "reserved": self._backlog(state),
                }
            ),
            adjusted=adjusted,
            consumed=consumed,
        )

    def _backlog(self, state: State) -> Vector:
        """Return units ordered and not yet shipped, by place; what will be cancelled does not count."""
        waiting = state.sales.filter(pl.col("cancel_on").is_null())
        return np.bincount(waiting["place"], waiting["quantity"], minlength=len(state.on_hand)).astype(float)

    def _orders(self, state: State, rng: np.random.Generator, lines: Vector) -> pl.DataFrame:
        """Return the day's new order lines, grouped into orders that ship from one location."""
        places = rng.permutation(np.repeat(np.arange(len(lines)), rng.poisson(lines)))
        giant = self._giant(state.day)
        places = np.concatenate([places, np.array([giant] if giant is not None else [], dtype=places.dtype)])
        location = self.catalogue.place_location[places]
        order = np.argsort(location, kind="stable")
        places, location = places[order], location[order]
        count = len(places)
        mean = self.catalogue.line_quantity[places]
        quantity = np.where(self.lumpy[places], rng.geometric(1 / mean), 1 + rng.poisson(mean - 1)).astype(float)
        quantity = np.where(places == giant, 5000.0, quantity) if giant is not None else quantity
        fresh = (rng.random(count) < 0.45) | np.diff(location, prepend=-1).astype(bool)
        number = np.cumsum(fresh)
        start = np.maximum.accumulate(np.where(fresh, np.arange(count), 0)) if count else number
        customer = rng.integers(0, CUSTOMERS, count)[start] if count else number
        discount = np.where(customer % 7 == 0, 0.9, 1.0)
        delay = np.where(rng.random(count) < 0.15, rng.integers(1, 6, count), 0)
        silent = (rng.random(count) < 0.02) & (delay == 0)
        cancel = (rng.random(count) < 0.025) | (quantity >= 5000)
        cancel_after = rng.integers(1, 4, count)
        first = state.counters.get("order", 0)
        state.counters["order"] = first + int(number[-1] if count else 0)
        items = self.catalogue.place_item[places]
        wanted = pl.lit(state.day) + pl.duration(days=pl.col("delay"))
        return pl.DataFrame(
            {
                "order_no": [f"SO{10000000 + first + n}" for n in number],
                "line_no": 10 * (np.arange(count) - start + 1),
                "place": places,
                "item": self.skus[items].tolist(),
                "customer": [f"K{20000 + 7 * c}" for c in customer],
                "location": [LOCATIONS[n] for n in location],
                "ordered_on": [state.day] * count,
                "delay": delay,
                "silent": silent,
                "cancel": cancel,
                "cancel_after": cancel_after,
                "quantity": quantity,
                "price": np.round(self.prices[items] * discount, 2),
            },
            schema_overrides={"order_no": pl.String, "item": pl.String, "ordered_on": pl.Date},
        ).select(
            *("order_no", "line_no", "place", "item", "customer", "location", "ordered_on"),
            wanted.cast(pl.Date).alias("wanted_on"),
            pl.when("silent").then(None).otherwise(wanted).cast(pl.Date).alias("requested_on"),
            pl.lit(None, pl.Date).alias("shipped_on"),
            pl.when("cancel")
            .then(pl.lit(state.day) + pl.duration(days=pl.col("cancel_after")))
            .cast(pl.Date)
            .alias("cancel_on"),
            *("quantity", "price"),
            pl.lit("open").alias("status"),
        )

    def _giant(self, day: date) -> int | None:
        """Return the place of the giant order of that day, if there is one."""
        if day != self.story_end - timedelta(days=GIANT_DAYS):
            return None
        return int(np.argmax(self.catalogue.daily_lines))

    def _freight(self, rng: np.random.Generator, new: pl.DataFrame) -> pl.DataFrame:
        """Return a line of freight for every tenth order or so: a service, shipped at once, no item."""
        heads = new.unique("order_no", keep="first", maintain_order=True)
        heads = heads.filter(pl.Series(rng.random(heads.height) < 0.1, dtype=pl.Boolean))
        return heads.with_columns(
            pl.lit(900, pl.Int64).alias("line_no"),
            pl.lit(-1, pl.Int64).alias("place"),
            pl.lit(FREIGHT).alias("item"),
            pl.col("ordered_on").alias("wanted_on"),
            pl.col("ordered_on").alias("requested_on"),
            pl.col("ordered_on").alias("shipped_on"),
            pl.lit(None, pl.Date).alias("cancel_on"),
            pl.lit(1.0).alias("quantity"),
            pl.lit(9.9).alias("price"),
            pl.lit("shipped").alias("status"),
        )

    def _returns(self, state: State) -> pl.DataFrame:
        """Book what customers send back today; return it as lines with negative quantity."""
        due = pl.col("return_on") <= state.day
        back = state.returns.filter(due)
        state.returns = state.returns.filter(~due)
        np.add.at(state.on_hand, back["place"].to_numpy(), back["quantity"].to_numpy())
        first = state.counters.get("return", 0)
        state.counters["return"] = first + back.height
        today = pl.lit(state.day)
        return back.select(
            pl.Series("order_no", [f"RT{500001 + first + n}" for n in range(back.height)], dtype=pl.String),
            pl.lit(10, pl.Int64).alias("line_no"),
            *("place", "item", "customer", "location"),
            *(today.alias(name) for name in ("ordered_on", "wanted_on", "requested_on", "shipped_on")),
            pl.lit(None, pl.Date).alias("cancel_on"),
            -pl.col("quantity"),
            "price",
            pl.lit("returned").alias("status"),
        )

    def _miscount(self, state: State) -> Vector:
        """Book one withdrawal too many near the end of the story: the stock of that place falls below zero."""
        adjusted = np.zeros_like(state.on_hand)
        if state.day == self.story_end - timedelta(days=MISCOUNT_DAYS):
            place = self.catalogue.miscounted
            adjusted[place] = -(max(state.on_hand[place], 0) + 4)
            state.on_hand += adjusted
        return adjusted

    def _ship(self, state: State, new: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
        """Ship what is wanted and there, first come first served; return every new or changed line."""
        today = pl.lit(state.day)
        lines = pl.concat([state.sales, new])
        ready = (pl.col("wanted_on") <= today) & pl.col("cancel_on").is_null()
        lines = lines.with_columns(
            pl.Series("there", state.on_hand[lines["place"].to_numpy()], dtype=pl.Float64),
            pl.when(ready).then(pl.col("quantity")).otherwise(0.0).alias("asked"),
        ).with_columns(
            (ready & (pl.col("asked").cum_sum().over("place") <= pl.col("there"))).alias("ships"),
            (pl.col("cancel_on") <= today).fill_null(False).alias("cancels"),
        )
        lines = lines.with_columns(
            pl.when("ships").then(today).otherwise("shipped_on").alias("shipped_on"),
            pl.when("ships")
            .then(pl.lit("shipped"))
            .when("cancels")
            .then(pl.lit("cancelled"))
            .otherwise("status")
            .alias("status"),
        )
        shipped = lines.filter("ships")
        np.subtract.at(state.on_hand, shipped["place"].to_numpy(), shipped["quantity"].to_numpy())
        self._schedule_returns(state, shipped, rng)
        state.sales = lines.filter(pl.col("status") == "open").select(list(SALES))
        return lines.filter((pl.col("ordered_on") == today) | pl.col("ships") | pl.col("cancels")).select(list(SALES))

    def _schedule_returns(self, state: State, shipped: pl.DataFrame, rng: np.random.Generator) -> None:
        chance, days = rng.random(shipped.height), rng.integers(5, 21, shipped.height)
        coming = (
            shipped.with_columns(pl.Series("days", days, dtype=pl.Int64))
            .with_columns((pl.lit(state.day) + pl.duration(days="days")).cast(pl.Date).alias("return_on"))
            .filter(pl.Series(chance < 0.015, dtype=pl.Boolean))
            .with_columns((pl.col("quantity") / 2).ceil())
        )
        state.returns = pl.concat([state.returns, coming.select(list(RETURNS))])

    def _inspections(self, state: State, rng: np.random.Generator) -> pl.DataFrame:
        """Return the samples taken today from the operations under control."""
        controlled = self.catalogue.controlled
        rate = controlled["rate"].to_numpy().copy()
        rate[self.catalogue.drifting] *= 1 + self.drift(state.day)
        taken = (rng.random(len(rate)) < controlled["chance"].to_numpy()) & (state.day.weekday() < 5)
        inspected = rng.integers(*_SAMPLE, len(rate))
        defective = rng.binomial(inspected, rate)
        reason = rng.integers(0, len(_REASONS), len(rate))
        first = state.counters.get("inspection", 0)
        state.counters["inspection"] = first + int(taken.sum())
        return (
            controlled.select(
                pl.Series("item", self.skus[controlled["item"].to_numpy()].tolist()),
                pl.lit(state.day).alias("inspected_on"),
                "operation",
                pl.lit(LOCATIONS[0]).alias("location"),
                pl.Series("inspected", inspected.astype(float)),
                pl.Series("defective", defective.astype(float)),
                pl.Series("reason", [_REASONS[n] if d else None for n, d in zip(reason, defective, strict=True)]),
            )
            .filter(pl.Series(taken))
            .with_columns((pl.lit("P") + (900001 + first + pl.int_range(pl.len())).cast(pl.String)).alias("inspection"))
        )

    def drift(self, day: date) -> float:
        """Return by how many times its usual rate the drifting operation is worse on `day`."""
        begun = self.story_end - timedelta(days=DRIFT_DAYS)
        return DRIFT_FACTOR * min(max((day - begun).days / DRIFT_DAYS, 0.0), 1.5)
