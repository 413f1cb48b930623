from pathlib import Path

import pytest

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.ingest.discovery.claim import claim
from manufacturing_copilot.ingest.ledger.batches import (
    BATCH_EVENTS,
    BATCH_FILES,
    BATCHES,
    DUPLICATES_OF_BATCH,
    PENDING_BATCHES,
    REJECTED_OF_BATCHES,
    duplicate_rows,
    list_batches,
    pending_batches,
    rejected_rows,
    story_of,
    totals,
)
from manufacturing_copilot.ingest.loading.load import load_batch
from manufacturing_copilot.store import Store
from manufacturing_copilot_tests.ingest.plants import MOVES_HEADER, ORDERS_HEADER, drop, site_of


@pytest.fixture
def three_batches(store: Store, home: Path) -> Store:
    """Orders that loaded (with a duplicate and a rejected row), moves that failed, and orders that wait."""
    site = site_of(home / "site")
    drop(
        home, "inbox/shop/orders_1.csv", ORDERS_HEADER, "A,1,7,2,2026-03-01", "A,1,7,2,2026-03-01", "A,2,7,x,2026-03-01"
    )
    drop(home, "inbox/stock/moves_1.csv", MOVES_HEADER.replace("item", "code"), "7,2026-03-01,1")
    for found in claim(store, site, home, actor="test"):
        load_batch(store, site, found.reference, home=home, actor="test")
    drop(home, "inbox/shop/orders_2.csv", ORDERS_HEADER, "B,1,7,2,2026-03-01")
    claim(store, site, home, actor="test")
    return store


def test_totals_count_batches_by_status_and_rows_by_fate(three_batches: Store) -> None:
    found = totals(three_batches)
    assert found.batches == {"pending": 1, "in_progress": 0, "success": 1, "failed": 1, "withdrawn": 0}
    assert found.rows == {"received": 3, "accepted": 1, "duplicate": 1, "rejected": 1}


def test_totals_of_an_empty_ledger_are_zero(store: Store) -> None:
    assert set(totals(store).batches.values()) == {0}
    assert totals(store).rows == {"received": 0, "accepted": 0, "duplicate": 0, "rejected": 0}


def test_the_list_shows_the_newest_first_and_can_be_narrowed(three_batches: Store) -> None:
    found = BATCHES.check(list_batches(three_batches))
    assert found.select("reference", "feed", "status", "files").rows() == [
        ("00000003", "shop/orders", "pending", 1),
        ("00000002", "stock/moves", "failed", 1),
        ("00000001", "shop/orders", "success", 1),
    ]
    assert list_batches(three_batches, limit=1)["reference"].to_list() == ["00000003"]
    assert list_batches(three_batches, feed_name="stock/moves").height == 1
    assert list_batches(three_batches, status="success")["rows_rejected"].to_list() == [1]
    with pytest.raises(BatchError, match="found the status 'done', expected one of pending"):
        list_batches(three_batches, status="done")


def test_the_story_of_a_batch_names_files_events_and_rejected_rows(three_batches: Store) -> None:
    story = story_of(three_batches, "00000001")
    BATCH_FILES.check(story.files)
    BATCH_EVENTS.check(story.events)
    REJECTED_OF_BATCHES.check(story.rejected)
    assert story.counts.accepted == 1
    assert story.files.select("path", "rows_received", "repeats").rows() == [("inbox/shop/orders_1.csv", 3, None)]
    assert story.events["to_status"].to_list() == ["pending", "in_progress", "success"]
    assert story.events["reason"][-1] == "3 rows: 1 accepted (0 of them changes), 1 duplicate, 1 rejected"
    assert story.rejected.select("path", "line").rows() == [("inbox/shop/orders_1.csv", 4)]
    with pytest.raises(BatchError, match="no batch has the reference '9'"):
        story_of(three_batches, "9")


def test_rejected_rows_carry_the_reason_in_words_and_the_texts_they_came_with(three_batches: Store) -> None:
    with three_batches.read() as connection:
        [row] = REJECTED_OF_BATCHES.check(rejected_rows(connection)).rows(named=True)
        assert rejected_rows(connection, feed_name="stock/moves").is_empty()
    assert (row["reference"], row["feed"], row["line"]) == ("00000001", "shop/orders", 4)
    assert "quantity" in row["reason"]
    assert '"A"' in row["received"]


def test_duplicate_rows_name_what_they_repeat(three_batches: Store) -> None:
    with three_batches.read() as connection:
        found = DUPLICATES_OF_BATCH.check(duplicate_rows(connection, reference="00000001"))
    assert found.select("path", "line", "of_path", "of_line").rows() == [
        ("inbox/shop/orders_1.csv", 3, "inbox/shop/orders_1.csv", 2)
    ]


def test_pending_batches_are_told_by_source(three_batches: Store) -> None:
    with three_batches.read() as connection:
        pending = PENDING_BATCHES.check(pending_batches(connection))
        assert pending.select("reference", "feed").rows() == [("00000003", "shop/orders")]
        assert pending_batches(connection, "stock").is_empty()
