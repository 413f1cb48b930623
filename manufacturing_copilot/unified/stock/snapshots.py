"""Stock by item and location at the end of each day, from counts rolled forward, or from movements alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.site import Site
from manufacturing_copilot.store import read_frame
from manufacturing_copilot.store.merge import SyncCounts, sync_frame
from manufacturing_copilot.store.tables import accepted, batch_file, inventory_snapshot, stock_difference
from manufacturing_copilot.store.types import SCALE
from manufacturing_copilot.unified.codes import read_accepted
from manufacturing_copilot.unified.conform import conformed
from manufacturing_copilot.unified.costs import cost_history
from manufacturing_copilot.unified.endings import with_emptied
from manufacturing_copilot.unified.history.purchases import Purchases, read_purchases, remaining_changes
from manufacturing_copilot.unified.stock.movements import counted_nowhere, read_movements, refresh_differences, states
from manufacturing_copilot.unified.stock.roll_forward import rolled_forward
from manufacturing_copilot.unified.stock.totals import disagreements, with_totals, without_totals

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

    `states`: item_id, location_id, placed (whether a place is named), source, priority, day, on_hand, reserved,
    on_order, in_inspection, given (how many bins name a quantity on order), batch_id: what a source knows from that day
    on. `on_order`: item_id, location_id, day, open: from purchase lines. `costs`: item_id, day, unit_cost.
    `movements`: as of `read_movements`; what counts are rolled forward by.
    """

    states: pl.DataFrame
    on_order: pl.DataFrame
    costs: pl.DataFrame
    movements: pl.DataFrame


def refresh_snapshots(
    connection: sa.Connection, site: Site, first: date, last: date, facts: StockFacts | None = None
) -> StockCounts:
    """Bring the snapshots of the days `first` to `last` up to date in one pass; needs items and locations.

    Each day is what it would be alone: only counts (or movements, where the site has no feed of counts), purchase
    lines, receipts and costs up to that day are used. `facts`: as of `read_stock_facts`, where they are read already.
    """
    facts = facts or read_stock_facts(connection, site, last)
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

    Per item and location the first source by priority that has counted by then is believed; its count is rolled forward
    by what moved since (`roll_forward`). Counts that name no place are totals (`totals`). Where no source says what is
    on order for an item, its open purchase lines do: at their location if the item was ever counted there, else where
    most of it lies. Reserved and in inspection are 0 where nobody says.
    """
    days = pl.DataFrame({"day": pl.date_range(first, last, eager=True)})
    held = _with_on_order(with_totals(_held(facts, days)), facts, days)
    costed = _as_of(held, facts.costs, ["item_id"])
    return costed.select(
        "day", *_PLACE,
        # polars' division is a last bit off, and by how much depends on the number of rows: round to the stored places
        *((pl.col(name) / 10**SCALE).round(SCALE) for name in ("on_hand", *_UNSAID)),
        "unit_cost", "counted_on", "batch_id",
    ).sort("day", *_PLACE)  # fmt: skip


def _held(facts: StockFacts, days: pl.DataFrame) -> pl.DataFrame:
    """Return day, item_id, location_id, placed, priority, counted_on, …: what is believed of every place and total."""
    place = [*_PLACE, "placed"]
    keys = facts.states.select(*place, "source", "priority").unique()
    grid = days.join(keys, how="cross")
    known = _as_of(grid, facts.states.drop("priority").with_columns(counted_on="day"), [*place, "source"])
    known = known.drop_nulls("counted_on").sort("priority", "source")
    held = known.unique(["day", *place], keep="first", maintain_order=True).drop("source")
    return rolled_forward(held, facts.movements)


def totals_against_places(connection: sa.Connection, site: Site, day: date) -> pl.DataFrame:
    """Return where an item's count without a place and its places do not agree at the end of `day`.

    Columns: day, item_id, counted_on, total, placed_on, places, holds; see `totals.disagreements`.
    """
    totals = sa.select(accepted["stock_levels"].c.item).where(
        accepted["stock_levels"].c.location.is_(None), accepted["stock_levels"].c.bin.is_(None)
    )
    if not connection.scalar(sa.select(totals.exists())):
        return pl.DataFrame()
    rows = disagreements(_held(read_stock_facts(connection, site, day), pl.DataFrame({"day": [day]})))
    return rows.with_columns((pl.col(name) / 10**SCALE).round(SCALE) for name in ("total", "places"))


def read_stock_facts(
    connection: sa.Connection,
    site: Site,
    as_of: date,
    purchases: Purchases | None = None,
    movements: pl.DataFrame | None = None,
) -> StockFacts:
    """Return what snapshots of any day up to `as_of` are made from.

    `purchases` and `movements`: where they are read already.
    """
    quantities = ["on_hand", *_UNSAID]
    columns = ["item", "location", "bin", "day", *quantities, "unit"]
    counts = _read_counts(connection, site, columns, quantities)
    bought = purchases or read_purchases(connection, site)
    changes = remaining_changes(bought, as_of).with_columns(_whole("change")).sort("day")
    on_order = changes.with_columns(open=pl.col("change").cum_sum().over(_PLACE)).drop("change")
    costs = cost_history(connection, site).rename({"valid_from": "day"})
    held = _states(_dated(connection, site, counts))
    moved = read_movements(connection, site) if movements is None else movements
    if counted_nowhere(site):
        held = pl.concat([held, states(moved).with_columns(placed=pl.lit(True)).select(held.columns)])
        moved = moved.clear()
    return StockFacts(held, on_order, costs, moved)


def reconcile(connection: sa.Connection, site: Site, as_of: date, movements: pl.DataFrame | None = None) -> SyncCounts:
    """Bring stock_difference up to date: where counts and movements do not agree; empty where a site has not both.

    Of an item that is counted by places, counts that name none are left out. `movements`: as of `read_movements`, where
    they are read already.
    """
    found = read_movements(connection, site) if movements is None else movements
    if found.is_empty():
        return SyncCounts(0, deleted=connection.execute(sa.delete(stock_difference)).rowcount)
    columns = ["item", "location", "bin", "day", "on_hand", "unit"]
    counts = _read_counts(connection, site, columns, ["on_hand"])
    unsaid = {name: pl.lit(None, pl.Float64) for name in _UNSAID}
    held = _states(_dated(connection, site, counts.with_columns(**unsaid)))
    return refresh_differences(connection, without_totals(held), found, as_of)


def _spans(facts: StockFacts, first: date, last: date) -> Iterator[tuple[date, date]]:
    places = max(facts.states.select(*_PLACE, "placed", "source").unique().height, 1)
    step = timedelta(days=max(_ROWS_AT_ONCE // places, 1))
    while first <= last:
        end = min(first + step - timedelta(days=1), last)
        yield first, end
        first = end + timedelta(days=1)


def _read_counts(connection: sa.Connection, site: Site, columns: list[str], quantities: list[str]) -> pl.DataFrame:
    """Return the conformed counts, with those that full lists imply by leaving something out."""
    rows = read_accepted(connection, site, "stock_levels", columns, keyed=True)
    return conformed(connection, with_emptied(connection, site, rows, quantities), quantities=quantities)


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
    one_place = [*_PLACE, "placed", "source"]
    one_bin = [*one_place, "item", "bin"]
    # A bin is a place, whether or not its location is named.
    counts = counts.with_columns(placed=pl.col("placed") | pl.col("bin").is_not_null())
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
