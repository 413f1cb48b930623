"""A backfill over past days, by Dagster's own command, against the days as they were run one by one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa

from manufacturing_copilot.forecasts.forecast import forecast_target
from manufacturing_copilot.ingest.discovery.claim import claim
from manufacturing_copilot.ingest.loading.load import load_batch
from manufacturing_copilot.runtime.policies import declared_policies
from manufacturing_copilot.runtime.registry import register_declared
from manufacturing_copilot.site import Site, Target
from manufacturing_copilot.site.declaration import Known
from manufacturing_copilot.store.tables import forecast, inventory_snapshot, series
from manufacturing_copilot.unified.refresh.refresh import refresh
from manufacturing_copilot_tests.end_to_end import tiny
from manufacturing_copilot_tests.end_to_end.running import QUIET, Running, running
from manufacturing_copilot_tests.orchestration.test_commands import MODULE, command

pytestmark = QUIET
DAYS = [tiny.END - timedelta(days=passed) for passed in (2, 1, 0)]
LONG_AGO = tiny.END - timedelta(days=30)


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The small plant after three days, on each of which it heard something late and was run."""
    folder = tmp_path_factory.mktemp("past")
    home = folder / "home"
    home.mkdir()
    site = tiny.tiny_site(folder / "site", known="{history: first day}")
    with running(site, home) as ready:
        settings = home / "dagster" / "dagster.yaml"
        text = settings.read_text(encoding="utf-8")
        settings.write_text(text.replace(".copilot/dagster", str(home / "storage")), encoding="utf-8")
        with ready.store.write() as connection:
            register_declared(connection, declared_policies())
        for day in DAYS:
            deliver(home, day)
            live(ready, day)
        yield ready


def deliver(home: Path, day: date) -> None:
    """Write what came in on a day: its orders and counts, and from the second day on, orders and counts of before."""
    files = [tiny.drop(home, f"erp/items_{day:%Y%m%d}.csv", tiny.ITEMS_FILE.replace("Valve", f"Valve {day:%d}"))]
    if day == DAYS[0]:
        files.append(tiny.drop_orders(home, tiny.START, (day - tiny.START).days + 1))
    else:
        late = f"late{day:%d},1,P1,C1,{LONG_AGO},{LONG_AGO},{LONG_AGO},500,20.00,Sent"
        files.append(tiny.drop_orders(home, day, 1, late))
    files.append(tiny.drop_stock(home, day, seals=900 - day.day))
    if day != DAYS[0]:
        before = tiny.drop_stock(home, day - timedelta(days=1), seals=100)
        files.append(before.rename(before.with_name(f"stock_corrected_{day:%d}.csv")))
    night = datetime.combine(day + timedelta(days=1), time(2), UTC).timestamp()
    for file in files:
        os.utime(file, (night, night))


def live(plant: Running, day: date) -> None:
    """Load what waits, and make the facts and forecasts of the day."""
    for found in claim(plant.store, plant.site, plant.home, actor="test"):
        load_batch(plant.store, plant.site, found.reference, home=plant.home, actor="test")
    refresh(plant.store, plant.site, day)
    forecast_target(plant.store, plant.site, Target.DEMAND, day)


def stock(plant: Running) -> pl.DataFrame:
    return plant.rows(sa.select(inventory_snapshot).where(inventory_snapshot.c.day.in_(DAYS))).sort("day", "item_id")


def forecasts(plant: Running, *days: date) -> pl.DataFrame:
    names = ("as_of", "period", "mean", "q10", "q50", "q90")
    query = sa.select(series.c.name, *(forecast.c[name] for name in names)).join(series)
    return plant.rows(query.where(forecast.c.as_of.in_(days or DAYS))).sort("name", "as_of", "period")


def test_a_backfill_of_past_days_is_what_their_runs_gave(plant: Running) -> None:
    held = stock(plant), forecasts(plant)
    assert [held[0].filter(item_id=3, day=day)["on_hand"].item() for day in DAYS] == [871, 870, 869]
    with plant.store.write() as connection:
        connection.execute(sa.delete(inventory_snapshot))
        connection.execute(sa.delete(forecast))
    ended = command(
        *("dagster", "asset", "materialize", *MODULE),
        *("--select", 'key:"unified/inventory_snapshots" or key:"forecasts/demand"'),
        *("--partition-range", f"{DAYS[0]}...{DAYS[-1]}"),
    )
    assert ended.returncode == 0, ended.stderr[-4000:]
    assert stock(plant).drop("batch_id").equals(held[0].drop("batch_id"))
    assert forecasts(plant).equals(held[1])


def test_a_forecast_of_a_past_day_sees_no_row_that_came_later(plant: Running) -> None:
    def forecast_again(site: Site) -> pl.DataFrame:
        forecast_target(plant.store, site, Target.DEMAND, DAYS[0])
        return forecasts(plant, DAYS[0])

    held = forecasts(plant, DAYS[0])
    whenever_it_came = plant.site.model_copy(update={"known": Known(by="dates")})
    assert not forecast_again(whenever_it_came).equals(held)
    assert forecast_again(plant.site).equals(held)
