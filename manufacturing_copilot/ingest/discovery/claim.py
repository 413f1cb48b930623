"""Claiming what waits: the new files or rows of a feed become one batch in the ledger, each exactly once."""

from __future__ import annotations

import logging
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.clock import held_day
from manufacturing_copilot.errors import SiteError
from manufacturing_copilot.ingest.discovery.file_order import newest_ns, order_ns
from manufacturing_copilot.ingest.discovery.locations import FoundFile, files_of, look_again
from manufacturing_copilot.ingest.discovery.sql_source import Increment, path_of, what_is_new
from manufacturing_copilot.ingest.ledger.attempts import feed_ids, note
from manufacturing_copilot.site import Feed, Site
from manufacturing_copilot.site.feeds import Order
from manufacturing_copilot.store import Store, insert_frame
from manufacturing_copilot.store.locks import lock_until_commit
from manufacturing_copilot.store.tables import BatchStatus, batch, batch_file, feed
from manufacturing_copilot.store.types import utc_now

logger = logging.getLogger(__name__)

AT_REST_SECONDS = 2.0
"""A file that has not changed for this long is complete."""

LOOK_AGAIN_SECONDS = 0.25
"""A file touched more recently is looked at again after this; it is whole if nothing has moved, unless it is empty.
Whoever writes a file with longer pauses writes it under another name and renames it."""


@dataclass(frozen=True)
class WaitingFile:
    """A file that no batch has claimed yet."""

    feed: str
    path: str
    size: int
    modified_ns: int


@dataclass(frozen=True)
class Claim:
    """A batch that was just claimed."""

    feed: str
    batch_id: int
    reference: str


def waiting_files(store: Store, site: Site, home: Path, source: str | None = None) -> list[WaitingFile]:
    """Return the files, of one source or of all, that are whole and that no batch has claimed.

    A file whose size or time of change differs from what was claimed under its path is a new file. For a database that
    looks back at a day nothing waits. Raises SiteError where a feed's files cannot be looked for.
    """
    waiting, problems = _waiting(store, site, home, source)
    if problems:
        raise SiteError("; ".join(problems))
    return waiting


def _waiting(store: Store, site: Site, home: Path, source: str | None) -> tuple[list[WaitingFile], list[str]]:
    """Return the files that wait, and why those of other feeds cannot be looked for."""
    matching: dict[str, list[FoundFile]] = {}
    problems: list[str] = []
    with store.read() as connection:
        if held_day(connection) is not None:
            return [], []
    for declared in site.feeds:
        if source is None or declared.source == source:
            try:
                matching[declared.feed] = files_of(declared, home, problems)
            except SiteError as problem:
                problems.append(str(problem))
            except FileNotFoundError as problem:
                problems.append(f"feed {declared.feed}: {problem}")
    with store.read() as connection:
        unclaimed = {name: _unclaimed(connection, name, files) for name, files in matching.items()}
    whole = _whole([file for files in unclaimed.values() for file in files], home)
    waiting = [
        WaitingFile(name, file.path, file.size, file.modified_ns)
        for name, files in unclaimed.items()
        for file in files
        if file in whole
    ]
    return waiting, problems


def claim(store: Store, site: Site, home: Path, *, source: str | None = None, actor: str) -> list[Claim]:
    """Claim everything that waits, of one source or of all: one pending batch per feed that has any.

    Files are claimed one by one, of a table the rows that are newer than what was claimed of it before. Two processes
    that claim at once never both get a file or a row. Raises SiteError where the files of a feed cannot be looked for
    or a table cannot be read; what waits elsewhere is claimed first.
    """
    waiting, problems = _waiting(store, site, home, source)
    claims = _claim_waiting_files(store, site, waiting, actor)
    for declared in site.feeds:
        if declared.sql is None or (source is not None and declared.source != source):
            continue
        try:
            claims += _claim_rows(store, site, declared, actor)
        except SiteError as problem:
            problems.append(str(problem))
    if problems:
        raise SiteError("; ".join(problems))
    return claims


def _claim_waiting_files(store: Store, site: Site, waiting: list[WaitingFile], actor: str) -> list[Claim]:
    if not waiting:
        return []
    claims = []
    with store.write() as connection:
        lock_until_commit(connection, "claim")
        ids = feed_ids(connection, site)
        for name in dict.fromkeys(file.feed for file in waiting):
            files = [FoundFile(f.path, f.size, f.modified_ns) for f in waiting if f.feed == name]
            unclaimed = _unclaimed(connection, name, files)  # another process may have claimed some meanwhile
            if unclaimed:
                claims.append(_claim_files(connection, site.feed(name), ids[name], unclaimed, actor))
    return claims


def _claim_rows(store: Store, site: Site, declared: Feed, actor: str) -> list[Claim]:
    with store.read() as connection:
        if held_day(connection) is not None:
            return []
        previous = _last_increment(connection, declared)
    increment = what_is_new(declared, previous)
    if increment is None:
        return []
    with store.write() as connection:
        lock_until_commit(connection, "claim")
        feed_id = feed_ids(connection, site)[declared.feed]
        if _last_increment(connection, declared) != previous:
            return []  # another process has claimed meanwhile; the next look sees what is left
        rows = FoundFile(path_of(declared), increment.rows, time.time_ns())
        claimed = _claim_files(connection, declared, feed_id, [rows], actor, increment)
    if increment.without:
        logger.warning(
            "feed %s: %d rows have no %s and are not read", declared.feed, increment.without, increment.column
        )
    return [claimed]


def _last_increment(connection: sa.Connection, declared: Feed) -> Increment | None:
    watermark = connection.scalar(
        sa.select(batch_file.c.watermark)
        .join(feed, feed.c.id == batch_file.c.feed_id)
        .where(feed.c.name == declared.feed, batch_file.c.path == path_of(declared))
        .order_by(batch_file.c.id.desc())
        .limit(1)
    )
    return None if watermark is None else Increment.from_json(watermark)


def _unclaimed(connection: sa.Connection, feed_name: str, files: list[FoundFile]) -> list[FoundFile]:
    claimed = connection.execute(
        sa.select(batch_file.c.path, batch_file.c.size, batch_file.c.modified_ns)
        .join(feed, feed.c.id == batch_file.c.feed_id)
        .where(feed.c.name == feed_name)
    )
    known_versions = {tuple(row) for row in claimed}
    return [file for file in files if (file.path, file.size, file.modified_ns) not in known_versions]


def _whole(files: list[FoundFile], home: Path) -> set[FoundFile]:
    now = time.time()

    def at_rest(file: FoundFile) -> bool:
        # Also a time ahead of ours says nothing: the clocks differ, or it was copied with its time.
        return now - file.modified_ns / 1e9 >= AT_REST_SECONDS

    fresh = [file for file in files if not at_rest(file)]
    whole = {file for file in files if at_rest(file)}
    if fresh:
        time.sleep(LOOK_AGAIN_SECONDS)
        whole |= {file for file in fresh if file.size and look_again(file, home) == file}
    return whole


def _claim_files(
    connection: sa.Connection,
    declared: Feed,
    feed_id: int,
    files: list[FoundFile],
    actor: str,
    increment: Increment | None = None,
) -> Claim:
    now = utc_now()
    batch_id = connection.execute(
        sa.insert(batch)
        .values(feed_id=feed_id, reference=uuid.uuid4().hex, status=BatchStatus.PENDING, claimed_at=now)
        .returning(batch.c.id)
    ).scalar_one()
    reference = f"{batch_id:08d}"
    connection.execute(sa.update(batch).where(batch.c.id == batch_id).values(reference=reference))
    modified = [file.modified_ns for file in files]
    order = declared.order if increment is None else Order.CLAIMED  # rows of a table: what was read later is newer
    frame = pl.DataFrame(
        {
            "path": [file.path for file in files],
            "size": [file.size for file in files],
            "modified_ns": modified,
            "order_ns": order_ns(modified, now, order, newest=newest_ns(connection, feed_id)),
        }
    )
    insert_frame(connection, batch_file, frame.with_columns(batch_id=pl.lit(batch_id), feed_id=pl.lit(feed_id)))
    if increment is not None:
        ours = batch_file.c.batch_id == batch_id
        connection.execute(sa.update(batch_file).where(ours).values(watermark=increment.to_json()))
    reason = _what_was_claimed(files) if increment is None else increment.in_words(files[0].path)
    note(connection, batch_id, actor=actor, from_status=None, to_status=BatchStatus.PENDING, reason=reason)
    return Claim(declared.feed, batch_id, reference)


def _what_was_claimed(files: list[FoundFile]) -> str:
    count = len(files)
    return f"claimed {count} file{'s' if count > 1 else ''}: {', '.join(file.path for file in files[:3])}" + (
        ", …" if count > 3 else ""
    )
