"""Files of order lines to load: always the same for the same numbers, 73 bytes a row, clean or dirty."""

from __future__ import annotations

import random
from datetime import date
from pathlib import Path

import polars as pl

COLUMNS = ("order_no", "line_no", "item", "customer", "ordered_on", "requested_on", "quantity", "price", "status")
KEY = ("order_no", "line_no")
LINES_PER_ORDER = 4
_PIECE = 500_000


def order_lines(first: int, rows: int, *, revision: int = 0) -> pl.DataFrame:
    """Return the order lines from number `first` on.

    Their content follows from the number; with a `revision`, every tenth line has another quantity than without.
    """
    number = pl.int_range(first, first + rows, eager=True, dtype=pl.Int64).alias("number").to_frame()
    n = pl.col("number")
    mixed = (n * 2_654_435_761) % 4_294_967_291
    changed = pl.when((n % 10) == 0).then(revision).otherwise(0)
    ordered = pl.lit(date(2021, 1, 1)) + pl.duration(days=(n // 5_000) % 1_500)
    return number.select(
        pl.format("SO-{}", (n // LINES_PER_ORDER).cast(pl.String).str.zfill(8)).alias("order_no"),
        (n % LINES_PER_ORDER + 1).cast(pl.String).alias("line_no"),
        pl.format("ITEM-{}", (mixed % 5_000).cast(pl.String).str.zfill(5)).alias("item"),
        pl.format("C-{}", (mixed // 5_000 % 2_000).cast(pl.String).str.zfill(5)).alias("customer"),
        ordered.cast(pl.String).alias("ordered_on"),
        (ordered + pl.duration(days=mixed % 21)).cast(pl.String).alias("requested_on"),
        (mixed % 90 + 10 + changed).cast(pl.String).alias("quantity"),
        pl.format("{}.{}", mixed % 900 + 100, (mixed // 7 % 90 + 10)).alias("price"),
        pl.lit("shipped").alias("status"),
    )


def write_orders(path: Path, rows: int, *, first: int = 0, revision: int = 0) -> Path:
    """Write a clean file of `rows` order lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for start in range(first, first + rows, _PIECE):
            piece = order_lines(start, min(_PIECE, first + rows - start), revision=revision)
            piece.write_csv(file, include_header=start == first)
    return path


def write_dirty(path: Path, clean: Path, *, share: float = 0.05) -> Path:
    """Write `clean` with a `share` of its lines spoilt, in ten ways, evenly."""
    chooser = random.Random(7)
    lines = clean.read_bytes().split(b"\n")
    for place in chooser.sample(range(1, len(lines) - 1), int(share * (len(lines) - 2))):
        lines[place] = _spoilt(lines[place], lines[place - 1] if place > 1 else lines[place], chooser)
    path.write_bytes(b"\n".join(lines))
    return path


def _spoilt(line: bytes, before: bytes, chooser: random.Random) -> bytes:
    cells = line.split(b",")
    way = chooser.randrange(10)
    if way == 0:
        return b",".join(cells[:-3])
    if way == 1:
        return line + b",one,more"
    if way == 2:
        cells[2] = b"ITEM-\xff\xfe"
    elif way == 3:
        cells[2] = b"IT\x00EM"
    elif way == 4:
        cells[6] = b"twelve"
    elif way == 5:
        cells[4] = b"2021-02-30"
    elif way == 6:
        cells[2] = b""
    elif way == 7:
        cells[8] = b"lost on the way"
    elif way == 8:
        cells[7] = b'"12'
    else:
        return before
    return b",".join(cells)
