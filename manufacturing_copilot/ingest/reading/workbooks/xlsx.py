"""Reading .xlsx: the sheets are XML, which is checked as a whole and then cut into cells column-wise.

Nothing is laid out before it is there: a cell at the far end of a sheet costs one cell. A sheet that is not written
plainly (comments, prefixes, cells without a reference) is written anew first.
"""

from __future__ import annotations

import html
import io
import posixpath
import re
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import escape

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.ingest.reading.bounded import refuse_over
from manufacturing_copilot.ingest.reading.isolated.worker import DATE
from manufacturing_copilot.ingest.reading.workbooks.sheet_cells import SPAN, TIME, Cells, SerialNumbers, number_text
from manufacturing_copilot.site.file_bounds import Limits

_CHUNK = 8 << 20
_DATES = {14: DATE, 15: DATE, 16: DATE, 17: DATE, 22: DATE, 18: TIME, 19: TIME, 20: TIME, 21: TIME, 45: TIME, 46: SPAN}
_DATES |= {number: DATE for number in (*range(27, 37), 47, *range(50, 59))} | {47: TIME, 32: TIME, 33: TIME}
_UNSHOWN = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?!h+\]|m+\]|s+\])[^\]]*\]', re.IGNORECASE)
_CELL = re.compile(
    r'<c r="([A-Z]{1,3})([0-9]{1,7})"(?: s="([0-9]+)")?(?: t="([A-Za-z]+)")?(?: [a-z]+="[0-9]+")*'
    r" ?(?:/>|>(?:<f(?: [^>]*)?(?:/>|>[^<]*</f>))?(?:<v(?: [^>]*)?(?:/>|>([^<]*)</v>))?(?:<is>(.*?)</is>)?</c>)",
    re.DOTALL,
)
_ITEM = re.compile(r"<si(?: [^>]*)?(?:/>|>(.*?)</si>)", re.DOTALL)
_PART = re.compile(r"<t(?: [^>]*)?>([^<]*)</t>")
_PHONETIC = re.compile(r"<rPh.*?</rPh>", re.DOTALL)
_UNUSUAL = ("<!--", "<![CDATA[", "<c>", "<c/>", "<c\n", "<c\r", "<c\t", "<row\n")
_SPAN = re.compile(r"\[(?:h+|m+|s+)\]", re.IGNORECASE)
_MARKED = re.compile(r"_x([0-9A-Fa-f]{4})_")


@dataclass(frozen=True)
class Workbook:
    """An .xlsx file: its sheets in order, and where each lies in the zip."""

    archive: zipfile.ZipFile
    sheets: dict[str, str]
    since_1904: bool
    name: str
    limits: Limits

    @classmethod
    def open(cls, content: bytes, name: str, limits: Limits) -> Workbook:
        """Look into the directory; raises BatchError where this is no workbook."""
        archive = zipfile.ZipFile(io.BytesIO(content))
        try:
            root_links = _links(archive, "_rels/.rels", "")
            main = next(target for type_, target in root_links.values() if type_ == "officeDocument")
            book = _parsed(archive.read(main), name)
            folder, slash, part = main.rpartition("/")
            links = _links(archive, f"{folder}{slash}_rels/{part}.rels", main)
        except (StopIteration, KeyError):
            raise BatchError(f"{name}: the workbook lacks its list of sheets; save it again as .xlsx") from None
        sheets: dict[str, str] = {}
        since_1904: bool | None = None
        for element in book.iter():
            tag = element.tag.rpartition("}")[2]
            if tag == "workbookPr" and since_1904 is None:  # extensions have one of their own
                since_1904 = element.get("date1904", "0").lower() in ("1", "true", "on")
            if tag == "sheet":
                link = next((value for key, value in element.items() if key.rpartition("}")[2] == "id"), "")
                type_, target = links.get(link, ("", ""))
                if type_ == "worksheet":
                    sheets[element.get("name", "")] = target
        return cls(archive, sheets, bool(since_1904), name, limits)

    def cells(self, sheet: str) -> Cells:
        """Return the filled cells of a sheet; raises BatchError where it is damaged or over a bound."""
        try:
            content = self.archive.read(self.sheets[sheet])
        except KeyError:
            raise BatchError(f"{self.name}: the sheet {sheet!r} is missing in the workbook; save it again") from None
        cells = Cells(self.name, sheet, self.limits)
        name = f"{self.name}, sheet {sheet!r}"
        text = _decoded(content, name)
        refuse_over(self.name, "cells", text.count("<v"), self.limits.cells, where=f", sheet {sheet!r}")
        for chunk in _chunks(text if _is_usual(text) else _written_anew(text, name)):
            found = _CELL.findall(chunk)
            if len(found) != chunk.count("<c "):  # attributes in another order, or more of them
                found = _CELL.findall(_written_anew(f"<r>{_whole_rows(chunk)}</r>", name))
            self._take(found, cells)
        return cells

    def _take(self, found: list[tuple[str, str, str, str, str, str]], cells: Cells) -> None:
        rows: list[int] = []
        columns: list[int] = []
        texts: list[str] = []
        places, styles, serials, strings = self._places, self.style_kinds, self.serials, None
        for letters, row, style, type_, value, inline in found:
            if type_ == "s":
                if strings is None:
                    strings = self.strings
                try:
                    text = strings[int(value)]
                except (ValueError, IndexError):
                    raise BatchError(
                        f"{self.name}: the workbook names a text that it does not hold; save it again"
                    ) from None
            elif type_ in ("", "n"):
                if not value:
                    continue
                kind = styles.get(style) if style else None
                text = value if kind is None and len(value) <= 15 and value.isdigit() else _number(value, kind, serials)
            elif type_ == "inlineStr":
                text = _joined(inline)
            elif type_ == "b":
                text = "true" if value == "1" else "false"
            else:  # the text of a formula, an error, an ISO date
                text = _unescaped(value)
            if text == "":
                continue
            place = places.get(letters)
            if place is None:
                place = places[letters] = _place(letters)
            rows.append(int(row) - 1)
            columns.append(place)
            texts.append(text)
        cells.extend(rows, columns, texts)

    @cached_property
    def serials(self) -> SerialNumbers:
        """The workbook's calendar."""
        return SerialNumbers(since_1904=self.since_1904)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {}

    @cached_property
    def strings(self) -> list[str]:
        """The texts that cells share."""
        path = next((n for n in self.archive.namelist() if n.lower().endswith("sharedstrings.xml")), None)
        if path is None:
            return []
        text = _decoded(self.archive.read(path), self.name)
        if "<!--" in text or "<![CDATA[" in text or not re.search(r"<sst[\s>/]", text):
            text = _plain_strings(text)
        items = _ITEM.findall(text, text.find("<sst") + 4)
        return [_joined(item) for item in items]

    @cached_property
    def style_kinds(self) -> dict[str, int]:
        """Which styles show a number as a date or a time: number of the style → kind of cell."""
        return self._style_kinds()

    def _style_kinds(self) -> dict[str, int]:
        path = next((n for n in self.archive.namelist() if n.lower().endswith("styles.xml")), None)
        if path is None:
            return {}
        root = _parsed(self.archive.read(path), self.name)
        formats: dict[int, int | None] = {}
        for element in root.iter():
            if element.tag.rpartition("}")[2] == "numFmt" and element.get("numFmtId", "").isdigit():
                formats[int(element.get("numFmtId", "0"))] = format_kind(element.get("formatCode", ""))
        kinds: dict[str, int] = {}
        for element in root.iter():
            if element.tag.rpartition("}")[2] == "cellXfs":
                for place, style in enumerate(element):
                    number = int(style.get("numFmtId", "0")) if style.get("numFmtId", "0").isdigit() else 0
                    kind = formats[number] if number in formats else _DATES.get(number)
                    if kind is not None:
                        kinds[str(place)] = kind
        return kinds


def format_kind(code: str) -> int | None:
    """Say what a number format shows: DATE, TIME, SPAN (hours beyond a day), or None where it shows a number."""
    shown = _UNSHOWN.sub("", code.split(";")[0])
    if _SPAN.search(shown):
        return SPAN
    letters = set(shown.lower().replace("general", "").replace("am/pm", "").replace("a/p", ""))
    if letters & {"d", "y", "e"} - ({"e"} if re.search(r"[eE][+-]", shown) or not letters & {"y", "m", "d"} else set()):
        return DATE
    if "m" in letters and not letters & {"h", "s"}:
        return DATE
    return TIME if letters & {"h", "s"} else None


def _chunks(text: str) -> Iterator[str]:
    """Give the rows of a sheet in pieces of some megabytes."""
    begin = text.find("<sheetData")
    end = text.rfind("</sheetData>")
    while 0 <= begin < end:
        cut = text.rfind("<row", begin + 1, min(begin + _CHUNK, end)) if begin + _CHUNK < end else end
        cut = cut if cut > begin else end
        yield text[begin:cut]
        begin = cut


def _whole_rows(chunk: str) -> str:
    """Return what of a piece of a sheet is whole XML."""
    begin, end = chunk.find("<row"), chunk.rfind("</row>")
    return chunk[begin : end + 6] if 0 <= begin < end else ""


def _number(value: str, kind: int | None, serials: SerialNumbers) -> str:
    digits = value[1:] if value.startswith("-") else value
    if kind is None and digits.isdigit() and len(digits) > 15:
        return value  # a whole number of any length stays as it is written
    try:
        number = float(value)
    except ValueError:
        return _unescaped(value)
    return number_text(number) if kind is None else serials.text(kind, number)


def _joined(xml: str) -> str:
    """Return the text inside XML: its parts joined, without the readings of Japanese words beside them."""
    if xml.startswith("<t>") and xml.find("<", 3) == len(xml) - 4:
        text = xml[3:-4]
    else:
        text = "".join(_PART.findall(_PHONETIC.sub("", xml) if "<rPh" in xml else xml))
    return _unescaped(text) if "&" in text or "_x" in text else text


def _unescaped(text: str) -> str:
    text = _MARKED.sub(lambda match: chr(int(match.group(1), 16)), html.unescape(text))
    return text.encode("utf-8", "replace").decode()


def _place(letters: str) -> int:
    place = 0
    for letter in letters:
        place = place * 26 + ord(letter) - 64
    return place - 1


def _is_usual(text: str) -> bool:
    """Say whether a sheet's sound XML is so written that its cells can be cut out."""
    return re.search(r"<sheetData[\s>/]", text) is not None and not any(mark in text for mark in _UNUSUAL)


def _decoded(content: bytes, name: str) -> str:
    """Return XML as text, once a parser has taken it as a whole; a document type of its own is refused."""
    _check(content, name)
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16")
    declared = re.match(rb"""^(?:\xef\xbb\xbf)?<\?xml[^>]*?encoding=["']([A-Za-z0-9._-]+)["']""", content)
    return content.decode(declared.group(1).decode() if declared else "utf-8").removeprefix("\ufeff")


def _check(content: bytes, name: str) -> None:
    _parse(expat.ParserCreate(), content, name)


def _parse(parser: Any, content: bytes | str, name: str) -> None:
    def refuse(*_: object) -> None:
        raise BatchError(f"{name}: the workbook's XML has a document type of its own; that is refused, save it again")

    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise BatchError(
            f"{name}: the excel file is damaged ({expat.ErrorString(error.code)}, line {error.lineno} of its XML);"
            " save it again, or export it as CSV"
        ) from None


def _parsed(content: bytes, name: str) -> ET.Element:
    _check(content, name)
    return ET.fromstring(content)


def _links(archive: zipfile.ZipFile, path: str, of: str) -> dict[str, tuple[str, str]]:
    """Return the parts that a part names: by the link's id, the last word of its type, and where it lies."""
    links = {}
    for element in _parsed(archive.read(path), path):
        target = element.get("Target", "")
        beside = posixpath.join("/", posixpath.dirname(of), target)
        place = posixpath.normpath(beside).lstrip("/")
        links[element.get("Id", "")] = (element.get("Type", "").rpartition("/")[2], place)
    return links


def _written_anew(text: str, name: str) -> str:
    """Return the cells of a sheet, each with its reference, as the usual XML."""
    out: list[str] = ["<sheetData>"]
    state: dict[str, Any] = {"row": 0, "column": 0, "keep": None, "texts": [], "phonetic": False}

    def start(tag: str, attributes: dict[str, str]) -> None:
        tag = tag.rpartition(":")[2]
        if tag == "row":
            given = attributes.get("r", "")
            state["row"] = int(given) if given.isdigit() else state["row"] + 1
            state["column"] = 0
        elif tag == "c":
            match = re.fullmatch(r"([A-Za-z]{1,3})([0-9]{1,7})", attributes.get("r", ""))
            if match:
                state["column"], state["row"] = _place(match.group(1).upper()) + 1, int(match.group(2))
            else:
                state["column"] += 1
            marks = "".join(f' {key}="{escape(attributes[key])}"' for key in ("s", "t") if key in attributes)
            out.append(f'<c r="{_letters(state["column"])}{state["row"]}"{marks}>')
        elif tag == "is":
            out.append("<is>")
        elif tag == "rPh":
            state["phonetic"] = True
        elif tag in ("v", "t"):
            state["keep"], state["texts"] = tag, []

    def end(tag: str) -> None:
        tag = tag.rpartition(":")[2]
        if tag in ("v", "t") and state["keep"] == tag:
            if not state["phonetic"]:
                out.append(f"<{tag}>{escape(''.join(state['texts']))}</{tag}>")
            state["keep"] = None
        elif tag in ("c", "is"):
            out.append(f"</{tag}>")
        elif tag == "rPh":
            state["phonetic"] = False

    def characters(data: str) -> None:
        if state["keep"] is not None:
            state["texts"].append(data)

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, characters
    _parse(parser, re.sub(r"^<\?xml[^>]*\?>", "", text.lstrip()), name)
    out.append("</sheetData>")
    return "".join(out)


def _letters(place: int) -> str:
    letters = ""
    while place:
        place, rest = divmod(place - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def _plain_strings(text: str) -> str:
    """Return the shared texts of a workbook as the usual XML."""
    root = ET.fromstring(text)
    out = ["<sst>"]
    for item in root:
        parts = []
        for element in item:
            tag = element.tag.rpartition("}")[2]
            if tag == "t":
                parts.append(element.text or "")
            elif tag == "r":
                parts += [inner.text or "" for inner in element if inner.tag.rpartition("}")[2] == "t"]
        out.append(f"<si><t>{escape(''.join(parts))}</t></si>")
    return "".join([*out, "</sst>"])
