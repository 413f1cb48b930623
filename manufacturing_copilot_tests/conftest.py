"""What every test may use: a home of its own, and a store on each of the two databases."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from manufacturing_copilot.store import migrate
from manufacturing_copilot.store.engine import Store, connect_store
from manufacturing_copilot.store.opening import open_store
from manufacturing_copilot_tests import postgres
from manufacturing_copilot_tests.emptied import Emptied


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    with postgres.server() as url:
        yield url


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> str:
    """The name of a migrated database that others are copied from."""
    return postgres.template(postgres_server)


@pytest.fixture
def postgres_url(postgres_server: str, postgres_template: str) -> Iterator[str]:
    """The URL of a fresh, migrated PostgreSQL database."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {postgres_template}")
    yield f"{postgres_server}/{name}"
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of the test's own; COPILOT_HOME points at it."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("COPILOT_HOME", str(folder))
    monkeypatch.delenv("COPILOT_SITE", raising=False)
    monkeypatch.delenv("COPILOT_DATABASE_URL", raising=False)
    return folder


@pytest.fixture(scope="session")
def emptied_postgres(postgres_server: str, postgres_template: str) -> Iterator[Emptied]:
    """One database for many tests: emptied before each, because a copy of the template costs half a second."""
    yield Emptied(postgres_server, postgres_template)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a migrated database that others are copied from."""
    path = tmp_path_factory.mktemp("template") / "copilot.db"
    store = connect_store(f"sqlite:///{path}")
    migrate.upgrade(store)
    store.close()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """An empty store, once on SQLite and once on PostgreSQL; COPILOT_DATABASE_URL points at it."""
    if request.param == "postgresql":
        monkeypatch.setenv("COPILOT_DATABASE_URL", request.getfixturevalue("emptied_postgres").url())
    else:
        shutil.copyfile(request.getfixturevalue("sqlite_template"), home / "copilot.db")
    opened = open_store()
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real public data; a test that needs it skips where it is absent."""
    folder = Path(os.environ.get("COPILOT_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
    if not (folder / "adventureworks").is_dir():
        pytest.skip(f"the public data is not at {folder}; set COPILOT_DATA to its folder")
    return folder


@pytest.fixture
def embedded(home: Path) -> Iterator[Store]:
    """An empty store on SQLite alone, for tests of figures that no database changes."""
    opened = open_store()
    yield opened
    opened.close()
