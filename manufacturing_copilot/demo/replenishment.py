"""How the demo plant fills its stock: order points, purchase orders and their deliveries, work orders.

A place orders its lot when stock position (on hand + on order − promised to others) falls below its order point:
demand over the lead time and a review day, plus safety stock. Somebody forgets a few places near the end of the
story, and one supplier slips.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from manufacturing_copilot.demo.catalogue import LOCATIONS, SLIPPING, Catalogue, Numbers, Vector
from manufacturing_copilot.demo.state import PURCHASES, WORKS, State

SAFETY_FACTOR = 3.0
LOT_DAYS_BOUGHT = 25
LOT_DAYS_MADE = 14
SLIP_BEGINS = 150  # days before the end of the story
SLIP_DAYS = 22  # how late the slipping supplier is at its end
FORGOTTEN_FROM = 120
FORGOTTEN_UNTIL = 10  # days after the end of the story
FORGOTTEN_COVER = 0.2  # stock left at the end of the story, in lead times of demand
REPROMISED_AFTER = 4  # days after its promise, a line that is far from coming is promised again
UNORDERED_DAYS = 30  # the place that is booked below zero is a dying item's: nobody orders it any more
SCRAP_RATE = 0.012
_SCRAP_REASONS = ("tool broken", "set-up part", "material fault")


@dataclass(frozen=True)
class Levels:
    """When each place orders and how much, in its item's unit."""

    rate: Vector  # units a day over the lead time
    reorder_point: Vector
    safety_stock: Vector
    lot: Vector


@dataclass(frozen=True)
class Arrived:
    """The day's receipts, and the purchase lines they changed."""

    receipts: pl.DataFrame
    lines: pl.DataFrame


def working_day(day: date) -> date:
    """Return `day`, or the Monday after it where it falls on a weekend."""
    return day + timedelta(days=max(0, 7 - day.weekday()) if day.weekday() >= 5 else 0)


class Replenishment:
    """Orders and deliveries of the plant with this catalogue."""

    def __init__(self, catalogue: Catalogue, *, story_end: date, days: int) -> None:
        """Prepare what does not change from day to day."""
        self.catalogue, self.story_end = catalogue, story_end
        items = catalogue.items[catalogue.place_item.tolist()]
        self.skus = items["sku"].to_list()
        self.locations = [LOCATIONS[number] for number in catalogue.place_location]
        self.made = items["made"].to_numpy()
        self.sold = (items["role"] == "sold").to_numpy()
        self.supplier = items["supplier"].to_numpy()
        self.supplier_codes = catalogue.suppliers["supplier"].to_list()
        self.lead = items["lead_time_days"].to_numpy()
        self.minimum = items["minimum_order"].to_numpy().astype(float)
        self.multiple = items["order_multiple"].to_numpy().astype(float)
        self.cost = items["unit_cost"].to_numpy()
        level = {"sold": 0, "semi": 1, "part": 2}
        self.level = np.array([level[role] for role in items["role"]])
        self.forgotten = np.isin(np.arange(len(self.lead)), catalogue.forgotten)
        self.slip_begins = story_end - timedelta(days=min(SLIP_BEGINS, days // 2))

    # --- how much ---------------------------------------------------------------------------------------

    def levels(self, ahead: Vector, square: Vector) -> Levels:
        """Return order points and lots from expected lines `ahead` (days by places), a planner's honest guess.

        Safety stock is z·√((lead + 1)·λ·E[q²]), compound Poisson demand, for what is sold; for what goes into
        other things, a share of its use and two of the largest lots that use it.
        """
        cumulated = np.cumsum(ahead, axis=0)
        span = self.lead + 1
        lines = cumulated[span - 1, np.arange(len(span))] / span
        sold_rate = lines * self.catalogue.line_quantity
        month = ahead[:28].mean(axis=0) * self.catalogue.line_quantity
        rate = np.where(self.sold, sold_rate, self.catalogue.usage @ month)
        days = np.where(self.made, LOT_DAYS_MADE, LOT_DAYS_BOUGHT)
        lot = self._rounded(np.maximum(self.minimum, rate * days))
        deviation = np.sqrt(span * lines * square)
        largest = self._direct_use(lot)
        safety = np.where(self.sold, SAFETY_FACTOR * deviation, 0.6 * rate * span + 2 * largest)
        gone = self.sold & (rate < 0.06 * self.catalogue.daily_lines * self.catalogue.line_quantity)
        point: Vector = np.where(gone, 0.0, rate * span + safety).astype(np.float64)
        return Levels(rate=rate, reorder_point=np.round(point, 1), safety_stock=np.round(safety, 1), lot=lot)

    def _rounded(self, quantity: Vector) -> Vector:
        return np.maximum(1.0, np.ceil(np.round(quantity / self.multiple, 6))) * self.multiple

    def _direct_use(self, lot: Vector) -> Vector:
        """Return the largest quantity of each place that one lot above it takes."""
        largest = np.zeros_like(lot)
        for place in np.flatnonzero(self.made):
            for below, per in self._components(int(place)):
                largest[below] = max(largest[below], lot[place] * per)
        return largest

    def _components(self, place: int) -> list[tuple[int, float]]:
        location = self.catalogue.place_location[place]
        below = self.catalogue.components(int(self.catalogue.place_item[place]))
        return [(int(self.catalogue.place_of[item, location]), per) for item, per in below]

    # --- ordering ---------------------------------------------------------------------------------------

    def order(
        self, state: State, rng: np.random.Generator, ahead: Vector, square: Vector, backlog: Vector
    ) -> tuple[pl.DataFrame, pl.DataFrame, Vector]:
        """Order where it is due; return new work orders, new purchase lines and what production took."""
        consumed = np.zeros_like(state.on_hand)
        if state.day.weekday() >= 5:
            return pl.DataFrame(schema=WORKS), pl.DataFrame(schema=PURCHASES), consumed
        levels = self.levels(ahead, square)
        works: list[dict] = []
        state.waited_for = np.zeros_like(state.on_hand)
        orders = np.ones(len(self.lead), dtype=bool)
        orders[self.catalogue.miscounted] = state.day < self.story_end - timedelta(days=UNORDERED_DAYS)
        short = orders & (self._position(state, backlog) < levels.reorder_point)
        for place in self._top_down(np.flatnonzero(short & self.made)):
            self._start(state, rng, place, float(levels.lot[place]), works, consumed)
        position = self._position(state, backlog)
        short = orders & (position < levels.reorder_point) & ~self.made
        lot = np.where(short, self._lots(levels, position), 0.0)
        lot = self._forgetful(state.day, lot, position, levels.rate)
        bought = self._buy(state, rng, np.flatnonzero(lot > 0), lot)
        started = pl.DataFrame(works, schema=WORKS)
        state.works = pl.concat([state.works, started])
        state.purchases = pl.concat([state.purchases, bought])
        # What will become of a work order is drawn when it starts, and known when it is finished.
        unknown = [pl.lit(0.0).alias("completed"), pl.lit(0.0).alias("scrapped")]
        unknown += [pl.lit(None, pl.String).alias(name) for name in ("scrap_reason", "operation")]
        return started.with_columns(unknown), bought, consumed

    def _position(self, state: State, backlog: Vector) -> Vector:
        return state.on_hand + state.on_order - backlog - state.waited_for

    def _lots(self, levels: Levels, position: Vector) -> Vector:
        missing = levels.reorder_point - position
        return np.where(missing > levels.lot, self._rounded(missing + levels.lot), levels.lot)

    def _top_down(self, places: Numbers) -> list[int]:
        return places[np.argsort(self.level[places], kind="stable")].tolist()

    def _start(
        self,
        state: State,
        rng: np.random.Generator,
        place: int,
        quantity: float,
        works: list[dict],
        consumed: Vector,
    ) -> None:
        """Start a work order where its components are there; else note what it waits for."""
        needs = [(below, quantity * per) for below, per in self._components(place)]
        if any(state.on_hand[below] < need for below, need in needs):
            for below, need in needs:
                state.waited_for[below] += need
            return
        for below, need in needs:
            state.on_hand[below] -= need
            consumed[below] += need
        state.on_order[place] += quantity
        number = state.counters.get("work", 0) + 1
        state.counters["work"] = number
        due = working_day(state.day + timedelta(days=int(self.lead[place])))
        late = int(rng.choice([0, 0, 0, 0, 1, 2]))
        operation = ("ASSEMBLE", "TEST")[number % 2] if self.sold[place] else ("TURN", "MILL")[number % 2]
        scrapped = float(rng.binomial(int(quantity), SCRAP_RATE))
        works.append(
            {
                "work_order": f"FA{300000 + number}",
                "place": place,
                "item": self.skus[place],
                "location": self.locations[place],
                "quantity": quantity,
                "completed": quantity - scrapped,
                "scrapped": scrapped,
                "scrap_reason": _SCRAP_REASONS[number % 3] if scrapped else None,
                "operation": operation if scrapped else None,
                "started_on": state.day,
                "due_on": due,
                "finish_on": working_day(due + timedelta(days=late)),
                "finished_on": None,
                "status": "open",
            }
        )

    def _forgetful(self, day: date, lot: Vector, position: Vector, rate: Vector) -> Vector:
        """Return the lots as they are really ordered: for forgotten places just enough to end almost empty."""
        left = (self.story_end - day).days
        if not -FORGOTTEN_UNTIL <= left <= FORGOTTEN_FROM:
            return lot
        at_end = position - rate * max(left, 0)
        aim = FORGOTTEN_COVER * self.lead * rate
        late = left < self.lead + 3
        enough = at_end > 0.1 * self.lead * rate
        last = self._rounded(np.maximum(aim - at_end, 1.0))
        return np.where(self.forgotten & (lot > 0), np.where(enough | late, 0.0, np.minimum(lot, last)), lot)

    def _buy(self, state: State, rng: np.random.Generator, places: Numbers, lot: Vector) -> pl.DataFrame:
        """Order `lot` of `places`: one purchase order for each supplier and location."""
        rows: list[dict] = []
        order = np.lexsort((places, self.catalogue.place_location[places], self.supplier[places]))
        above: tuple[int, str] | None = None
        for place in places[order].tolist():
            head = (int(self.supplier[place]), self.locations[place])
            if head != above:
                state.counters["purchase"] = state.counters.get("purchase", 0) + 1
                above, line = head, 0
            line += 1
            quantity = float(lot[place])
            state.on_order[place] += quantity
            promised = working_day(state.day + timedelta(days=int(self.lead[place])))
            first = working_day(promised + timedelta(days=self._lateness(head[0], promised, rng)))
            split = rng.random() < 0.1 and quantity >= 10
            wait = int(rng.integers(2, 6))
            rows.append(
                {
                    "order_no": f"PO{45000 + state.counters['purchase']}",
                    "line_no": line,
                    "place": place,
                    "item": self.skus[place],
                    "supplier": self.supplier_codes[head[0]],
                    "location": head[1],
                    "ordered_on": state.day,
                    "promised_on": promised,
                    "first_on": first,
                    "second_on": working_day(first + timedelta(days=wait)) if split else None,
                    "first_quantity": float(round(0.6 * quantity)) if split else quantity,
                    "quantity": quantity,
                    "received": 0.0,
                    "price": float(self.cost[place]),
                    "status": "open",
                }
            )
        return pl.DataFrame(rows, schema=PURCHASES)

    def _lateness(self, supplier: int, promised: date, rng: np.random.Generator) -> int:
        """Return days by which a delivery misses its promise."""
        usual = int(rng.choice([-2, -1, 0, 0, 0, 0, 0, 0, 0, 1]))
        stretch = float(rng.uniform(0.6, 1.2))
        if supplier != SLIPPING or promised <= self.slip_begins:
            return usual
        share = (promised - self.slip_begins).days / (self.story_end - self.slip_begins).days
        return round(SLIP_DAYS * min(share, 1.2) * stretch)

    # --- deliveries -------------------------------------------------------------------------------------

    def receive(self, state: State, rng: np.random.Generator) -> Arrived:
        """Book what arrives today; return the receipts and the purchase lines as they stand now."""
        today = pl.lit(state.day)
        first, second = pl.col("first_on") == today, (pl.col("second_on") == today).fill_null(False)
        coming = state.purchases.filter(first | second).with_columns(
            pl.when(first)
            .then("first_quantity")
            .otherwise(pl.col("quantity") - pl.col("first_quantity"))
            .alias("coming")
        )
        refused = np.where(rng.random(coming.height) < 0.02, np.ceil(coming["coming"].to_numpy() * 0.05), 0.0)
        number = state.counters.get("receipt", 0)
        state.counters["receipt"] = number + coming.height
        receipts = coming.select(
            (pl.lit("WE") + (800001 + number + pl.int_range(pl.len())).cast(pl.String)).alias("receipt_no"),
            *("order_no", "line_no", "place", "item", "location"),
            today.alias("received_on"),
            pl.col("coming").alias("quantity"),
            pl.Series("rejected_quantity", refused, dtype=pl.Float64),
        )
        places = receipts["place"].to_numpy()
        np.add.at(state.on_hand, places, receipts["quantity"].to_numpy() - refused)
        np.subtract.at(state.on_order, places, receipts["quantity"].to_numpy())
        lines = coming.with_columns(pl.col("received") + pl.col("coming")).with_columns(
            pl.when(pl.col("received") >= pl.col("quantity"))
            .then(pl.lit("closed"))
            .otherwise(pl.lit("open"))
            .alias("status")
        )
        untouched = state.purchases.filter(~(first | second))
        lines = lines.select(list(PURCHASES))
        state.purchases = pl.concat([untouched, lines.filter(pl.col("status") == "open")])
        return Arrived(receipts=receipts, lines=lines.filter(pl.col("status") == "closed"))

    def promise_again(self, state: State) -> pl.DataFrame:
        """Move the promise of lines that are far from coming to five days before they will; return them."""
        overdue = pl.col("promised_on") == state.day - timedelta(days=REPROMISED_AFTER)
        far = overdue & (pl.col("first_on") > state.day + timedelta(days=6))
        far &= pl.col("order_no").str.slice(-1).is_in(["1", "4", "7"])  # of most lines nobody says a word
        purchases = state.purchases.with_columns(
            pl.when(far)
            .then(pl.col("first_on") - pl.duration(days=5))
            .otherwise("promised_on")
            .cast(pl.Date)
            .alias("promised_on")
        )
        changed = purchases.filter(state.purchases.select(far).to_series())
        state.purchases = purchases
        return changed

    def finish(self, state: State) -> pl.DataFrame:
        """Book the work orders that finish today and return them."""
        done = pl.col("finish_on") <= state.day
        finished = state.works.filter(done).with_columns(
            pl.lit(state.day).alias("finished_on"), pl.lit("finished").alias("status")
        )
        places = finished["place"].to_numpy()
        np.add.at(state.on_hand, places, finished["completed"].to_numpy())
        np.subtract.at(state.on_order, places, finished["quantity"].to_numpy())
        state.works = state.works.filter(~done)
        return finished
