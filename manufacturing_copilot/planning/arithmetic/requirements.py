"""Requirements over all levels of the bills: gross to net to lot to release, parents before their components.

Rows are item-places. A line of a bill says what one unit of the parent takes of the component; a lane between places
is a line of one, whose days are the lead time of the row it supplies. Components are due on the day their parent's
order is released. A phantom has no order and no lead time: what is there of it is used first, and its components
are needed on the same day (Orlicky, Material Requirements Planning).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from manufacturing_copilot.planning.arithmetic.arrays import Floats, Ints
from manufacturing_copilot.planning.arithmetic.dynamic_lots import ordering_windows
from manufacturing_copilot.planning.arithmetic.horizon import Horizon
from manufacturing_copilot.planning.arithmetic.lot_rules import LotRules
from manufacturing_copilot.planning.arithmetic.low_level_codes import LowLevelCodes, low_level_codes
from manufacturing_copilot.planning.arithmetic.netting import NetOrders, NettingRules, net_orders
from manufacturing_copilot.planning.arithmetic.open_days import EVERY_DAY, Days, OpenDays

ALWAYS = np.iinfo(np.int64).max // 4
"""A day later than all others, where a line of a bill does not end."""

LINES_AT_ONCE = 20_000
ROWS_AT_ONCE = 2_000
"""Rows planned together: few enough to stay in the processor's cache."""


@dataclass(frozen=True)
class BillLines:
    """What one good unit of each parent row takes of each component row.

    `quantity` holds scrap and share already (`quantity_with_scrap`); the line counts for orders released from
    `valid_from` to `valid_to`, day numbers, both included.
    """

    parent: Ints
    component: Ints
    quantity: Floats
    valid_from: Days
    valid_to: Days

    @classmethod
    def always(cls, parent: Sequence[int], component: Sequence[int], quantity: Sequence[float]) -> BillLines:
        """Return lines without an end."""
        rows = len(parent)
        return cls(
            np.array(parent, dtype=np.int64),
            np.array(component, dtype=np.int64),
            np.array(quantity, dtype=float),
            np.full(rows, -ALWAYS),
            np.full(rows, ALWAYS),
        )

    def without(self, lines: NDArray[np.bool_]) -> BillLines:
        """Return the other lines."""
        return BillLines(
            self.parent[~lines],
            self.component[~lines],
            self.quantity[~lines],
            self.valid_from[~lines],
            self.valid_to[~lines],
        )


def quantity_with_scrap(quantity: Floats, scrap: Floats, *, multiply: bool = False) -> Floats:
    """Return what has to be issued so that `quantity` is good, `scrap` a share from 0 to below 1.

    Scrap is a share of what is issued, so it divides: quantity / (1 - scrap). `multiply` takes it as a share of
    what is needed, as some systems do: quantity × (1 + scrap).
    """
    return quantity * (1 + scrap) if multiply else quantity / (1 - scrap)


@dataclass(frozen=True)
class PlannedRows:
    """What each item-place is planned by; arrays by row.

    `opening`: free stock, backlog not taken off; `safety`: the balance that is kept; `order_up_to`: what an order
    restores, the same where there is no such level; `lead_days`: open days from release to receipt, and
    `lead_days_per_unit` of the quantity; `calendar`: which of the plan's calendars counts them; `cover_days`: days
    of need that one order takes together, the first included; `pull_in_days`: how much later an open receipt may
    come and still be pulled in; `released_from`: first day on which an order may be released (after the frozen
    zone); `good_share`: good output for one unit started; `sizing` and its costs: how needs are put together.
    """

    opening: Floats
    safety: Floats
    order_up_to: Floats
    lead_days: Ints
    lead_days_per_unit: Floats
    calendar: Ints
    cover_days: Ints
    pull_in_days: Ints
    released_from: Days
    safety_from: Days
    good_share: Floats
    phantom: NDArray[np.bool_]
    lots: LotRules
    sizing: NDArray[np.int8]
    ordering_cost: Floats
    holding_cost: Floats
    """Per unit and day."""


@dataclass(frozen=True)
class PlannedOrders:
    """Planned orders, those of a row in the order of their days; see NetOrders for the arithmetic.

    `due` and `release` are days; `late_days` how many days after the want the order comes.
    """

    row: Ints
    due: Days
    release: Days
    late_days: Ints
    gross: Floats
    balance: Floats
    pulled: Floats
    net: Floats
    quantity: Floats
    good: Floats


@dataclass(frozen=True)
class Requirements:
    """The outcome: planned orders, the gross requirement by row and bucket, and what could not be planned."""

    orders: PlannedOrders
    gross: Floats
    planned: Floats
    codes: LowLevelCodes
    beyond: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    """Rows with a need, for which no order released now arrives within the horizon."""


def plan_requirements(
    rows: PlannedRows,
    bills: BillLines,
    gross: Floats,
    receipts: Floats,
    horizon: Horizon,
    *,
    calendars: Sequence[OpenDays] = (EVERY_DAY,),
) -> Requirements:
    """Return what has to be ordered so that each row keeps its safety stock, over all levels of the bills.

    `gross` is the independent demand, `receipts` what is on order on its likely days; both rows × buckets of the
    horizon. Lines that close a cycle are left out (`codes.in_cycle`).
    """
    count = len(rows.opening)
    codes = low_level_codes(count, bills.parent, bills.component)
    lines = bills.without(codes.in_cycle)
    total = gross.astype(float, copy=True)
    planned = np.zeros_like(total)
    parts: list[PlannedOrders] = []
    beyond: list[Ints] = []
    by_parent = np.argsort(codes.code[lines.parent], kind="stable")
    first_line = np.searchsorted(codes.code[lines.parent][by_parent], np.arange(codes.levels + 1))
    by_level = np.argsort(codes.code, kind="stable")
    first_row = np.searchsorted(codes.code[by_level], np.arange(codes.levels + 1))
    for level in range(codes.levels):
        members = by_level[first_row[level] : first_row[level + 1]]
        of_level: list[PlannedOrders] = []
        for start in range(0, len(members), ROWS_AT_ONCE):
            block = members[start : start + ROWS_AT_ONCE]
            earliest = _earliest(rows, block, horizon, calendars)
            orders, unplanned = _plan_rows(rows, block, total[block], receipts[block], horizon, earliest)
            dated = _dated(rows, block, orders, total, horizon, calendars)
            planned[dated.row, orders.bucket] = orders.good
            of_level.append(dated)
            beyond.append(unplanned)
        released = _joined(of_level)
        used = by_parent[first_line[level] : first_line[level + 1]]
        if len(used):
            _explode(lines, used, released, total, horizon)
        parts.append(_of_items(released, ~rows.phantom[released.row]))
    return Requirements(_joined(parts), total, planned, codes, np.concatenate(beyond or [np.empty(0, np.int64)]))


def _earliest(rows: PlannedRows, members: Ints, horizon: Horizon, calendars: Sequence[OpenDays]) -> Ints:
    arrival = np.empty(len(members), dtype=np.int64)
    start = np.maximum(rows.released_from[members], horizon.starts[0])
    for number, calendar in enumerate(calendars):
        of_calendar = rows.calendar[members] == number
        arrival[of_calendar] = calendar.forward(start[of_calendar], rows.lead_days[members][of_calendar])
    arrival = np.where(rows.phantom[members], horizon.starts[0], arrival)
    return horizon.first_bucket_from(arrival)


def _plan_rows(
    rows: PlannedRows, members: Ints, gross: Floats, receipts: Floats, horizon: Horizon, earliest: Ints
) -> tuple[NetOrders, Ints]:
    phantom = rows.phantom[members]
    lots = rows.lots.of(members)
    free = LotRules.none(len(members))
    lots = LotRules(
        np.where(phantom, free.minimum, lots.minimum),
        np.where(phantom, free.multiple, lots.multiple),
        np.where(phantom, free.maximum, lots.maximum),
    )
    floor = np.where(phantom, 0.0, rows.safety[members])
    floor_from = np.maximum(horizon.first_bucket_from(rows.safety_from[members]), 0)
    pull_in = _until(horizon, np.where(phantom, 0, rows.pull_in_days[members]))
    rules = NettingRules(
        lots=lots,
        floor=floor,
        target=np.where(phantom, 0.0, np.maximum(rows.order_up_to[members], floor)),
        floor_from=floor_from,
        earliest=earliest,
        good_share=np.where(phantom, 1.0, rows.good_share[members]),
        window=_windows(rows, members, gross, receipts, horizon, earliest, phantom),
        pull_in=pull_in,
    )
    orders = net_orders(rows.opening[members], gross, receipts, rules)
    late = np.flatnonzero(earliest >= horizon.buckets)
    short = (rows.opening[members[late], None] + np.cumsum(receipts[late] - gross[late], axis=1)).min(axis=1)
    return orders, members[late[short < floor[late]]]


def _until(horizon: Horizon, days: Ints) -> Ints | None:
    if not days.any():
        return None
    kinds, which = np.unique(days, return_inverse=True)
    table = np.stack([np.searchsorted(horizon.starts, horizon.starts + int(k), side="right") - 1 for k in kinds])
    return table[which]


def _windows(
    rows: PlannedRows,
    members: Ints,
    gross: Floats,
    receipts: Floats,
    horizon: Horizon,
    earliest: Ints,
    phantom: NDArray[np.bool_],
) -> Ints | None:
    days = np.where(phantom, 0, rows.cover_days[members])
    sizing = np.where(phantom, 0, rows.sizing[members])
    costed = np.flatnonzero((sizing > 0) & (rows.ordering_cost[members] > 0) & (rows.holding_cost[members] > 0))
    if not days.any() and not len(costed):
        return None
    kinds, which = np.unique(days, return_inverse=True)
    table = np.stack([np.searchsorted(horizon.starts, horizon.starts + max(int(k), 1), side="left") for k in kinds])
    window = table[which]
    if len(costed):
        at = members[costed]
        missing = rows.safety[at, None] - (rows.opening[at, None] + np.cumsum(receipts[costed] - gross[costed], axis=1))
        missing[np.arange(horizon.buckets) < earliest[costed, None]] = -np.inf
        net = np.diff(np.maximum.accumulate(np.maximum(missing, 0.0), axis=1), axis=1, prepend=0.0)
        window[costed] = ordering_windows(
            net, sizing[costed], rows.ordering_cost[at], rows.holding_cost[at], horizon.starts
        )
    return window


def _dated(
    rows: PlannedRows,
    members: Ints,
    orders: NetOrders,
    gross: Floats,
    horizon: Horizon,
    calendars: Sequence[OpenDays],
) -> PlannedOrders:
    row = members[orders.row]
    due = horizon.starts[orders.bucket]
    release = due.copy()
    lead = rows.lead_days[row] + np.ceil(rows.lead_days_per_unit[row] * orders.quantity - SLACK).astype(np.int64)
    lead = np.where(rows.phantom[row], 0, lead)
    for number, calendar in enumerate(calendars):
        at = (rows.calendar[row] == number) & ~rows.phantom[row]
        due[at] = np.maximum(calendar.on_or_before(due[at]), horizon.starts[0])
        release[at] = calendar.back(due[at], lead[at])
    release = np.maximum(release, horizon.starts[0])
    return PlannedOrders(
        row=row,
        due=due,
        release=release,
        late_days=horizon.starts[orders.bucket] - horizon.starts[orders.needed],
        gross=gross[row, orders.bucket],
        balance=orders.balance,
        pulled=orders.pulled,
        net=orders.net,
        quantity=orders.quantity,
        good=orders.good,
    )


SLACK = 1e-9


def _explode(lines: BillLines, chosen: Ints, orders: PlannedOrders, total: Floats, horizon: Horizon) -> None:
    """Add what the orders take of their components, in the bucket in which they are released."""
    buckets = horizon.buckets
    parents, place = np.unique(lines.parent[chosen], return_inverse=True)
    position = np.full(total.shape[0], -1, dtype=np.int64)
    position[parents] = np.arange(len(parents))
    used = position[orders.row] >= 0
    shape = (len(parents), buckets)
    at = position[orders.row[used]] * buckets + horizon.bucket_of(orders.release[used])
    started = np.bincount(at, weights=orders.quantity[used], minlength=len(parents) * buckets).reshape(shape)
    first, last = horizon.starts[0], horizon.starts[-1]
    whole = (lines.valid_from[chosen] <= first) & (lines.valid_to[chosen] >= last)
    components, target = np.unique(lines.component[chosen], return_inverse=True)
    need = np.zeros((len(components), buckets))
    if whole.any():
        per_parent = (len(components), len(parents))
        need += csr_array((lines.quantity[chosen[whole]], (target[whole], place[whole])), shape=per_parent) @ started
    dated = np.flatnonzero(~whole)
    for start in range(0, len(dated), LINES_AT_ONCE):
        part = dated[start : start + LINES_AT_ONCE]
        line = chosen[part]
        holds = (horizon.starts >= lines.valid_from[line, None]) & (horizon.starts <= lines.valid_to[line, None])
        issued = started[place[part]] * holds * lines.quantity[line, None]
        take = csr_array((np.ones(len(part)), (target[part], np.arange(len(part)))), shape=(len(components), len(part)))
        need += take @ issued
    total[components] += need


def _of_items(orders: PlannedOrders, chosen: NDArray[np.bool_]) -> PlannedOrders:
    return PlannedOrders(*(getattr(orders, name)[chosen] for name in PlannedOrders.__dataclass_fields__))


def _joined(parts: list[PlannedOrders]) -> PlannedOrders:
    columns = (
        np.concatenate([getattr(part, name) for part in parts] or [np.empty(0)])
        for name in PlannedOrders.__dataclass_fields__
    )
    return PlannedOrders(*columns)
