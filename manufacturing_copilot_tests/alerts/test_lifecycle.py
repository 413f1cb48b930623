from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from manufacturing_copilot.alerts.actions import AlertError, acknowledge, resolve, snooze
from manufacturing_copilot.progress import is_current
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.tables import alert, alert_event, audit_event, fact_seen, refresh
from manufacturing_copilot.unified.refresh.refresh import refresh as refresh_facts
from manufacturing_copilot_tests.alerts.factories import LOW, NOW, a_site, add_item, add_stock, alerts, events, judge
from manufacturing_copilot_tests.factories import DAY, add_records

SITE = a_site(LOW)


def _days(count: int) -> timedelta:
    return timedelta(days=count)


def test_one_trouble_is_one_alert_with_a_life_from_opened_to_resolved(store: Store) -> None:
    bolt = add_item(store, "BOLT", reorder_point=100)
    lives = [
        (80, "opened", "warning"),
        (40, "worsened", "critical"),
        (85, "eased", "warning"),
        (120, "resolved", "warning"),
    ]
    for number, (on_hand, event, severity) in enumerate(lives):
        add_stock(store, bolt, on_hand, DAY + _days(number))
        judge(store, SITE, DAY + _days(number))
        assert events(store)[-1] == event
        assert [one.severity for one in alerts(store)] == [severity]
    assert [one.status for one in alerts(store)] == ["resolved"]
    assert len(events(store)) == 4


def test_a_second_evaluation_of_the_same_facts_writes_nothing(store: Store) -> None:
    add_stock(store, add_item(store, "BOLT", reorder_point=100), 80)
    assert judge(store, SITE).opened == 1
    before = _dump(store)
    again = judge(store, SITE, now=NOW + timedelta(hours=1))
    assert (again.changed, again.refreshed) == (0, 0)
    assert _dump(store) == before


def test_an_evaluation_notes_that_alerts_are_up_to_date_until_the_next_batch(store: Store) -> None:
    def current() -> bool:
        with store.read() as connection:
            return is_current(connection, SITE, DAY, "alerts")

    add_records(store, "erp/items", [{"item": "BOLT"}])
    refresh_facts(store, SITE, DAY)
    assert not current()
    judge(store, SITE)
    assert current()
    add_records(store, "erp/items", [{"item": "NUT"}])
    judge(store, SITE)
    assert not current(), "the facts had not seen the batch yet"
    refresh_facts(store, SITE, DAY)
    judge(store, SITE)
    assert current()


def test_the_next_day_of_the_same_trouble_is_no_news(store: Store) -> None:
    bolt = add_item(store, "BOLT", reorder_point=100)
    for number in range(5):
        add_stock(store, bolt, 80 - number, DAY + _days(number))
        judge(store, SITE, DAY + _days(number))
    (one,) = alerts(store)
    assert events(store) == ["opened"]
    assert (one.first_seen_on, one.last_seen_on) == (DAY, DAY + _days(4))
    assert one.evidence["on_hand"] == 76


def test_trouble_that_comes_back_is_a_new_alert(store: Store) -> None:
    bolt = add_item(store, "BOLT", reorder_point=100)
    for number, on_hand in enumerate((80, 120, 70)):
        add_stock(store, bolt, on_hand, DAY + _days(number))
        judge(store, SITE, DAY + _days(number))
    assert [one.status for one in alerts(store)] == ["resolved", "open"]
    assert len({one.identity for one in alerts(store)}) == 2


def test_a_rule_that_asks_trouble_to_last_waits_and_starts_again_after_a_break(store: Store) -> None:
    site = a_site({**LOW, "lasting": "2 days"})
    bolt = add_item(store, "BOLT", reorder_point=100)
    opened = []
    for number, on_hand in enumerate((80, 80, 120, 80, 80, 80)):
        add_stock(store, bolt, on_hand, DAY + _days(number))
        opened.append(judge(store, site, DAY + _days(number)).opened)
    assert opened == [0, 0, 0, 0, 0, 1]


def test_scope_keeps_a_rule_to_what_it_is_for(store: Store) -> None:
    site = a_site({**LOW, "for": {"abc": ["A", "B"]}})
    add_stock(store, add_item(store, "DEAR", reorder_point=100, abc="A"), 10)
    add_stock(store, add_item(store, "CHEAP", reorder_point=100, abc="C"), 10)
    judge(store, site)
    assert [one.subject for one in alerts(store)] == ["DEAR"]


def test_an_alert_whose_rule_is_no_longer_declared_is_resolved(store: Store) -> None:
    add_stock(store, add_item(store, "BOLT", reorder_point=100), 80)
    judge(store, SITE)
    assert judge(store, a_site()).resolved == 1
    assert alerts(store)[0].status == "resolved"


def test_a_stale_count_opens_no_stock_alert_and_says_so(store: Store) -> None:
    site = a_site(LOW, feeds=("erp/stock_levels",), clock="data")
    feed = site.feeds[0].model_copy(update={"fresh_within": timedelta(hours=30)})
    site = site.model_copy(update={"feeds": (feed,)})
    add_stock(store, add_item(store, "BOLT", reorder_point=100), 80)
    add_records(store, "erp/stock_levels", [{"item": "BOLT", "day": DAY - _days(3), "on_hand": 80}])
    held = judge(store, site)
    assert (held.opened, held.inhibited) == (0, {"erp/stock_levels": 1})
    add_records(store, "erp/stock_levels", [{"item": "BOLT", "day": DAY, "on_hand": 80}])
    assert judge(store, site).opened == 1


def test_nothing_known_is_not_the_same_as_no_trouble(store: Store) -> None:
    bolt = add_item(store, "BOLT", reorder_point=100)
    add_stock(store, bolt, 80, DAY)
    judge(store, SITE)
    # the day before the first snapshot nothing is known about stock
    left = judge(store, SITE, DAY - _days(1))
    assert (left.resolved, left.unknown) == (0, ("below the reorder point",))
    assert alerts(store)[0].status == "open"


def test_what_a_person_acknowledged_is_asked_again_only_when_it_worsens(store: Store) -> None:
    bolt = add_item(store, "BOLT", reorder_point=100)
    add_stock(store, bolt, 80)
    judge(store, SITE)
    acknowledge(store, alerts(store)[0].id, "ada", "ordered", now=NOW)
    add_stock(store, bolt, 70, DAY + _days(1))
    judge(store, SITE, DAY + _days(1))
    assert alerts(store)[0].status == "acknowledged"
    add_stock(store, bolt, 10, DAY + _days(2))
    judge(store, SITE, DAY + _days(2))
    assert (alerts(store)[0].status, events(store)[-1]) == ("open", "worsened")


def test_a_snoozed_alert_comes_back_when_its_time_is_up(store: Store) -> None:
    add_stock(store, add_item(store, "BOLT", reorder_point=100), 80)
    judge(store, SITE)
    snooze(store, alerts(store)[0].id, "ada", NOW + _days(2), now=NOW)
    assert judge(store, SITE, now=NOW + _days(1)).woken == 0
    assert judge(store, SITE, now=NOW + _days(2)).woken == 1
    assert (alerts(store)[0].status, events(store)) == ("open", ["opened", "snoozed", "opened"])


def test_what_a_person_resolved_stays_so_while_the_same_trouble_lasts(store: Store) -> None:
    bolt = add_item(store, "BOLT", reorder_point=100)
    add_stock(store, bolt, 80)
    judge(store, SITE)
    resolve(store, alerts(store)[0].id, "ada", "the count is wrong", now=NOW)
    assert judge(store, SITE).opened == 0
    add_stock(store, bolt, 10, DAY + _days(1))
    assert judge(store, SITE, DAY + _days(1)).opened == 1  # worse than what was settled


def test_what_a_person_resolved_opens_again_after_the_trouble_was_over(store: Store) -> None:
    bolt = add_item(store, "BOLT", reorder_point=100)
    add_stock(store, bolt, 80)
    judge(store, SITE)
    resolve(store, alerts(store)[0].id, "ada", now=NOW)
    for number, on_hand in enumerate((120, 80), start=1):
        add_stock(store, bolt, on_hand, DAY + _days(number))
        judge(store, SITE, DAY + _days(number))
    assert [one.status for one in alerts(store)] == ["resolved", "open"]


def test_every_verb_of_a_person_leaves_an_audit_trail(store: Store) -> None:
    add_stock(store, add_item(store, "BOLT", reorder_point=100), 80)
    judge(store, SITE)
    number = alerts(store)[0].id
    acknowledge(store, number, "ada", "on it", now=NOW)
    snooze(store, number, "bo", NOW + _days(1), now=NOW)
    resolve(store, number, "cy", now=NOW)
    with store.read() as connection:
        trail = [(row.actor, row.verb) for row in connection.execute(sa.select(audit_event).order_by(audit_event.c.id))]
    assert trail == [("ada", "alert acknowledged"), ("bo", "alert snoozed"), ("cy", "alert resolved")]


def test_what_cannot_be_settled_is_said_in_a_sentence(store: Store) -> None:
    with pytest.raises(AlertError, match="there is no alert 99"):
        acknowledge(store, 99, "ada")
    add_stock(store, add_item(store, "BOLT", reorder_point=100), 80)
    judge(store, SITE)
    number = alerts(store)[0].id
    with pytest.raises(AlertError, match="that moment is past"):
        snooze(store, number, "ada", NOW - _days(1), now=NOW)
    resolve(store, number, "ada", now=NOW)
    with pytest.raises(AlertError, match="is resolved already"):
        acknowledge(store, number, "ada", now=NOW)


def _dump(store: Store) -> list[object]:
    with store.read() as connection:
        return [list(connection.execute(sa.select(table))) for table in (alert, alert_event, fact_seen, refresh)]
