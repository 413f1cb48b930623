"""The versions in which an item was, is and will be made: one for each bill and each period without a change."""

from __future__ import annotations

from datetime import date

import polars as pl

_ALWAYS = date(1, 1, 1)
_BILL = ["item_id", "bill"]


def process_versions(lines: pl.DataFrame, steps: pl.DataFrame) -> pl.DataFrame:
    """Return item_id, version, bill, valid_from, valid_to, components, steps: what holds in each period, counted.

    `lines`: item_id, bill, bill_priority, valid_from, valid_to; `steps`: item_id, valid_from, valid_to. The routing is
    part of every bill of its item. Versions are numbered from 1 by their first day; of one day by preference.
    """
    bills = lines.group_by(_BILL).agg(pl.col("bill_priority").min())
    routed = steps.select("item_id", "valid_from", "valid_to").join(bills, on="item_id", how="left")
    changes = pl.concat([_changes(lines, components=1, steps=0), _changes(routed, components=0, steps=1)])
    by_day = changes.group_by(*_BILL, "day").agg(pl.col("components", "steps").sum()).sort(*_BILL, "day")
    periods = by_day.with_columns(
        pl.col("components", "steps").cum_sum().over(_BILL),
        valid_from=pl.when(pl.col("day") > _ALWAYS).then("day"),
        valid_to=pl.col("day").shift(-1).over(_BILL) - pl.duration(days=1),
    ).filter((pl.col("components") > 0) | (pl.col("steps") > 0))
    ordered = periods.join(bills, on=_BILL, how="left", nulls_equal=True).sort(
        "item_id", "day", "bill_priority", "bill", nulls_last=[False, False, True, False]
    )
    number = (pl.int_range(pl.len()).over("item_id") + 1).cast(pl.Int64)
    return ordered.select(
        "item_id", "bill", "valid_from", "valid_to", "components", "steps", version=number
    )  # fmt: skip


def _changes(rows: pl.DataFrame, *, components: int, steps: int) -> pl.DataFrame:
    """Return item_id, bill, day, and by how much the lines and steps that hold become more or fewer on that day."""
    rows = rows.filter(pl.col("valid_to").is_null() | (pl.col("valid_from").fill_null(_ALWAYS) <= pl.col("valid_to")))
    begin = rows.select(
        *_BILL, day=pl.col("valid_from").fill_null(_ALWAYS), components=pl.lit(components), steps=pl.lit(steps)
    )
    end = rows.drop_nulls("valid_to").select(
        *_BILL,
        day=pl.col("valid_to") + pl.duration(days=1),
        components=pl.lit(-components),
        steps=pl.lit(-steps),
    )
    return pl.concat([begin, end])
