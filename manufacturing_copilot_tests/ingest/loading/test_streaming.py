"""A load leaves what was kept of it (`kept_results/`), whole and streamed: every plan leaves the same rows."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from manufacturing_copilot.ingest.discovery.claim import claim
from manufacturing_copilot.ingest.ledger.attempts import BatchCounts, retry
from manufacturing_copilot.ingest.loading.context import LoadSettings
from manufacturing_copilot.ingest.loading.load import load_batch
from manufacturing_copilot.site import Site
from manufacturing_copilot.store import Store, open_store
from manufacturing_copilot.store.tables import accepted, batch_file
from manufacturing_copilot_tests.ingest.loading.scenarios import (
    DECIDED_LATE,
    FAILING,
    LATE,
    SAME_KEYS,
    SCENARIOS,
    STREAMED,
    WHOLE,
    Load,
    kept_result,
    order,
    run,
)
from manufacturing_copilot_tests.ingest.plants import ORDERS, ORDERS_HEADER, drop, site_of

AS_A_WHOLE = LoadSettings(stream_from_bytes=1 << 40)
IN_PARTS = LoadSettings(stream_from_bytes=0, part_bytes=400, rows_watched_at_once=25)
_LOG = "manufacturing_copilot.ingest.loading.load"


def loader(settings: LoadSettings) -> Load:
    def load(store: Store, site: Site, reference: str, home: Path) -> BatchCounts:
        return load_batch(store, site, reference, home=home, actor="test", settings=settings)

    return load


def left_after(name: str, home: Path, settings: LoadSettings) -> dict[str, Any]:
    """What is left once the batches of a scenario are loaded into SQLite."""
    store = open_store(f"sqlite:///{home}/copilot.db")
    try:
        return run((SCENARIOS | SAME_KEYS)[name], store, home, loader(settings))
    finally:
        store.close()


def readings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """How the batches were read, plan by plan, as the log tells."""
    messages = [record.getMessage() for record in caplog.records if record.name == _LOG]
    return [message.partition("reading: ")[2].partition(",")[0] for message in messages if "reading: " in message]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, logger=_LOG)
    return caplog


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_batch_read_as_a_whole_leaves_what_was_kept(name: str, home: Path, log: pytest.LogCaptureFixture) -> None:
    assert left_after(name, home, AS_A_WHOLE) == kept_result(name)
    assert set(readings(log)) == {"whole"}


@pytest.mark.parametrize("name", STREAMED)
def test_a_streamed_batch_leaves_what_was_kept(name: str, home: Path, log: pytest.LogCaptureFixture) -> None:
    assert left_after(name, home, IN_PARTS) == kept_result(name)
    assert set(readings(log)) == {"streaming"}


@pytest.mark.parametrize("name", SAME_KEYS)
def test_rows_of_one_key_come_to_the_same_whole_and_in_parts(
    name: str, tmp_path: Path, log: pytest.LogCaptureFixture
) -> None:
    for folder in ("whole", "parts"):
        (tmp_path / folder).mkdir()
    left = left_after(name, tmp_path / "parts", IN_PARTS)
    assert left == left_after(name, tmp_path / "whole", AS_A_WHOLE)
    assert "keys that several rows have" in log.text
    for counts in left["counts"]:
        assert counts["received"] == counts["accepted"] + counts["duplicate"] + counts["rejected"]


@pytest.mark.parametrize("name", [name for name in STREAMED if name.startswith("unit_jump")])
def test_a_batch_in_which_units_jumped_is_streamed_again_without_those_rows(
    name: str, home: Path, log: pytest.LogCaptureFixture
) -> None:
    left = left_after(name, home, IN_PARTS)
    assert readings(log) == ["streaming"] * 3
    assert "without the rows that the unit tripwire stops" in log.text
    assert left["rejected_record"] == kept_result(name)["rejected_record"]
    assert "unit_jump" in str(left["rejected_record"])


@pytest.mark.parametrize("name", DECIDED_LATE)
def test_a_file_whose_end_decides_how_it_is_read_is_read_twice(
    name: str, home: Path, log: pytest.LogCaptureFixture
) -> None:
    assert left_after(name, home, IN_PARTS) == kept_result(name)
    assert readings(log) == ["streaming", "two passes"]


@pytest.mark.parametrize("name", WHOLE)
def test_an_odd_file_is_read_as_a_whole(name: str, home: Path, log: pytest.LogCaptureFixture) -> None:
    assert left_after(name, home, IN_PARTS) == kept_result(name)
    assert readings(log) == ["streaming", "whole"]


@pytest.mark.parametrize("name", [name for name in FAILING if name != "turned_dates"])
def test_a_batch_that_fails_does_so_in_the_same_words_when_it_is_streamed(name: str, home: Path) -> None:
    left = left_after(name, home, IN_PARTS)
    assert left == kept_result(name)
    assert left["counts"][-1]["status"] == "failed"


def test_dates_that_were_turned_round_stop_a_streamed_file_too(home: Path) -> None:
    settings = LoadSettings(stream_from_bytes=0, part_bytes=3000)  # a part is judged by its own neighbours
    left = left_after("turned_dates", home, settings)
    assert "holds dates in two orders: its rows are in order of date" in left["counts"][0]["problem"]
    assert left["accepted_order_lines"] == kept_result("turned_dates")["accepted_order_lines"] == []


@pytest.mark.parametrize("name", LATE)
def test_a_batch_with_older_files_is_streamed_unless_it_speaks_of_what_is_loaded(
    name: str, home: Path, log: pytest.LogCaptureFixture
) -> None:
    assert left_after(name, home, IN_PARTS) == kept_result(name)
    repeated_keys = ["streaming", "streaming", "whole", "streaming"]
    assert readings(log) == (["streaming", "streaming", "whole"] if "copies" in name else repeated_keys)


@pytest.mark.parametrize("repeats", ["update", "reject"])
def test_files_that_came_late_come_to_what_they_would_have_in_order(home: Path, repeats: str) -> None:
    late = kept_contents(f"late_{repeats}", home / "late", range_of=None)
    in_order = kept_contents(f"late_{repeats}", home / "in_order", range_of=(1, 0, 2))
    assert late == in_order and len(late) > 50


def kept_contents(name: str, home: Path, *, range_of: tuple[int, ...] | None) -> list[tuple[object, ...]]:
    """The contents of the accepted records, with batches in the order of the scenario or in another one."""
    home.mkdir()
    scenario = SCENARIOS[name]
    if range_of is not None:
        scenario = replace(scenario, batches=[scenario.batches[n] for n in range_of], moments=range(100))
    store = open_store(f"sqlite:///{home}/copilot.db")
    run(scenario, store, home, loader(IN_PARTS))
    table = accepted["order_lines"]
    columns = [table.c[name] for name in ("order_no", "line_no", "item", "quantity", "ordered_on")]
    with store.read() as connection:
        rows = connection.execute(sa.select(*columns).order_by(*columns)).tuples().all()
    store.close()
    return [tuple(row) for row in rows]


def test_streaming_leaves_the_same_on_both_databases(store: Store, home: Path) -> None:
    left = run(SCENARIOS["history_update_2"], store, home, loader(IN_PARTS))
    kept = kept_result("history_update_2")
    for name in ("duplicate_record", "counts", "received"):
        assert left[name] == kept[name], name
    for name in ("accepted_order_lines", "changed_record", "rejected_record"):
        assert number_of(left[name]) == number_of(kept[name]), name


def number_of(rows: list[str] | dict[str, Any]) -> int:
    return len(rows) if isinstance(rows, list) else int(rows["rows"])


def test_a_streamed_load_that_fails_half_way_leaves_nothing(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS)
    drop(home, "inbox/shop/orders_1.csv", ORDERS_HEADER, *(order(n, n % 997) for n in range(40_000)))
    [claimed] = claim(store, site, home, actor="test")
    columns = {**ORDERS["columns"], "price": "no such column"}  # type: ignore[dict-item]
    unreadable = site_of(home / "other_site", {**ORDERS, "columns": columns})
    assert load_batch(store, unreadable, claimed.reference, home=home, actor="test").status == "failed"
    with store.read() as connection:
        archived = home / str(connection.scalar(sa.select(batch_file.c.archived_as)))
    content = archived.read_bytes()
    archived.write_bytes(content[: len(content) * 3 // 4])  # what a disk that goes bad leaves of it
    shutil.rmtree(home / "received")
    retry(store, claimed.reference, "test")
    settings = LoadSettings(stream_from_bytes=0, part_bytes=20_000)
    with pytest.raises(OSError, match="Truncated compressed stream"):
        load_batch(store, site, claimed.reference, home=home, actor="test", settings=settings)
    with store.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(accepted["order_lines"])) == 0
    assert not list((home / "received").rglob("*.parquet"))
    archived.write_bytes(content)
    retry(store, claimed.reference, "test")
    assert load_batch(store, site, claimed.reference, home=home, actor="test").accepted == 40_000
