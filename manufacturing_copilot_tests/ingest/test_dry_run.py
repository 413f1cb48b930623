"""The dry run: it says what loading then does, and leaves everything as it was."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from manufacturing_copilot.cli.main import app
from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.ingest.discovery.claim import claim
from manufacturing_copilot.ingest.dry_run import Rehearsal, rehearse
from manufacturing_copilot.ingest.ledger.attempts import BatchCounts
from manufacturing_copilot.ingest.loading.load import load_batch
from manufacturing_copilot.site import Site
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.tables import metadata
from manufacturing_copilot_tests.ingest.plants import MOVES, MOVES_HEADER, ORDERS, ORDERS_HEADER, drop, site_of


def dump(store: Store, home: Path) -> dict[str, object]:
    """Everything that the database and the home folder hold."""
    with store.read() as connection:
        tables: dict[str, object] = {
            table.name: sorted(map(repr, connection.execute(sa.select(table)))) for table in metadata.sorted_tables
        }
    files = [path for path in home.rglob("*") if path.is_file() and not path.name.startswith("copilot.db")]
    return tables | {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def load(store: Store, site: Site, home: Path) -> BatchCounts:
    [found] = claim(store, site, home, actor="test")
    return load_batch(store, site, found.reference, home=home, actor="test")


def fates(counts: BatchCounts | Rehearsal) -> tuple[int, ...]:
    return counts.received, counts.accepted, counts.duplicate, counts.rejected, counts.changed


BEFORE = [f"A{n},1,007,{4 + n % 3},2026-03-01" for n in range(12)]
COMING = [
    BEFORE[0],
    "A1,1,007,9,2026-03-01",
    "B1,1,008,2,2026-03-02",
    "B1,1,008,2,2026-03-02",
    "B2,1,008,two,2026-03-02",
    "B3,1,008",
    *(f"C{n},1,007,{50 + n},2026-03-02" for n in range(5)),
]


@pytest.mark.parametrize("repeats", ["update", "reject"])
def test_it_says_what_loading_then_does_and_changes_nothing(store: Store, home: Path, repeats: str) -> None:
    site = site_of(home / "site", ORDERS | {"repeats": repeats})
    drop(home, "inbox/shop/orders1.csv", ORDERS_HEADER, *BEFORE, age=90)
    load(store, site, home)
    path = drop(home, "inbox/shop/orders2.csv", ORDERS_HEADER, *COMING)
    before = dump(store, home)
    said = rehearse(store, site, site.feeds[0], path)
    assert dump(store, home) == before
    assert said.rejected > 0
    assert fates(said) == fates(load(store, site, home))


def test_it_knows_a_file_that_was_loaded_before(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS)
    path = drop(home, "inbox/shop/orders1.csv", ORDERS_HEADER, *BEFORE)
    load(store, site, home)
    said = rehearse(store, site, site.feeds[0], path)
    assert fates(said) == (12, 0, 12, 0, 0)
    assert "repeats inbox/shop/orders1.csv byte for byte" in said.findings[0]


LATER = "files that were written later are loaded already"


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({}, (f"{LATER}: of records that both speak of, theirs hold",)),
        ({"repeats": "reject"}, (f"{LATER}: of records that both speak of, those of this file hold",)),
        ({"order": "claimed"}, ()),
    ],
)
def test_it_tells_of_a_file_that_is_older_than_what_is_loaded(
    store: Store, home: Path, declared: dict[str, object], said: tuple[str, ...]
) -> None:
    site = site_of(home / "site", ORDERS | declared)
    drop(home, "inbox/shop/orders1.csv", ORDERS_HEADER, *BEFORE, age=90)
    load(store, site, home)
    path = drop(home, "elsewhere/orders.csv", ORDERS_HEADER, "A1,1,007,5,2026-03-01", age=900)
    assert rehearse(store, site, site.feeds[0], path).findings == said
    os.utime(path)
    assert rehearse(store, site, site.feeds[0], path).findings == ()


def test_it_tells_drift_guards_and_volume(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS)
    for n in range(6):
        lines = [f"{n}-{line}" for line in BEFORE]
        drop(home, f"inbox/shop/orders{n}.csv", ORDERS_HEADER, *lines, age=90 - n)
        load(store, site, home)
    lines = [f"X{n},1,007,{500 + n},2026-03-02,red" for n in range(40)]
    path = drop(home, "elsewhere/orders.csv", f"{ORDERS_HEADER},colour", *lines)
    said = rehearse(store, site, site.feeds[0], path)
    assert said.drift == {"new columns": ["colour"]}
    assert said.findings == (
        "the batch has 40 rows, where 12 are usual",
        "40 rows wait for a person, because a unit may have changed",
    )
    assert said.rejected_rows["_line"].to_list() == list(range(2, 42))


def test_a_file_that_would_be_refused_says_why(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS)
    path = drop(home, "elsewhere/orders.csv", "order,line,amount,ordered", "A2,1,3,2026-03-01")
    said = rehearse(store, site, site.feeds[0], path)
    assert said.refused is not None
    assert "'item'" in said.refused
    assert said.received == 0


def test_an_empty_key_is_rejected_as_in_loading(store: Store, home: Path) -> None:
    keyed = MOVES | {"repeats": "update", "key": ["item"], "columns": {**MOVES["columns"], "location": "place"}}  # type: ignore[dict-item]
    site = site_of(home / "site", keyed | {"key": ["location"]})
    path = drop(home, "inbox/stock/moves1.csv", f"{MOVES_HEADER},place", "007,2026-03-01,1,", "007,2026-03-01,1,A")
    said = rehearse(store, site, site.feeds[0], path)
    assert fates(said) == fates(load(store, site, home)) == (2, 1, 0, 1, 0)


def test_without_a_database_it_is_the_first_file_and_none_is_made(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site_of(home / "site", ORDERS)
    monkeypatch.setenv("COPILOT_SITE", str(home / "site"))
    path = drop(home, "elsewhere/orders.csv", ORDERS_HEADER, *COMING)
    before = sorted(home.rglob("*"))
    told = CliRunner().invoke(app, ["feed", "check", "shop/orders", str(path)])
    assert told.exit_code == 0, told.output
    assert "11 rows received = 8 accepted (0 of them changes) + 1 duplicate + 2 rejected" in told.output
    assert "line 6: orders.csv, line 6: the column 'quantity' holds 'two'" in told.output
    assert told.output.endswith("Nothing was changed.\n")
    assert sorted(home.rglob("*")) == before


def test_a_file_that_is_not_there_is_told(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS)
    with pytest.raises(BatchError, match="there is no such file"):
        rehearse(store, site, site.feeds[0], home / "nothing.csv")
