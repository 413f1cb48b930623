"""Which supply serves which demand, first come first served by day; and what of it is still free to promise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from manufacturing_copilot.planning.arithmetic.arrays import Floats, Ints

SMALL = 1e-9


@dataclass(frozen=True)
class Pegs:
    """Pieces of supplies that serve pieces of demands, by their numbers in what was given."""

    supply: Ints
    demand: Ints
    quantity: Floats


def peg(supply_row: Ints, supplied: Floats, demand_row: Ints, demanded: Floats) -> Pegs:
    """Return what each supply serves: within each row the first supply goes to the first demand.

    Supplies and demands of a row stand in the order in which they come; stock is the first supply.
    """
    supply_order = np.argsort(supply_row, kind="stable")
    demand_order = np.argsort(demand_row, kind="stable")
    rows = int(max(supply_row.max(initial=-1), demand_row.max(initial=-1))) + 1
    totals = np.maximum(
        np.bincount(supply_row, weights=supplied, minlength=rows),
        np.bincount(demand_row, weights=demanded, minlength=rows),
    )
    base = np.concatenate([[0.0], np.cumsum(totals)[:-1]]) if rows else np.zeros(0)
    supply_end = _ends(supply_row[supply_order], supplied[supply_order], base)
    demand_end = _ends(demand_row[demand_order], demanded[demand_order], base)
    ends = np.unique(np.concatenate([supply_end, demand_end]))
    starts = np.concatenate([[0.0], ends[:-1]])
    middle = (starts + ends) / 2
    of_supply = np.searchsorted(supply_end, middle)
    of_demand = np.searchsorted(demand_end, middle)
    both = (of_supply < len(supply_end)) & (of_demand < len(demand_end)) & (ends - starts > SMALL)
    of_supply, of_demand, size = of_supply[both], of_demand[both], (ends - starts)[both]
    served = (supply_end - supplied[supply_order])[of_supply] <= middle[both]
    wanted = (demand_end - demanded[demand_order])[of_demand] <= middle[both]
    kept = served & wanted
    return Pegs(supply_order[of_supply[kept]], demand_order[of_demand[kept]], size[kept])


def _ends(row: Ints, quantity: Floats, base: Floats) -> Floats:
    summed = np.cumsum(quantity)
    first = np.searchsorted(row, row, side="left")
    before = np.concatenate([[0.0], summed])[first]
    return base[row] + summed - before


def promisable(opening: Floats, receipts: Floats, committed: Floats) -> Floats:
    """Return what can be promised by the end of each bucket, rows × buckets, cumulated.

    Available to promise (Vollmann, Berry, Whybark, Jacobs) is a receipt less the orders before the next one. What is
    short later is taken from what came before, so that no piece is promised twice: the least that is left of stock
    and receipts over the orders, from each bucket on.
    """
    left = opening[:, None] + np.cumsum(receipts - committed, axis=1)
    return np.minimum.accumulate(left[:, ::-1], axis=1)[:, ::-1]
