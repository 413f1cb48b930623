"""What the files of a feed name, and which records end because a newer full list leaves them out.

What a file names is kept with the batch, so that it says the same for ever: for every feed of a kind whose records can
end, whether or not it declares `holds: all`, so that a feed can declare it later. Lists stand in the order of the days
that they speak for; of one day, in the order of their files.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.ingest.received import LINE
from manufacturing_copilot.ingest.record_keys import FILE, KEY, SEPARATOR
from manufacturing_copilot.records import FieldType
from manufacturing_copilot.site import Feed, Site
from manufacturing_copilot.site.durations import parse_time_of_day
from manufacturing_copilot.site.holds import ABSENT, Holds
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.tables import BatchStatus, accepted, batch, batch_file, full_list, rejected_record
from manufacturing_copilot.store.tables import feed as feed_table

_NAMED = {"entity": pl.String, "location": pl.String, "supplier": pl.String, LINE: pl.Int64}
"""What is kept of a list: a row per record; `_line` only where the row was rejected, of which `entity` may be empty."""
STRETCHES = {
    "entity": pl.String, "scope": pl.String, "from_file_id": pl.Int64, "from_day": pl.Date,
    "until_file_id": pl.Int64, "until_day": pl.Date,
}  # fmt: skip
"""Columns of the stretches of a feed's records on its lists, as in the table."""
BEFORE_ALL = date(1900, 1, 1)
"""The day of what was loaded before lists were kept."""
_ROWS_AT_MOST = 2_000_000
"""Files of more rows are not kept as lists, unless their feed says that they are."""


def entity_fields(feed: Feed) -> tuple[str, ...]:
    """Return the fields that name what lives on from list to list: the key, less the day of a count."""
    return tuple(name for name in feed.record_key if name != "day")


def with_entity(records: pl.DataFrame, feed: Feed) -> pl.DataFrame:
    """Return the records with `entity`: their `record_key`, or where that holds a day the other fields of the key."""
    if KEY in records.columns and "day" not in feed.record_key:
        return records.with_columns(entity=pl.col(KEY))
    parts = [pl.col(name).cast(pl.String).fill_null("") for name in entity_fields(feed)]
    return records.with_columns(entity=pl.concat_str(parts, separator=SEPARATOR))


class ListedRows:
    """Collects what the files of a batch name, part by part; then keeps it with the batch."""

    def __init__(self, feed: Feed, site: Site) -> None:
        """Begin with nothing."""
        self._feed, self._site = feed, site
        self._frames: list[pl.DataFrame] = []
        self._rows = 0
        self._repeats: dict[int, int] = {}

    @property
    def _wanted(self) -> bool:
        return self._feed.records in ABSENT and bool(entity_fields(self._feed))

    @property
    def _too_many(self) -> bool:
        return self._rows > _ROWS_AT_MOST and self._feed.holds is Holds.CHANGES

    def add(self, records: pl.DataFrame, rejected: pl.DataFrame) -> None:
        """Add the rows of a part, before any guard: a row that waits for a person is named all the same."""
        if not self._wanted or self._too_many:
            return
        if not records.is_empty():
            keyed = with_entity(records, self._feed)
            day = pl.col("day") if self._feed.records == "stock_levels" else pl.lit(None, pl.Date)
            self._collect(
                keyed.select(
                    FILE, "entity", _text(keyed, "location"), _text(keyed, "supplier"), day.alias("day"),
                    pl.lit(None, pl.Int64).alias(LINE),
                ).unique([FILE, "entity", "day"], maintain_order=True)
            )  # fmt: skip
        if not rejected.is_empty():
            self._collect(_rejected_entities(rejected, self._feed))

    def _collect(self, named: pl.DataFrame) -> None:
        self._rows += named.height
        self._frames.append(named)
        if self._too_many:  # nothing of them will be kept, and memory must not grow with the file
            self._frames.clear()

    def add_repeat(self, file_id: int, of_file_id: int) -> None:
        """Add a file that repeats another byte for byte."""
        self._repeats[file_id] = of_file_id

    def keep(self, connection: sa.Connection, feed_id: int, batch_id: int) -> None:
        """Write what the files of the batch name, a row per file and day; what they named before is replaced."""
        connection.execute(sa.delete(full_list).where(full_list.c.batch_id == batch_id))
        if not self._wanted or self._too_many:
            return
        named = pl.concat(self._frames) if self._frames else pl.DataFrame(schema=_COLLECTED)
        files = _files(connection, self._site, self._feed, batch_file.c.batch_id == batch_id)
        rows = []
        for file_id, day in files.select("file_id", "list_day").rows():
            if file_id in self._repeats:
                rows += self._repeated(connection, file_id, day)
                continue
            of_file = named.filter(pl.col(FILE) == file_id).with_columns(pl.col("day").fill_null(day))
            by_day = of_file.partition_by("day", as_dict=True) if not of_file.is_empty() else {}
            # A rejected row may speak of any of the days.
            lost = of_file.filter(pl.col(LINE).is_not_null())
            counted = {key[0]: frame.filter(pl.col(LINE).is_null()) for key, frame in by_day.items()}
            days = [of_day for of_day, frame in counted.items() if not frame.is_empty()] or [day]
            for of_day in sorted(days):
                frame = pl.concat([counted.get(of_day, of_file.clear()), lost]).select(list(_NAMED))
                rows.append(_row(file_id, of_day, frame))
        if rows:
            connection.execute(
                sa.insert(full_list), [{"feed_id": feed_id, "batch_id": batch_id, **row} for row in rows]
            )

    def _repeated(self, connection: sa.Connection, file_id: int, day: date) -> list[dict[str, object]]:
        table = full_list
        of_file = sa.select(table.c.day, table.c.records, table.c.named).where(
            table.c.file_id == self._repeats[file_id]
        )
        undated = "day" not in self._feed.columns
        return [
            {"file_id": file_id, "day": day if undated else row.day, "records": row.records, "named": row.named}
            for row in connection.execute(of_file)
        ]


_COLLECTED = {FILE: pl.Int64, **{name: pl.String for name in ("entity", "location", "supplier")}, "day": pl.Date,
              LINE: pl.Int64}  # fmt: skip


def _text(records: pl.DataFrame, name: str) -> pl.Expr:
    return (pl.col(name) if name in records.columns else pl.lit(None, pl.String)).cast(pl.String).alias(name)


def _rejected_entities(rejected: pl.DataFrame, feed: Feed) -> pl.DataFrame:
    """Return what rejected rows name, as far as their texts tell; `entity` is null where they do not."""
    codes = (FieldType.CODE, FieldType.TEXT, FieldType.INTEGER)
    plain = all(feed.kind.field(name).type in codes for name in entity_fields(feed))
    entities = [_entity_of(json.loads(text), feed) if plain else None for text in rejected["received"]]
    return rejected.select(
        pl.col(FILE), pl.Series("entity", entities, pl.String), pl.lit(None, pl.String).alias("location"),
        pl.lit(None, pl.String).alias("supplier"), pl.lit(None, pl.Date).alias("day"), pl.col(LINE),
    )  # fmt: skip


def _entity_of(texts: dict[str, str | None], feed: Feed) -> str | None:
    parts = []
    for name in entity_fields(feed):
        spec = feed.columns[name]
        if spec.constant is not None:
            parts.append(spec.constant)
            continue
        if isinstance(spec.column, int):
            values = list(texts.values())
            text = values[spec.column - 1] if spec.column <= len(values) else None
        elif spec.column in texts:
            text = texts[str(spec.column)]
        else:
            return None
        text = (text or "").strip()
        parts.append(spec.values.get(text, text) or spec.default or "")
    return SEPARATOR.join(parts) if parts and parts[0] else None


def _row(file_id: int, day: date, named: pl.DataFrame) -> dict[str, object]:
    packed = io.BytesIO()
    named.write_parquet(packed, compression="zstd", statistics=False)
    records = named.filter(pl.col(LINE).is_null()).height
    return {"file_id": file_id, "day": day, "records": records, "named": packed.getvalue()}


def _files(connection: sa.Connection, site: Site, feed: Feed, where: sa.ColumnElement[bool]) -> pl.DataFrame:
    """Return file_id and list_day: the day a file speaks for where its rows name none.

    A count holds on the day on which its file was written; other lists belong to the day whose daily run they are part
    of, as files do for `known:`.
    """
    files = read_frame(
        connection,
        sa.select(batch_file.c.id.label("file_id"), batch_file.c.modified_ns, batch_file.c.order_ns).where(where),
    )
    moment, early = ("modified_ns", timedelta()) if feed.records == "stock_levels" else ("order_ns", _closing(site))
    zone = ZoneInfo(site.zone)
    days = [
        (datetime.fromtimestamp(ns / 1e9, zone).replace(tzinfo=None) - early).date() for ns in files[moment].to_list()
    ]
    return files.select("file_id", list_day=pl.Series(days, dtype=pl.Date))


def _closing(site: Site) -> timedelta:
    closing = parse_time_of_day(site.schedule)
    return timedelta(hours=closing.hour, minutes=closing.minute)


@dataclass(frozen=True)
class FullList:
    """One list: the day it speaks for, the file that ends it, and the rows of the ledger that it is made of."""

    day: date
    order_ns: int
    file_id: int
    path: str
    batch_id: int
    parts: tuple[int, ...]

    @property
    def place(self) -> tuple[date, int, int]:
        """Where it stands among the lists of its feed."""
        return (self.day, self.order_ns, self.file_id)


def lists_of(
    connection: sa.Connection, feed_name: str, holds: Holds, *, with_batch: int | None = None
) -> list[FullList]:
    """Return the lists of a feed's loaded batches (and of the one that is being loaded, `with_batch`), in order."""
    table = full_list
    counts = batch.c.status == BatchStatus.SUCCESS
    if with_batch is not None:
        counts = sa.or_(counts, batch.c.id == with_batch)
    query = (
        sa.select(table.c.id, table.c.day, table.c.file_id, table.c.batch_id, batch_file.c.order_ns, batch_file.c.path)
        .join(batch_file, batch_file.c.id == table.c.file_id)
        .join(batch, batch.c.id == table.c.batch_id)
        .join(feed_table, feed_table.c.id == table.c.feed_id)
        .where(feed_table.c.name == feed_name, counts)
        .order_by(table.c.day, batch_file.c.order_ns, table.c.file_id, table.c.id)
    )
    lists: list[FullList] = []
    for row in connection.execute(query):
        same_day = bool(lists) and holds is Holds.PER_DAY and lists[-1].day == row.day
        parts = (*lists.pop().parts, row.id) if same_day else (row.id,)
        lists.append(FullList(row.day, row.order_ns, row.file_id, row.path, row.batch_id, parts))
    return lists


@dataclass(frozen=True)
class Named:
    """What a list names: `rows` (entity, scope, accepted); `scopes` of which it is the whole (None: of everything).

    The scope of a row that was rejected may be null: it is named, wherever it was listed before. `unread`: how many of
    its rows were rejected without telling what they name; while there are any, nothing ends.
    """

    rows: pl.DataFrame
    scopes: tuple[str, ...] | None
    unread: int

    def leaves_out(self, known: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of `known` (entity, scope, …) that the list is the whole of and does not name."""
        if self.unread:
            return known.clear()
        covered = known if self.scopes is None else known.filter(pl.col("scope").is_in(self.scopes))
        return covered.join(self.rows, on="entity", how="anti", maintain_order="left")


def named_by(connection: sa.Connection, feed: Feed, listed: FullList) -> Named:
    """Return what a list names, with the rows that were mended since they were rejected."""
    table = full_list
    query = sa.select(table.c.id, table.c.file_id, table.c.named).where(table.c.id.in_(listed.parts))
    frames, unread = [], 0
    for row in connection.execute(query).all():
        frame = pl.read_parquet(io.BytesIO(row.named))
        lost = frame.filter(pl.col(LINE).is_not_null())
        if not lost.is_empty():
            mended, still = _settled(connection, feed, row.file_id, lost)
            unread += still
            frame = pl.concat([frame, mended])
        frames.append(frame.drop_nulls("entity"))
    rows = pl.concat(frames).with_columns(scope=_scope(feed.holds, listed.path))
    scopes = None if feed.holds in (Holds.ALL, Holds.PER_DAY) else tuple(rows["scope"].drop_nulls().unique().sort())
    if feed.holds is Holds.PER_FILE_NAME:
        scopes = (name_of_list(listed.path),)
    distinct = rows.sort(LINE, nulls_last=False).unique("entity", keep="first", maintain_order=True)
    return Named(distinct.select("entity", "scope", accepted=pl.col(LINE).is_null()), scopes, unread)


def unread_lists(connection: sa.Connection, feed: Feed, batches: list[int]) -> list[tuple[str, int]]:
    """Return the lists of these batches that end nothing: the file, and how many rejected rows keep them from it."""
    lists = [one for one in lists_of(connection, feed.feed, feed.holds) if one.batch_id in batches]
    unread = [(one.path, named_by(connection, feed, one).unread) for one in lists]
    return [(path, rows) for path, rows in unread if rows]


def name_of_list(path: str) -> str:
    """Return a file's name without its digits: what stays the same from one list of a series to the next."""
    return "".join(sign for sign in path.rpartition("/")[2] if not sign.isdigit())


def _scope(holds: Holds, path: str) -> pl.Expr:
    if holds.field is not None:
        row_is_read = pl.col(LINE).is_null()
        return pl.when(row_is_read).then(pl.col(holds.field).fill_null(""))
    return pl.lit(name_of_list(path) if holds is Holds.PER_FILE_NAME else "")


def _settled(connection: sa.Connection, feed: Feed, file_id: int, lost: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Return what rejected rows name that were mended since, and how many still name nothing that can be read."""
    lines = lost[LINE].to_list()
    rejected = rejected_record
    waiting = set(
        connection.scalars(
            sa.select(rejected.c.line).where(
                rejected.c.file_id == file_id, rejected.c.batch_id == _batch_of(file_id), rejected.c.line.in_(lines)
            )
        )
    )
    table = accepted[feed.records]
    rows = read_frame(
        connection, sa.select(*_naming_columns(feed)).where(table.c.file_id == file_id, table.c.line.in_(lines))
    )
    mended = with_entity(rows, feed).select(
        "entity", _text(rows, "location"), _text(rows, "supplier"), pl.lit(None, pl.Int64).alias(LINE)
    )
    still = lost.filter(pl.col("entity").is_null() & pl.col(LINE).is_in(list(waiting))).height
    return mended.select(list(_NAMED)), still


def _naming_columns(feed: Feed) -> list[sa.Column[Any]]:
    """Return the columns of the feed's accepted records that tell what they are and which scope they belong to."""
    columns = accepted[feed.records].c
    names = dict.fromkeys((KEY, *entity_fields(feed), "location", "supplier"))
    return [columns[name] for name in names if name in columns]


def _batch_of(file_id: int) -> sa.ScalarSelect[int]:
    return sa.select(batch_file.c.batch_id).where(batch_file.c.id == file_id).scalar_subquery()


def follow(
    connection: sa.Connection, feed: Feed, lists: Sequence[FullList], listed: pl.DataFrame
) -> Iterator[pl.DataFrame]:
    """Give the stretches (STRETCHES) that end with each of the lists, in order; at last those that have not ended.

    `listed`: the stretches that had not ended before the first of them.
    """
    for one in lists:
        named = named_by(connection, feed, one)
        gone = named.leaves_out(listed)
        yield gone.with_columns(
            until_file_id=pl.lit(one.file_id, pl.Int64), until_day=pl.lit(one.day)
        ).select(list(STRETCHES))  # fmt: skip
        stay = listed.join(gone, on="entity", how="anti", maintain_order="left")
        stay = stay.drop("scope").join(
            stay.select("entity", was="scope").join(named.rows, on="entity", how="left"), on="entity", how="left"
        )
        stay = stay.with_columns(scope=pl.coalesce("scope", "was")).select(list(STRETCHES))
        rows = named.rows.filter("accepted").with_columns(pl.col("scope").fill_null(""))
        fresh = rows.join(stay, on="entity", how="anti", maintain_order="left").select(
            "entity", "scope", pl.lit(one.file_id, pl.Int64).alias("from_file_id"), pl.lit(one.day).alias("from_day"),
            pl.lit(None, pl.Int64).alias("until_file_id"), pl.lit(None, pl.Date).alias("until_day"),
        )  # fmt: skip
        listed = pl.concat([stay, fresh])
    yield listed


def never_listed(connection: sa.Connection, feed: Feed) -> pl.DataFrame:
    """Return as stretches the records of files of which nobody kept what they name; they stand before all lists."""
    table = accepted[feed.records]
    kept = sa.exists().where(full_list.c.file_id == table.c.file_id)
    rows = read_frame(
        connection,
        sa.select(*_naming_columns(feed), table.c.file_id, batch_file.c.path)
        .join(feed_table, feed_table.c.id == table.c.feed_id)
        .join(batch_file, batch_file.c.id == table.c.file_id)
        .where(feed_table.c.name == feed.feed, ~kept),
    )
    if feed.holds.field is not None:
        scope = pl.col(feed.holds.field).fill_null("")
    elif feed.holds is Holds.PER_FILE_NAME:
        names = {path: name_of_list(path) for path in rows["path"].unique()}
        scope = pl.col("path").replace_strict(names, return_dtype=pl.String)
    else:
        scope = pl.lit("")
    return with_entity(rows, feed).with_columns(
        scope=scope, from_file_id="file_id", from_day=pl.lit(BEFORE_ALL), until_file_id=pl.lit(None, pl.Int64),
        until_day=pl.lit(None, pl.Date),
    ).unique("entity", keep="last", maintain_order=True).select(list(STRETCHES))  # fmt: skip
