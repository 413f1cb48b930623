"""A dry run: what would become of a file if it came as a feed's next batch. Nothing is written anywhere."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.ingest.discovery.file_order import last_place
from manufacturing_copilot.ingest.file_contract import FIRST_FILE, FileContract, FileFindings
from manufacturing_copilot.ingest.loading.classify import classify
from manufacturing_copilot.ingest.loading.commit import known_records
from manufacturing_copilot.ingest.loading.duplicate_files import repeated_files
from manufacturing_copilot.ingest.loading.reprocess import KnownFile, Records, records_of
from manufacturing_copilot.ingest.reading import read_file
from manufacturing_copilot.ingest.received import LINE
from manufacturing_copilot.ingest.record_keys import FILE, KEY
from manufacturing_copilot.ingest.validation.drift import drift_of, held_to_contract
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
    known = KnownFile(_FILE_ID, 0, path.name, modified_ns)
    if store is None:
        return _rehearsed(None, None, site, feed, content, known)
    with store.read() as connection:
        row = connection.execute(
            sa.select(feed_table.c.id, feed_table.c.contract).where(feed_table.c.name == feed.feed)
        ).one_or_none()
        rehearsal = _rehearsed(connection, row, site, feed, content, known)
        connection.rollback()  # temporary tables were made to look records up; nothing of it may stay
    return rehearsal


def _rehearsed(
    connection: sa.Connection | None, row: Any, site: Site, feed: Feed, content: bytes, file: KnownFile
) -> Rehearsal:
    contract = FileContract.from_json(row.contract) if row is not None else FIRST_FILE
    try:
        received = read_file(content, file.name, feed.format, contract)
        received = held_to_contract(received, feed, file.name)
        height = received.rows.height + received.bad_lines.height
        repeats = _repeats(connection, row, content)
        if repeats is not None:
            repeated = f"the file repeats {repeats} byte for byte: every row is a duplicate"
            return Rehearsal(feed.feed, height, duplicate=height, found=received.found, findings=(repeated,))
        read = records_of(received, feed, site, file)
    except BatchError as error:
        return Rehearsal(feed.feed, refused=str(error))
    refused, said = _volume(connection, row, feed, height)
    if refused is not None:
        return Rehearsal(feed.feed, refused=refused, found=read.found, drift=drift_of([read.found]))
    said = (*said, *_overtaken(connection, row, feed, file))
    return _fates(connection, row, feed, read, height, said, received.rows)


def _repeats(connection: sa.Connection | None, row: Any, content: bytes) -> str | None:
    if connection is None or row is None:
        return None
    repeats = repeated_files(connection, row.id, {_FILE_ID: hashlib.sha256(content).hexdigest()})
    if not repeats:
        return None
    return connection.scalar(sa.select(batch_file.c.path).where(batch_file.c.id == repeats[_FILE_ID]))


def _overtaken(connection: sa.Connection | None, row: Any, feed: Feed, file: KnownFile) -> tuple[str, ...]:
    """Return what is to be said of a file that is older than others that are loaded; the counts are of a newest one."""
    if connection is None or row is None or not feed.record_key or feed.order is not Order.WRITTEN:
        return ()
    loaded = sa.exists().where(batch.c.id == batch_file.c.batch_id, batch.c.status == BatchStatus.SUCCESS)
    newest = last_place(connection, row.id, loaded)
    if newest is None or newest[0] <= file.modified_ns:
        return ()
    hold = "those of this file hold" if feed.repeats is Repeats.REJECT else "theirs hold"
    return (f"files that were written later are loaded already: of records that both speak of, {hold}",)


def _volume(connection: sa.Connection | None, row: Any, feed: Feed, height: int) -> tuple[str | None, tuple[str, ...]]:
    """Return why the batch would be held, and else what is to be said of its number of rows."""
    if connection is None or row is None or feed.guards.volume == "off" or not height:
        return None, ()
    [found] = volumes(connection, feed.feed, last=1, coming=height).rows(named=True)
    if not found["unusual"]:
        return None, ()
    said = volume_in_words(height, found["usual"])
    return (f"{said}: it would be held for a person", ()) if feed.guards.volume == "hold" else (None, (said,))


def _fates(
    connection: sa.Connection | None,
    row: Any,
    feed: Feed,
    read: Records,
    height: int,
    said: tuple[str, ...],
    rows: pl.DataFrame,
) -> Rehearsal:
    columns = [*feed.kind.field_names, KEY, FILE, LINE]
    records, rejected = read.records.select(columns), read.rejected
    known = records.clear()
    if connection is not None and row is not None and not records.is_empty():
        stopped = unit_jumps(connection, feed, row.id, records)
        if not stopped.is_empty():
            said = (*said, f"{stopped.height:,} rows wait for a person, because a unit may have changed")
            texts = rows.select(LINE, pl.struct(pl.exclude(LINE)).struct.json_encode().alias("received"))
            waiting = stopped.join(texts, on=LINE).select(rejected.columns).cast(dict(rejected.schema))  # type: ignore[arg-type]
            rejected = pl.concat([rejected, waiting]).sort(LINE)
            records = records.join(stopped, on=LINE, how="anti", maintain_order="left")
        known = known_records(connection, feed, row.id, records)
        overlap = overlap_of(connection, feed, row.id, records)
        if overlap is not None and overlap.telling:
            said = (*said, str(overlap))
    fates = classify(records, known, feed.kind, feed.repeats)
    if not fates.refused.is_empty():
        said = (*said, f"{fates.refused.height:,} records have a key that another record holds, and are refused")
    return Rehearsal(
        feed.feed,
        received=height,
        accepted=fates.accepted,
        duplicate=fates.duplicates.height,
        rejected=rejected.height + fates.refused.height,
        changed=fates.replaced.height,
        found=read.found,
        drift=drift_of([read.found]),
        findings=said,
        rejected_rows=rejected,
    )
