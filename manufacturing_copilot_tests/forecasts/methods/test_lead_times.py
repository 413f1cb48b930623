from datetime import timedelta

import numpy as np
import pytest

from manufacturing_copilot.forecasts.contract import Observations, name_noise
from manufacturing_copilot.forecasts.history.observed import lead_time_task, read_lead_times
from manufacturing_copilot.forecasts.methods import lead_times
from manufacturing_copilot.site import Frequency
from manufacturing_copilot.store import Store
from manufacturing_copilot_tests.forecasts.plants import AS_OF, add_items, add_receipts

RANDOM = np.random.default_rng(13)
PARAMETERS = {"half_life_lines": 8, "shrink_lines": 20}


def suppliers(values: list[np.ndarray], horizon: int = 8) -> Observations:
    names = [f"V{k}" for k in range(len(values))]
    ages = [np.arange(len(y), 0, -1).astype(float) for y in values]
    ones = [np.ones(len(y)) for y in values]
    return Observations(names, [y.astype(float) for y in values], ages, ones, horizon, PARAMETERS, name_noise(names))


def test_a_supplier_that_slips_is_forecast_at_its_new_lead_time() -> None:
    slipping = np.concatenate([RANDOM.normal(10, 1, 40), RANDOM.normal(18, 1, 20)]).round()
    steady = RANDOM.normal(10, 1, 60).round()
    outcome = lead_times.forecast(suppliers([slipping, steady]))
    assert outcome.mean[0, 0] == pytest.approx(18, abs=2)
    assert outcome.mean[1, 0] == pytest.approx(10, abs=1.5)
    assert outcome.quantiles[0, 0, 6] > outcome.quantiles[0, 0, 4] > outcome.quantiles[0, 0, 2]


def test_the_bounds_of_lead_times_hold_what_they_say_on_the_next_lines() -> None:
    every = RANDOM.gamma(9, 1.5, (40, 90))
    outcome = lead_times.forecast(suppliers(list(every[:, :80])))
    following = every[:, 80:]
    share = np.mean((following >= outcome.quantiles[:, :1, 2]) & (following <= outcome.quantiles[:, :1, 6]))
    assert share == pytest.approx(0.80, abs=0.07)


def test_a_supplier_with_one_line_leans_on_the_others() -> None:
    outcome = lead_times.forecast(suppliers([np.array([2.0]), *RANDOM.normal(20, 2, (5, 30))]))
    assert 2 < outcome.mean[0, 0] < 20
    assert np.isfinite(outcome.quantiles).all() and (outcome.quantiles >= 0).all()


def test_only_lines_received_by_the_last_complete_period_count(store: Store) -> None:
    with store.write() as connection:
        add_items(connection)
        add_receipts(connection, list(range(10, 30)))
    with store.read() as connection:
        late = lead_time_task(read_lead_times(connection, AS_OF), Frequency.WEEKLY, AS_OF, 13, PARAMETERS)
        then = AS_OF - timedelta(days=70)
        early = lead_time_task(read_lead_times(connection, then), Frequency.WEEKLY, then, 13, PARAMETERS)
    assert late[0]["name"].to_list() == ["ACME"]
    assert late[1].values[0].tolist() == list(range(10, 29))  # the last was received in the week in progress
    assert late[1].ages[0].tolist() == list(range(19, 0, -1))
    assert early[1].values[0].tolist() == list(range(10, 19))
