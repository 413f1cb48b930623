"""Public histories as panels of ours, the last periods held back; and generated ones of any size.

The folder is COPILOT_DATA (default ../shared/data beside the project).
"""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from manufacturing_copilot.forecasts.contract import Floats
from manufacturing_copilot.forecasts.groups import ForecastGroup
from manufacturing_copilot.forecasts.history.panel import Panel, demand_panel
from manufacturing_copilot.forecasts.history.periods import periods_from
from manufacturing_copilot.forecasts.panel_forecast import forecast_panel
from manufacturing_copilot.runtime.policies import declared_policies
from manufacturing_copilot.runtime.registry import Champions, ModelVersion
from manufacturing_copilot.site import Frequency, Target

_NEXT = date(2024, 1, 1)
"""The first period ahead of histories that come without dates; it is a Monday."""

_M3_WITH_A_FREQUENCY = 2829
"""The number of the last series of M3 that is yearly, quarterly or monthly; what follows is "other"."""


@dataclass(frozen=True)
class HeldBack:
    """A panel of what a forecaster may see, and what came afterwards (series × horizon, in the panel's order)."""

    panel: Panel
    actual: Floats
    as_of: date


@dataclass(frozen=True)
class Forecast:
    """What our public path made of a panel, in the panel's order; `groups` as the asset writes them."""

    groups: list[ForecastGroup]
    mean: Floats
    quantiles: Floats
    deviation: Floats
    inflation: Floats
    sparse: np.ndarray


def data_folder() -> Path:
    """Return the folder of the public data; raises SystemExit with a sentence where it is not there."""
    folder = Path(os.environ.get("COPILOT_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
    if not (folder / "m3").is_dir():
        raise SystemExit(f"the public data is not at {folder}; set COPILOT_DATA to the folder that holds m3/ and m4/")
    return folder


def champions(frequency: Frequency) -> dict[tuple[Frequency, str], ModelVersion]:
    """Return what a fresh registry holds: the declared policies of demand as champions."""
    return {
        (policy.frequency, policy.demand_class): ModelVersion(
            0, policy.name, 1, "active", policy.code, policy.parameters, policy.package_versions(), policy.hash()
        )
        for policy in declared_policies()
        if policy.target is Target.DEMAND and policy.frequency is frequency
    }


def ours(held: HeldBack, versions: Champions | None = None) -> Forecast:
    """Forecast a panel by the functions that the asset calls, with the declared policies unless others are given."""
    panel = held.panel
    groups = forecast_panel(panel, versions or champions(panel.frequency), held.as_of)
    place = {name: row for row, name in enumerate(panel.keys["name"])}
    count = len(place)
    levels = groups[0].outcome.quantiles.shape[2]
    mean, quantiles = np.full((count, panel.horizon), np.nan), np.full((count, panel.horizon, levels), np.nan)
    deviation, inflation = np.full(count, np.nan), np.ones((count, panel.horizon))
    sparse = np.zeros(count, dtype=bool)
    for group in groups:
        rows = [place[name] for name in group.keys["name"]]
        mean[rows], quantiles[rows] = group.outcome.mean, group.outcome.quantiles
        deviation[rows], inflation[rows] = group.outcome.deviation, group.outcome.inflation
        sparse[rows] = group.demand_class not in ("smooth", "erratic")
    if np.isnan(mean).any():
        raise SystemExit("a series of the panel was not forecast")
    return Forecast(groups, mean, quantiles, deviation, inflation, sparse)


def m3(folder: Path) -> list[HeldBack]:
    """Return the 3,003 series of M3: monthly (18 ahead), quarterly, other (8 ahead), yearly (6 ahead).

    What comes once a year, or without a season, is forecast by the quarterly policy with no season.
    """
    with (folder / "m3" / "M3data.csv").open() as file:
        rows = list(csv.reader(line for line in file if not line.startswith("#")))
    known: dict[tuple[int, bool], list[tuple[str, str, Floats]]] = {}
    for row in rows:
        horizon, category = int(row[2]), row[3].strip()
        values = np.array([float(cell) for cell in row[6:] if cell.strip()])[: int(row[1])]
        other = int(row[0].strip().lstrip("N")) > _M3_WITH_A_FREQUENCY
        known.setdefault((horizon, other), []).append((row[0].strip(), category, values))
    kinds = {18: (Frequency.MONTHLY, 12), 8: (Frequency.QUARTERLY, 4), 6: (Frequency.QUARTERLY, 1)}
    found = []
    for (horizon, other), series in sorted(known.items()):
        frequency, season = kinds[horizon]
        found.append(_undated(series, frequency, 1 if other else season, horizon))
    return found


def m4_weekly(folder: Path) -> HeldBack:
    """Return the 359 weekly series of M4, 13 weeks held back."""
    train, test = (
        {
            row[0]: np.array([float(cell) for cell in row[1:] if cell.strip()])
            for row in list(csv.reader((folder / "m4" / part / f"Weekly-{part.lower()}.csv").open()))[1:]
        }
        for part in ("Train", "Test")
    )
    whole = [(name, "", np.concatenate([values, test[name]])) for name, values in train.items()]
    return _undated(whole, Frequency.WEEKLY, 52, 13)


def carparts(folder: Path) -> HeldBack:
    """Return the completely observed parts of carparts with sales in two of the first 39 months; 12 held back."""
    frame = pl.read_csv(folder / "carparts" / "carparts_long.csv", schema_overrides={"part_id": pl.String})
    sold = (pl.col("quantity") > 0) & (pl.col("month") <= "2001-03")
    whole = frame.group_by("part_id").agg(pl.col("quantity").is_null().any().alias("gaps"), sold.sum().alias("sold"))
    whole = whole.filter(~pl.col("gaps") & (pl.col("sold") >= 2))
    days = frame.join(whole, on="part_id", how="semi").select(
        pl.col("part_id").alias("sku"), (pl.col("month") + "-01").str.to_date().alias("day"), "quantity"
    )
    return _dated(days, Frequency.MONTHLY, date(2001, 3, 31), 12)


def m5_afcs(folder: Path) -> HeldBack:
    """Return the 149 items of the M5 excerpt, daily, 28 days held back."""
    sales = pl.read_csv(folder / "m5_afcs" / "sales_train_evaluation_afcs2020.csv")
    days = sales.unpivot(index="id", variable_name="d", value_name="quantity").select(
        pl.col("id").alias("sku"),
        pl.date(2011, 1, 28) + pl.duration(days=pl.col("d").str.slice(2).cast(pl.Int64)),
        "quantity",
    )
    days = days.rename({name: "day" for name in days.columns if name not in ("sku", "quantity")})
    return _dated(days, Frequency.DAILY, date(2011, 1, 28) + timedelta(days=1913), 28)


def generated(count: int, days: int, seed: int = 0, *, block: int = 2_000) -> pl.DataFrame:
    """Return demand of `count` items on `days` days in the mix of a shop: two thirds of the days without a sale.

    Columns item_id, location_id, day, quantity; only days with demand, as the store keeps them.
    """
    random = np.random.default_rng(seed)
    first = _NEXT - timedelta(days=days)
    weekday = np.array([(first + timedelta(days=k)).weekday() for k in range(days)])
    week = 1 + 0.35 * np.isin(weekday, (4, 5))
    frames = []
    for begin in range(0, count, block):  # a block at a time, for the memory
        size = min(block, count - begin)
        level = np.exp(random.normal(-0.9, 1.3, size))
        born = (random.random(size) < 0.4) * random.integers(0, int(0.7 * days), size)
        rate = level[:, None] * week[None, :]
        chance = random.uniform(0.3, 0.8, size)[:, None]
        values = random.negative_binomial(np.maximum(rate * chance / (1 - chance), 1e-6), chance)
        values[np.arange(days)[None, :] < born[:, None]] = 0
        item, day = np.nonzero(values)
        frames.append(
            pl.DataFrame(
                {"item_id": (item + begin + 1).astype(np.int64), "day": day, "quantity": values[item, day]}
            ).select(
                "item_id",
                pl.lit(1, pl.Int64).alias("location_id"),
                pl.lit(first) + pl.duration(days=pl.col("day")),
                pl.col("quantity").cast(pl.Float64),
            )
        )
    whole = pl.concat(frames)
    return whole.rename({name: "day" for name in whole.columns if name not in ("item_id", "location_id", "quantity")})


def generated_panel(demand: pl.DataFrame, frequency: Frequency, horizon: int) -> Panel:
    """Return the panel of generated demand, by the function that the asset calls."""
    ids = demand["item_id"].unique().sort()
    items = _items(ids.cast(pl.String).to_list())
    demand = demand.join(
        items.select(pl.col("item_id").alias("number"), pl.col("sku").cast(pl.Int64).alias("item_id")), on="item_id"
    )
    demand = demand.drop("item_id").rename({"number": "item_id"})
    return demand_panel(demand, items, _places(), frequency, _NEXT - timedelta(days=1), horizon)


def _items(skus: Sequence[str]) -> pl.DataFrame:
    return pl.DataFrame({"item_id": range(1, len(skus) + 1), "sku": skus}).with_columns(
        pl.lit(None, pl.String).alias("category"),
        pl.lit(None, pl.Date).alias("discontinued_on"),
        pl.lit(True).alias("active"),
    )


def _places() -> pl.DataFrame:
    return pl.DataFrame({"location_id": [1], "code": ["MAIN"]})


def _dated(days: pl.DataFrame, frequency: Frequency, as_of: date, horizon: int) -> HeldBack:
    skus = days["sku"].unique().sort().to_list()
    items = _items(skus)
    facts = days.join(items.select("sku", "item_id"), on="sku").select(
        "item_id", pl.lit(1, pl.Int64).alias("location_id"), "day", pl.col("quantity").cast(pl.Float64)
    )
    seen = facts.filter((pl.col("day") <= as_of) & (pl.col("quantity") != 0))
    panel = demand_panel(seen, items, _places(), frequency, as_of, horizon)
    later = facts.filter((pl.col("day") > as_of) & pl.col("day").is_in(panel.periods))
    wide = later.sort("day").pivot("day", index="item_id", values="quantity", aggregate_function="sum")
    actual = panel.keys.select("item_id").join(wide, on="item_id", how="left", maintain_order="left")
    return HeldBack(panel, actual.drop("item_id").fill_null(0.0).to_numpy(), as_of)


def _undated(series: Sequence[tuple[str, str, Floats]], frequency: Frequency, season: int, horizon: int) -> HeldBack:
    count = len(series)
    keys = pl.DataFrame(
        {"item_id": range(1, count + 1), "name": [name for name, _, _ in series], "category": [c for _, c, _ in series]}
    ).with_columns(
        pl.lit(1, pl.Int64).alias("location_id"),
        pl.lit(None, pl.Date).alias("discontinued_on"),
    )
    panel = Panel(
        frequency=frequency,
        keys=keys,
        values=[values[:-horizon] for _, _, values in series],
        periods=periods_from(_NEXT, frequency, horizon),
        steps=list(range(horizon)),
        season=season,
        clipped=0,
    )
    return HeldBack(panel, np.array([values[-horizon:] for _, _, values in series]), _NEXT - timedelta(days=1))
