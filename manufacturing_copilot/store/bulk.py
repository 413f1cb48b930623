"""Writing a polars frame into a table: COPY on PostgreSQL, tuples on SQLite. The only dialect-specific code."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from manufacturing_copilot.store.pg_binary import HEADER, TRAILER, binary_rows, encodable
from manufacturing_copilot.store.types import SCALE, ExactDecimal, UtcTimestamp

_COPY_ROWS = 25_000
_TUPLE_ROWS = 25_000
_ROWS_A_STATEMENT = 10
_WHOLE_TABLE_PLANS = ("enable_hashjoin", "enable_mergejoin", "enable_seqscan", "jit")

_SUMMARIZE = sa.text("""
  SELECT brin_summarize_new_values(CAST(:index AS regclass)) WHERE NOT EXISTS (
    SELECT FROM pg_locks
    WHERE relation = CAST(:table AS regclass) AND mode = 'ShareUpdateExclusiveLock' AND granted
  )""")


@dataclass(frozen=True)
class UpsertCounts:
    """What an upsert did to the table."""

    inserted: int
    changed: int


def insert_frame(connection: sa.Connection, table: sa.Table, frame: pl.DataFrame) -> int:
    """Insert the rows of `frame` into the columns of `table` that carry the same names; return how many.

    Columns of the table that the frame lacks take their default. Floats are rounded to the six places of an
    exact decimal. Raises the database's IntegrityError where a constraint is broken.
    """
    if frame.is_empty():
        return 0
    columns = [table.c[name] for name in frame.columns]
    columns = [column for column in columns if not _is_left_out(column, frame[column.name])] or columns
    if connection.dialect.name == "postgresql":
        _copy_in(connection, table, columns, frame)
    else:
        _insert_tuples(connection, table, columns, frame)
    return frame.height


def _is_left_out(column: sa.Column[Any], values: pl.Series) -> bool:
    # Feeds deliver some of a kind's fields; what is empty in every row need not be sent to be empty.
    return column.default is None and column.server_default is None and values.null_count() == values.len()


@contextmanager
def staged(connection: sa.Connection, table: sa.Table, frame: pl.DataFrame) -> Iterator[sa.Table]:
    """Give a temporary table that holds `frame`, its columns typed as those of `table` with the same names."""
    temporary = sa.Table(
        f"stage_{uuid.uuid4().hex[:12]}",
        sa.MetaData(),
        *(sa.Column(name, table.c[name].type) for name in frame.columns),
        prefixes=["TEMPORARY"],
    )
    temporary.create(connection)
    try:
        insert_frame(connection, temporary, frame)
        yield temporary
    finally:
        if not connection.invalidated and connection.in_transaction():
            _drop_quietly(connection, temporary)


def _drop_quietly(connection: sa.Connection, temporary: sa.Table) -> None:
    # After an error PostgreSQL refuses all but a rollback, which drops the table as well.
    raw: Any = connection.connection.driver_connection
    if connection.dialect.name == "postgresql" and raw.info.transaction_status.name == "INERROR":
        return
    temporary.drop(connection)


@contextmanager
def prefer_indexes(connection: sa.Connection) -> Iterator[None]:
    """Let queries within the context find rows of a large table by its indexes, and not by reading all of it.

    PostgreSQL knows nothing yet of a table that was just staged, or of a batch that was just loaded, and would rather
    read the large table whole.
    """
    if connection.dialect.name != "postgresql":
        yield  # SQLite does nothing else
        return
    for setting in _WHOLE_TABLE_PLANS:
        connection.exec_driver_sql(f"SET LOCAL {setting} = off")
    yield
    for setting in _WHOLE_TABLE_PLANS:
        connection.exec_driver_sql(f"SET LOCAL {setting} TO DEFAULT")


def index_new_rows(connection: sa.Connection, *tables: sa.Table) -> None:
    """Let the block range indexes of the tables know the rows written since they were last told, here or elsewhere.

    Until then (or the next vacuum) PostgreSQL reads all of those rows for whoever asks for a batch. On SQLite, where
    there are no such indexes, nothing is done; nor of a table that is being vacuumed, which does the same and would be
    stopped by it.
    """
    if connection.dialect.name != "postgresql":
        return
    for table in tables:
        for index in table.indexes:
            if index.dialect_options["postgresql"]["using"] == "brin":
                connection.execute(_SUMMARIZE, {"index": index.name, "table": table.name})


def upsert_frame(
    connection: sa.Connection, table: sa.Table, frame: pl.DataFrame, *, key: Sequence[str], touch: Sequence[str] = ()
) -> UpsertCounts:
    """Insert the rows of `frame`, or change the rows of `table` with the same `key` where anything differs.

    `key` names columns with a unique constraint; a key may stand in `frame` once. `touch` names columns that
    are written with a change but do not make one (provenance: batch, file, line).
    """
    if frame.is_empty():
        return UpsertCounts(0, 0)
    with staged(connection, table, frame) as stage:
        same_key = sa.and_(*(table.c[name] == stage.c[name] for name in key))
        with prefer_indexes(connection):
            existing = connection.scalar(sa.select(sa.func.count()).select_from(stage.join(table, same_key))) or 0
        touched = _upsert_from(connection, table, stage, key, touch)
    inserted = frame.height - int(existing)
    return UpsertCounts(inserted=inserted, changed=touched - inserted)


def upsert_row(connection: sa.Connection, table: sa.Table, key: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Insert one row, or change `values` of the row of `table` whose `key` (columns with a unique constraint) it is."""
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).values(**key, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=dict(values)))


def _upsert_from(
    connection: sa.Connection, table: sa.Table, stage: sa.Table, key: Sequence[str], touch: Sequence[str]
) -> int:
    names = [column.name for column in stage.columns]
    select = sa.select(*stage.columns).where(sa.true())
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).from_select(names, select)
    content = [name for name in names if name not in key and name not in touch]
    if content:
        statement = statement.on_conflict_do_update(
            index_elements=list(key),
            set_={name: statement.excluded[name] for name in (*content, *touch)},
            where=sa.or_(*(table.c[name].is_distinct_from(statement.excluded[name]) for name in content)),
        )
    else:
        statement = statement.on_conflict_do_nothing(index_elements=list(key))
    result = connection.execute(statement, execution_options={"preserve_rowcount": True})
    return max(result.rowcount, 0)


def _copy_in(connection: sa.Connection, table: sa.Table, columns: list[sa.Column[Any]], frame: pl.DataFrame) -> None:
    quote = connection.dialect.identifier_preparer.quote
    as_binary = encodable(frame, columns)
    names, block = binary_rows(frame, columns) if as_binary else _csv_rows(frame, columns)
    format_ = "binary" if as_binary else "csv"
    into = f"{quote(table.name)} ({', '.join(quote(name) for name in names)})"
    raw: Any = connection.connection.driver_connection
    with raw.cursor() as cursor, cursor.copy(f"COPY {into} FROM STDIN (FORMAT {format_})") as copy:
        if as_binary:
            copy.write(HEADER)
        for rows in _ahead(block, frame.height):
            copy.write(rows)
        if as_binary:
            copy.write(TRAILER)


def _csv_rows(frame: pl.DataFrame, columns: list[sa.Column[Any]]) -> tuple[list[str], Callable[[int, int], bytes]]:
    """Return the order of the columns, and what gives rows as CSV; for what the binary format is not made for."""
    ready = frame.select(
        (pl.col(column.name).round(SCALE) if isinstance(column.type, ExactDecimal) else pl.col(column.name))
        for column in columns
    )
    return ready.columns, lambda start, length: ready.slice(start, length).write_csv(include_header=False).encode()


def _ahead(block: Callable[[int, int], bytes], height: int) -> Iterator[bytes]:
    """Give the rows in blocks; the next is made while the database takes the one before."""
    if height <= _COPY_ROWS:
        yield block(0, height)
        return
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(block, 0, _COPY_ROWS)
        for start in range(_COPY_ROWS, height, _COPY_ROWS):
            rows, coming = coming.result(), pool.submit(block, start, _COPY_ROWS)
            yield rows
        yield coming.result()


def _insert_tuples(
    connection: sa.Connection, table: sa.Table, columns: list[sa.Column[Any]], frame: pl.DataFrame
) -> None:
    """Insert rows by statements of several rows each; what is the same number in all of them stands in their text."""
    ready = frame.select(_to_stored(column, frame.schema[column.name]) for column in columns)
    quote = connection.dialect.identifier_preparer.quote
    fixed = _one_number(ready)
    sent = [name for name in ready.columns if name not in fixed]
    into = f"INSERT INTO {quote(table.name)} ({', '.join(map(quote, [*fixed, *sent]))}) VALUES "
    row = f"({', '.join([*map(str, fixed.values()), *('?' for _ in sent)])})"
    several = into + ", ".join([row] * _ROWS_A_STATEMENT)
    raw: Any = connection.connection.driver_connection
    cursor = raw.cursor()
    try:
        for start in range(0, ready.height, _TUPLE_ROWS):
            values = [column.to_list() for column in ready.slice(start, _TUPLE_ROWS).select(sent).iter_columns()]
            full = len(values[0]) // _ROWS_A_STATEMENT * _ROWS_A_STATEMENT
            # Every tenth value of each column from the first row, from the second, ...: ten rows to a tuple.
            parts = (value[offset:full:_ROWS_A_STATEMENT] for offset in range(_ROWS_A_STATEMENT) for value in values)
            cursor.executemany(several, zip(*parts, strict=True))
            cursor.executemany(into + row, zip(*(value[full:] for value in values), strict=True))
    finally:
        cursor.close()


def _one_number(ready: pl.DataFrame) -> dict[str, int]:
    """Return the columns that hold one number in every row, but never all columns."""
    fixed: dict[str, int] = {}
    for column in ready.iter_columns():
        if column.dtype.is_integer() and column.null_count() == 0 and (least := column.min()) == column.max():
            fixed[column.name] = int(least)  # type: ignore[arg-type]
    if len(fixed) == ready.width:
        fixed.popitem()
    return fixed


def _to_stored(column: sa.Column[Any], dtype: pl.DataType) -> pl.Expr:
    value: pl.Expr = pl.col(column.name)
    if isinstance(column.type, ExactDecimal):
        return (value.cast(pl.Float64) * 10**SCALE).round().cast(pl.Int64)
    if isinstance(column.type, UtcTimestamp):
        return value.dt.convert_time_zone("UTC").dt.strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00")
    if isinstance(column.type, sa.Date):
        return value.cast(pl.Date).dt.strftime("%Y-%m-%d")
    if dtype == pl.Boolean:
        return value.cast(pl.Int64)
    return value
