"""A PostgreSQL database that is used again and again, and is as good as new each time."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg
from psycopg import sql

_SHAPE = """
    select md5(string_agg(described, E'\\n' order by described)) from (
        select format('%s %s %s %s', c.relname, c.relkind, a.attname, format_type(a.atttypid, a.atttypmod)) as described
        from pg_class c left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        where c.relnamespace = 'public'::regnamespace
        union all select format('%s %s', conrelid::regclass, pg_get_constraintdef(oid)) from pg_constraint
        where connamespace = 'public'::regnamespace
    ) shape
"""
_SESSIONS = "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s and pid <> pg_backend_pid()"


class Emptied:
    """The database: `url` ends what a test before left running, empties what it filled, and counts from 1 again.

    Where a test changed the tables themselves, a fresh copy of the template takes its place.
    """

    def __init__(self, server: str, template: str) -> None:
        """Name the server (its URL without a database) and the template."""
        self._server, self._template = server, template
        self._name: str | None = None
        self._shape: Any = None

    def url(self) -> str:
        """Return the URL of the empty database."""
        if self._name is None or not self._empty(self._name):
            self._name = f"emptied_{uuid.uuid4().hex[:12]}"
            with psycopg.connect(f"{self._server}/postgres", autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {self._name} TEMPLATE {self._template}")
            with psycopg.connect(f"{self._server}/{self._name}") as connection:
                self._shape = connection.execute(_SHAPE).fetchone()
        return f"{self._server}/{self._name}"

    def _empty(self, name: str) -> bool:
        with psycopg.connect(f"{self._server}/{name}", autocommit=True) as connection:
            connection.execute(_SESSIONS, [name])
            if connection.execute(_SHAPE).fetchone() != self._shape:
                return False
            self._delete_rows(connection)
            return True

    def _delete_rows(self, connection: psycopg.Connection[Any]) -> None:
        names = [row[0] for row in connection.execute("select tablename from pg_tables where schemaname = 'public'")]
        names.remove("alembic_version")
        asked = [
            sql.SQL("select {} where exists (select 1 from {})").format(sql.Literal(name), sql.Identifier(name))
            for name in names
        ]
        filled = [row[0] for row in connection.execute(sql.SQL(" union all ").join(asked))]
        with connection.transaction():
            # Deleting a few rows is cheaper than truncating, which makes new files. Constraints would ask for an order.
            connection.execute("set local session_replication_role = replica")
            for name in filled:
                connection.execute(sql.SQL("delete from {}").format(sql.Identifier(name)))
            connection.execute(
                "select setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)"
                " from pg_sequences where schemaname = 'public' and last_value is not null"
            )
