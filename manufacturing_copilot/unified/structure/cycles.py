"""Finding what is made of itself."""

from __future__ import annotations

import polars as pl


def cycles(edges: pl.DataFrame) -> list[list[int]]:
    """Return the cycles among `edges` (parent, child, each pair once), each as its members in order.

    Every edge that lies on a cycle belongs to a strongly connected part of which at least one cycle is named; a
    member is named in one cycle at most, so the list is short however tangled the structure is.
    """
    found: list[list[int]] = []
    left = _core(edges)
    while not left.is_empty():
        # What is left has a parent and a child everywhere, so following any child must come round.
        cycle = _walk(dict(left.sort("parent", "child", descending=True).iter_rows()))
        found.append(cycle)
        left = _core(left.filter(~pl.col("parent").is_in(cycle) & ~pl.col("child").is_in(cycle)))
    return found


def _core(edges: pl.DataFrame) -> pl.DataFrame:
    """Peel off what has no children, and what has no parents, until nothing more comes off."""
    while True:
        inner = edges.join(edges, left_on="child", right_on="parent", how="semi").join(
            edges, left_on="parent", right_on="child", how="semi"
        )
        if inner.height == edges.height:
            return inner
        edges = inner


def _walk(child_of: dict[int, int]) -> list[int]:
    path: list[int] = []
    place: dict[int, int] = {}
    node = min(child_of)
    while node not in place:
        place[node] = len(path)
        path.append(node)
        node = child_of[node]
    cycle = path[place[node] :]
    first = cycle.index(min(cycle))
    return cycle[first:] + cycle[:first]
