"""From gross to net: when stock and what is on order no longer cover the demand, and what is then ordered.

The projected balance is stock plus receipts less demand (Orlicky, Material Requirements Planning). Receipts of a day
count before its issues. Demand may use the safety stock, which is rebuilt by the first day a new order can arrive. An
open receipt that comes within `pull_in` buckets after the need is asked for earlier before anything new is ordered.

Written over cumulated quantities: with X the balance from stock, receipts and demand alone, the orders up to a
bucket must come to D = safety stock - X. Nothing else has to be carried from bucket to bucket, so that all rows are
decided in one pass over the buckets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from manufacturing_copilot.planning.arithmetic.arrays import Floats, Ints
from manufacturing_copilot.planning.arithmetic.lot_rules import LotRules, order_total

SMALL = 1e-6
"""Quantity below which nothing is missing."""


@dataclass(frozen=True)
class NettingRules:
    """How each row orders; buckets are counted from 0.

    `floor`: the balance below which an order is due (the safety stock, or a declared reorder point); `target`: the
    balance that an order restores (the same, or an order-up-to level). `floor_from`: the bucket from which on that
    is asked; before it demand alone is served. `earliest`: the first bucket in which a new order can arrive.
    `window`: for each bucket, the bucket before which an order that arrives in it covers the needs, rows × buckets
    (None: its own alone). `pull_in`: for each bucket the last one
    whose open receipts count as well, rows × buckets (None: its own).
    `good_share`: of what is started, how much becomes good.
    """

    lots: LotRules
    floor: Floats
    target: Floats
    floor_from: Ints
    earliest: Ints
    good_share: Floats
    window: Ints | None = None
    pull_in: Ints | None = None


@dataclass(frozen=True)
class NetOrders:
    """Planned orders, one for each row and bucket that has any, ordered by bucket, with their arithmetic.

    `balance` is what would be there at the end of the bucket without the order, open receipts that are to be pulled
    in included (`pulled`); `net` what is missing over the order's window; `quantity` what is started, `good` what of
    it becomes stock; `needed` the bucket in which it was wanted, before `bucket` where it cannot come in time.
    """

    row: Ints
    bucket: Ints
    needed: Ints
    balance: Floats
    pulled: Floats
    net: Floats
    quantity: Floats
    good: Floats


def net_orders(opening: Floats, gross: Floats, receipts: Floats, rules: NettingRules) -> NetOrders:
    """Return the orders that keep every row's balance at its floor.

    `opening` is by row, `gross` and `receipts` rows × buckets, all in the row's unit.
    """
    rows, buckets = gross.shape
    covered = opening[:, None] + np.cumsum(receipts - gross, axis=1)
    pulled = _receipts_ahead(receipts, rules.pull_in)
    covered += pulled
    asked = np.arange(buckets) >= rules.floor_from[:, None]
    missing_for_target = np.where(asked, rules.target[:, None], 0.0) - covered
    missing = np.where(asked, rules.floor[:, None], 0.0) - covered
    can_arrive = np.arange(buckets) >= rules.earliest[:, None]
    wanted = np.where(can_arrive, missing, -np.inf).T.copy()
    upto = missing_for_target.T.copy()
    ordered = np.zeros(rows)
    parts: list[tuple[NDArray, ...]] = []
    for bucket in range(buckets):
        due = np.flatnonzero(wanted[bucket] > ordered + SMALL)
        if not len(due):
            continue
        before = ordered[due]
        net = _over_window(upto, rules.window, bucket, due) - before
        quantity = order_total(net / rules.good_share[due], rules.lots.of(due))
        good = quantity * rules.good_share[due]
        ordered[due] = before + good
        parts.append((due, np.full(len(due), bucket), before, net, quantity, good))
    row, at, before, net, quantity, good = _joined(parts)
    return NetOrders(
        row=row,
        bucket=at,
        needed=_first_needed(missing, rules.earliest, row, at),
        balance=covered[row, at] + before,
        pulled=pulled[row, at],
        net=net,
        quantity=quantity,
        good=good,
    )


def _receipts_ahead(receipts: Floats, pull_in: Ints | None) -> Floats:
    if pull_in is None:
        return np.zeros_like(receipts)
    summed = np.cumsum(receipts, axis=1)
    return np.take_along_axis(summed, pull_in, axis=1) - summed


def _over_window(upto: Floats, window: Ints | None, bucket: int, due: Ints) -> Floats:
    if window is None:
        return upto[bucket, due]
    ends = window[due, bucket]
    last = int(ends.max())
    inside = np.arange(bucket, last)[:, None] < np.maximum(ends, bucket + 1)
    return np.where(inside, upto[bucket:last, due], -np.inf).max(axis=0) if last > bucket else upto[bucket, due]


def _first_needed(missing: Floats, earliest: Ints, row: Ints, bucket: Ints) -> Ints:
    # Only an order that comes on the first possible day can have been wanted before it.
    needed = bucket.copy()
    first = np.flatnonzero((bucket == earliest[row]) & (bucket > 0))
    if len(first):
        reached = int(bucket[first].max())
        short = (missing[row[first], : reached + 1] > SMALL) & (np.arange(reached + 1) <= bucket[first][:, None])
        needed[first] = np.argmax(short, axis=1)
    return needed


def _joined(parts: list[tuple[NDArray, ...]]) -> list[NDArray]:
    if not parts:
        none, nothing = np.empty(0, dtype=np.int64), np.empty(0)
        return [none, none, nothing, nothing, nothing, nothing]
    return [np.concatenate(column) for column in zip(*parts, strict=True)]
