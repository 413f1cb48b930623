"""Guards before loading: rows whose unit jumped wait for a person, batches of unusual size are told or held."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa

from manufacturing_copilot.ingest.discovery.claim import claim
from manufacturing_copilot.ingest.ledger.attempts import BatchCounts, retry
from manufacturing_copilot.ingest.loading.load import load_batch
from manufacturing_copilot.ingest.validation.unit_guard import FACTORS, UNIT_JUMP
from manufacturing_copilot.ingest.validation.volume_guard import VOLUMES, volumes
from manufacturing_copilot.site import Site
from manufacturing_copilot.store import Store, read_frame
from manufacturing_copilot.store.tables import accepted, rejected_record
from manufacturing_copilot_tests.ingest.plants import MOVES, MOVES_HEADER, ORDERS, ORDERS_HEADER, drop, site_of

COSTS = {
    "feed": "books/costs",
    "records": "item_costs",
    "files": "inbox/books/costs*.csv",
    "columns": {"item": "item", "unit_cost": "cost"},
}
Send = Callable[..., BatchCounts]


@pytest.fixture
def send(store: Store, home: Path) -> Send:
    """Load one file as one batch: `send(site, path, *lines)`."""
    sent = 0

    def load(site: Site, path: str, *lines: str) -> BatchCounts:
        nonlocal sent
        sent += 1
        drop(home, path.replace("*", str(sent)), *lines, age=600 - sent)
        [found] = claim(store, site, home, actor="test")
        return load_batch(store, site, found.reference, home=home, actor="test")

    return load


def orders(first: int, *quantities: float, item: str = "007") -> list[str]:
    return [f"A{first + n},1,{item},{quantity:g},2026-03-01" for n, quantity in enumerate(quantities)]


def rejected(store: Store) -> list[tuple[int, dict[str, str]]]:
    query = sa.select(rejected_record.c.line, rejected_record.c.reasons).order_by(rejected_record.c.id)
    with store.read() as connection:
        rows = read_frame(connection, query).rows()
    return [(int(line), json.loads(reasons)[0]) for line, reasons in rows]


USUAL = (4, 5, 6, 5, 4, 6, 5, 5, 4, 6)


def test_rows_whose_quantity_jumped_to_another_unit_wait_with_medians_and_factor(
    store: Store, home: Path, send: Send
) -> None:
    site = site_of(home / "site", ORDERS)
    send(site, "inbox/shop/orders*.csv", ORDERS_HEADER, *orders(0, *USUAL), *orders(50, *USUAL, item="008"))
    lines = [*orders(100, 60, 48, 72, 5), *orders(200, 5, 6, 4, item="008")]
    counts = send(site, "inbox/shop/orders*.csv", ORDERS_HEADER, *lines)
    assert (counts.received, counts.accepted, counts.rejected) == (7, 4, 3)
    [(line, reason), *_] = rejected(store)
    assert (line, reason["rule"], reason["column"], reason["value"]) == (2, UNIT_JUMP, "quantity", "60")
    assert "the median quantity of item 007 was 5 and is 54 in this batch, about ×10" in reason["sentence"]
    assert [at for at, _ in rejected(store)] == [2, 3, 4]


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("up", [True, False])
def test_a_cost_that_jumps_by_a_unit_is_stopped_either_way(
    store: Store, home: Path, send: Send, factor: int, up: bool
) -> None:
    site = site_of(home / "site", COSTS)
    send(site, "inbox/books/costs*.csv", "item,cost", "007,2.5", "008,7")
    jumped = 2.5 * factor if up else 2.5 / factor
    counts = send(site, "inbox/books/costs*.csv", "item,cost", f"007,{jumped:.6f}", "008,7.7")
    assert (counts.accepted, counts.rejected) == (1, 1)
    [(_, reason)] = rejected(store)
    assert f"about {'×' if up else '1/'}{factor}:" in reason["sentence"]


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("up", [True, False])
def test_quantities_that_jump_by_a_unit_are_stopped_either_way(
    store: Store, home: Path, send: Send, factor: int, up: bool
) -> None:
    site = site_of(home / "site", ORDERS)
    large, small = [4000 * n for n in USUAL], [4000 * n / factor for n in USUAL]
    before, now = (small, large) if up else (large, small)
    send(site, "inbox/shop/orders*.csv", ORDERS_HEADER, *orders(0, *before))
    counts = send(site, "inbox/shop/orders*.csv", ORDERS_HEADER, *orders(100, *now[:4]))
    assert (counts.accepted, counts.rejected) == (0, 4)
    assert f"about {'×' if up else '1/'}{factor}:" in rejected(store)[0][1]["sentence"]


@pytest.mark.parametrize("ratio", [0.5, 1.4, 3, 6, 40, 400])
def test_a_cost_that_changes_by_no_units_factor_is_accepted(store: Store, home: Path, send: Send, ratio: float) -> None:
    site = site_of(home / "site", COSTS)
    send(site, "inbox/books/costs*.csv", "item,cost", "007,2.5")
    counts = send(site, "inbox/books/costs*.csv", "item,cost", f"007,{2.5 * ratio:g}")
    assert (counts.accepted, counts.rejected) == (1, 0)


def test_a_large_order_within_what_the_item_has_seen_is_no_jump(store: Store, home: Path, send: Send) -> None:
    site = site_of(home / "site", ORDERS)
    send(site, "inbox/shop/orders*.csv", ORDERS_HEADER, *orders(0, *USUAL, 60))
    counts = send(site, "inbox/shop/orders*.csv", ORDERS_HEADER, *orders(100, 50, 55, 60))
    assert counts.rejected == 0


def test_one_large_order_alone_is_no_jump(store: Store, home: Path, send: Send) -> None:
    site = site_of(home / "site", ORDERS)
    send(site, "inbox/shop/orders*.csv", ORDERS_HEADER, *orders(0, *USUAL))
    assert send(site, "inbox/shop/orders*.csv", ORDERS_HEADER, *orders(100, 50)).rejected == 0


def test_items_with_a_row_each_speak_together(store: Store, home: Path, send: Send) -> None:
    """A system switched from pieces to dozens: no item has enough rows to tell, all of them have."""
    site = site_of(home / "site", ORDERS)
    names = [f"I{n}" for n in range(12)]
    usual = [line for n, item in enumerate(names) for line in orders(100 * n, 12, 24, 36, item=item)]
    send(site, "inbox/shop/orders*.csv", ORDERS_HEADER, *usual)
    dozens = [line for n, item in enumerate(names) for line in orders(5000 + n, 2 if n % 3 else 1, item=item)]
    counts = send(site, "inbox/shop/orders*.csv", ORDERS_HEADER, *dozens)
    assert counts.rejected == 12
    assert "about 1/12" in rejected(store)[0][1]["sentence"]


def test_another_unit_of_its_own_is_no_jump(store: Store, home: Path, send: Send) -> None:
    feed = ORDERS | {"columns": {**ORDERS["columns"], "unit": "unit"}}  # type: ignore[dict-item]
    site = site_of(home / "site", feed)
    header = f"{ORDERS_HEADER},unit"
    send(site, "inbox/shop/orders*.csv", header, *(f"{line},EA" for line in orders(0, *USUAL)))
    boxes = [f"{line},CENT" for line in orders(100, 500, 500, 500)]
    assert send(site, "inbox/shop/orders*.csv", header, *boxes).rejected == 0


def test_a_feed_may_say_that_its_quantities_jump(store: Store, home: Path, send: Send) -> None:
    site = site_of(home / "site", COSTS | {"guards": {"unit_jump": "off"}})
    send(site, "inbox/books/costs*.csv", "item,cost", "007,2.5")
    assert send(site, "inbox/books/costs*.csv", "item,cost", "007,250").rejected == 0


def test_what_stands_accepted_already_is_a_duplicate_not_a_jump(store: Store, home: Path, send: Send) -> None:
    """Once a person has let the rows pass, the next full export must not stop at them."""
    loose = site_of(home / "loose", ORDERS | {"guards": {"unit_jump": "off"}})
    site = site_of(home / "site", ORDERS)
    send(site, "inbox/shop/orders*.csv", ORDERS_HEADER, *orders(0, *USUAL))
    send(loose, "inbox/shop/orders*.csv", ORDERS_HEADER, *orders(100, 50, 50, 50))
    counts = send(site, "inbox/shop/orders*.csv", ORDERS_HEADER, *orders(100, 50, 50, 50), "X,1,009,1,2026-03-01")
    assert (counts.duplicate, counts.rejected, counts.accepted) == (3, 0, 1)


def test_rows_that_wait_are_counted_once_and_kept_as_they_came(store: Store, home: Path, send: Send) -> None:
    site = site_of(home / "site", COSTS)
    send(site, "inbox/books/costs*.csv", "item,cost,note", "007,2.5,usual")
    counts = send(site, "inbox/books/costs*.csv", "item,cost,note", "007,250,in cents now")
    assert counts.received == counts.accepted + counts.duplicate + counts.rejected == 1
    with store.read() as connection:
        [(received,)] = read_frame(connection, sa.select(rejected_record.c.received)).rows()
        held = read_frame(connection, sa.select(accepted["item_costs"].c.unit_cost))
    assert json.loads(received) == {"item": "007", "cost": "250", "note": "in cents now"}
    assert held["unit_cost"].to_list() == [2.5]


def moves(rows: int) -> list[str]:
    return [MOVES_HEADER, *(f"I{n},2026-03-01,1" for n in range(rows))]


def of_size(send: Send, site: Site, *sizes: int) -> BatchCounts:
    counts = None
    for n, size in enumerate(sizes):
        counts = send(site, "inbox/stock/moves*.csv", *moves(size), f"only,2026-03-01,{n + 1}")
    assert counts is not None
    return counts


def test_a_batch_of_unusual_size_is_loaded_and_found(store: Store, home: Path, send: Send) -> None:
    site = site_of(home / "site", MOVES)
    assert of_size(send, site, 20, 22, 19, 21, 20, 100, 20).status == "success"
    with store.read() as connection:
        found = VOLUMES.check(volumes(connection, "stock/moves", last=10))
    assert found.filter(pl.col("unusual"))["rows"].to_list() == [101]
    assert found["usual"].to_list() == [None, None, None, None, None, 21, 21.5]


def test_a_feed_may_hold_such_a_batch_until_a_person_tries_it_again(store: Store, home: Path, send: Send) -> None:
    site = site_of(home / "site", MOVES | {"guards": {"volume": "hold"}})
    counts = of_size(send, site, 20, 22, 19, 21, 20, 3)
    assert counts.status == "failed"
    assert counts.problem is not None
    assert counts.problem.startswith("the batch has 4 rows, where 21 are usual, and stock/moves holds batches of")
    retry(store, counts.reference, "planner")
    again = load_batch(store, site, counts.reference, home=home, actor="planner")
    assert (again.status, again.accepted) == ("success", 4)


def test_too_few_batches_tell_nothing_about_size(store: Store, home: Path, send: Send) -> None:
    site = site_of(home / "site", MOVES | {"guards": {"volume": "hold"}})
    assert of_size(send, site, 20, 20, 20, 20, 400).status == "success"
