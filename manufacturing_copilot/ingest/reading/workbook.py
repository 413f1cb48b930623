"""Reading workbooks: one sheet, every cell as the text a person would have typed."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence

import polars as pl

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.ingest.file_contract import FileContract, FileFindings, FileReading
from manufacturing_copilot.ingest.reading.bounded import DEFAULTS, refuse_large_table
from manufacturing_copilot.ingest.reading.isolated.opener import OPENER
from manufacturing_copilot.ingest.reading.rows import column_names, take_out_nul, tidy
from manufacturing_copilot.ingest.reading.workbooks.ods import ods_sheets
from manufacturing_copilot.ingest.reading.workbooks.sheet_cells import Cells, table_of_opened
from manufacturing_copilot.ingest.reading.workbooks.xlsx import Workbook
from manufacturing_copilot.ingest.received import LINE, Received
from manufacturing_copilot.site import FileFormat
from manufacturing_copilot.site.file_bounds import Limits
from manufacturing_copilot.site.yaml_documents import did_you_mean

_OLE = b"\xd0\xcf\x11\xe0"


def read_workbook(
    content: bytes, name: str, format: FileFormat, earlier: FileReading, limits: Limits = DEFAULTS
) -> Received:
    """Return the rows of the declared sheet (else the one read before, else the first that holds anything).

    Dates come as ISO texts, times as 08:30:00, whole numbers without a decimal mark, errors as the words that the
    spreadsheet shows (#N/A). `_line` is the row of the sheet. Raises BatchError where the workbook is damaged, locked
    or over a bound, or the sheet is not there.
    """
    wanted = format.sheet or earlier.sheet
    sheet, sheets, cells = _cells(content, name, wanted, declared=bool(format.sheet), limits=limits)
    names, body = _below_header(cells, name, sheet, format)
    body = body.rename(dict(zip(body.columns[:-1], names, strict=True)))
    body, bad = take_out_nul(body)
    rows, left_out = tidy(body, format, name)
    found = FileFindings(sheet=sheet, sheets=tuple(sheets), left_out=left_out, columns=tuple(names))
    return Received(rows, bad, found, FileContract(FileReading(sheet=sheet)))


def _cells(
    content: bytes, name: str, wanted: str | None, *, declared: bool, limits: Limits
) -> tuple[str, list[str], pl.DataFrame]:
    """Return the name of the sheet that is read, those of all, and its rows as texts with `_line`."""
    if content.startswith(_OLE):
        head, opened = OPENER.open("xls", content, name, limits, sheet=wanted)
        _refuse_other_sheet(name, wanted, head["sheet"], head["sheets"], declared=declared)
        cells, sheet = pl.DataFrame(pl.from_arrow(opened)), head["sheet"]
        return sheet, head["sheets"], table_of_opened(cells, name, sheet, limits, since_1904=head["since_1904"])
    parts = zipfile.ZipFile(io.BytesIO(content)).namelist()
    if "xl/workbook.bin" in parts:
        return _binary(content, name, wanted, declared=declared, limits=limits)
    if "content.xml" in parts and "[Content_Types].xml" not in parts:
        tables = ods_sheets(content, name, limits)
        sheet, found = _chosen(list(tables), tables.__getitem__, name, wanted, declared=declared)
        return sheet, list(tables), found.table()
    try:
        book = Workbook.open(content, name, limits)
        sheet, found = _chosen(list(book.sheets), book.cells, name, wanted, declared=declared)
    except RuntimeError as error:  # what zipfile raises on a password
        raise BatchError(f"{name}: the workbook cannot be read ({error}); save it without a password") from None
    return sheet, list(book.sheets), found.table()


def _chosen(
    sheets: Sequence[str], cells_of: Callable[[str], Cells], name: str, wanted: str | None, *, declared: bool
) -> tuple[str, Cells]:
    if not sheets:
        raise BatchError(f"{name}: the workbook has no sheet of cells; expected one with the rows")
    if wanted is not None:
        for sheet in sheets:
            if sheet.strip().lower() == wanted.strip().lower():
                return sheet, cells_of(sheet)
        _refuse_other_sheet(name, wanted, "", sheets, declared=declared)
    for sheet in sheets:
        cells = cells_of(sheet)
        if len(cells):
            return sheet, cells
    return sheets[0], cells_of(sheets[0])


def _refuse_other_sheet(name: str, wanted: str | None, sheet: str, sheets: Sequence[str], *, declared: bool) -> None:
    if declared and wanted is not None and sheet.strip().lower() != wanted.strip().lower():
        raise BatchError(
            f"{name}: the workbook has no sheet {wanted!r}{did_you_mean(wanted, sheets)};"
            f" found {', '.join(sheets)}; correct sheet: in the feed"
        )


def _binary(
    content: bytes, name: str, wanted: str | None, *, declared: bool, limits: Limits
) -> tuple[str, list[str], pl.DataFrame]:
    head, opened = OPENER.open("xlsb", content, name, limits, sheet=wanted)
    _refuse_other_sheet(name, wanted, head["sheet"], head["sheets"], declared=declared)
    refuse_large_table(name, opened.num_rows, opened.num_columns, limits, where=f", sheet {head['sheet']!r}")
    if not opened.num_columns:
        return head["sheet"], head["sheets"], pl.DataFrame(schema={LINE: pl.Int64})
    cells = pl.DataFrame(pl.from_arrow(opened)).with_columns(pl.all().cast(pl.String))
    lines = pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias(LINE)
    return head["sheet"], head["sheets"], cells.with_columns(lines)


def _below_header(cells: pl.DataFrame, name: str, sheet: str, format: FileFormat) -> tuple[list[str], pl.DataFrame]:
    places = [column for column in cells.columns if column != LINE]
    if format.header is False:
        names = list(format.columns) or [f"column {place}" for place in range(1, len(places) + 1)]
        if places and len(names) != len(places):
            raise BatchError(
                f"{name}: the sheet {sheet!r} has {len(places)} columns, the feed declares {len(names)};"
                " correct columns: in the feed"
            )
        return names, cells if places else pl.DataFrame(schema={**dict.fromkeys(names, pl.String), LINE: pl.Int64})
    filled = cells
    if places:
        filled = cells.filter(pl.any_horizontal([pl.col(c).str.strip_chars() != "" for c in places]).fill_null(False))
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
