"""Reading .ods: the cells of an OpenDocument spreadsheet; empty ones that repeat are only counted."""

from __future__ import annotations

import io
import re
import zipfile
from xml.parsers import expat

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.ingest.reading.bounded import refuse_over
from manufacturing_copilot.ingest.reading.workbooks.sheet_cells import Cells, number_text
from manufacturing_copilot.site.file_bounds import Limits

_TIME = re.compile(r"^(-?)P(?:(\d+)D)?T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:[.,](\d+))?S)?$")


def ods_sheets(content: bytes, name: str, limits: Limits) -> dict[str, Cells]:
    """Return the filled cells of every sheet by its name, in order. Raises BatchError where it is damaged."""
    try:
        xml = zipfile.ZipFile(io.BytesIO(content)).read("content.xml")
    except (zipfile.BadZipFile, KeyError, OSError, ValueError, NotImplementedError, EOFError):
        raise BatchError(f"{name}: the workbook is damaged; save it again") from None
    except RuntimeError:
        raise BatchError(f"{name}: the workbook is encrypted; save it without a password") from None
    reader = _Reader(name, limits)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = reader.refuse
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.CharacterDataHandler = reader.characters
    try:
        parser.Parse(xml, True)
    except expat.ExpatError as error:
        raise BatchError(
            f"{name}: the workbook is damaged ({expat.ErrorString(error.code)}); save it again, or export it as CSV"
        ) from None
    return reader.sheets


class _Reader:
    """Follows the XML from table to cell."""

    def __init__(self, name: str, limits: Limits) -> None:
        self.sheets: dict[str, Cells] = {}
        self._name, self._limits = name, limits
        self._cells: Cells | None = None
        self._of_row: list[tuple[int, str]] = []
        self._row = self._column = self._times = self._row_times = self._count = 0
        self._attributes: dict[str, str] | None = None
        self._paragraphs: list[str] = []
        self._depth = self._unread = 0

    def refuse(self, *_: object) -> None:
        """Refuse a document type of its own."""
        raise BatchError(f"{self._name}: the workbook's XML has a document type of its own; that is refused")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "table:table":
            title = attributes.get("table:name", f"sheet {len(self.sheets) + 1}")
            self._cells = self.sheets.setdefault(title, Cells(self._name, title, self._limits))
            self._row = 0
        elif tag == "table:table-row":
            self._column, self._of_row = 0, []
            self._row_times = _times(attributes.get("table:number-rows-repeated"))
        elif tag in ("table:table-cell", "table:covered-table-cell"):
            self._times = _times(attributes.get("table:number-columns-repeated"))
            self._attributes, self._paragraphs, self._depth = attributes, [], 0
        elif tag == "office:annotation":
            self._unread += 1
        elif self._attributes is not None and not self._unread:
            if tag == "text:p":
                self._paragraphs.append("")
                self._depth = 1
            elif tag == "text:s":
                self.characters(" " * _times(attributes.get("text:c"), most=10_000))
            elif tag in ("text:tab", "text:line-break"):
                self.characters("\t" if tag == "text:tab" else "\n")

    def characters(self, text: str) -> None:
        if self._attributes is not None and self._depth and self._paragraphs and not self._unread:
            self._paragraphs[-1] += text

    def end(self, tag: str) -> None:
        if tag == "office:annotation":
            self._unread -= 1
        elif tag == "text:p" and not self._unread:
            self._depth = 0
        elif tag in ("table:table-cell", "table:covered-table-cell") and self._attributes is not None:
            value = _value(self._attributes, "\n".join(self._paragraphs))
            if value is not None:
                self._counted(self._times)
                self._of_row += [(self._column + place, value) for place in range(self._times)]
            self._column += self._times
            self._attributes = None
        elif tag == "table:table-row":
            self._counted(len(self._of_row) * (self._row_times - 1))
            if self._of_row and self._cells is not None:
                columns, texts = [column for column, _ in self._of_row], [text for _, text in self._of_row]
                for again in range(self._row_times):
                    self._cells.extend([self._row + again] * len(texts), columns, texts)
            self._row += self._row_times

    def _counted(self, cells: int) -> None:
        self._count += cells
        refuse_over(self._name, "cells", self._count, self._limits.cells)


def _times(text: str | None, *, most: int = 2**24) -> int:
    return min(int(text), most) if text is not None and text.isdigit() and text != "0" else 1


def _value(attributes: dict[str, str], text: str) -> str | None:
    kind = attributes.get("office:value-type", "")
    if kind in ("float", "percentage", "currency"):
        written = attributes.get("office:value", "")
        if re.fullmatch("-?[1-9][0-9]{15,}", written):
            return written
        try:
            return number_text(float(written))
        except ValueError:
            return written or text or None
    if kind == "date":
        return attributes.get("office:date-value", text).replace("T", " ") or None
    if kind == "time":
        return _clock(attributes.get("office:time-value", text)) or None
    if kind == "boolean":
        return attributes.get("office:boolean-value", text) or None
    return attributes.get("office:string-value", text) or None if kind == "string" else text or None


def _clock(text: str) -> str:
    """Return "PT08H30M00S" as 08:30:00; what is written otherwise stays."""
    match = _TIME.match(text)
    if match is None:
        return text
    sign, days, hours, minutes, seconds, fraction = match.groups()
    fraction = (fraction or "").rstrip("0")
    total = int(days or 0) * 24 + int(hours or 0)
    return f"{sign}{total:02d}:{int(minutes or 0):02d}:{int(seconds or 0):02d}{'.' + fraction if fraction else ''}"
