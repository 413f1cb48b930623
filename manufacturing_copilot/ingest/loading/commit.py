"""Committing a batch: its parts go through one pipeline in one transaction, which leaves every row's fate, or nothing.

A part is guarded, classified against what the table holds, and written. The unit tripwire asks for medians over the
whole batch: where its rows come in several parts, they are written as if it would stop nothing, which is nearly always
so; where it does stop rows, the transaction is rolled back and the batch is loaded without them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.ingest.ledger.attempts import BatchCounts, load_lock, succeed
from manufacturing_copilot.ingest.ledger.full_lists import ListedRows
from manufacturing_copilot.ingest.loading.batch_guard import BatchGuard
from manufacturing_copilot.ingest.loading.classify import Classified
from manufacturing_copilot.ingest.loading.context import LoadContext
from manufacturing_copilot.ingest.loading.duplicate_files import settle_files, shift_of
from manufacturing_copilot.ingest.loading.fates import (
    index_batch,
    known_records,
    of_one_batch,
    write_added,
    write_fates,
    write_rejected,
    write_repeated_file,
)
from manufacturing_copilot.ingest.loading.key_conflicts import refused_rows, with_mended_texts
from manufacturing_copilot.ingest.loading.parts import FileEnd, Part, classify_part, contested_records, whole_part
from manufacturing_copilot.ingest.loading.plan import Insertion, Plan, Reading, choose_plan, standing_of
from manufacturing_copilot.ingest.loading.prefetch import Prefetch
from manufacturing_copilot.ingest.loading.reclassify import Moves, apply_moves
from manufacturing_copilot.ingest.loading.reprocess import Rereading
from manufacturing_copilot.ingest.loading.streaming import streamed_parts
from manufacturing_copilot.ingest.received import LINE
from manufacturing_copilot.ingest.record_keys import FILE, KEY
from manufacturing_copilot.ingest.validation.volume_guard import hold_short_list, hold_unusual_volume
from manufacturing_copilot.site import Feed
from manufacturing_copilot.site.feeds import SameKey
from manufacturing_copilot.store.locks import lock_until_commit
from manufacturing_copilot.store.tables import BatchStatus, Fate, batch_file
from manufacturing_copilot.store.tables import feed as feed_table


def load_parts(context: LoadContext, plan: Plan) -> BatchCounts | Plan:
    """Load the parts of a batch by the plan, in one transaction; return the counts.

    A Plan is returned where the batch has to be loaded by that one instead; nothing is left of this try then. Raises
    BatchError where a file cannot be read without guessing, a guard holds the batch, or another run has taken it over.
    """
    make = whole_part if plan.reading is Reading.WHOLE else streamed_parts
    with ExitStack() as stack:
        # Until the first part is there the database looks the history up; others wait only for what comes then.
        parts = stack.enter_context(Prefetch(make(context, plan)))
        guard = stack.enter_context(BatchGuard(context, plan))
        parts.wait_for_first()
        connection = stack.enter_context(context.store.write())
        lock_until_commit(connection, load_lock(context.feed.feed))
        standing = standing_of(connection, context)
        if standing != plan.standing:  # another process has loaded a batch of the feed meanwhile
            outcome: BatchCounts | Plan = choose_plan(context, standing)
        else:
            outcome = _write_parts(connection, context, parts, plan, guard)
        if isinstance(outcome, Plan):
            connection.rollback()
        return outcome


def _write_parts(
    connection: sa.Connection, context: LoadContext, parts: Iterator[Part | Reading], plan: Plan, guard: BatchGuard
) -> BatchCounts | Plan:
    feed, attempt = context.feed, context.attempt
    moves: Moves = Counter()
    received, contract = 0, context.contract
    shared: list[pl.DataFrame] = []
    listed = ListedRows(feed, context.site)
    for part in parts:
        if isinstance(part, Reading):
            return plan.read_as(part)
        _write_ends(connection, part.ends, plan)
        for end in part.ends:
            contract = end.contract
        received += part.received
        listed.add(part.records, part.rejected)
        for repeat in part.repeated:
            listed.add_repeat(repeat.file_id, repeat.of_file_id)
        moved = _write_part(connection, context, guard.passed(connection, part), plan, shared)
        if moved is None:
            return plan.read_as(Reading.WHOLE)
        moves.update(moved)
    if shared:
        return replace(plan, shared=pl.concat(shared).unique())
    hold_unusual_volume(connection, feed, attempt, received)
    listed.keep(connection, attempt.feed_id, attempt.batch_id)
    hold_short_list(connection, feed, attempt)
    if (jumps := guard.jumps()) is not None:
        return replace(plan, jumps=jumps)
    why = f"batch {attempt.reference}, which has older files, was loaded"
    apply_moves(connection, moves, why=why, actor=context.actor, apart=attempt.batch_id)
    index_batch(connection, feed)
    values = {"contract": replace(contract, key=feed.record_key or None).to_json()}
    connection.execute(sa.update(feed_table).where(feed_table.c.id == attempt.feed_id).values(values))
    counts = BatchCounts(
        attempt.reference,
        feed.feed,
        BatchStatus.SUCCESS,
        received=received,
        accepted=moves[attempt.batch_id, Fate.ACCEPTED],
        duplicate=moves[attempt.batch_id, Fate.DUPLICATE],
        rejected=moves[attempt.batch_id, Fate.REJECTED],
        changed=moves[attempt.batch_id, "changed"],
    )
    succeed(connection, attempt, counts, actor=context.actor)
    return counts


def _write_part(
    connection: sa.Connection, context: LoadContext, part: Part, plan: Plan, shared: list[pl.DataFrame]
) -> Moves | None:
    """Classify and write one part; None where a newer file holds a key, and the plan has counted on none doing so.

    The keys that rows of one file turn out to share are added to `shared`.
    """
    feed, attempt = context.feed, context.attempt
    of_batch = of_one_batch(attempt.batch_id)
    moves: Moves = Counter()
    if plan.insertion is Insertion.BEFORE_NEWER:
        shift = shift_of(connection, attempt.feed_id, attempt.batch_id, comes=True)
        again = Rereading(context.site, feed, context.home)
        adding = None if part.records.is_empty() else part.records
        moves.update(settle_files(connection, again, attempt.feed_id, shift, adding=adding))
    elif not part.records.is_empty():
        known = known_records(connection, feed, attempt.feed_id, contested_records(part, feed))
        if plan.insertion is Insertion.AFTER_ALL_IF_NEW and _held_by_others(context, known):
            return None
        fates = classify_part(part, known, feed)
        if not (keys := _shared_keys(part, fates, feed)).is_empty():
            shared.append(keys)
        refused = _refused(connection, feed, part, fates)
        write_fates(connection, feed, attempt.feed_id, fates, refused, of_batch)
        moves[attempt.batch_id, Fate.ACCEPTED] += fates.accepted
        moves[attempt.batch_id, Fate.DUPLICATE] += fates.duplicates.height
        moves[attempt.batch_id, Fate.REJECTED] += fates.refused.height
        moves[attempt.batch_id, "changed"] += fates.replaced.height
    for rows in part.repeated:
        moves[attempt.batch_id, Fate.DUPLICATE] += write_repeated_file(
            connection, attempt.batch_id, rows.file_id, rows.lines, rows.of_file_id
        )
    moves[attempt.batch_id, Fate.DUPLICATE] += write_added(connection, part.added, of_batch)
    moves[attempt.batch_id, Fate.REJECTED] += write_rejected(connection, part.rejected, of_batch)
    return moves


def _shared_keys(part: Part, fates: Classified, feed: Feed) -> pl.DataFrame:
    """Return the keys (`file_id`, `record_key`) of rows that have to be settled with earlier rows of their file."""
    met = part.records.clear() if part.met_in_file is None else part.records.filter(part.met_in_file)
    if not met.is_empty() and feed.within_a_file is SameKey.ASK:  # the same content again is a duplicate
        met = met.join(fates.replaced, on=[FILE, LINE], how="semi")
    return met.select(FILE, KEY).unique()


def _held_by_others(context: LoadContext, known: pl.DataFrame) -> bool:
    own = [file.known.file_id for file in context.files]
    return not known.filter(~pl.col(FILE).is_in(own)).is_empty()


def _refused(connection: sa.Connection, feed: Feed, part: Part, fates: Classified) -> pl.DataFrame:
    if fates.refused.is_empty():
        return fates.refused
    refused = fates.refused.join(part.records.select(FILE, LINE, KEY), on=[FILE, LINE])
    texts = with_mended_texts(connection, part.received_texts(refused))
    return refused_rows(connection, feed, refused, texts)


def _write_ends(connection: sa.Connection, ends: Sequence[FileEnd], plan: Plan) -> None:
    rows = [
        {
            "b_id": end.file_id,
            "received_as": end.received_as,
            "repeats_file_id": plan.standing.repeats.get(end.file_id),
            "rows_received": end.rows,
            "found": end.found.to_json(),
        }
        for end in ends
    ]
    if rows:
        connection.execute(sa.update(batch_file).where(batch_file.c.id == sa.bindparam("b_id")), rows)
