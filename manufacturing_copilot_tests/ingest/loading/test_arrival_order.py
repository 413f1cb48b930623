"""In which order the files of a keyed feed arrive, and how they fall into batches, does not change what stands."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manufacturing_copilot.ingest.discovery.claim import claim
from manufacturing_copilot.ingest.ledger.batches import totals
from manufacturing_copilot.ingest.loading.load import load_batch
from manufacturing_copilot.site import Site
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.tables import accepted, batch, batch_file
from manufacturing_copilot_tests.ingest.corrections.test_withdraw import emptied, everything, rows
from manufacturing_copilot_tests.ingest.plants import ORDERS, ORDERS_HEADER, drop_at, site_of

KEYS = st.integers(1, 4)
QUANTITIES = st.sampled_from(["1", "2", "3", "1.5", "many"])


@dataclass(frozen=True)
class Arrival:
    """Files (key and quantity of each row) in the order in which they were written, and how they come.

    `order`: in which they arrive; `looks`: after which arrivals somebody looks; `loads`: ranks by which the batches
    are loaded.
    """

    files: Sequence[Sequence[tuple[int, str]]]
    order: Sequence[int]
    looks: Sequence[int]
    loads: Sequence[int]


@st.composite
def arrivals(draw: st.DrawFn) -> Arrival:
    pool = draw(st.lists(st.lists(st.tuples(KEYS, QUANTITIES), min_size=1, max_size=5), min_size=2, max_size=4))
    files = draw(st.lists(st.sampled_from(pool), min_size=2, max_size=6))
    numbers = range(len(files))
    looks = draw(st.lists(st.sampled_from(numbers), unique=True, max_size=len(files)))
    return Arrival(files, draw(st.permutations(numbers)), looks, draw(st.permutations(numbers)))


@pytest.mark.parametrize("repeats", ["update", "reject"])
def test_the_order_of_arrival_does_not_change_what_stands(store: Store, home: Path, repeats: str) -> None:
    site = site_of(home / "site", ORDERS | {"repeats": repeats})

    @settings(
        max_examples=int(os.environ.get("COPILOT_EXAMPLES", "8")),
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(arrivals())
    def holds(arrival: Arrival) -> None:
        played = stands_after(store, site, home, arrival)
        numbers = range(len(arrival.files))
        assert played == stands_after(store, site, home, Arrival(arrival.files, numbers, numbers, numbers))

    holds()


def stands_after(store: Store, site: Site, home: Path, arrival: Arrival) -> dict[str, Any]:
    """Return what every row has come to, by its file and line, once the files have arrived so."""
    emptied(store)
    shutil.rmtree(home / "inbox", ignore_errors=True)
    waiting = []
    for place, number in enumerate(arrival.order):
        lines = [f"A{key},1,7,{quantity},2026-03-01" for key, quantity in arrival.files[number]]
        drop_at(home, f"inbox/shop/orders_{number}.csv", number, ORDERS_HEADER, *lines)
        if place in arrival.looks or place == len(arrival.order) - 1:
            waiting += [found.reference for found in claim(store, site, home, actor="test")]
    for _, reference in sorted(zip(arrival.loads, waiting, strict=False)):
        assert load_batch(store, site, reference, home=home, actor="test").status == "success"
    found = everything(store)
    del found["batches"]  # how files fall into batches is what differs
    return {**found, "rows": totals(store).rows}


def versions(store: Store, site: Site, home: Path, moments: Sequence[int]) -> list[tuple[object, ...]]:
    """Load files that say 1, 2, … of one order, each as a batch; return the quantity and the path that hold."""
    for number, moment in enumerate(moments, start=1):
        drop_at(home, f"inbox/shop/orders_{number}.csv", moment, ORDERS_HEADER, f"A1,1,7,{number},2026-03-01")
        [found] = claim(store, site, home, actor="test")
        load_batch(store, site, found.reference, home=home, actor="test")
    names = dict(rows(store, batch_file, "id", "path"))
    return [(quantity, names[file]) for quantity, file in rows(store, accepted["order_lines"], "quantity", "file_id")]


def test_what_was_written_later_holds_and_of_one_moment_what_was_claimed_later(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS)
    assert versions(store, site, home, [20, 10, 20, 15]) == [(3.0, "inbox/shop/orders_3.csv")]


def test_the_first_that_was_written_holds_where_the_feed_says_reject(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS | {"repeats": "reject"})
    assert versions(store, site, home, [20, 10, 15]) == [(2.0, "inbox/shop/orders_2.csv")]


def test_a_feed_whose_files_bear_times_without_meaning_goes_by_claims(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS | {"order": "claimed"})
    assert versions(store, site, home, [20, 10, 15]) == [(3.0, "inbox/shop/orders_3.csv")]


def test_a_file_with_a_time_to_come_stands_where_it_was_claimed(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS)
    assert versions(store, site, home, [10**9, 20, 10**9 - 5]) == [(3.0, "inbox/shop/orders_3.csv")]
    with store.read() as connection:
        claimed = connection.scalars(sa.select(batch.c.claimed_at).order_by(batch.c.id)).all()
    assert [moment for _, moment in rows(store, batch_file, "id", "order_ns")][::2] == [
        round(claimed[n].timestamp() * 1_000_000) * 1_000 for n in (0, 2)
    ]
