"""Databases that last for a module: a site is run whole once, and looked at by many tests."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import psycopg
import pytest


@pytest.fixture(scope="module")
def lasting_postgres(postgres_server: str, postgres_template: str) -> Iterator[Callable[[], str]]:
    """Makes fresh, migrated PostgreSQL databases that live until the module's tests are done; gives their URLs."""
    names: list[str] = []

    def make() -> str:
        name = f"test_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {postgres_template}")
        names.append(name)
        return f"{postgres_server}/{name}"

    yield make
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as connection:
        for name in names:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
