"""Empty cells of newer rows: what a record had stays, unless its feed says that blanks clear it."""

from __future__ import annotations

from pathlib import Path

import pytest

from manufacturing_copilot.ingest.corrections.withdraw import withdraw
from manufacturing_copilot.ingest.dry_run import rehearse
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.tables import accepted
from manufacturing_copilot_tests.ingest.corrections.test_withdraw import deliver
from manufacturing_copilot_tests.ingest.loading.test_load import fates, load_all, rows
from manufacturing_copilot_tests.ingest.plants import drop, drop_at, site_of

ITEMS: dict[str, object] = {
    "feed": "erp/items",
    "records": "items",
    "files": "inbox/items*.csv",
    "columns": {"item": "item", "name": "name", "unit_cost": "cost", "category": {"column": "group", "optional": True}},
}
HEADER = "item,name,cost,group"


def items(store: Store) -> list[tuple[object, ...]]:
    return rows(store, accepted["items"], "item", "name", "unit_cost", "category")


def test_a_blank_wipes_no_attribute_of_a_master(store: Store, home: Path) -> None:
    site = site_of(home / "site", ITEMS)
    deliver(store, site, home, "inbox/items_1.csv", HEADER, "A,Axle,2,Steel", "B,Bolt,1,Steel")
    changed = deliver(store, site, home, "inbox/items_2.csv", HEADER, "A,,3,", "B,,,")
    assert (fates(changed), changed.changed) == ((2, 1, 1, 0), 1)
    assert items(store) == [("A", "Axle", 3.0, "Steel"), ("B", "Bolt", 1.0, "Steel")]
    path = drop(home, "elsewhere/items.csv", "item,name,cost", "A,,3")  # nor does a column that is not there
    rehearsal = rehearse(store, site, site.feed("erp/items"), path)
    assert (rehearsal.accepted, rehearsal.duplicate) == (0, 1)


@pytest.mark.parametrize(
    ("keys", "name", "group"),
    [({"blank": "clears"}, None, None), ({"columns": {"blank": "clears"}}, None, "Steel")],
)
def test_a_feed_or_a_column_says_that_blanks_clear(
    store: Store, home: Path, keys: dict[str, object], name: str | None, group: str | None
) -> None:
    columns = dict(ITEMS["columns"])  # type: ignore[call-overload]
    if "columns" in keys:
        keys, columns["name"] = {}, {"column": "name", "blank": "clears"}
    site = site_of(home / "site", {**ITEMS, "columns": columns, **keys})
    deliver(store, site, home, "inbox/items_1.csv", HEADER, "A,Axle,2,Steel")
    deliver(store, site, home, "inbox/items_2.csv", HEADER, "A,,3,")
    assert items(store) == [("A", name, 3.0, group)]


def test_what_was_kept_goes_with_the_batch_that_brought_it(store: Store, home: Path) -> None:
    site = site_of(home / "site", ITEMS)
    deliver(store, site, home, "inbox/items_1.csv", HEADER, "A,Axle,2,Steel", "B,Bolt,1,Steel")
    deliver(store, site, home, "inbox/items_2.csv", HEADER, "A,,3,", "B,,1,")
    withdraw(store, site, "00000001", home=home, actor="test", reason="not ours")
    assert items(store) == [("A", None, 3.0, None), ("B", None, 1.0, None)]


def test_an_older_file_that_comes_late_fills_what_newer_ones_left_blank(store: Store, home: Path) -> None:
    site = site_of(home / "site", ITEMS)
    drop_at(home, "inbox/items_2.csv", 20, HEADER, "A,,3,")
    load_all(store, site, home)
    drop_at(home, "inbox/items_1.csv", 10, HEADER, "A,Axle,2,Steel")
    load_all(store, site, home)
    assert items(store) == [("A", "Axle", 3.0, "Steel")]


def test_blanks_of_transactions_are_what_the_row_says(store: Store, home: Path) -> None:
    lines: dict[str, object] = {
        "feed": "shop/orders",
        "records": "order_lines",
        "files": "inbox/orders*.csv",
        "columns": {
            "order_no": "order",
            "item": "item",
            "quantity": "qty",
            "ordered_on": "day",
            "requested_on": "want",
        },
    }
    site = site_of(home / "site", lines)
    header = "order,item,qty,day,want"
    deliver(store, site, home, "inbox/orders_1.csv", header, "A1,OIL,2,2026-03-01,2026-03-09")
    deliver(store, site, home, "inbox/orders_2.csv", header, "A1,OIL,2,2026-03-01,")
    assert rows(store, accepted["order_lines"], "order_no", "requested_on") == [("A1", None)]


def test_a_blank_is_no_other_content_within_a_file(store: Store, home: Path) -> None:
    site = site_of(home / "site", ITEMS)
    counts = deliver(store, site, home, "inbox/items.csv", HEADER, "A,,2,", "A,Axle,,Steel", "A,Axle,2,")
    assert fates(counts) == (3, 2, 1, 0)
    assert items(store) == [("A", "Axle", 2.0, "Steel")]
