"""What the demo plant makes, buys and sells: items, suppliers, bills of materials, routings, places of stock.

Everything follows from the seed and the last day of the history; nothing here knows files.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

LOCATIONS = ("NORD", "SUED")
LOCATION_NAMES = ("Werk Nord, Hamburg", "Werk Süd, Augsburg")
FREIGHT = "FRACHT"
CLASS_SHARES = {
    "smooth": 0.22,
    "seasonal": 0.22,
    "trending": 0.14,
    "intermittent": 0.20,
    "lumpy": 0.10,
    "new": 0.06,
    "dying": 0.06,
}
_SUPPLIERS = (
    "Müller Präzision GmbH",
    "Kugelwerk Franken AG",
    "Dichtungs-Böhm KG",
    "Nordguss Gießerei",
    "Elektro Jansen",
    "Tecno Viti S.r.l.",
    "Alpina Antriebe",
    "Weser Stahlhandel",
    "Brno Castings s.r.o.",
    "Łódź Motors Sp. z o.o.",
    "Rhein Hydraulik",
    "Schwarzwald Federn",
)
SLIPPING = 4  # the place of the supplier that slips in _SUPPLIERS
_GOODS = ("Pump", "Valve", "Gearbox", "Motor", "Bearing set", "Seal kit", "Coupling", "Filter")
_SEMI = ("Shaft", "Housing", "Rotor", "Flange")
_PARTS = ("Casting", "Ball bearing", "O-ring", "Steel bar", "Screw", "Spring", "Winding", "Bush")
_OPERATIONS = ("TURN", "MILL", "GRIND", "ASSEMBLE", "TEST")
DAILY_LINES = {
    "smooth": 0.62,
    "seasonal": 0.52,
    "trending": 0.5,
    "intermittent": 0.06,
    "lumpy": 0.05,
    "new": 0.5,
    "dying": 0.45,
}

Vector = NDArray[np.float64]
Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Catalogue:
    """The plant's master data and its story. A place is an item at a location; arrays run over places.

    `items`: one row an item, in order of its number. `usage`: units that a place uses a day per unit that each
    other place sells a day, through all levels of the bills of materials (square, places by places).
    """

    items: pl.DataFrame
    suppliers: pl.DataFrame
    boms: pl.DataFrame
    routings: pl.DataFrame
    place_item: Numbers
    place_location: Numbers
    place_of: Numbers  # items by locations; -1 where the item is not kept
    daily_lines: Vector  # order lines a day at the start of the story; 0 for what is not sold
    line_quantity: Vector  # mean units of an order line
    usage: Vector
    controlled: pl.DataFrame  # operations under statistical control: item, operation, rate, chance
    forgotten: Numbers  # places whose replenishment somebody forgets
    miscounted: int  # the place whose stock is booked below zero
    drifting: int  # the row of `controlled` that drifts out of control

    def components(self, item: int) -> list[tuple[int, float]]:
        """Return (component, quantity per unit) of `item`'s bill of materials."""
        return self._bom.get(item, [])

    @cached_property
    def _bom(self) -> dict[int, list[tuple[int, float]]]:
        bom: dict[int, list[tuple[int, float]]] = {}
        for item, component, quantity in self.boms.select("item", "component", "quantity_per").iter_rows():
            bom.setdefault(item, []).append((component, quantity))
        return bom

    def skus(self, items: Numbers) -> list[str]:
        """Return the SKUs of `items`."""
        return self.items["sku"].gather(items).to_list()


def make_catalogue(*, end: date, seed: int, items: int, days: int) -> Catalogue:
    """Return the demo plant's master data for a history of `days` days up to `end`."""
    rng = np.random.default_rng([seed, 1])
    table = _items(rng, items=items, end=end, days=days)
    boms = _boms(rng, table, valid_from=end - timedelta(days=days - 1))
    routings = _routings(rng, table)
    place_item, place_location, place_of = _places(rng, table, boms)
    lines, quantity = _volumes(rng, table, place_item)
    controlled = _controlled(rng, table, routings, place_of)
    return Catalogue(
        items=table,
        suppliers=pl.DataFrame(
            {"supplier": [f"L{70010 + 10 * number}" for number in range(len(_SUPPLIERS))], "name": _SUPPLIERS}
        ),
        boms=boms,
        routings=routings,
        place_item=place_item,
        place_location=place_location,
        place_of=place_of,
        daily_lines=lines,
        line_quantity=quantity,
        usage=_usage(boms, place_item, place_location, place_of),
        controlled=controlled,
        forgotten=_forgotten(table, place_item, lines),
        miscounted=_miscounted(table, place_item),
        drifting=0,
    )


def _items(rng: np.random.Generator, *, items: int, end: date, days: int) -> pl.DataFrame:
    sold, semi = round(0.66 * items), round(0.12 * items)
    role = np.array(["sold"] * sold + ["semi"] * semi + ["part"] * (items - sold - semi))
    made = (role == "semi") | ((role == "sold") & (np.arange(items) % 20 < 9))
    demand_class = np.full(items, "none", dtype=object)
    demand_class[:sold] = _shuffled_classes(rng, sold)
    cost = np.round(np.where(role == "sold", rng.lognormal(3.6, 0.9, items), rng.lognormal(1.6, 0.8, items)), 2)
    cost[: min(3, sold)] = np.round(rng.uniform(1100, 2400, min(3, sold)), 2)
    lead = np.where(made, rng.integers(4, 11, items), rng.integers(8, 41, items))
    multiple = np.where(role == "sold", rng.choice([1, 2, 5, 10], items), rng.choice([10, 20, 50], items))
    barcode = [_ean(4012345000000 // 10 + 17 * number) for number in range(items)]
    discontinued = (demand_class == "dying") & (rng.random(items) < 0.4)
    supplier = np.where(made, -1, _suppliers(rng, role, made, demand_class))
    launch = [
        end - timedelta(days=int(rng.integers(40, max(41, min(200, days // 2))))) if c == "new" else None
        for c in demand_class
    ]
    return pl.DataFrame(
        {
            "item": np.arange(items),
            "sku": [f"{'HTE'[('sold', 'semi', 'part').index(r)]}-{1001 + n}" for n, r in enumerate(role)],
            "name": [_name(n, r) for n, r in enumerate(role)],
            "category": [_name(n, r).rsplit(" ", 1)[0] for n, r in enumerate(role)],
            "unit": np.where((role == "part") & (np.arange(items) % 8 == 3), "KG", "ST"),
            "barcode": barcode,
            "role": role,
            "made": made,
            "demand_class": demand_class.tolist(),
            "supplier": supplier,
            "lead_time_days": lead,
            "order_multiple": multiple,
            "minimum_order": multiple * rng.choice([1, 2, 4], items),
            "unit_cost": cost,
            "list_price": np.round(cost * rng.uniform(1.4, 2.1, items), 2),
            "discontinued_on": [end + timedelta(days=60) if gone else None for gone in discontinued],
            "launched_on": launch,
            # Some items go by their barcode in the shop, some by a code of its own in the stock system.
            "by_barcode": (role == "sold") & (np.arange(items) % 19 == 4),
            "stock_code": [f"LV{500000 + 7 * n}" if n % 23 == 4 else None for n in range(items)],
            "upwards": rng.random(items) < 0.6,
            "phase": rng.uniform(0, 365, items),
        },
        schema_overrides={"launched_on": pl.Date, "discontinued_on": pl.Date, "stock_code": pl.String},
    )


def _shuffled_classes(rng: np.random.Generator, count: int) -> list[str]:
    """Return `count` demand classes in the shares of CLASS_SHARES; each class at least twice."""
    others = [name for name in CLASS_SHARES if name != "smooth"]
    classes = [name for name in others for _ in range(max(2, round(CLASS_SHARES[name] * count)))]
    classes += ["smooth"] * (count - len(classes))
    return [classes[position] for position in rng.permutation(count)]


def _suppliers(rng: np.random.Generator, role: NDArray, made: NDArray, demand_class: NDArray) -> Numbers:
    """Return the supplier of each item; the one that slips has six sold items and two parts, no more."""
    others = [number for number in range(len(_SUPPLIERS)) if number != SLIPPING]
    supplier = rng.choice(others, len(role))
    regular = np.flatnonzero(~made & np.isin(demand_class, ["smooth", "seasonal", "trending"]))
    supplier[regular[:6]] = SLIPPING
    supplier[np.flatnonzero(role == "part")[:2]] = SLIPPING
    return supplier.astype(np.int64)


def _name(number: int, role: str) -> str:
    words = {"sold": _GOODS, "semi": _SEMI, "part": _PARTS}[role]
    return f"{words[number % len(words)]} {100 + number}"


def _ean(first_twelve: int) -> str:
    """Return the EAN-13 of twelve digits (GS1: weights 1 and 3, check digit to the next ten)."""
    digits = f"{first_twelve:012d}"
    total = sum(int(digit) * (3 if position % 2 else 1) for position, digit in enumerate(digits))
    return f"{digits}{-total % 10}"


def _boms(rng: np.random.Generator, table: pl.DataFrame, valid_from: date) -> pl.DataFrame:
    goods = table.filter((pl.col("role") == "sold") & pl.col("made"))["item"].to_list()
    semi = table.filter(pl.col("role") == "semi")["item"].to_list()
    parts = table.filter(pl.col("role") == "part")["item"].to_numpy()
    upper, lower = semi[: len(semi) // 2 + 1], semi[len(semi) // 2 + 1 :]
    by_weight = set(table.filter(pl.col("unit") == "KG")["item"].to_list())
    lines: list[tuple[int, int, float]] = []

    def add(item: int, among: list[int] | Numbers, count: int) -> None:
        for component in sorted(rng.choice(among, min(count, len(among)), replace=False).tolist()):
            per = float(rng.choice([0.25, 0.5, 1.5])) if component in by_weight else float(rng.integers(1, 5))
            lines.append((item, component, per))

    for item in goods:
        add(item, upper, 1)
        add(item, parts, int(rng.integers(1, 4)))
    for number, item in enumerate(upper):
        if lower and number % 2 == 0:
            add(item, lower, 1)
        add(item, parts, 2)
    for item in lower:
        add(item, parts, 2)
    frame = pl.DataFrame(lines, schema=["item", "component", "quantity_per"], orient="row")
    return frame.with_columns(pl.lit(0.02).alias("scrap_ratio"), pl.lit(valid_from).alias("valid_from"))


def _routings(rng: np.random.Generator, table: pl.DataFrame) -> pl.DataFrame:
    rows = []
    for item, role in table.filter("made").select("item", "role").iter_rows():
        operations = _OPERATIONS[:3] if role == "semi" else _OPERATIONS[2:]
        for step, operation in enumerate(operations, start=1):
            setup, run = float(rng.integers(10, 60)), float(np.round(rng.uniform(0.5, 6), 1))
            rows.append((item, 10 * step, operation, f"WC-{operation[:3]}", setup, run))
    columns = ["item", "step", "operation", "work_center", "setup_minutes", "run_minutes"]
    return pl.DataFrame(rows, schema=columns, orient="row")


def _places(rng: np.random.Generator, table: pl.DataFrame, boms: pl.DataFrame) -> tuple[Numbers, Numbers, Numbers]:
    """Return item and location of each place, and the place of each (item, location).

    What goes into an item is kept wherever the item is made.
    """
    kept = np.zeros((table.height, len(LOCATIONS)), dtype=bool)
    where = rng.choice(3, table.height, p=[0.55, 0.25, 0.20])
    sold = (table["role"] == "sold").to_numpy()
    kept[sold, 0] = where[sold] != 2
    kept[sold, 1] = where[sold] != 1
    for _level in range(3):
        for item, component in boms.select("item", "component").iter_rows():
            kept[component] |= kept[item]
    kept[~kept.any(axis=1), 0] = True
    item, location = np.nonzero(kept)
    place_of = np.full(kept.shape, -1, dtype=np.int64)
    place_of[item, location] = np.arange(len(item))
    return item.astype(np.int64), location.astype(np.int64), place_of


def _volumes(rng: np.random.Generator, table: pl.DataFrame, place_item: Numbers) -> tuple[Vector, Vector]:
    """Return order lines a day and units a line of each place, by the class of its item."""
    classes = np.array(table["demand_class"].to_list(), dtype=object)[place_item]
    spread = rng.lognormal(-0.12, 0.5, len(place_item))
    lines = np.array([DAILY_LINES.get(name, 0.0) for name in classes]) * spread
    quantity = rng.uniform(2, 9, table.height)[place_item]
    quantity = np.where(classes == "lumpy", rng.uniform(25, 60, len(place_item)), quantity)
    quantity = np.where(classes == "intermittent", rng.uniform(1.5, 4, len(place_item)), quantity)
    return lines, quantity


def _usage(boms: pl.DataFrame, place_item: Numbers, place_location: Numbers, place_of: Numbers) -> Vector:
    direct = np.zeros((len(place_item), len(place_item)))
    for item, component, per in boms.select("item", "component", "quantity_per").iter_rows():
        for location in range(place_of.shape[1]):
            above, below = place_of[item, location], place_of[component, location]
            if above >= 0 and below >= 0:
                direct[below, above] += per
    total, level = np.eye(len(place_item)), direct
    for _level in range(4):
        total += level
        level = direct @ level
    return total


def _controlled(
    rng: np.random.Generator, table: pl.DataFrame, routings: pl.DataFrame, place_of: Numbers
) -> pl.DataFrame:
    """Return the operations under statistical control; the first drifts and is looked at every working day."""
    regular = table.filter(pl.col("made") & pl.col("demand_class").is_in(["smooth", "seasonal", "none"]))["item"]
    items = [item for item in regular.to_list() if place_of[item, 0] >= 0][:16]
    steps = routings.filter(pl.col("item").is_in(items)).group_by("item", maintain_order=True).first()
    return steps.select(
        "item",
        "operation",
        pl.Series("rate", np.where(np.arange(steps.height) == 0, 0.02, rng.uniform(0.008, 0.03, steps.height))),
        pl.Series("chance", np.where(np.arange(steps.height) == 0, 1.0, 0.6)),
    )


def _forgotten(table: pl.DataFrame, place_item: Numbers, lines: Vector) -> Numbers:
    """Return up to twelve places, bought and steadily sold, whose replenishment somebody forgets at the end."""
    item = table.select("made", "supplier", "demand_class", "lead_time_days")
    steady = item.select(
        ~pl.col("made")
        & (pl.col("supplier") != SLIPPING)
        & pl.col("demand_class").is_in(["smooth", "seasonal"])
        & pl.col("lead_time_days").is_between(14, 36)
    ).to_series()
    candidates = np.flatnonzero(steady.to_numpy()[place_item] & (lines > 0.25))
    _, first = np.unique(place_item[candidates], return_index=True)
    return candidates[np.sort(first)][:12]


def _miscounted(table: pl.DataFrame, place_item: Numbers) -> int:
    classes = np.array(table["demand_class"].to_list(), dtype=object)[place_item]
    return int(np.flatnonzero(classes == "dying")[0])
