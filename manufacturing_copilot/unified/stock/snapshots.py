"""Stock by item and location at the end of each day, from counts carried forward, or from movements."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.site import Site
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.merge import SyncCounts, sync_frame
from manufacturing_copilot.store.tables import batch_file, inventory_snapshot, stock_difference
from manufacturing_copilot.store.types import SCALE
from manufacturing_copilot.unified.conform import read_conformed
from manufacturing_copilot.unified.costs import cost_history
from manufacturing_copilot.unified.history.purchases import Purchases, read_purchases, remaining_changes
from manufacturing_copilot.unified.stock.movements import counted_nowhere, read_movements, refresh_differences, states

_PLACE = ["item_id", "location_id"]
_UNSAID = ("reserved", "on_order", "in_inspection")
"""Quantities of a count that are nothing where a source does not name them."""
_ROWS_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class StockCounts:
    """What the snapshots of some days hold."""

    rows: int
    touched: int
    negative: int


@dataclass(frozen=True)
class StockFacts:
    """What snapshots are made from; quantities as whole millionths, so that sums are exact in any order.

    `states`: item_id, location_id, source, priority, day, on_hand, reserved, on_order, in_inspection, given (how many
    bins name a quantity on order), batch_id: what a source knows from that day on. `on_order`: item_id, location_id,
    day, open: from purchase lines. `costs`: item_id, day, unit_cost.
    """

    states: pl.DataFrame
    on_order: pl.DataFrame
    costs: pl.DataFrame


def refresh_snapshots(
    connection: sa.Connection, site: Site, first: date, last: date, facts: StockFacts | None = None
) -> StockCounts:
    """Bring the snapshots of the days `first` to `last` up to date in one pass; needs items and locations.

    Each day is what it would be alone: only counts (or movements, where the site has no feed of counts), purchase
    lines, receipts and costs up to that day are used. `facts`: as of `read_stock_facts`, where they are read already.
    """
    facts = facts or read_stock_facts(connection, site)
    table = inventory_snapshot
    rows = touched = negative = 0
    for start, end in _spans(facts, first, last):
        frame = snapshots(facts, start, end)
        counts: SyncCounts = sync_frame(
            connection, table, frame, key=["day", *_PLACE], touch=["batch_id"], within=table.c.day.between(start, end)
        )
        rows, touched = rows + counts.rows, touched + counts.touched
        negative += frame.filter(pl.col("on_hand") < 0).height
    return StockCounts(rows, touched, negative)


def days_to_count(connection: sa.Connection, as_of: date, *, codes_moved: bool) -> tuple[date, date]:
    """Return the first and last day to count: `as_of` alone, or all that are held where codes mean another item now.

    The stock of earlier days is that item's then.
    """
    if not codes_moved:
        return as_of, as_of
    table = inventory_snapshot
    first, last = connection.execute(sa.select(sa.func.min(table.c.day), sa.func.max(table.c.day))).one()
    return min(first or as_of, as_of), max(last or as_of, as_of)


def snapshots(facts: StockFacts, first: date, last: date) -> pl.DataFrame:
    """Return the rows of inventory_snapshot for the days `first` to `last`.

    Per item and location the first source by priority that has counted by then is believed. Where no source says
    what is on order for an item, its open purchase lines do: at their location if the item was ever counted there,
    else where most of it lies. Reserved and in inspection are 0 where nobody says.
    """
    days = pl.DataFrame({"day": pl.date_range(first, last, eager=True)})
    keys = facts.states.select(*_PLACE, "source", "priority").unique()
    grid = days.join(keys, how="cross")
    held = _as_of(grid, facts.states.drop("priority").with_columns(counted_on="day"), [*_PLACE, "source"])
    held = held.drop_nulls("counted_on").sort("priority", "source")
    held = held.unique(["day", *_PLACE], keep="first", maintain_order=True)
    held = _with_on_order(held, facts, days)
    costed = _as_of(held, facts.costs, ["item_id"])
    return costed.select(
        "day", *_PLACE,
        # polars' division is a last bit off, and by how much depends on the number of rows: round to the stored places
        *((pl.col(name) / 10**SCALE).round(SCALE) for name in ("on_hand", *_UNSAID)),
        "unit_cost", "counted_on", "batch_id",
    ).sort("day", *_PLACE)  # fmt: skip


def read_stock_facts(connection: sa.Connection, site: Site, purchases: Purchases | None = None) -> StockFacts:
    """Return what snapshots of any day are made from."""
    quantities = ["on_hand", *_UNSAID]
    columns = ["item", "location", "bin", "day", *quantities, "unit"]
    counts = read_conformed(connection, site, "stock_levels", columns, quantities=quantities)
    changes = (
        remaining_changes(purchases or read_purchases(connection, site)).with_columns(_whole("change")).sort("day")
    )
    on_order = changes.with_columns(open=pl.col("change").cum_sum().over(_PLACE)).drop("change")
    costs = cost_history(connection, site).rename({"valid_from": "day"})
    held = _states(_dated(connection, site, counts))
    if counted_nowhere(site):
        moved = states(read_movements(connection, site))
        held = pl.concat([held, moved.select(held.columns)])
    return StockFacts(held, on_order, costs)


def reconcile(connection: sa.Connection, site: Site, as_of: date) -> SyncCounts:
    """Bring stock_difference up to date: where counts and movements do not agree; empty where a site has not both."""
    found = read_movements(connection, site)
    if found.is_empty():
        return SyncCounts(0, deleted=connection.execute(sa.delete(stock_difference)).rowcount)
    columns = ["item", "location", "bin", "day", "on_hand", "unit"]
    counts = read_conformed(connection, site, "stock_levels", columns, quantities=["on_hand"])
    unsaid = {name: pl.lit(None, pl.Float64) for name in _UNSAID}
    held = _states(_dated(connection, site, counts.with_columns(**unsaid)))
    return refresh_differences(connection, held, found, as_of)


def _spans(facts: StockFacts, first: date, last: date) -> Iterator[tuple[date, date]]:
    places = max(facts.states.select(*_PLACE, "source").unique().height, 1)
    step = timedelta(days=max(_ROWS_AT_ONCE // places, 1))
    while first <= last:
        end = min(first + step - timedelta(days=1), last)
        yield first, end
        first = end + timedelta(days=1)


def _dated(connection: sa.Connection, site: Site, counts: pl.DataFrame) -> pl.DataFrame:
    """Return the counts, each with a day; one that names none holds on the day on which its file was written."""
    if counts["day"].null_count() == 0:
        return counts
    files = read_frame(connection, sa.select(batch_file.c.id.label("file_id"), batch_file.c.modified_ns))
    written = pl.from_epoch("modified_ns", "ns").dt.replace_time_zone("UTC").dt.convert_time_zone(site.zone).dt.date()
    return counts.join(files.select("file_id", written=written), on="file_id", how="left").with_columns(
        day=pl.coalesce("day", "written")
    )


def _states(counts: pl.DataFrame) -> pl.DataFrame:
    """Add the bins up: a recount of one bin replaces that bin alone, the others keep their last count."""
    one_bin, one_place = [*_PLACE, "source", "item", "bin"], [*_PLACE, "source"]
    # Sorted once: windows by so many keys cost ten times as much.
    in_order = counts.sort(*one_bin, "day", "file_id", "line")
    last = in_order.filter(~_as_before(*one_bin, "day").shift(-1, fill_value=False))
    summed = ["on_hand", *_UNSAID, "given"]
    whole = last.with_columns(
        _whole("on_hand"), *(_whole(name).fill_null(0) for name in _UNSAID),
        given=pl.col("on_order").is_not_null().cast(pl.Int64), recounted=_as_before(*one_bin),
    )  # fmt: skip
    change = whole.with_columns(
        pl.col(name) - pl.when("recounted").then(pl.col(name).shift(1)).otherwise(0) for name in summed
    )
    by_day = (
        change.group_by(*one_place, "day")
        .agg(pl.col(summed).sum(), pl.col("priority").first(), pl.col("batch_id").max())
        .sort(*one_place, "day")
    )
    here = {name: pl.col(name).cum_sum() for name in summed}
    before = (pl.when(~_as_before(*one_place)).then(here[name] - pl.col(name)).forward_fill() for name in summed)
    return by_day.with_columns(here[name] - so_far for name, so_far in zip(summed, before, strict=True))


def _as_before(*names: str) -> pl.Expr:
    """Whether a row is that of the row before in all of `names`."""
    is_first = pl.int_range(pl.len()) == 0
    return ~is_first & pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift(1)) for name in names)


def _with_on_order(held: pl.DataFrame, facts: StockFacts, days: pl.DataFrame) -> pl.DataFrame:
    places = facts.on_order.select(_PLACE).unique()
    ordered = _as_of(days.join(places, how="cross"), facts.on_order, _PLACE).filter(pl.col("open") > 0)
    here = held.select("day", *_PLACE, counted=pl.lit(True))
    most = (
        held.sort(["on_hand", "location_id"], descending=[True, False])
        .unique(["day", "item_id"], keep="first", maintain_order=True)
        .select("day", "item_id", main="location_id")
    )
    placed = (
        ordered.join(here, on=["day", *_PLACE], how="left")
        .join(most, on=["day", "item_id"])
        .with_columns(location_id=pl.when("counted").then("location_id").otherwise("main"))
        .group_by("day", *_PLACE)
        .agg(pl.col("open").sum())
    )
    said = pl.col("given").sum().over("day", "item_id") > 0
    return held.join(placed, on=["day", *_PLACE], how="left").with_columns(
        on_order=pl.when(said).then("on_order").otherwise(pl.col("open").fill_null(0))
    )


def _as_of(left: pl.DataFrame, right: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Join to each row of `left` the newest row of `right` up to its day."""
    return left.sort("day").join_asof(
        right.sort("day"), on="day", by=by, strategy="backward", check_sortedness=False
    )  # fmt: skip


def _whole(name: str) -> pl.Expr:
    return (pl.col(name) * 10**SCALE).round().cast(pl.Int64)
