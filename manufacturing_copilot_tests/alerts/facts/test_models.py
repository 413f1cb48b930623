from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from manufacturing_copilot.runtime.policies import declared_policies
from manufacturing_copilot.runtime.registry import champion, register_declared
from manufacturing_copilot.runtime.runs import Run, record_run
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.tables import RunPurpose
from manufacturing_copilot_tests.alerts.factories import a_site, alerts, judge
from manufacturing_copilot_tests.factories import DAY

DECAY = {
    "rule": "a model got worse",
    "when": "model_decay",
    "levels": {"info": 20, "warning": 50},
    "say": "{{ model }} v{{ version }}: error {{ newest_error | number(2) }} of naive,"
    " {{ usual_error | number(2) }} is usual",
    "advise": "copilot model compare {{ model }}",
}


@pytest.fixture
def registered(store: Store) -> Store:
    with store.write() as connection:
        register_declared(connection, declared_policies())
    return store


def ran(
    store: Store, days_ago: int, rmsse: float, naive: float = 1.0, purpose: RunPurpose = RunPurpose.FORECAST
) -> None:
    with store.write() as connection:
        version = champion(connection, "demand", "weekly", "smooth").id
        metrics = {"rmsse": rmsse, "naive_rmsse": naive}
        day = DAY - timedelta(days=days_ago)
        moment = datetime(2026, 4, 1, tzinfo=UTC)
        record_run(
            connection,
            Run(version, "demand", "weekly", "smooth", day, moment, 1.0, 9, metrics=metrics, purpose=purpose),
        )


def test_a_model_whose_error_grew_against_naive_is_alerted(registered: Store) -> None:
    for days_ago in (90, 60, 30):
        ran(registered, days_ago, 0.8)
    ran(registered, 7, 1.0)  # too near to be a measure of what is usual
    ran(registered, 0, 1.24)
    judge(registered, a_site(DECAY))
    (one,) = alerts(registered)
    assert (one.severity, one.title) == ("warning", "demand/weekly/smooth v1: error 1.24 of naive, 0.8 is usual")
    assert one.value == pytest.approx(55) and one.topic == "data"


def test_a_month_that_was_hard_for_everybody_is_no_decay(registered: Store) -> None:
    for days_ago in (90, 60, 30):
        ran(registered, days_ago, 0.8)
    ran(registered, 0, 1.6, naive=2.0)
    judge(registered, a_site(DECAY))
    assert alerts(registered) == []


def test_neither_two_older_days_nor_backtests_say_what_is_usual(registered: Store) -> None:
    for days_ago in (60, 60, 30):
        ran(registered, days_ago, 0.8)
    ran(registered, 45, 0.8, purpose="backtest")
    ran(registered, 0, 2.0)
    judge(registered, a_site(DECAY))
    assert alerts(registered) == []


def test_a_model_that_is_mended_ends_the_alert(registered: Store) -> None:
    for days_ago in (90, 60, 30):
        ran(registered, days_ago, 0.8)
    ran(registered, 1, 1.24)
    judge(registered, a_site(DECAY))
    ran(registered, 0, 0.8)
    judge(registered, a_site(DECAY), DAY + timedelta(days=1))
    assert [one.status for one in alerts(registered)] == ["resolved"]
