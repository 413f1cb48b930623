"""Schemas of frames: what they let through, and what they say of the rest."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from manufacturing_copilot.frame_schemas import Column, FrameSchema

STOCK = FrameSchema(
    "stock by day",
    {
        "item": Column(pl.String, "the item"),
        "day": Column(pl.Date, "the day at whose end it was counted"),
        "on_hand": Column(pl.Float64, "what lies there", nullable=True),
    },
    key=("item", "day"),
)
MONDAY, TUESDAY = date(2026, 3, 2), date(2026, 3, 3)


def stock(*rows: tuple[str | None, date, float | None]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=STOCK.dtypes, orient="row")


def test_a_frame_that_fits_comes_back() -> None:
    frame = stock(("A", MONDAY, 1.0), ("A", TUESDAY, None))
    assert STOCK.check(frame) is frame
    assert STOCK.check(STOCK.empty()).columns == ["item", "day", "on_hand"]


def test_further_columns_pass_where_the_schema_allows_them() -> None:
    wider = stock(("A", MONDAY, 1.0)).with_columns(colour=pl.lit("red"))
    FrameSchema("stock and more", STOCK.columns, more=True).check(wider)


@pytest.mark.parametrize(
    ("frame", "fault"),
    [
        (STOCK.empty().drop("day"), "the column 'day' is missing"),
        (STOCK.empty().with_columns(x=pl.lit(1)), "the column 'x' is not declared"),
        (STOCK.empty().select("day", "item", "on_hand"), "the columns stand in the order day, item, on_hand"),
        (STOCK.empty().cast({"on_hand": pl.Int64}), "the column 'on_hand' is Int64, expected Float64"),
        (stock((None, MONDAY, 1.0)), "the column 'item' has 1 nulls"),
        (stock(("A", MONDAY, 1.0), ("A", MONDAY, 2.0)), "several rows have the same item, day"),
    ],
)
def test_a_frame_that_differs_is_refused_with_what_differs(frame: pl.DataFrame, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        STOCK.check(frame)
