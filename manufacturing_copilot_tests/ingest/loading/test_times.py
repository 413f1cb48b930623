"""Times with an offset, and those of exports in another zone than the plant's, through the loader."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from manufacturing_copilot.errors import SiteError
from manufacturing_copilot.ingest.discovery.claim import claim
from manufacturing_copilot.ingest.dry_run import rehearse
from manufacturing_copilot.ingest.loading.context import LoadSettings
from manufacturing_copilot.ingest.loading.load import load_batch
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.tables import accepted
from manufacturing_copilot_tests.ingest.corrections.test_withdraw import deliver
from manufacturing_copilot_tests.ingest.loading.test_load import fates, rows
from manufacturing_copilot_tests.ingest.plants import ORDERS, ORDERS_HEADER, aged, drop, site_of

AUCKLAND = "Pacific/Auckland"


def days(store: Store) -> list[object]:
    return [day for _, day in rows(store, accepted["order_lines"], "order_no", "ordered_on")]


def test_an_order_of_the_evening_in_utc_is_of_the_next_day_in_auckland(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS, zone=AUCKLAND)
    lines = (ORDERS_HEADER, "A1,1,OIL,2,2025-10-04T20:30:00Z", "A2,1,OIL,2,2025-10-04T09:30:00.250Z")
    path = drop(home, "elsewhere/orders.csv", *lines)
    assert rehearse(store, site, site.feed("shop/orders"), path).accepted == 2
    deliver(store, site, home, "inbox/shop/orders.csv", *lines)
    assert days(store) == [date(2025, 10, 5), date(2025, 10, 4)]


def test_days_that_a_system_writes_as_midnight_in_utc_stay_days(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS, zone="America/New_York")
    midnight = (ORDERS_HEADER, "A1,1,OIL,2,2025-10-04T00:00:00Z", "A2,1,OIL,2,2025-10-05T00:00:00Z")
    deliver(store, site, home, "inbox/shop/orders.csv", *midnight)
    assert days(store) == [date(2025, 10, 4), date(2025, 10, 5)]


@pytest.mark.parametrize("times_in", ["UTC", "Europe/Berlin"])
def test_a_feed_says_in_which_zone_its_times_are(store: Store, home: Path, times_in: str) -> None:
    site = site_of(home / "site", {**ORDERS, "times_in": times_in}, zone=AUCKLAND)
    lines = (ORDERS_HEADER, "A1,1,OIL,2,2025-10-04 20:30:00", "A2,1,OIL,2,2025-10-04 03:00:00")
    deliver(store, site, home, "inbox/shop/orders.csv", *lines)
    assert days(store) == [date(2025, 10, 5), date(2025, 10, 4)]


def test_a_zone_that_there_is_not_is_told(home: Path) -> None:
    with pytest.raises(SiteError, match="key times_in: found 'Mars', expected a time zone such as Europe/Berlin"):
        site_of(home / "site", {**ORDERS, "times_in": "Mars"})


def test_moments_of_a_large_file_are_decided_over_all_of_it(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS, zone="America/New_York")
    midnights = [f"A{n:03d},1,OIL,2,2025-10-04T00:00:00Z" for n in range(60)]
    drop(home, "inbox/shop/orders.csv", ORDERS_HEADER, *midnights, "B1,1,OIL,2,2025-10-04T02:00:00Z")
    [found] = claim(store, site, home, actor="test")
    settings = LoadSettings(stream_from_bytes=0, part_bytes=400)
    counts = load_batch(store, site, found.reference, home=home, actor="test", settings=settings)
    assert fates(counts) == (61, 61, 0, 0)
    assert set(days(store)) == {date(2025, 10, 3)}


def test_typed_timestamps_keep_their_zone(store: Store, home: Path) -> None:
    site = site_of(home / "site", {**ORDERS, "files": "inbox/shop/orders*.parquet"}, zone=AUCKLAND)
    columns = {"order": ["A1"], "line": ["1"], "item": ["OIL"], "quantity": [2.0]}
    moment = pl.Series("ordered", [datetime(2025, 10, 4, 20, 30, tzinfo=UTC)], dtype=pl.Datetime("us", "UTC"))
    buffer = io.BytesIO()
    pl.DataFrame(columns).with_columns(moment).write_parquet(buffer)
    path = home / "inbox/shop/orders.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(buffer.getvalue())
    aged(path, 60)
    [found] = claim(store, site, home, actor="test")
    assert load_batch(store, site, found.reference, home=home, actor="test").accepted == 1
    assert days(store) == [date(2025, 10, 5)]
