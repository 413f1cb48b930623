"""The database's verbs, and what is said where the database cannot be used."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from manufacturing_copilot.store import migrate
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
