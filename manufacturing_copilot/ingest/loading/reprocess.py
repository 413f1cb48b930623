"""Reading rows as records of a feed: when a file first comes, and again from what was kept of it.

Again is needed where a person mended rows, and where a file stops being the repeat of another. It is read under what
was decided then (decimal marks, orders of dates), so that kept rows always give the same records.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.ingest.file_contract import FileContract, FileFindings, ValueFormats
from manufacturing_copilot.ingest.loading.archive import in_json, kept_received
from manufacturing_copilot.ingest.reading.rows import BAD_LINES, take_out_nul
from manufacturing_copilot.ingest.received import LINE, Checked, Received
from manufacturing_copilot.ingest.record_keys import (
    KEY,
    KEY_BYTES_AT_MOST,
    SEPARATOR,
    as_keyed,
    exact,
    refuse_other_key,
    with_key,
)
from manufacturing_copilot.ingest.rejections import REJECTED_ROWS, single_reason
from manufacturing_copilot.ingest.validation.check import FileSetting, assert_schema, check
from manufacturing_copilot.ingest.validation.currencies import Exchange
from manufacturing_copilot.ingest.validation.same_key import ADDED_ROWS, one_record_each
from manufacturing_copilot.site import Feed, Site
from manufacturing_copilot.store.tables import batch_file, mended_record
from manufacturing_copilot.store.tables import feed as feed_table

REJECTED = REJECTED_ROWS.dtypes
"""Columns of the rejected rows of a file."""

RAW = "_text"
"""What stands for the columns in the texts of a rejected line that was no row."""


@dataclass(frozen=True)
class KnownFile:
    """A file of the ledger, as far as reading its rows needs it. `decided`: how its values were read."""

    file_id: int
    batch_id: int
    path: str
    modified_ns: int
    decided: ValueFormats | None = None
    plain_numbers: tuple[str, ...] = ()
    received_as: str | None = None

    @property
    def name(self) -> str:
        """How sentences call the file."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class Records:
    """Rows of a file, read: `records` with `record_key` and `file_id`; `rejected` as REJECTED; what was found.

    `added`: ADDED_ROWS, rows whose quantities were added to one of the records. `mended`: `_line` and `received` (JSON
    text) of the rows that a person mended before.
    """

    records: pl.DataFrame
    rejected: pl.DataFrame
    found: FileFindings
    contract: FileContract
    added: pl.DataFrame = field(default_factory=ADDED_ROWS.empty)
    mended: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema={LINE: pl.Int64, "received": pl.String}))


def records_of(received: Received, feed: Feed, site: Site, file: KnownFile, *, against_schema: bool = True) -> Records:
    """Return the rows of a file as records with their keys; rows without a usable key are rejected.

    Without `against_schema` the caller holds the records against their schema (`check.assert_schema`), those of many
    files at once. Raises BatchError as `checking.check` does.
    """
    checked = check(received, feed, setting_of(site, file))
    if against_schema:
        assert_schema(checked.records, feed.kind)
    return with_names(checked, received.rows, feed, file.file_id)


def setting_of(site: Site, file: KnownFile) -> FileSetting:
    """Return what is known of a file besides its rows: the day it was written is one of the plant's."""
    written_on = datetime.fromtimestamp(file.modified_ns / 1e9, ZoneInfo(site.zone)).date()
    return FileSetting(file.name, written_on, site.zone, Exchange.of(site))


def with_names(checked: Checked, rows: pl.DataFrame, feed: Feed, file_id: int) -> Records:
    """Return what was checked as records with their keys; rows (as received: `rows`) without one are rejected."""
    keyed = with_key(exact(checked.records, feed.kind), feed.record_key, file_id)
    rejected = checked.rejected.select(LINE, "reasons", "received")
    empty = pl.col(KEY).str.strip_chars(SEPARATOR) == ""
    bad = keyed.filter(empty | (pl.col(KEY).str.len_bytes() > KEY_BYTES_AT_MOST))
    if not bad.is_empty():
        rejected = pl.concat([rejected, _without_name(bad, empty, rows, feed)])
        keyed = keyed.join(bad, on=LINE, how="anti", maintain_order="left")
    return Records(keyed, rejected, checked.found, checked.contract)


def _without_name(bad: pl.DataFrame, empty: pl.Expr, rows: pl.DataFrame, feed: Feed) -> pl.DataFrame:
    named = ", ".join(feed.record_key)
    sentence = (
        pl.when(empty)
        .then(pl.lit(f"nothing names the record: {named} {'are' if ',' in named else 'is'} empty"))
        .otherwise(pl.lit(f"{named}: longer than {KEY_BYTES_AT_MOST} bytes, which no code is"))
    )
    shown = pl.col(KEY).str.replace_all(SEPARATOR, " / ", literal=True).str.slice(0, 200)
    texts = rows.select(LINE, pl.struct(pl.exclude(LINE)).struct.json_encode().alias("received"))
    rejected = bad.join(texts, on=LINE).with_columns(single_reason(named, shown, "key", sentence))
    return rejected.select(list(REJECTED))


def with_one_record_each(rows: Records, received: pl.DataFrame | pl.LazyFrame, feed: Feed, file_name: str) -> Records:
    """Return the rows of a whole file with those settled that share their key.

    `received`: the rows as received, for those that have to be asked about.
    """
    settled = one_record_each(rows.records, feed, file_name)
    if settled.asked.is_empty() and settled.added.is_empty():
        return rows
    asked = settled.asked.select(LINE, "reasons")
    quoted = received.lazy().join(asked.lazy().select(LINE), on=LINE, how="semi").collect()
    texts = pl.concat([in_json(quoted.join(rows.mended, on=LINE, how="anti")), rows.mended])
    rejected = asked.join(texts, on=LINE, maintain_order="left").select(list(REJECTED))
    return replace(
        rows,
        records=settled.records,
        rejected=pl.concat([rows.rejected, rejected.cast(REJECTED)]).sort(LINE),  # type: ignore[arg-type]
        found=replace(rows.found, summed=settled.summed),
        added=settled.added,
    )


@dataclass(frozen=True)
class Rereading:
    """Reads kept rows of one feed again."""

    site: Site
    feed: Feed
    home: Path

    def as_loaded(self, connection: sa.Connection) -> Rereading:
        """Return it with the key under which the feed's records are loaded, whatever the feed declares now."""
        _, contract = self._of_feed(connection)
        feed = as_keyed(self.feed, contract)
        return replace(self, feed=feed if contract.key is None else feed.model_copy(update={"key": contract.key}))

    def as_keyed(self, connection: sa.Connection) -> Rereading:
        """Return it with the key of the feed's records; raises BatchError as `refuse_other_key` does."""
        feed_id, contract = self._of_feed(connection)
        feed = as_keyed(self.feed, contract)
        refuse_other_key(connection, feed, feed_id, contract)
        return replace(self, feed=feed)

    def _of_feed(self, connection: sa.Connection) -> tuple[int, FileContract]:
        query = sa.select(feed_table.c.id, feed_table.c.contract).where(feed_table.c.name == self.feed.feed)
        row = connection.execute(query).one()
        return row.id, FileContract.from_json(row.contract)

    def whole(self, connection: sa.Connection, file: KnownFile) -> tuple[Records, pl.Series]:
        """Return the records of a file from its kept rows, mended where a person mended them, and all its lines.

        Raises BatchError where the rows cannot be read under today's declaration.
        """
        assert file.received_as is not None
        received = kept_received(file.received_as, self.home)
        lines = pl.concat([received.rows[LINE], received.bad_lines[LINE]])
        contract = self._contract(connection, file)
        found = FileFindings(plain_numbers=file.plain_numbers)
        received = replace(received, found=found, contract=contract)
        read = records_of(received, self.feed, self.site, file)
        read = self.with_mends(connection, file, read, contract)
        return with_one_record_each(read, received.rows, self.feed, file.name), lines

    def with_mends(self, connection: sa.Connection, file: KnownFile, read: Records, contract: FileContract) -> Records:
        """Return the records of a file with the rejected rows that a person mended before in place of those."""
        mended = mended_texts(connection, [file.file_id])
        mended = mended.join(read.rejected.select(LINE), on=LINE, how="semi")
        if mended.is_empty():
            return read
        again = self._checked(mended.select(LINE, pl.col("mended").alias("received")), file, contract)
        return Records(
            pl.concat([read.records, again.records]).sort(LINE),
            pl.concat([read.rejected.join(mended, on=LINE, how="anti"), again.rejected]).sort(LINE),
            read.found,
            read.contract,
            mended=mended.select(LINE, pl.col("mended").alias("received")),
        )

    def texts(self, connection: sa.Connection, file: KnownFile, texts: pl.DataFrame) -> Records:
        """Return the records of some rows of a file: `_line` and `received` (JSON text: columns and texts)."""
        return self._checked(texts, file, self._contract(connection, file))

    def _checked(self, texts: pl.DataFrame, file: KnownFile, contract: FileContract) -> Records:
        decoded = [json.loads(text) for text in texts["received"].to_list()]
        names = list(dict.fromkeys(name for row in decoded for name in row))
        rows = pl.DataFrame(decoded, schema=dict.fromkeys(names, pl.String)).with_columns(texts[LINE])
        rows, bad = take_out_nul(rows.sort(LINE))
        received = Received(rows, bad, FileFindings(plain_numbers=file.plain_numbers), contract)
        return records_of(received, self.feed, self.site, file)

    def _contract(self, connection: sa.Connection, file: KnownFile) -> FileContract:
        if file.decided is not None:
            return FileContract(values=file.decided)
        # A file that only repeated another was never checked: it is read as the next file of its feed would be.
        stored = connection.scalar(sa.select(feed_table.c.contract).where(feed_table.c.name == self.feed.feed))
        return FileContract.from_json(stored)


def known_files(connection: sa.Connection, file_ids: Iterable[int]) -> dict[int, KnownFile]:
    """Return files of the ledger by their numbers."""
    rows = connection.execute(sa.select(batch_file).where(batch_file.c.id.in_(set(file_ids)))).all()
    return {row.id: _known_file(row) for row in rows}


def _known_file(row: sa.Row[Any]) -> KnownFile:
    found = FileFindings.from_json(row.found)
    return KnownFile(
        row.id,
        row.batch_id,
        row.path,
        row.modified_ns,
        found.decided,
        found.plain_numbers or (),
        row.received_as,
    )


def mended_texts(connection: sa.Connection, file_ids: Iterable[int]) -> pl.DataFrame:
    """Return `file_id`, `_line` and `mended` (JSON text: columns and texts) of the rows that a person mended."""
    rows = connection.execute(
        sa.select(mended_record.c.file_id, mended_record.c.line, mended_record.c.mended).where(
            mended_record.c.file_id.in_(set(file_ids))
        )
    ).all()
    return pl.DataFrame(
        [(row.file_id, row.line, json.dumps(row.mended, ensure_ascii=False)) for row in rows],
        schema={"file_id": pl.Int64, LINE: pl.Int64, "mended": pl.String},
        orient="row",
    )


__all__ = [
    "BAD_LINES",
    "RAW",
    "REJECTED",
    "KnownFile",
    "Records",
    "Rereading",
    "known_files",
    "mended_texts",
    "records_of",
    "setting_of",
    "with_names",
    "with_one_record_each",
]
