"""The whole demo plant has its troubles: few, clear, and known."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from manufacturing_copilot.demo.catalogue import CLASS_SHARES
from manufacturing_copilot.demo.simulator import simulate
from manufacturing_copilot.demo.truth import Truth, load_truth


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    home: Path = tmp_path_factory.mktemp("whole")
    made = simulate(home, end=date(2025, 9, 30))
    assert load_truth(home) == made
    return made


def test_it_is_as_large_as_promised(truth: Truth) -> None:
    assert (truth.items, len(truth.on_hand), len(truth.locations)) == (300, 300, 2)
    assert (truth.end - truth.start).days == 729
    assert 60_000 < truth.feeds["shop/order_lines"].received < 120_000
    assert set(truth.classes.values()) == set(CLASS_SHARES)


def test_a_few_places_run_out_within_their_lead_time_and_most_do_not(truth: Truth) -> None:
    assert 3 <= len(truth.running_out) <= 15
    assert len(truth.comfortable) > 10 * len(truth.running_out)
    short = {(place.sku, place.location) for place in truth.running_out}
    assert not short & set(truth.comfortable)
    for place in truth.running_out:
        assert place.on_hand < place.daily_demand * place.lead_time_days
        assert 0 < (place.first_day_short - truth.end).days <= place.lead_time_days


def test_the_slipping_supplier_is_late_and_the_others_hardly(truth: Truth) -> None:
    late = [line.days_late for line in truth.late_lines if line.supplier == truth.slipping_supplier]
    others = [line.days_late for line in truth.late_lines if line.supplier != truth.slipping_supplier]
    assert max(late) > max(others, default=0)
    assert len(truth.late_lines) < 25
