"""One item in full, found by any code of any system, or by words."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.errors import CopilotError
from manufacturing_copilot.progress import UNIFIED
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.newest_day import newest_stock_day
from manufacturing_copilot.store.tables import (
    SupplyStatus,
    accepted,
    external_id,
    feed,
    inventory_snapshot,
    item,
    item_conflict,
    location,
    process,
    refresh,
    routing_step,
    supplier,
    supply_line,
)
from manufacturing_copilot.unified.codes import normal
from manufacturing_copilot.unified.items import item_history
from manufacturing_copilot.unified.structure.explosion import item_lines
from manufacturing_copilot.unified.structure.processes import valid_on

SHOWN = 20
"""Rows shown of each list."""


_KNOWN = sa.exists().where(external_id.c.item_id == item.c.id)
"""Not an item that only forecasts or decisions still speak of: its codes may mean another one by now."""


class ItemNotFoundError(CopilotError):
    """No item, or more than one, answers to what was asked for."""


@dataclass(frozen=True)
class ItemStory:
    """What is known of one item.

    `facts`: its attributes by name. `codes`: source, external_id, matched_by. `stock`: day, location, on_hand,
    reserved, available, in_inspection, on_order, counted_on. `on_order`: order_no, line_no, made, supplier,
    promised_on, missing. `made_of` and `goes_into`: as `explosion.item_lines` gives them. `routing`: step, operation,
    work_center, setup_minutes, run_minutes, valid_from, valid_to, of the operations that hold. `versions`: version,
    bill, valid_from, valid_to, components, steps, share, problem. `conflicts`: field, kept_source, kept, other_source,
    other. `demand`, `supply`, `movements`, `quality`, `forecasts`, `alerts`, `costs`: as the functions of
    `item_history` give them. `as_of`: the day that all this is of.
    """

    item_id: int
    sku: str
    name: str | None
    facts: dict[str, Any]
    codes: pl.DataFrame
    stock: pl.DataFrame
    on_order: pl.DataFrame
    made_of: pl.DataFrame
    goes_into: pl.DataFrame
    routing: pl.DataFrame
    versions: pl.DataFrame
    conflicts: pl.DataFrame
    demand: pl.DataFrame
    supply: pl.DataFrame
    movements: pl.DataFrame
    quality: pl.DataFrame
    forecasts: pl.DataFrame
    alerts: pl.DataFrame
    costs: pl.DataFrame
    as_of: date
    problem: str | None = field(default=None)


def describe_item(connection: sa.Connection, code: str) -> ItemStory:
    """Return all that is known of the item that `code` means: its SKU, a code of any source, or words of its name.

    Raises ItemNotFoundError, naming what comes near, where no item or more than one answers.
    """
    item_id = find_item(connection, code)
    row = connection.execute(
        sa.select(item, supplier.c.code.label("supplier"))
        .select_from(item.outerjoin(supplier, item.c.supplier_id == supplier.c.id))
        .where(item.c.id == item_id)
    ).one()
    hidden = {"id", "sku", "name", "supplier_id", "batch_id", "file_id", "line"}
    facts = {name: _plain(value) for name, value in row._mapping.items() if name not in hidden}
    day = connection.scalar(sa.select(sa.func.max(refresh.c.as_of)).where(refresh.c.stage == UNIFIED)) or date.today()
    versions = _versions(connection, item_id)
    return ItemStory(
        item_id=item_id,
        sku=row.sku,
        name=row.name,
        facts=facts,
        codes=_codes(connection, item_id),
        stock=_stock(connection, item_id),
        on_order=_on_order(connection, item_id),
        made_of=item_lines(connection, item_id, day),
        goes_into=item_lines(connection, item_id, day, up=True),
        routing=_routing(connection, item_id, day),
        versions=versions,
        conflicts=_conflicts(connection, item_id),
        demand=item_history.last_demand(connection, item_id),
        supply=item_history.last_supply(connection, item_id),
        movements=item_history.last_movements(connection, item_id),
        quality=item_history.last_quality(connection, item_id),
        forecasts=item_history.forecasts_of(connection, item_id),
        alerts=item_history.alerts_of(connection, item_id),
        costs=item_history.costs_of(connection, item_id),
        as_of=day,
        problem=next(iter(versions["problem"].drop_nulls()), None),
    )


def find_item(connection: sa.Connection, code: str) -> int:
    """Return the id of the item that `code` means; raises ItemNotFoundError with what comes near."""
    text = code.strip()
    for query in (
        sa.select(item.c.id).where(item.c.sku == text, _KNOWN),
        sa.select(external_id.c.item_id).where(external_id.c.external_id == text).distinct(),
        _declared_with(text),
        sa.select(item.c.id).where(item.c.sku == text),
    ):
        found = connection.scalars(query).all()
        if len(found) == 1:
            return found[0]
        if found:
            raise ItemNotFoundError(
                f"{code!r} means {len(found)} items: {_skus(connection, found)}; ask for one of them"
            )
    found = _otherwise_spelt(connection, text)
    if not found:
        words = [item.c.name.icontains(word, autoescape=True) for word in text.split()]
        found = list(connection.scalars(sa.select(item.c.id).where(*words, _KNOWN).limit(SHOWN))) if words else []
    if len(found) == 1:
        return found[0]
    if not found:
        raise ItemNotFoundError(f"no item answers to {code!r}, as a code or as words of a name; see v_item for all")
    raise ItemNotFoundError(f"{code!r} fits several items: {_skus(connection, found)}; ask for one of them")


def _declared_with(text: str) -> sa.Select[tuple[int]]:
    """Return the query for items that a source declared with this barcode or part number, whoever calls them by it."""
    records = accepted["items"]
    of_source = feed.c.name.startswith(external_id.c.source.concat("/"))
    return (
        sa.select(external_id.c.item_id)
        .join(records, records.c.item == external_id.c.external_id)
        .join(feed, sa.and_(feed.c.id == records.c.feed_id, of_source))
        .where(sa.or_(records.c.barcode == text, records.c.manufacturer_part == text))
        .distinct()
    )


def _otherwise_spelt(connection: sa.Connection, text: str) -> list[int]:
    """Return the items with a code that differs only in case, padding and separators."""
    asked = pl.DataFrame({"code": [text]}).select(normal("code")).item()
    if asked is None:
        return []
    # The database narrows it down to codes with these letters and digits in this order. Only plain ones: SQLite knows
    # no other capitals.
    pattern = "%".join(["", *(sign for sign in asked if sign.isascii() and sign.isalnum()), ""])
    near = sa.select(external_id.c.item_id.label("id"), external_id.c.external_id.label("code")).where(
        sa.func.upper(external_id.c.external_id).like(pattern)
    )
    skus = sa.select(item.c.id, item.c.sku.label("code")).where(sa.func.upper(item.c.sku).like(pattern), _KNOWN)
    codes = read_frame(connection, sa.union_all(near, skus))
    return sorted(codes.filter(normal("code") == asked)["id"].unique().to_list())


def _skus(connection: sa.Connection, ids: Any) -> str:
    return ", ".join(sorted(connection.scalars(sa.select(item.c.sku).where(item.c.id.in_(list(ids)[:SHOWN])))))


def _codes(connection: sa.Connection, item_id: int) -> pl.DataFrame:
    table = external_id
    query = sa.select(table.c.source, table.c.external_id, table.c.matched_by).where(table.c.item_id == item_id)
    return read_frame(connection, query).sort("source", "external_id")


def _stock(connection: sa.Connection, item_id: int) -> pl.DataFrame:
    table = inventory_snapshot
    newest = newest_stock_day()
    query = (
        sa.select(
            table.c.day,
            location.c.code.label("location"),
            table.c.on_hand,
            table.c.reserved,
            (table.c.on_hand - table.c.reserved).label("available"),
            table.c.in_inspection,
            table.c.on_order,
            table.c.counted_on,
        )
        .join(location, location.c.id == table.c.location_id)
        .where(table.c.item_id == item_id, table.c.day == newest)
    )
    return read_frame(connection, query).sort("location")


def _on_order(connection: sa.Connection, item_id: int) -> pl.DataFrame:
    table = supply_line
    columns = [table.c[name] for name in ("order_no", "line_no", "made", "promised_on", "ordered", "received")]
    query = (
        sa.select(*columns, supplier.c.code.label("supplier"))
        .select_from(table.outerjoin(supplier, table.c.supplier_id == supplier.c.id))
        .where(table.c.item_id == item_id, table.c.status == SupplyStatus.OPEN)
    )
    missing = (pl.col("ordered") - pl.col("received")).round(6)
    frame = read_frame(connection, query).with_columns(missing=missing).drop("ordered", "received")
    return frame.sort("promised_on", "order_no", "line_no", nulls_last=True).head(SHOWN)


def _routing(connection: sa.Connection, item_id: int, day: date) -> pl.DataFrame:
    table = routing_step
    names = ("step", "operation", "work_center", "setup_minutes", "run_minutes", "valid_from", "valid_to")
    frame = read_frame(connection, sa.select(*(table.c[name] for name in names)).where(table.c.item_id == item_id))
    return frame.filter(valid_on(day)).sort("step")


def _versions(connection: sa.Connection, item_id: int) -> pl.DataFrame:
    table = process
    names = ("version", "bill", "valid_from", "valid_to", "components", "steps", "share", "problem")
    query = sa.select(*(table.c[name] for name in names)).where(table.c.item_id == item_id)
    return read_frame(connection, query).sort("version")


def _conflicts(connection: sa.Connection, item_id: int) -> pl.DataFrame:
    columns = [column for column in item_conflict.c if column.name != "item_id"]
    query = sa.select(*columns).where(item_conflict.c.item_id == item_id)
    return read_frame(connection, query).sort("field", "other_source")


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    return value.isoformat() if isinstance(value, date) else value
