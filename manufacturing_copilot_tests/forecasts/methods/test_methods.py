from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manufacturing_copilot.forecasts.contract import Method
from manufacturing_copilot.forecasts.methods import fading, new_items, regular, sparse
from manufacturing_copilot_tests.forecasts.tasks_for_tests import a_task, assert_sound

RANDOM = np.random.default_rng(11)
METHODS: dict[str, Method] = {
    "smooth": regular.forecast,
    "lumpy": sparse.forecast,
    "new": new_items.forecast,
    "dying": fading.forecast,
}
FEW_TREES = {"trees": 5, "rows": 2_000}

histories = st.lists(
    st.lists(
        st.one_of(st.just(0.0), st.floats(0, 1e6, allow_nan=False, width=32), st.integers(0, 5).map(float)),
        min_size=1,
        max_size=40,
    ).map(np.array),
    min_size=1,
    max_size=6,
)


@pytest.mark.parametrize("name", METHODS)
@settings(max_examples=25, deadline=None)
@given(values=histories, horizon=st.integers(1, 9), season=st.sampled_from([1, 4, 12]))
def test_whatever_the_history_the_forecast_is_complete_in_order_and_not_negative(
    name: str, values: list[np.ndarray], horizon: int, season: int
) -> None:
    task = a_task(values, name, horizon=horizon, season=season, **(FEW_TREES if name == "smooth" else {}))
    assert_sound(METHODS[name](task), len(values), horizon)


@pytest.mark.parametrize("name", METHODS)
def test_the_same_task_gives_the_same_forecast(name: str) -> None:
    values = [RANDOM.poisson(6, 60).astype(float) for _ in range(12)]
    task = a_task(values, name, **(FEW_TREES if name == "smooth" else {}))
    one, other = METHODS[name](task), METHODS[name](task)
    assert np.array_equal(one.quantiles, other.quantiles)


def test_a_declining_series_is_clipped_at_zero_and_the_clipping_is_counted() -> None:
    falling = np.maximum(np.linspace(60, 1, 40) + RANDOM.normal(0, 0.5, 40), 0)
    outcome = regular.forecast(a_task([falling, np.full(40, 50.0)], horizon=13, models=["dynamic_theta"]))
    assert outcome.clipped == 1
    assert outcome.mean[0, -1] == 0
    assert outcome.mean[1, -1] > 40


@pytest.mark.parametrize("name", ["smooth", "lumpy", "dying"])
def test_a_series_that_no_model_can_fit_is_reported_and_the_others_are_forecast(name: str) -> None:
    good = [RANDOM.poisson(9, 40).astype(float) for _ in range(3)]
    bad = np.where(np.arange(40) % 5 == 0, np.nan, 4.0)
    task = a_task([good[0], bad, *good[1:]], name, models=["dynamic_theta"])
    outcome = METHODS[name](task)
    assert [row for row, _ in outcome.failures] == [1]
    assert outcome.failures[0][1]
    assert_sound(outcome, 4, 6)
    alone = METHODS[name](a_task([good[0]], name, models=["dynamic_theta"]))
    assert np.allclose(outcome.mean[0], alone.mean[0])


def test_a_series_shorter_than_the_theta_models_take_is_reported_and_gets_its_own_level() -> None:
    outcome = regular.forecast(a_task([np.array([4.0, 6, 8]), RANDOM.poisson(9, 40)], models=["theta"]))
    assert outcome.failures == [(0, "theta: tiny datasets")]
    assert outcome.mean[0].tolist() == [6.0] * 6


def test_a_history_shorter_than_the_averages_window_is_averaged_whole() -> None:
    short = np.array([0, 0, 6.0, 0, 0, 6, 0, 0, 6, 0])
    outcome = sparse.forecast(a_task([short], "lumpy", window=26))
    assert 1.0 < outcome.mean[0, 0] < 3.0
    assert outcome.failures == []


def test_the_croston_family_refuses_levels_so_the_quantiles_are_ours() -> None:
    from statsforecast.models import ADIDA, IMAPA, TSB

    y = RANDOM.poisson(0.4, 60).astype(float)
    for model in (ADIDA(), IMAPA(), TSB(0.3, 0.1)):
        with pytest.raises(Exception, match="prediction_intervals"):
            model.forecast(y=y, h=3, level=[80])
    assert_sound(sparse.forecast(a_task([y], "lumpy", horizon=3)), 1, 3)


def test_the_bounds_of_regular_series_hold_what_they_say_on_what_comes_next() -> None:
    level = RANDOM.lognormal(4, 1, 150)
    every = np.array([RANDOM.normal(mean, 0.25 * mean, 66) for mean in level]).clip(0)
    outcome = regular.forecast(a_task(list(every[:, :60]), models=["dynamic_theta"]))
    actual = every[:, 60:]
    inside = lambda low, high: np.mean(  # noqa: E731
        (actual >= outcome.quantiles[:, :, low]) & (actual <= outcome.quantiles[:, :, high])
    )
    assert inside(2, 6) == pytest.approx(0.80, abs=0.05)
    assert inside(0, 8) == pytest.approx(0.95, abs=0.03)


def test_the_upper_quantiles_of_sparse_series_hold_what_they_say_on_what_comes_next() -> None:
    chance, size = RANDOM.uniform(0.1, 0.4, 300), RANDOM.uniform(1, 8, 300)
    every = (RANDOM.random((300, 66)) < chance[:, None]) * (1 + RANDOM.poisson(size[:, None], (300, 66)))
    outcome = sparse.forecast(a_task(list(every[:, :60]), "lumpy"))
    for place, level, slack in ((6, 0.90, 0.03), (7, 0.95, 0.02), (9, 0.99, 0.012)):
        assert np.mean(every[:, 60:] <= outcome.quantiles[:, :, place]) == pytest.approx(level, abs=slack)


@pytest.mark.parametrize(("count", "share"), [(20, 0.5), (2_000, 1.0)])
def test_the_trees_have_more_than_half_of_the_mean_only_where_many_series_say_so(count: int, share: float) -> None:
    rate = RANDOM.uniform(0.2, 0.6, count)
    train = list((RANDOM.random((count, 40)) < rate[:, None]).astype(float))
    actual = (RANDOM.random((count, 6)) < rate[:, None]).astype(float)
    right, wrong = np.repeat(rate[:, None], 6, axis=1), np.repeat(1.5 * rate[:, None], 6, axis=1)
    window = sparse.HeldBackWindow(np.arange(count), train, actual, sparse.MeanForecasts(wrong, right))
    assert sparse.share_of_trees(window, 4.0) == share


def test_what_became_of_dying_series_is_learned_too() -> None:
    """A fifth of the series has been quiet for a while, and of many others nothing more came after such a while."""
    every = (RANDOM.random((300, 60)) < 0.4) * (1.0 + RANDOM.poisson(2, (300, 60)))
    every[:20, 52:] = 0
    ended = every[100:].copy()
    ended[:, 45:] = 0
    task = a_task(list(every[:100]), "lumpy", tree_doubt=1e9)
    alone = sparse.forecast(task)
    taught = sparse.forecast(replace(task, departed=list(ended)))
    assert taught.mean[:20].mean() < 0.8 * alone.mean[:20].mean()
    unheard = replace(task, departed=list(ended), parameters={**task.parameters, "departed": False})
    assert np.array_equal(sparse.forecast(unheard).mean, alone.mean)


def test_small_fractions_of_a_unit_have_bounds_too() -> None:
    y = RANDOM.gamma(2, 0.05, 60) * (RANDOM.random(60) < 0.4)
    outcome = sparse.forecast(a_task([y], "lumpy"))
    assert 0 < outcome.quantiles[0, 0, 8] < 1


def test_a_short_series_is_drawn_towards_the_prior_and_says_so() -> None:
    task = a_task([np.array([10.0]), np.array([10.0] * 7)], "short")
    task.priors[:] = 40.0
    outcome = new_items.forecast(task)
    assert outcome.mean[0, 0] == pytest.approx((10 + 2 * 40) / 3)
    assert 10 < outcome.mean[1, 0] < outcome.mean[0, 0]
    assert "prior" in outcome.notes


def test_a_dying_series_is_forecast_less_and_less() -> None:
    y = np.concatenate([RANDOM.poisson(20, 40), np.zeros(15)])
    outcome = fading.forecast(a_task([y], "dying"))
    assert outcome.mean[0, 0] < 5
    assert (np.diff(outcome.mean[0]) < 0).all()


def test_without_a_window_to_hold_back_regular_series_still_have_bounds() -> None:
    outcome = regular.forecast(a_task([RANDOM.poisson(30, 10)], horizon=6))
    assert outcome.backtest is None
    assert outcome.quantiles[0, 0, 8] > outcome.mean[0, 0] > outcome.quantiles[0, 0, 0]
