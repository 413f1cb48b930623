from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa

from manufacturing_copilot.demo.listener import Listener, Message
from manufacturing_copilot.notify.delivery import DeliverySettings, DeliverySummary, deliver, due_deliveries
from manufacturing_copilot.notify.delivery_ledger import DELIVERIES, newest_deliveries, totals
from manufacturing_copilot.notify.outbox import plan_messages
from manufacturing_copilot.site import Site
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.tables import delivery, delivery_attempt, metadata
from manufacturing_copilot.store.types import utc_now
from manufacturing_copilot_tests.notify.factories import (
    BUYER,
    NOW,
    PLANNER,
    a_site,
    add_alert,
    attempts,
    deliveries,
)

SITE = a_site(BUYER, PLANNER)
MAX_ATTEMPTS = DeliverySettings().max_attempts


class Scripted:
    """Refuses or delays as told, by recipient."""

    def __init__(self) -> None:
        self.refuse: dict[str, int] = {}
        self.hang: set[str] = set()
        self.over = threading.Event()

    def __call__(self, message: Message) -> int | None:
        if any(name in message.to for name in self.hang):
            self.over.wait(20)
        return next((code for name, code in self.refuse.items() if name in message.to), None)


@pytest.fixture
def judge() -> Iterator[Scripted]:
    scripted = Scripted()
    yield scripted
    scripted.over.set()


@pytest.fixture
def listener(judge: Scripted) -> Iterator[Listener]:
    with Listener(judge=judge) as opened:
        yield opened
        judge.over.set()


def _send(
    store: Store, listener: Listener, minutes: float = 0, site: Site = SITE, seconds: float = 15
) -> DeliverySummary:
    now = NOW + timedelta(minutes=minutes)
    environment = listener.environment(site.people)
    return deliver(store, site, now, run_id="run-1", environment=environment, settings=DeliverySettings(seconds))


def _statuses(store: Store) -> dict[str, str]:
    return {one.address: one.status for one in deliveries(store)}


def test_each_recipient_gets_the_message_and_the_ledger_says_so(store: Store, listener: Listener) -> None:
    number = add_alert(store, severity="critical")
    plan_messages(store, SITE, NOW)
    done = _send(store, listener)
    assert (done.accepted, done.problems) == (3, [])
    arrived = sorted((one.kind, one.to, one.subject) for one in listener.messages)
    assert arrived == [
        ("hook", "buyer-chat", "critical: BOLT runs out"),
        ("mail", "buyer@plant.test", "critical: BOLT runs out"),
        ("mail", "planner@plant.test", "critical: BOLT runs out"),
    ]
    assert all("To do: order 600" in one.body for one in listener.messages)
    with store.read() as connection:
        ledger = DELIVERIES.check(newest_deliveries(connection, alert_id=number))
        assert totals(connection) == {"pending": 0, "accepted": 3, "failed": 0, "unknown": 0}
        assert newest_deliveries(connection, person="planner").height == 1
    assert set(ledger["outcome"]) == {"accepted"}
    assert {one.run_id for one in attempts(store)} == {"run-1"}
    assert _send(store, listener).attempted == 0  # nothing is left, and nothing is sent twice
    assert len(listener.messages) == 3


def test_a_refused_delivery_waits_is_tried_again_and_arrives(store: Store, listener: Listener, judge: Scripted) -> None:
    add_alert(store, severity="critical")
    plan_messages(store, SITE, NOW)
    judge.refuse = {"buyer-chat": 500}
    first = _send(store, listener)
    assert (first.accepted, first.retried) == (2, 1)
    assert "error=500" in first.problems[0]
    judge.refuse = {}
    assert _send(store, listener, minutes=0.5).attempted == 0  # not yet
    assert _send(store, listener, minutes=1).accepted == 1
    assert set(_statuses(store).values()) == {"accepted"}
    assert [one.to for one in listener.messages].count("buyer-chat") == 1
    assert [one.to for one in listener.messages].count("buyer@plant.test") == 1


def test_one_rejected_mail_recipient_does_not_cost_the_other_hers(
    store: Store, listener: Listener, judge: Scripted
) -> None:
    add_alert(store)
    plan_messages(store, SITE, NOW)
    judge.refuse = {"buyer@": 550}
    done = _send(store, listener)
    assert (done.accepted, done.retried) == (1, 1)
    assert _statuses(store) == {"BUYER_MAIL": "pending", "PLANNER_MAIL": "accepted"}
    assert [one.to for one in listener.messages] == ["planner@plant.test"]


def test_what_is_refused_for_good_fails_after_the_last_attempt(
    store: Store, listener: Listener, judge: Scripted
) -> None:
    site = a_site(PLANNER)
    add_alert(store)
    plan_messages(store, site, NOW)
    judge.refuse = {"planner": 550}
    for attempt in range(MAX_ATTEMPTS):
        assert _statuses(store) == {"PLANNER_MAIL": "pending"}
        done = _send(store, listener, minutes=300 * attempt, site=site)
    assert (done.failed, _statuses(store)) == (1, {"PLANNER_MAIL": "failed"})
    assert [one.outcome for one in attempts(store)] == ["refused"] * MAX_ATTEMPTS
    assert _send(store, listener, minutes=10_000, site=site).attempted == 0


@pytest.mark.parametrize("silent", ["buyer-chat", "buyer@"])
def test_a_server_that_does_not_answer_leaves_it_unknown_and_it_is_not_sent_again(
    store: Store, listener: Listener, judge: Scripted, silent: str
) -> None:
    add_alert(store, severity="critical")
    plan_messages(store, a_site(BUYER), NOW)
    judge.hang = {silent}
    done = _send(store, listener, site=a_site(BUYER), seconds=3)
    judge.over.set()
    assert (done.accepted, done.unknown) == (1, 1)
    assert sorted(one.outcome for one in attempts(store)) == ["accepted", "timeout"]
    assert _send(store, listener, minutes=10_000, site=a_site(BUYER)).attempted == 0


def test_a_delivery_that_a_killed_process_left_half_sent_is_delivered(store: Store, listener: Listener) -> None:
    site = a_site(PLANNER)
    add_alert(store)
    plan_messages(store, site, NOW)
    with store.write() as connection:  # what is written before sending, and no more
        number = connection.scalar(sa.select(delivery.c.id))
        connection.execute(sa.update(delivery).values(status="sending", attempts=1))
        connection.execute(sa.insert(delivery_attempt).values(delivery_id=number, started_at=utc_now(), run_id="dead"))
    with store.read() as connection:
        assert due_deliveries(connection, NOW) == 1
        assert totals(connection)["pending"] == 1
    done = _send(store, listener, site=site)
    assert (done.interrupted, done.accepted) == (1, 1)
    assert [one.outcome for one in attempts(store)] == ["interrupted", "accepted"]
    assert len(listener.messages) == 1


def test_what_kills_its_process_every_time_ends_as_failed(store: Store, listener: Listener) -> None:
    site = a_site(PLANNER)
    add_alert(store)
    plan_messages(store, site, NOW)
    with store.write() as connection:
        connection.execute(sa.update(delivery).values(status="sending", attempts=MAX_ATTEMPTS))
    assert _send(store, listener, site=site).attempted == 0
    assert _statuses(store) == {"PLANNER_MAIL": "failed"}


def test_two_deliverers_at_once_send_each_message_once(store: Store, listener: Listener) -> None:
    for number in range(6):
        add_alert(store, f"ITEM{number}", topic=("stock", "quality", "supply")[number % 3])
    plan_messages(store, SITE, NOW)
    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda _: _send(store, listener), range(3)))
    assert sum(one.accepted for one in done) == len(deliveries(store)) == 4
    assert len(listener.messages) == 4


def test_nothing_is_sent_before_it_is_due(store: Store, listener: Listener) -> None:
    quiet = {**PLANNER, "quiet": {"from": "10:00", "to": "12:00"}}
    site = a_site(quiet)
    add_alert(store)
    plan_messages(store, site, NOW)  # eleven o'clock in Berlin
    assert _send(store, listener, minutes=59, site=site).attempted == 0
    assert _send(store, listener, minutes=60, site=site).accepted == 1


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("", "the environment variable PLANNER_MAIL is not set"),
        ("carrier-pigeon://s3cr3t-loft", "PLANNER_MAIL does not hold a URL that apprise knows"),
        ("mailto://127.0.0.1:1?from=a@b.test&to=c@d.test,e@f.test&mode=insecure", "names 2 recipients"),
    ],
)
def test_without_a_usable_address_nobody_was_told_and_the_variable_is_named(
    store: Store, url: str, sentence: str
) -> None:
    site = a_site(PLANNER)
    add_alert(store)
    plan_messages(store, site, NOW)
    done = deliver(store, site, NOW, run_id=None, environment={"PLANNER_MAIL": url} if url else {})
    (attempt,) = attempts(store)
    assert (done.accepted, done.retried, attempt.outcome) == (0, 1, "nobody")
    assert "nobody was told" in attempt.detail and sentence in attempt.detail
    assert "s3cr3t" not in attempt.detail


def test_secrets_of_addresses_are_nowhere(
    store: Store, listener: Listener, judge: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("apprise", "urllib3", "urllib3.connectionpool"):
        monkey_level = logging.getLogger(name)
        monkey_level.setLevel(logging.NOTSET)
    judge.refuse = {"t0ken-in-path": 500}
    add_alert(store, severity="critical")
    plan_messages(store, SITE, NOW)
    hook = f"127.0.0.1:{listener.http_port}"
    environment = {
        "BUYER_MAIL": "mailto://bob:p4ssw0rd-mail@127.0.0.1:1?from=a@b.test&to=c@d.test&mode=insecure",
        "BUYER_CHAT": f"json://bob:p4ssw0rd-hook@{hook}/t0ken-in-path?+X-Key=h3ader-key",
        "PLANNER_MAIL": "nonsense://t0ken-as-host/t0ken-tail",
    }
    done = deliver(store, SITE, NOW, run_id="r", environment=environment)
    assert done.retried == 3
    with store.read() as connection:
        rows = [str(row) for table in metadata.sorted_tables for row in connection.execute(sa.select(table))]
    everything = "\n".join([*rows, caplog.text, *done.problems])
    assert "error=500" in everything and "nobody was told" in everything  # it does look where the texts are
    for secret in ("p4ssw0rd-mail", "p4ssw0rd-hook", "t0ken-in-path", "h3ader-key", "t0ken-as-host", "t0ken-tail"):
        assert secret not in everything


def test_messages_one_after_another_do_not_wait_for_each_other(store: Store, listener: Listener) -> None:
    # apprise would wait five seconds before each repeated mail on one instance; ours are new each time
    site = a_site({**PLANNER, "hears": [{"about": ["stock", "supply", "quality", "data"], "by": "mail"}]})
    for topic in ("stock", "supply", "quality", "data"):
        add_alert(store, topic, topic=topic)
    plan_messages(store, site, NOW)
    begun = utc_now()
    assert _send(store, listener, site=site).accepted == 4
    assert utc_now() - begun < timedelta(seconds=15)
