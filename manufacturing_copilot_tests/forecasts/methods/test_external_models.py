"""Models from outside: they forecast, they fail visibly, and the declared method stands in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sqlalchemy as sa

from manufacturing_copilot.forecasts.contract import Outcome
from manufacturing_copilot.forecasts.forecast import forecast_target
from manufacturing_copilot.forecasts.methods import external_models
from manufacturing_copilot.runtime.policies import declared_policies
from manufacturing_copilot.runtime.registration import register_file
from manufacturing_copilot.site import Frequency, Target
from manufacturing_copilot.store import Store
from manufacturing_copilot.store import tables as t
from manufacturing_copilot_tests.forecasts.plants import AS_OF, forecasts_of
from manufacturing_copilot_tests.forecasts.sharding import WEEKLY, a_regular_plant
from manufacturing_copilot_tests.forecasts.tasks_for_tests import a_task, assert_sound
from manufacturing_copilot_tests.plugins import block, installed, slow_movers

ODD = '''
import numpy as np
import pandas as pd


class Odd:
    """Repeats the mean; raises on, or gives no number for, a series whose mean is the odd one."""

    def __init__(self, raises=False, quantiles=False):
        self.raises, self.quantiles = raises, quantiles

    def fit(self, history, season):
        self.level = history.groupby("unique_id")["y"].mean()
        self.last = history["ds"].max()
        if self.raises and (self.level.round() == 13).any():
            raise RuntimeError("thirteen is odd")
        return self

    def forecast(self, horizon):
        level = self.level.where(self.level.round() != 13).rename("mean").reset_index()
        found = level.merge(pd.DataFrame({"ds": range(self.last + 1, self.last + 1 + horizon)}), how="cross")
        names = ["q025", "q05", "q10", "q25", "q50", "q75", "q90", "q95", "q975", "q99"]
        return found.assign(**{name: found["mean"] + k for k, name in enumerate(names)}) if self.quantiles else found


class Alone(Odd):
    alone = True


class Negative:
    def fit(self, history, season):
        self.history = history

    def forecast(self, horizon):
        last = self.history["ds"].max()
        rows = [(u, last + k, -1.0) for u in self.history["unique_id"].unique() for k in range(1, horizon + 1)]
        return pd.DataFrame(rows, columns=["unique_id", "ds", "mean"])


class Wrong(Negative):
    def forecast(self, horizon):
        return {"mean": 1}
'''


@pytest.fixture
def odd(tmp_path: Path) -> Iterator[None]:
    with installed(tmp_path / "packages", "odd_models", ODD):
        yield


def outcome_of(plugin: str, levels: list[int], **options: object) -> Outcome:
    random = np.random.default_rng(1)
    values = [np.full(60, float(level)) + random.integers(-1, 2, 60) * (level != 13) for level in levels]
    declared = next(policy for policy in declared_policies() if policy.name == "demand/weekly/smooth")
    stand_in = {"code": declared.code, "parameters": dict(declared.parameters)}
    task = a_task(values, plugin=plugin, options=options, stand_in=stand_in)
    return external_models.forecast(task)


@pytest.mark.parametrize("name", ["Odd", "Alone"])
def test_a_series_it_gives_no_number_for_is_named_and_the_declared_method_stands_in(odd: None, name: str) -> None:
    outcome = outcome_of(f"odd_models:{name}", [5, 13, 20])
    assert_sound(outcome, 3, 6)
    [(row, reason)] = outcome.failures
    assert row == 1
    assert reason.startswith(f"the plug-in odd_models:{name}: ")
    assert reason.endswith("; the declared method regular stands in")
    assert outcome.mean[:, 0] == pytest.approx([5, 13, 20], abs=0.5)
    assert outcome.backtest is not None and outcome.backtest.rows.tolist() == [0, 2]
    assert outcome.notes["stood_in_for"] == 1


def test_a_call_that_raises_is_caught_and_every_series_is_named(odd: None, caplog: pytest.LogCaptureFixture) -> None:
    outcome = outcome_of("odd_models:Odd", [5, 13], raises=True)
    assert_sound(outcome, 2, 6)
    assert [row for row, _ in outcome.failures] == [0, 1]
    assert "RuntimeError: thirteen is odd" in outcome.failures[0][1]
    assert outcome.backtest is not None  # of the method that stands in
    assert "failed on all its series" in caplog.text


def test_of_models_that_work_alone_only_the_bad_series_fails(odd: None) -> None:
    outcome = outcome_of("odd_models:Alone", [5, 13], raises=True)
    assert [row for row, _ in outcome.failures] == [1]


def test_quantiles_of_its_own_are_taken(odd: None) -> None:
    outcome = outcome_of("odd_models:Odd", [5, 20], quantiles=True)
    assert np.allclose(outcome.quantiles - outcome.mean[:, :, None], np.arange(10))


def test_what_lies_below_zero_is_raised_and_counted(odd: None) -> None:
    outcome = outcome_of("odd_models:Negative", [5, 20])
    assert (outcome.mean == 0).all() and outcome.clipped == 2 and not outcome.failures


def test_an_answer_of_another_shape_is_a_failure_in_words(odd: None) -> None:
    outcome = outcome_of("odd_models:Wrong", [5])
    assert "it gave dict, expected a pandas frame with the columns unique_id, ds, mean" in outcome.failures[0][1]


def test_the_plug_in_of_the_guide_forecasts_as_champion(store: Store, tmp_path: Path) -> None:
    a_regular_plant(store)
    file = tmp_path / "slow_movers.yaml"
    file.write_text(block("slow_movers.yaml").replace("as: challenger", "as: champion"))
    with slow_movers(tmp_path / "packages"):
        register_file(store, file, "planner")
        summary = forecast_target(store, WEEKLY, Target.DEMAND, AS_OF)
    run = next(run for run in summary.runs if run.demand_class in ("lumpy", "intermittent"))
    assert run.failed == 0 and run.metrics.notes["model"] == "the plug-in slow_movers"
    assert run.metrics.measure("series_scored") == run.series
    frame = forecasts_of(store, Target.DEMAND, Frequency.WEEKLY).filter(pl.col("run_id") == run.id)
    # The plug-in says the same for every week; being brought together with categories and all moves it a little.
    spread = frame.group_by("name").agg((pl.col("mean").max() / pl.col("mean").min()).alias("spread"))["spread"]
    assert len(spread) == run.series and spread.max() < 1.2
    with store.read() as connection:
        code = connection.scalar(
            sa.select(t.model_version.c.code)
            .join(t.model_run, t.model_run.c.version_id == t.model_version.c.id)
            .where(t.model_run.c.id == run.id)
        )
    assert code == "manufacturing_copilot.forecasts.outside:forecast"


@pytest.mark.parametrize("name", ["ses.yaml", "trees.yaml"])
def test_the_library_models_of_the_guide_forecast(embedded: Store, tmp_path: Path, name: str) -> None:
    if name == "trees.yaml":
        pytest.importorskip("mlforecast", reason="the extra mlforecast is not installed: pip install '.[mlforecast]'")
    a_regular_plant(embedded)
    file = tmp_path / name
    file.write_text(f"{block(name)}\nas: champion\n")
    [version] = register_file(embedded, file, "planner")
    summary = forecast_target(embedded, WEEKLY, Target.DEMAND, AS_OF)
    run = next(run for run in summary.runs if run.demand_class == version.model.rpartition("/")[2])
    assert run.failed == 0 and run.metrics.measure("coverage_80") > 0.3
    assert any(word in run.metrics.notes["model"] for word in ("SimpleExponentialSmoothing", "LGBMRegressor"))


def test_frames_start_with_the_same_period_for_the_same_number(odd: None) -> None:
    seen: list[pd.DataFrame] = []

    class Seen:
        def fit(self, history: pd.DataFrame, season: int) -> None:
            seen.append(history)

        def forecast(self, horizon: int) -> pd.DataFrame:
            raise RuntimeError

    with pytest.raises(RuntimeError):
        external_models._called(Seen(), [np.arange(3.0), np.arange(5.0)], 1, 2)
    assert seen[0].groupby("unique_id")["ds"].agg(["min", "max"]).to_numpy().tolist() == [[2, 4], [0, 4]]
