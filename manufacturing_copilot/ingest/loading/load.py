"""Loading a batch: keep what came, read it, check it, then settle it in one transaction.

Reading and checking happen before the database is written to, so that others wait only for the writing. Whoever is
killed on the way leaves the batch in progress and files that the next attempt makes again; nothing else.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.errors import BatchError, CopilotError, StoreError
from manufacturing_copilot.ingest.discovery.file_order import IN_ORDER
from manufacturing_copilot.ingest.discovery.locations import FoundFile, look_again, opened
from manufacturing_copilot.ingest.discovery.sql_source import Increment, rows_of
from manufacturing_copilot.ingest.file_contract import FileContract
from manufacturing_copilot.ingest.ledger import attempts
from manufacturing_copilot.ingest.ledger.attempts import Attempt, BatchCounts, load_lock
from manufacturing_copilot.ingest.loading.archive import Kept, keep_original, keep_received, original_bytes
from manufacturing_copilot.ingest.loading.commit import ReadFile, settle
from manufacturing_copilot.ingest.loading.duplicate_files import repeated_files
from manufacturing_copilot.ingest.loading.reprocess import KnownFile, Rereading, mended_texts, records_of
from manufacturing_copilot.ingest.loading.streaming import load_in_pieces
from manufacturing_copilot.ingest.reading import read_file
from manufacturing_copilot.ingest.received import LINE
from manufacturing_copilot.ingest.validation.check import hold_the_door
from manufacturing_copilot.ingest.validation.drift import held_to_contract
from manufacturing_copilot.ingest.validation.unit_guard import UnitWatch, watch_units
from manufacturing_copilot.site import Feed, Site
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.locks import named_lock
from manufacturing_copilot.store.machine_errors import describe_machine_error, translate_machine_errors
from manufacturing_copilot.store.tables import batch_file
from manufacturing_copilot.store.tables import feed as feed_table

logger = logging.getLogger(__name__)


def load_batch(
    store: Store, site: Site, reference: str, *, home: Path, run_id: str | None = None, actor: str
) -> BatchCounts:
    """Load the batch `reference` and return how it stands then; one that is loaded already is left as it is.

    Waits while another process loads a batch of the same feed. Where the batch cannot be loaded its status is failed
    and `problem` says why. Raises BatchError where the batch is unknown or withdrawn; StoreError where the disk is full
    or the database gone, and the batch waits to be tried again; any other error marks the batch failed and is raised
    again.
    """
    feed = site.feed(attempts.counts_of(store, reference).feed)
    with translate_machine_errors(), named_lock(store, load_lock(feed.feed)):
        attempt = attempts.begin(store, reference, run_id=run_id, actor=actor)
        if attempt is None:
            return attempts.counts_of(store, reference)
        try:
            counts = _load(store, site, feed, attempt, home, actor)
        except BatchError as error:
            attempts.fail(store, attempt, str(error), actor=actor)
            return attempts.counts_of(store, reference)
        except Exception as error:  # whatever it is, the ledger must say that it happened
            _note_shortly(store, attempt, error, actor)
            raise
    logger.info("batch %s of %s: %d rows received, %d accepted", reference, feed.feed, counts.received, counts.accepted)
    return counts


def _note_shortly(store: Store, attempt: Attempt, error: Exception, actor: str) -> None:
    """Write to the ledger that an attempt ended: by trouble of the machine, so that it waits; or by a mistake."""
    trouble = str(error) if isinstance(error, StoreError) else describe_machine_error(error)
    first_line = (str(error).strip().splitlines() or ["no details"])[0][:300]
    try:
        if trouble is not None:
            attempts.put_back(store, attempt, trouble, actor=actor)
        else:
            attempts.fail(store, attempt, f"{type(error).__name__}: {first_line}", actor=actor)
    except (sa.exc.SQLAlchemyError, CopilotError) as why:
        # The database is gone, perhaps the cause of it all: the batch stays in progress and is swept later.
        logger.error("batch %s: how it ended could not be written to the ledger: %s", attempt.reference, why)


def _load(store: Store, site: Site, feed: Feed, attempt: Attempt, home: Path, actor: str) -> BatchCounts:
    """Load the batch: in pieces where it can be, else as a whole."""
    with store.read() as connection:
        rows = connection.execute(
            sa.select(batch_file).where(batch_file.c.batch_id == attempt.batch_id).order_by(*IN_ORDER)
        ).all()
        stored = connection.scalar(sa.select(feed_table.c.contract).where(feed_table.c.id == attempt.feed_id))
    contract = FileContract.from_json(stored)
    kept = {row.id: _keep(row, home) if row.watermark is None else _keep_rows(row, site, feed, home) for row in rows}
    _note_kept(store, kept)
    with store.read() as connection:
        repeats = repeated_files(connection, attempt.feed_id, {id_: file.sha256 for id_, file in kept.items()})
        mended = not mended_texts(connection, kept).is_empty()
    if not mended:
        known = [(KnownFile(row.id, row.batch_id, row.path, row.modified_ns), kept[row.id]) for row in rows]
        counts = load_in_pieces(store, site, feed, attempt, known, repeats, contract, home=home, actor=actor)
        if counts is not None:
            return counts
    reading = _Reading(site, feed, attempt.reference, home, store, mended)
    files = []
    with ThreadPoolExecutor(1) as meanwhile:  # the database looks the history up while the files are read here
        watching = meanwhile.submit(_watch, store, feed, attempt)
        for row in rows:
            file, contract = reading.read(row, kept[row.id], contract, repeated=row.id in repeats)
            files.append(file)
        records = [file.records.select(*feed.kind.field_names, LINE) for file in files if not file.records.is_empty()]
        if records:
            hold_the_door(pl.concat(records), feed.kind)  # once: for a small file it costs more than all the rest
        watch = watching.result()
    return settle(store, site, feed, attempt, files, contract, watch=watch, home=home, actor=actor)


def _watch(store: Store, feed: Feed, attempt: Attempt) -> UnitWatch | None:
    with store.read() as connection:
        return watch_units(connection, feed, attempt.feed_id)


def _keep(row: Any, home: Path) -> Kept:
    """Archive the original of a file as it was claimed; one that was archived before is taken from there."""
    if row.archived_as and (home / row.archived_as).exists():
        return Kept(row.sha256, row.size, row.archived_as)
    claimed = FoundFile(row.path, row.size, row.modified_ns)
    try:
        with opened(row.path, home) as source:
            kept = keep_original(source, home)
    except FileNotFoundError:
        raise BatchError(
            f"{row.path}: the file was claimed and is no longer there; put it back and run `copilot batch retry`"
        ) from None
    if kept.size != row.size or look_again(claimed, home) != claimed:
        raise BatchError(
            f"{row.path}: the file has changed since it was claimed ({row.size} bytes then, {kept.size} now);"
            " what it holds now is claimed as a batch of its own"
        )
    return kept


def _keep_rows(row: Any, site: Site, feed: Feed, home: Path) -> Kept:
    """Read the rows of a table that were claimed and archive them; what was archived before is the batch."""
    if row.archived_as and (home / row.archived_as).exists():
        return Kept(row.sha256, row.size, row.archived_as)
    if feed.sql is None:
        raise BatchError(f"{row.path}: {feed.feed} names no table any more, and these rows were not read yet")
    with rows_of(feed, Increment.from_json(row.watermark), site.zone) as source:
        return keep_original(source, home)


def _note_kept(store: Store, kept: dict[int, Kept]) -> None:
    # From here on a retry needs the original no more: it reads the archive.
    values = [
        {"of_id": file_id, "sha256": file.sha256, "archived_as": file.archived_as} for file_id, file in kept.items()
    ]
    with store.write() as connection:
        connection.execute(sa.update(batch_file).where(batch_file.c.id == sa.bindparam("of_id")), values)


@dataclass(frozen=True)
class _Reading:
    """What reading the files of one batch needs to know."""

    site: Site
    feed: Feed
    reference: str
    home: Path
    store: Store
    mended: bool

    def read(self, row: Any, kept: Kept, contract: FileContract, *, repeated: bool) -> tuple[ReadFile, FileContract]:
        """Return one file, read and checked, and what is known of the feed's format after it.

        The rows of a file that repeats another are counted, not checked.
        """
        name = row.path.rpartition("/")[2]
        received = read_file(original_bytes(kept.archived_as, self.home), name, self.feed.format, contract)
        received = held_to_contract(received, self.feed, name)
        received_as = keep_received(received, self.home, self.reference, row.id)
        lines = pl.concat([received.rows[LINE], received.bad_lines[LINE]])
        whole = ReadFile(row.id, kept.sha256, kept.archived_as, received_as, lines, found=received.found)
        if repeated:
            return whole, contract
        known = KnownFile(row.id, row.batch_id, row.path, row.modified_ns)
        read = records_of(received, self.feed, self.site, known, door=False)
        if self.mended:
            known = replace(known, decided=read.contract.values, plain_numbers=received.found.plain_numbers or ())
            with self.store.read() as connection:
                read = Rereading(self.site, self.feed, self.home).with_mends(connection, known, read, read.contract)
        file = replace(whole, records=read.records, rejected=read.rejected, found=read.found)
        return file, read.contract
