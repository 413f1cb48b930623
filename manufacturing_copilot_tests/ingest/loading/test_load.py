import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa

from manufacturing_copilot.errors import BatchError, StoreError
from manufacturing_copilot.ingest.discovery.claim import claim
from manufacturing_copilot.ingest.file_contract import FileContract
from manufacturing_copilot.ingest.ledger.attempts import (
    ATTEMPTS_AT_MOST,
    BatchCounts,
    begin,
    counts_of,
    load_lock,
    retry,
    sweep,
)
from manufacturing_copilot.ingest.loading.archive import original_bytes
from manufacturing_copilot.ingest.loading.commit import load_parts
from manufacturing_copilot.ingest.loading.context import LoadContext
from manufacturing_copilot.ingest.loading.load import load_batch
from manufacturing_copilot.ingest.loading.plan import choose_plan, standing_of
from manufacturing_copilot.site import Site
from manufacturing_copilot.store import Store, read_frame
from manufacturing_copilot.store.locks import named_lock
from manufacturing_copilot.store.tables import (
    accepted,
    batch,
    batch_event,
    batch_file,
    changed_record,
    duplicate_record,
    feed,
    rejected_record,
)
from manufacturing_copilot_tests.ingest.plants import MOVES, MOVES_HEADER, ORDERS, ORDERS_HEADER, aged, drop, site_of

Load = Callable[[], list[BatchCounts]]


def load_all(store: Store, site: Site, home: Path) -> list[BatchCounts]:
    """Claim what waits and load it."""
    return [
        load_batch(store, site, found.reference, home=home, actor="test")
        for found in claim(store, site, home, actor="test")
    ]


def rows(store: Store, table: sa.Table, *columns: str) -> list[tuple[object, ...]]:
    with store.read() as connection:
        return read_frame(connection, sa.select(*(table.c[name] for name in columns))).sort(*columns).rows()


def fates(counts: BatchCounts) -> tuple[int, int, int, int]:
    return counts.received, counts.accepted, counts.duplicate, counts.rejected


def events(store: Store) -> list[str]:
    with store.read() as connection:
        return list(connection.scalars(sa.select(batch_event.c.to_status).order_by(batch_event.c.id)))


def test_accepted_records_stand_in_the_table_with_their_provenance(store: Store, home: Path) -> None:
    site = site_of(home / "site")
    drop(home, "inbox/shop/orders.csv", ORDERS_HEADER, "A1,1,007,2.5,2026-03-01", "A1,2,008,4,2026-03-02")
    [counts] = load_all(store, site, home)
    assert (counts.status, fates(counts)) == ("success", (2, 2, 0, 0))
    found = rows(store, accepted["order_lines"], "record_key", "item", "quantity", "batch_id", "file_id", "line")
    assert found == [("A1\x1f1", "007", 2.5, 1, 1, 2), ("A1\x1f2", "008", 4.0, 1, 1, 3)]
    assert events(store) == ["pending", "in_progress", "success"]


def test_original_and_received_rows_are_kept(store: Store, home: Path) -> None:
    site = site_of(home / "site")
    path = drop(home, "inbox/shop/orders.csv", ORDERS_HEADER, "A1,1,007,2.5,2026-03-01")
    load_all(store, site, home)
    [(archived_as, received_as, received)] = rows(store, batch_file, "archived_as", "received_as", "rows_received")
    assert original_bytes(str(archived_as), home) == path.read_bytes()
    assert pl.read_parquet(home / str(received_as))["quantity"].to_list() == ["2.5"]
    assert received == 1


def test_the_inbox_is_left_as_it_is(store: Store, home: Path) -> None:
    site = site_of(home / "site")
    path = drop(home, "inbox/shop/orders.csv", ORDERS_HEADER, "A1,1,007,2.5,2026-03-01")
    path.chmod(0o444)
    before = (path.read_bytes(), path.stat().st_mtime_ns)
    load_all(store, site, home)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


def test_a_bad_row_is_rejected_in_words_and_costs_its_neighbours_nothing(store: Store, home: Path) -> None:
    site = site_of(home / "site")
    drop(
        home,
        "inbox/shop/orders.csv",
        ORDERS_HEADER,
        "A1,1,007,2.5,2026-03-01",
        "A1,2,008,four,2026-03-01",
        "A1,3,009",
        "A1,4,010,1,2026-03-01",
    )
    [counts] = load_all(store, site, home)
    assert fates(counts) == (4, 2, 0, 2)
    found = rows(store, rejected_record, "line", "reasons", "received")
    assert [line for line, _, _ in found] == [3, 4]
    [reason] = json.loads(str(found[0][1]))
    assert (reason["column"], reason["value"]) == ("quantity", "four")
    assert json.loads(str(found[0][2]))["item"] == "008"


def test_a_row_sent_again_in_a_later_batch_names_the_record_it_repeats(store: Store, home: Path) -> None:
    site = site_of(home / "site")
    drop(home, "inbox/shop/orders_1.csv", ORDERS_HEADER, "A1,1,007,2.5,2026-03-01")
    load_all(store, site, home)
    drop(home, "inbox/shop/orders_2.csv", ORDERS_HEADER, "B1,1,007,1,2026-03-02", "A1,1,007,2.5,2026-03-01")
    [counts] = load_all(store, site, home)
    assert fates(counts) == (2, 1, 1, 0)
    assert rows(store, duplicate_record, "file_id", "line", "of_file_id", "of_line") == [(2, 3, 1, 2)]


def test_a_record_sent_again_with_other_content_is_a_change_with_history(store: Store, home: Path) -> None:
    site = site_of(home / "site")
    drop(home, "inbox/shop/orders_1.csv", ORDERS_HEADER, "A1,1,007,2.5,2026-03-01")
    load_all(store, site, home)
    drop(home, "inbox/shop/orders_2.csv", ORDERS_HEADER, "A1,1,007,3,2026-03-01")
    [counts] = load_all(store, site, home)
    assert (fates(counts), counts.changed) == ((1, 1, 0, 0), 1)
    assert rows(store, accepted["order_lines"], "quantity", "batch_id", "file_id", "line") == [(3.0, 2, 2, 2)]
    [(key, was_file, was_line, was)] = rows(store, changed_record, "record_key", "was_file_id", "was_line", "was")
    assert (key, was_file, was_line) == ("A1\x1f1", 1, 2)
    assert json.loads(str(was))["quantity"] == 2.5


def test_where_the_feed_rejects_repeats_the_first_record_holds_and_the_reason_says_so(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS | {"repeats": "reject"})
    drop(home, "inbox/shop/orders_1.csv", ORDERS_HEADER, "A1,1,007,2.5,2026-03-01")
    load_all(store, site, home)
    drop(home, "inbox/shop/orders_2.csv", ORDERS_HEADER, "A1,1,007,3,2026-03-01", "A1,1,007,2.5,2026-03-01")
    [counts] = load_all(store, site, home)
    assert fates(counts) == (2, 0, 1, 1)
    [(line, reasons, received)] = rows(store, rejected_record, "line", "reasons", "received")
    [reason] = json.loads(str(reasons))
    assert (line, json.loads(str(received))["quantity"]) == (2, "3")
    assert reason["sentence"].startswith(
        "the record A1 / 1 was accepted before with other content (line 2 of inbox/shop/orders_1.csv)"
    )
    assert rows(store, accepted["order_lines"], "quantity") == [(2.5,)]


def test_events_without_a_key_may_repeat(store: Store, home: Path) -> None:
    site = site_of(home / "site")
    drop(home, "inbox/stock/moves.csv", MOVES_HEADER, "007,2026-03-01,1", "007,2026-03-01,1")
    [counts] = load_all(store, site, home)
    assert fates(counts) == (2, 2, 0, 0)
    assert rows(store, accepted["stock_movements"], "record_key") == [("1:2",), ("1:3",)]


def test_the_same_file_again_is_all_duplicates_also_its_rejected_rows(store: Store, home: Path) -> None:
    site = site_of(home / "site")
    lines = [MOVES_HEADER, "007,2026-03-01,1", "008,2026-03-01,many", "", "009,2026-03-01"]
    drop(home, "inbox/stock/moves_1.csv", *lines)
    [first] = load_all(store, site, home)
    drop(home, "inbox/stock/moves_2.csv", *lines)
    [second] = load_all(store, site, home)
    assert (fates(first), fates(second)) == ((3, 1, 0, 2), (3, 0, 3, 0))
    assert rows(store, duplicate_record, "file_id", "line", "of_file_id", "of_line") == [
        (2, 2, 1, 2),
        (2, 3, 1, 3),
        (2, 5, 1, 5),
    ]
    assert rows(store, batch_file, "id", "repeats_file_id") == [(1, None), (2, 1)]


def test_the_same_file_twice_in_one_batch_is_loaded_once(store: Store, home: Path) -> None:
    site = site_of(home / "site")
    for name in ("moves_1", "moves_2", "moves_3"):
        drop(home, f"inbox/stock/{name}.csv", MOVES_HEADER, "007,2026-03-01,1")
    [counts] = load_all(store, site, home)
    assert fates(counts) == (3, 1, 2, 0)
    assert rows(store, batch_file, "id", "repeats_file_id") == [(1, None), (2, 1), (3, 1)]


def test_a_file_whose_first_batch_failed_is_no_repeat(store: Store, home: Path) -> None:
    site = site_of(home / "site", MOVES)
    drop(home, "inbox/stock/moves_1.csv", "code;amount", "007;1")
    [failed] = load_all(store, site, home)
    drop(home, "inbox/stock/moves_2.csv", "code;amount", "007;1")
    [again] = load_all(store, site, home)
    assert (failed.status, again.status) == ("failed", "failed")
    assert rows(store, batch_file, "repeats_file_id") == [(None,), (None,)]


def test_a_batch_that_cannot_be_loaded_says_why_and_keeps_nothing(store: Store, home: Path) -> None:
    site = site_of(home / "site")
    drop(home, "inbox/shop/orders_1.csv", "order,line,amount,ordered", "A1,1,3,2026-03-01", age=90)
    drop(home, "inbox/shop/orders_2.csv", "order,line,amount,ordered", "A2,1,3,2026-03-01")
    [counts] = load_all(store, site, home)
    assert counts.status == "failed"
    assert counts.problem is not None
    assert "orders_1.csv" in counts.problem and "orders_2.csv" in counts.problem
    assert fates(counts) == (0, 0, 0, 0)
    assert rows(store, accepted["order_lines"], "record_key") == []
    assert events(store) == ["pending", "in_progress", "failed"]


def test_a_failed_batch_is_retried_from_the_archive(store: Store, home: Path) -> None:
    site = site_of(home / "site")
    path = drop(home, "inbox/shop/orders.csv", "order,line,article,quantity,ordered", "A1,1,007,2,2026-03-01")
    [failed] = load_all(store, site, home)
    assert failed.status == "failed"
    path.unlink()
    columns = {**ORDERS["columns"], "item": "article"}  # type: ignore[dict-item]
    mended = site_of(home / "site", ORDERS | {"columns": columns}, MOVES)
    retry(store, failed.reference, actor="planner")
    counts = load_batch(store, mended, failed.reference, home=home, actor="test")
    assert (counts.status, counts.problem, fates(counts)) == ("success", None, (1, 1, 0, 0))


def test_only_a_failed_batch_can_be_retried(store: Store, home: Path) -> None:
    site = site_of(home / "site")
    drop(home, "inbox/shop/orders.csv", ORDERS_HEADER, "A1,1,007,2,2026-03-01")
    [counts] = load_all(store, site, home)
    with pytest.raises(BatchError, match="batch 00000001 is success; only a failed batch can be tried again"):
        retry(store, counts.reference, actor="planner")
    with pytest.raises(BatchError, match="no batch has the reference 'x'"):
        retry(store, "x", actor="planner")


def test_loading_a_loaded_batch_again_changes_nothing(store: Store, home: Path) -> None:
    site = site_of(home / "site")
    drop(home, "inbox/shop/orders.csv", ORDERS_HEADER, "A1,1,007,2,2026-03-01")
    [counts] = load_all(store, site, home)
    assert load_batch(store, site, counts.reference, home=home, actor="test") == counts
    assert events(store) == ["pending", "in_progress", "success"]


def test_a_file_that_is_gone_or_changed_fails_its_batch_in_a_sentence(store: Store, home: Path) -> None:
    site = site_of(home / "site")
    gone = drop(home, "inbox/shop/orders.csv", ORDERS_HEADER, "A1,1,007,2,2026-03-01")
    changed = drop(home, "inbox/stock/moves.csv", MOVES_HEADER, "007,2026-03-01,1")
    claims = claim(store, site, home, actor="test")
    gone.unlink()
    aged(changed, 30)
    problems = [load_batch(store, site, found.reference, home=home, actor="test").problem or "" for found in claims]
    assert "orders.csv: the file was claimed and is no longer there" in problems[0]
    assert "moves.csv: the file has changed since it was claimed" in problems[1]


def test_any_other_error_marks_the_batch_failed_and_is_raised_again(
    store: Store, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = site_of(home / "site")
    drop(home, "inbox/shop/orders.csv", ORDERS_HEADER, "A1,1,007,2,2026-03-01")
    [found] = claim(store, site, home, actor="test")

    def broken_package(*_: object, **__: object) -> None:
        raise RuntimeError("the package broke\nin two lines")

    with monkeypatch.context() as broken:
        broken.setattr(pl.DataFrame, "write_parquet", broken_package)
        with pytest.raises(RuntimeError, match="the package broke"):
            load_batch(store, site, found.reference, home=home, actor="test")
    counts = counts_of(store, found.reference)
    assert (counts.status, counts.problem) == ("failed", "RuntimeError: the package broke")
    retry(store, found.reference, actor="planner")
    assert load_batch(store, site, found.reference, home=home, actor="test").status == "success"


def test_a_batch_that_trouble_of_the_machine_keeps_from_being_loaded_waits_some_times_by_itself(
    store: Store, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = site_of(home / "site")
    drop(home, "inbox/shop/orders.csv", ORDERS_HEADER, "A1,1,007,2,2026-03-01")
    [found] = claim(store, site, home, actor="test")

    def disk_full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(pl.DataFrame, "write_parquet", disk_full)
        for attempt in range(ATTEMPTS_AT_MOST):
            assert counts_of(store, found.reference).status == "pending", attempt
            with pytest.raises(StoreError, match=r"the disk is full .* free some space"):
                load_batch(store, site, found.reference, home=home, actor="test")
    counts = counts_of(store, found.reference)
    assert counts.status == "failed" and counts.problem is not None
    assert "5 attempts by now: look at the run's log, then retry it" in counts.problem
    retry(store, found.reference, actor="planner")
    assert load_batch(store, site, found.reference, home=home, actor="test").status == "success"


def test_a_batch_left_by_a_dead_run_is_taken_over(store: Store, home: Path) -> None:
    site = site_of(home / "site")
    drop(home, "inbox/shop/orders.csv", ORDERS_HEADER, "A1,1,007,2,2026-03-01")
    [found] = claim(store, site, home, actor="test")
    begin(store, found.reference, run_id="dead", actor="test")
    assert load_batch(store, site, found.reference, home=home, actor="test").status == "success"


def test_a_run_that_lost_its_batch_to_another_writes_nothing(store: Store, home: Path) -> None:
    site = site_of(home / "site")
    drop(home, "inbox/shop/orders.csv", ORDERS_HEADER, "A1,1,007,2,2026-03-01")
    [found] = claim(store, site, home, actor="test")
    first = begin(store, found.reference, run_id="slow", actor="test")
    assert first is not None
    begin(store, found.reference, run_id="other", actor="test")
    contract = FileContract(columns=("x",))
    context = LoadContext(store, site, site.feed("shop/orders"), first, home, "test", contract=contract)
    with store.read() as connection:
        plan = choose_plan(context, standing_of(connection, context))
    with pytest.raises(BatchError, match="was taken over by another run"):
        load_parts(context, plan)
    assert counts_of(store, found.reference).status == "in_progress"
    assert rows(store, feed, "contract") == [(None,), (None,)]


def test_the_sweep_puts_back_what_nobody_works_on(store: Store, home: Path) -> None:
    site = site_of(home / "site")
    drop(home, "inbox/shop/orders.csv", ORDERS_HEADER, "A1,1,007,2,2026-03-01")
    [found] = claim(store, site, home, actor="test")
    with named_lock(store, load_lock("shop/orders")):
        begin(store, found.reference, run_id="alive", actor="test")
        assert sweep(store, actor="test") == []
        assert counts_of(store, found.reference).status == "in_progress"
    assert sweep(store, actor="test") == [found.reference]
    assert counts_of(store, found.reference).status == "pending"


def test_a_batch_that_kills_every_run_waits_for_a_person(store: Store, home: Path) -> None:
    site = site_of(home / "site")
    drop(home, "inbox/shop/orders.csv", ORDERS_HEADER, "A1,1,007,2,2026-03-01")
    [found] = claim(store, site, home, actor="test")
    for _ in range(ATTEMPTS_AT_MOST):
        begin(store, found.reference, run_id="dies", actor="test")
        sweep(store, actor="test")
    counts = counts_of(store, found.reference)
    assert counts.status == "failed"
    assert counts.problem is not None
    assert "ended without a word" in counts.problem


def test_a_record_that_nothing_names_is_rejected(store: Store, home: Path) -> None:
    columns = {**ORDERS["columns"]}  # type: ignore[dict-item]
    site = site_of(home / "site", ORDERS | {"key": "line_no", "columns": columns})
    drop(home, "inbox/shop/orders.csv", ORDERS_HEADER, "A1,,007,2,2026-03-01", f"A2,{'9' * 3_000},7,2,2026-03-01")
    [counts] = load_all(store, site, home)
    assert fates(counts) == (2, 0, 0, 2)
    found = [json.loads(str(reasons))[0]["sentence"] for (reasons,) in rows(store, rejected_record, "reasons")]
    assert sorted(found) == [
        "line_no: longer than 1000 bytes, which no code is",
        "nothing names the record: line_no is empty",
    ]


def test_what_was_detected_is_held_for_later_files(store: Store, home: Path) -> None:
    site = site_of(home / "site")
    drop(home, "inbox/shop/orders.csv", ORDERS_HEADER.replace(",", ";"), "A1;1;007;2,5;2026-03-01")
    load_all(store, site, home)
    contracts = dict(rows(store, feed, "name", "contract"))
    assert json.loads(str(contracts["shop/orders"]))["reading"]["delimiter"] == ";"
    assert contracts["stock/moves"] is None


def test_the_ledger_of_a_loaded_batch_adds_up(store: Store, home: Path) -> None:
    site = site_of(home / "site")
    drop(home, "inbox/shop/orders.csv", ORDERS_HEADER, "A1,1,007,2,2026-03-01", "A1,1,007,2,2026-03-01", "A1,2,x,y,z")
    load_all(store, site, home)
    assert rows(store, batch, "rows_received", "rows_accepted", "rows_duplicate", "rows_rejected", "attempts") == [
        (3, 1, 1, 1, 1)
    ]
