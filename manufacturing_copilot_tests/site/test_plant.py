"""A site as it is read: what the words in YAML become."""

from __future__ import annotations

from datetime import date, time, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from manufacturing_copilot.site import Condition, Frequency, Severity, Site, Target, load_site, site_folder, site_hash
from manufacturing_copilot.site.feeds import DateOrder
from manufacturing_copilot_tests.site.builder import write_site


def test_a_sound_site_is_read_whole(tmp_path: Path) -> None:
    site = load_site(write_site(tmp_path))
    assert (site.site, site.history_from, site.priority_of("erp")) == ("Hall 4", date(2024, 1, 1), 1)
    assert site.forecasts == {Target.DEMAND: (Frequency.DAILY, Frequency.WEEKLY)}
    feed = site.feed("shop/order_lines")
    assert feed.files == ("inbox/shop/orders*.csv",)
    assert feed.record_key == ("order_no",)
    assert feed.columns["order_no"].column == "Auftrag"
    assert feed.columns["ordered_on"].dates is DateOrder.DAY_FIRST
    assert feed.fresh_within == timedelta(hours=26)
    (rule,) = site.rules
    assert (rule.when, rule.scope, rule.lasting) == (Condition.DAYS_LATE, {"abc": ("A", "B")}, timedelta(days=2))
    assert [rule.severity_of(value) for value in (2.9, 3, 10)] == [None, Severity.WARNING, Severity.CRITICAL]
    (person,) = site.people
    assert person.digest == time(7)
    assert person.quiet is not None
    assert (person.quiet.start, person.quiet.end) == (time(20), time(6, 30))


def test_two_readings_of_one_site_are_equal_and_hash_alike(tmp_path: Path) -> None:
    first, second = load_site(write_site(tmp_path / "a")), load_site(tmp_path / "a")
    assert first == second
    moved = load_site(write_site(tmp_path / "b"))
    assert first != moved
    assert site_hash(first) == site_hash(moved)
    other = load_site(write_site(tmp_path / "c", rules=("critical: 10", "critical: 11")))
    assert site_hash(first) != site_hash(other)


def test_a_site_that_is_dumped_can_be_validated_again(tmp_path: Path) -> None:
    site = load_site(write_site(tmp_path))
    assert Site.model_validate(site.model_dump()).model_dump() == site.model_dump()


def test_a_site_cannot_be_changed_after_it_was_read(tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        load_site(write_site(tmp_path)).zone = "UTC"


def test_words_that_older_yaml_takes_for_flags_and_numbers_stay_words(tmp_path: Path) -> None:
    spoilt = "  order_no: {column: Yes, values: {No: no, on: 007}}"
    column = load_site(write_site(tmp_path, feed=("  order_no: Auftrag", spoilt))).feeds[0].columns["order_no"]
    assert column.column == "Yes"
    assert column.values == {"No": "no", "on": "007"}


def test_a_time_of_day_needs_no_quotes(tmp_path: Path) -> None:
    person = load_site(write_site(tmp_path, people=('"20:00", to: "06:30"', "20:00, to: 6:30"))).people[0]
    assert person.quiet is not None
    assert (person.quiet.start, person.quiet.end) == (time(20), time(6, 30))


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = write_site(tmp_path) / "site.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load_site(tmp_path).site == "Hall 4"


@pytest.mark.parametrize(("text", "clock"), [("data", "data"), ("2024-05-06", date(2024, 5, 6)), ("system", "system")])
def test_the_clock_is_the_systems_the_datas_or_a_day(tmp_path: Path, text: str, clock: object) -> None:
    assert load_site(write_site(tmp_path, site=("zone:", f"clock: {text}\nzone:"))).clock == clock


def test_the_site_in_use_is_the_named_one_then_the_local_one_then_the_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COPILOT_SITE", raising=False)
    monkeypatch.chdir(tmp_path)
    assert load_site(site_folder()).site == "Demo plant"
    write_site(tmp_path / "site")
    assert site_folder() == tmp_path / "site"
    monkeypatch.setenv("COPILOT_SITE", str(tmp_path / "other"))
    assert site_folder() == (tmp_path / "other").resolve()
