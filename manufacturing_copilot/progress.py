"""How far each stage has come, so that a run with nothing new does nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import date
from typing import Any

import sqlalchemy as sa

from manufacturing_copilot.site import Site, site_hash
from manufacturing_copilot.store.bulk import upsert_row
from manufacturing_copilot.store.tables import (
    BatchStatus,
    batch,
    batch_event,
    batch_file,
    feed,
    item_event,
    mended_record,
    refresh,
)
from manufacturing_copilot.store.types import utc_now

UNIFIED = "unified"

_VERSION_LENGTH = 16
_MODULUS = 1_000_003
"""Keeps the sum of squares of batch numbers within 64 bits."""


def up_to_batch(connection: sa.Connection) -> int:
    """Return the id of the newest batch that is loaded; 0 where none is."""
    return connection.scalar(sa.select(sa.func.max(batch.c.id)).where(batch.c.status == BatchStatus.SUCCESS)) or 0


def batches_hash(connection: sa.Connection, site: Site | None = None) -> str:
    """Return a fingerprint of the loaded batches, and of what people decided about items.

    The newest id alone would miss a batch that finished after a younger one, and one that was withdrawn or loaded
    again. A batch of a feed without a key that only repeats files byte by byte is left out: nothing rests on it. `site`
    says which feeds those are; None: no such feed. (Of a feed with a key, a list that comes again may say something.)
    """
    loaded = (batch.c.status == BatchStatus.SUCCESS) & sa.not_(_is_only_repeated(connection, site))
    counted = sa.select(sa.func.count(), sa.func.sum(batch.c.id), sa.func.sum(batch.c.attempts)).where(loaded)
    newest = sa.select(sa.func.max(batch.c.finished_at)).where(loaded)
    # Rows of a loaded batch that are mended, or that move because another batch does, are a line of its audit trail.
    moved = (
        sa.select(sa.func.max(batch_event.c.id))
        .join(batch, batch.c.id == batch_event.c.batch_id)
        .where(batch_event.c.to_status == BatchStatus.SUCCESS, loaded)
    )
    facts = [*connection.execute(counted).one(), connection.scalar(newest), connection.scalar(moved)]
    facts.append(connection.scalar(sa.select(sa.func.max(item_event.c.id))))
    # PostgreSQL sums integers to a decimal: as text, both databases say the same
    return hashlib.sha256("|".join(str(fact) for fact in facts).encode()).hexdigest()


def _is_only_repeated(connection: sa.Connection, site: Site | None) -> sa.ColumnElement[bool]:
    """Return whether a batch is of a feed without a key, and every row of it repeats a file that was loaded before."""
    keyless = [declared.feed for declared in site.feeds if not declared.record_key] if site is not None else []
    if not keyless:
        return sa.false()
    feeds = connection.scalars(sa.select(feed.c.id).where(feed.c.name.in_(keyless))).all()
    counted = sa.select(batch_file.c.id).where(
        batch_file.c.batch_id == batch.c.id, batch_file.c.repeats_file_id.is_(None)
    )
    repeated = batch.c.rows_duplicate == batch.c.rows_received
    return batch.c.feed_id.in_(feeds) & (batch.c.rows_received > 0) & repeated & sa.not_(sa.exists(counted))


def loaded_data(connection: sa.Connection) -> str:
    """Return a version of the records that are loaded: other batches, mended rows or decisions about items change it.

    Unlike `batches_hash` it does not change when the same records are loaded again, or at another time: the number of
    a batch stands for the content of its files, which are archived.
    """
    loaded = batch.c.status == BatchStatus.SUCCESS
    numbers = (sa.func.sum(batch.c.id), sa.func.sum(batch.c.id * batch.c.id % _MODULUS))
    mended = sa.select(sa.func.count(), sa.func.max(mended_record.c.at))
    facts = [
        *connection.execute(sa.select(sa.func.count(), *numbers).where(loaded)).one(),
        *connection.execute(mended.join(batch, batch.c.id == mended_record.c.batch_id).where(loaded)).one(),
        connection.scalar(sa.select(sa.func.max(item_event.c.id))),
    ]
    return _version_of(facts)


def unified_data(connection: sa.Connection) -> str:
    """Return the `loaded_data` that unified was last brought up to date with; empty where that is not known."""
    notes = connection.scalar(
        sa.select(refresh.c.held).where(refresh.c.stage == UNIFIED).order_by(refresh.c.as_of.desc()).limit(1)
    )
    return str((notes or {}).get("data", ""))


def data_version(*read: object) -> str:
    """Return the version of what a stage makes from what it has `read`: the same for the same."""
    return _version_of(read)


def _version_of(facts: Iterable[object]) -> str:
    # PostgreSQL sums integers to a decimal: as text, both databases say the same
    return hashlib.sha256("|".join(str(fact) for fact in facts).encode()).hexdigest()[:_VERSION_LENGTH]


def is_current(connection: sa.Connection, site: Site, as_of: date, stage: str = UNIFIED) -> bool:
    """Whether `stage` has been brought up to date for `as_of` with all loaded batches, under this declaration."""
    recorded = connection.execute(
        sa.select(refresh.c.batches_hash, refresh.c.site_hash).where(refresh.c.stage == stage, refresh.c.as_of == as_of)
    ).one_or_none()
    return recorded is not None and tuple(recorded) == (batches_hash(connection, site), site_hash(site))


def record_refresh(
    connection: sa.Connection,
    site: Site,
    as_of: date,
    *,
    up_to: int,
    seen: str,
    stage: str = UNIFIED,
    held: dict[str, Any] | None = None,
) -> None:
    """Record that `stage` is up to date for `as_of`, and what it holds.

    `up_to` and `seen` are `up_to_batch` and `batches_hash` from before the stage began to read: a batch that is
    loaded meanwhile is then seen as new.
    """
    values: dict[str, Any] = {
        "up_to_batch_id": up_to,
        "batches_hash": seen,
        "site_hash": site_hash(site),
        "at": utc_now(),
    }
    if held is not None:
        values["held"] = held
    upsert_row(connection, refresh, {"stage": stage, "as_of": as_of}, values)


def record_progress(connection: sa.Connection, site: Site, as_of: date, stage: str) -> None:
    """Record that `stage` has been brought up to date for `as_of` from what unified holds, which may be behind.

    So it never claims to have seen a batch that unified has not; nothing is recorded where unified is of another day.
    """
    unified = connection.execute(
        sa.select(refresh.c.up_to_batch_id, refresh.c.batches_hash).where(
            refresh.c.stage == UNIFIED, refresh.c.as_of == as_of
        )
    ).one_or_none()
    if unified is not None:
        record_refresh(connection, site, as_of, up_to=unified.up_to_batch_id, seen=unified.batches_hash, stage=stage)


def mark_later_stages_stale(connection: sa.Connection) -> None:
    """Let every stage after unified count as behind: a person decided something that is in no batch."""
    connection.execute(sa.delete(refresh).where(refresh.c.stage != UNIFIED))
