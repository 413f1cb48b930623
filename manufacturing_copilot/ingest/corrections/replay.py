"""Rejected rows, mended by a person, released or refused: what passes is accepted where it came from.

A mended row keeps its batch, file and line, and so its place in the order of records. What a person wrote in the
place of what was received is kept for good, with who and when, and holds whenever the row is read again.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.ingest.corrections.rejected_export import (
    AT_LINE,
    OURS,
    PATH,
    REFERENCE,
    RELEASE,
    TEXT,
    dialect_of,
    read_mended,
    split_lines,
)
from manufacturing_copilot.ingest.ledger.attempts import counts_of, load_lock, note
from manufacturing_copilot.ingest.loading.archive import kept_columns
from manufacturing_copilot.ingest.loading.reclassify import Moves, apply_moves, settle_again
from manufacturing_copilot.ingest.loading.reprocess import RAW, KnownFile, Rereading, known_files
from manufacturing_copilot.ingest.received import LINE
from manufacturing_copilot.ingest.record_keys import FILE, KEY
from manufacturing_copilot.ingest.rejections import STOPPED_ROWS, Reason, reasons_from_json
from manufacturing_copilot.ingest.validation.unit_guard import REFUSED, RELEASABLE, unit_jumps
from manufacturing_copilot.site import Site
from manufacturing_copilot.store import Store, read_frame
from manufacturing_copilot.store.locks import lock_until_commit, named_lock
from manufacturing_copilot.store.tables import BatchStatus, Fate, batch, batch_file, mended_record, rejected_record
from manufacturing_copilot.store.tables import feed as feed_table
from manufacturing_copilot.store.types import utc_now

_WHERE = [REFERENCE, PATH, AT_LINE]


@dataclass(frozen=True)
class Replayed:
    """What became of the rows of a file: mended (no longer rejected), rejected still, mended before, not taken.

    `not_taken`: a sentence for each row that is not in the list of rejected rows, or cannot be taken as it stands.
    `still_wrong`: sentences for the rows that stay rejected: line of the mended file, column, reason. `elsewhere`: rows
    of other feeds that read the same file and were mended by the same lines. `waiting`: rejected rows of the batches
    in the file that do not stand in it, as a person took them out.
    """

    mended: int = 0
    rejected: int = 0
    before: int = 0
    not_taken: tuple[str, ...] = ()
    still_wrong: tuple[str, ...] = field(default=(), compare=False)
    elsewhere: int = field(default=0, compare=False)
    waiting: int = field(default=0, compare=False)

    def __add__(self, other: Replayed) -> Replayed:
        """Return both together."""
        return Replayed(
            self.mended + other.mended,
            self.rejected + other.rejected,
            self.before + other.before,
            self.not_taken + other.not_taken,
            self.still_wrong + other.still_wrong,
            self.elsewhere + other.elsewhere,
            self.waiting + other.waiting,
        )


def replay(store: Store, site: Site, source: Path, *, home: Path, actor: str, reason: str = "") -> Replayed:
    """Check the mended rows of an exported file again and settle those that pass, in one transaction per feed.

    Rows that pass already count where they came from; rows that do not stay rejected, with their new reasons.
    Replaying a file twice changes nothing. Raises BatchError where the file is no exported one.
    """
    rows, added = _with_places(read_mended(source), source.name)
    with store.read() as connection:
        names = sa.select(batch.c.reference.label(REFERENCE), feed_table.c.name.label("feed")).join(
            feed_table, feed_table.c.id == batch.c.feed_id
        )
        wanted = rows[REFERENCE].unique().to_list()
        feeds = read_frame(connection, names.where(batch.c.reference.in_(wanted)))
    rows = rows.join(feeds, on=REFERENCE, how="left")
    unknown = rows.filter(pl.col("feed").is_null())
    sentences = [f"{source.name}, line {n}: no batch has the reference {of!r}" for n, of in _listed(unknown, REFERENCE)]
    done = Replayed(not_taken=(*added, *sentences))
    for (feed_name,), part in rows.drop_nulls("feed").partition_by("feed", as_dict=True, maintain_order=True).items():
        rereading = Rereading(site, site.feed(str(feed_name)), home)
        why = _because(f"rejected rows were mended in {source.name}", reason)
        with store.read() as connection:
            siblings = _same_lines(connection, part)
        with _settling(store, rereading) as connection:
            done += _replay_feed(connection, rereading, part.drop("feed"), source.name, why, actor)
        for (other,), lines in siblings.partition_by("feed", as_dict=True).items():
            rereading = Rereading(site, site.feed(str(other)), home)
            with _settling(store, rereading) as connection:
                of_other = _replay_feed(connection, rereading, lines.drop("feed"), source.name, why, actor)
            done += replace(
                Replayed(elsewhere=of_other.mended),
                still_wrong=tuple(f"{sentence} (feed {other})" for sentence in of_other.still_wrong),
            )
    return done


def _same_lines(connection: sa.Connection, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of a mended file that were no rows once more, as those of the other feeds that read their file.

    A line that is broken is broken for every feed, so that a person mends it once.
    """
    empty = rows.clear()
    if TEXT not in rows.columns or rows[TEXT].is_null().all():
        return empty
    broken = rows.filter(pl.col(TEXT).fill_null("") != "")
    of_batch = batch.alias("of_batch")
    other, of_other = batch_file.alias("other"), batch.alias("of_other")
    query = (
        sa.select(
            of_batch.c.reference.label(REFERENCE),
            batch_file.c.path.label(PATH),
            of_other.c.reference.label("other_reference"),
            other.c.path.label("other_path"),
            feed_table.c.name.label("other_feed"),
            rejected_record.c.line.label(AT_LINE),
        )
        .select_from(batch_file)
        .join(of_batch, of_batch.c.id == batch_file.c.batch_id)
        .join(other, (other.c.sha256 == batch_file.c.sha256) & (other.c.feed_id != batch_file.c.feed_id))
        .join(of_other, of_other.c.id == other.c.batch_id)
        .join(feed_table, feed_table.c.id == other.c.feed_id)
        .join(rejected_record, rejected_record.c.file_id == other.c.id)
        .where(
            of_batch.c.reference.in_(broken[REFERENCE].unique().to_list()),
            of_other.c.status == BatchStatus.SUCCESS,
            rejected_record.c.line.in_(broken[AT_LINE].unique().to_list()),
        )
    )
    others = read_frame(connection, query)
    if others.is_empty():
        return empty
    joined = broken.join(others, on=_WHERE)
    return joined.with_columns(
        pl.col("other_reference").alias(REFERENCE), pl.col("other_path").alias(PATH), pl.col("other_feed").alias("feed")
    ).select(rows.columns)


def release(
    store: Store, site: Site, reference: str, lines: Collection[int], *, home: Path, actor: str, reason: str = ""
) -> int:
    """Let rows pass that a guard stopped and that are right as they are; return how many.

    Raises BatchError where a line is not among the batch's rejected rows, or stands there for more than a guard.
    """
    rereading = Rereading(site, site.feed(counts_of(store, reference).feed), home)
    with _settling(store, rereading) as connection:
        listed = _among_rejected(connection, reference, lines)
        for row in listed.rows(named=True):
            if not _guards_of(row["reasons"]):
                first, *_ = reasons_from_json(row["reasons"])
                raise BatchError(
                    f"batch {reference}, line {row[AT_LINE]}: {first.sentence};"
                    " only rows that a guard stopped can be released"
                )
        taken = listed.with_columns(pl.col("received").alias("texts"), pl.lit(True).alias("release"))
        mended, _, _ = _settle_rows(connection, rereading, taken, _because("rows were released", reason), actor)
    return mended


def _because(what: str, reason: str) -> str:
    return f"{what} ({reason.strip()})" if reason.strip() else what


def refuse(
    store: Store, site: Site, reference: str, lines: Collection[int], *, home: Path, actor: str, reason: str
) -> int:
    """Refuse rejected rows for good, so that nobody waits for them or exports them again; return how many.

    They stay rejected, with who refused them and why before their reasons. Raises BatchError where the reason is empty
    or a line is not among the batch's rejected rows.
    """
    if not reason.strip():
        raise BatchError("rows are refused with a reason, for whoever asks later; give one: --reason TEXT")
    rereading = Rereading(site, site.feed(counts_of(store, reference).feed), home)
    with _settling(store, rereading) as connection:
        listed = _among_rejected(connection, reference, lines)
        refusal = Reason(None, None, REFUSED, f"refused by {actor}: {reason.strip()}")
        values = [
            {
                "of_id": row["id"],
                "reasons": [one.to_json() for one in (refusal, *_without_refusal(row["reasons"]))],
            }
            for row in listed.rows(named=True)
        ]
        if values:
            connection.execute(sa.update(rejected_record).where(rejected_record.c.id == sa.bindparam("of_id")), values)
            why = f"{len(values)} rejected rows were refused for good: {reason.strip()}"
            note(
                connection,
                listed["batch_id"][0],
                actor=actor,
                from_status=BatchStatus.SUCCESS,
                to_status=BatchStatus.SUCCESS,
                reason=why,
            )
    return len(values)


def _among_rejected(connection: sa.Connection, reference: str, lines: Collection[int]) -> pl.DataFrame:
    listed = _listed_rows(connection, [reference]).filter(pl.col(AT_LINE).is_in(list(lines)))
    for line in sorted(set(lines) - set(listed[AT_LINE].to_list())):
        raise BatchError(f"batch {reference}, line {line}: not among its rejected rows")
    return listed


@contextmanager
def _settling(store: Store, rereading: Rereading) -> Iterator[sa.Connection]:
    """Give a writing transaction under the feed's load lock."""
    name = load_lock(rereading.feed.feed)
    with named_lock(store, name), store.write() as connection:
        lock_until_commit(connection, name)
        yield connection


def _with_places(rows: pl.DataFrame, file_name: str) -> tuple[pl.DataFrame, list[str]]:
    """Return the rows with their batch, file and line read, and a sentence for each that was added to the file.

    Spreadsheets take the zeros off a reference.
    """
    placed = rows.with_columns(
        pl.col(REFERENCE).str.strip_chars().str.zfill(8),
        pl.col(PATH).str.strip_chars(),
        pl.col(AT_LINE).str.strip_chars().str.replace(r"[.,]0+$", "").cast(pl.Int64, strict=False),
    )
    empty = pl.all_horizontal([pl.col(name).fill_null("").str.strip_chars() == "" for name in _WHERE])
    nowhere = rows.filter(empty)
    added = [
        f"{file_name}, line {line}: the row was added here and came from no file; deliver it in a file of its feed"
        for line, _ in _listed(nowhere, PATH)
    ]
    placed = placed.join(nowhere, on=LINE, how="anti", maintain_order="left")
    for line, _ in _listed(placed.filter(pl.any_horizontal(pl.col(_WHERE).is_null())), PATH):
        raise BatchError(
            f"{file_name}, line {line}: {REFERENCE}, {PATH} or {AT_LINE} is empty or no number, so nothing says where"
            " the row came from; nothing was replayed, put them back from the export"
        )
    return placed, added


def _listed(rows: pl.DataFrame, column: str) -> list[tuple[int, object]]:
    return rows.select(LINE, column).rows()  # type: ignore[return-value]


def _listed_rows(connection: sa.Connection, references: Collection[str]) -> pl.DataFrame:
    """Return the rejected rows of batches: their places, `id`, `batch_id`, `file_id`, `reasons`, `received`."""
    query = (
        sa.select(
            batch.c.reference.label(REFERENCE),
            batch_file.c.path.label(PATH),
            rejected_record.c.line.label(AT_LINE),
            rejected_record.c.id,
            rejected_record.c.batch_id,
            rejected_record.c.file_id,
            rejected_record.c.reasons,
            rejected_record.c.received,
        )
        .join(batch_file, batch_file.c.id == rejected_record.c.file_id)
        .join(batch, batch.c.id == rejected_record.c.batch_id)
        .where(batch.c.reference.in_(references), batch.c.status == BatchStatus.SUCCESS)
    )
    return read_frame(connection, query)


def _replay_feed(
    connection: sa.Connection, rereading: Rereading, rows: pl.DataFrame, file_name: str, why: str, actor: str
) -> Replayed:
    listed = _listed_rows(connection, rows[REFERENCE].unique().to_list())
    left = listed.filter(~pl.col("reasons").str.contains(f'"{REFUSED}"', literal=True))
    waiting = left.join(rows, on=_WHERE, how="anti").height
    rows, sentences = _each_once(rows, file_name)
    gone = rows.join(listed, on=_WHERE, how="anti")
    before, more = _mended_before(connection, gone, file_name)
    mine = rows.join(listed, on=_WHERE, maintain_order="left")
    if mine.is_empty():
        return Replayed(before=before, not_taken=(*sentences, *more), waiting=waiting)
    parts = _with_kept(connection, mine).partition_by(FILE, maintain_order=True)
    delimiter, _ = dialect_of(connection, rereading.feed.feed)
    texts = pl.concat([_texts(part, rereading.home, file_name, delimiter) for part in parts])
    filled = pl.col(RELEASE).fill_null("").str.strip_chars() != "" if RELEASE in texts.columns else pl.lit(False)
    taken = texts.with_columns(filled.alias("release"))
    untouched = set(texts.filter(pl.col("texts").is_null())["id"].to_list())
    mended, rejected, still = _settle_rows(connection, rereading, taken, why, actor)
    return Replayed(
        mended, rejected, before, (*sentences, *more), _still_wrong(still, mine, untouched, file_name), 0, waiting
    )


def _each_once(rows: pl.DataFrame, file_name: str) -> tuple[pl.DataFrame, list[str]]:
    """Return the rows that stand once in a mended file, and sentences for those that stand there twice.

    Of rows that say the same the first is taken; where they differ nobody knows which is meant, and none is.
    """
    cells = [name for name in rows.columns if name not in (*OURS, LINE)]
    copies = pl.len().over(_WHERE)
    versions = pl.struct([*cells, *[name for name in (RELEASE,) if name in rows.columns]]).n_unique().over(_WHERE)
    rows = rows.with_columns(copies.alias("_copies"), versions.alias("_versions"))
    differ = rows.filter(pl.col("_versions") > 1)
    again = rows.filter((pl.col("_copies") > 1) & (pl.col("_versions") == 1) & ~pl.struct(_WHERE).is_first_distinct())
    sentences = [
        f"{file_name}, line {n}: the row stands in the file twice with different content; none was taken, leave one"
        for n, _ in _listed(differ, PATH)
    ]
    sentences += [
        f"{file_name}, line {n}: the row stands in the file twice; the first one was taken"
        for n, _ in _listed(again, PATH)
    ]
    once = rows.filter((pl.col("_versions") == 1) & pl.struct(_WHERE).is_first_distinct())
    return once.drop("_copies", "_versions"), sentences


def _still_wrong(
    reasons: dict[int, str], rows: pl.DataFrame, untouched: Collection[int], file_name: str
) -> tuple[str, ...]:
    """Return a sentence for each row that stays rejected: where it stands in the mended file, and why.

    `untouched`: lines that were no rows and are still as the export laid them out.
    """
    lines = dict(rows.select("id", LINE).rows())
    sentences = []
    for row_id in sorted(reasons, key=lambda row_id: lines[row_id]):
        why = "; ".join(reason.sentence for reason in reasons_from_json(reasons[row_id]))
        if row_id in untouched:
            why += f"; its cells are as the export laid them out: correct them, or fill {RELEASE} where they are right"
        sentences.append(f"{file_name}, line {lines[row_id]}: {why}")
    return tuple(sentences)


def _with_kept(connection: sa.Connection, rows: pl.DataFrame) -> pl.DataFrame:
    query = sa.select(batch_file.c.id.label(FILE), batch_file.c.received_as)
    return rows.join(read_frame(connection, query.where(batch_file.c.id.in_(rows[FILE].unique().to_list()))), on=FILE)


def _texts(rows: pl.DataFrame, home: Path, file_name: str, delimiter: str) -> pl.DataFrame:
    """Return rows of one file with `texts`: what they say now, as JSON text of the file's own columns.

    A line that was no row stays what it was until a person changes the cells in which the export laid it out, or says
    by `copilot_release` that they are right. Raises BatchError where a column of the file was taken out.
    """
    names = kept_columns(rows["received_as"][0], home)
    lost = [name for name in names if name not in rows.columns]
    if lost:
        raise BatchError(
            f"{file_name}: the column '{lost[0]}' of {rows[PATH][0]} is missing, so that its cells would be lost;"
            " put it back from the export (the order of columns does not matter); nothing of this feed was replayed"
        )
    there = [pl.col(name) for name in names]
    empty = pl.all_horizontal([cell.fill_null("").str.strip_chars() == "" for cell in there])
    filled = pl.struct(there).struct.json_encode()
    rows = rows.with_columns(pl.col("received").str.json_path_match(f"$.{RAW}").alias(RAW))
    guessed = rows.select(LINE).with_columns(pl.lit(None, pl.Boolean).alias("guessed"))
    broken = rows.filter(pl.col(RAW).is_not_null())
    if not broken.is_empty():
        split = split_lines(broken[RAW].to_list(), rows["received_as"][0], home, delimiter)
        same = [pl.col(name).fill_null("").str.strip_chars() for name in names]
        alike = broken.select(same).rows() if names else []
        flags = [cells == other for cells, other in zip(alike, split.select(same).rows(), strict=True)]
        guessed = broken.select(LINE).with_columns(pl.Series("guessed", flags, dtype=pl.Boolean))
    rows = rows.join(guessed.unique(LINE), on=LINE, how="left", maintain_order="left")
    said = pl.col(RELEASE).fill_null("").str.strip_chars() != "" if RELEASE in rows.columns else pl.lit(False)
    raw = pl.col(RAW).is_not_null() & (empty | (pl.col("guessed").fill_null(False) & ~said))
    own = [name for name in OURS if name in rows.columns]
    return rows.with_columns(pl.when(raw).then(None).otherwise(filled).alias("texts")).select(
        *own, "id", "batch_id", FILE, "reasons", "received", "texts"
    )


def _mended_before(connection: sa.Connection, rows: pl.DataFrame, file_name: str) -> tuple[int, list[str]]:
    """Return how many of the rows were mended before, and a sentence for each that was mended otherwise or never."""
    if rows.is_empty():
        return 0, []
    query = (
        sa.select(
            batch.c.reference.label(REFERENCE),
            batch_file.c.path.label(PATH),
            mended_record.c.line.label(AT_LINE),
            mended_record.c.mended,
        )
        .join(batch_file, batch_file.c.id == mended_record.c.file_id)
        .join(batch, batch.c.id == mended_record.c.batch_id)
        .where(batch.c.reference.in_(rows[REFERENCE].unique().to_list()), batch.c.status == BatchStatus.SUCCESS)
    )
    mended = read_frame(connection, query)
    strange = rows.join(mended, on=_WHERE, how="anti").sort(LINE)
    otherwise = [row for row in rows.join(mended, on=_WHERE).sort(LINE).rows(named=True) if _differs(row)]
    sentences = [
        f"{file_name}, line {line}: line {at} of {path} in batch {reference} is not among the rejected rows"
        for line, reference, path, at in strange.select(LINE, *_WHERE).rows()
    ]
    sentences += [
        f"{file_name}, line {row[LINE]}: the row was mended before with other content, which holds; send what is right"
        " now in a file of its feed"
        for row in otherwise
    ]
    return rows.height - strange.height - len(otherwise), sentences


def _differs(row: dict[str, Any]) -> bool:
    """Whether a row says something else than what it was mended to."""
    was = json.loads(row["mended"]) if isinstance(row["mended"], str) else row["mended"]
    return any((row.get(name) or "") != (text or "") for name, text in was.items() if name in row)


def _settle_rows(
    connection: sa.Connection, rereading: Rereading, rows: pl.DataFrame, why: str, actor: str
) -> tuple[int, int, dict[int, str]]:
    """Check rejected rows by their `texts` and settle those that pass; return how many passed and how many did not.

    Also returns the reasons (JSON text) of those that did not, by their number in the list.

    `rows`: `id`, `batch_id`, `file_id`, `copilot_line`, `reasons`, `received`, `texts` (null: not touched), `release`.
    """
    rereading = rereading.as_keyed(connection)
    rows = rows.with_columns(pl.col(AT_LINE).alias(LINE))
    stays = pl.Series([_waits(*row) for row in rows.select("reasons", "received", "texts", "release").rows()])
    asked = rows.filter(~stays)
    records, reasons = _checked(connection, rereading, asked)
    passed = asked.join(records.select(FILE, LINE), on=[FILE, LINE], how="semi")
    _keep_mended(connection, passed, actor)
    _write_reasons(connection, asked.drop("reasons").join(reasons, on=[FILE, LINE]), rows)
    moves: Moves = Counter()
    if not passed.is_empty():
        connection.execute(sa.delete(rejected_record).where(rejected_record.c.id.in_(passed["id"].to_list())))
        for batch_id, count in passed["batch_id"].value_counts().rows():
            moves[batch_id, Fate.REJECTED] -= count
        feed_id = connection.scalar(sa.select(feed_table.c.id).where(feed_table.c.name == rereading.feed.feed)) or 0
        moves.update(settle_again(connection, rereading, feed_id, records.select(KEY), adding=records, singly=True))
    apply_moves(connection, moves, why=why, actor=actor, apart=None)
    refused_ones = _still_listed(connection, passed)
    refused = len(refused_ones)
    still = dict(rows.select("id", "reasons").rows())
    still |= dict(asked.select("id", FILE, LINE).join(reasons, on=[FILE, LINE]).select("id", "reasons").rows())
    settled = set(passed["id"].to_list())
    still = {row_id: why_not for row_id, why_not in still.items() if row_id not in settled}
    return passed.height - refused, rows.height - passed.height + refused, still | refused_ones


def _waits(reasons: str, received: str, texts: str | None, release: bool) -> bool:
    """Whether a row stays where it is: a line nobody filled, or one that a guard or a person stopped, untouched."""
    if texts is None:
        return True
    if release or not (_guards_of(reasons) or _is_refused(reasons)):
        return False
    return _plain(texts) == _plain(received)


def _guards_of(reasons: str) -> list[str]:
    """Return the rules of a row's reasons where all of them are guards that a person may let it pass, else nothing."""
    rules = [reason.rule for reason in _without_refusal(reasons)]
    return rules if RELEASABLE.issuperset(rules) else []


def _is_refused(reasons: str) -> bool:
    return any(reason.rule == REFUSED for reason in reasons_from_json(reasons))


def _without_refusal(reasons: str) -> list[Reason]:
    return [reason for reason in reasons_from_json(reasons) if reason.rule != REFUSED]


def _plain(texts: str) -> dict[str, str]:
    return {name: text for name, text in json.loads(texts).items() if text not in (None, "")}


def _checked(connection: sa.Connection, rereading: Rereading, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the records of those rows that pass, and the places and reasons of the others; see STOPPED_ROWS."""
    files = known_files(connection, rows[FILE].unique().to_list())
    parts = [_one_file(connection, rereading, files[part[FILE][0]], part) for part in rows.partition_by(FILE)]
    reasons = STOPPED_ROWS.empty()
    if not parts:
        return pl.DataFrame(schema={KEY: pl.String, FILE: pl.Int64, LINE: pl.Int64}), reasons
    records = pl.concat([records for records, _ in parts])
    reasons = pl.concat([reasons, *(rejected for _, rejected in parts)])
    guarded = records.join(rows.filter(~pl.col("release")), on=[FILE, LINE], how="semi")
    feed_id = connection.scalar(sa.select(feed_table.c.id).where(feed_table.c.name == rereading.feed.feed)) or 0
    stopped = unit_jumps(connection, rereading.feed, feed_id, guarded)
    return records.join(stopped, on=[FILE, LINE], how="anti"), STOPPED_ROWS.check(pl.concat([reasons, stopped]))


def _one_file(
    connection: sa.Connection, rereading: Rereading, file: KnownFile, rows: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    read = rereading.texts(connection, file, rows.select(LINE, pl.col("texts").alias("received")))
    return read.records, read.rejected.select(pl.lit(file.file_id, pl.Int64).alias(FILE), LINE, "reasons")


def _keep_mended(connection: sa.Connection, rows: pl.DataFrame, actor: str) -> None:
    if rows.is_empty():
        return
    moment = utc_now()
    values = [
        {
            "batch_id": row["batch_id"],
            "file_id": row[FILE],
            "line": row[LINE],
            "received": json.loads(row["received"]),
            "reasons": json.loads(row["reasons"]),
            "mended": json.loads(row["texts"]),
            "released": _guards_of(row["reasons"]) if row["release"] else [],
            "at": moment,
            "actor": actor,
        }
        for row in rows.rows(named=True)
    ]
    same = (mended_record.c.file_id == sa.bindparam("of_file")) & (mended_record.c.line == sa.bindparam("at_line"))
    positions = [{"of_file": row["file_id"], "at_line": row["line"]} for row in values]
    connection.execute(sa.delete(mended_record).where(same), positions)
    connection.execute(sa.insert(mended_record), values)


def _write_reasons(connection: sa.Connection, failed: pl.DataFrame, before: pl.DataFrame) -> None:
    """Write the new reasons, and the texts they are about, of rows that stay rejected and say something new."""
    was = {row["id"]: (json.loads(row["reasons"]), json.loads(row["received"])) for row in before.rows(named=True)}
    values = [
        {"of_id": row["id"], "reasons": reasons, "received": texts}
        for row in failed.rows(named=True)
        if (reasons := json.loads(row["reasons"]), texts := json.loads(row["texts"])) != was[row["id"]]
    ]
    if values:
        connection.execute(sa.update(rejected_record).where(rejected_record.c.id == sa.bindparam("of_id")), values)


def _still_listed(connection: sa.Connection, rows: pl.DataFrame) -> dict[int, str]:
    """Return the reasons of those rows that are refused after all, as another record holds their key, by number."""
    rejected = connection.execute(
        sa.select(rejected_record.c.file_id, rejected_record.c.line, rejected_record.c.reasons).where(
            rejected_record.c.batch_id.in_(rows["batch_id"].unique().to_list())
        )
    ).tuples()
    reasons = {(file_id, line): json.dumps(why) for file_id, line, why in rejected}
    places = rows.select("id", FILE, LINE).rows()
    return {row_id: reasons[file_id, line] for row_id, file_id, line in places if (file_id, line) in reasons}
