"""Reading workbooks: one sheet, every cell as the text a person would have typed."""

from __future__ import annotations

from typing import Any

import fastexcel
import polars as pl

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.ingest.file_contract import FileContract, FileFindings, FileReading
from manufacturing_copilot.ingest.reading.rows import column_names, take_out_nul, tidy
from manufacturing_copilot.ingest.received import LINE, Received
from manufacturing_copilot.site import FileFormat
from manufacturing_copilot.site.yaml_documents import did_you_mean


def read_workbook(content: bytes, name: str, format: FileFormat, earlier: FileReading) -> Received:
    """Return the rows of the declared sheet (else the one read before, else the first that holds anything).

    Dates come as ISO texts, whole numbers without a decimal mark. `_line` is the row of the sheet.
    Raises BatchError where the workbook is damaged or locked, or the sheet is not there.
    """
    try:
        book = fastexcel.read_excel(content)
        sheet, cells = _cells(book, name, format.sheet or earlier.sheet, declared=bool(format.sheet))
    except fastexcel.FastExcelError as error:
        reason = str(error).splitlines()[0]
        raise BatchError(
            f"{name}: the workbook cannot be read ({reason}); save it without a password, or export it as CSV"
        ) from None
    names, body = _below_header(cells, name, sheet, format)
    body = body.rename(dict(zip(body.columns[:-1], names, strict=True)))
    body, bad = take_out_nul(body)
    rows, left_out = tidy(body, format, name)
    found = FileFindings(sheet=sheet, sheets=tuple(book.sheet_names), left_out=left_out, columns=tuple(names))
    return Received(rows, bad, found, FileContract(FileReading(sheet=sheet)))


def _cells(book: Any, name: str, wanted: str | None, *, declared: bool) -> tuple[str, pl.DataFrame]:
    sheets: list[str] = book.sheet_names
    if wanted is not None:
        for sheet in sheets:
            if sheet.strip().lower() == wanted.strip().lower():
                return sheet, _load(book, sheet)
        if declared:
            raise BatchError(
                f"{name}: the workbook has no sheet {wanted!r}{did_you_mean(wanted, sheets)};"
                f" found {', '.join(sheets)}; correct sheet: in the feed"
            )
    for sheet in sheets:
        cells = _load(book, sheet)
        if not cells.is_empty():
            return sheet, cells
    return sheets[0], _load(book, sheets[0])


def _load(book: Any, sheet: str) -> pl.DataFrame:
    loaded = book.load_sheet(sheet, header_row=None, skip_rows=0, dtypes="string")
    if loaded.width == 0:
        return pl.DataFrame(schema={LINE: pl.Int64})
    cells: pl.DataFrame = loaded.to_polars()
    return cells.with_columns(pl.all().cast(pl.String)).with_columns(
        pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias(LINE)
    )


def _below_header(cells: pl.DataFrame, name: str, sheet: str, format: FileFormat) -> tuple[list[str], pl.DataFrame]:
    places = [column for column in cells.columns if column != LINE]
    if format.header is False:
        names = list(format.columns) or [f"column {place}" for place in range(1, len(places) + 1)]
        if places and len(names) != len(places):
            raise BatchError(
                f"{name}: the sheet {sheet!r} has {len(places)} columns, the feed declares {len(names)};"
                " correct columns: in the feed"
            )
        return (
            (names, cells)
            if places
            else (
                names,
                pl.DataFrame(schema=dict.fromkeys(names, pl.String)).with_columns(
                    pl.lit(None, dtype=pl.Int64).alias(LINE)
                ),
            )
        )
    filled = (
        cells.filter(pl.any_horizontal([pl.col(c).str.strip_chars() != "" for c in places]).fill_null(False))
        if (places)
        else cells
    )
    if format.header is not True:
        filled = filled.filter(pl.col(LINE) == format.header)
    if filled.is_empty():
        where = "" if format.header is True else f" in row {format.header}"
        raise BatchError(
            f"{name}: the sheet {sheet!r} has no header{where}; expected the names of the columns;"
            " correct header: or sheet: in the feed, or the export"
        )
    header = filled.row(0, named=True)
    names = column_names([header[place] for place in places])
    return names, cells.filter(pl.col(LINE) > header[LINE])
