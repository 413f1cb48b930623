import numpy as np
import pytest

from manufacturing_copilot.forecasts.members import Members, autoregression, joined, learned_weights

RANDOM = np.random.default_rng(37)
ACTUAL = RANDOM.uniform(80, 120, (60, 10))
SCALE = np.ones(60)


def off_by(spread: float) -> np.ndarray:
    return ACTUAL + RANDOM.normal(0, spread, ACTUAL.shape)


def test_the_base_is_half_the_median_of_the_models_and_half_the_trees() -> None:
    flat = np.ones((60, 10))
    members = Members({"a": 1 * flat, "b": 2 * flat, "gone wild": 1e9 * flat}, 10 * flat, [])
    assert joined(members, {})[0, 0] == 6


def test_in_a_small_panel_the_trees_count_as_one_member() -> None:
    flat = np.ones((3, 10))
    assert joined(Members({"a": flat, "b": flat}, 4 * flat, []), {})[0, 0] == pytest.approx(2)


def test_a_member_that_is_better_is_given_weight_and_the_ensemble_gets_better() -> None:
    members = Members({"good": off_by(1), "bad": off_by(30)}, off_by(20), [])
    weights = learned_weights(members, ACTUAL, SCALE)
    assert max(weights, key=weights.__getitem__) == "good"
    assert sum(weights.values()) <= 0.5
    error = np.abs(joined(members, weights) - ACTUAL).mean()
    assert error < 0.85 * np.abs(joined(members, {}) - ACTUAL).mean()


def test_from_few_held_back_values_nothing_is_learned() -> None:
    members = Members({"good": off_by(1)[:20], "bad": off_by(30)[:20]}, None, [])
    assert learned_weights(members, ACTUAL[:20], SCALE[:20]) == {}


def test_what_a_member_could_not_forecast_is_left_to_the_others() -> None:
    holes = np.where(np.arange(60)[:, None] == 7, np.nan, off_by(1))
    members = Members({"with holes": holes, "whole": off_by(1)}, None, [])
    found = joined(members, learned_weights(members, ACTUAL, SCALE))
    assert np.isfinite(found).all()
    assert found[7] == pytest.approx(members.statistical["whole"][7])


def test_a_yearly_wave_of_weeks_is_carried_on_by_the_autoregression() -> None:
    y = 100 + 40 * np.sin(2 * np.pi * np.arange(300) / 52) + RANDOM.normal(0, 1, 300)
    ahead = 100 + 40 * np.sin(2 * np.pi * np.arange(300, 313) / 52)
    assert np.abs(autoregression(y, 52, 13) - ahead).mean() < 8
    assert np.isnan(autoregression(y[:150], 52, 13)).all()
