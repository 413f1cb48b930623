from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from manufacturing_copilot.clock import as_of_day, day_to_run, plants_today, refuse_days_to_come
from manufacturing_copilot.errors import SiteError, StoreError
from manufacturing_copilot.store import Store
from manufacturing_copilot.unified.refresh.refresh import refresh
from manufacturing_copilot.unified.stock.snapshots import refresh_snapshots
from manufacturing_copilot_tests.factories import add_records, make_site

NOON = datetime(2026, 3, 31, 12, tzinfo=UTC)
BY_DATA = make_site("erp/receipts", "erp/stock_levels", "erp/items", clock="data")


def _came(store: Store, *days: date) -> None:
    rows = [
        {"receipt_no": str(number), "order_no": "P1", "item": "A", "received_on": day, "quantity": 1.0}
        for number, day in enumerate(days)
    ]
    add_records(store, "erp/receipts", rows)


@pytest.mark.parametrize("ahead", [date(2026, 4, 1), date(2206, 3, 30), date(9999, 12, 31)])
def test_a_record_of_a_day_that_has_not_come_does_not_move_the_plants_day(store: Store, ahead: date) -> None:
    _came(store, date(2026, 3, 20), ahead)
    with store.read() as connection:
        assert day_to_run(connection, BY_DATA, NOON) == date(2026, 3, 20)


@pytest.mark.parametrize(
    ("zone", "now", "today"),
    [
        ("Pacific/Auckland", datetime(2026, 3, 31, 12, tzinfo=UTC), date(2026, 4, 1)),
        ("America/Los_Angeles", datetime(2026, 4, 1, 5, tzinfo=UTC), date(2026, 3, 31)),
        ("Europe/Berlin", datetime(2026, 3, 28, 23, 30, tzinfo=UTC), date(2026, 3, 29)),  # the clocks go forward
        ("Europe/Berlin", datetime(2026, 10, 25, 22, 59, tzinfo=UTC), date(2026, 10, 25)),  # they went back
    ],
)
def test_today_is_the_plants_and_its_records_count_up_to_it(
    store: Store, zone: str, now: datetime, today: date
) -> None:
    site = make_site("erp/receipts", clock="data", zone=zone)
    _came(store, today, today + timedelta(days=1))
    assert plants_today(site, now) == today
    with store.read() as connection:
        assert as_of_day(connection, site, now) == today


def test_a_day_before_the_history_or_after_today_cannot_be_run_and_the_key_is_named(store: Store) -> None:
    _came(store, date(1900, 1, 1))
    with store.read() as connection:
        with pytest.raises(
            SiteError, match="history_from: found 2025-01-01, and the newest day in the data is 1900-01"
        ):
            day_to_run(connection, BY_DATA, NOON)
        with pytest.raises(
            SiteError, match="clock: found 2206-03-31, which has not come: at the plant it is 2026-03-31"
        ):
            day_to_run(connection, make_site("erp/receipts", clock=date(2206, 3, 31)), NOON)


def test_days_after_the_plants_day_are_refused_with_the_last_that_can_be_made(store: Store) -> None:
    _came(store, date(2026, 3, 20))
    with store.read() as connection:
        refuse_days_to_come(connection, BY_DATA, [date(2026, 3, 19), date(2026, 3, 20)])
        with pytest.raises(
            StoreError, match="2026-03-21 is still to come: the plant's last complete day is 2026-03-20"
        ):
            refuse_days_to_come(connection, BY_DATA, [date(2026, 3, 19), date(2026, 3, 21)])


def test_views_show_the_newest_day_up_to_the_plants(store: Store) -> None:
    add_records(store, "erp/items", [{"item": "A"}])
    count = {"item": "A", "location": "H4", "day": date(2026, 3, 20), "on_hand": 5.0}
    add_records(store, "erp/stock_levels", [count])
    refresh(store, BY_DATA, date(2026, 3, 20))
    with store.write() as connection:
        refresh_snapshots(connection, BY_DATA, date(2026, 3, 21), date(2026, 3, 25))
    with store.read() as connection:
        shown = connection.execute(sa.text("SELECT day FROM v_stock")).one()
        worth = connection.execute(sa.text("SELECT day FROM v_stock_value")).one()
    assert str(shown.day) == str(worth.day) == "2026-03-20"
