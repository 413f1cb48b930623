"""Shards: the same numbers however the work is cut, and nothing done twice after a kill."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import sqlalchemy as sa

from manufacturing_copilot.errors import ModelError
from manufacturing_copilot.forecasts.compute.engines import configured_engine
from manufacturing_copilot.forecasts.compute.shards import ThisProcess, map_series, sharded
from manufacturing_copilot.forecasts.contract import Floats
from manufacturing_copilot.forecasts.forecast import forecast_target
from manufacturing_copilot.runtime.runs import end_killed
from manufacturing_copilot.site import Frequency, Target
from manufacturing_copilot.store import Store
from manufacturing_copilot.store import tables as t
from manufacturing_copilot_tests.forecasts.plants import AS_OF, forecasts_of
from manufacturing_copilot_tests.forecasts.sharding import WEEKLY, a_regular_plant, forecast_weekly

HISTORIES = [np.arange(1.0, 4 + k) for k in range(7)]


def last_value(times: float) -> Callable[[Floats], Floats]:
    def forecast(y: Floats) -> Floats:
        if len(y) == 5:
            raise ValueError("five is too odd")
        return np.full(2, times * y[-1])

    return forecast


def no_number() -> Callable[[Floats], Floats]:
    return lambda y: np.array([np.nan])


def shown(store: Store) -> pl.DataFrame:
    return forecasts_of(store, Target.DEMAND, Frequency.WEEKLY).drop("run_id")


@pytest.mark.parametrize("size", [1, 3, 100])
def test_values_and_failures_stand_at_their_series_whatever_the_size_of_a_shard(tmp_path: Path, size: int) -> None:
    for again in (False, True):
        with sharded(ThisProcess(), tmp_path, size=size) as sharding:
            values, reasons = map_series(f"{__name__}:last_value", HISTORIES, 2, times=2.0)
        assert reasons == {2: "five is too odd"}
        assert np.isnan(values[2]).all()
        assert np.delete(values, 2, axis=0).tolist() == [[2 * y[-1]] * 2 for y in HISTORIES if len(y) != 5]
        # a failure is tried again: its reason may have been mended
        assert (sharding.reused, sharding.computed) == ((6, 1) if again else (0, -(-7 // size)))


def test_other_settings_another_history_and_a_changed_method_are_not_taken_for_the_kept_ones(tmp_path: Path) -> None:
    with sharded(ThisProcess(), tmp_path) as sharding:
        map_series(f"{__name__}:last_value", HISTORIES[:1], 2, times=2.0)
        assert map_series(f"{__name__}:last_value", HISTORIES[:1], 2, times=3.0)[0][0, 0] == 9
        assert map_series(f"{__name__}:last_value", [np.array([1.0, 2.0])], 2, times=2.0)[0][0, 0] == 4
        assert sharding.reused == 0


def test_series_that_are_alike_are_computed_once(tmp_path: Path) -> None:
    with sharded(ThisProcess(), tmp_path):
        values, _ = map_series(f"{__name__}:last_value", [HISTORIES[0]] * 5 + [HISTORIES[1]], 2, times=1.0)
    assert values[:, 0].tolist() == [3, 3, 3, 3, 3, 4]
    assert sum(pl.read_parquet(path).height for path in tmp_path.glob("*.parquet")) == 2


def test_a_forecast_that_is_no_number_is_a_failure() -> None:
    values, reasons = map_series(f"{__name__}:no_number", HISTORIES[:2], 1)
    assert np.isnan(values).all() and set(reasons.values()) == {"the model's forecast is not a number"}


def test_half_a_file_is_computed_again_and_old_ones_are_cleared_away(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with sharded(ThisProcess(), tmp_path):
        before, _ = map_series(f"{__name__}:last_value", HISTORIES[:2], 2, times=2.0)
    [kept] = tmp_path.glob("*.parquet")
    kept.write_bytes(kept.read_bytes()[:40])
    left = tmp_path / "x.1234.half"
    left.touch()
    os.utime(left, (0, 0))
    with sharded(ThisProcess(), tmp_path) as sharding:
        after, _ = map_series(f"{__name__}:last_value", HISTORIES[:2], 2, times=2.0)
    assert np.array_equal(before, after) and sharding.computed == 1
    assert "cannot be read" in caplog.text
    assert not left.exists()


def test_the_forecasts_are_the_same_whatever_the_number_of_shards(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import lightgbm

    a_regular_plant(store)
    frames, learned = [], []
    for size in (7, 1000):
        monkeypatch.setenv("COPILOT_SHARD_SERIES", str(size))
        monkeypatch.setenv("COPILOT_HOME", str(tmp_path / f"size {size}"))
        if store.is_sqlite:
            monkeypatch.setenv("COPILOT_DATABASE_URL", str(store.engine.url))
        summary = forecast_weekly(store)
        assert summary.series_found_again == 0
        frames.append(shown(store))
        learned.append(next(run.metrics.notes["learned"] for run in summary.runs if run.demand_class == "smooth"))
    assert frames[0].equals(frames[1])
    # What was learned over all of them is the same text, kept under its hash, and can be looked into.
    assert learned[0] == learned[1] != []
    kept = tmp_path / "size 7" / "forecasts" / "learned" / learned[0][0]["file"]
    assert hashlib.sha256(kept.read_bytes()).hexdigest() == kept.stem
    assert lightgbm.Booster(model_file=str(kept)).num_trees() > 0


def test_a_killed_run_is_called_killed_and_the_next_does_only_what_was_missing(
    store: Store, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_regular_plant(store)
    monkeypatch.setenv("COPILOT_SHARD_SERIES", "4")
    folder = home / "forecasts" / "shards"
    command = [sys.executable, "-m", "manufacturing_copilot_tests.forecasts.sharding", "4"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "4 shards are kept\n"
    with store.read() as connection:
        assert set(connection.scalars(sa.select(t.model_run.c.status))) == {"in_progress"}
    assert end_killed(store) == 0  # it lives
    process.send_signal(signal.SIGKILL)
    process.communicate()
    # A server notices a while later that the process is gone, and only then lets go of its lock.
    while not (killed := end_killed(store)):
        time.sleep(0.01)
    kept = sum(pl.read_parquet(path).height for path in folder.glob("*.parquet"))
    assert shown(store).is_empty()
    again = forecast_weekly(store)
    assert again.series_found_again == kept > 0
    after_kill = shown(store)
    with store.read() as connection:
        runs = connection.execute(sa.select(t.model_run).order_by(t.model_run.c.id)).all()
    statuses = [run.status for run in runs]
    assert statuses == ["killed"] * killed + ["success"] * (len(runs) - killed)
    assert "goes on from there" in runs[0].problem and runs[0].finished_at is not None
    assert runs[-1].peak_mb > 50 and runs[-1].finished_at >= runs[-1].started_at
    for path in folder.glob("*"):
        path.unlink()
    whole = forecast_weekly(store)
    assert whole.shards_computed > again.shards_computed > 0
    assert shown(store).equals(after_kill)


@pytest.mark.parametrize(("stop", "status"), [(KeyboardInterrupt, "cancelled"), (RuntimeError, "failed")])
def test_a_run_that_is_stopped_or_breaks_is_seen_as_such(
    embedded: Store, stop: type[BaseException], status: str
) -> None:
    a_regular_plant(embedded)

    def stops_at_the_first_shard(sentence: str) -> None:
        if "shard" in sentence:
            raise stop("the disk is full")

    with pytest.raises(stop):
        forecast_target(embedded, WEEKLY, Target.DEMAND, AS_OF, progress=stops_at_the_first_shard)
    with embedded.read() as connection:
        runs = connection.execute(sa.select(t.model_run)).all()
    assert {run.status for run in runs} == {status}
    assert {run.problem for run in runs} == {
        "it was stopped while it worked" if status == "cancelled" else "the disk is full"
    }


@pytest.mark.parametrize(
    ("engine", "address", "sentence"),
    [
        ("spark", "", "COPILOT_ENGINE is 'spark'; expected local or dask"),
        ("dask", "", "COPILOT_DASK_ADDRESS has to name the cluster"),
    ],
)
def test_an_engine_that_cannot_be_used_is_told_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, engine: str, address: str, sentence: str
) -> None:
    monkeypatch.setenv("COPILOT_ENGINE", engine)
    monkeypatch.setenv("COPILOT_DASK_ADDRESS", address)
    with pytest.raises(ModelError, match=sentence), configured_engine():
        pass


def test_a_shard_of_no_series_is_refused(monkeypatch: pytest.MonkeyPatch, embedded: Store) -> None:
    monkeypatch.setenv("COPILOT_SHARD_SERIES", "0")
    with pytest.raises(ModelError, match="COPILOT_SHARD_SERIES is '0'"):
        forecast_target(embedded, WEEKLY, Target.DEMAND, AS_OF)
