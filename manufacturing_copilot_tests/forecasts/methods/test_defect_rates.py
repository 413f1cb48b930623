import numpy as np
import pytest

from manufacturing_copilot.forecasts.contract import Observations, name_noise
from manufacturing_copilot.forecasts.methods import defect_rates

RANDOM = np.random.default_rng(17)


def operations(values: np.ndarray, inspected: float, horizon: int = 8) -> Observations:
    count, length = values.shape
    names = [f"S{k} / milling" for k in range(count)]
    ages = np.arange(length, 0, -1).astype(float)
    return Observations(
        names,
        list(values),
        [ages] * count,
        [np.full(length, inspected)] * count,
        horizon,
        {"half_life_periods": 8, "shrink_periods": 4},
        name_noise(names),
    )


def test_rates_and_their_bounds_stay_between_nothing_and_everything() -> None:
    rates = np.array([np.zeros(30), np.ones(30), RANDOM.random(30)])
    outcome = defect_rates.forecast(operations(rates, 3.0))
    assert (outcome.quantiles >= 0).all() and (outcome.quantiles <= 1).all()
    assert (np.diff(outcome.quantiles, axis=2) >= 0).all()
    assert outcome.mean[0, 0] < 0.3 < outcome.mean[1, 0] <= 1


def test_a_process_that_drifts_is_forecast_at_its_recent_rate() -> None:
    drifting = np.concatenate([np.full(60, 0.01), np.full(12, 0.08)])
    steady = np.full((5, 72), 0.01)
    outcome = defect_rates.forecast(operations(np.vstack([drifting, steady]), 500.0))
    assert 0.03 < outcome.mean[0, 0] < 0.08
    assert outcome.mean[1, 0] == pytest.approx(0.012, abs=0.004)


def test_the_bounds_of_rates_hold_what_they_say_on_what_comes_next() -> None:
    every = RANDOM.binomial(400, RANDOM.uniform(0.01, 0.06, 60)[:, None], (60, 70)) / 400
    outcome = defect_rates.forecast(operations(every[:, :60], 400.0))
    for place, level in ((2, 0.1), (6, 0.9), (8, 0.975)):
        share = np.mean(every[:, 60:] <= outcome.quantiles[:, :1, place])
        assert share == pytest.approx(level, abs=0.05)
