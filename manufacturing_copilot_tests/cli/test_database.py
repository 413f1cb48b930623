"""The database's verbs, and what is said where the database cannot be used."""

from __future__ import annotations

import os
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from alembic import command

from manufacturing_copilot.store import migrate, open_store, views
from manufacturing_copilot_tests.cli.conftest import Copilot
from manufacturing_copilot_tests.end_to_end import tiny


@pytest.fixture
def site(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tiny.tiny_site(tmp_path / "site")
    monkeypatch.setenv("COPILOT_SITE", str(folder))
    return folder


@pytest.fixture
def empty_postgres(postgres_server: str) -> Iterator[str]:
    """The URL of a PostgreSQL database with nothing in it."""
    name = f"empty_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield f"{postgres_server}/{name}"
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_an_empty_postgresql_database_is_made_ready_once(
    copilot: Copilot, site: Path, empty_postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COPILOT_DATABASE_URL", empty_postgres)
    newest = migrate.newest_revision()
    early = copilot("status")
    assert early.code == 1
    assert "copilot db upgrade" in early.err
    assert f"the database is at none, this version needs {newest}" in copilot("db", "revision").out
    assert copilot("db", "upgrade").out.strip() == f"the database is at revision {newest}"
    assert copilot("db", "upgrade").out.strip() == f"the database is at revision {newest} already"
    assert copilot("status").code == 0
    assert copilot("batch", "list").out.strip().startswith("no batch yet")


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("not a url", "COPILOT_DATABASE_URL is not a database URL"),
        ("mysql://root@host/db", "COPILOT_DATABASE_URL names 'mysql'"),
        ("postgresql://copilot:hunter2@127.0.0.1:9/plant", "PostgreSQL at 127.0.0.1:9/plant does not answer"),
    ],
)
def test_a_database_that_cannot_be_used_is_one_sentence(
    copilot: Copilot, site: Path, monkeypatch: pytest.MonkeyPatch, url: str, sentence: str
) -> None:
    monkeypatch.setenv("COPILOT_DATABASE_URL", url)
    for verb in ("status", "run"):
        said = copilot(verb)
        assert said.code == 1
        assert sentence in said.err
        assert "hunter2" not in said.out + said.err
        assert "Traceback" not in said.out + said.err


READING = (
    ("status",), ("status", "--json"), ("report",), ("batch", "list"), ("batch", "show", "00000001"),
    ("rejected", "list"),
    ("item", "P1"), ("item", "conflicts"), ("alert", "list"), ("alert", "told"), ("model", "list"), ("model", "runs"),
    ("override", "list"),
)  # fmt: skip


def test_a_verb_that_looks_never_migrates_a_database(copilot: Copilot, site: Path, home: Path) -> None:
    store = open_store()
    scripts = migrate.config()
    with store.write() as connection:
        scripts.attributes["connection"] = connection
        views.drop_views(connection)
        command.downgrade(scripts, "-1")
    older = migrate.current_revision(store)
    store.close()
    for verb in READING:
        said = copilot(*verb)
        assert said.code == 1, verb
        assert said.err.strip() == (
            f"the database is at {older}, this version needs {migrate.newest_revision()}; run `copilot db upgrade`"
        )
    assert f"the database is at {older}, " in copilot("db", "revision").out
    assert copilot("db", "upgrade").code == 0
    assert copilot("status").code == 0


def test_a_database_of_a_newer_version_is_left_alone(copilot: Copilot, site: Path, home: Path) -> None:
    store = open_store()
    with store.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    store.close()
    for verb in ("status", "run"):
        said = copilot(verb)
        assert said.code == 1
        assert said.err.strip() == (
            "the database is at 9999, which this version of the program does not know: a newer one made it; install"
            " that version"
        )


def test_a_new_home_is_for_its_owner_alone(
    copilot: Copilot, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "new" / "home"
    monkeypatch.setenv("COPILOT_HOME", str(home))
    before = os.umask(0)
    try:
        assert copilot("status").code == 0
        assert copilot("report").code == 0
        store = open_store()
        with store.write() as connection:  # the files beside the database are there while it is open
            connection.execute(sa.text("CREATE TABLE here (x INTEGER)"))
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in home.iterdir()}
        store.close()
    finally:
        os.umask(before)
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert {name: modes[name] for name in ("copilot.db", "copilot.db-wal", "copilot.db-shm")} == {
        "copilot.db": 0o600, "copilot.db-wal": 0o600, "copilot.db-shm": 0o600,
    }  # fmt: skip
    assert modes["reports"] == 0o700


def test_a_home_that_its_owner_opened_stays_open(copilot: Copilot, site: Path, home: Path) -> None:
    home.chmod(0o750)
    assert copilot("status").code == 0
    assert stat.S_IMODE(home.stat().st_mode) == 0o750
    assert stat.S_IMODE((home / "copilot.db").stat().st_mode) == 0o600
