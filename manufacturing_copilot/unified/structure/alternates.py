"""Which of several ways is taken: bills of materials of one item, and components that stand for each other.

Frames in, frames out. By share where shares are given, else all by the one with the best priority.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

TOLERANCE = 0.001
"""Shares that add up to one within this do."""

_BILL = ["parent", "bill"]


def usage(lines: pl.DataFrame) -> pl.DataFrame:
    """Return the lines with `usage`: how much of what a line says is needed, 0 to 1.

    `lines`: parent, child, and from bill to has_alternative as bom_line has them; those that hold on one day, and all
    such of a parent where one of its has_alternative. Shares that do not add up to one are scaled to it: what is needed
    is needed. Without shares the lowest priority takes all; of equals, the bill whose code comes first, the component
    that was known first. Of `optional` lines nothing is needed, and they stand in for no other.
    """
    if "optional" in lines.columns and lines["optional"].any():
        needed = usage(lines.filter(~pl.col("optional")))
        return pl.concat([needed, lines.filter("optional").with_columns(usage=pl.lit(0.0)).select(needed.columns)])
    chosen = lines.filter("has_alternative")
    if chosen.is_empty():
        return lines.with_columns(usage=pl.lit(1.0))
    bills = bill_usage(chosen).rename({"usage": "_by_bill"})
    group = ["parent", "bill", "alternate_group"]
    alone = pl.col("alternate_group").is_null()
    weighed = _weights(chosen.filter(~alone), group, "share", ["priority", "child"], "_by_line")
    single = chosen.filter(alone).with_columns(_by_line=pl.lit(1.0))
    both = pl.concat([weighed, single]).join(bills, on=_BILL, nulls_equal=True)
    used = both.with_columns(usage=pl.col("_by_line") * pl.col("_by_bill")).drop("_by_line", "_by_bill")
    return pl.concat([lines.filter(~pl.col("has_alternative")).with_columns(usage=pl.lit(1.0)), used])


def bill_usage(lines: pl.DataFrame) -> pl.DataFrame:
    """Return parent, bill and usage: the share of the parent that is made by each of its bills among `lines`."""
    bills = lines.group_by(_BILL).agg(pl.col("bill_priority").min(), pl.col("bill_share").max())
    weighed = _weights(bills, ["parent"], "bill_share", ["bill_priority", "bill"], "usage")
    return weighed.select(*_BILL, "usage")


def uneven_shares(lines: pl.DataFrame) -> pl.DataFrame:
    """Return parent and problem, in words: shares among `lines` (that hold on one day) that do not add up to one."""
    bills = lines.group_by(_BILL).agg(pl.col("bill_share").max())
    of_bills = bills.group_by("parent").agg(total=pl.col("bill_share").sum(), given=pl.col("bill_share").count())
    groups = lines.drop_nulls("alternate_group").group_by("parent", "bill", "alternate_group")
    of_lines = groups.agg(total=pl.col("share").sum(), given=pl.col("share").count())
    uneven = (pl.col("given") > 0) & ((pl.col("total") - 1).abs() > TOLERANCE)
    total = pl.col("total").round(3)
    return pl.concat(
        [
            of_bills.filter(uneven).select(
                "parent", problem=pl.format("the shares of its bills add up to {}, not to 1", total)
            ),
            of_lines.filter(uneven)
            .sort("parent", "bill", "alternate_group")
            .select(
                "parent",
                problem=pl.format("the shares of the alternates {} add up to {}, not to 1", "alternate_group", total),
            ),
        ]
    )


def _weights(rows: pl.DataFrame, among: Sequence[str], share: str, order: Sequence[str], name: str) -> pl.DataFrame:
    """Return the rows with their weight among those with the same `among`; the weights add up to one."""
    # A rank rather than a window per group: equal nulls are one group here, and nulls of the order come last.
    ranked = rows.sort(*among, *order, nulls_last=[False] * len(among) + [True, False])
    place = pl.int_range(pl.len()).over(among)
    total = pl.col(share).sum().over(among)
    by_share = pl.col(share).fill_null(0.0) / total
    first = pl.when(place == 0).then(1.0).otherwise(0.0)
    return ranked.with_columns(pl.when(total > 0).then(by_share).otherwise(first).alias(name))
