import os
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from manufacturing_copilot.ingest.as_of import (
    ALWAYS,
    DAYS_OF_FILES,
    days_of_change,
    days_of_files,
    is_past,
    look_at,
    records_as_known,
)
from manufacturing_copilot.ingest.corrections.withdraw import withdraw
from manufacturing_copilot.ingest.discovery.claim import claim
from manufacturing_copilot.ingest.loading.load import load_batch
from manufacturing_copilot.site import Site
from manufacturing_copilot.store import Store, read_frame
from manufacturing_copilot.store.tables import accepted, batch
from manufacturing_copilot_tests.ingest.plants import MOVES, MOVES_HEADER, ORDERS, ORDERS_HEADER, drop, site_of

ZONE = ZoneInfo("Europe/Berlin")
MONDAY = date(2026, 3, 2)
NOTHING = {"known": {"history": "nothing"}, "clock": "data"}


def written(home: Path, path: str, day: date, *lines: str, hour: int = 22) -> None:
    """Write a file as one that was exported at that hour of the day, in the plant's zone."""
    at = datetime(day.year, day.month, day.day, tzinfo=ZONE) + timedelta(hours=hour)
    os.utime(drop(home, path, *lines), (at.timestamp(), at.timestamp()))


def loaded(store: Store, site: Site, home: Path) -> list[str]:
    found = [one.reference for one in claim(store, site, home, actor="test")]
    for reference in found:
        load_batch(store, site, reference, home=home, actor="test")
    return found


def orders(home: Path, number: int, day: date, *lines: str, hour: int = 22) -> None:
    written(home, f"inbox/shop/orders_{number}.csv", day, ORDERS_HEADER, *lines, hour=hour)


def known(store: Store, site: Site, day: date, last: date | None = None) -> dict[str, tuple[float, int]]:
    """The orders as known on a day: key → quantity and the number of the file it stands in."""
    table = accepted["order_lines"]
    with records_as_known(store, site, last or day, max(day, last or day)) as connection:
        look_at(connection, day)
        rows = read_frame(connection, sa.select(table.c.record_key, table.c.quantity, table.c.file_id)).rows()
    assert len(rows) == len({row[0] for row in rows})
    return {key.replace("\x1f", "/"): (quantity, file_id) for key, quantity, file_id in rows}


def days(store: Store, site: Site) -> list[date]:
    with store.read() as connection:
        return DAYS_OF_FILES.check(days_of_files(connection, site)).sort("file_id")["known_from"].to_list()


def test_a_record_as_known_on_a_day_is_its_newest_version_by_then(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS, **NOTHING)
    for number, quantity in enumerate((2, 3, 4)):
        orders(home, number, MONDAY + timedelta(days=2 * number), f"A1,1,007,{quantity},2026-03-01")
        loaded(store, site, home)
    found = [known(store, site, MONDAY + timedelta(days=n)) for n in range(-1, 6)]
    assert found == [{}, *[{"A1/1": (2.0, 1)}] * 2, *[{"A1/1": (3.0, 2)}] * 2, *[{"A1/1": (4.0, 3)}] * 2]
    assert known(store, site, MONDAY + timedelta(days=3), last=MONDAY) == {"A1/1": (3.0, 2)}


def test_it_makes_no_difference_whether_the_files_came_one_by_one_or_in_one_batch(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS, **NOTHING)
    for number, quantity in enumerate((2, 3, 4)):
        day = MONDAY + timedelta(days=2 * number)
        orders(home, number, day, f"A1,1,007,{quantity},2026-03-01", f"B{number},1,007,1,2026-03-01")
    loaded(store, site, home)
    assert known(store, site, MONDAY + timedelta(days=3)) == {"A1/1": (3.0, 2), "B0/1": (1.0, 1), "B1/1": (1.0, 2)}


def test_files_count_from_when_they_were_written_in_whatever_order_they_are_read(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS, **NOTHING)
    for number, (passed, quantity) in enumerate(((4, 2), (0, 3), (6, 4), (2, 5))):
        orders(home, number, MONDAY + timedelta(days=passed), f"A1,1,007,{quantity},2026-03-01")
        loaded(store, site, home)
    found = [known(store, site, MONDAY + timedelta(days=n))["A1/1"] for n in (0, 1, 2, 4, 6, 7)]
    assert found == [(3.0, 2), (3.0, 2), (5.0, 4), (2.0, 1), (4.0, 3), (4.0, 3)]


def test_a_file_that_came_when_a_newer_one_was_known_already_never_was_the_newest(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS, clock="system", known={"history": "nothing"})
    for claimed, (passed, quantity) in ((1, (0, 2)), (4, (2, 4)), (5, (1, 3))):
        orders(home, passed, MONDAY + timedelta(days=passed), f"A1,1,007,{quantity},2026-03-01")
        [reference] = loaded(store, site, home)
        looked = datetime(2026, 3, 2 + claimed, 12, tzinfo=ZONE)
        with store.write() as connection:
            connection.execute(sa.update(batch).where(batch.c.reference == reference).values(claimed_at=looked))
    assert days(store, site) == [MONDAY + timedelta(days=n) for n in (0, 2, 4)]
    found = [known(store, site, MONDAY + timedelta(days=n))["A1/1"] for n in range(6)]
    assert found == [(2.0, 1)] * 2 + [(4.0, 2)] * 4


def test_what_is_withdrawn_was_never_known(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS, **NOTHING)
    references = []
    for number, quantity in enumerate((2, 3, 4)):
        orders(home, number, MONDAY + timedelta(days=number), f"A1,1,007,{quantity},2026-03-01")
        references += loaded(store, site, home)
    withdraw(store, site, references[1], home=home, actor="planner", reason="sent by mistake")
    assert known(store, site, MONDAY + timedelta(days=1)) == {"A1/1": (2.0, 1)}
    assert known(store, site, MONDAY + timedelta(days=2)) == {"A1/1": (4.0, 3)}


def test_a_day_ends_with_the_daily_run_of_the_next_morning(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS, schedule="05:30", **NOTHING)
    orders(home, 1, MONDAY, "A1,1,007,2,2026-03-01", hour=24 + 5)
    orders(home, 2, MONDAY, "A2,1,007,2,2026-03-01", hour=24 + 6)
    loaded(store, site, home)
    assert days(store, site) == [MONDAY, MONDAY + timedelta(days=1)]


def test_a_file_repeated_later_counts_from_when_it_was_first_there(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS, **NOTHING)
    orders(home, 1, MONDAY + timedelta(days=3), "A1,1,007,2,2026-03-01")
    orders(home, 2, MONDAY, "A1,1,007,2,2026-03-01")
    loaded(store, site, home)
    assert days(store, site) == [MONDAY, MONDAY]


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ({}, [ALWAYS, ALWAYS, MONDAY + timedelta(days=2)]),
        ({"history": "first day"}, [ALWAYS, MONDAY + timedelta(days=1), MONDAY + timedelta(days=2)]),
        ({"history": "nothing"}, [MONDAY + timedelta(days=n) for n in range(3)]),
        ({"history": MONDAY + timedelta(days=2)}, [ALWAYS] * 3),
        ({"by": "dates"}, [ALWAYS] * 3),
    ],
)
def test_the_start_counts_from_the_day_it_speaks_of(
    store: Store, home: Path, declared: dict[str, object], expected: list[date]
) -> None:
    site = site_of(home / "site", ORDERS, clock="data", known=declared)
    for number in (0, 1):
        orders(home, number, MONDAY + timedelta(days=number), f"A{number},1,007,2,2026-03-01")
    loaded(store, site, home)
    orders(home, 2, MONDAY + timedelta(days=2), "A2,1,007,2,2026-03-01")
    loaded(store, site, home)
    assert days(store, site) == expected
    with store.read() as connection:
        assert days_of_change(connection, site) == sorted({day for day in expected if day > ALWAYS})


def test_by_the_systems_clock_a_file_did_not_lie_there_when_its_feed_was_last_looked_at(
    store: Store, home: Path
) -> None:
    for clock, expected in (("data", MONDAY), ("system", MONDAY + timedelta(days=5))):
        site = site_of(home / "site", ORDERS, clock=clock, known={"history": "nothing"})
        if clock == "data":
            orders(home, 1, MONDAY - timedelta(days=1), "A1,1,007,2,2026-03-01")
            loaded(store, site, home)
            with store.write() as connection:
                looked = datetime(2026, 3, 7, 12, tzinfo=ZONE)
                connection.execute(sa.update(batch).values(claimed_at=looked))
            orders(home, 2, MONDAY, "A2,1,007,2,2026-03-01")
            loaded(store, site, home)
        assert days(store, site)[1] == expected


def test_records_without_a_key_are_known_from_their_file_on(store: Store, home: Path) -> None:
    site = site_of(home / "site", MOVES, **NOTHING)
    for number in range(2):
        day = MONDAY + timedelta(days=number)
        written(home, f"inbox/stock/moves_{number}.csv", day, MOVES_HEADER, f"007,{day},{number + 1}")
    loaded(store, site, home)
    table = accepted["stock_movements"]
    for day, expected in ((MONDAY, [1.0]), (MONDAY + timedelta(days=1), [1.0, 2.0])):
        with records_as_known(store, site, day, day) as connection:
            assert read_frame(connection, sa.select(table.c.quantity))["quantity"].sort().to_list() == expected


def test_nothing_stays_of_a_look_at_the_past(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS, **NOTHING)
    orders(home, 1, MONDAY, "A1,1,007,2,2026-03-01")
    loaded(store, site, home)
    with records_as_known(store, site, date(2026, 2, 1), date(2026, 2, 1)) as connection:
        assert read_frame(connection, sa.select(accepted["order_lines"])).is_empty()
        connection.execute(sa.update(batch).values(problem="never"))
    with store.read() as connection:
        assert read_frame(connection, sa.select(accepted["order_lines"])).height == 1
        assert connection.scalar(sa.select(batch.c.problem)) is None
        assert is_past(connection, site, date(2026, 2, 28))
        assert not is_past(connection, site, date(2026, 3, 1))
