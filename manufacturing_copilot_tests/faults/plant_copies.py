"""A plant's home and database, copied as often as a test needs them, and what ingest holds of it in the end."""

from __future__ import annotations

import multiprocessing
import shutil
import signal
import time
import uuid
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import polars as pl
import psycopg
import sqlalchemy as sa

from manufacturing_copilot.store import Store, open_store, read_frame
from manufacturing_copilot.store.tables import (
    accepted,
    batch,
    batch_file,
    changed_record,
    duplicate_record,
    feed,
    mended_record,
    rejected_record,
)
from manufacturing_copilot_tests.faults import loading

# A server that has imported everything and runs nothing: a process forked from it begins at once.
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload([loading.__name__, "pandera.polars", "pandera.strategies.base_strategies"])

State = dict[str, pl.DataFrame]

_FATES = ("received", "accepted", "duplicate", "rejected", "changed")
_COLUMNS = {
    batch: ["feed_id", "status", *(f"rows_{fate}" for fate in _FATES), "problem"],
    batch_file: ["batch_id", "feed_id", "path", "size", "sha256", "archived_as", "repeats_file_id", "rows_received"],
    feed: ["name", "contract"],
    duplicate_record: ["batch_id", "file_id", "line", "reason", "of_file_id", "of_line"],
    rejected_record: ["batch_id", "file_id", "line", "reasons", "received"],
    mended_record: ["batch_id", "file_id", "line", "received", "reasons", "mended", "released", "actor"],
    changed_record: ["batch_id", "file_id", "line", "records", "record_key", "was_file_id", "was_line", "was"],
    **{table: [column.name for column in table.columns] for table in accepted.values()},
}
"""All that ingest keeps, except when, how often and under which number it was written."""


@dataclass(frozen=True)
class Plant:
    """A home folder and the URL of its database."""

    home: Path
    url: str

    def open(self) -> Store:
        return open_store(self.url)

    def start(self, way: str) -> BaseProcess:
        """Start a process that works in this way (see `loading.process`); return it once it is about to begin."""
        ours, theirs = _PROCESSES.Pipe()
        started = _PROCESSES.Process(target=loading.process, args=(way, self.home, self.url, theirs))
        started.start()
        theirs.close()
        assert ours.recv() == "ready"
        ours.close()
        return started

    def finish(self, way: str, patience: float = 300) -> float:
        """Work in this way, undisturbed, to the end; return the seconds it took."""
        process = self.start(way)
        started = time.monotonic()
        process.join(patience)
        assert process.exitcode == 0, f"the process ended with {process.exitcode}"
        return time.monotonic() - started

    def killed_after(self, way: str, seconds: float) -> bool:
        """Start working and kill the process after `seconds`; return whether it was killed before it had ended."""
        process = self.start(way)
        process.join(seconds)
        process.kill()
        process.join()
        return process.exitcode == -signal.SIGKILL

    def state(self) -> State:
        """Return what ingest holds, by table; batches by the order in which they were claimed, files by their paths."""
        store = self.open()
        with store.read() as connection:
            names = _names(connection)
            state = {table.name: _rows(connection, table, names) for table in _COLUMNS}
            received = connection.scalars(
                sa.select(batch_file.c.received_as).where(batch_file.c.received_as.is_not(None))
            )
            missing = [path for path in received if not (self.home / path).exists()]
        store.close()
        assert not missing, f"the rows as received are not kept: {missing}"
        return state


def _names(connection: sa.Connection) -> dict[str, pl.DataFrame]:
    """Return a name for each id of a batch, file or feed, as rolled back transactions leave gaps in the ids."""
    batches = read_frame(connection, sa.select(batch.c.id)).sort("id")["id"]
    files = read_frame(connection, sa.select(batch_file.c.id, batch_file.c.path))
    feeds = read_frame(connection, sa.select(feed.c.id, feed.c.name))
    return {
        "batch_id": pl.DataFrame({"id": batches, "name": [f"batch {n}" for n in range(1, batches.len() + 1)]}),
        "file_id": files.rename({"path": "name"}),
        "feed_id": feeds,
    }


def _rows(connection: sa.Connection, table: sa.Table, names: dict[str, pl.DataFrame]) -> pl.DataFrame:
    columns = _COLUMNS[table]
    with_id = ["id"] if table is batch else []
    rows = read_frame(connection, sa.select(*(table.c[name] for name in [*with_id, *columns])))
    if table is batch:
        rows, columns = rows.rename({"id": "batch_id"}), ["batch_id", *columns]
    for column in columns:
        name_by_id = next((frame for kind, frame in names.items() if column.endswith(kind)), None)
        if name_by_id is not None:
            mapping = dict(zip(name_by_id["id"], name_by_id["name"], strict=True))
            rows = rows.with_columns(pl.col(column).replace_strict(mapping, default=None, return_dtype=pl.String))
    if "record_key" in columns and "file_id" in columns:  # a record that nothing names is named by file and line
        unnamed = pl.col("record_key").str.contains(r"^\d+:\d+$")
        position = pl.format("{}:{}", pl.col("file_id"), pl.col("line"))
        rows = rows.with_columns(pl.when(unnamed).then(position).otherwise("record_key").alias("record_key"))
    return rows.select(columns).sort(columns)


class Copies:
    """Copies of a prepared plant, each with a home and a database of its own.

    `server`: the URL of a PostgreSQL server; None means SQLite.
    """

    def __init__(self, folder: Path, server: str | None, template: str = "") -> None:
        self._folder, self._server, self._template = folder, server, template
        self._databases: list[str] = []

    def first(self) -> Plant:
        """Return an empty plant."""
        home = self._folder / uuid.uuid4().hex[:8]
        home.mkdir(parents=True)
        return Plant(home, self._database(home, self._template))

    def of(self, plant: Plant) -> Plant:
        """Return a copy of a plant on which no process works."""
        home = self._folder / uuid.uuid4().hex[:8]
        shutil.copytree(plant.home, home)
        return Plant(home, self._database(home, plant.url.rpartition("/")[2]))

    def drop(self, plant: Plant) -> None:
        """Remove a plant that is not needed any more."""
        shutil.rmtree(plant.home)
        if self._server is not None:
            self._drop_database(plant.url.rpartition("/")[2])

    def close(self) -> None:
        """Remove the databases that are left."""
        for name in list(self._databases):
            self._drop_database(name)

    def _database(self, home: Path, template: str) -> str:
        if self._server is None:
            return f"sqlite:///{home / 'copilot.db'}"
        name = f"kill_{uuid.uuid4().hex[:12]}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        self._databases.append(name)
        return f"{self._server}/{name}"

    def _drop_database(self, name: str) -> None:
        self._databases.remove(name)
        self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _execute(self, statement: str) -> None:
        with psycopg.connect(f"{self._server}/postgres", autocommit=True) as connection:
            connection.execute(statement)


def differences(actual: State, expected: State) -> list[str]:
    """Return the names of the tables that differ."""
    return [name for name, frame in expected.items() if not actual[name].equals(frame)]
