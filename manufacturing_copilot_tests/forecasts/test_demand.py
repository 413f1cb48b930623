from datetime import timedelta

from manufacturing_copilot.forecasts.demand import CLEANED, base_forecasts
from manufacturing_copilot.site import Frequency
from manufacturing_copilot_tests.forecasts.evaluation.test_challengers import SUNDAY, some_facts, weekly_demand

QUANTITIES = [10.0, 11.0, 9.0, 12.0, 8.0] * 8


def test_a_period_that_is_cut_is_named_by_its_series_and_its_first_day() -> None:
    quantities = [*QUANTITIES[:-20], 900.0, *QUANTITIES[-19:]]
    facts = some_facts(weekly_demand(1, quantities, SUNDAY))
    base = base_forecasts(facts, {Frequency.WEEKLY: 4}, SUNDAY, lambda *_: [], "cut", lambda _: None)
    cut = CLEANED.check(base.cleaned).select("name", "period", "was", "used").rows()
    assert cut == [("A @ L", SUNDAY - timedelta(days=6, weeks=19), 900.0, 12.0)]


def test_without_a_frequency_nothing_is_cut() -> None:
    facts = some_facts(weekly_demand(1, QUANTITIES, SUNDAY))
    base = base_forecasts(facts, {}, SUNDAY, lambda *_: [], "cut", lambda _: None)
    assert CLEANED.check(base.cleaned).is_empty()
