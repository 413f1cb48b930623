from pathlib import Path
from typing import Any

import polars as pl
import pytest

from manufacturing_copilot.ingest.discovery.claim import claim
from manufacturing_copilot.ingest.ledger.list_evidence import evidence_of_lists, undeclared_lists
from manufacturing_copilot.ingest.loading.load import load_batch
from manufacturing_copilot.store import open_store
from manufacturing_copilot_tests.ingest.plants import drop_at, site_of

STOCK: dict[str, Any] = {
    "feed": "erp/stock",
    "records": "stock_levels",
    "files": "inbox/stock*.csv",
    "columns": {"item": "item", "location": "place", "on_hand": "qty"},
}


def _keys(*numbers: range) -> list[pl.Series]:
    return [pl.Series([f"A{number}" for number in each]) for each in numbers]


def test_files_of_which_each_repeats_nearly_all_of_the_last_look_like_full_lists() -> None:
    evidence = evidence_of_lists(_keys(range(100), range(2, 101), range(3, 105)))
    assert evidence is not None
    assert (evidence.files, round(evidence.repeated, 2), evidence.vanished) == (3, 0.98, 3)
    assert "3 records were left out: they look like full lists" in evidence.sentence


@pytest.mark.parametrize(
    "keys",
    [
        _keys(range(100), range(2, 101)),
        _keys(range(100), range(100), range(100)),
        _keys(range(100), range(50, 150), range(100, 200)),
        _keys(range(3), range(1, 3), range(1, 3)),
        [],
    ],
    ids=["only two", "nothing is ever left out", "half is other", "too few", "none"],
)
def test_other_files_do_not(keys: list[pl.Series]) -> None:
    assert evidence_of_lists(keys) is None


@pytest.mark.parametrize(
    ("change", "first", "is_told"),
    [({}, "5", True), ({"holds": "changes"}, "5", False), ({}, "0", False)],
    ids=["nothing is declared", "it is declared", "zeros are sent"],
)
def test_a_feed_whose_files_look_like_full_lists_is_told_unless_it_says_what_ends(
    home: Path, change: dict[str, Any], first: str, is_told: bool
) -> None:
    site = site_of(home / "site", {**STOCK, **change})
    for day in range(3):
        rows = [f"A{number},H4,{first if number == 10 else 5 + day}" for number in range(day, 30)]
        drop_at(home, f"inbox/stock_{day}.csv", day * 86_400, "item,place,qty", *rows)
    store = open_store()
    for one in claim(store, site, home, actor="test"):
        load_batch(store, site, one.reference, home=home, actor="test")
    with store.read() as connection:
        assert (undeclared_lists(connection, site.feeds[0]) is not None) is is_told
    store.close()
