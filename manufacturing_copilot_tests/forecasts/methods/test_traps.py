"""What the forecasting libraries do unexpectedly, each shown as it is, and what ours does instead."""

from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version

import numpy as np
import polars as pl
import pytest

from manufacturing_copilot.forecasts.compute.shards import SeriesWork, ShardResult, ThisProcess, sharded
from manufacturing_copilot.forecasts.contract import Floats, seasonal_naive
from manufacturing_copilot.forecasts.history.periods import HISTORY
from manufacturing_copilot.forecasts.methods import members, regular, sparse
from manufacturing_copilot.runtime.policies import REGULAR, declared_policies
from manufacturing_copilot.site import Target
from manufacturing_copilot_tests.forecasts.tasks_for_tests import a_task, assert_sound

RANDOM = np.random.default_rng(53)
SPARSE = (RANDOM.random(60) < 0.3) * RANDOM.poisson(3, 60).astype(float)


def test_the_libraries_are_those_that_were_measured() -> None:
    assert version("statsforecast").startswith("2.1.")  # 2.0 compiles for seconds and breaks with pandas 3
    assert version("pandas").startswith("2.")


@pytest.mark.parametrize("name", ["CrostonClassic", "CrostonSBA", "TSB", "IMAPA", "ADIDA", "WindowAverage"])
def test_models_of_sparse_demand_refuse_levels(name: str) -> None:
    from statsforecast import models

    made = {"TSB": (0.3, 0.1), "WindowAverage": (12,)}
    model = getattr(models, name)(*made.get(name, ()))
    with pytest.raises(Exception, match="prediction_intervals"):
        model.forecast(y=SPARSE, h=3, level=[80])


def test_no_model_is_asked_for_bounds_which_cost_many_times_the_forecast(monkeypatch: pytest.MonkeyPatch) -> None:
    from statsforecast import models

    asked: list[object] = []
    for name in ("DynamicOptimizedTheta", "Theta", "AutoETS", "AutoCES", "IMAPA", "TSB"):
        kind = getattr(models, name)

        def watched(self: object, *args: object, _forecast: Callable = kind.forecast, **options: object) -> object:
            asked.append(options.get("level"))
            return _forecast(self, *args, **options)

        monkeypatch.setattr(kind, "forecast", watched)
    few = {"trees": 5, "rows": 2_000, "windows": 1}
    regular.forecast(a_task([RANDOM.poisson(9, 40)], models=["dynamic_theta", "theta", "ets", "ces"], **few))
    sparse.forecast(a_task([SPARSE], "lumpy"))
    assert len(asked) >= 12 and set(asked) == {None}


def test_one_short_series_ends_the_librarys_conformal_bounds_for_all_but_not_ours() -> None:
    from statsforecast import StatsForecast
    from statsforecast.models import DynamicOptimizedTheta
    from statsforecast.utils import ConformalIntervals

    values = [RANDOM.poisson(30, 60).astype(float), RANDOM.poisson(30, 9).astype(float)]
    frame = pl.DataFrame(
        {
            "unique_id": np.repeat([0, 1], [60, 9]),
            "ds": np.concatenate([np.arange(60), np.arange(51, 60)]),
            "y": np.concatenate(values),
        }
    )
    theirs = StatsForecast(models=[DynamicOptimizedTheta()], freq=1)
    with pytest.raises(Exception, match=r"(?i)short|samples|windows"):
        theirs.forecast(df=frame, h=6, level=[80], prediction_intervals=ConformalIntervals(h=6, n_windows=2))
    assert_sound(regular.forecast(a_task(values, models=["dynamic_theta"])), 2, 6)


def test_the_librarys_conformal_bounds_do_nothing_for_mstl_which_is_not_used() -> None:
    from statsforecast.models import MSTL
    from statsforecast.utils import ConformalIntervals

    y = RANDOM.poisson(30, 60).astype(float)
    with_them = MSTL(season_length=12, prediction_intervals=ConformalIntervals(h=6, n_windows=2))
    without = MSTL(season_length=12)
    theirs = [model.forecast(y=y, h=6, level=[80])["hi-80"] for model in (with_them, without)]
    assert np.array_equal(*theirs)
    assert "mstl" not in str(declared_policies()).lower()


def test_the_librarys_fallback_model_hides_which_series_failed_and_ours_names_it() -> None:
    from statsforecast import StatsForecast
    from statsforecast.models import DynamicOptimizedTheta, HistoricAverage

    values = [RANDOM.poisson(9, 3).astype(float), RANDOM.poisson(9, 40).astype(float)]
    frame = pl.DataFrame(
        {
            "unique_id": np.repeat([0, 1], [3, 40]),
            "ds": np.concatenate([np.arange(37, 40), np.arange(40)]),
            "y": np.concatenate(values),
        }
    )
    theirs = StatsForecast(models=[DynamicOptimizedTheta()], freq=1, fallback_model=HistoricAverage())
    found = theirs.forecast(df=frame, h=6)
    assert found.columns == ["unique_id", "ds", "DynamicOptimizedTheta"]  # and nothing says that one is an average
    assert np.allclose(found["DynamicOptimizedTheta"][:6], values[0].mean(), rtol=1e-5)
    ours = regular.forecast(a_task(values, models=["dynamic_theta"]))
    assert [row for row, _ in ours.failures] == [0]
    assert "dynamic_theta" in ours.failures[0][1]


def test_two_jobs_of_the_library_start_processes_which_ours_never_does(monkeypatch: pytest.MonkeyPatch) -> None:
    import concurrent.futures
    from multiprocessing.process import BaseProcess

    from statsforecast import StatsForecast
    from statsforecast.models import SimpleExponentialSmoothing

    def refused(*_: object, **__: object) -> None:
        raise OSError("a process was to be started")

    monkeypatch.setattr(concurrent.futures.ProcessPoolExecutor, "__init__", refused)
    monkeypatch.setattr(BaseProcess, "start", refused)
    frame = pl.DataFrame({"unique_id": np.repeat([0, 1], 40), "ds": np.tile(np.arange(40), 2), "y": 1.0})
    with pytest.raises(OSError, match="a process"):
        StatsForecast(models=[SimpleExponentialSmoothing(alpha=0.1)], freq=1, n_jobs=2).forecast(df=frame, h=3)
    values = list(RANDOM.poisson(9, (40, 60)).astype(float))
    few = {"models": ["theta", "boosting"], "trees": 5, "rows": 2_000, "windows": 1}
    assert_sound(regular.forecast(a_task(values, **few)), 40, 6)
    assert_sound(sparse.forecast(a_task([SPARSE] * 30, "lumpy")), 30, 6)


@pytest.mark.filterwarnings("ignore:Historical data")
def test_a_history_shorter_than_a_season_or_window_gives_no_silent_holes() -> None:
    from statsforecast.models import SeasonalNaive, WindowAverage

    short = np.array([3.0, 5, 4, 6])
    for model in (SeasonalNaive(season_length=12), WindowAverage(window_size=12)):
        assert np.isnan(model.forecast(y=short, h=3)["mean"]).all()
    assert seasonal_naive(short, 12, 3).tolist() == [6, 6, 6]
    assert sparse.croston_family_mean(short, 12, ["average"]) == 4.5
    assert np.isfinite(sparse.croston_family_mean(short, 12, ["ADIDA", "IMAPA", "TSB"]))


@pytest.mark.parametrize(("name", "fewest"), [("theta", 4), ("dynamic_theta", 4), ("ets", 8)])
def test_a_history_too_short_for_a_model_is_no_failure_of_the_run(name: str, fewest: int) -> None:
    short, whole = RANDOM.poisson(9, fewest - 1).astype(float), RANDOM.poisson(9, 40).astype(float)
    outcome = regular.forecast(a_task([short, whole], models=[name]))
    assert_sound(outcome, 2, 6)
    assert [row for row, _ in outcome.failures] == ([0] if name != "ets" else [])


class LengthsSeen(ThisProcess):
    """Computes here, and notes how long the histories are that a model is to see."""

    def __init__(self) -> None:
        self.lengths: list[int] = []

    def run(self, work: SeriesWork, shards: Sequence[Sequence[Floats]]) -> Iterator[ShardResult]:
        self.lengths += [len(y) for histories in shards for y in histories]
        return super().run(work, shards)


def test_the_slow_models_see_no_more_history_than_the_policys_cap() -> None:
    with sharded(engine := LengthsSeen()):
        regular.forecast(a_task([RANDOM.poisson(9, 500)], models=["dynamic_theta"], cap=100))
    assert max(engine.lengths) == 100


def test_by_default_no_model_is_used_whose_cost_is_a_second_a_series() -> None:
    declared = [policy for policy in declared_policies() if policy.target is Target.DEMAND]
    for policy in declared:
        if policy.demand_class in REGULAR:
            known = {"dynamic_theta", "theta", "ets", "ces", "seasonal_average", "autoregression", "boosting", "linear"}
            assert set(policy.parameters["models"]) <= known
            assert min(policy.parameters["cap"], HISTORY[policy.frequency]) <= 182
    for name in members.FEWEST:
        assert getattr(members.statistical_model(name), "season_length", 1) == 1


def test_a_forecast_of_zero_which_wins_by_absolute_error_does_not_win_for_sparse_demand() -> None:
    random = np.random.default_rng(11)  # its own: what other tests draw must not decide
    rate = random.uniform(0.05, 0.4, 200)
    train = list((random.random((200, 60)) < rate[:, None]).astype(float))
    actual = (random.random((200, 12)) < rate[:, None]).astype(float)
    level = np.repeat(rate[:, None], 12, axis=1)
    window = sparse.HeldBackWindow(np.arange(200), train, actual, sparse.MeanForecasts(level, np.zeros_like(level)))
    assert np.abs(actual).mean() < np.abs(actual - level).mean()
    assert sparse.share_of_trees(window, 0.0) < 1.0
    assert sparse.share_of_trees(window, 4.0) < 1.0
