"""The demo plant through the whole flow, held against the truth that its simulator kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa

from manufacturing_copilot.demo.exports import EXPORTS
from manufacturing_copilot.demo.simulator import next_day, simulate
from manufacturing_copilot.demo.truth import FeedTruth, Truth, load_truth
from manufacturing_copilot.ingest.ledger.batches import totals
from manufacturing_copilot.orchestration.run import Outcome
from manufacturing_copilot.report.status import read_status
from manufacturing_copilot.site import Severity
from manufacturing_copilot.store.tables import (
    alert,
    alert_event,
    batch,
    batch_file,
    delivery,
    demand_day,
    external_id,
    feed,
    inventory_snapshot,
    item,
    location,
    notification,
    notification_alert,
    unmapped_id,
)
from manufacturing_copilot.unified.findings.data_quality import negative_stock
from manufacturing_copilot_tests.end_to_end.running import QUIET, REPOSITORY, Running, running

SITE = REPOSITORY / "manufacturing_copilot" / "demo" / "site"
END = date(2026, 10, 23)
FALSE_STOCKOUTS = 2
"""Of some 100 places that surely last, so many may be alerted: the forecast does not know the true demand."""
FALSE_QUALITY = 1
"""Of some 20 charts with eight weeks of points each, three sigmas let about one false signal through in a while."""
pytestmark = QUIET


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def plant(
    request: pytest.FixtureRequest, lasting_postgres: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    url = lasting_postgres() if request.param == "postgresql" else None
    home = tmp_path_factory.mktemp("demo")
    # large enough for every story and method; on the other database for what the databases might do differently
    size = {"items": 120, "days": 400} if request.param == "sqlite" else {"items": 80, "days": 200}
    simulate(home, end=END, **size)
    with running(SITE, home, url=url) as ready:
        yield ready


@pytest.fixture(scope="module")
def truth(plant: Running) -> Truth:
    """What is true at the end of the first day; taken before the plant lives another one."""
    return load_truth(plant.home)


@pytest.fixture(scope="module")
def first(plant: Running, truth: Truth) -> Outcome:
    return plant.run()


@pytest.fixture
def done(plant: Running, first: Outcome) -> Running:
    """The plant after its first run."""
    assert first.success, [step for step in first.steps if not step.success]
    return plant


def test_the_counts_of_every_feed_are_true(done: Running, truth: Truth) -> None:
    assert fates(done) == truth.feeds
    assert totals(done.store).rows == {
        name: getattr(truth.rows, name) for name in ("received", "accepted", "duplicate", "rejected")
    }


def test_stock_is_true_at_every_place(done: Running, truth: Truth) -> None:
    assert stock(done, END) == {
        (sku, place): quantity for sku, places in truth.on_hand.items() for place, quantity in places.items()
    }


def test_stock_below_zero_is_found(done: Running, truth: Truth) -> None:
    with done.store.read() as connection:
        found = negative_stock(connection, END)
    assert truth.negative
    assert sorted(found.select("sku", "location").rows()) == sorted(truth.negative)


def test_demand_is_true_for_every_item(done: Running, truth: Truth) -> None:
    table = demand_day
    query = (
        sa.select(item.c.sku, sa.func.sum(table.c.quantity).label("quantity"))
        .join(item, item.c.id == table.c.item_id)
        .where(table.c.day <= END)
        .group_by(item.c.sku)
    )
    found = {sku: quantity for sku, quantity in done.rows(query).rows() if quantity}
    assert found == pytest.approx({sku: quantity for sku, quantity in truth.net_demand.items() if quantity})


def test_codes_that_no_item_answers_to_are_reported_and_no_others(done: Running, truth: Truth) -> None:
    table = unmapped_id
    found = done.rows(sa.select(table.c.source, table.c.records, table.c.external_id))
    assert sorted(found.rows()) == sorted(
        (*name.split("/"), code) for name, codes in truth.unmapped.items() for code in codes
    )


def test_three_codes_of_three_systems_are_one_item(done: Running, truth: Truth) -> None:
    query = sa.select(external_id.c.source, external_id.c.external_id, item.c.sku).join(item)
    owners = {(source, code): sku for source, code, sku in done.rows(query).rows()}
    known = truth.three_codes
    codes = {("erp", known.sku), ("shop", known.barcode), ("stock", known.stock_code)}
    assert {owners[code] for code in codes} == {known.sku}


def test_what_runs_out_is_alerted_and_what_lasts_is_not(done: Running, truth: Truth) -> None:
    alerted = subjects(done, "runs out before it can be replenished")
    short = {f"{place.sku} at {place.location}" for place in truth.running_out}
    assert short
    assert short <= alerted
    lasting = {f"{sku} at {place}" for sku, place in truth.comfortable}
    assert len(alerted & lasting) <= FALSE_STOCKOUTS, alerted & lasting


def test_late_lines_are_alerted_and_no_others(done: Running, truth: Truth) -> None:
    [rule] = [rule for rule in done.site.rules if rule.rule == "late supply"]
    after = rule.levels[Severity.WARNING]
    late = {f"purchase {line.order_no} line {line.line_no}" for line in truth.late_lines if line.days_late >= after}
    assert subjects(done, "late supply") == late


def test_the_drifting_operation_is_alerted_and_hardly_another(done: Running, truth: Truth) -> None:
    alerted = subjects(done, "process out of control")
    drifting = f"{truth.drifting.sku} at {truth.drifting.operation} by inspections"
    assert drifting in alerted
    assert len(alerted - {drifting}) <= FALSE_QUALITY, alerted


def test_rejected_rows_are_alerted_for_every_feed_that_has_any(done: Running, truth: Truth) -> None:
    assert subjects(done, "rejected rows") == {name for name, counts in truth.feeds.items() if counts.rejected}


def test_the_lines_of_every_alert_are_there_and_speak_of_its_item(done: Running) -> None:
    codes: dict[int, set[str]] = {}
    for number, code in done.rows(sa.select(external_id.c.item_id, external_id.c.external_id)).rows():
        codes.setdefault(number, set()).add(code)
    with done.store.read() as connection:
        about_items = connection.execute(sa.select(alert).where(alert.c.item_id.is_not(None))).all()
    assert about_items
    encodings = encoding_of(done)
    texts: dict[str, list[str]] = {}
    for row in about_items:
        assert row.evidence["lines"], row.title
        for place in row.evidence["lines"]:
            path = place["file"]
            if path not in texts:
                texts[path] = (done.home / path).read_bytes().decode(encodings[path]).splitlines()
            line = texts[path][place["line"] - 1]
            assert any(code in line for code in codes[row.item_id]), (row.title, place)


def test_the_messages_received_are_those_of_the_ledger(done: Running) -> None:
    query = sa.select(notification.c.title, notification.c.person, delivery.c.channel, delivery.c.status).join(
        delivery, delivery.c.notification_id == notification.c.id
    )
    rows = done.rows(query)
    sent = rows.filter(pl.col("status") == "accepted")
    ledger = Counter(
        (
            "mail" if channel == "mail" else "hook",
            f"{slug(person)}@plant.test" if channel == "mail" else slug(f"{person} {channel}"),
            title,
        )
        for title, person, channel, _ in sent.rows()
    )
    assert Counter((message.kind, message.to, message.subject) for message in done.messages) == ledger
    assert set(rows["status"]) <= {"accepted", "pending"}  # a digest waits for its hour


def test_nobody_is_told_the_same_twice_and_the_planner_hears_of_every_shortage(done: Running) -> None:
    with done.store.read() as connection:
        told = connection.execute(
            sa.select(notification_alert.c.person, notification_alert.c.alert_event_id, alert.c.rule, alert.c.id)
            .join(alert_event, alert_event.c.id == notification_alert.c.alert_event_id)
            .join(alert, alert.c.id == alert_event.c.alert_id)
        ).all()
    assert max(Counter((row.person, row.alert_event_id) for row in told).values()) == 1
    rule = "runs out before it can be replenished"
    heard = {row.id for row in told if row.person == "planner" and row.rule == rule}
    assert heard == set(done.rows(sa.select(alert.c.id).where(alert.c.rule == rule))["id"])


def test_the_next_day_is_found_whole_and_told_where_it_is_news(done: Running, truth: Truth) -> None:
    before_files = paths(done)
    before_events = done.number(sa.select(sa.func.max(alert_event.c.id)))
    before_messages = len(done.messages)
    tomorrow = next_day(done.home)
    assert tomorrow == END + timedelta(days=1)
    outcome = done.run()
    assert outcome.success, [step for step in outcome.steps if not step.success]

    later = load_truth(done.home)
    expected = {
        path.relative_to(done.home).as_posix()
        for path in (done.home / "inbox").rglob("*")
        if path.is_file() and path.relative_to(done.home).as_posix() not in before_files
    }
    assert expected
    assert paths(done) - before_files == expected
    assert fates(done) == later.feeds
    assert stock(done, tomorrow) == {
        (sku, place): quantity for sku, places in later.on_hand.items() for place, quantity in places.items()
    }
    assert stock(done, END), "the snapshot of the day before stands"

    short = {f"{place.sku} at {place.location}" for place in later.running_out}
    assert short <= subjects(done, "runs out before it can be replenished")
    with done.store.read() as connection:
        events = connection.execute(
            sa.select(alert_event.c.event, alert_event.c.alert_id, alert.c.status)
            .join(alert, alert.c.id == alert_event.c.alert_id)
            .where(alert_event.c.id > before_events)
        ).all()
    open_twice = done.rows(
        sa.select(alert.c.rule, alert.c.subject).where(alert.c.status == "open").group_by(alert.c.rule, alert.c.subject)
        .having(sa.func.count() > 1)
    )  # fmt: skip
    assert open_twice.is_empty()
    for event in events:
        assert (event.status == "resolved") == (event.event == "resolved")
    opened = [event for event in events if event.event in ("opened", "worsened")]
    assert not opened or len(done.messages) > before_messages


def test_after_that_nothing_is_left_to_do(done: Running, truth: Truth) -> None:
    before = read_status(done.store, done.site)
    messages = len(done.messages)
    assert done.run().steps == []
    assert read_status(done.store, done.site) == before
    assert len(done.messages) == messages
    assert before.batches.pending == before.batches.in_progress == before.batches.failed == 0


def fates(done: Running) -> dict[str, FeedTruth]:
    """The files and rows of every feed, as the ledger counts them."""
    names = ("received", "accepted", "duplicate", "rejected", "changed")
    sums = [sa.cast(sa.func.sum(batch.c[f"rows_{name}"]), sa.Integer).label(name) for name in names]
    counted = done.rows(
        sa.select(feed.c.name, *sums).join(batch, batch.c.feed_id == feed.c.id).group_by(feed.c.name)
    ).rows_by_key("name", named=True, unique=True)
    files = dict(
        done.rows(
            sa.select(feed.c.name, sa.func.count().label("files"))
            .join(batch_file, batch_file.c.feed_id == feed.c.id)
            .group_by(feed.c.name)
        ).rows()
    )
    return {name: FeedTruth(files=files[name], **row) for name, row in counted.items()}


def stock(done: Running, day: date) -> dict[tuple[str, str], float]:
    table = inventory_snapshot
    query = (
        sa.select(item.c.sku, location.c.code, table.c.on_hand)
        .join(item, item.c.id == table.c.item_id)
        .join(location, location.c.id == table.c.location_id)
        .where(table.c.day == day)
    )
    return {(sku, place): quantity for sku, place, quantity in done.rows(query).rows()}


def subjects(done: Running, rule: str) -> set[str]:
    query = sa.select(alert.c.subject).where(alert.c.rule == rule, alert.c.status == "open")
    return set(done.rows(query)["subject"])


def paths(done: Running) -> set[str]:
    return set(done.rows(sa.select(batch_file.c.path))["path"])


def encoding_of(done: Running) -> dict[str, Any]:
    """The encoding that each file was written in, by its path."""
    by_feed = {export.feed: export.encoding for export in EXPORTS}
    query = sa.select(batch_file.c.path, feed.c.name).join(feed, feed.c.id == batch_file.c.feed_id)
    return {path: by_feed[name] for path, name in done.rows(query).rows()}


def slug(name: str) -> str:
    return name.replace(" ", "-")
