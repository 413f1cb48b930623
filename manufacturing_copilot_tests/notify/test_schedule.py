from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from manufacturing_copilot.notify.schedule import due_at
from manufacturing_copilot.site import Person, Severity
from manufacturing_copilot_tests.notify.factories import BUYER, a_site

NIGHT = {"from": "20:00", "to": "06:30", "zone": "Europe/Berlin"}


def _due(now: str, severity: str = "warning", **keys: Any) -> str:
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    person = Person.model_validate({**BUYER, **keys})
    return f"{due_at(person, Severity(severity), moment, a_site()).astimezone(UTC):%Y-%m-%d %H:%M}"


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-04-01 09:00", "2026-04-01 09:00"),  # 11:00 in Berlin
        ("2026-04-01 19:00", "2026-04-02 04:30"),  # 21:00 in Berlin
        ("2026-04-01 18:00", "2026-04-02 04:30"),  # 20:00 sharp: the night has begun
        ("2026-04-01 03:00", "2026-04-01 04:30"),  # 05:00 in Berlin, the same morning
        ("2026-04-01 04:30", "2026-04-01 04:30"),  # 06:30 sharp: the night is over
        ("2026-03-28 21:00", "2026-03-29 04:30"),  # the night in which the clocks go forward
        ("2026-10-24 21:00", "2026-10-25 05:30"),  # and back
    ],
)
def test_quiet_hours_hold_back_until_their_end_in_the_persons_zone(now: str, expected: str) -> None:
    assert _due(now, quiet=NIGHT) == expected


def test_critical_news_comes_through_quiet_hours_and_digests() -> None:
    assert _due("2026-04-01 22:00", "critical", quiet=NIGHT, digest="daily at 07:00") == "2026-04-01 22:00"


def test_quiet_hours_within_a_day_and_in_the_sites_zone() -> None:
    assert _due("2026-04-01 10:30", quiet={"from": "12:00", "to": "13:00"}) == "2026-04-01 11:00"


def test_a_digest_waits_for_its_next_time() -> None:
    assert _due("2026-04-01 09:00", digest="daily at 07:00") == "2026-04-02 05:00"
    assert _due("2026-04-01 04:00", digest="daily at 07:00") == "2026-04-01 05:00"
    assert _due("2026-04-01 09:00", digest="daily at 05:00", quiet=NIGHT) == "2026-04-02 04:30"
