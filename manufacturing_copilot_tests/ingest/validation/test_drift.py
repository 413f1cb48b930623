"""What becomes of columns that come and go: evolve, freeze, discard."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa

from manufacturing_copilot.ingest.defs.assets import batch_metadata
from manufacturing_copilot.ingest.discovery.claim import claim
from manufacturing_copilot.ingest.ledger.attempts import BatchCounts
from manufacturing_copilot.ingest.loading.load import load_batch
from manufacturing_copilot.site import Site
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.tables import batch_file
from manufacturing_copilot_tests.ingest.plants import ORDERS, ORDERS_HEADER, drop, site_of

ROW = "A{n},1,007,2,2026-03-01"


def send(store: Store, site: Site, home: Path, n: int, header: str, more: str = "") -> BatchCounts:
    drop(home, f"inbox/shop/orders{n}.csv", header, ROW.format(n=n) + more)
    [found] = claim(store, site, home, actor="test")
    return load_batch(store, site, found.reference, home=home, actor="test")


def kept(store: Store, home: Path, n: int) -> tuple[list[str], dict[str, object]]:
    """The columns of the nth file as they were kept, and what was found of it."""
    with store.read() as connection:
        row = connection.execute(sa.select(batch_file).where(batch_file.c.id == n)).one()
    found = row.found if isinstance(row.found, dict) else json.loads(row.found)
    return pl.read_parquet(home / row.received_as).columns[:-1], found


def test_a_new_column_is_kept_with_the_received_rows_and_reported_once(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS)
    send(store, site, home, 1, ORDERS_HEADER)
    counts = send(store, site, home, 2, f"{ORDERS_HEADER},colour", ",red")
    send(store, site, home, 3, f"{ORDERS_HEADER},colour", ",red")
    assert counts.accepted == 1
    columns, found = kept(store, home, 2)
    assert columns[-1] == "colour"
    assert found["new_columns"] == ["colour"]
    assert batch_metadata(store, site.feeds[0], counts.reference)["new columns"] == "colour"
    assert kept(store, home, 3)[1]["new_columns"] == []


def test_a_frozen_feed_refuses_a_new_column_by_name(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS | {"drift": "freeze"})
    assert send(store, site, home, 1, ORDERS_HEADER).status == "success"
    counts = send(store, site, home, 2, f"{ORDERS_HEADER},colour", ",red")
    assert (counts.status, counts.accepted) == ("failed", 0)
    assert counts.problem is not None
    assert counts.problem.startswith("orders2.csv: the column 'colour' is new, and shop/orders says drift: freeze")


def test_a_discarding_feed_drops_a_new_column_and_says_so_each_time(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS | {"drift": "discard"})
    send(store, site, home, 1, ORDERS_HEADER)
    for n in (2, 3):
        counts = send(store, site, home, n, f"{ORDERS_HEADER},colour", ",red")
        columns, found = kept(store, home, n)
        assert "colour" not in columns
        assert found["discarded_columns"] == ["colour"]
        assert batch_metadata(store, site.feeds[0], counts.reference)["discarded columns"] == "colour"


@pytest.mark.parametrize("drift", ["evolve", "freeze", "discard"])
def test_a_missing_required_column_always_fails_the_batch(store: Store, home: Path, drift: str) -> None:
    site = site_of(home / "site", ORDERS | {"drift": drift})
    send(store, site, home, 1, ORDERS_HEADER)
    counts = send(store, site, home, 2, ORDERS_HEADER.replace("quantity", "colour"))
    assert counts.status == "failed"
    assert counts.problem is not None
    assert "'quantity'" in counts.problem or "'colour' is new" in counts.problem


@pytest.mark.parametrize(("drift", "status"), [("evolve", "success"), ("discard", "success"), ("freeze", "failed")])
def test_a_missing_optional_column_is_empty_and_reported_or_refused_where_frozen(
    store: Store, home: Path, drift: str, status: str
) -> None:
    columns = {**ORDERS["columns"], "customer": {"column": "customer", "optional": True}}  # type: ignore[dict-item]
    site = site_of(home / "site", ORDERS | {"drift": drift, "columns": columns})
    send(store, site, home, 1, f"{ORDERS_HEADER},customer", ",C1")
    counts = send(store, site, home, 2, ORDERS_HEADER)
    assert counts.status == status
    if status == "success":
        assert batch_metadata(store, site.feeds[0], counts.reference)["missing columns"] == "customer"
    else:
        assert "the column 'customer' is missing" in str(counts.problem)


@pytest.mark.parametrize("drift", ["freeze", "discard"])
def test_a_column_that_the_feed_names_is_never_news(store: Store, home: Path, drift: str) -> None:
    before = site_of(home / "before", ORDERS | {"drift": drift})
    send(store, before, home, 1, ORDERS_HEADER)
    columns = {**ORDERS["columns"], "customer": "Customer No."}  # type: ignore[dict-item]
    site = site_of(home / "site", ORDERS | {"drift": drift, "columns": columns})
    assert send(store, site, home, 2, f"{ORDERS_HEADER},customer no", ",C1").accepted == 1
