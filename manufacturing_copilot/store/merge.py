"""Making a table hold exactly what a frame holds, touching only the rows that differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from manufacturing_copilot.store import insert_frame, prefer_indexes, read_frame, staged, upsert_frame
from manufacturing_copilot.store.tables import metadata
from manufacturing_copilot.store.types import SCALE, ExactDecimal


@dataclass(frozen=True)
class SyncCounts:
    """How many rows a table holds now, and what it took to get there."""

    rows: int
    inserted: int = 0
    changed: int = 0
    deleted: int = 0

    @property
    def touched(self) -> int:
        """Rows that were written or removed."""
        return self.inserted + self.changed + self.deleted


def sync_frame(
    connection: sa.Connection,
    table: sa.Table,
    frame: pl.DataFrame,
    *,
    key: Sequence[str] = (),
    touch: Sequence[str] = (),
    within: sa.ColumnElement[bool] | None = None,
) -> SyncCounts:
    """Make the rows of `table` (those that `within` names) equal to the rows of `frame`; equal rows stay as they are.

    `key` names columns with a unique constraint: a row whose other columns differ is changed in place. Without
    `key` a row is its whole content, and a differing row is a new one. `touch` names columns that are written
    with a change but do not make one.
    """
    content = [name for name in frame.columns if name not in touch]
    reading = content if key else ["id", *content]
    query = sa.select(*(table.c[name] for name in reading))
    stored = read_frame(connection, query if within is None else query.where(within))
    if stored.is_empty():
        return SyncCounts(frame.height, inserted=insert_frame(connection, table, frame))
    current = _comparable(table, stored)
    wanted = _comparable(table, frame)
    differs = wanted.with_row_index("_row").join(current, on=content, how="anti", nulls_equal=True)["_row"]
    fresh = frame[differs.sort()]
    if not key:
        gone = current.join(wanted, on=content, how="anti", nulls_equal=True).select("id")
        delete_rows(connection, table, gone)
        insert_frame(connection, table, fresh)
        return SyncCounts(frame.height, inserted=fresh.height, deleted=gone.height)
    gone = current.join(wanted, on=list(key), how="anti", nulls_equal=True).select(key)
    delete_rows(connection, table, gone)
    written = upsert_frame(connection, table, fresh, key=key, touch=touch)
    return SyncCounts(frame.height, written.inserted, written.changed, gone.height)


def add_frame(
    connection: sa.Connection,
    table: sa.Table,
    frame: pl.DataFrame,
    *,
    key: Sequence[str],
    counted_by: str,
    others: Callable[[sa.Table, Any], dict[str, Any]] | None = None,
) -> SyncCounts:
    """Add the numbers of `frame` to those of the rows of `table` with the same `key`; rows that are not there come.

    `counted_by` names the column that counts what a row is made of: rows in which it comes to 0 go. `others`: what
    becomes of columns that are not simply added up, from the table and the row that comes. The counts' `rows` is how
    many more there are than before.
    """
    if frame.is_empty():
        return SyncCounts(0)
    names = frame.columns
    with staged(connection, table, frame) as stage, prefer_indexes(connection):
        same = sa.and_(*(table.c[name] == stage.c[name] for name in key))
        existing = connection.scalar(sa.select(sa.func.count()).select_from(stage.join(table, same))) or 0
        dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
        insert = dialect.insert(table).from_select(names, sa.select(*stage.c).where(sa.true()))
        special = others(table, insert.excluded) if others else {}
        sums = {name: table.c[name] + insert.excluded[name] for name in names if name not in (*key, *special)}
        connection.execute(insert.on_conflict_do_update(index_elements=list(key), set_={**sums, **special}))
        fewer = stage.c[counted_by] <= 0
        empty = sa.select(sa.literal(1)).select_from(stage).where(same, fewer, table.c[counted_by] == 0)
        gone = connection.execute(sa.delete(table).where(sa.exists(empty.correlate(table)))).rowcount
    inserted = frame.height - int(existing)
    return SyncCounts(inserted - gone, inserted, int(existing) - gone, gone)


def update_rows(connection: sa.Connection, table: sa.Table, frame: pl.DataFrame, *, touch: Sequence[str] = ()) -> int:
    """Change the rows of `table` with the ids of `frame` where another column differs; return how many changed."""
    if frame.is_empty():
        return 0
    names = [name for name in frame.columns if name != "id"]
    with staged(connection, table, frame) as stage:
        differs = sa.or_(*(table.c[name].is_distinct_from(stage.c[name]) for name in names if name not in touch))
        statement = sa.update(table).values({name: stage.c[name] for name in names})
        result = connection.execute(statement.where(table.c.id == stage.c.id, differs))
        return max(result.rowcount, 0)


def delete_rows(connection: sa.Connection, table: sa.Table, keys: pl.DataFrame) -> None:
    """Delete the rows of `table` whose columns equal a row of `keys`."""
    if keys.is_empty():
        return
    with staged(connection, table, keys) as stage:
        same = sa.and_(*(table.c[name] == stage.c[name] for name in keys.columns))
        connection.execute(sa.delete(table).where(sa.exists(sa.select(sa.literal(1)).select_from(stage).where(same))))


def delete_unreferenced(connection: sa.Connection, table: sa.Table, ids: pl.DataFrame) -> pl.DataFrame:
    """Delete the rows of `table` with these ids (one column `id`) that no other table points at; return the rest."""
    if ids.is_empty():
        return ids
    with staged(connection, table, ids) as stage:
        used = [
            sa.exists(sa.select(sa.literal(1)).select_from(other).where(column == table.c.id))
            for other, column in _references(table)
        ]
        wanted = table.c.id.in_(sa.select(stage.c.id))
        connection.execute(sa.delete(table).where(wanted, sa.not_(sa.or_(sa.false(), *used))))
        return read_frame(connection, sa.select(table.c.id).where(wanted))


def _references(table: sa.Table) -> list[tuple[sa.Table, sa.Column[Any]]]:
    return [
        (other, column)
        for other in metadata.tables.values()
        for column in other.columns
        if any(foreign.column is table.c.id for foreign in column.foreign_keys)
    ]


def _comparable(table: sa.Table, frame: pl.DataFrame) -> pl.DataFrame:
    # Exact decimals are compared as whole millionths: floats that differ in the last bit are the same number.
    def expression(name: str) -> pl.Expr:
        if isinstance(table.c[name].type, ExactDecimal):
            return (pl.col(name).cast(pl.Float64) * 10**SCALE).round().cast(pl.Int64)
        if isinstance(table.c[name].type, sa.Integer):
            return pl.col(name).cast(pl.Int64)
        return pl.col(name)

    return frame.select(expression(name) for name in frame.columns)
