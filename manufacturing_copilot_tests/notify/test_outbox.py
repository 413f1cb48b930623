from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from manufacturing_copilot.notify.outbox import plan_messages, unplanned_messages
from manufacturing_copilot.site import Site
from manufacturing_copilot.store import Store
from manufacturing_copilot_tests.notify.factories import (
    BUYER,
    NOW,
    PLANNER,
    a_site,
    add_alert,
    add_event,
    deliveries,
    messages,
)

DIGEST = {**PLANNER, "digest": "daily at 07:00"}


def _unplanned(store: Store, site: Site, now: datetime = NOW) -> int:
    with store.read() as connection:
        return unplanned_messages(connection, site, now)


def test_people_hear_what_they_asked_for_on_the_channels_they_named(store: Store) -> None:
    add_alert(store, "S1", severity="critical")
    add_alert(store, "S2", severity="warning")
    add_alert(store, "S3", severity="info")
    add_alert(store, "Q1", topic="quality")
    add_alert(store, "D1", topic="data")
    plan_messages(store, a_site(BUYER, PLANNER), NOW)
    titles = {one.id: (one.person, one.title) for one in messages(store)}
    told = sorted((*titles[one.notification_id], one.channel, one.address) for one in deliveries(store))
    assert told == [
        ("buyer", "critical: S1", "chat", "BUYER_CHAT"),
        ("buyer", "critical: S1", "mail", "BUYER_MAIL"),
        ("buyer", "warning: S2", "mail", "BUYER_MAIL"),
        ("planner", "critical: 3 stock alerts: S1, ...", "mail", "PLANNER_MAIL"),
        ("planner", "warning: Q1", "mail", "PLANNER_MAIL"),
    ]


def test_planning_again_adds_nothing(store: Store) -> None:
    site = a_site(BUYER, PLANNER)
    add_alert(store)
    assert _unplanned(store, site) == 2
    assert plan_messages(store, site, NOW) == 2
    assert _unplanned(store, site) == 0
    assert plan_messages(store, site, NOW + timedelta(days=1)) == 0
    assert len(messages(store)) == 2


def test_two_hundred_alerts_of_a_topic_are_one_message(store: Store) -> None:
    for number in range(200):
        add_alert(store, f"ITEM{number:03}")
    assert plan_messages(store, a_site(BUYER), NOW) == 1
    (one,) = messages(store)
    assert one.title == "warning: 200 stock alerts: ITEM000, ..."
    assert "ITEM099" in one.body and "ITEM100" not in one.body
    assert "... and 100 more: copilot alert list" in one.body


def test_two_planners_at_once_tell_nobody_twice(store: Store) -> None:
    site = a_site(BUYER, PLANNER)
    for number in range(20):
        add_alert(store, f"ITEM{number}")
    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(lambda _: plan_messages(store, site, NOW), range(4)))
    assert sorted(counts) == [0, 0, 0, 2]
    assert len(messages(store)) == 2


def test_what_worsened_is_told_again(store: Store) -> None:
    site = a_site(BUYER)
    number = add_alert(store)
    plan_messages(store, site, NOW)
    add_event(store, number, "worsened", severity="critical")
    plan_messages(store, site, NOW)
    assert [one.title for one in messages(store)] == ["warning: BOLT runs out", "critical: BOLT runs out"]
    assert sorted(one.channel for one in deliveries(store)) == ["chat", "mail", "mail"]


def test_the_end_is_told_to_those_who_heard_of_the_beginning_on_the_same_channels(store: Store) -> None:
    number = add_alert(store, severity="critical")
    plan_messages(store, a_site(BUYER), NOW)
    add_event(store, number, "resolved", status="resolved")
    # the planner was not told that it began, and is not told that it is over
    plan_messages(store, a_site(BUYER, PLANNER), NOW)
    last = messages(store)[-1]
    assert (len(messages(store)), last.person, last.severity) == (2, "buyer", "info")
    assert last.title == "resolved: BOLT runs out"
    assert sorted(one.channel for one in deliveries(store)[2:]) == ["chat", "mail"]


def test_somebody_new_hears_what_is_open_and_not_the_whole_past(store: Store) -> None:
    over = add_alert(store, "OLD")
    add_event(store, over, "resolved", status="resolved")
    taken = add_alert(store, "TAKEN")
    add_event(store, taken, "acknowledged", status="acknowledged")
    add_alert(store, "OPEN")
    plan_messages(store, a_site(BUYER), NOW)
    assert [one.title for one in messages(store)] == ["warning: OPEN"]


def test_news_before_a_digest_waits_in_one_message(store: Store) -> None:
    site = a_site(DIGEST)
    add_alert(store, "FIRST")
    plan_messages(store, site, NOW)
    second = add_alert(store, "SECOND", topic="quality")
    plan_messages(store, site, NOW + timedelta(hours=1))
    add_event(store, second, "resolved", status="resolved")
    plan_messages(store, site, NOW + timedelta(hours=2))
    (one,) = messages(store)
    (sent,) = deliveries(store)
    assert (one.kind, one.title) == ("digest", "warning: FIRST")
    assert "No longer so:\n  SECOND" in one.body
    assert sent.due_at.isoformat() == "2026-04-02T05:00:00+00:00"
    # the next morning's news is another digest
    add_alert(store, "THIRD")
    plan_messages(store, site, NOW + timedelta(days=1))
    assert len(messages(store)) == 2


def test_critical_news_does_not_wait_for_the_digest(store: Store) -> None:
    add_alert(store, "SMALL")
    add_alert(store, "BIG", severity="critical")
    plan_messages(store, a_site(DIGEST), NOW)
    assert {(one.kind, one.title) for one in messages(store)} == {
        ("digest", "warning: SMALL"),
        ("alert", "critical: BIG"),
    }


def test_the_message_says_what_why_where_from_what_to_do_and_how_to_answer(store: Store) -> None:
    number = add_alert(store)
    plan_messages(store, a_site(BUYER), NOW)
    assert messages(store)[0].body.splitlines() == [
        "WARNING: BOLT runs out",
        "  Why: likely to run out by Thu 9 Apr 2026; on hand 40",
        "  From forecast run 7",
        "  From count: stock.csv, line 12 (batch 00000003)",
        "  To do: order 600",
        f"  I take care of it: copilot alert ack {number}",
        "",
        "Hall 4",
    ]
