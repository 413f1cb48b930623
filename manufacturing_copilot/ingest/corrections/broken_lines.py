"""A line that was no row, laid out in the columns of its file as well as its cells allow, for a person to mend."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence

import polars as pl

_NUMBER = re.compile(r"^\s*[-+]?[\d.,' ]*\d\s*%?\s*$")
_DAY = re.compile(r"^\s*\d{1,4}[-./]\d{1,2}[-./]\d{1,4}")
_MOSTLY = 0.9
_COLUMNS_TRIED = 100  # in wider files missing cells are taken to be the last ones

Shape = Callable[[str], int]


def laid_out(text: str, delimiter: str, shapes: Sequence[Shape]) -> list[str]:
    """Return the cells of a broken line, one for each column of its file, empty where none is left.

    Where cells are missing or too many, the gap, or the cells that are put together again, are where the others then
    look most like their columns. `shapes`: those of the columns, by `shapes_of`.
    """
    cells, columns = _cells(text, delimiter), len(shapes)
    if len(cells) == columns:
        return cells
    if columns > _COLUMNS_TRIED or abs(columns - len(cells)) > _COLUMNS_TRIED:
        joined = [*cells[: columns - 1], delimiter.join(cells[columns - 1 :])]
        return [*joined, *[""] * columns][:columns]
    layouts = _with_gap(cells, columns) if len(cells) < columns else _put_together(cells, columns, delimiter)
    return max(layouts, key=lambda layout: sum(shape(cell) for shape, cell in zip(shapes, layout, strict=True)))


def shapes_of(sample: pl.DataFrame) -> list[Shape]:
    """Return how much a cell looks like each column of a file (texts), from 0 to 10, by some of its rows."""
    return [_shape(sample.get_column(name).cast(pl.String).drop_nulls()) for name in sample.columns]


def _shape(texts: pl.Series) -> Shape:
    filled = [text for text in texts.to_list() if text.strip()]
    for pattern in (_DAY, _NUMBER):
        if filled and sum(bool(pattern.match(text)) for text in filled) >= _MOSTLY * len(filled):
            return lambda cell: 10 if pattern.match(cell) else 0 if cell.strip() else 4
    return lambda cell: 4 if not cell.strip() else 3 if _DAY.match(cell) or _NUMBER.match(cell) else 8


def _cells(text: str, delimiter: str) -> list[str]:
    line = text.rstrip("\r\n")
    if len(delimiter) == 1 and line.count('"') % 2 == 0 and "\n" not in line:
        try:
            return next(csv.reader([line], delimiter=delimiter), [""])
        except csv.Error:
            pass
    # A quote that was never closed, or closed too late, joins cells that are apart.
    return [cell.strip('"') for cell in line.replace("\n", " ").split(delimiter)]


def _with_gap(cells: list[str], columns: int) -> list[list[str]]:
    gap = [""] * (columns - len(cells))
    return [[*cells[:at], *gap, *cells[at:]] for at in range(len(cells), -1, -1)]


def _put_together(cells: list[str], columns: int, delimiter: str) -> list[list[str]]:
    more = len(cells) - columns + 1
    return [[*cells[:at], delimiter.join(cells[at : at + more]), *cells[at + more :]] for at in range(columns)]
