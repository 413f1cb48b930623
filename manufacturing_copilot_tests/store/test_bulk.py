from datetime import UTC, date, datetime

import polars as pl
import pytest
import sqlalchemy as sa

from manufacturing_copilot.store import Store, index_new_rows, insert_frame, prefer_indexes, read_frame, upsert_frame
from manufacturing_copilot.store.tables import batch, duplicate_record, feed, inventory_snapshot, item, location


def _two_items(store: Store) -> None:
    with store.write() as connection:
        insert_frame(connection, item, pl.DataFrame({"id": [1, 2], "sku": ["007", "A%B'C"], "unit_cost": [0.1, None]}))
        insert_frame(connection, location, pl.DataFrame({"id": [1], "code": ["Hall 4"]}))


def _snapshot(on_hand: float, item_id: int = 1) -> dict[str, object]:
    return {
        "day": date(2026, 3, 1),
        "item_id": item_id,
        "location_id": 1,
        "on_hand": on_hand,
        "reserved": 0.0,
        "on_order": 0.0,
        "counted_on": date(2026, 3, 1),
    }


def test_a_frame_comes_back_as_it_was_written(store: Store) -> None:
    _two_items(store)
    with store.read() as connection:
        found = read_frame(connection, sa.select(item.c.id, item.c.sku, item.c.unit_cost, item.c.active)).sort("id")
    assert found.rows() == [(1, "007", 0.1, True), (2, "A%B'C", None, True)]


def test_an_empty_text_and_no_text_stay_apart(store: Store) -> None:
    with store.write() as connection:
        insert_frame(connection, location, pl.DataFrame({"code": ["", "x"], "name": ["", None]}))
        found = read_frame(connection, sa.select(location.c.code, location.c.name)).sort("code")
    assert found.rows() == [("", ""), ("x", None)]


def test_a_query_can_compare_with_texts_dates_and_moments(store: Store) -> None:
    _two_items(store)
    moment = datetime(2026, 3, 1, 12, 30, 15, 250, tzinfo=UTC)
    with store.write() as connection:
        insert_frame(connection, inventory_snapshot, pl.DataFrame([_snapshot(5.5)]))
        feed_id = connection.execute(sa.insert(feed).values(name="erp/items").returning(feed.c.id)).scalar_one()
        connection.execute(sa.insert(batch).values(feed_id=feed_id, reference="1", status="pending", claimed_at=moment))
        by_text = read_frame(connection, sa.select(item.c.id).where(item.c.sku == "A%B'C"))
        by_date = read_frame(
            connection, sa.select(inventory_snapshot.c.day).where(inventory_snapshot.c.day >= date(2026, 3, 1))
        )
        by_moment = read_frame(connection, sa.select(batch.c.claimed_at).where(batch.c.claimed_at <= moment))
    assert by_text.rows() == [(2,)]
    assert by_date.rows() == [(date(2026, 3, 1),)]
    assert by_moment.rows() == [(moment,)]


def test_a_query_without_rows_still_has_its_columns(store: Store) -> None:
    with store.read() as connection:
        found = read_frame(connection, sa.select(item.c.id, item.c.unit_cost, item.c.discontinued_on))
    assert found.schema == {"id": pl.Int64, "unit_cost": pl.Float64, "discontinued_on": pl.Date}


def test_an_upsert_counts_what_is_new_and_what_differs(store: Store) -> None:
    _two_items(store)
    key = ["day", "item_id", "location_id"]
    with store.write() as connection:
        first = upsert_frame(
            connection, inventory_snapshot, pl.DataFrame([_snapshot(5), _snapshot(7, item_id=2)]), key=key
        )
        again = upsert_frame(
            connection, inventory_snapshot, pl.DataFrame([_snapshot(5), _snapshot(8, item_id=2)]), key=key
        )
        found = read_frame(connection, sa.select(inventory_snapshot.c.item_id, inventory_snapshot.c.on_hand)).sort(
            "item_id"
        )
    assert (first.inserted, first.changed) == (2, 0)
    assert (again.inserted, again.changed) == (0, 1)
    assert found.rows() == [(1, 5.0), (2, 8.0)]


def test_a_transaction_that_fails_leaves_nothing(store: Store) -> None:
    with pytest.raises(RuntimeError), store.write() as connection:
        insert_frame(connection, location, pl.DataFrame({"code": ["x"]}))
        raise RuntimeError
    with store.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(location)) == 0


def test_money_is_stored_exactly(store: Store) -> None:
    with store.write() as connection:
        insert_frame(connection, item, pl.DataFrame({"sku": ["a"] * 1, "unit_cost": [0.1]}))
        insert_frame(connection, item, pl.DataFrame({"sku": ["b"], "unit_cost": [0.2]}))
        total = connection.scalar(sa.select(sa.func.sum(item.c.unit_cost)))
    assert str(total) == "0.300000"


def test_columns_that_are_empty_in_every_row_are_stored_as_empty(store: Store) -> None:
    with store.write() as connection:
        frame = pl.DataFrame(
            {"name": ["a", "b"], "contract": [None, None]}, schema={"name": pl.String, "contract": pl.String}
        )
        assert insert_frame(connection, feed, frame) == 2
        found = connection.execute(sa.select(feed.c.name, feed.c.contract).order_by(feed.c.name)).all()
    assert [tuple(row) for row in found] == [("a", None), ("b", None)]


_OF_BATCH = sa.text("SELECT 1 FROM duplicate_record WHERE batch_id = 2")


def _two_batches(store: Store) -> None:
    """Write a batch of many rows, and one of a few behind it, without a vacuum in between."""
    with store.write() as connection:
        connection.execute(sa.text("ALTER TABLE duplicate_record SET (autovacuum_enabled = off)"))
        rows = pl.DataFrame({"line": range(60_000), "of_line": range(60_000)}).with_columns(
            batch_id=1, file_id=1, of_file_id=1, reason=pl.lit("the same")
        )
        insert_frame(connection, duplicate_record, rows)
        insert_frame(connection, duplicate_record, rows.head(10).with_columns(batch_id=pl.lit(2)))


def _read_in_vain(store: Store) -> int:
    """Return how many rows PostgreSQL reads and throws away to find those of the second batch by its index."""
    with store.read() as connection, prefer_indexes(connection):
        connection.execute(sa.text("SET LOCAL enable_indexscan = off"))
        [plan] = connection.scalar(sa.text(f"EXPLAIN (ANALYZE, FORMAT json) {_OF_BATCH.text}"))
    return int(plan["Plan"]["Rows Removed by Index Recheck"])


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_a_batch_is_found_without_reading_the_rows_before_it(store: Store) -> None:
    _two_batches(store)
    assert _read_in_vain(store) > 40_000
    with store.write() as connection:
        index_new_rows(connection, duplicate_record)
    assert _read_in_vain(store) < 20_000


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_new_rows_are_left_to_a_vacuum_that_is_at_work(store: Store, postgres_server: str) -> None:
    _two_batches(store)
    other = store.engine.connect()
    other.execute(sa.text("LOCK TABLE duplicate_record IN SHARE UPDATE EXCLUSIVE MODE"))  # the lock of a vacuum
    try:
        with store.write() as connection:
            connection.execute(sa.text("SET LOCAL lock_timeout = '5s'"))
            index_new_rows(connection, duplicate_record)
    finally:
        other.close()
    assert _read_in_vain(store) > 40_000


def test_rows_are_written_where_there_are_no_ranges_to_index(store: Store) -> None:
    with store.write() as connection:
        index_new_rows(connection, duplicate_record, item)
