"""What has to be ordered or made: the requirements of a day over all levels of the bills, with their arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from time import perf_counter

import numpy as np
import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.forecasts.contract import Floats
from manufacturing_copilot.formatting import counted, listed
from manufacturing_copilot.planning.arithmetic.horizon import Horizon
from manufacturing_copilot.planning.arithmetic.lead_time_demand import DemandShape, quantile
from manufacturing_copilot.planning.arithmetic.open_days import dates, day_number
from manufacturing_copilot.planning.arithmetic.requirements import (
    ALWAYS,
    BillLines,
    PlannedRows,
    Requirements,
    plan_requirements,
    quantity_with_scrap,
)
from manufacturing_copilot.planning.projection import cumulative_demand
from manufacturing_copilot.planning.replenishment_time import LEAD_TIME_POINTS, POINTS, lead_times
from manufacturing_copilot.planning.runout import REVIEW_DAYS, SERVICE_LEVEL, lot_rules
from manufacturing_copilot.planning.stock_inputs import (
    LONGEST_DAYS,
    StockPaths,
    counted_supply,
    main_place,
    read_paths,
    stock_records,
)
from manufacturing_copilot.progress import record_progress
from manufacturing_copilot.site import Site
from manufacturing_copilot.store import Store, insert_frame, read_frame
from manufacturing_copilot.store.tables import OrderSource, item, planned_order
from manufacturing_copilot.unified.refresh.past_day import facts_as_known
from manufacturing_copilot.unified.structure.explosion import in_use, read_lines

STAGE = "planning"
DAYS, WEEKS = 90, 40
"""The horizon: days, then weeks; more weeks where a lead time is longer."""

MIDDLE = len(LEAD_TIME_POINTS) // 2


@dataclass(frozen=True)
class PlanSummary:
    """What was planned as of a day: item-places, orders, and in sentences what could not be planned as it should."""

    as_of: date
    item_places: int
    orders: int
    seconds: float
    problems: tuple[str, ...]


def plan_orders(store: Store, site: Site, as_of: date, *, progress: Callable[[str], None] | None = None) -> PlanSummary:
    """Plan what has to be ordered or made as known at the end of `as_of`; in place of what was planned for that day.

    It rests on the demand forecast of the same day and plans nothing without one. One transaction writes.
    """
    start = perf_counter()
    with facts_as_known(store, site, as_of) as connection:
        orders, item_places, problems = _plan(connection, as_of)
    with store.write() as connection:
        connection.execute(sa.delete(planned_order).where(planned_order.c.as_of == as_of))
        insert_frame(connection, planned_order, orders)
        record_progress(connection, site, as_of, STAGE)
    if progress is not None:
        progress(f"{orders.height} orders planned for {item_places} item-places")
    return PlanSummary(as_of, item_places, orders.height, perf_counter() - start, tuple(problems))


def _plan(connection: sa.Connection, as_of: date) -> tuple[pl.DataFrame, int, list[str]]:
    paths = read_paths(connection, as_of, DAYS + 7 * WEEKS, beyond_lead_time=REVIEW_DAYS + 1)
    if paths is None:
        sentence = f"Demand is not forecast as of {as_of}, so nothing is planned."
        return _frame({}), 0, [f"{sentence} Materialize forecasts/demand of that day first."]
    weeks = max(WEEKS, -(-(min(paths.days, LONGEST_DAYS) - DAYS) // 7))
    horizon = Horizon.ahead(as_of, days=DAYS, weeks=weeks)
    stock = stock_records(connection, as_of)
    lines = _bill_lines(connection, as_of)
    rows = _rows(connection, paths, lines, stock)
    bills = _bills(rows, lines)
    leads = lead_times(connection, rows, as_of)
    row_numbers = rows.select("item_id", "location_id").with_row_index("row")
    supply, rows = counted_supply(connection, rows, row_numbers, leads, stock, as_of, main_place(connection))
    planned = _planned_rows(rows, paths, leads)
    receipts = _receipts(supply, rows.height, horizon)
    result = plan_requirements(planned, bills, _gross(rows, paths, horizon), receipts, horizon)
    return _frame(_columns(rows, planned, result, as_of)), rows.height, _problems(rows, bills, planned, result)


def _bill_lines(connection: sa.Connection, as_of: date) -> pl.DataFrame:
    """Return parent, child, quantity for one parent, valid_from and valid_to, of what holds on the day or later."""
    lines = read_lines(connection)
    now = in_use(lines, as_of).filter(pl.col("usage") > 0)
    # Which of several ways will be taken later is not known yet: those that hold now go on.
    later = lines.filter(~pl.col("has_alternative") & (pl.col("valid_from") > as_of)).with_columns(usage=pl.lit(1.0))
    both = pl.concat([now.select(later.columns), later])
    scrap = pl.when(pl.col("scrap_ratio") < 1).then("scrap_ratio").otherwise(0.0).fill_null(0.0)
    kept = both.with_columns(scrap=scrap, quantity=pl.col("quantity_per").cast(pl.Float64) * pl.col("usage"))
    return kept.with_columns(
        quantity=pl.Series(quantity_with_scrap(kept["quantity"].to_numpy(), kept["scrap"].cast(pl.Float64).to_numpy())),
        valid_to=pl.when("has_alternative").then(None).otherwise("valid_to"),
    ).select("parent", "child", "quantity", "valid_from", "valid_to")


def _rows(connection: sa.Connection, paths: StockPaths, lines: pl.DataFrame, stock: pl.DataFrame) -> pl.DataFrame:
    """Return the item-places that are planned: those with demand of their own, and what they are made of below them."""
    known = paths.keys.select("item_id", "location_id", own=pl.lit(True))
    reached = known
    while True:
        below = _components(reached, lines, stock).select("item_id", "location_id").unique()
        new = below.join(known, on=["item_id", "location_id"], how="anti")
        if new.is_empty():
            break
        reached = new
        known = pl.concat([known, new.with_columns(own=pl.lit(False))])
    items = read_frame(
        connection,
        sa.select(
            item.c.id.label("item_id"), item.c.sku, item.c.supplier_id, item.c.made, item.c.phantom,
            item.c.lead_time_days, item.c.minimum_order, item.c.order_multiple, item.c.base_unit, item.c.safety_stock,
        ).where(~item.c.service),
    )  # fmt: skip
    has_bill = lines.select(pl.col("parent").unique().alias("item_id"), has_bill=pl.lit(True))
    return (
        known.join(items, on="item_id")
        .join(has_bill, on="item_id", how="left")
        .join(stock.drop("said_on_order"), on=["item_id", "location_id"], how="left")
        .with_columns(
            stock_known=pl.col("on_hand").is_not_null(),
            made=pl.coalesce("made", "has_bill", pl.lit(False)),
        )
        .with_columns(pl.col("on_hand", "available", "reserved").cast(pl.Float64).fill_null(0.0))
        .drop("has_bill")
        .sort("item_id", "location_id")
    )


def _components(parents: pl.DataFrame, lines: pl.DataFrame, stock: pl.DataFrame) -> pl.DataFrame:
    """Return the components of parents at places (item_id, location_id): parent, parent_location and their own place.

    A component is taken where its parent is made; if it lies elsewhere alone, from where most of it lies.
    """
    used = parents.select(parent="item_id", parent_location="location_id").join(lines, on="parent")
    here = stock.select(child="item_id", parent_location="location_id", here=pl.lit(True))
    most = (
        stock.sort("item_id", "on_hand", "location_id", descending=[False, True, False])
        .unique("item_id", keep="first", maintain_order=True)
        .select(child="item_id", elsewhere="location_id")
    )
    placed = used.join(here, on=["child", "parent_location"], how="left").join(most, on="child", how="left")
    place = pl.when("here").then("parent_location").otherwise(pl.coalesce("elsewhere", "parent_location"))
    return placed.with_columns(item_id="child", location_id=place)


def _bills(rows: pl.DataFrame, lines: pl.DataFrame) -> BillLines:
    numbered = rows.with_row_index("row").with_columns(pl.col("row").cast(pl.Int64))
    makers = numbered.filter(pl.col("made") | pl.col("phantom"))
    places = numbered.select("item_id", "location_id", "row", "on_hand", "stock_known")
    stocked = places.filter("stock_known").select("item_id", "location_id", "on_hand")
    used = _components(makers, lines, stocked).join(
        makers.select(parent="item_id", parent_location="location_id", parent_row="row"),
        on=["parent", "parent_location"],
    )
    # A component's own place is among the rows: they were found along the same lines.
    lines_of = used.join(places.select("item_id", "location_id", child_row="row"), on=["item_id", "location_id"])
    day = [
        (pl.col(name) - pl.lit(date(1970, 1, 1))).dt.total_days().fill_null(default)
        for name, default in (("valid_from", -ALWAYS), ("valid_to", ALWAYS))
    ]
    frame = lines_of.select("parent_row", "child_row", "quantity", *day)
    return BillLines(*(frame[name].to_numpy() for name in frame.columns))


def _planned_rows(rows: pl.DataFrame, paths: StockPaths, leads: Floats) -> PlannedRows:
    count = rows.height
    lead = np.ceil(leads[:, MIDDLE]).astype(np.int64)
    computed = rows.join(_safety_stocks(paths), on=["item_id", "location_id"], how="left", maintain_order="left")
    safety = computed.select(
        pl.coalesce(pl.col("safety_stock").cast(pl.Float64), "computed", pl.lit(0.0)).clip(lower_bound=0)
    )
    kept = safety.to_series().to_numpy()
    nothing, whole = np.zeros(count), np.zeros(count, dtype=np.int64)
    return PlannedRows(
        opening=rows["available"].to_numpy(),
        safety=kept,
        order_up_to=kept,
        lead_days=lead,
        lead_days_per_unit=nothing,
        calendar=whole,
        cover_days=np.full(count, REVIEW_DAYS),
        pull_in_days=np.full(count, REVIEW_DAYS),
        released_from=np.full(count, day_number(paths.as_of) + 1),
        safety_from=whole,
        good_share=np.ones(count),
        phantom=rows["phantom"].to_numpy(),
        lots=lot_rules(rows),
        sizing=np.zeros(count, dtype=np.int8),
        ordering_cost=nothing,
        holding_cost=nothing,
    )


def _safety_stocks(paths: StockPaths) -> pl.DataFrame:
    """Return item_id, location_id, computed: the quantile of demand over lead time and review, less its mean."""
    mean, variance = cumulative_demand(paths)
    cover = np.clip(np.ceil(paths.leads[:, MIDDLE]).astype(np.int64) + REVIEW_DAYS - 1, 0, paths.days - 1)
    at = np.arange(len(mean)), cover
    shape = np.where(paths.keys["sparse"].to_numpy(), DemandShape.NEGATIVE_BINOMIAL, DemandShape.NORMAL)
    level = quantile(mean[at], variance[at], shape, np.full(len(mean), SERVICE_LEVEL))
    return paths.keys.select("item_id", "location_id").with_columns(computed=np.maximum(level - mean[at], 0.0))


def _gross(rows: pl.DataFrame, paths: StockPaths, horizon: Horizon) -> Floats:
    """Return demand from outside by row and bucket: firm orders, and the forecast that they leave.

    What is reserved of a component counts at once: it is for orders of production that are open.
    """
    numbered = rows.select("item_id", "location_id").with_row_index("row")
    at = paths.keys.select("item_id", "location_id").join(
        numbered, on=["item_id", "location_id"], maintain_order="left"
    )
    days = horizon.end - int(horizon.starts[0])
    daily = np.zeros((paths.keys.height, days))
    known = min(days, paths.days)
    daily[:, :known] = (paths.demand + paths.firm)[:, :known]
    gross = np.zeros((rows.height, horizon.buckets))
    gross[at["row"].to_numpy()] = np.add.reduceat(daily, horizon.starts - horizon.starts[0], axis=1)
    components = np.flatnonzero(~rows["own"].to_numpy())
    gross[components, 0] += rows["reserved"].to_numpy()[components]
    return gross


def _receipts(supply: pl.DataFrame, rows: int, horizon: Horizon) -> Floats:
    day = supply[POINTS[MIDDLE]].to_numpy() + horizon.starts[0]
    return horizon.spread(rows, supply["row"].to_numpy(), day, supply["quantity"].to_numpy())


def _columns(
    rows: pl.DataFrame, planned: PlannedRows, result: Requirements, as_of: date
) -> dict[str, pl.Series | np.ndarray]:
    orders = result.orders
    at = orders.row
    made = rows["made"].to_numpy()[at]
    return {
        "as_of": pl.repeat(as_of, len(at), dtype=pl.Date, eager=True),
        "item_id": rows["item_id"].to_numpy()[at],
        "location_id": rows["location_id"].to_numpy()[at],
        "due_on": dates(orders.due),
        "source": np.where(made, OrderSource.MAKE.value, OrderSource.BUY.value),
        "release_on": dates(orders.release),
        "late_days": orders.late_days,
        "quantity": orders.quantity,
        "gross": orders.gross,
        "balance": orders.balance,
        "pulled_in": orders.pulled,
        "net": orders.net,
        "safety_stock": planned.safety[at],
        "lead_time_days": planned.lead_days[at],
        "level": result.codes.code[at],
        "stock_known": rows["stock_known"].to_numpy()[at],
    }


_DTYPES = {
    "as_of": pl.Date, "item_id": pl.Int64, "location_id": pl.Int64, "due_on": pl.Date, "source": pl.String,
    "release_on": pl.Date, "late_days": pl.Int64, "quantity": pl.Float64, "gross": pl.Float64, "balance": pl.Float64,
    "pulled_in": pl.Float64, "net": pl.Float64, "safety_stock": pl.Float64, "lead_time_days": pl.Int64,
    "level": pl.Int64, "stock_known": pl.Boolean,
}  # fmt: skip


def _frame(columns: dict[str, pl.Series | np.ndarray]) -> pl.DataFrame:
    if not columns:
        return pl.DataFrame(schema=_DTYPES)
    numbers = [name for name, dtype in _DTYPES.items() if dtype == pl.Float64]
    return pl.DataFrame(columns).cast(_DTYPES).with_columns(pl.col(numbers).round(6))  # type: ignore[arg-type]


def _problems(rows: pl.DataFrame, bills: BillLines, planned: PlannedRows, result: Requirements) -> list[str]:
    sku = rows["sku"].to_numpy()
    unknown = ~rows["stock_known"].to_numpy() & (result.gross.sum(axis=1) > 0) & ~planned.phantom
    sentences = [
        (
            np.unique(bills.parent[result.codes.in_cycle]),
            "made of themselves by way of others; these lines of their bills are left out, the rest is planned",
            "Correct the bills",
        ),
        (
            np.flatnonzero(planned.lots.impossible()),
            "under a lot rule that no quantity meets",
            "Correct minimum, multiple and maximum",
        ),
        (
            result.beyond,
            "needed sooner than anything ordered now can come within the horizon",
            "Look for another source, or correct the lead times",
        ),
        (
            np.flatnonzero(unknown),
            "needed where stock was never counted; nothing is taken to be there",
            "Deliver their stock",
        ),
    ]
    return [
        f"{counted(len(at), 'item is', 'items are')} {text}: {listed(sorted(set(sku[at].tolist())))}. {advice}."
        for at, text, advice in sentences
        if len(at)
    ]
