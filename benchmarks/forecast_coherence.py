"""The row on coherence: errors of base forecasts, and of the same reconciled.

Daily and weekly forecasts of 149 items of m5_afcs, of groups of 25 of them and of all,
at four cut-offs a quarter apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.forecast_data import champions
from manufacturing_copilot.forecasts.demand import DemandFacts, base_forecasts
from manufacturing_copilot.forecasts.groups import DatedForecast, ForecastGroup
from manufacturing_copilot.forecasts.history.panel import Panel
from manufacturing_copilot.forecasts.panel_forecast import forecast_panel
from manufacturing_copilot.forecasts.reconcile.reconcile import reconcile_forecasts
from manufacturing_copilot.site import Frequency

Measured = dict[str, float]

HORIZONS = {Frequency.DAILY: 28, Frequency.WEEKLY: 4}
CUT_OFFS = 4
APART_BY = timedelta(days=91)
NO_OVERRIDES = pl.DataFrame(schema={"first_day": pl.Date, "last_day": pl.Date})


def coherence_rows(folder: Path) -> Measured:
    """Return by how many per cent the error changes when forecasts are reconciled, at every level."""
    demand, items, places = _sales(folder)
    last = date(2011, 1, 28) + timedelta(days=1941)
    ratios: dict[str, list[float]] = {}
    for back in range(CUT_OFFS):
        # A Sunday, so that whole weeks lie ahead; the last leaves four of them to be judged by.
        as_of = last - timedelta(days=28) - back * APART_BY
        as_of -= timedelta(days=(as_of.weekday() + 1) % 7)
        for name, ratio in _compared(demand, items, places, as_of).items():
            ratios.setdefault(name, []).append(ratio)
    return {f"coherence_{name}": 100 * (float(np.mean(found)) - 1) for name, found in ratios.items()}


def _sales(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return demand, items (25 of them by number a category: the excerpt is of one department) and the one location."""
    sales = pl.read_csv(folder / "m5_afcs" / "sales_train_evaluation_afcs2020.csv")
    day = pl.date(2011, 1, 28) + pl.duration(days=pl.col("d").str.slice(2).cast(pl.Int64))
    long = sales.unpivot(index="id", variable_name="d", value_name="quantity")
    days = long.select(pl.col("id").alias("sku"), day.alias("day"), pl.col("quantity").cast(pl.Float64))
    items = days.select(pl.col("sku").unique().sort()).with_row_index("item_id", offset=1)
    items = items.with_columns(
        pl.col("item_id").cast(pl.Int64),
        (pl.col("sku").str.extract(r"_(\d{3})_").cast(pl.Int64) // 25).cast(pl.String).alias("category"),
        pl.lit(None, pl.Date).alias("discontinued_on"),
        pl.lit(True).alias("active"),
    )
    facts = days.filter(pl.col("quantity") != 0).join(items.select("sku", "item_id"), on="sku")
    places = pl.DataFrame({"location_id": [1], "code": ["MAIN"]})
    return facts.select("item_id", pl.lit(1).cast(pl.Int64).alias("location_id"), "day", "quantity"), items, places


def _compared(demand: pl.DataFrame, items: pl.DataFrame, places: pl.DataFrame, as_of: date) -> dict[str, float]:
    versions = champions(Frequency.DAILY) | champions(Frequency.WEEKLY)

    def forecast(panel: Panel, name: str | None) -> list[ForecastGroup]:
        return forecast_panel(panel, versions, as_of, name=name)

    facts = DemandFacts(demand.filter(pl.col("day") <= as_of), items, places)
    base = base_forecasts(facts, HORIZONS, as_of, forecast, "keep", lambda _: None)
    reconciled = reconcile_forecasts(base.items, base.aggregates, base.steady, base.weekdays, NO_OVERRIDES)
    named = demand.join(items, on="item_id").join(places, on="location_id")
    came = named.with_columns(pl.concat_str("sku", pl.lit(" @ "), "code").alias("name"))
    found = {}
    for frequency in HORIZONS:
        before = _errors([*base.items, *base.aggregates], frequency, came)
        after = _errors(reconciled, frequency, came)
        for level in ("items", "categories", "all"):
            found[f"{frequency.value}_{level}"] = after[level] / before[level]
    return found


def _errors(forecasts: Sequence[DatedForecast], frequency: Frequency, came: pl.DataFrame) -> dict[str, float]:
    """Return the root mean squared error of each level, every series scaled by the mean of what came of it."""
    every = {"daily": "1d", "weekly": "1w"}[frequency.value]
    per_item = came.with_columns(pl.col("day").dt.truncate(every).alias("period"))
    sums = pl.concat(
        [
            per_item.group_by("name", "period").agg(pl.col("quantity").sum()),
            per_item.group_by(pl.format("category {}", "category").alias("name"), "period").agg(
                pl.col("quantity").sum()
            ),
            per_item.group_by(pl.lit("all items").alias("name"), "period").agg(pl.col("quantity").sum()),
        ]
    )
    said = pl.concat(
        [
            pl.DataFrame(
                {
                    "name": np.repeat(forecast.group.keys["name"].to_numpy(), len(forecast.group.periods)),
                    "period": pl.Series(list(forecast.group.periods) * forecast.group.keys.height, dtype=pl.Date),
                    "mean": forecast.mean.ravel(),
                }
            )
            for forecast in forecasts
            if forecast.group.frequency is frequency
        ]
    )
    both = said.join(sums, on=["name", "period"], how="left").with_columns(pl.col("quantity").fill_null(0.0))
    scale = sums.group_by("name").agg(pl.col("quantity").mean().alias("scale"))
    level = (
        pl.when(pl.col("name") == "all items")
        .then(pl.lit("all"))
        .when(pl.col("name").str.starts_with("category "))
        .then(pl.lit("categories"))
        .otherwise(pl.lit("items"))
    )
    errors = (
        both.join(scale, on="name")
        .with_columns(((pl.col("mean") - pl.col("quantity")) / pl.col("scale")).alias("error"), level.alias("level"))
        .group_by("level")
        .agg((pl.col("error") ** 2).mean().sqrt())
    )
    return dict(errors.rows())


ROWS = {"coherence": coherence_rows}
