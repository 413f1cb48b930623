import subprocess
import sys
import threading
import time
from pathlib import Path

from manufacturing_copilot.store import Store, open_store
from manufacturing_copilot.store.locks import lock_until_commit, named_lock

_HOLD_FOR_EVER = """
import time
from manufacturing_copilot.store import open_store
from manufacturing_copilot.store.locks import named_lock
with named_lock(open_store(), "load erp/items"):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_lock_is_held_by_one_at_a_time(store: Store) -> None:
    with named_lock(store, "load erp/items") as first, named_lock(store, "load erp/items", wait=False) as second:
        assert (first, second) == (True, False)
    with named_lock(store, "load erp/items", wait=False) as again:
        assert again


def test_locks_of_other_names_do_not_meet(store: Store) -> None:
    with named_lock(store, "load erp/items"), named_lock(store, "load erp/boms", wait=False) as other:
        assert other


def test_a_waiting_holder_gets_the_lock_when_it_is_given_back(store: Store) -> None:
    got = threading.Event()

    def wait_for_it() -> None:
        with named_lock(store, "load erp/items") as is_held:
            assert is_held
            got.set()

    with named_lock(store, "load erp/items"):
        waiting = threading.Thread(target=wait_for_it)
        waiting.start()
        assert not got.wait(0.3)
    waiting.join(120)
    assert got.is_set()


def test_a_lock_that_is_used_once_has_one_holder_though_another_waited_for_it(store: Store) -> None:
    got, done = threading.Event(), threading.Event()

    def wait_for_it() -> None:
        with named_lock(store, "run 1"):
            got.set()
            done.wait(120)

    with named_lock(store, "run 1", once=True):
        waiting = threading.Thread(target=wait_for_it)
        waiting.start()
        assert not got.wait(0.3)
    assert got.wait(120)
    with named_lock(store, "run 1", wait=False) as third:
        assert not third
    done.set()
    waiting.join(120)


def test_a_killed_process_gives_its_lock_back(store: Store) -> None:
    holder = subprocess.Popen([sys.executable, "-c", _HOLD_FOR_EVER], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with named_lock(store, "load erp/items", wait=False) as meanwhile:
            assert not meanwhile
    finally:
        holder.kill()
        holder.communicate()
    started = time.monotonic()
    with named_lock(store, "load erp/items") as after:
        assert after
    assert time.monotonic() - started < 120


def test_a_lock_whose_name_is_used_once_leaves_nothing_behind(home: Path) -> None:
    opened = open_store()
    with named_lock(opened, "run 1", once=True) as first, named_lock(opened, "run 1", wait=False, once=True) as second:
        assert (first, second) == (True, False)
    assert list((home / "copilot.db.locks").iterdir()) == []
    opened.close()


def test_a_lock_of_a_transaction_ends_with_it(store: Store) -> None:
    order: list[str] = []

    def second() -> None:
        with store.write() as connection:
            lock_until_commit(connection, "claim")
            order.append("second")

    with store.write() as connection:
        lock_until_commit(connection, "claim")
        other = threading.Thread(target=second)
        other.start()
        time.sleep(0.3)
        order.append("first")
    other.join(120)
    assert order == ["first", "second"]
