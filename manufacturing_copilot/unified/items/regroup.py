"""What people decided about items, laid over what the codes say by themselves. Frames in, frames out.

Decisions speak of codes, not of ids, and are applied in the order in which they were taken, to whatever the codes
mean by then: so a rebuild from all batches gives what the day-by-day runs gave.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from manufacturing_copilot.store.tables import ItemEventKind
from manufacturing_copilot.unified.items.matching import Resolution, keys_of

MERGED = ItemEventKind.MERGE
SPLIT = ItemEventKind.SPLIT
Code = tuple[str, str]
"""(source, code)."""


@dataclass(frozen=True)
class Decision:
    """A merge (`moved` joins `kept`) or a split (each of `moved` becomes an item of its own).

    Of a merge's codes the first on each side that still means an item stands for it; without one it waits.
    """

    kind: str
    kept: Sequence[Code]
    moved: Sequence[Code]


@dataclass(frozen=True)
class Regrouped:
    """The resolution after the decisions, and the item records, with one for each split code that had none."""

    resolution: Resolution
    records: pl.DataFrame


def regroup(
    natural: Resolution, matched: pl.DataFrame, records: pl.DataFrame, seen: pl.DataFrame, decisions: list[Decision]
) -> Regrouped | None:
    """Return what the decisions make of the items; None where there are none.

    `natural` and `matched`: what the codes mean by themselves. `seen`: priority, source, code, example_file_id,
    example_line.
    """
    if not decisions:
        return None
    groups = _Groups(pl.concat([natural.codes, matched]), decisions, natural.next_item)
    own = pl.DataFrame(
        [(*code, item) for code, item in groups.own.items()],
        schema={"source": pl.String, "code": pl.String, "own": pl.Int64},
        orient="row",
    )
    spoken = own.join(records, on=["source", "code"], how="anti").join(seen, on=["source", "code"]).select(
        "priority", "source", "code", file_id="example_file_id", line="example_line"
    ).unique(["source", "code"], keep="first", maintain_order=True)  # fmt: skip
    records = pl.concat([records, spoken], how="diagonal").sort("priority", "source", maintain_order=True)
    extra = spoken.select("source", "code", item=pl.lit(None, pl.Int64), matched_by=pl.lit(SPLIT))
    final = {item: groups.item_of(item) for item in groups.touched}
    moved = pl.DataFrame(list(final.items()), schema={"item": pl.Int64, "final": pl.Int64}, orient="row")
    codes = (
        pl.concat([natural.codes, extra])
        .join(own, on=["source", "code"], how="left", maintain_order="left")
        .with_columns(matched_by=pl.when(pl.col("own").is_not_null()).then(pl.lit(SPLIT)).otherwise("matched_by"))
        .with_columns(item=pl.coalesce("own", "item"))
        .join(moved, on="item", how="left", maintain_order="left")
        .with_columns(final=pl.coalesce("final", "item"))
        .with_columns(
            matched_by=pl.when(pl.col("final") != pl.col("item")).then(pl.lit(MERGED)).otherwise("matched_by")
        )
        .select("source", "code", item="final", matched_by="matched_by")
    )
    return Regrouped(Resolution(codes, keys_of(records, codes)), records)


def with_own_skus(settled: pl.DataFrame, codes: pl.DataFrame) -> pl.DataFrame:
    """Return the items with no SKU twice: what was split from an item that bears the same one adds its code to it."""
    first = codes.filter(pl.col("matched_by") == SPLIT).unique("item", keep="first", maintain_order=True)
    marked = settled.join(first.select("item", "source", "code"), on="item", how="left", maintain_order="left")
    twice = (pl.len().over("sku") > 1) & pl.col("code").is_not_null()
    longer = pl.format("{} ({}/{})", "sku", "source", "code")
    return marked.with_columns(sku=pl.when(twice).then(longer).otherwise("sku")).drop("source", "code")


class _Groups:
    """The items that the decisions speak of, joined and taken apart one decision after the other."""

    def __init__(self, codes: pl.DataFrame, decisions: list[Decision], next_item: int) -> None:
        named = sorted({code for one in decisions for code in (*one.kept, *one.moved)})
        asked = pl.DataFrame(named, schema=["source", "code"], orient="row")
        self._natural: dict[Code, int] = {
            (source, code): item
            for source, code, item in asked.join(codes, on=["source", "code"]).select("source", "code", "item").rows()
        }
        self._into: dict[int, int] = {}
        self.own: dict[Code, int] = {}
        self._next = next_item
        for one in decisions:
            self._apply(one)

    @property
    def touched(self) -> list[int]:
        """The items that are now part of another."""
        return list(self._into)

    def item_of(self, item: int) -> int:
        """Return the item that `item` is part of."""
        while item in self._into:
            item = self._into[item]
        return item

    def _apply(self, decision: Decision) -> None:
        if decision.kind == SPLIT:
            for code in decision.moved:
                if code in self._natural:
                    self.own[code] = self._next
                    self._next += 1
            return
        kept, moved = self._first(decision.kept), self._first(decision.moved)
        if kept is not None and moved is not None and kept != moved:
            self._into[moved] = kept

    def _first(self, codes: Iterable[Code]) -> int | None:
        items = (self.own.get(code, self._natural.get(code)) for code in codes)
        return next((self.item_of(item) for item in items if item is not None), None)
