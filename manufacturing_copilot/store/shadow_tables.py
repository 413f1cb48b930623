"""Tables of one connection that stand before the lasting ones of the same name, and vanish with it.

Both databases look among a connection's temporary tables first. So code that knows nothing of it reads and writes
those, and the lasting tables stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from manufacturing_copilot.store.engine import Store


@contextmanager
def rolled_back(store: Store) -> Iterator[sa.Connection]:
    """Give a connection of its own; whatever is done through it is undone at the end, temporary tables included."""
    with (
        store.engine.connect() as connection,
        _temporary_tables_on_disk(connection),
        connection.begin() as transaction,
    ):
        try:
            yield connection
        finally:
            transaction.rollback()


@contextmanager
def _temporary_tables_on_disk(connection: sa.Connection) -> Iterator[None]:
    """SQLite keeps them in memory otherwise, and a plant's history need not fit there twice."""
    if connection.dialect.name != "sqlite":
        yield
        return
    raw: Any = connection.connection.driver_connection
    raw.execute("PRAGMA temp_store=FILE")
    yield
    raw.execute("PRAGMA temp_store=MEMORY")


def temporary(table: sa.Table) -> sa.Table:
    """Return a temporary table of the same name, with the columns and unique keys of `table`.

    It points at no other table: rows of a connection may speak of what only this connection knows.
    """
    keys = [
        sa.UniqueConstraint(*(column.name for column in constraint.columns))
        for constraint in table.constraints
        if isinstance(constraint, sa.UniqueConstraint)
    ]
    columns = [_column(column) for column in table.c]
    return sa.Table(table.name, sa.MetaData(), *columns, *keys, prefixes=["TEMPORARY"])


def permanent(connection: sa.Connection, table: sa.Table) -> sa.Table:
    """Return the lasting table of that name, whatever temporary one stands before it."""
    is_sqlite = connection.dialect.name == "sqlite"
    schema = "main" if is_sqlite else connection.scalar(sa.select(sa.func.current_schema()))
    return table.to_metadata(sa.MetaData(), schema=str(schema))


def advance_sequence(connection: sa.Connection, table: sa.Table, *, temporary: bool = False) -> None:
    """Let new rows be numbered after those that were written with the numbers they have elsewhere."""
    if connection.dialect.name == "postgresql" and "id" in table.c:
        newest = sa.select(sa.func.coalesce(sa.func.max(table.c.id), 0) + 1).scalar_subquery()
        sequence = sa.func.pg_get_serial_sequence(f"pg_temp.{table.name}" if temporary else table.name, "id")
        connection.execute(sa.select(sa.func.setval(sequence, newest, False)))


def create_from_query(
    connection: sa.Connection, statement: str, query: sa.Select[Any] | sa.CompoundSelect[Any]
) -> None:
    """Execute a statement that ends with a query, such as CREATE VIEW … AS: the values are written into its text."""
    compiled = query.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
    connection.exec_driver_sql(f"{statement} {compiled}")


def _column(column: sa.Column[Any]) -> sa.Column[Any]:
    default: Any = column.server_default
    return sa.Column(
        column.name,
        column.type,
        primary_key=column.primary_key,
        autoincrement=column.autoincrement,
        nullable=column.nullable,
        server_default=default.arg if default is not None else None,
    )
