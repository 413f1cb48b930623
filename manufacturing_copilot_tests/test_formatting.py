from datetime import UTC, date, datetime

import pytest

from manufacturing_copilot import formatting


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1240.0, "1,240"),
        (12.54, "12.5"),
        (0.031, "0.031"),
        (3.0, "3"),
        (-7.25, "-7.25"),
        (None, "–"),
        (float("nan"), "–"),
    ],
)
def test_a_number_keeps_the_places_that_matter(value: float | None, text: str) -> None:
    assert formatting.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(940.0, "940"), (9999.0, "9,999"), (12400.0, "12.4k"), (1.3e6, "1.3M"), (-2e9, "-2G")]
)
def test_a_compact_number_is_short(value: float, text: str) -> None:
    assert formatting.compact(value) == text


@pytest.mark.parametrize(
    ("share", "text"), [(0.734, "73 %"), (0.075, "7.5 %"), (0.0042, "0.42 %"), (0.0, "0 %"), (1.0, "100 %")]
)
def test_a_share_is_a_percentage_that_does_not_wrap(share: float, text: str) -> None:
    assert formatting.percent(share) == text.replace(" ", "\u00a0")


@pytest.mark.parametrize(
    ("first", "last", "text"),
    [
        (date(2026, 3, 3), date(2026, 3, 19), "3 to 19 Mar 2026"),
        (date(2026, 3, 22), date(2026, 4, 4), "22 Mar to 4 Apr 2026"),
        (date(2025, 12, 30), date(2026, 1, 2), "30 Dec 2025 to 2 Jan 2026"),
        (date(2026, 3, 3), date(2026, 3, 3), "3 Mar 2026"),
    ],
)
def test_a_range_of_days_says_month_and_year_once(first: date, last: date, text: str) -> None:
    assert formatting.days_between(first, last) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (date(2026, 3, 15), "today"),
        (date(2026, 3, 16), "tomorrow"),
        (date(2026, 3, 14), "yesterday"),
        (date(2026, 3, 27), "in 12 days"),
        (date(2026, 4, 12), "in 4 weeks"),
        (date(2026, 3, 12), "3 days ago"),
    ],
)
def test_a_day_is_as_far_off_as_people_say_it(value: date, text: str) -> None:
    assert formatting.distance(value, date(2026, 3, 15)) == text


def test_a_moment_is_told_in_the_plants_own_time() -> None:
    assert formatting.moment(datetime(2026, 7, 1, 22, 30, tzinfo=UTC), "Europe/Berlin") == "2 Jul 00:30"
