"""What the demo plant must remember from one day to the next, and its small files under the home folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from manufacturing_copilot.demo.catalogue import Vector

SALES = {
    "order_no": pl.String,
    "line_no": pl.Int64,
    "place": pl.Int64,
    "item": pl.String,
    "customer": pl.String,
    "location": pl.String,
    "ordered_on": pl.Date,
    "wanted_on": pl.Date,
    "requested_on": pl.Date,  # empty where the customer did not say: wanted_on is then the day of the order
    "shipped_on": pl.Date,
    "cancel_on": pl.Date,
    "quantity": pl.Float64,
    "price": pl.Float64,
    "status": pl.String,
}
RETURNS = {"place": pl.Int64, "item": pl.String, "customer": pl.String, "location": pl.String}
RETURNS |= {"return_on": pl.Date, "quantity": pl.Float64, "price": pl.Float64}
PURCHASES = {
    "order_no": pl.String,
    "line_no": pl.Int64,
    "place": pl.Int64,
    "item": pl.String,
    "supplier": pl.String,
    "location": pl.String,
    "ordered_on": pl.Date,
    "promised_on": pl.Date,
    "first_on": pl.Date,  # the day of the first delivery, of first_quantity
    "second_on": pl.Date,  # of the rest, where the delivery is split
    "first_quantity": pl.Float64,
    "quantity": pl.Float64,
    "received": pl.Float64,
    "price": pl.Float64,
    "status": pl.String,
}
WORKS = {
    "work_order": pl.String,
    "place": pl.Int64,
    "item": pl.String,
    "location": pl.String,
    "quantity": pl.Float64,
    "completed": pl.Float64,
    "scrapped": pl.Float64,
    "scrap_reason": pl.String,
    "operation": pl.String,
    "started_on": pl.Date,
    "due_on": pl.Date,
    "finish_on": pl.Date,
    "finished_on": pl.Date,
    "status": pl.String,
}


@dataclass
class State:
    """The plant at the end of a day. Vectors run over places; frames hold what is still open."""

    day: date
    on_hand: Vector
    on_order: Vector
    waited_for: Vector  # units that work orders wait for
    sales: pl.DataFrame
    returns: pl.DataFrame
    purchases: pl.DataFrame
    works: pl.DataFrame
    exported: pl.DataFrame  # the shop's rows of that day, of which the next export repeats a few
    counters: dict[str, int]


_FRAMES = ("sales", "returns", "purchases", "works", "exported")
_VECTORS = ("on_hand", "on_order", "waited_for")


def empty_state(day: date, on_hand: Vector) -> State:
    """Return the state of a plant that opens after `day` with `on_hand` in stock."""
    return State(
        day=day,
        on_hand=on_hand.copy(),
        on_order=np.zeros_like(on_hand),
        waited_for=np.zeros_like(on_hand),
        sales=pl.DataFrame(schema=SALES),
        returns=pl.DataFrame(schema=RETURNS),
        purchases=pl.DataFrame(schema=PURCHASES),
        works=pl.DataFrame(schema=WORKS),
        exported=pl.DataFrame(schema=SALES),
        counters={},
    )


def save_state(state: State, folder: Path) -> None:
    """Write `state` into `folder`: one JSON and a Parquet file a frame."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in _FRAMES:
        getattr(state, name).write_parquet(folder / f"{name}.parquet")
    pl.DataFrame({name: getattr(state, name) for name in _VECTORS}).write_parquet(folder / "places.parquet")
    plain = {"day": state.day.isoformat(), "counters": state.counters}
    (folder / "state.json").write_text(json.dumps(plain, indent=1), encoding="utf-8")


def load_state(folder: Path) -> State:
    """Return the state that `save_state` wrote into `folder`; raises FileNotFoundError where there is none."""
    plain = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    places = pl.read_parquet(folder / "places.parquet")

    def frame(name: str) -> pl.DataFrame:
        return pl.read_parquet(folder / f"{name}.parquet")

    return State(
        day=date.fromisoformat(plain["day"]),
        counters=plain["counters"],
        on_hand=places["on_hand"].to_numpy().copy(),
        on_order=places["on_order"].to_numpy().copy(),
        waited_for=places["waited_for"].to_numpy().copy(),
        sales=frame("sales"),
        returns=frame("returns"),
        purchases=frame("purchases"),
        works=frame("works"),
        exported=frame("exported"),
    )
