"""Withdrawing a batch: its effect goes out of the accepted tables, as if it had never come; and the way back."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import sqlalchemy as sa

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.ingest.ledger.attempts import BatchCounts, counts_of, load_lock, note, unknown
from manufacturing_copilot.ingest.loading.duplicate_files import settle_files, shift_of
from manufacturing_copilot.ingest.loading.reclassify import Moves, apply_moves
from manufacturing_copilot.ingest.loading.reprocess import Rereading
from manufacturing_copilot.site import Site
from manufacturing_copilot.store import Store
from manufacturing_copilot.store.locks import lock_until_commit, named_lock
from manufacturing_copilot.store.tables import BatchStatus, batch, batch_file, duplicate_record, rejected_record
from manufacturing_copilot.store.types import utc_now


def withdraw(store: Store, site: Site, reference: str, *, home: Path, actor: str, reason: str) -> BatchCounts:
    """Take the batch's effect out of the accepted tables, in one transaction; return how the batch stands then.

    What other batches lost to it they get back: records it had replaced hold their keys again, and records that only
    repeated it are accepted. Its counts stay, as what it once was; its files stay kept, so that it can be restored.
    A batch that is not loaded yet, or failed, is withdrawn so that nobody loads it. Waits while another process loads
    a batch of the same feed. Raises BatchError where the batch is unknown or withdrawn, or the reason is empty.
    """
    if not reason.strip():
        raise BatchError("a batch is withdrawn with a reason, for whoever asks later; give one: --reason TEXT")
    feed = site.feed(counts_of(store, reference).feed)
    with named_lock(store, load_lock(feed.feed)), store.write() as connection:
        lock_until_commit(connection, load_lock(feed.feed))
        row = connection.execute(
            sa.select(batch.c.id, batch.c.feed_id, batch.c.status).where(batch.c.reference == reference)
        ).one()
        if row.status == BatchStatus.WITHDRAWN:
            raise BatchError(f"batch {reference} is withdrawn already; `copilot batch restore` brings it back")
        moves: Moves = Counter()
        if row.status == BatchStatus.SUCCESS:
            moves = _take_out(connection, Rereading(site, feed, home), row.feed_id, row.id)
        values = {"status": BatchStatus.WITHDRAWN, "finished_at": utc_now()}
        connection.execute(sa.update(batch).where(batch.c.id == row.id).values(values))
        note(
            connection,
            row.id,
            actor=actor,
            from_status=row.status,
            to_status=BatchStatus.WITHDRAWN,
            reason=reason.strip(),
        )
        apply_moves(connection, moves, why=f"batch {reference} was withdrawn", actor=actor, apart=row.id)
    return counts_of(store, reference)


def _take_out(connection: sa.Connection, rereading: Rereading, feed_id: int, batch_id: int) -> Moves:
    for table in (duplicate_record, rejected_record):
        connection.execute(sa.delete(table).where(table.c.batch_id == batch_id))
    files = set(connection.scalars(sa.select(batch_file.c.id).where(batch_file.c.batch_id == batch_id)))
    shift = shift_of(connection, feed_id, batch_id, comes=False)
    rereading = rereading.as_loaded(connection)
    return settle_files(connection, rereading, feed_id, shift, without=files)


def restore(store: Store, reference: str, *, actor: str, reason: str) -> None:
    """Let a withdrawn batch be loaded again by the next run, from what was kept of it, in its old place in the order.

    Raises BatchError where the batch is unknown or not withdrawn.
    """
    with store.write() as connection:
        row = connection.execute(
            sa.select(batch.c.id, batch.c.status).where(batch.c.reference == reference)
        ).one_or_none()
        if row is None:
            raise unknown(reference)
        if row.status != BatchStatus.WITHDRAWN:
            raise BatchError(f"batch {reference} is {row.status}; only a withdrawn batch can be restored")
        connection.execute(
            sa.update(batch).where(batch.c.id == row.id).values(status=BatchStatus.PENDING, attempts=0, problem=None)
        )
        note(
            connection,
            row.id,
            actor=actor,
            from_status=BatchStatus.WITHDRAWN,
            to_status=BatchStatus.PENDING,
            reason=reason.strip() or "to be loaded again",
        )
