"""Settling keys again: what the records under some keys come to when a batch leaves, comes late, or a row is mended.

The end state is what reading every record that counts, file by file in their order and line by line, would give. The
database holds what that needs: who holds a key, whom that one replaced and with what content, who repeats whom. So
only the keys that are touched are taken up, put in order and told apart anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.ingest.discovery.file_order import moments
from manufacturing_copilot.ingest.ledger.attempts import note
from manufacturing_copilot.ingest.loading.classify import Classified, classify
from manufacturing_copilot.ingest.loading.fates import ADDED, SAME_RECORD, write_added, write_fates, write_rejected
from manufacturing_copilot.ingest.loading.key_conflicts import REFUSED_RULE, is_refused, refused_rows, texts_of
from manufacturing_copilot.ingest.loading.reprocess import Rereading, known_files, mended_texts
from manufacturing_copilot.ingest.received import LINE
from manufacturing_copilot.ingest.record_keys import FILE, KEY
from manufacturing_copilot.ingest.validation.same_key import LateRows, late_rows
from manufacturing_copilot.records import RecordKind, polars_type
from manufacturing_copilot.site import Feed
from manufacturing_copilot.site.feeds import Repeats
from manufacturing_copilot.store import read_frame, staged
from manufacturing_copilot.store.tables import (
    BatchStatus,
    Fate,
    batch,
    batch_file,
    changed_record,
    duplicate_record,
    rejected_record,
)
from manufacturing_copilot.store.tables import accepted as accepted_tables

Moves = Counter[tuple[int, str]]
"""(batch id, fate) → how many rows more, or fewer, met it; fates: accepted, duplicate, rejected, changed."""

_PLACE = [FILE, LINE]


def settle_again(
    connection: sa.Connection,
    again: Rereading,
    feed_id: int,
    keys: pl.DataFrame,
    *,
    without: Collection[int] = (),
    adding: pl.DataFrame | None = None,
    singly: bool = False,
) -> Moves:
    """Settle the keys anew, without the records of some files and with some that came; return what moved.

    `keys`: `record_key`; those of what leaves and of what comes must be among them. `adding`: records of the feed's
    kind with `record_key`, `file_id` and `_line`; `singly`: they are rows of files of which others may be loaded, whose
    rows of one key are settled here. The feed's load lock is held by the caller.
    """
    feed, table = again.feed, accepted_tables[again.feed.records]
    keys = keys.select(pl.col(KEY).unique())
    if keys.is_empty():
        return Counter()
    columns = [*feed.kind.field_names, KEY, FILE, LINE]
    before: Moves = Counter()
    with staged(connection, table, keys) as stage:
        held = _held(connection, feed.kind, table, feed_id, stage)
        replaced = _replaced(connection, feed.kind, feed_id, stage)
        ours = sa.select(stage.c.record_key)
        connection.execute(sa.delete(table).where(table.c.feed_id == feed_id, table.c.record_key.in_(ours)))
    holders = pl.concat([held, replaced.select(columns)])
    repeating = _repeating(connection, holders)
    refused = _refused(connection, again, feed_id, keys) if feed.repeats is Repeats.REJECT else holders.clear()
    for met, name in ((holders, Fate.ACCEPTED), (repeating, Fate.DUPLICATE), (refused, Fate.REJECTED)):
        before += _tally(connection, met[FILE], name)
    before += _tally(connection, replaced["by_file"], "changed")
    _delete(connection, changed_record, replaced["id"])
    _delete(connection, duplicate_record, repeating["id"])
    _delete(connection, rejected_record, refused["id"] if "id" in refused.columns else pl.Series([], dtype=pl.Int64))
    parts = [holders, repeating.select(columns), refused.select(columns)]
    chain = _as_written(connection, again, pl.concat(parts))
    single: list[LateRows] = []
    if singly and adding is not None:
        single = _single_rows(connection, feed, chain, adding.select(columns))
        gone = pl.concat([late.gone for late in single])
        chain = pl.concat([chain.join(gone, on=_PLACE, how="anti"), *(late.records for late in single)])
    elif adding is not None:
        chain = pl.concat([chain, adding.select(columns)])
    if without:
        chain = chain.filter(~pl.col(FILE).is_in(list(without)))
    fates = classify(_in_order(connection, chain), chain.clear(), feed.kind, feed.repeats, feed.kept_where_blank)
    after = _write(connection, again, feed_id, fates, chain)
    for late in single:
        after += _write_late(connection, late)
    return _difference(before, after)


def _single_rows(connection: sa.Connection, feed: Feed, chain: pl.DataFrame, adding: pl.DataFrame) -> list[LateRows]:
    files = known_files(connection, adding[FILE].unique().to_list())
    return [
        late_rows(
            chain.filter(pl.col(FILE) == file_id).join(rows, on=KEY, how="semi"), rows, feed, files[int(file_id)].name
        )
        for (file_id,), rows in adding.partition_by(FILE, as_dict=True, maintain_order=True).items()
    ]


def _write_late(connection: sa.Connection, late: LateRows) -> Moves:
    """Write what becomes of single rows besides their records: parts of a total, and those that wait."""
    table = duplicate_record
    moved = [{"of_file": file_id, "was": was, "now": now} for file_id, was, now in late.moved.rows()]
    if moved:
        part = (table.c.of_file_id == sa.bindparam("of_file")) & (table.c.of_line == sa.bindparam("was"))
        change = sa.update(table).where(part, table.c.reason == ADDED).values(of_line=sa.bindparam("now"))
        connection.execute(change, moved)
    files = pl.concat([late.added[FILE], late.asked[FILE]])
    batches = _batches_of(connection, files)
    write_added(connection, late.added, lambda rows: rows.join(batches, on=FILE))
    if not late.asked.is_empty():
        texts = mended_texts(connection, late.asked[FILE].unique().to_list()).rename({"mended": "received"})
        asked = late.asked.join(texts, on=_PLACE)
        write_rejected(connection, asked, lambda rows: rows.join(batches, on=FILE))
    after = _tally(connection, late.added[FILE], Fate.DUPLICATE)
    return after + _tally(connection, late.asked[FILE], Fate.REJECTED)


def keys_of_files(connection: sa.Connection, again: Rereading, feed_id: int, files: Collection[int]) -> pl.DataFrame:
    """Return `record_key` of every record of these files that holds its key or was replaced."""
    table = accepted_tables[again.feed.records]
    held = sa.select(table.c.record_key).where(
        table.c.feed_id == feed_id,
        table.c.batch_id.in_(sa.select(batch_file.c.batch_id).where(batch_file.c.id.in_(files))),
        table.c.file_id.in_(files),
    )
    replaced = sa.select(changed_record.c.record_key).where(changed_record.c.was_file_id.in_(files))
    return pl.concat([read_frame(connection, held), read_frame(connection, replaced)]).unique()


def apply_moves(connection: sa.Connection, moves: Moves, *, why: str, actor: str, apart: int | None) -> None:
    """Write moved counts into the ledger, with a line of the audit trail for every batch but `apart`."""
    by_batch: dict[int, dict[str, int]] = {}
    for (batch_id, fate), count in moves.items():
        if count and batch_id != apart:
            by_batch.setdefault(batch_id, {})[fate] = count
    for batch_id, counts in sorted(by_batch.items()):
        values: dict[Any, Any] = {batch.c[f"rows_{fate}"]: batch.c[f"rows_{fate}"] + n for fate, n in counts.items()}
        connection.execute(sa.update(batch).where(batch.c.id == batch_id).values(values))
        said = ", ".join(f"{fate} {count:+d}" for fate, count in counts.items())
        note(
            connection,
            batch_id,
            actor=actor,
            from_status=BatchStatus.SUCCESS,
            to_status=BatchStatus.SUCCESS,
            reason=f"{why}: {said}",
        )


def _difference(before: Moves, after: Moves) -> Moves:
    moves: Moves = Counter(after)
    moves.subtract(before)
    return Counter({key: count for key, count in moves.items() if count})


def _held(connection: sa.Connection, kind: RecordKind, table: sa.Table, feed_id: int, stage: sa.Table) -> pl.DataFrame:
    same = (table.c.feed_id == feed_id) & (table.c.record_key == stage.c.record_key)
    wanted = [table.c[name] for name in (*kind.field_names, KEY, FILE, "line")]
    return read_frame(connection, sa.select(*wanted).select_from(stage.join(table, same))).rename({"line": LINE})


def _replaced(connection: sa.Connection, kind: RecordKind, feed_id: int, stage: sa.Table) -> pl.DataFrame:
    """Return the records that were replaced under the staged keys, with the content they had."""
    table = changed_record
    query = (
        sa.select(
            table.c.id,
            table.c.file_id.label("by_file"),
            table.c.record_key,
            table.c.was_file_id.label(FILE),
            table.c.was_line.label(LINE),
            table.c.was,
        )
        .select_from(stage.join(table, table.c.record_key == stage.c.record_key))
        .join(batch, batch.c.id == table.c.batch_id)
        .where(batch.c.feed_id == feed_id, table.c.records == kind.name)
    )
    content = pl.Struct({field.name: polars_type(field.type) for field in kind.fields})
    return read_frame(connection, query).with_columns(pl.col("was").str.json_decode(content)).unnest("was")


def _repeating(connection: sa.Connection, holders: pl.DataFrame) -> pl.DataFrame:
    """Return the duplicates of these records, one by one, with their `id` and the content they repeat."""
    table = duplicate_record
    places = holders.select(pl.col(FILE).alias("of_file_id"), pl.col(LINE).alias("of_line"))
    with staged(connection, table, places) as stage:
        same = (table.c.of_file_id == stage.c.of_file_id) & (table.c.of_line == stage.c.of_line)
        query = (
            sa.select(table.c.id, table.c.file_id, table.c.line.label(LINE), table.c.of_file_id, table.c.of_line)
            .select_from(stage.join(table, same))
            .where(table.c.reason == SAME_RECORD)
        )
        found = read_frame(connection, query)
    content = holders.rename({FILE: "of_file_id", LINE: "of_line"})
    return found.join(content, on=["of_file_id", "of_line"])


def _refused(connection: sa.Connection, again: Rereading, feed_id: int, keys: pl.DataFrame) -> pl.DataFrame:
    """Return the records under these keys that were refused because another held the key, with their `id`."""
    table = rejected_record
    query = (
        sa.select(table.c.id, table.c.file_id, table.c.line.label(LINE), table.c.reasons, table.c.received)
        .join(batch, batch.c.id == table.c.batch_id)
        .where(batch.c.feed_id == feed_id, sa.cast(table.c.reasons, sa.Text).contains(f'"{REFUSED_RULE}"'))
    )
    found = read_frame(connection, query).filter(is_refused(pl.col("reasons"))).drop("reasons")
    files = known_files(connection, found[FILE].unique().to_list())
    read = [
        again.texts(connection, files[int(file_id)], rows.select(LINE, "received")).records
        for (file_id,), rows in found.partition_by(FILE, as_dict=True).items()
    ]
    columns = [*again.feed.kind.field_names, KEY, FILE, LINE]
    schema = {field.name: polars_type(field.type) for field in again.feed.kind.fields}
    nothing = pl.DataFrame(schema={**schema, KEY: pl.String, FILE: pl.Int64, LINE: pl.Int64})
    records = pl.concat([nothing, *(frame.select(columns) for frame in read)])
    return records.join(keys, on=KEY, how="semi").join(found.select("id", *_PLACE), on=_PLACE)


def _as_written(connection: sa.Connection, again: Rereading, chain: pl.DataFrame) -> pl.DataFrame:
    """Return the records with the values that their own rows have, where others' were kept in place of blanks.

    What a row has is read from what was received of it. A row that cannot be read any more keeps what is held of it.
    """
    keeps = again.feed.kept_where_blank
    if not keeps or chain.is_empty():
        return chain
    files = known_files(connection, chain[FILE].unique().to_list())
    texts = texts_of(connection, chain.select(FILE, LINE), again.home)
    read = [
        again.texts(connection, files[int(file_id)], rows.select(LINE, "received")).records
        for (file_id,), rows in texts.partition_by(FILE, as_dict=True).items()
    ]
    if not read:
        return chain
    own = pl.concat(
        [frame.select(FILE, LINE, *(pl.col(name).alias(f"own {name}") for name in keeps)) for frame in read]
    )
    both = chain.join(own.with_columns(pl.lit(True).alias("own")), on=_PLACE, how="left", maintain_order="left")
    return both.with_columns(
        pl.when(pl.col("own").fill_null(False)).then(f"own {name}").otherwise(name).alias(name) for name in keeps
    ).select(chain.columns)


def _in_order(connection: sa.Connection, chain: pl.DataFrame) -> pl.DataFrame:
    placed = chain.join(moments(connection, chain[FILE]), on=FILE)
    return placed.sort("order_ns", FILE, LINE).drop("batch_id", "order_ns")


def _write(connection: sa.Connection, again: Rereading, feed_id: int, fates: Classified, chain: pl.DataFrame) -> Moves:
    batches = _batches_of(connection, chain[FILE])
    refused = fates.refused
    if not refused.is_empty():
        refused = refused.join(chain.select(*_PLACE, KEY), on=_PLACE)
        refused = refused_rows(connection, again.feed, refused, texts_of(connection, refused, again.home))
    write_fates(connection, again.feed, feed_id, fates, refused, lambda rows: rows.join(batches, on=FILE))
    after: Moves = Counter()
    after += _tally(connection, pl.concat([fates.new[FILE], fates.replaced["was_file_id"]]), Fate.ACCEPTED)
    after += _tally(connection, fates.duplicates[FILE], Fate.DUPLICATE)
    after += _tally(connection, fates.refused[FILE], Fate.REJECTED)
    return after + _tally(connection, fates.replaced[FILE], "changed")


def _batches_of(connection: sa.Connection, files: pl.Series) -> pl.DataFrame:
    return moments(connection, files).select(FILE, "batch_id")


def _tally(connection: sa.Connection, files: pl.Series, fate: str) -> Moves:
    """Count rows, given by their files, by batch."""
    counted = pl.DataFrame({FILE: files.cast(pl.Int64)}).join(_batches_of(connection, files), on=FILE)
    return Counter({(int(id_), fate): int(count) for id_, count in counted["batch_id"].value_counts().rows()})


def _delete(connection: sa.Connection, table: sa.Table, ids: pl.Series) -> None:
    if ids.is_empty():
        return
    with staged(connection, table, pl.DataFrame({"id": ids})) as stage:
        connection.execute(sa.delete(table).where(table.c.id.in_(sa.select(stage.c.id))))
