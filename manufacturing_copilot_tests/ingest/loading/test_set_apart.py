"""A file that cannot be loaded waits by itself, and the other files of its batch are loaded."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import sqlalchemy as sa

from manufacturing_copilot.errors import SiteError
from manufacturing_copilot.ingest.discovery.claim import claim
from manufacturing_copilot.ingest.ledger.attempts import BatchCounts, counts_of, retry
from manufacturing_copilot.ingest.ledger.batches import list_batches, story_of
from manufacturing_copilot.ingest.loading.load import load_batch
from manufacturing_copilot.site import Site
from manufacturing_copilot.store import Store, read_frame
from manufacturing_copilot.store.tables import accepted
from manufacturing_copilot_tests.ingest.plants import ORDERS, ORDERS_HEADER, aged, drop, drop_at, site_of


def order(number: int, quantity: int = 1) -> str:
    return f"O{number},1,A,{quantity},2026-01-0{number}"


def load(store: Store, site: Site, home: Path, reference: str) -> BatchCounts:
    return load_batch(store, site, reference, home=home, actor="test")


def loaded_orders(store: Store) -> list[tuple[object, ...]]:
    table = accepted["order_lines"]
    with store.read() as connection:
        return read_frame(connection, sa.select(table.c.order_no, table.c.quantity)).sort("order_no").rows()


def failed(store: Store) -> str:
    [reference] = list_batches(store, status="failed")["reference"].to_list()
    return str(reference)


@pytest.mark.parametrize(
    "spoilt", [b"PAR1 is no table", b"order;line\n", b"\xd0\xcf\x11\xe0 no workbook", b'order,"line\n1,2\n'], ids=str
)
def test_the_other_files_of_a_batch_are_loaded(store: Store, tmp_path: Path, spoilt: bytes) -> None:
    site, home = site_of(tmp_path / "site", ORDERS), tmp_path
    drop_at(home, "inbox/shop/orders_1.csv", 0, ORDERS_HEADER, order(1))
    (home / "inbox/shop/orders_2.csv").write_bytes(spoilt)
    aged(home / "inbox/shop/orders_2.csv", 60)
    drop_at(home, "inbox/shop/orders_3.csv", 20, ORDERS_HEADER, order(3))
    [claimed] = claim(store, site, home, actor="test")
    counts = load(store, site, home, claimed.reference)
    assert (counts.status, counts.received, counts.accepted) == ("success", 2, 2)
    apart = counts_of(store, failed(store))
    assert "orders_2.csv" in (apart.problem or "")
    assert story_of(store, apart.reference).files["path"].to_list() == ["inbox/shop/orders_2.csv"]
    assert f"set apart as batch {apart.reference}" in "".join(story_of(store, claimed.reference).events["reason"])


def test_a_retry_takes_the_newest_version_of_the_file(store: Store, tmp_path: Path) -> None:
    site, home = site_of(tmp_path / "site", ORDERS), tmp_path
    drop_at(home, "inbox/shop/orders_1.csv", 0, "order,line", "O1,1")
    drop_at(home, "inbox/shop/orders_2.csv", 10, ORDERS_HEADER, order(2))
    [claimed] = claim(store, site, home, actor="test")
    load(store, site, home, claimed.reference)
    drop_at(home, "inbox/shop/orders_1.csv", 20, ORDERS_HEADER, order(1), order(2, 7))
    reference = failed(store)
    retry(store, reference, "test")
    counts = load(store, site, home, reference)
    assert (counts.status, counts.accepted, counts.changed) == ("success", 2, 1)
    assert loaded_orders(store) == [("O1", 1.0), ("O2", 7.0)]
    assert claim(store, site, home, actor="test") == []


def test_a_retry_of_a_file_whose_newest_version_was_claimed_says_so(store: Store, tmp_path: Path) -> None:
    site, home = site_of(tmp_path / "site", ORDERS), tmp_path
    drop_at(home, "inbox/shop/orders_1.csv", 0, "order,line", "O1,1")
    [old] = claim(store, site, home, actor="test")
    assert load(store, site, home, old.reference).status == "failed"
    drop_at(home, "inbox/shop/orders_1.csv", 20, ORDERS_HEADER, order(1))
    [new] = claim(store, site, home, actor="test")
    assert load(store, site, home, new.reference).accepted == 1
    retry(store, old.reference, "test")
    problem = load(store, site, home, old.reference).problem or ""
    assert f"its newest version is batch {new.reference}" in problem


def test_files_that_vanish_or_become_folders_after_the_claim_are_set_apart(store: Store, tmp_path: Path) -> None:
    site, home = site_of(tmp_path / "site", ORDERS), tmp_path
    for number in (1, 2, 3):
        drop_at(home, f"inbox/shop/orders_{number}.csv", number, ORDERS_HEADER, order(number))
    [claimed] = claim(store, site, home, actor="test")
    (home / "inbox/shop/orders_1.csv").unlink()
    (home / "inbox/shop/orders_2.csv").unlink()
    (home / "inbox/shop/orders_2.csv").mkdir()
    assert load(store, site, home, claimed.reference).accepted == 1
    problems = list_batches(store, status="failed")["problem"].to_list()
    assert sorted(problem.split(": ")[1][:40] for problem in problems) == [
        "the file cannot be opened (Is a director",
        "the file was claimed and is no longer th",
    ]


def test_what_is_no_file_in_an_inbox_is_told_and_the_rest_is_claimed(store: Store, tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    site = site_of(home / "site", ORDERS)
    drop(home, "inbox/shop/orders_1.csv", ORDERS_HEADER, order(1))
    drop(elsewhere, "secret.csv", ORDERS_HEADER, order(2))
    inbox = home / "inbox/shop"
    (inbox / "orders_link.csv").symlink_to(elsewhere / "secret.csv")
    (inbox / "orders_loop.csv").symlink_to(inbox / "orders_loop.csv")
    (inbox / "orders_folder.csv").mkdir()
    os.mkfifo(inbox / "orders_pipe.csv")
    strange = os.fsencode(inbox) + b"/orders_\xe4.csv"
    with open(strange, "wb") as target:  # noqa: PTH123
        target.write(b"x\n")
    os.utime(strange, (1, 1))
    with pytest.raises(SiteError) as told:
        claim(store, site, home, actor="test")
    assert "orders_link.csv is a link that leads out of the home folder" in str(told.value)
    assert "orders_loop.csv: the file cannot be looked at" in str(told.value)
    assert "orders_pipe.csv: this is no file but a pipe" in str(told.value)
    assert r"orders_\xe4.csv: the file's name is no UTF-8 text" in str(told.value)
    assert "orders_folder" not in str(told.value)
    [reference] = list_batches(store)["reference"].to_list()
    assert load(store, site, home, reference).accepted == 1
