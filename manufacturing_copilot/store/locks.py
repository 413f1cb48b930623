"""Locks by name, between processes: one that ends with a transaction, one that ends with its holder.

Both are given back by the database server or the operating system when the holder dies, however it dies:
so a lock that can be taken proves that nobody works under it any more.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from filelock import FileLock, Timeout

from manufacturing_copilot.errors import StoreError
from manufacturing_copilot.store.engine import Store
from manufacturing_copilot.store.private import private_folder

_LOOK_AGAIN_SECONDS = 0.1


def lock_until_commit(connection: sa.Connection, name: str) -> None:
    """Hold the lock `name` until the transaction ends, waiting for whoever has it.

    On SQLite a writing transaction is alone already, so nothing is done.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_number(f"transaction {name}"))))


@contextmanager
def named_lock(store: Store, name: str, *, wait: bool = True, once: bool = False) -> Iterator[bool]:
    """Hold the lock `name` within the context; gives whether it is held.

    With `wait` it waits until the lock is free; without, it gives False at once where another has it. `once`: the name
    is not used again, so that nothing of it stays.
    """
    with _held_in_file(store, name, wait, once) if store.is_sqlite else _held_on_server(store, name, wait) as is_held:
        yield is_held


@contextmanager
def _held_on_server(store: Store, name: str, wait: bool) -> Iterator[bool]:
    key = _number(name)
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while not (is_held := bool(connection.scalar(sa.select(sa.func.pg_try_advisory_lock(key))))) and wait:
            time.sleep(_LOOK_AGAIN_SECONDS)
        try:
            yield is_held
        finally:
            # A connection that broke has lost the lock already; one that lives would take it back to the pool.
            if is_held and not connection.invalidated:
                try:
                    connection.execute(sa.select(sa.func.pg_advisory_unlock(key)))
                except sa.exc.OperationalError:
                    connection.invalidate()


@contextmanager
def _held_in_file(store: Store, name: str, wait: bool, once: bool) -> Iterator[bool]:
    database = store.engine.url.database
    if not database or database == ":memory:":
        raise StoreError("an in-memory database cannot be shared between processes; name a file")
    folder = private_folder(Path(f"{database}.locks"))
    path = folder / re.sub(r"[^a-z0-9_]+", "-", name.lower())
    # Locked by flock, which ends with its holder: never by the mere existence of a file.
    lock = FileLock(path, thread_local=False, fallback_to_soft=False, poll_interval=_LOOK_AGAIN_SECONDS)
    try:
        lock.acquire(timeout=-1 if wait else 0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        if once:
            path.unlink(missing_ok=True)  # whoever opened it before sees that it is gone, and makes a new one
        lock.release()


def _number(name: str) -> sa.ColumnElement[int]:
    return sa.func.hashtextextended(name, 0)
