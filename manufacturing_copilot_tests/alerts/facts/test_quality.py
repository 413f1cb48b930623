from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import sqlalchemy as sa

from manufacturing_copilot.alerts.facts import Question
from manufacturing_copilot.alerts.facts.quality import gather_signals
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.tables import external_id
from manufacturing_copilot_tests.alerts.factories import NOW, SIGNAL, a_site, add_item, add_quality, alerts, judge
from manufacturing_copilot_tests.factories import DAY, add_records


def _history(rate: float, inspected: int, days: int = 400, *, drift: float = 0.0, drift_days: int = 0, every: int = 1,
             seed: int = 3) -> list[tuple[date, float, float]]:  # fmt: skip
    random = np.random.default_rng(seed)
    rows = []
    for back in range(days - 1, -1, -every):
        share = rate + (drift if back < drift_days else 0.0)
        rows.append((DAY - timedelta(days=back), float(inspected), float(random.binomial(inspected, share))))
    return rows


def _signals(store: Store, as_of: date = DAY) -> list[str]:
    with store.read() as connection:
        return gather_signals(connection, Question(a_site(SIGNAL), as_of, NOW))["subject"].to_list()


def test_stable_processes_are_left_in_peace_and_the_drifting_one_is_found(store: Store) -> None:
    for number in range(20):
        add_quality(store, add_item(store, f"CALM{number}"), _history(0.02, 200, seed=number))
    add_quality(store, add_item(store, "DRIFT"), _history(0.02, 200, drift=0.03, drift_days=20), "paint")
    found = _signals(store)
    assert "DRIFT at paint by inspections" in found
    assert len(found) <= 3  # of twenty stable ones, one or two may err


def test_a_drift_that_began_weeks_ago_is_still_found(store: Store) -> None:
    add_quality(store, add_item(store, "DRIFT"), _history(0.02, 200, drift=0.03, drift_days=50))
    assert _signals(store) == ["DRIFT at mill by inspections"]


def test_an_old_signal_is_history(store: Store) -> None:
    rows = [(day, n, 60.0 if day == DAY - timedelta(days=20) else 4.0) for day, n, _ in _history(0.02, 200)]
    bolt = add_item(store, "BOLT")
    add_quality(store, bolt, rows)
    assert _signals(store) == []
    assert _signals(store, DAY - timedelta(days=20)) == ["BOLT at mill by inspections"]


def test_rare_defects_are_charted_by_the_week(store: Store) -> None:
    # 0.4 bad pieces a day are too few for a chart of days; 2.8 a week will do
    bolt = add_item(store, "BOLT")
    add_quality(store, bolt, _history(0.002, 200, drift=0.02, drift_days=14))
    judge(store, a_site(SIGNAL))
    (one,) = alerts(store)
    monday = date.fromisoformat(one.evidence["period"]["from"])
    assert monday.weekday() == 0
    assert date.fromisoformat(one.evidence["period"]["to"]) - monday == timedelta(days=6)


def test_a_process_with_hardly_a_defect_is_not_charted(store: Store) -> None:
    rows = [(day, 10.0, 0.0) for day, _, _ in _history(0.02, 10)]
    rows[-1] = (DAY, 10.0, 1.0)
    add_quality(store, add_item(store, "BOLT"), rows)
    assert _signals(store) == []


def test_the_alert_names_the_lines_of_the_inspections(store: Store) -> None:
    bolt = add_item(store, "BOLT")
    rows = [(day, n, 40.0 if day == DAY else 4.0) for day, n, _ in _history(0.02, 200)]
    add_quality(store, bolt, rows)
    shared = {"item": "BOLT", "inspected_on": DAY}
    inspections = [
        {"inspection": "I1", **shared, "operation": "mill", "inspected": 200, "defective": 40},
        {"inspection": "I2", **shared, "operation": "lathe", "inspected": 9, "defective": 9},
    ]
    batch = add_records(store, "erp/inspections", inspections)
    judge(store, a_site(SIGNAL))
    (one,) = alerts(store)
    assert [(line["file"], line["line"]) for line in one.evidence["lines"]] == [(f"inbox/{batch}.csv", 2)]
    assert one.evidence["signal"] == "one point beyond 3 sigmas"
    with store.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(external_id)) == 1
