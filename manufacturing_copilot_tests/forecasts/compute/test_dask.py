"""A Dask cluster gives the numbers that this process gives."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import numpy as np
import polars as pl
import pytest

from manufacturing_copilot.errors import ModelError
from manufacturing_copilot.forecasts.compute.engines import configured_engine
from manufacturing_copilot.forecasts.compute.shards import map_series, sharded
from manufacturing_copilot.forecasts.contract import Floats
from manufacturing_copilot.site import Frequency, Target
from manufacturing_copilot.store import Store
from manufacturing_copilot_tests.forecasts.compute.test_shards import HISTORIES, last_value
from manufacturing_copilot_tests.forecasts.plants import forecasts_of
from manufacturing_copilot_tests.forecasts.sharding import a_regular_plant, forecast_weekly

distributed = pytest.importorskip("distributed", reason="the extra dask is not installed: pip install '.[dask]'")

pytestmark = pytest.mark.filterwarnings("ignore")
"""Of Dask and its dependencies, about each other."""


def whoever_works() -> Callable[[Floats], Floats]:
    return lambda y: np.array([os.getpid()])


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a cluster of two processes on this machine."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as started:
        yield started.scheduler_address


@pytest.fixture
def on_dask(cluster: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COPILOT_ENGINE", "dask")
    monkeypatch.setenv("COPILOT_DASK_ADDRESS", cluster)
    monkeypatch.setenv("COPILOT_SHARD_SERIES", "6")


def test_forecasts_of_a_cluster_are_those_of_this_process(
    embedded: Store, on_dask: None, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    a_regular_plant(embedded)
    there = forecast_weekly(embedded)
    frames = [forecasts_of(embedded, Target.DEMAND, Frequency.WEEKLY).drop("run_id")]
    monkeypatch.setenv("COPILOT_ENGINE", "local")
    monkeypatch.setenv("COPILOT_DATABASE_URL", str(embedded.engine.url))
    monkeypatch.setenv("COPILOT_HOME", f"{tmp_path}/another home")
    here = forecast_weekly(embedded)
    frames.append(forecasts_of(embedded, Target.DEMAND, Frequency.WEEKLY).drop("run_id"))
    assert there.shards_computed == here.shards_computed > 4
    assert here.series_found_again == 0
    assert frames[0].select(pl.exclude(pl.Float64)).equals(frames[1].select(pl.exclude(pl.Float64)))
    numbers = [frame.select(pl.col(pl.Float64)).to_numpy() for frame in frames]
    assert np.allclose(*numbers, rtol=1e-4, atol=1e-4, equal_nan=True)


def test_the_processes_of_the_cluster_do_the_work(on_dask: None) -> None:
    with configured_engine() as engine, sharded(engine, size=1):
        workers, _ = map_series(f"{__name__}:whoever_works", HISTORIES, 1)
    assert os.getpid() not in workers.ravel().tolist()


def test_a_series_that_fails_there_is_named_here(on_dask: None) -> None:
    with configured_engine() as engine, sharded(engine, size=2):
        values, reasons = map_series(f"{last_value.__module__}:last_value", HISTORIES, 2, times=2.0)
    assert reasons == {2: "five is too odd"}
    assert np.delete(values, 2, axis=0).tolist() == [[2 * y[-1]] * 2 for y in HISTORIES if len(y) != 5]


def test_a_cluster_that_does_not_answer_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COPILOT_ENGINE", "dask")
    monkeypatch.setenv("COPILOT_DASK_ADDRESS", "tcp://127.0.0.1:9")
    refused = pytest.raises(ModelError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9")
    with refused, configured_engine(answer_within=0.5):
        pass
