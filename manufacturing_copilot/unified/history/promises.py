"""What suppliers promised first, and how often they moved it: from the versions that a line's record has had.

A system that overwrites the promised day makes every supplier punctual; the records that were replaced are kept, and
say what it was before.
"""

from __future__ import annotations

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.store import insert_frame, read_frame
from manufacturing_copilot.store.merge import sync_frame
from manufacturing_copilot.store.tables import accepted, batch_file, changed_record, promise_version
from manufacturing_copilot.store.types import SCALE
from manufacturing_copilot.unified.changes import Came

_RECORDS = "purchase_lines"
_KEY = ["feed_id", "record_key"]
_PLACE = [*_KEY, "file_id", "line"]


def refresh_promises(connection: sa.Connection, came: Came, *, rebuild: bool) -> None:
    """Bring promise_version up to date with the purchase lines that were replaced.

    `rebuild`: all changes are read again, not only those of the batches that came.
    """
    if rebuild:
        sync_frame(connection, promise_version, _versions(connection), key=_PLACE)
    elif came.batches:
        insert_frame(connection, promise_version, _versions(connection, changed_record.c.batch_id.in_(came.batches)))


def with_promises(connection: sa.Connection, lines: pl.DataFrame) -> pl.DataFrame:
    """Return the purchase lines with the first_promised_on of all their versions, and `redatings`.

    `lines` have feed_id, record_key, file_id, line, promised_on, quantity, and first_promised_on where the system
    itself keeps it; that one holds. A re-dating is another day for the same quantity: a line whose quantity changes
    with its day was split or ordered anew.
    """
    files = sa.select(batch_file.c.id, batch_file.c.order_ns).subquery()
    query = sa.select(*promise_version.c, files.c.order_ns).outerjoin(files, files.c.id == promise_version.c.file_id)
    before = read_frame(connection, query).join(lines, on=_KEY, how="semi").join(lines, on=_PLACE, how="anti")
    current = lines.with_columns(first_promised_on=pl.coalesce("first_promised_on", "promised_on"))
    if before.is_empty():
        return current.with_columns(redatings=_moved_by_itself(lines))
    versions = pl.concat([before, _standing(connection, before)])
    versions = versions.sort(*_KEY, "order_ns", "file_id", "line", nulls_last=True)
    whole = (pl.col("quantity") * 10**SCALE).round()
    promised = versions.drop_nulls("promised_on").with_columns(whole=whole)
    day, much = (pl.col(name).shift(1).over(_KEY) for name in ("promised_on", "whole"))
    counted = promised.with_columns(moved=(pl.col("promised_on") != day) & (pl.col("whole") == much))
    summed = counted.group_by(_KEY, maintain_order=True).agg(
        _first=pl.col("promised_on").first(), _moved=pl.col("moved").fill_null(False).sum().cast(pl.Int64)
    )
    joined = lines.join(summed, on=_KEY, how="left", maintain_order="left")
    return joined.with_columns(
        first_promised_on=pl.coalesce("first_promised_on", "_first", "promised_on"),
        redatings=pl.max_horizontal(pl.col("_moved").fill_null(0), _moved_by_itself(lines)),
    ).drop("_first", "_moved")


def _standing(connection: sa.Connection, before: pl.DataFrame) -> pl.DataFrame:
    """Return what now stands of the records that were replaced, as the source writes it: the columns of `before`."""
    table, versions = accepted[_RECORDS], promise_version
    same = sa.and_(*(table.c[name] == versions.c[name] for name in _KEY))
    columns = [table.c[name] for name in (*_PLACE, "promised_on", "quantity")]
    rows = read_frame(connection, sa.select(*columns).where(sa.exists().where(same)))
    return rows.with_columns(order_ns=pl.lit(None, pl.Int64)).select(before.columns)


def _moved_by_itself(lines: pl.DataFrame) -> pl.Series:
    """Return 1 for lines of which the system itself says that the promise was another day once."""
    moved = (pl.col("first_promised_on") != pl.col("promised_on")).fill_null(False)
    return lines.select(moved.cast(pl.Int64).alias("moved"))["moved"]


def _versions(connection: sa.Connection, which: sa.ColumnElement[bool] | None = None) -> pl.DataFrame:
    """Return the versions of purchase lines that were replaced, of all changes or some: the rows of promise_version."""
    table, standing = changed_record, accepted[_RECORDS]
    # As known on a past day, a version that was replaced since stands: it is the record, and none of its versions.
    stands = sa.exists().where(
        standing.c.feed_id == batch_file.c.feed_id, standing.c.record_key == table.c.record_key,
        standing.c.file_id == table.c.was_file_id, standing.c.line == table.c.was_line,
    )  # fmt: skip
    query = (
        sa.select(batch_file.c.feed_id, table.c.record_key, table.c.was_file_id.label("file_id"),
                  table.c.was_line.label("line"), table.c.was)
        .join(batch_file, batch_file.c.id == table.c.was_file_id)
        .where(table.c.records == _RECORDS, ~stands)
    )  # fmt: skip
    rows = read_frame(connection, query if which is None else query.where(which))
    content = pl.Struct({"promised_on": pl.Date, "quantity": pl.Float64})
    return rows.with_columns(pl.col("was").str.json_decode(content)).unnest("was").unique(_PLACE, maintain_order=True)
