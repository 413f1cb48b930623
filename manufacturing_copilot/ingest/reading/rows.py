"""What every reader does with rows of text: what is no row of the feed goes, headers become column names.

No rows are: blank ones, the header once more (as on every page of a report), totals rows and headings of groups where
the feed says so, and rows of which `only:` says that they are another feed's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from manufacturing_copilot.ingest.file_contract import LeftOut
from manufacturing_copilot.ingest.reading.conditions import keep_only
from manufacturing_copilot.ingest.reading.encoding import STAND_IN
from manufacturing_copilot.ingest.received import LINE
from manufacturing_copilot.site import FileFormat

BAD_LINES = {LINE: pl.Int64, "text": pl.String, "reason": pl.String, "rule": pl.String}
"""Columns of the bad lines; `rule` is a word for machines beside the reason for people."""


def bad_frame(bad: Sequence[tuple[int, str, str, str]]) -> pl.DataFrame:
    """Return the bad lines (line, text, reason, rule) as a frame, in the order of their lines."""
    # PostgreSQL keeps no NUL in a text; the picture of one says what was there.
    shown = [(line, text.replace("\x00", "\u2400"), reason, rule) for line, text, reason, rule in bad]
    return pl.DataFrame(shown, schema=BAD_LINES, orient="row").sort(LINE)


def column_names(cells: Sequence[str | None]) -> list[str]:
    """Return usable names for the header's cells: empty ones get their place, repeated ones a number."""
    names: list[str] = []
    seen: set[str] = set()
    next_numbers: dict[str, int] = {}
    for place, cell in enumerate(cells, start=1):
        plain = (
            re.sub(STAND_IN, "\ufffd", cell or "").replace("\ufeff", "").replace("\x00", "\u2400").strip()
            or f"column {place}"
        )
        if plain == "*" or (plain.startswith("^") and plain.endswith("$")):
            plain = f"'{plain}'"  # polars would take it for a pattern of names
        name, number = plain, next_numbers.get(plain, 2)
        while name in seen or name == LINE:
            name, number = f"{plain} ({number})", number + 1
        next_numbers[plain] = number
        seen.add(name)
        names.append(name)
    return names


def drop_blank_rows(rows: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Return `rows` without those that have no filled cell, and how many those were."""
    names = [name for name in rows.columns if name != LINE]
    if not names or rows.is_empty():
        return rows.clear() if not names else rows, 0
    # Nearly every row has a filled first cell; only the others are looked at whole.
    first = rows.get_column(names[0])
    suspects = (first.is_null() | (first.str.strip_chars() == "")).fill_null(True)
    if not suspects.any():
        return rows, 0
    filled = pl.any_horizontal([pl.col(name).str.strip_chars() != "" for name in names]).fill_null(False)
    keep = rows.select(filled).to_series()
    kept = rows.filter(keep)
    return kept, rows.height - kept.height


def drop_totals_rows(rows: pl.DataFrame, totals: str | None) -> tuple[pl.DataFrame, list[int]]:
    """Return `rows` without those whose first filled cell starts with `totals`, and the lines of those."""
    if not totals or rows.is_empty():
        return rows, []
    names = [name for name in rows.columns if name != LINE]
    stripped = [pl.col(name).str.strip_chars() for name in names]
    first = pl.coalesce([pl.when(cell != "").then(cell) for cell in stripped])
    is_total = rows.select(first.str.to_lowercase().str.starts_with(totals.lower()).fill_null(False)).to_series()
    if not is_total.any():
        return rows, []
    return rows.filter(~is_total), rows.filter(is_total).get_column(LINE).to_list()


def take_out_nul(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return `rows` without those that hold a NUL character, and those as bad lines: no database keeps them."""
    names = [name for name in rows.columns if name != LINE]
    holds = rows.select(
        pl.any_horizontal([pl.col(name).str.contains("\x00", literal=True) for name in names]).fill_null(False)
        if names
        else pl.lit(False)
    ).to_series()
    if not holds.any():
        return rows, pl.DataFrame(schema=BAD_LINES)
    spoilt = rows.filter(holds)
    texts = spoilt.select(pl.concat_str(names, separator="\t", ignore_nulls=True)).to_series()
    bad = zip(spoilt.get_column(LINE).to_list(), texts.to_list(), strict=True)
    reason = "holds a NUL character, which no text may hold"
    return rows.filter(~holds), bad_frame([(line, text, reason, "nul") for line, text in bad])


def drop_repeated_headers(rows: pl.DataFrame) -> tuple[pl.DataFrame, list[int]]:
    """Return `rows` without those that are the header once more, and the lines of those."""
    names = [name for name in rows.columns if name != LINE]
    if len(names) < 2 or rows.is_empty():
        return rows, []
    if not (rows.get_column(names[0]).str.strip_chars() == names[0]).any():
        return rows, []
    is_header = rows.select(
        pl.all_horizontal([pl.col(name).str.strip_chars() == name for name in names]).fill_null(False)
    ).to_series()
    return rows.filter(~is_header), rows.filter(is_header).get_column(LINE).to_list()


def drop_headings(rows: pl.DataFrame) -> tuple[pl.DataFrame, list[int]]:
    """Return `rows` without those of which only one cell is filled, and the lines of those."""
    names = [name for name in rows.columns if name != LINE]
    if len(names) < 2 or rows.is_empty():
        return rows, []
    filled = pl.sum_horizontal([(pl.col(name).str.strip_chars() != "").fill_null(False) for name in names])
    heads = rows.select(filled == 1).to_series()
    return rows.filter(~heads), rows.filter(heads).get_column(LINE).to_list()


def tidy(rows: pl.DataFrame, format: FileFormat, name: str) -> tuple[pl.DataFrame, LeftOut]:
    """Return the rows of the feed, and what was left out; `name` is how sentences call the file."""
    rows, blank = drop_blank_rows(rows)
    rows, headers = drop_repeated_headers(rows)
    rows, totals = drop_totals_rows(rows, format.totals)
    rows, headings = drop_headings(rows) if format.headings else (rows, [])
    rows, others = keep_only(rows, format.only, name)
    return rows, LeftOut(blank, tuple(headers), tuple(totals), tuple(headings), others)
