"""In which order the files of a keyed feed arrive, and how they fall into batches, does not change what stands."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manufacturing_copilot.ingest.batches import totals
from manufacturing_copilot.ingest.claim import claim
from manufacturing_copilot.ingest.load import load_batch
from manufacturing_copilot.site import Site
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.tables import accepted
from manufacturing_copilot_tests.ingest.plants import ORDERS, ORDERS_HEADER, drop, site_of
from manufacturing_copilot_tests.ingest.test_withdraw import emptied, rows

# One key, one content: what several files say of a record is the same, or else the later one is meant to win.
FILES = st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=6), min_size=2, max_size=5)


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[list[list[int]], list[int], list[int]]:
    """Files by the keys in them, an order of arrival, and after which of them somebody looks into the inbox."""
    files = draw(FILES)
    order = draw(st.permutations(range(len(files))))
    looks = draw(st.lists(st.sampled_from(range(len(files))), unique=True, max_size=len(files)))
    return files, order, looks


@pytest.mark.parametrize("repeats", ["update", "reject"])
def test_the_order_of_arrival_does_not_change_what_stands(store: Store, home: Path, repeats: str) -> None:
    site = site_of(home / "site", ORDERS | {"repeats": repeats})

    @settings(
        max_examples=int(os.environ.get("COPILOT_EXAMPLES", "8")),
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(arrivals())
    def holds(arrival: tuple[list[list[int]], list[int], list[int]]) -> None:
        files, order, looks = arrival
        played = stands_after(store, site, home, files, order, looks)
        in_order = stands_after(store, site, home, files, range(len(files)), [])
        assert played == in_order

    holds()


def stands_after(
    store: Store, site: Site, home: Path, files: Sequence[Sequence[int]], order: Sequence[int], looks: Sequence[int]
) -> tuple[object, ...]:
    """Return what is accepted, and the rows by fate, once the files have arrived in this order."""
    emptied(store)
    shutil.rmtree(home / "inbox", ignore_errors=True)
    for place, number in enumerate(order):
        lines = [f"A{key},1,7,{key / 2},2026-03-01" if key < 9 else "A9,1,7,many,2026-03-01" for key in files[number]]
        drop(home, f"inbox/shop/orders_{number}.csv", ORDERS_HEADER, f"B{number},1,7,1,2026-03-01", *lines, age=60)
        if place in looks or place == len(order) - 1:
            for found in claim(store, site, home, actor="test"):
                assert load_batch(store, site, found.reference, home=home, actor="test").status == "success"
    records = rows(store, accepted["order_lines"], "record_key", "item", "quantity", "ordered_on")
    return records, totals(store).rows
