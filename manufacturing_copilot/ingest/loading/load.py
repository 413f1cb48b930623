"""Loading a batch: keep what came, read it, check it, then commit it in one transaction.

Whoever is killed on the way leaves the batch in progress and files that the next attempt makes again; nothing else.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from manufacturing_copilot.errors import BatchError, CopilotError, StoreError, UnreadableFilesError
from manufacturing_copilot.ingest.discovery.file_order import IN_ORDER, newest_ns, order_ns
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
from manufacturing_copilot.store.locks import lock_until_commit, named_lock
from manufacturing_copilot.store.machine_errors import describe_machine_error, translate_machine_errors
from manufacturing_copilot.store.tables import batch, batch_file
from manufacturing_copilot.store.tables import feed as feed_table
from manufacturing_copilot.store.types import utc_now

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
            unreadable = error.problems if isinstance(error, UnreadableFilesError) else {}
            attempts.fail(store, attempt, str(error), actor=actor, unreadable=unreadable)
            return attempts.counts_of(store, reference)
        except Exception as error:  # whatever it is, the ledger must say that it happened
            _record_error(context, error)
            raise
    logger.info("batch %s of %s: %d rows received, %d accepted", reference, feed.feed, counts.received, counts.accepted)
    return counts


def _load(context: LoadContext) -> BatchCounts:
    """Load the batch by the plan that is chosen for it, or by the one that loading shows to be needed instead."""
    context = _with_originals(context)
    while True:
        try:
            return _load_files(context)
        except UnreadableFilesError as error:
            context = _without_unreadable(context, error.problems)


def _load_files(context: LoadContext) -> BatchCounts:
    with context.store.read() as connection:
        refuse_other_key(connection, context.feed, context.attempt.feed_id, context.contract)
        plan = choose_plan(context, standing_of(connection, context))
    while True:
        logger.debug("batch %s: reading: %s", context.attempt.reference, plan)
        outcome = load_parts(context, plan)
        if isinstance(outcome, BatchCounts):
            return outcome
        plan = outcome


def _without_unreadable(context: LoadContext, problems: dict[int, str]) -> LoadContext:
    """Set the files apart that cannot be loaded; return the load of the others. Raises where there are none."""
    others = tuple(file for file in context.files if file.known.file_id not in problems)
    if not others:
        raise UnreadableFilesError(problems)
    _set_apart(context, problems)
    return replace(context, files=others)


def _set_apart(context: LoadContext, problems: dict[int, str]) -> None:
    apart = attempts.set_apart(context.store, context.attempt, problems, actor=context.actor)
    for reference, problem in zip(apart, problems.values(), strict=True):
        logger.warning("batch %s: set apart as batch %s: %s", context.attempt.reference, reference, problem)


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
    files, problems = [], {}
    for row in rows:
        try:
            row = _newest(context, row)
            kept = _archive(context, row)
            files.append(BatchFile(KnownFile(row.id, row.batch_id, row.path, row.modified_ns), kept))
        except BatchError as error:
            problems[row.id] = str(error)
    if problems and not files:
        raise UnreadableFilesError(problems)
    if problems:
        _set_apart(context, problems)
    # From here on a retry needs the original no more: it reads the archive.
    values = [
        {"of_id": file.known.file_id, "sha256": file.original.sha256, "archived_as": file.original.archived_as}
        for file in files
    ]
    if values:
        with context.store.write() as connection:
            connection.execute(sa.update(batch_file).where(batch_file.c.id == sa.bindparam("of_id")), values)
    contract = FileContract.from_json(stored)
    return replace(context, files=tuple(files), contract=contract, feed=as_keyed(context.feed, contract))


def _newest(context: LoadContext, row: sa.Row[Any]) -> sa.Row[Any]:
    """Return a file as it is claimed, in its newest version where it could not be loaded before and has changed.

    Raises BatchError where that version is another batch's.
    """
    if row.watermark is not None or not row.found or attempts.UNREADABLE not in row.found:
        return row
    now = look_again(FoundFile(row.path, row.size, row.modified_ns), context.home)
    if now is None or (now.size, now.modified_ns) == (row.size, row.modified_ns):
        return row
    version = (batch_file.c.path == now.path) & (batch_file.c.size == now.size)
    version &= (batch_file.c.modified_ns == now.modified_ns) & (batch_file.c.feed_id == row.feed_id)
    with context.store.write() as connection:
        lock_until_commit(connection, "claim")
        other = connection.scalar(
            sa.select(batch.c.reference).join(batch_file, batch_file.c.batch_id == batch.c.id).where(version)
        )
        if other is not None:
            raise BatchError(
                f"{row.path}: its newest version is batch {other}; withdraw this one if that is loaded"
                f" (`copilot batch withdraw {context.attempt.reference}`)"
            )
        [moment] = order_ns([now.modified_ns], utc_now(), context.feed.order, newest=newest_ns(connection, row.feed_id))
        values = {"size": now.size, "modified_ns": now.modified_ns, "order_ns": moment, "found": None}
        values |= {"sha256": None, "archived_as": None}
        connection.execute(sa.update(batch_file).where(batch_file.c.id == row.id).values(values))
        return connection.execute(sa.select(batch_file).where(batch_file.c.id == row.id)).one()


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
    except (PermissionError, IsADirectoryError, NotADirectoryError) as error:
        raise BatchError(
            f"{row.path}: the file cannot be opened ({error.strerror}); let the user that runs copilot read it and run"
            " `copilot batch retry`"
        ) from None
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
