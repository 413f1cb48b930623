"""The cost rows: a panel of the size of M5, the whole asset beside bare statsforecast, and what more series cost.

Each row runs in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import sqlalchemy as sa

from benchmarks.forecast_data import champions, generated, generated_panel
from manufacturing_copilot.forecasts.groups import dated_forecast
from manufacturing_copilot.forecasts.history.classes import classify
from manufacturing_copilot.forecasts.history.panel import Panel
from manufacturing_copilot.forecasts.panel_forecast import forecast_panel
from manufacturing_copilot.forecasts.recording import write_groups
from manufacturing_copilot.runtime.policies import declared_policies
from manufacturing_copilot.runtime.registry import Champions, register_declared
from manufacturing_copilot.site import Frequency, Target
from manufacturing_copilot.store import Store, insert_frame, open_store
from manufacturing_copilot.store import tables as t

Measured = dict[str, float]

WEEKS = 104
HORIZON = 13


def m5_size() -> Measured:
    """30,490 items on 1,941 days: from the frame of demand to forecasts, scores and runs in the store."""
    demand = generated(30_490, 1_941)
    with _store(demand) as store:
        wall = time.perf_counter()
        panel = generated_panel(demand, Frequency.DAILY, 28)
        _forecast_and_write(store, panel)
        minutes = (time.perf_counter() - wall) / 60
    return {"m5_size_minutes": minutes, "m5_size_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2}


def asset() -> Measured:
    """CPU of our whole weekly asset over that of statsforecast's own forecast and cross-validation.

    Both see the same frame, the same models (those of statsforecast that our policies name for the class of each
    series) and the same windows. Beside it the asset with all that the policies name: boosted trees and regressions
    over all series are no models of statsforecast, and have no peer here.
    """
    demand = generated(2_000, 7 * WEEKS)
    with _store(demand) as store:
        panel = generated_panel(demand, Frequency.WEEKLY, HORIZON)
        _bare(_some(panel, 40))  # imports and first calls count for neither
        bare = min(_cpu(lambda: _bare(panel)) for _ in range(2))
        same = _registered(store, panel.frequency, _of_statsforecast)
        alike = min(_cpu(lambda: _forecast_and_write(store, panel, same)) for _ in range(2))
        whole = min(_cpu(lambda: _forecast_and_write(store, panel)) for _ in range(2))
    return {"asset_ratio": alike / bare, "asset_all_ratio": whole / bare}


def growth() -> Measured:
    """CPU per series of the weekly asset at 30,000 series over that at 3,000, less 1."""
    costs: dict[int, float] = {}
    for count in (3_000, 30_000):
        demand = generated(count, 7 * WEEKS)
        with _store(demand) as store:
            panel = generated_panel(demand, Frequency.WEEKLY, HORIZON)
            if not costs:
                _forecast_and_write(store, _some(panel, 40))
            costs[count] = _cpu(lambda s=store, p=panel: _forecast_and_write(s, p)) / panel.keys.height  # type: ignore[misc]
    return {"growth": 100 * (costs[30_000] / costs[3_000] - 1)}


def _forecast_and_write(store: Store, panel: Panel, versions: Champions | None = None) -> None:
    day = panel.periods[0]
    groups = forecast_panel(panel, versions or _registered(store, panel.frequency), day)
    with store.write() as connection:
        write_groups(connection, Target.DEMAND, [dated_forecast(group) for group in groups], day)


def _registered(
    store: Store, frequency: Frequency, change: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict
) -> Champions:
    from manufacturing_copilot.runtime.registry import champion

    with store.read() as connection:
        found = {
            key: champion(connection, Target.DEMAND.value, frequency.value, key[1]) for key in champions(frequency)
        }
    return {key: replace(version, parameters=change(version.parameters)) for key, version in found.items()}


def _of_statsforecast(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the parameters of a policy with those of its models alone that statsforecast has."""
    kept = {name: value for name, value in parameters.items() if not name.startswith("tree_")}
    if "models" in kept:
        kept["models"] = [name for name in kept["models"] if name in ("dynamic_theta", "theta", "ces")]
    return kept


def _bare(panel: Panel) -> None:
    from statsforecast import StatsForecast
    from statsforecast import models as sf

    kinds = np.array(classify(panel.values, panel.frequency, [False] * len(panel.values)))
    regular = np.isin(kinds, ("smooth", "erratic"))
    theta = [
        sf.DynamicOptimizedTheta(season_length=1),
        sf.Theta(season_length=1),
        sf.AutoCES(season_length=1, model="N"),
    ]
    sparse = [sf.ADIDA(), sf.IMAPA(), sf.TSB(alpha_d=0.3, alpha_p=0.1)]
    for chosen, models, windows in ((regular, theta, 2), (~regular, sparse, 1)):
        rows = [i for i in np.flatnonzero(chosen).tolist() if len(panel.values[i]) > (windows + 1) * HORIZON]
        if not rows:
            continue
        frame = pl.DataFrame(
            {
                "unique_id": np.repeat(rows, [len(panel.values[i]) for i in rows]),
                "ds": np.concatenate([np.arange(len(panel.values[i])) for i in rows]),
                "y": np.concatenate([panel.values[i] for i in rows]),
            }
        )
        engine = StatsForecast(models=models, freq=1, n_jobs=1)
        engine.forecast(df=frame, h=HORIZON)
        engine.cross_validation(df=frame, h=HORIZON, n_windows=windows, step_size=HORIZON)


def _some(panel: Panel, count: int) -> Panel:
    return Panel(
        panel.frequency,
        panel.keys.head(count),
        panel.values[:count],
        panel.periods,
        panel.steps,
        panel.season,
        panel.clipped,
    )


def _cpu(work: Callable[[], None]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


class _store:  # noqa: N801 - used as a function
    """A store of its own on SQLite with the items of the frame and the declared policies."""

    def __init__(self, demand: pl.DataFrame) -> None:
        self.ids = demand["item_id"].unique().sort()
        self.folder = tempfile.TemporaryDirectory()

    def __enter__(self) -> Store:
        os.environ["COPILOT_HOME"] = self.folder.name
        os.environ.pop("COPILOT_DATABASE_URL", None)
        self.store = open_store()
        with self.store.write() as connection:
            register_declared(connection, declared_policies())
            items = pl.DataFrame({"sku": self.ids.cast(pl.String)}).with_row_index("id", offset=1)
            insert_frame(
                connection,
                t.item,
                items.with_columns(
                    pl.col("id").cast(pl.Int64), pl.lit(False).alias("service"), pl.lit(True).alias("active")
                ),
            )
            connection.execute(sa.insert(t.location).values(id=1, code="MAIN"))
        return self.store

    def __exit__(self, *_: object) -> None:
        self.store.close()
        self.folder.cleanup()


def _apart(work: Callable[[], Measured]) -> Callable[[Path | None], Measured]:
    def run(_: Path | None) -> Measured:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            return pool.apply(work)

    return run


ROWS: dict[str, Callable[[Path | None], Measured]] = {
    "m5_size": _apart(m5_size),
    "asset": _apart(asset),
    "growth": _apart(growth),
}
