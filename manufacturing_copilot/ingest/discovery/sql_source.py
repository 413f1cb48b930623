"""Tables and views of other systems, read by watermark: what is newer than what was claimed before is one batch.

A claim fixes a range of the watermark's values; loading reads that range once and keeps what it read, so that trying
again gives the same rows. Where records have a key, ranges overlap by their boundary value, and below it as far as the
feed looks back: rows that became visible later are read with the next range, and those read twice are duplicates.
Where they have none, each range begins after the one before, and rows that come late with its last value are never
read: the watermark of such a feed must not repeat, as a serial number does not.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from manufacturing_copilot.errors import BatchError, CopilotError, SiteError
from manufacturing_copilot.ingest.reading.columnar import PLAIN_NUMBERS, as_text
from manufacturing_copilot.site import Feed
from manufacturing_copilot.site.feeds import SqlTable
from manufacturing_copilot.store.engine import with_installed_driver

ROWS_AT_ONCE = 50_000
"""Rows that are fetched from a table in one part."""
PREFIX = "table:"
"""What the path of a batch's rows begins with in the ledger, where they were read from a table."""

_Value = int | float | str | bytes | datetime | date | Decimal


@dataclass(frozen=True)
class Increment:
    """What there is to read: rows whose watermark is after (or at) `after`, up to and with `up_to`.

    `rows`: how many there were when it was claimed. `at_boundary`: how many of them at `up_to`, or as far below it as
    the feed looks back. `without`: rows of the table without a watermark, which are never read.
    """

    column: str
    after: _Value | None
    up_to: _Value
    rows: int
    at_boundary: int
    without: int

    def to_json(self) -> dict[str, Any]:
        """Return it as the ledger keeps it."""
        return {**self.__dict__, "after": _told(self.after), "up_to": _told(self.up_to)}

    def in_words(self, path: str) -> str:
        """Say what was claimed."""
        since = "" if self.after is None else f" from {_shown(self.after)}"
        left = f"; {self.without} rows have no {self.column} and are not read" if self.without else ""
        name = path.removeprefix(PREFIX)
        return f"claimed {self.rows} rows of {name}: {self.column}{since} to {_shown(self.up_to)}{left}"

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Increment:
        """Return what the ledger keeps."""
        return cls(**{**kept, "after": _heard(kept["after"]), "up_to": _heard(kept["up_to"])})


def path_of(feed: Feed) -> str:
    """Return how the ledger and sentences call the rows of the feed's table."""
    assert feed.sql is not None
    return f"{PREFIX}{feed.sql.table}"


def what_is_new(feed: Feed, before: Increment | None) -> Increment | None:
    """Return what the feed's table has beyond what was claimed before, None where nothing.

    Raises SiteError, without the URL, where the table cannot be reached or lacks the watermark's column.
    """
    declared = _declared(feed)
    with _connected(feed, SiteError) as connection:
        table = _table(connection, feed)
        mark = table.c[declared.watermark]
        counted = sa.select(sa.func.max(mark), sa.func.count(), sa.func.count(mark))
        newest, everything, marked = connection.execute(counted.select_from(table)).one()
        if newest is None:
            return None
        after = before.up_to if before is not None and before.column == declared.watermark else None
        boundary = _looked_back(feed, newest)
        at_boundary = _count(connection, table, (mark >= _bound(boundary)) & (mark <= _bound(newest)))
        if before is not None and after is not None and newest == after:
            grown = at_boundary > before.at_boundary
            return _increment(feed, boundary, newest, at_boundary, at_boundary, everything - marked) if grown else None
        if after is not None and _is_before(feed, newest, after):
            return None
        start = None if after is None else _looked_back(feed, after)
        rows = _count(connection, table, _range(mark, feed, start, newest))
    return _increment(feed, start, newest, rows, at_boundary, everything - marked)


def _looked_back(feed: Feed, value: _Value) -> _Value:
    """Return the watermark from which rows are read again: `value`, or as far below it as the feed says."""
    back = _declared(feed).look_back
    if back is None:
        return value
    try:
        if isinstance(value, str):  # SQLite keeps moments as texts
            return str(datetime.fromisoformat(value) - back).replace(" ", value[10:11] or " ", 1)  # type: ignore[operator]
        if isinstance(value, int | Decimal) and not isinstance(back, timedelta):
            return value - type(value)(back)  # type: ignore[operator]  # a float loses digits of a long number
        return value - back  # type: ignore[operator,return-value]
    except (TypeError, ValueError):
        raise SiteError(
            f"feed {feed.feed}: look_back: is {back}, which cannot be taken from the watermark {_shown(value)}; give a"
            " length of time for moments, a number for numbers"
        ) from None


def _is_before(feed: Feed, newest: _Value, after: _Value) -> bool:
    try:
        return bool(newest < after)  # type: ignore[operator]
    except TypeError:
        raise SiteError(
            f"feed {feed.feed}: the watermark {_declared(feed).watermark} was {_shown(after)} ({type(after).__name__})"
            f" and is {_shown(newest)} ({type(newest).__name__}) now, which cannot be compared; declare the"
            " table as it is now as a new feed"
        ) from None


def _increment(
    feed: Feed, after: _Value | None, up_to: _Value, rows: int, at_boundary: int, without: int
) -> Increment | None:
    if not feed.record_key and after == up_to:
        return None  # rows that came late with the last value cannot be told from those read before
    return Increment(_declared(feed).watermark, after, up_to, rows, at_boundary, without)


@contextmanager
def rows_of(feed: Feed, increment: Increment, zone: str, *, rows_at_once: int = ROWS_AT_ONCE) -> Iterator[BinaryIO]:
    """Give the rows of an increment as a Parquet file of texts, `rows_at_once` rows fetched in one part.

    Moments with a zone of their own become the plant's time, with its offset. Raises BatchError, without the URL, where
    the table cannot be read.
    """
    declared = _declared(feed)
    with _connected(feed, BatchError) as connection:
        table = _table(connection, feed)
        mark = table.c[declared.watermark]
        query = sa.select(table).where(_range(mark, feed, increment.after, increment.up_to)).order_by(mark)
        result = connection.execution_options(stream_results=True).execute(query)
        yield _as_parquet(result.keys(), result.partitions(rows_at_once), ZoneInfo(zone))


def _as_parquet(names: Any, parts: Any, zone: ZoneInfo) -> BinaryIO:
    columns = [str(name) for name in names]
    schema = pa.schema([(name, pa.string()) for name in columns])
    numbers = set(columns)
    buffer = io.BytesIO()
    with pq.ParquetWriter(buffer, schema, compression="zstd", compression_level=1) as writer:
        for part in parts:
            typed = [_typed(name, values, zone) for name, values in zip(columns, zip(*part, strict=True), strict=True)]
            numbers -= {column.name for column in typed if not (column.dtype.is_numeric() or column.dtype == pl.Null)}
            text = as_text(pl.DataFrame(typed)).select(pl.all().cast(pl.String))
            writer.write_table(text.to_arrow().cast(schema))
        writer.add_key_value_metadata({PLAIN_NUMBERS: json.dumps(sorted(numbers))})
    buffer.seek(0)
    return buffer


def _typed(name: str, values: Sequence[Any], zone: ZoneInfo) -> pl.Series:
    """Return the values of a column as what they are; text where they are of several kinds, as SQLite allows."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float}:
        return pl.Series(name, values, dtype=pl.Float64 if float in kinds else None, strict=False)
    if kinds == {Decimal}:
        return pl.Series(name, [None if v is None else format(v, "f") for v in values]).cast(pl.Decimal(38, 12))
    if kinds == {datetime}:
        if any(value is not None and value.tzinfo for value in values):
            moments = [v.astimezone(zone) if v is not None and v.tzinfo else v for v in values]
            return pl.Series(name, [None if v is None else v.isoformat() for v in moments], dtype=pl.String)
        return pl.Series(name, values, dtype=pl.Datetime("us"))
    if kinds in ({str}, {bool}, {date}, {bytes}):
        return pl.Series(name, values)
    return pl.Series(name, [None if value is None else str(value) for value in values], dtype=pl.String)


def _range(mark: sa.ColumnElement[Any], feed: Feed, after: _Value | None, up_to: _Value) -> sa.ColumnElement[bool]:
    upper = mark <= _bound(up_to)
    if after is None:
        return upper
    return upper & ((mark >= _bound(after)) if feed.record_key else (mark > _bound(after)))


def _bound(value: _Value) -> sa.ColumnElement[Any]:
    # Without the zone in the type, PostgreSQL would compare in the session's zone.
    if isinstance(value, datetime):
        return sa.literal(value, sa.DateTime(timezone=value.tzinfo is not None))
    return sa.literal(value)


def _count(connection: sa.Connection, table: sa.FromClause, where: sa.ColumnElement[bool]) -> int:
    return connection.scalar(sa.select(sa.func.count()).select_from(table).where(where)) or 0


def _declared(feed: Feed) -> SqlTable:
    assert feed.sql is not None
    return feed.sql


def _table(connection: sa.Connection, feed: Feed) -> sa.TableClause:
    """Return the table with its columns, untyped: values are compared and read as the driver gives them."""
    declared = _declared(feed)
    schema, _, name = declared.table.rpartition(".")
    inspector = sa.inspect(connection)
    if not inspector.has_table(name, schema=schema or None):
        raise SiteError(
            f"feed {feed.feed}: {declared.url} has no table or view {declared.table!r}; correct sql: in the feed"
        )
    names = [column["name"] for column in inspector.get_columns(name, schema=schema or None)]
    if declared.watermark not in names:
        raise SiteError(
            f"feed {feed.feed}: {declared.table} has no column {declared.watermark!r}, which sql: names as its"
            f" watermark; it has {', '.join(names[:40])}"
        )
    return sa.table(name, *(sa.column(column) for column in names), schema=schema or None)


@contextmanager
def _connected(feed: Feed, error: type[CopilotError]) -> Iterator[sa.Connection]:
    """Give a connection that reads; what goes wrong is raised as `error`, in a sentence without the URL."""
    variable = _declared(feed).url.removeprefix("env:")
    named = os.environ.get(variable)
    if not named:
        raise error(
            f"feed {feed.feed}: the environment variable {variable} is not set; it holds the URL of the database,"
            " such as postgresql+psycopg://USER:PASSWORD@HOST/DATABASE"
        )
    try:
        engine = sa.create_engine(with_installed_driver(sa.make_url(named)), poolclass=sa.NullPool)
    except (sa.exc.ArgumentError, ModuleNotFoundError, ValueError) as problem:
        what = str(problem).replace(named, "it") if not isinstance(problem, sa.exc.ArgumentError) else "it is no URL"
        raise error(f"feed {feed.feed}: the database URL in {variable} cannot be used: {what}") from None
    try:
        with engine.connect() as connection:
            yield connection
    except sa.exc.SQLAlchemyError as problem:
        raise error(f"feed {feed.feed}: the database of {variable}: {_said(problem, engine.url)}") from None
    finally:
        engine.dispose()


def _said(problem: sa.exc.SQLAlchemyError, url: sa.URL) -> str:
    """Return what the database said, in one line; drivers quote connection strings, so the password is taken out."""
    origin = getattr(problem, "orig", None) or problem
    line = (str(origin).strip().splitlines() or [type(origin).__name__])[0][:300]
    secrets = [str(url.password)] if url.password else []
    secrets += [str(value) for value in url.query.values()]
    for secret in secrets:
        line = line.replace(secret, "…")
    return line


def _shown(value: _Value) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def _told(value: _Value | None) -> Any:
    if isinstance(value, datetime | date | Decimal):
        kind = "datetime" if isinstance(value, datetime) else "date" if isinstance(value, date) else "decimal"
        return {kind: str(value) if kind == "decimal" else value.isoformat()}  # type: ignore[union-attr]
    return {"bytes": value.hex()} if isinstance(value, bytes) else value


def _heard(kept: Any) -> _Value | None:
    if not isinstance(kept, dict):
        return kept  # type: ignore[no-any-return]
    [(kind, text)] = kept.items()
    read: dict[str, Any] = {
        "datetime": datetime.fromisoformat,
        "date": date.fromisoformat,
        "decimal": Decimal,
        "bytes": bytes.fromhex,
    }
    return read[kind](text)  # type: ignore[no-any-return]
