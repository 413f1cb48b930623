"""Loading a batch: keep what came, read it, check it, then commit it in one transaction.

Whoever is killed on the way leaves the batch in progress and files that the next attempt makes again; nothing else.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from manufacturing_copilot.errors import BatchError, CopilotError, StoreError
from manufacturing_copilot.ingest.discovery.file_order import IN_ORDER
from manufacturing_copilot.ingest.discovery.locations import FoundFile, look_again, opened
from manufacturing_copilot.ingest.discovery.sql_source import Increment, rows_of
from manufacturing_copilot.ingest.file_contract import FileContract
from manufacturing_copilot.ingest.ledger import attempts
from manufacturing_copilot.ingest.ledger.attempts import BatchCounts, load_lock
from manufacturing_copilot.ingest.loading.archive import Kept, keep_original
from manufacturing_copilot.ingest.loading.commit import load_parts
from manufacturing_copilot.ingest.loading.context import BatchFile, LoadContext, LoadSettings
from manufacturing_copilot.ingest.loading.plan import choose_plan, standing_of
from manufacturing_copilot.ingest.loading.reprocess import KnownFile
from manufacturing_copilot.ingest.record_keys import as_keyed, refuse_other_key
from manufacturing_copilot.site import Site
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.locks import named_lock
from manufacturing_copilot.store.machine_errors import describe_machine_error, translate_machine_errors
from manufacturing_copilot.store.tables import batch_file
from manufacturing_copilot.store.tables import feed as feed_table

logger = logging.getLogger(__name__)


def load_batch(
    store: Store,
    site: Site,
    reference: str,
    *,
    home: Path,
    run_id: str | None = None,
    actor: str,
    settings: LoadSettings | None = None,
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
        context = LoadContext(store, site, feed, attempt, home, actor, settings or LoadSettings())
        try:
            counts = _load(context)
        except BatchError as error:
            attempts.fail(store, attempt, str(error), actor=actor)
            return attempts.counts_of(store, reference)
        except Exception as error:  # whatever it is, the ledger must say that it happened
            _record_error(context, error)
            raise
    logger.info("batch %s of %s: %d rows received, %d accepted", reference, feed.feed, counts.received, counts.accepted)
    return counts


def _load(context: LoadContext) -> BatchCounts:
    """Load the batch by the plan that is chosen for it, or by the one that loading shows to be needed instead."""
    context = _with_originals(context)
    with context.store.read() as connection:
        refuse_other_key(connection, context.feed, context.attempt.feed_id, context.contract)
        plan = choose_plan(context, standing_of(connection, context))
    while True:
        logger.debug("batch %s: reading: %s", context.attempt.reference, plan)
        outcome = load_parts(context, plan)
        if isinstance(outcome, BatchCounts):
            return outcome
        plan = outcome


def _record_error(context: LoadContext, error: Exception) -> None:
    """Write to the ledger that an attempt ended: by trouble of the machine, so that it waits; or by a mistake."""
    store, attempt, actor = context.store, context.attempt, context.actor
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


def _with_originals(context: LoadContext) -> LoadContext:
    """Archive the originals of the batch's files, as far as they are not; return the load of them."""
    attempt = context.attempt
    with context.store.read() as connection:
        rows = connection.execute(
            sa.select(batch_file).where(batch_file.c.batch_id == attempt.batch_id).order_by(*IN_ORDER)
        ).all()
        stored = connection.scalar(sa.select(feed_table.c.contract).where(feed_table.c.id == attempt.feed_id))
    files = tuple(
        BatchFile(KnownFile(row.id, row.batch_id, row.path, row.modified_ns), _archive(context, row)) for row in rows
    )
    # From here on a retry needs the original no more: it reads the archive.
    values = [
        {"of_id": file.known.file_id, "sha256": file.original.sha256, "archived_as": file.original.archived_as}
        for file in files
    ]
    with context.store.write() as connection:
        connection.execute(sa.update(batch_file).where(batch_file.c.id == sa.bindparam("of_id")), values)
    contract = FileContract.from_json(stored)
    return replace(context, files=files, contract=contract, feed=as_keyed(context.feed, contract))


def _archive(context: LoadContext, row: sa.Row[Any]) -> Kept:
    """Archive the original of a file as it was claimed; one that was archived before is taken from there."""
    if row.archived_as and (context.home / row.archived_as).exists():
        return Kept(row.sha256, row.size, row.archived_as)
    return _archive_file(row, context.home) if row.watermark is None else _archive_rows(context, row)


def _archive_file(row: sa.Row[Any], home: Path) -> Kept:
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


def _archive_rows(context: LoadContext, row: sa.Row[Any]) -> Kept:
    """Read the rows of a table that were claimed, and archive them."""
    feed = context.feed
    if feed.sql is None:
        raise BatchError(f"{row.path}: {feed.feed} names no table any more, and these rows were not read yet")
    with rows_of(feed, Increment.from_json(row.watermark), context.site.zone) as source:
        return keep_original(source, context.home)
