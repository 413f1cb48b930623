import json
from datetime import UTC, datetime

from manufacturing_copilot.report.status import read_status
from manufacturing_copilot.store import Store
from manufacturing_copilot.store import tables as t
from manufacturing_copilot_tests.report import scenes


def test_an_empty_site_has_every_key_and_only_zeros(store: Store) -> None:
    status = read_status(store, scenes.make_site())
    found = json.loads(status.to_json())
    assert status.is_empty
    assert found["batches"] == dict.fromkeys(("pending", "in_progress", "success", "failed", "withdrawn"), 0)
    assert found["rows"] == dict.fromkeys(("received", "accepted", "duplicate", "rejected"), 0)
    assert found["alerts"] == dict.fromkeys(("open", "acknowledged", "snoozed", "resolved"), 0)
    assert found["deliveries"] == dict.fromkeys(("pending", "accepted", "failed", "unknown"), 0)
    assert (found["items"], found["series"], found["forecast_rows"], found["unmapped_ids"]) == (0, 0, 0, 0)


def test_the_status_counts_what_stands_in_the_tables(store: Store) -> None:
    scenes.fill(store)
    found = json.loads(read_status(store, scenes.make_site()).to_json())
    assert found["batches"] == {"pending": 1, "in_progress": 0, "success": 2, "failed": 1, "withdrawn": 1}
    assert found["rows"] == {"received": 1000, "accepted": 960, "duplicate": 25, "rejected": 15}
    assert found["alerts"] == {"open": 5, "acknowledged": 1, "snoozed": 0, "resolved": 0}
    assert found["deliveries"] == {"pending": 2, "accepted": 3, "failed": 1, "unknown": 1}
    assert (found["items"], found["series"], found["forecast_rows"], found["unmapped_ids"]) == (3, 6, 78, 1)
    assert (found["site"], found["as_of"]) == ("Hall 4", "2026-03-15")


def test_the_status_names_the_kind_of_database_and_never_its_url(store: Store) -> None:
    text = read_status(store, scenes.make_site()).to_json()
    assert json.loads(text)["database"] == ("sqlite" if store.is_sqlite else "postgresql")
    assert "://" not in text


def test_every_declared_feed_is_listed_even_one_that_never_delivered(store: Store) -> None:
    scenes.add_batches(store)
    feeds = {one.feed: one for one in read_status(store, scenes.make_site()).feeds}
    assert list(feeds) == ["erp/items", "erp/stock_levels", "shop/order_lines"]
    assert (feeds["erp/stock_levels"].batches, feeds["erp/stock_levels"].last_batch_at) == (0, None)
    orders = feeds["shop/order_lines"]
    assert (orders.batches, orders.received, orders.accepted, orders.duplicate, orders.rejected) == (
        3,
        700,
        660,
        25,
        15,
    )
    assert orders.last_batch_at == scenes.NOON


def test_a_feed_that_is_no_longer_declared_is_still_listed(store: Store) -> None:
    scenes.add(store, t.feed, {"name": "old/feed"})
    last = read_status(store, scenes.make_site()).feeds[-1]
    assert (last.feed, last.declared) == ("old/feed", False)


def test_the_problem_of_a_feed_is_that_of_its_newest_finished_batch(store: Store) -> None:
    scenes.add_batches(store)
    site = scenes.make_site()
    assert "lacks the column Menge" in (read_status(store, site).feeds[-1].problem or "")
    row = {
        "feed_id": 2,
        "id": 6,
        "reference": "00000006",
        "status": "success",
        "claimed_at": datetime(2026, 3, 15, 12, tzinfo=UTC),
    }
    scenes.add(store, t.batch, row)
    assert read_status(store, site).feeds[-1].problem is None


def test_rejected_rows_are_grouped_by_reason_and_those_of_a_withdrawn_batch_left_out(store: Store) -> None:
    scenes.add_batches(store)
    found = read_status(store, scenes.make_site()).rejected
    assert [(one.feed, one.rows, one.file, one.line) for one in found] == [
        ("shop/order_lines", 12, "orders_0313.csv", 13),
        ("shop/order_lines", 3, "orders_0313.csv", 22),
    ]
    assert found[0].sentence == "orders_0313.csv, line 13: Menge: 'x13' is no number"
    assert found[0].why == "Menge: 'x13' is no number"


def test_only_the_newest_forecast_of_a_target_is_described(store: Store) -> None:
    scenes.fill(store)
    demand, inventory = read_status(store, scenes.make_site()).forecasts
    assert (demand.target, demand.frequency, demand.as_of, demand.series, demand.rows) == (
        "demand", "weekly", scenes.AS_OF, 3, 39,
    )  # fmt: skip
    assert inventory.target == "inventory"


def test_people_are_listed_with_how_their_deliveries_went(store: Store) -> None:
    scenes.add_deliveries(store)
    buyer, lead = read_status(store, scenes.make_site()).told
    assert (buyer.person, buyer.channel, buyer.accepted, buyer.pending, buyer.failed) == (
        "bearings buyer",
        "mail",
        2,
        2,
        0,
    )
    assert (lead.accepted, lead.pending, lead.failed, lead.unknown) == (1, 0, 1, 1)
