"""What people decided about items, as events: merged, split, undone; by whom, why and when. Nothing is forgotten."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.errors import CopilotError
from manufacturing_copilot.frame_schemas import Column, FrameSchema
from manufacturing_copilot.site import Site
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.tables import ItemEventKind, external_id, item, item_event
from manufacturing_copilot.store.types import utc_now
from manufacturing_copilot.unified.items.lookup import find_item
from manufacturing_copilot.unified.items.regroup import MERGED, SPLIT, Code, Decision

UNDO = ItemEventKind.UNDO

ITEM_EVENTS = FrameSchema(
    "merges and splits of items",
    {
        "event": Column(pl.Int64, "number of the event"),
        "at": Column(pl.Datetime("us", "UTC"), "when it was recorded"),
        "actor": Column(pl.String, "who decided"),
        "kind": Column(pl.String, "merge, split or undo"),
        "said": Column(pl.String, "what was decided, in the SKUs of that day"),
        "reason": Column(pl.String, "why"),
        "undone_by": Column(pl.Int64, "number of the event that undid it", nullable=True),
    },
    key=("event",),
)


class ItemEventError(CopilotError):
    """A decision about items that makes no sense."""


def merge_items(connection: sa.Connection, site: Site, kept: str, moved: str, *, actor: str, reason: str) -> int:
    """Record that the item `moved` is the item `kept`; return the event's number. The next refresh applies it.

    The merged item keeps the SKU of `kept`; what the sources say of it is settled by their priority, as ever.
    Raises ItemNotFoundError, or ItemEventError where both are one item already.
    """
    kept_id, moved_id = find_item(connection, kept), find_item(connection, moved)
    if kept_id == moved_id:
        raise ItemEventError(f"{kept!r} and {moved!r} are one item already: {_sku(connection, kept_id)}")
    return _note(
        connection,
        kind=MERGED,
        kept_codes=_codes(connection, site, kept_id),
        moved_codes=_codes(connection, site, moved_id),
        said=f"{_sku(connection, moved_id)} is {_sku(connection, kept_id)}",
        moved_item_id=moved_id,
        actor=actor,
        reason=reason,
    )


def split_item(connection: sa.Connection, code: str, apart: str, *, actor: str, reason: str) -> int:
    """Record that the code `apart` (SOURCE/CODE) is not the item `code` but one of its own; return the event's number.

    Raises ItemNotFoundError, or ItemEventError where the item is not known by that code, or by no other.
    """
    item_id = find_item(connection, code)
    source, slash, name = apart.partition("/")
    if not slash or not source or not name:
        raise ItemEventError(f"{apart!r} is no code of a source; write SOURCE/CODE, for example shop/{apart}")
    codes = _all_codes(connection, item_id)
    if (source, name) not in codes:
        known = ", ".join("/".join(one) for one in codes)
        raise ItemEventError(f"{_sku(connection, item_id)} is not known as {apart}; it is known as {known}")
    if len(codes) == 1:
        raise ItemEventError(f"{_sku(connection, item_id)} has no other code than {apart}; there is nothing to split")
    return _note(
        connection,
        kind=SPLIT,
        kept_codes=[],
        moved_codes=[(source, name)],
        said=f"{apart} is not {_sku(connection, item_id)}",
        actor=actor,
        reason=reason,
    )


def undo_event(connection: sa.Connection, event: int, *, actor: str, reason: str) -> int:
    """Record that the merge or split with this number no longer holds; return the number of this event.

    Raises ItemEventError where there is no such merge or split, or it is undone already.
    """
    row = connection.execute(
        sa.select(item_event.c.kind, item_event.c.said).where(item_event.c.id == event)
    ).one_or_none()
    if row is None:
        raise ItemEventError(f"there is no event {event}; `copilot item events` lists them")
    if row.kind == UNDO:
        raise ItemEventError(f"event {event} is itself an undoing; decide anew with `copilot item merge` or `split`")
    by = connection.scalar(sa.select(item_event.c.id).where(item_event.c.undoes_event_id == event))
    if by is not None:
        raise ItemEventError(f"event {event} was undone already, by event {by}")
    return _note(
        connection,
        kind=UNDO,
        kept_codes=[],
        moved_codes=[],
        said=f"no longer: {row.said}",
        undoes_event_id=event,
        actor=actor,
        reason=reason,
    )


def list_events(connection: sa.Connection) -> pl.DataFrame:
    """Return ITEM_EVENTS, the newest first."""
    table, later = item_event, item_event.alias("later")
    columns = [table.c.id.label("event"), *(table.c[name] for name in ("at", "actor", "kind", "said", "reason"))]
    query = sa.select(*columns, later.c.id.label("undone_by")).select_from(
        table.outerjoin(later, later.c.undoes_event_id == table.c.id)
    )
    return read_frame(connection, query).sort("event", descending=True)


def decisions_in_force(connection: sa.Connection) -> list[Decision]:
    """Return the merges and splits that were not undone, in the order in which they were taken."""
    undone = sa.select(item_event.c.undoes_event_id).where(item_event.c.undoes_event_id.is_not(None))
    rows = connection.execute(
        sa.select(item_event.c.kind, item_event.c.kept_codes, item_event.c.moved_codes)
        .where(item_event.c.kind != UNDO, item_event.c.id.not_in(undone))
        .order_by(item_event.c.id)
    )
    return [Decision(row.kind, _pairs(row.kept_codes), _pairs(row.moved_codes)) for row in rows]


def _note(
    connection: sa.Connection, *, reason: str, kept_codes: list[Code], moved_codes: list[Code], **rest: Any
) -> int:
    if not reason.strip():
        raise ItemEventError("a decision about items is recorded with its reason; give one: --reason TEXT")
    codes = {"kept_codes": [list(one) for one in kept_codes], "moved_codes": [list(one) for one in moved_codes]}
    values = {"at": utc_now(), "reason": reason.strip(), **codes, **rest}
    return connection.execute(sa.insert(item_event).values(values).returning(item_event.c.id)).scalar_one()


def _pairs(stored: Any) -> list[Code]:
    pairs = json.loads(stored) if isinstance(stored, str) else stored
    return [(source, code) for source, code in pairs]


def _sku(connection: sa.Connection, item_id: int) -> str:
    return connection.execute(sa.select(item.c.sku).where(item.c.id == item_id)).scalar_one()


def _all_codes(connection: sa.Connection, item_id: int) -> list[Code]:
    table = external_id
    query = sa.select(table.c.source, table.c.external_id).where(table.c.item_id == item_id)
    return sorted((source, code) for source, code in connection.execute(query))


def _codes(connection: sa.Connection, site: Site, item_id: int) -> list[Code]:
    """Return the codes of the item's own records, the most believed source first: those that stay when others go."""
    table = external_id
    query = sa.select(table.c.source, table.c.external_id).where(
        table.c.item_id == item_id, table.c.batch_id.is_not(None)
    )
    found = [(source, code) for source, code in connection.execute(query)] or _all_codes(connection, item_id)
    ranks = {name: source.priority for name, source in site.sources.items()}
    return sorted(found, key=lambda code: (ranks.get(code[0], len(ranks) + 1_000_000), code))
