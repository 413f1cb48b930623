"""Netting what came back against what went before: the latest first, in whole columns."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from manufacturing_copilot.store.types import SCALE


def net_of_returns(rows: pl.DataFrame, by: Sequence[str], order: Sequence[str], quantity: str) -> pl.DataFrame:
    """Return the rows, in order, with `net` and `owed`: what is left of each once later negatives are taken off it.

    Read from the end, each negative row is a debt that the rows before it pay, the latest first. `net` of a positive
    row is what it keeps, of a negative one 0; `owed` is the debt that is still open before the row. What the first
    row of a group owes was never there before, and is matched with nothing: rows sum to net less that.

    The debt follows the recursion of Lindley, D(t) = max(0, D(t + 1) - x(t)), solved by running sums and minima.
    """
    group = list(by)
    backward = rows.sort(*group, *order, descending=[False] * len(group) + [True] * len(order))
    debt = pl.col("_debt")
    found = (
        backward.with_columns(_debt=(-pl.col(quantity)).cum_sum().over(group))
        .with_columns(owed=debt - pl.min_horizontal(pl.lit(0.0), debt.cum_min().over(group)))
        .with_columns(_later=pl.col("owed").shift(1).over(group).fill_null(0.0))
        .with_columns(net=(pl.col(quantity) + pl.col("owed") - pl.col("_later")).clip(lower_bound=0.0).round(SCALE))
    )
    return found.drop("_debt", "_later").sort(*group, *order)
