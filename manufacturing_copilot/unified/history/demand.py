"""What customers wanted: quantity by day, item and location.

Every record is one addend, so what comes is added and what it replaces is taken off again; what was wanted before is
not read. Addends are whole millionths, so that sums are exact in any order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.site import Demand, Site
from manufacturing_copilot.store import insert_frame, read_frame
from manufacturing_copilot.store.merge import SyncCounts, add_frame, sync_frame
from manufacturing_copilot.store.tables import SupplyStatus, demand_ahead, demand_day
from manufacturing_copilot.store.types import SCALE
from manufacturing_copilot.unified.changes import Changes, came, replaced
from manufacturing_copilot.unified.codes import accepted_frames
from manufacturing_copilot.unified.conform import Meanings, read_meanings
from manufacturing_copilot.unified.history.demand_year import add_to_year, leave_year, refresh_year

_COLUMNS = {
    "order_lines": [
        "item",
        "location",
        "ordered_on",
        "requested_on",
        "shipped_on",
        "quantity",
        "shipped_quantity",
        "unit",
        "price",
        "status",
        "free_of_charge",
    ],
    "stock_movements": ["item", "location", "moved_on", "quantity", "movement", "price", "unit", "reverses"],
}
_CELL = ["day", "item_id", "location_id"]
_SUMS = ["quantity", "value", "order_lines", "priced_lines"]
_ROWS_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class DemandCounts:
    """What became of the records of demand."""

    rows: SyncCounts


def refresh_demand(
    connection: sa.Connection, site: Site, as_of: date, changes: Changes, *, rebuild: bool
) -> DemandCounts:
    """Bring demand_day up to date with what was wanted up to `as_of`; needs items, locations and conversions.

    Which records count is the site's choice (`demand.records`). Days without demand have no row. `rebuild`: all
    records are read again, not only what has changed since.
    """
    if rebuild:
        return DemandCounts(_rebuilt(connection, site, as_of))
    kind = site.demand.records
    batches = changes.of(kind).batches
    parts = [SyncCounts(int(changes.held["demand_rows"]))]
    if as_of > changes.since:
        parts += _move_on(connection, changes.since, as_of)
    if batches:
        known = read_meanings(connection)
        new, old = (read(connection, site, kind, batches, _COLUMNS[kind]) for read in (came, replaced))
        change = _added(pl.concat([_addends(known, site.demand, new), _negative(_addends(known, site.demand, old))]))
        parts += _add_on(connection, change, as_of)
    return DemandCounts(_total(parts))


def _rebuilt(connection: sa.Connection, site: Site, as_of: date) -> SyncCounts:
    kind, known = site.demand.records, read_meanings(connection)
    frames = (
        _added(_addends(known, site.demand, rows)) for rows in accepted_frames(connection, site, kind, _COLUMNS[kind])
    )
    cells = _collected(frames)
    due = pl.col("counts_from") <= as_of
    counts = _replace_days(connection, _stored(_by_day(cells.filter(due))))
    sync_frame(connection, demand_ahead, _stored(cells.filter(~due)), key=["counts_from", *_CELL])
    refresh_year(connection, as_of)
    return counts


def _replace_days(connection: sa.Connection, rows: pl.DataFrame) -> SyncCounts:
    if not connection.scalar(sa.select(sa.exists().where(demand_day.c.item_id.is_not(None)))):
        insert_frame(connection, demand_day, rows.sort(_CELL))
        return SyncCounts(rows.height, inserted=rows.height)
    # Some days at a time: what is there and what should be need not both fit into memory.
    by_day = rows.group_by("day").len().sort("day").with_columns(part=pl.col("len").cum_sum() // _ROWS_AT_ONCE)
    ends = by_day.group_by("part").agg(pl.col("day").max()).sort("day")["day"].to_list()[:-1]
    spans = zip([date.min, *ends], [*ends, date.max], strict=True)
    parts = []
    for after, until in spans:
        table, here = demand_day, pl.col("day").is_between(after, until, closed="right")
        within = sa.and_(table.c.day > after, table.c.day <= until)
        parts.append(sync_frame(connection, table, rows.filter(here), key=_CELL, within=within))
    return _total(parts)


def _add_on(connection: sa.Connection, change: pl.DataFrame, as_of: date) -> list[SyncCounts]:
    """Add changes of cells to the state of the day `as_of`."""
    due = pl.col("counts_from") <= as_of
    now = _nonzero(_by_day(change.filter(due)))
    later = _stored(_nonzero(change.filter(~due)))
    add_frame(connection, demand_ahead, later, key=["counts_from", *_CELL], counted_by="order_lines", others=_value)
    add_to_year(connection, now, as_of)
    return [add_frame(connection, demand_day, _stored(now), key=_CELL, counted_by="order_lines", others=_value)]


def _move_on(connection: sa.Connection, since: date, as_of: date) -> list[SyncCounts]:
    """Bring the state of the day `since` to the day `as_of`."""
    table = demand_ahead
    reached = table.c.counts_from <= as_of
    rows = read_frame(connection, sa.select(*(table.c[name] for name in (*_CELL, *_SUMS))).where(reached))
    connection.execute(sa.delete(table).where(reached))
    rows = rows.with_columns((pl.col("quantity", "value") * 10**SCALE).round().cast(pl.Int64))
    cells = _by_day(rows.with_columns(pl.col("value").fill_null(0)))
    leave_year(connection, since, as_of)
    add_to_year(connection, cells, as_of)
    return [add_frame(connection, demand_day, _stored(cells), key=_CELL, counted_by="order_lines", others=_value)]


def _addends(known: Meanings, rules: Demand, rows: pl.DataFrame) -> pl.DataFrame:
    """Return what each record adds: counts_from, day, item_id, location_id and the sums, in whole millionths."""
    quantities = [name for name in ("quantity", "shipped_quantity") if name in rows.columns]
    facts = known.of(rows, quantities=quantities, prices=["price"])
    facts = (_of_order_lines if rules.records == "order_lines" else _of_movements)(facts, rules)
    value = pl.col("quantity") * pl.col("price")
    whole = [(number * 10**SCALE).round().cast(pl.Int64).alias(name)
             for name, number in (("quantity", pl.col("quantity")), ("value", value.fill_null(0)))]  # fmt: skip
    return facts.select(
        "counts_from", *_CELL, *whole,
        order_lines=pl.lit(1, pl.Int64), priced_lines=value.is_not_null().cast(pl.Int64),
    )  # fmt: skip


def _of_order_lines(rows: pl.DataFrame, rules: Demand) -> pl.DataFrame:
    day = pl.coalesce(*dict.fromkeys([f"{rules.day}_on", "ordered_on"]))
    returned = pl.col("status").eq_missing("returned")
    much = pl.coalesce("shipped_quantity", "quantity") if rules.quantity == "shipped" else pl.col("quantity")
    return rows.filter(_counts(rules)).with_columns(
        day=day,
        counts_from=pl.max_horizontal(day, "ordered_on"),
        quantity=pl.when(returned).then(-much.abs()).otherwise(much),
    )


def _counts(rules: Demand) -> pl.Expr:
    """Whether an order line is demand by what the site declares."""
    unwanted = pl.col("status").eq_missing(SupplyStatus.DRAFT)
    if rules.cancelled == "leave_out":
        unwanted |= pl.col("status").eq_missing(SupplyStatus.CANCELLED)
    if rules.returns == "leave_out":
        unwanted |= pl.col("status").eq_missing("returned") | (pl.col("quantity") < 0)
    if rules.free_of_charge == "leave_out":
        unwanted |= pl.coalesce("free_of_charge", pl.col("price") == 0, pl.lit(False))
    return ~unwanted


def _of_movements(rows: pl.DataFrame, rules: Demand) -> pl.DataFrame:
    # Some systems write a sale as minus five, others as five: the movement's kind says which way it went.
    sold = pl.when(pl.col("movement") == "sale").then(1.0).otherwise(-1.0)
    sign = pl.when(pl.col("reverses").is_null()).then(sold).otherwise(-sold)
    kinds = ["sale", "sales_return"] if rules.returns == "subtract" else ["sale"]
    return rows.filter(pl.col("movement").is_in(kinds)).with_columns(
        day="moved_on", counts_from="moved_on", quantity=pl.col("quantity").abs() * sign
    )


def _negative(addends: pl.DataFrame) -> pl.DataFrame:
    return addends.with_columns(-pl.col(name) for name in _SUMS)


def _added(addends: pl.DataFrame) -> pl.DataFrame:
    return addends.group_by("counts_from", *_CELL).agg(pl.col(name).sum() for name in _SUMS)


def _collected(frames: Iterator[pl.DataFrame]) -> pl.DataFrame:
    """Add up the cells of many frames, and keep no more than twice the result in memory."""
    sums = dict.fromkeys(("item_id", "location_id", *_SUMS), pl.Int64)
    whole = pl.DataFrame(schema={"counts_from": pl.Date, "day": pl.Date, **sums})
    waiting: list[pl.DataFrame] = []
    for frame in frames:
        waiting.append(frame)
        if sum(one.height for one in waiting) > _ROWS_AT_ONCE:
            whole, waiting = _added(pl.concat([whole, *waiting])), []
    return _added(pl.concat([whole, *waiting]))


def _by_day(cells: pl.DataFrame) -> pl.DataFrame:
    return cells.group_by(_CELL).agg(pl.col(name).sum() for name in _SUMS)


def _nonzero(cells: pl.DataFrame) -> pl.DataFrame:
    return cells.filter(pl.any_horizontal(pl.col(name) != 0 for name in _SUMS))


def _stored(cells: pl.DataFrame) -> pl.DataFrame:
    # A change of value may come without one of the number of priced lines; without either nothing is priced.
    priced = pl.when((pl.col("priced_lines") != 0) | (pl.col("value") != 0)).then("value")
    return cells.with_columns(pl.col("quantity") / 10**SCALE, value=priced / 10**SCALE)


def _value(table: sa.Table, coming: Any) -> dict[str, Any]:
    priced = table.c.priced_lines + coming.priced_lines
    value = sa.func.coalesce(table.c.value, 0) + sa.func.coalesce(coming.value, 0)
    return {"value": sa.case((priced == 0, sa.null()), else_=value)}


def _total(parts: list[SyncCounts]) -> SyncCounts:
    return SyncCounts(
        *(sum(getattr(part, name) for part in parts) for name in ("rows", "inserted", "changed", "deleted"))
    )
