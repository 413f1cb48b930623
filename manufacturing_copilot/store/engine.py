"""Opening the database: SQLite beside the home folder by default, PostgreSQL by COPILOT_DATABASE_URL."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from manufacturing_copilot.errors import StoreError
from manufacturing_copilot.store.machine_errors import translate_machine_errors
from manufacturing_copilot.store.private import private_file, private_folder

BUSY_TIMEOUT_SECONDS = 60
PRODUCTS = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
"""How people write the names that `Store.database` gives."""
_WRITES = "copilot_writes"


def home_folder() -> Path:
    """Return the home folder: COPILOT_HOME, else `.copilot` below the working folder."""
    return Path(os.environ.get("COPILOT_HOME") or ".copilot").expanduser().resolve()


def database_url(home: Path | None = None) -> sa.URL:
    """Return the URL of the site's database; raises StoreError where COPILOT_DATABASE_URL is not one we can use."""
    named = os.environ.get("COPILOT_DATABASE_URL")
    if not named:
        return embedded_url((home or home_folder()) / "copilot.db")
    return parse_database_url(named, "COPILOT_DATABASE_URL")


def parse_database_url(named: str, where: str) -> sa.URL:
    """Return the database URL that `named` is; raises StoreError, naming `where` it stands, where we cannot use it."""
    try:
        url = sa.make_url(named)
    except sa.exc.ArgumentError:
        raise StoreError(f"{where} is not a database URL; expected postgresql://USER:PASSWORD@HOST/DATABASE") from None
    if url.get_backend_name() == "sqlite":
        return url
    if url.get_backend_name() in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    raise StoreError(f"{where} names {url.get_backend_name()!r}; expected a postgresql:// or sqlite:/// URL")


def with_installed_driver(url: sa.URL) -> sa.URL:
    """Return the URL with the driver that is installed, where it names a database but no driver."""
    return url.set(drivername="postgresql+psycopg") if url.drivername in ("postgresql", "postgres") else url


def embedded_url(file: Path) -> sa.URL:
    """Return the URL of the embedded database in a file."""
    return sa.URL.create("sqlite", database=str(file))


def embedded_file(url: sa.URL) -> Path | None:
    """Return the file that holds the database; None where a server holds it, or memory."""
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return None
    return Path(url.database)


def database_exists(url: sa.URL) -> bool:
    """Whether there is something to open: an embedded database exists once its file does, a server's always."""
    if url.get_backend_name() != "sqlite":
        return True
    file = embedded_file(url)
    return file is not None and file.exists()


class Store:
    """The open database. `read` and `write` are transactions; nothing else is."""

    def __init__(self, engine: sa.Engine) -> None:
        """Wrap an engine made by `open_store`."""
        self.engine = engine

    @property
    def database(self) -> str:
        """Which database it is, by its name: `sqlite` or `postgresql`."""
        return self.engine.dialect.name

    @property
    def is_sqlite(self) -> bool:
        """Whether this is the embedded database."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Give a connection in one transaction that only reads.

        Raises StoreError where the disk is full or the database does not answer any more.
        """
        with translate_machine_errors(), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """Give a connection in one transaction that may write; commits at the end, rolls back on an error.

        On SQLite it takes the write lock at once (BEGIN IMMEDIATE): a transaction that reads first and
        writes later would fail with "database is locked" instead of waiting. Raises StoreError as `read` does.
        """
        engine = self.engine.execution_options(**{_WRITES: True})
        with translate_machine_errors(), engine.connect() as connection, connection.begin():
            yield connection

    def close(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


def connect_store(url: sa.URL | str | None = None, *, home: Path | None = None) -> Store:
    """Open the database without looking at its version; for the migrations themselves."""
    resolved = sa.make_url(url) if url is not None else database_url(home)
    return Store(_sqlite_engine(resolved) if resolved.get_backend_name() == "sqlite" else _postgres_engine(resolved))


def _sqlite_engine(url: sa.URL) -> sa.Engine:
    if file := embedded_file(url):
        private_folder(file.parent)
        private_file(file)
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_SECONDS})

    @sa.event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, so that DDL rolls back too
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_SECONDS * 1000}")
        cursor.execute("PRAGMA temp_store=MEMORY")
        cursor.execute("PRAGMA cache_size=-65536")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgres_engine(url: sa.URL) -> sa.Engine:
    engine = sa.create_engine(url, pool_pre_ping=True, connect_args={"options": "-c timezone=UTC"})
    try:
        with engine.connect():
            pass
    except sa.exc.OperationalError as error:
        reason = str(error.orig).strip().splitlines()[0] if error.orig else "no answer"
        raise StoreError(
            f"PostgreSQL at {url.host or 'the local socket'}:{url.port or 5432}/{url.database} does not answer:"
            f" {reason}; check COPILOT_DATABASE_URL and that the server runs"
        ) from None
    return engine
