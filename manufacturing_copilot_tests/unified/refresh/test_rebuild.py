from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from manufacturing_copilot.clock import as_of_day, held_day, moment
from manufacturing_copilot.dagster_support import Plant
from manufacturing_copilot.errors import StoreError
from manufacturing_copilot.ingest.discovery.claim import claim, waiting_files
from manufacturing_copilot.progress import is_current
from manufacturing_copilot.site import Site
from manufacturing_copilot.store import Store, open_store
from manufacturing_copilot.store import tables as t
from manufacturing_copilot.store.engine import connect_store
from manufacturing_copilot.unified.defs.jobs import rebuild_job
from manufacturing_copilot.unified.refresh.rebuild import place_of, rebuild_as_of, rebuild_now
from manufacturing_copilot.unified.refresh.refresh import refresh
from manufacturing_copilot_tests.unified.dump import canonical, clear
from manufacturing_copilot_tests.unified.refresh.test_past_day import (
    DAYS,
    LATER,
    MONDAY,
    ONE_OF_EACH,
    File,
    count,
    item,
    load,
    order,
    plant,
    write,
)


def lived(store: Store, home: Path) -> tuple[Site, dict[str, list[str]]]:
    """A plant that was run on Monday's evening and has heard more since; and what it held on Monday."""
    site = plant(home)
    for number, (kind, row) in enumerate(ONE_OF_EACH.items()):
        write(home, File(kind, MONDAY, [row]), number)
    write(home, File("order_lines", MONDAY, [order(2, MONDAY, "many")]), 20)  # type: ignore[arg-type]
    write(home, File("order_lines", MONDAY, [order(1, MONDAY), order(3, MONDAY)]), 21)
    load(store, site, home)
    refresh(store, site, MONDAY)
    monday = canonical(store)
    later = [File("items", DAYS[1], [item("A", name="renamed"), item("B")]),
             File("order_lines", DAYS[1], [order(1, MONDAY, 9), order(4, MONDAY, 9, item="B")]),
             File("stock_levels", DAYS[2], [count("A", MONDAY, 4)])]  # fmt: skip
    for number, file in enumerate(later, start=30):
        write(home, file, number)
    load(store, site, home)
    refresh(store, site, LATER)
    return site, monday


def test_a_past_day_is_made_in_a_database_of_its_own_and_todays_stays(store: Store, home: Path) -> None:
    site, monday = lived(store, home)
    today = canonical(store)
    told: list[str] = []
    made = rebuild_as_of(store, site, MONDAY, place_of(None, home, MONDAY), tell=told.append)
    assert made.folder == home / "as_of" / "2026-03-02"
    assert (made.files, made.records) == (8, 7)
    assert "order_lines: 2 records" in told
    assert canonical(store) == today
    past = connect_store(made.url)
    assert canonical(past) == monday
    with past.read() as connection:
        assert held_day(connection) == as_of_day(connection, site) == MONDAY
        assert moment(connection, site).date() == DAYS[1]
        assert is_current(connection, site, MONDAY)
        counts = [t.batch.c[f"rows_{fate}"] for fate in ("received", "accepted", "duplicate", "rejected")]
        rows = connection.execute(sa.select(*counts).join(t.feed).where(t.feed.c.name == "erp/order_lines")).all()
    assert rows == [(4, 2, 1, 1)]
    past.close()


def test_what_looks_back_at_a_day_takes_nothing_in(store: Store, home: Path) -> None:
    site, _ = lived(store, home)
    made = rebuild_as_of(store, site, MONDAY, place_of(None, home, MONDAY), tell=lambda _: None)
    write(home, File("items", DAYS[3], [item("C")]), 40)
    past = connect_store(made.url)
    assert waiting_files(past, site, home) == []
    assert claim(past, site, home, actor="test") == []
    past.close()
    assert len(waiting_files(store, site, home)) == 1


def test_asked_for_again_it_is_made_anew_of_another_day_too(store: Store, home: Path) -> None:
    site, monday = lived(store, home)
    place = place_of(str(home / "back.db"), home, MONDAY)
    for day in (LATER, MONDAY, MONDAY):
        made = rebuild_as_of(store, site, day, place, tell=lambda _: None)
    past = connect_store(made.url)
    assert canonical(past) == monday
    past.close()


def test_the_plants_own_day_made_apart_is_what_the_plant_holds(store: Store, home: Path) -> None:
    site, _ = lived(store, home)
    clear(store)
    rebuild_now(store, site)
    made = rebuild_as_of(store, site, LATER, place_of(None, home, LATER), tell=lambda _: None)
    past = connect_store(made.url)
    assert canonical(past) == canonical(store)
    past.close()


def test_a_past_day_can_be_made_on_a_server(home: Path, postgres_url: str) -> None:
    store = open_store()
    site, monday = lived(store, home)
    made = rebuild_as_of(store, site, MONDAY, place_of(postgres_url, home, MONDAY), tell=lambda _: None)
    assert made.folder is None
    past = connect_store(place_of(postgres_url, home, MONDAY))
    assert canonical(past) == monday
    refresh(past, site, MONDAY)  # new rows are numbered after those that were copied
    assert canonical(past) == monday
    past.close()
    store.close()


def test_a_plants_own_database_is_never_written_over(store: Store, home: Path) -> None:
    site, _ = lived(store, home)
    with pytest.raises(StoreError, match="cannot hold a past day"):
        rebuild_as_of(store, site, MONDAY, store.engine.url, tell=lambda _: None)
    other = connect_store(rebuild_as_of(store, site, MONDAY, place_of(None, home, MONDAY), tell=lambda _: None).url)
    with other.write() as connection:
        connection.execute(sa.delete(t.past_day))
    with pytest.raises(StoreError, match="is a plant's own database"):
        rebuild_as_of(store, site, MONDAY, other.engine.url, tell=lambda _: None)
    other.close()


def test_a_day_that_is_still_to_come_or_a_place_that_is_none_is_told(store: Store, home: Path) -> None:
    site = plant(home)
    with pytest.raises(StoreError, match="is still to come: the plant's last complete day is 2026-05-01"):
        rebuild_as_of(store, site, LATER + timedelta(days=1), place_of(None, home, LATER), tell=lambda _: None)
    with pytest.raises(StoreError, match="--into names 'mysql'; expected"):
        place_of("mysql://server/plant", home, date(2026, 3, 1))


def test_the_job_makes_a_past_day_too(home: Path) -> None:
    store = open_store()
    site, monday = lived(store, home)
    settings = {"ops": {"rebuild_unified": {"config": {"as_of": MONDAY.isoformat()}}}}
    with dg.DagsterInstance.ephemeral() as instance:
        resources = {"plant": Plant(site_folder=str(site.folder))}
        result = rebuild_job.execute_in_process(run_config=settings, resources=resources, instance=instance)
    assert result.success
    past = connect_store(place_of(None, home, MONDAY))
    assert canonical(past) == monday
    past.close()
    store.close()
