"""A dry run: what would become of a file if it came as a feed's next batch. Nothing is written anywhere.

The file goes the way of a batch of one part as far as the step that writes: the functions of `loading` read, validate,
key, guard and classify it, in a transaction that is rolled back.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.ingest.discovery.file_order import last_place
from manufacturing_copilot.ingest.file_contract import FIRST_FILE, FileContract, FileFindings
from manufacturing_copilot.ingest.loading.duplicate_files import repeated_files
from manufacturing_copilot.ingest.loading.fates import known_records
from manufacturing_copilot.ingest.loading.parts import (
    Part,
    classify_part,
    contested_records,
    part_of,
    read_received,
    texts_in,
    without_stopped,
)
from manufacturing_copilot.ingest.loading.reprocess import KnownFile, records_of, with_one_record_each
from manufacturing_copilot.ingest.record_keys import FILE, as_keyed, refuse_other_key
from manufacturing_copilot.ingest.validation import same_key
from manufacturing_copilot.ingest.validation.drift import drift_of
from manufacturing_copilot.ingest.validation.overlap import overlap_of
from manufacturing_copilot.ingest.validation.unit_guard import unit_jumps
from manufacturing_copilot.ingest.validation.volume_guard import volume_in_words, volumes
from manufacturing_copilot.site import Feed, Site
from manufacturing_copilot.site.feeds import Order, Repeats
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.tables import BatchStatus, batch, batch_file
from manufacturing_copilot.store.tables import feed as feed_table

_FILE_ID = 1 << 62
"""The number of a file that is in no batch: later than every one that is."""


@dataclass(frozen=True)
class Rehearsal:
    """What would become of a file: rows by fate, what was detected, and what a person should know.

    received = accepted + duplicate + rejected; `changed` of the accepted would replace an earlier record.
    `rejected_rows`: `_line`, `reasons` (JSON text), `received` (JSON text), by line. `refused`: why the batch would
    fail as a whole, None where it would not; then no row is counted. `findings`: sentences.
    """

    feed: str
    received: int = 0
    accepted: int = 0
    duplicate: int = 0
    rejected: int = 0
    changed: int = 0
    refused: str | None = None
    found: FileFindings = field(default_factory=FileFindings)
    drift: dict[str, list[str]] = field(default_factory=dict)
    findings: tuple[str, ...] = ()
    rejected_rows: pl.DataFrame = field(default_factory=pl.DataFrame)


def rehearse(store: Store | None, site: Site, feed: Feed, path: Path) -> Rehearsal:
    """Return what loading the file as the feed's next batch would do; without a store, as its very first one.

    Only reads. Raises BatchError where there is no such file.
    """
    try:
        content, modified_ns = path.read_bytes(), path.stat().st_mtime_ns
    except FileNotFoundError:
        raise BatchError(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise BatchError(f"{path}: this is a folder; expected one file") from None
    file = KnownFile(_FILE_ID, 0, path.name, modified_ns)
    if store is None:
        return _rehearsed(site, feed, file, content, FIRST_FILE, None)
    with store.read() as connection:
        row = connection.execute(
            sa.select(feed_table.c.id, feed_table.c.contract).where(feed_table.c.name == feed.feed)
        ).one_or_none()
        contract = FIRST_FILE if row is None else FileContract.from_json(row.contract)
        feed = as_keyed(feed, contract)
        try:
            if row is not None:
                refuse_other_key(connection, feed, row.id, contract)
        except BatchError as error:
            return Rehearsal(feed.feed, refused=str(error))
        loaded = None if row is None else _Loaded(connection, feed, row.id)
        rehearsal = _rehearsed(site, feed, file, content, contract, loaded)
        connection.rollback()  # temporary tables were made to look records up; nothing of it may stay
    return rehearsal


@dataclass(frozen=True)
class _Loaded:
    """What is loaded of a feed that has loaded batches, or at least a number."""

    connection: sa.Connection
    feed: Feed
    feed_id: int

    def copy_of(self, content: bytes) -> str | None:
        """Return the path of the file that these bytes repeat."""
        hashes = {_FILE_ID: hashlib.sha256(content).hexdigest()}
        repeats = repeated_files(self.connection, self.feed_id, hashes)
        if not repeats:
            return None
        return self.connection.scalar(sa.select(batch_file.c.path).where(batch_file.c.id == repeats[_FILE_ID]))

    def volume(self, rows: int) -> tuple[str | None, tuple[str, ...]]:
        """Return why a batch of so many rows would be held, and else what is to be said of their number."""
        if self.feed.guards.volume == "off" or not rows:
            return None, ()
        [coming] = volumes(self.connection, self.feed.feed, last=1, coming=rows).rows(named=True)
        if not coming["unusual"]:
            return None, ()
        sentence = volume_in_words(rows, coming["usual"])
        if self.feed.guards.volume == "hold":
            return f"{sentence}: it would be held for a person", ()
        return None, (sentence,)

    def newer_files(self, file: KnownFile) -> tuple[str, ...]:
        """Return what is to be said of a file that is older than loaded ones; the counts are those of a newest one."""
        if not self.feed.record_key or self.feed.order is not Order.WRITTEN:
            return ()
        success = sa.exists().where(batch.c.id == batch_file.c.batch_id, batch.c.status == BatchStatus.SUCCESS)
        newest = last_place(self.connection, self.feed_id, success)
        if newest is None or newest[0] <= file.modified_ns:
            return ()
        hold = "those of this file hold" if self.feed.repeats is Repeats.REJECT else "theirs hold"
        return (f"files that were written later are loaded already: of records that both speak of, {hold}",)

    def guarded(self, part: Part) -> tuple[Part, tuple[str, ...]]:
        """Return the part without the rows that the unit tripwire stops, and what is to be said of them."""
        stopped = unit_jumps(self.connection, self.feed, self.feed_id, part.records)
        if stopped.is_empty():
            return part, ()
        sentence = f"{stopped.height:,} rows wait for a person, because a unit may have changed"
        return without_stopped(part, stopped), (sentence,)

    def overlap(self, part: Part) -> tuple[str, ...]:
        """Return what is to be said of rows without a key that stand accepted already."""
        overlap = overlap_of(self.connection, self.feed, self.feed_id, part.records)
        return (str(overlap),) if overlap is not None and overlap.telling else ()


def _of_same_key(part: Part, found: FileFindings) -> tuple[str, ...]:
    """Return what is to be said of rows of the file that share their keys."""
    sentences: tuple[str, ...] = ()
    asked = part.rejected.get_column("reasons").str.contains(rf'"rule":\s*"{same_key.RULE}"').sum()
    if asked:
        sentences += (f"{asked:,} rows share their keys with others of the file, and wait; see same_key: and key:",)
    if found.summed:
        fields = [name for name in found.summed if name not in ("records", "rows")]
        differ = f"; they differ in {', '.join(fields)}, of which the first row's hold" if fields else ""
        sentences += (f"{found.summed['rows']:,} rows were added up to {found.summed['records']:,} records{differ}",)
    return sentences


def _rehearsed(
    site: Site, feed: Feed, file: KnownFile, content: bytes, contract: FileContract, loaded: _Loaded | None
) -> Rehearsal:
    try:
        received = read_received(content, file, feed, contract)
        height = received.rows.height + received.bad_lines.height
        repeated = None if loaded is None else loaded.copy_of(content)
        if repeated is not None:
            sentence = f"the file repeats {repeated} byte for byte: every row is a duplicate"
            return Rehearsal(feed.feed, height, duplicate=height, found=received.found, findings=(sentence,))
        rows = records_of(received, feed, site, file)
        rows = with_one_record_each(rows, received.rows, feed, file.name)
    except BatchError as error:
        return Rehearsal(feed.feed, refused=str(error))
    part = replace(part_of(rows, feed, _FILE_ID, height), texts=texts_in(received.rows, _FILE_ID))
    known = contested_records(part, feed).clear()
    findings: tuple[str, ...] = ()
    if loaded is not None:
        refused, findings = loaded.volume(height)
        if refused is not None:
            return Rehearsal(feed.feed, refused=refused, found=rows.found, drift=drift_of([rows.found]))
        findings += loaded.newer_files(file)
        part, waiting = loaded.guarded(part)
        known = known_records(loaded.connection, feed, loaded.feed_id, contested_records(part, feed))
        findings += waiting + loaded.overlap(part)
    fates = classify_part(part, known, feed)
    findings += _of_same_key(part, rows.found)
    if not fates.refused.is_empty():
        findings += (f"{fates.refused.height:,} records have a key that another record holds, and are refused",)
    return Rehearsal(
        feed.feed,
        received=height,
        accepted=fates.accepted,
        duplicate=fates.duplicates.height + part.added.height,
        rejected=part.rejected.height + fates.refused.height,
        changed=fates.replaced.height,
        found=rows.found,
        drift=drift_of([rows.found]),
        findings=findings,
        rejected_rows=part.rejected.drop(FILE),
    )
