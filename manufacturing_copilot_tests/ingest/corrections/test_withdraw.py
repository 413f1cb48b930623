import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.ingest.corrections.withdraw import restore, withdraw
from manufacturing_copilot.ingest.defs.checks import batches_to_check, conservation, count_again
from manufacturing_copilot.ingest.discovery.claim import claim
from manufacturing_copilot.ingest.ledger.attempts import BatchCounts, begin, counts_of, retry, sweep
from manufacturing_copilot.ingest.loading.load import load_batch
from manufacturing_copilot.progress import batches_hash
from manufacturing_copilot.site import Site
from manufacturing_copilot.store import Store, read_frame
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
from manufacturing_copilot_tests.ingest.plants import MOVES, MOVES_HEADER, ORDERS, ORDERS_HEADER, drop, drop_at, site_of


def deliver(store: Store, site: Site, home: Path, name: str, *lines: str, age: float = 60.0) -> BatchCounts:
    """Drop one file and load it as a batch of its own."""
    drop(home, name, *lines, age=age)
    [found] = claim(store, site, home, actor="test")
    return load_batch(store, site, found.reference, home=home, actor="test")


def taken_out(store: Store, site: Site, home: Path, reference: str) -> BatchCounts:
    return withdraw(store, site, reference, home=home, actor="planner", reason="sent by mistake")


def rows(store: Store, table: sa.Table, *columns: str) -> list[tuple[object, ...]]:
    with store.read() as connection:
        return read_frame(connection, sa.select(*(table.c[name] for name in columns))).sort(*columns).rows()


def fates(store: Store, reference: str) -> tuple[int, int, int, int]:
    counts = counts_of(store, reference)
    return counts.accepted, counts.duplicate, counts.rejected, counts.changed


def test_withdrawing_a_batch_gives_back_what_it_had_replaced(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS)
    deliver(store, site, home, "inbox/shop/orders_1.csv", ORDERS_HEADER, "A1,1,007,2,2026-03-01")
    second = deliver(
        store, site, home, "inbox/shop/orders_2.csv", ORDERS_HEADER, "A1,1,007,3,2026-03-01", "A2,1,7,1,2026-03-01"
    )
    counts = taken_out(store, site, home, second.reference)
    assert counts.status == "withdrawn"
    assert rows(store, accepted["order_lines"], "record_key", "quantity", "batch_id", "line") == [
        ("A1\x1f1", 2.0, 1, 2)
    ]
    assert rows(store, changed_record, "id") == []


def test_withdrawing_a_batch_whose_rows_were_replaced_since_leaves_what_replaced_them(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS)
    for number, quantity in enumerate((2, 3, 4), start=1):
        path = f"inbox/shop/orders_{number}.csv"
        deliver(store, site, home, path, ORDERS_HEADER, f"A1,1,007,{quantity},2026-03-01")
    taken_out(store, site, home, "00000002")
    assert rows(store, accepted["order_lines"], "quantity", "batch_id") == [(4.0, 3)]
    assert rows(store, changed_record, "batch_id", "was_file_id") == [(3, 1)]
    assert fates(store, "00000003") == (1, 0, 0, 1)


def test_what_only_repeated_the_withdrawn_batch_is_accepted_and_the_trail_says_so(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS)
    deliver(store, site, home, "inbox/shop/orders_1.csv", ORDERS_HEADER, "A1,1,007,2,2026-03-01")
    deliver(store, site, home, "inbox/shop/orders_2.csv", ORDERS_HEADER, "A1,1,007,2,2026-03-01", "A2,1,7,1,2026-03-01")
    assert fates(store, "00000002") == (1, 1, 0, 0)
    taken_out(store, site, home, "00000001")
    assert fates(store, "00000002") == (2, 0, 0, 0)
    assert rows(store, duplicate_record, "id") == []
    with store.read() as connection:
        last = connection.execute(sa.select(batch_event).order_by(batch_event.c.id.desc()).limit(2)).all()
    assert [(event.actor, event.batch_id, event.from_status, event.to_status, event.reason) for event in last] == [
        ("planner", 2, "success", "success", "batch 00000001 was withdrawn: accepted +1, duplicate -1"),
        ("planner", 1, "success", "withdrawn", "sent by mistake"),
    ]


def test_a_file_that_repeated_one_of_the_withdrawn_batch_is_read_for_itself(store: Store, home: Path) -> None:
    site = site_of(home / "site", MOVES)
    lines = [MOVES_HEADER, "007,2026-03-01,1", "008,2026-03-01,many", "", "009,2026-03-01"]
    for number in (1, 2, 3):
        deliver(store, site, home, f"inbox/stock/moves_{number}.csv", *lines)
    assert [fates(store, f"0000000{n}") for n in (1, 2, 3)] == [(1, 0, 2, 0), (0, 3, 0, 0), (0, 3, 0, 0)]
    taken_out(store, site, home, "00000001")
    assert [fates(store, f"0000000{n}") for n in (2, 3)] == [(1, 0, 2, 0), (0, 3, 0, 0)]
    assert rows(store, accepted["stock_movements"], "record_key", "batch_id") == [("2:2", 2)]
    assert rows(store, batch_file, "id", "repeats_file_id") == [(1, None), (2, None), (3, 2)]
    assert set(rows(store, duplicate_record, "file_id", "of_file_id")) == {(3, 2)}
    assert len(rows(store, rejected_record, "id")) == 2


def test_withdrawing_everything_leaves_empty_tables(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS)
    for number in (1, 2, 3):
        path = f"inbox/shop/orders_{number}.csv"
        deliver(store, site, home, path, ORDERS_HEADER, f"A1,1,7,{number},2026-03-01", "A2,1,7,1,2026-03-01", "x,y,z")
    for reference in ("00000002", "00000001", "00000003"):
        taken_out(store, site, home, reference)
    for table in (accepted["order_lines"], changed_record, duplicate_record, rejected_record):
        assert rows(store, table, "batch_id") == []


def test_where_the_first_record_holds_the_next_one_takes_its_place(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS | {"repeats": "reject"})
    for number, quantity in enumerate((2, 3, 3), start=1):
        path = f"inbox/shop/orders_{number}.csv"
        deliver(store, site, home, path, ORDERS_HEADER, f"A1,1,7,{quantity},2026-03-01", f"B{number},1,7,1,2026-03-01")
    assert [fates(store, f"0000000{n}")[:3] for n in (2, 3)] == [(1, 0, 1), (1, 0, 1)]
    taken_out(store, site, home, "00000001")
    assert [fates(store, f"0000000{n}")[:3] for n in (2, 3)] == [(2, 0, 0), (1, 1, 0)]
    assert rows(store, rejected_record, "id") == []


def test_a_withdrawal_needs_a_reason_and_a_batch_that_stands(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS)
    deliver(store, site, home, "inbox/shop/orders_1.csv", ORDERS_HEADER, "A1,1,007,2,2026-03-01")
    with pytest.raises(BatchError, match="with a reason"):
        withdraw(store, site, "00000001", home=home, actor="planner", reason=" ")
    with pytest.raises(BatchError, match="no batch has the reference 'x'"):
        withdraw(store, site, "x", home=home, actor="planner", reason="why")
    taken_out(store, site, home, "00000001")
    with pytest.raises(BatchError, match="withdrawn already"):
        taken_out(store, site, home, "00000001")
    with pytest.raises(BatchError, match="restore"):
        load_batch(store, site, "00000001", home=home, actor="test")


def test_a_failed_batch_is_withdrawn_so_that_nobody_tries_it_again(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS)
    deliver(store, site, home, "inbox/shop/orders_1.csv", "nothing,like,it", "1,2,3")
    assert taken_out(store, site, home, "00000001").status == "withdrawn"


def test_a_withdrawn_batch_is_restored_to_its_old_place_from_what_was_kept(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS)
    for number in (1, 2):
        path = f"inbox/shop/orders_{number}.csv"
        deliver(store, site, home, path, ORDERS_HEADER, f"A1,1,7,{number},2026-03-01", "A2,1,7,1,2026-03-01", "x,y,z")
    before = everything(store)
    taken_out(store, site, home, "00000001")
    shutil.rmtree(home / "inbox")
    restore(store, "00000001", actor="planner", reason="it was right after all")
    load_batch(store, site, "00000001", home=home, actor="test")
    assert everything(store) == before
    with pytest.raises(BatchError, match="only a withdrawn batch can be restored"):
        restore(store, "00000001", actor="planner", reason="")


def test_what_comes_after_ingest_is_behind_once_a_batch_is_withdrawn(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS)
    deliver(store, site, home, "inbox/shop/orders_1.csv", ORDERS_HEADER, "A1,1,007,2,2026-03-01")
    with store.read() as connection:
        seen = batches_hash(connection)
    taken_out(store, site, home, "00000001")
    with store.read() as connection:
        assert batches_hash(connection) != seen


def test_an_older_batch_that_is_loaded_later_does_not_overwrite_a_younger_one(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS)
    drop(home, "inbox/shop/orders_1.csv", ORDERS_HEADER, "A1,1,7,1,2026-03-01", "A2,1,7,1,2026-03-01")
    [older] = claim(store, site, home, actor="test")
    deliver(store, site, home, "inbox/shop/orders_2.csv", ORDERS_HEADER, "A1,1,7,9,2026-03-01", "A2,1,7,1,2026-03-01")
    counts = load_batch(store, site, older.reference, home=home, actor="test")
    assert (counts.received, counts.accepted, counts.duplicate, counts.changed) == (2, 2, 0, 0)
    assert rows(store, accepted["order_lines"], "record_key", "quantity", "batch_id") == [
        ("A1\x1f1", 9.0, 2),
        ("A2\x1f1", 1.0, 1),
    ]
    assert fates(store, "00000002") == (1, 1, 0, 1)


def test_a_batch_of_older_files_is_withdrawn_and_restored_in_its_place(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS)
    for day, quantity in ((1, 1), (3, 3), (2, 2)):
        drop_at(home, f"inbox/shop/orders_{day}.csv", day, ORDERS_HEADER, f"A1,1,7,{quantity},2026-03-01")
        [found] = claim(store, site, home, actor="test")
        load_batch(store, site, found.reference, home=home, actor="test")
    assert rows(store, accepted["order_lines"], "quantity", "batch_id") == [(3.0, 2)]
    assert rows(store, changed_record, "file_id", "was_file_id") == [(2, 3), (3, 1)]
    before = everything(store)
    taken_out(store, site, home, "00000002")
    assert rows(store, accepted["order_lines"], "quantity", "batch_id") == [(2.0, 3)]
    restore(store, "00000002", actor="planner", reason="it was right after all")
    load_batch(store, site, "00000002", home=home, actor="test")
    taken_out(store, site, home, "00000003")
    assert rows(store, changed_record, "file_id", "was_file_id") == [(2, 1)]
    restore(store, "00000003", actor="planner", reason="it was right after all")
    load_batch(store, site, "00000003", home=home, actor="test")
    assert everything(store) == before


def test_of_two_files_of_one_content_the_one_that_was_written_first_counts(store: Store, home: Path) -> None:
    site = site_of(home / "site", MOVES)
    for day in (2, 1):
        drop_at(home, f"inbox/stock/moves_{day}.csv", day, MOVES_HEADER, "007,2026-03-01,1", "008,2026-03-01,many")
        [found] = claim(store, site, home, actor="test")
        load_batch(store, site, found.reference, home=home, actor="test")
    assert rows(store, batch_file, "path", "repeats_file_id") == [
        ("inbox/stock/moves_1.csv", None),
        ("inbox/stock/moves_2.csv", 2),
    ]
    assert rows(store, accepted["stock_movements"], "record_key", "batch_id") == [("2:2", 2)]
    assert [fates(store, f"0000000{n}") for n in (1, 2)] == [(0, 2, 0, 0), (1, 0, 1, 0)]
    with store.read() as connection:
        told = connection.scalar(
            sa.select(batch_event.c.reason).where(batch_event.c.batch_id == 1).order_by(batch_event.c.id.desc())
        )
    assert told == "batch 00000002, which has older files, was loaded: duplicate +2, rejected -1, accepted -1"


# --- any order gives the same ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Play:
    """Files by batch (moment of writing, lines), the order in which the batches are loaded, and what is decided.

    `withdrawn`: numbers of batches; `restored`: those of them that come back.
    """

    batches: Sequence[Sequence[tuple[int, Sequence[str]]]]
    order: Sequence[int]
    withdrawn: Sequence[int]
    restored: Sequence[int]


LINE_OF = st.builds(
    lambda key, quantity: f"A{key},1,7,{quantity},2026-03-01",
    st.integers(1, 4),
    st.sampled_from(["1", "2", "3", "bad", "1.5"]),
)
FILE_OF = st.lists(LINE_OF, min_size=1, max_size=5)


@st.composite
def plays(draw: st.DrawFn) -> Play:
    pool = draw(st.lists(FILE_OF, min_size=2, max_size=4))
    files = st.tuples(st.integers(0, 9), st.sampled_from(pool))
    batches = draw(st.lists(st.lists(files, min_size=1, max_size=2), min_size=2, max_size=5))
    order = draw(st.permutations(range(len(batches))))
    withdrawn = draw(st.lists(st.sampled_from(range(len(batches))), unique=True, max_size=len(batches)))
    return Play(batches, order, withdrawn, [number for number in withdrawn if draw(st.booleans())])


def emptied(store: Store) -> None:
    """Empty the tables of ingest and count from 1 again; emptying every table takes longer than the test."""
    used = [
        accepted["order_lines"],
        changed_record,
        duplicate_record,
        rejected_record,
        batch_event,
        batch_file,
        batch,
        feed,
    ]
    with store.write() as connection:
        connection.execute(sa.update(batch_file).values(repeats_file_id=None))
        for table in used:
            connection.execute(sa.delete(table))
            if not store.is_sqlite and "id" in table.c:
                connection.exec_driver_sql(f"ALTER SEQUENCE {table.name}_id_seq RESTART")


def claimed(store: Store, site: Site, home: Path, batches: Sequence[Sequence[tuple[int, Sequence[str]]]]) -> list[str]:
    """Claim one batch after the other; return their references."""
    references = []
    for number, files in enumerate(batches):
        for part, (moment, lines) in enumerate(files):
            drop_at(home, f"inbox/shop/orders_{number}_{part}.csv", moment, ORDERS_HEADER, *lines)
        [found] = claim(store, site, home, actor="test")
        references.append(found.reference)
    return references


def everything(store: Store) -> dict[str, list[tuple[object, ...]]]:
    """What the tables hold, without numbers that only count writes; files by their paths."""
    names = {row[0]: row[1] for row in rows(store, batch_file, "id", "path")}
    withdrawn = {row[0] for row in rows(store, batch, "id", "status") if row[1] != "success"}
    batches = {row[0]: row[1] for row in rows(store, batch_file, "batch_id", "path")}

    def told(table: sa.Table, *columns: str) -> list[tuple[object, ...]]:
        found = rows(store, table, "batch_id", *columns)
        places = [i for i, name in enumerate(columns, start=1) if name.endswith("file_id")]
        return sorted(
            tuple(names.get(value) if i in places else value for i, value in enumerate(row) if i)  # type: ignore[call-overload]
            for row in found
            if row[0] not in withdrawn
        )

    counts = ("rows_received", "rows_accepted", "rows_duplicate", "rows_rejected", "rows_changed")
    loaded = [row[1:] for row in rows(store, batch, "id", *counts) if row[0] not in withdrawn and row[0] in batches]
    return {
        "accepted": told(accepted["order_lines"], "record_key", "item", "quantity", "file_id", "line"),
        "changed": told(changed_record, "file_id", "line", "record_key", "was_file_id", "was_line"),
        "duplicate": told(duplicate_record, "file_id", "line", "reason", "of_file_id", "of_line"),
        "rejected": told(rejected_record, "file_id", "line", "reasons"),
        "files": [row for row in told(batch_file, "path", "repeats_file_id", "rows_received")],
        "batches": loaded,
    }


def assert_trail_is_whole(store: Store) -> None:
    """Every status a batch has had follows from the one before it in its trail, with who and why."""
    trail = rows(store, batch_event, "batch_id", "id", "from_status", "to_status", "actor", "reason")
    status = dict(rows(store, batch, "id", "status"))
    stands: dict[object, object] = {}
    for batch_id, _, was, becomes, actor, reason in trail:
        assert was == stands.get(batch_id)
        assert actor
        assert reason
        stands[batch_id] = becomes
    assert stands == status


def test_every_change_of_status_is_in_the_trail(store: Store, home: Path) -> None:
    site = site_of(home / "site", ORDERS)
    deliver(store, site, home, "inbox/shop/orders_1.csv", "nothing,like,it", "1,2,3")
    retry(store, "00000001", actor="planner")
    load_batch(store, site, "00000001", home=home, actor="test")
    deliver(store, site, home, "inbox/shop/orders_2.csv", ORDERS_HEADER, "A1,1,007,2,2026-03-01")
    taken_out(store, site, home, "00000002")
    restore(store, "00000002", actor="planner", reason="")
    begin(store, "00000002", run_id="dies", actor="test")
    sweep(store, actor="sensor")
    load_batch(store, site, "00000002", home=home, actor="test")
    assert_trail_is_whole(store)
    assert len(rows(store, batch_event, "id")) == 6 + 9


@pytest.mark.parametrize("repeats", ["update", "reject"])
def test_any_order_of_loading_and_withdrawing_ends_as_if_only_what_remains_had_come_in_order(
    store: Store, home: Path, repeats: str
) -> None:
    site = site_of(home / "site", ORDERS | {"repeats": repeats})

    @settings(
        max_examples=int(os.environ.get("COPILOT_EXAMPLES", "8")),
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(plays())
    def holds(play: Play) -> None:
        emptied(store)
        shutil.rmtree(home / "inbox", ignore_errors=True)
        references = claimed(store, site, home, play.batches)
        for step, number in enumerate(play.order):
            assert load_batch(store, site, references[number], home=home, actor="test").status == "success"
            for early in play.withdrawn:
                if early == play.order[step - 1] and step:
                    taken_out(store, site, home, references[early])
        for number in play.withdrawn:
            if counts_of(store, references[number]).status == "success":
                taken_out(store, site, home, references[number])
        for number in play.restored:
            restore(store, references[number], actor="planner", reason="it was right after all")
            load_batch(store, site, references[number], home=home, actor="test")
        played = everything(store)
        counted = count_again(store, site.feeds[0], batches_to_check(store, site.feeds[0], "none"))
        assert conservation(counted).passed
        assert_trail_is_whole(store)

        emptied(store)
        shutil.rmtree(home / "inbox")
        for number, reference in enumerate(claimed(store, site, home, play.batches)):
            if number not in play.withdrawn or number in play.restored:
                load_batch(store, site, reference, home=home, actor="test")
        assert played == everything(store)

    holds()
