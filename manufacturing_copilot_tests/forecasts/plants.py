"""A small plant's facts, written straight into the unified tables: what forecasting starts from."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.forecasts.forecast import forecast_target
from manufacturing_copilot.forecasts.recording import ForecastSummary
from manufacturing_copilot.planning.inventory import project_inventory
from manufacturing_copilot.runtime.policies import declared_policies
from manufacturing_copilot.runtime.registry import register_declared
from manufacturing_copilot.site import Frequency, Site, Target
from manufacturing_copilot.store import Store, insert_frame
from manufacturing_copilot.store import tables as t

AS_OF = date(2024, 6, 19)
"""A Wednesday: the week, the month and the quarter are in progress."""

ALL_FREQUENCIES = {
    Target.DEMAND: (Frequency.DAILY, Frequency.WEEKLY, Frequency.MONTHLY),
    Target.SUPPLY: (Frequency.WEEKLY,),
    Target.QUALITY: (Frequency.WEEKLY,),
    Target.INVENTORY: (Frequency.DAILY,),
}


def a_site(forecasts: dict[Target, tuple[Frequency, ...]] | None = None, clock: date = AS_OF) -> Site:
    """A site that declares these forecasts and nothing else that matters here.

    A day that lies before its clock would be made from the records known then, of which these plants have none.
    """
    return Site.model_construct(
        site="Hall 4",
        zone="UTC",
        clock=clock,
        history_from=date(2022, 1, 1),
        sources={},
        forecasts=ALL_FREQUENCIES if forecasts is None else forecasts,
        horizons={Frequency.DAILY: 28, Frequency.WEEKLY: 13, Frequency.MONTHLY: 6, Frequency.QUARTERLY: 4},
        folder=Path("site"),
        feeds=(),
        schedule="05:30",
        schedule_on=True,
    )


def with_models(store: Store) -> Store:
    with store.write() as connection:
        register_declared(connection, declared_policies())
    return store


def add_items(connection: sa.Connection, count: int = 1, locations: int = 1, **columns: object) -> None:
    """Items S0001… numbered from 1 in categories A to D, at locations numbered from 1, bought from supplier 1."""
    connection.execute(sa.insert(t.supplier).values(id=1, code="ACME"))
    insert_frame(
        connection,
        t.item,
        pl.DataFrame(
            {
                "id": range(1, count + 1),
                "sku": [f"S{k:04d}" for k in range(1, count + 1)],
                "category": ["ABCD"[k % 4] for k in range(count)],
                "supplier_id": [1] * count,
                "service": [False] * count,
                "active": [True] * count,
            }
        ).with_columns(pl.lit(value).alias(name) for name, value in columns.items()),
    )
    insert_frame(
        connection,
        t.location,
        pl.DataFrame({"id": range(1, locations + 1), "code": [f"L{k}" for k in range(1, locations + 1)]}),
    )


def add_demand(
    connection: sa.Connection, quantities: np.ndarray, *, item: int = 1, location: int = 1, until: date = AS_OF
) -> None:
    """Demand per day, the last of them on `until`; days without are not written."""
    first = until - timedelta(days=len(quantities) - 1)
    frame = pl.DataFrame(
        {
            "day": [first + timedelta(days=k) for k in range(len(quantities))],
            "quantity": np.asarray(quantities, dtype=float),
        }
    ).filter(pl.col("quantity") != 0)
    insert_frame(
        connection,
        t.demand_day,
        frame.select(
            "day",
            pl.lit(item).alias("item_id"),
            pl.lit(location).alias("location_id"),
            "quantity",
            pl.lit(1).alias("order_lines"),
        ),
    )


def add_stock(
    connection: sa.Connection, on_hand: float, *, item: int = 1, location: int = 1, day: date = AS_OF
) -> None:
    connection.execute(
        sa.insert(t.inventory_snapshot).values(
            day=day, item_id=item, location_id=location, on_hand=on_hand, reserved=0, on_order=0, counted_on=day
        )
    )


def add_receipts(
    connection: sa.Connection,
    lead_days: list[int],
    *,
    every: int = 7,
    item: int = 1,
    supplier: int | None = 1,
    until: date = AS_OF,
    prefix: str = "PO",
) -> None:
    """Received purchase lines, one every `every` days, the last of them received on `until`."""
    count = len(lead_days)
    received = [until - timedelta(days=every * (count - 1 - k)) for k in range(count)]
    insert_frame(
        connection,
        t.supply_line,
        pl.DataFrame(
            {
                "order_no": [f"{prefix}{item}-{k}" for k in range(count)],
                "ordered_on": [day - timedelta(days=lead) for day, lead in zip(received, lead_days, strict=True)],
                "received_on": received,
                "last_received_on": received,
            }
        ).with_columns(
            pl.lit(False).alias("made"),
            pl.lit("1").alias("line_no"),
            pl.lit(item).alias("item_id"),
            pl.lit(1).alias("location_id"),
            pl.lit(supplier, pl.Int64).alias("supplier_id"),
            pl.lit(100.0).alias("ordered"),
            pl.lit(100.0).alias("received"),
            pl.lit(0.0).alias("rejected"),
            pl.lit("closed").alias("status"),
        ),
    )


def add_inspections(connection: sa.Connection, bad: list[float], *, inspected: float = 200.0, item: int = 1) -> None:
    """One day of inspections a week, the last a week before AS_OF."""
    days = [AS_OF - timedelta(days=7 * (len(bad) - k)) for k in range(len(bad))]
    insert_frame(
        connection,
        t.quality_day,
        pl.DataFrame({"day": days, "defective": bad}).with_columns(
            pl.lit(item).alias("item_id"),
            pl.lit("milling").alias("operation"),
            pl.lit("inspections").alias("origin"),
            pl.lit(inspected).alias("inspected"),
            pl.lit(0.0).alias("scrapped"),
        ),
    )


def make_forecast(store: Store, site: Site, target: Target, as_of: date = AS_OF, **options: Any) -> ForecastSummary:
    """Let the stage that makes a target's forecast make it."""
    if target is Target.INVENTORY:
        return project_inventory(store, site, as_of, **options)
    return forecast_target(store, site, target, as_of, **options)


def forecasts_of(store: Store, target: Target, frequency: Frequency, as_of: date = AS_OF) -> pl.DataFrame:
    from manufacturing_copilot.store import read_frame

    with store.read() as connection:
        frame = read_frame(
            connection,
            sa.select(t.series.c.name, t.series.c.demand_class, *t.forecast.columns)
            .join(t.forecast, t.forecast.c.series_id == t.series.c.id)
            .where(
                t.series.c.target == target.value,
                t.series.c.frequency == frequency.value,
                t.forecast.c.as_of == as_of,
            ),
        )
    return frame.sort("name", "period")
