import numpy as np
import pytest

from manufacturing_copilot.forecasts.methods.ensemble import UNTRIED_SHARE, Window, combined, learned_weights
from manufacturing_copilot.forecasts.methods.linear import pooled_linear
from manufacturing_copilot.forecasts.methods.members import Members, autoregression

RANDOM = np.random.default_rng(37)
ACTUAL = RANDOM.uniform(80, 120, (60, 10))
SCALE = np.ones(60)


def off_by(spread: float) -> np.ndarray:
    return ACTUAL + RANDOM.normal(0, spread, ACTUAL.shape)


def a_window(*, good: float, bad: float) -> Window:
    return Window(Members({"good": off_by(good), "bad": off_by(bad)}, {"boosting": off_by(20)}), ACTUAL, SCALE)


def test_the_base_is_half_the_median_of_the_models_and_half_the_mean_of_the_pooled_ones() -> None:
    flat = np.ones((60, 10))
    members = Members(
        {"a": 1 * flat, "b": 2 * flat, "gone wild": 1e9 * flat}, {"boosting": 9 * flat, "linear": 11 * flat}
    )
    assert combined(members, {})[0, 0] == 6


def test_in_a_small_panel_the_pooled_members_count_as_one() -> None:
    flat = np.ones((3, 10))
    assert combined(Members({"a": flat, "b": flat}, {"boosting": 4 * flat}), {})[0, 0] == pytest.approx(2)


def test_a_member_that_was_better_twice_is_given_all_the_weight() -> None:
    windows = [a_window(good=1, bad=30), a_window(good=1, bad=30)]
    weights, then = learned_weights(windows)
    assert weights["good"] > 0.9 and then["good"] > 0.9
    assert sum(weights.values()) == pytest.approx(1)


def test_weights_that_the_newest_window_does_not_bear_out_are_not_used() -> None:
    assert learned_weights([a_window(good=60, bad=60), a_window(good=1, bad=30)]) == ({}, {})


def test_weights_of_a_single_window_which_nothing_can_confirm_count_a_quarter() -> None:
    weights, then = learned_weights([a_window(good=1, bad=30)])
    assert sum(weights.values()) == pytest.approx(UNTRIED_SHARE)
    assert weights == then


def test_the_weights_that_judge_the_newest_window_were_learned_before_it() -> None:
    newest, older = a_window(good=1, bad=30), a_window(good=2, bad=30)
    changed = Window(newest.members, newest.actual + RANDOM.normal(0, 1, ACTUAL.shape), SCALE)
    assert learned_weights([newest, older])[1] == learned_weights([changed, older])[1]


def test_from_few_held_back_values_nothing_is_learned() -> None:
    members = Members({"good": off_by(1)[:20], "bad": off_by(30)[:20]}, {})
    assert learned_weights([Window(members, ACTUAL[:20], SCALE[:20])]) == ({}, {})


def test_what_a_member_could_not_forecast_is_left_to_the_others() -> None:
    holes = np.where(np.arange(60)[:, None] == 7, np.nan, off_by(1))
    members = Members({"with holes": holes, "whole": off_by(1)}, {"linear": holes})
    found = combined(members, learned_weights([Window(members, ACTUAL, SCALE)])[0])
    assert np.isfinite(found).all()
    assert found[7] == pytest.approx(members.statistical["whole"][7])


def test_the_pooled_regression_learns_from_all_series_how_they_go_on() -> None:
    time = np.arange(72)
    levels, phases = RANDOM.uniform(50, 500, 40), RANDOM.uniform(0, 6, 40)
    whole = [
        level * (1 + 0.3 * np.sin(2 * np.pi * time / 12 + phase)) for level, phase in zip(levels, phases, strict=True)
    ]
    found = pooled_linear([*(y[:60] for y in whole[:39]), whole[39][50:60]], 12, 12, 13, 10_000)
    assert found is not None
    assert found[:39] == pytest.approx(np.array([y[60:] for y in whole[:39]]), rel=0.05)
    assert np.isnan(found[39]).all()  # shorter than its lags


def test_with_little_data_there_is_no_pooled_regression() -> None:
    assert pooled_linear([RANDOM.uniform(1, 2, 20)], 1, 3, 8, 1_000) is None


def test_a_yearly_wave_of_weeks_is_carried_on_by_the_autoregression() -> None:
    y = 100 + 40 * np.sin(2 * np.pi * np.arange(300) / 52) + RANDOM.normal(0, 1, 300)
    ahead = 100 + 40 * np.sin(2 * np.pi * np.arange(300, 313) / 52)
    assert np.abs(autoregression(y, 52, 13) - ahead).mean() < 8
    assert np.isnan(autoregression(y[:150], 52, 13)).all()
