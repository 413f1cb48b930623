from dataclasses import replace

import numpy as np
import pytest

from manufacturing_copilot.forecasts.contract import Cohort, name_noise
from manufacturing_copilot.forecasts.history.cohorts import cohorts
from manufacturing_copilot.forecasts.methods import fading, new_items
from manufacturing_copilot.site import Frequency
from manufacturing_copilot_tests.forecasts.tasks_for_tests import a_task, assert_sound

RANDOM = np.random.default_rng(41)


def found_in(values: list[np.ndarray], *wanted: str) -> dict[str, Cohort]:
    names = [str(k) for k in range(len(values))]
    return cohorts(values, Frequency.WEEKLY, 6, np.full(len(values), np.nan), name_noise(names), wanted)


def test_a_series_that_recovered_stands_in_the_cohort_of_the_dying() -> None:
    quiet = np.concatenate([np.full(40, 5.0), np.zeros(16)])
    recovered = np.concatenate([quiet, [0, 0, 9, 4, 5, 5]])
    group = found_in([recovered, np.full(60, 5.0)], "dying")["dying"]
    assert len(group) == 1
    assert group.before[0].tolist() == quiet.tolist()
    assert group.actual[0].tolist() == [0, 0, 9, 4, 5, 5]


def test_a_series_as_old_as_the_records_was_never_young() -> None:
    values = [RANDOM.poisson(9, 16).astype(float), RANDOM.poisson(9, 14).astype(float)]
    group = found_in(values, "new", "short")
    assert {name: len(cohort) for name, cohort in group.items()} == {"new": 1, "short": 1}
    assert group["new"].before[0].tolist() == values[1][:8].tolist()


def a_cohort(share: float, count: int = 200) -> Cohort:
    """Dying series of ten a week, of which a share lives on as before."""
    before = [np.concatenate([RANDOM.poisson(10, 45), np.zeros(15)]).astype(float) for _ in range(count)]
    alive = RANDOM.random(count) < share
    actual = RANDOM.poisson(10, (count, 6)) * alive[:, None].astype(float)
    return Cohort(before, actual, np.full(count, np.nan), name_noise([f"c{k}" for k in range(count)]))


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_of_dying_series_as_much_is_expected_as_came_back_before(share: float) -> None:
    cohort, later = a_cohort(share), a_cohort(share)
    outcome = fading.forecast(replace(a_task(later.before, "dying"), cohort=cohort))
    assert_sound(outcome, 200, 6)
    assert outcome.mean.mean() == pytest.approx(10 * share, abs=1.2)
    assert np.mean(later.actual <= outcome.quantiles[:, :, 7]) == pytest.approx(0.95, abs=0.055)
    assert outcome.cohort is not None and len(outcome.cohort.actual) == 200
    assert np.mean(outcome.cohort.actual <= outcome.cohort.quantiles[:, :, 7]) > 0.9


def test_of_what_has_just_fallen_quiet_more_is_expected_than_of_what_has_been_so_for_long() -> None:
    histories = [np.concatenate([np.full(60 - quiet, 10.0), np.zeros(quiet)]) for quiet in (15, 30)]
    mean = fading.forecast(replace(a_task(histories, "dying"), cohort=a_cohort(0.3))).mean[:, 0]
    averages = [float(y.mean()) for y in histories]
    assert mean[1] / mean[0] < 0.9 * averages[1] / averages[0]


def test_the_bounds_of_young_series_are_learned_from_those_who_were_young_before() -> None:
    def some(count: int) -> tuple[list[np.ndarray], np.ndarray]:
        level = RANDOM.lognormal(2.5, 0.5, count)
        every = RANDOM.negative_binomial(2, 2 / (2 + level)[:, None], (count, 16)).astype(float)
        return list(every[:, :10]), every[:, 10:]

    before, actual = some(300)
    cohort = Cohort(before, actual, np.full(300, np.nan), name_noise([f"c{k}" for k in range(300)]))
    now, came = some(300)
    outcome = new_items.forecast(replace(a_task(now, "new"), cohort=cohort))
    assert_sound(outcome, 300, 6)
    inside = (came >= outcome.quantiles[:, :, 2]) & (came <= outcome.quantiles[:, :, 6])
    assert inside.mean() == pytest.approx(0.80, abs=0.06)
    assert outcome.notes["learned_from"] == 300
