"""Low-level codes: the deepest level at which an item-place is used, so that it is planned after all its demand.

Orlicky, Material Requirements Planning: an item is planned after all its parents. A cycle has no order; its lines are
named and left out, and the rest is planned.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from manufacturing_copilot.planning.arithmetic.arrays import Ints


@dataclass(frozen=True)
class LowLevelCodes:
    """`code`: the level of each row, 0 for what nothing uses; `in_cycle`: which lines of the bills close a cycle."""

    code: Ints
    in_cycle: NDArray[np.bool_]

    @property
    def levels(self) -> int:
        """How many levels there are."""
        return int(self.code.max(initial=-1)) + 1

    def longest_path(self, days: NDArray, parent: Ints, component: Ints) -> NDArray[np.float64]:
        """Return for each row its own days and those of the slowest chain of components below it."""
        total = np.asarray(days, dtype=float).copy()
        for level in range(self.levels - 1, -1, -1):
            lines = np.flatnonzero((self.code[parent] == level) & ~self.in_cycle)
            slowest = np.zeros(len(total))
            np.maximum.at(slowest, parent[lines], total[component[lines]])
            total += slowest
        return total


def low_level_codes(rows: int, parent: Ints, component: Ints) -> LowLevelCodes:
    """Return the level of each of `rows` rows under lines from a parent row to a component row."""
    in_cycle = _in_cycle(rows, parent, component)
    parent, component = parent[~in_cycle], component[~in_cycle]
    order = np.argsort(parent, kind="stable")
    children = component[order]
    first = np.searchsorted(parent[order], np.arange(rows + 1))
    waiting = np.bincount(component, minlength=rows)
    code = np.zeros(rows, dtype=np.int64)
    front = np.flatnonzero(waiting == 0)
    level = 0
    while len(front):
        code[front] = level
        reached = children[_ranges(first[front], first[front + 1])]
        waiting -= np.bincount(reached, minlength=rows)
        touched = np.unique(reached)
        front = touched[waiting[touched] == 0]
        level += 1
    return LowLevelCodes(code, in_cycle)


def _in_cycle(rows: int, parent: Ints, component: Ints) -> NDArray[np.bool_]:
    if not len(parent):
        return np.zeros(0, dtype=bool)
    graph = csr_array((np.ones(len(parent), dtype=np.int8), (parent, component)), shape=(rows, rows))
    _, group = connected_components(graph, directed=True, connection="strong")
    return group[parent] == group[component]


def _ranges(first: Ints, end: Ints) -> Ints:
    """Return the numbers of all ranges one after the other."""
    length = end - first
    total = int(length.sum())
    offset = np.repeat(first - np.concatenate([[0], np.cumsum(length)[:-1]]), length) if total else 0
    return np.arange(total, dtype=np.int64) + offset
