"""Reading XML: the elements of one kind become rows, what stands within them columns.

The parser is expat, without document types: no entity grows, nothing outside the file is fetched. Expressions, such as
the `eval=` of Odoo's data files, stay the texts they are.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any
from xml.parsers import expat

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.ingest.file_contract import FileFindings, FileReading
from manufacturing_copilot.ingest.reading.bounded import DEFAULTS, refuse_over
from manufacturing_copilot.ingest.reading.json_documents import received_objects
from manufacturing_copilot.ingest.received import Received
from manufacturing_copilot.site import FileFormat
from manufacturing_copilot.site.file_bounds import Limits

_DEEPEST = 32
_BYTES_A_TAG = 100
_DECLARED = re.compile(rb"""^<\?xml[^>]*?encoding=["']([A-Za-z0-9._-]+)["']""")
_OF_EXPAT = ("utf-8", "utf-16", "iso-8859-1", "us-ascii")
_VALUES = ("value", "ref", "eval")
"""Attributes that hold a value where an element has no text, as in <field name="product_id" ref="…"/>."""

Path = tuple[str, ...]


def read_xml(
    content: bytes, name: str, format: FileFormat, earlier: FileReading, limits: Limits = DEFAULTS
) -> Received:
    """Return the rows of an XML file: the elements that the feed names as `record`, else those that repeat.

    Attributes and inner elements are columns, nested ones dotted; where an element has a `name`, as Odoo's fields have,
    that is its column. What repeats within a row is kept as a JSON list. `_line` is the line on which the element
    begins. Raises BatchError where the file is no sound XML, is a web page or a spreadsheet, or has no such elements.
    """
    start = content[:400].replace(b"\x00", b"").lower()
    if b"<html" in start or b"<!doctype html" in start:
        raise BatchError(
            f"{name}: this is a web page, as some systems write for Excel; export it as CSV or as a real workbook"
        )
    if b"urn:schemas-microsoft-com:office:spreadsheet" in start:
        raise BatchError(f"{name}: this is a spreadsheet in XML of 2003; save it as a workbook (.xlsx) or as CSV")
    content = _recoded(content, name)
    paths = Counter[Path]()
    refuse_over(name, "memory", 2 * len(content) + _BYTES_A_TAG * content.count(b"<"), limits.memory)
    _parse(content, name, _Paths(paths, name, limits))
    if not paths:
        raise BatchError(f"{name}: the file is empty; expected XML with an element for each row")
    path = _rows_at(paths, format.record or earlier.record, name, declared=format.record is not None)
    rows = _Rows(path)
    _parse(content, name, rows)
    found = FileFindings(element="/".join(path))
    return received_objects(rows.objects, [], found, format, name, FileReading(record=path[-1]), limits)


def _recoded(content: bytes, name: str) -> bytes:
    declared = _DECLARED.match(content)
    encoding = declared.group(1).decode().lower() if declared else "utf-8"
    if encoding in _OF_EXPAT:
        return content
    try:
        text = content.decode(encoding)
    except (LookupError, UnicodeDecodeError):
        raise BatchError(f"{name}: the XML says that it is in {encoding}, which it is not; export it again") from None
    return _DECLARED.sub(b'<?xml version="1.0" encoding="utf-8"', text.encode())


def _parse(content: bytes, name: str, handler: _Paths | _Rows) -> None:
    parser = expat.ParserCreate()
    parser.buffer_text = True

    def refuse(*_: object) -> None:
        raise BatchError(
            f"{name}: the XML has a document type of its own, by which a small file can grow without end; that is"
            " refused, export it without"
        )

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = lambda tag, attributes: handler.start(
        tag.rpartition(":")[2], attributes, parser.CurrentLineNumber
    )
    parser.EndElementHandler = lambda _: handler.end()
    parser.CharacterDataHandler = handler.text
    try:
        if content.strip():
            parser.Parse(content, True)
    except expat.ExpatError as error:
        raise BatchError(
            f"{name}, line {error.lineno}: this is no sound XML ({expat.ErrorString(error.code)}); export it again"
        ) from None
    except RecursionError:
        raise BatchError(f"{name}: the XML is nested too deeply; expected an element for each row") from None


class _Paths:
    """Counts the elements by the path that leads to them."""

    def __init__(self, paths: Counter[Path], name: str, limits: Limits) -> None:
        self._paths, self._open = paths, []  # type: tuple[Counter[Path], list[str]]
        self._name, self._limits, self._cells = name, limits, 0

    def start(self, tag: str, attributes: dict[str, str], line: int) -> None:
        if len(self._open) >= _DEEPEST:
            raise RecursionError
        refuse_over(self._name, "columns", len(attributes), self._limits.columns, where=f", line {line}")
        self._cells += len(attributes) + 1
        refuse_over(self._name, "cells", self._cells, self._limits.cells)
        self._open.append(tag)
        self._paths[tuple(self._open)] += 1

    def end(self) -> None:
        self._open.pop()

    def text(self, text: str) -> None:
        """Nothing: only the elements count."""


def _rows_at(paths: Counter[Path], record: str | None, name: str, *, declared: bool) -> Path:
    """Return the path of the elements that are rows: the named ones, else the outermost that repeat most."""
    named = [path for path in paths if path[-1] == record]
    if named:
        return min(named, key=lambda path: (len(path), -paths[path]))
    if declared:
        tags = sorted({path[-1] for path in paths})
        raise BatchError(
            f"{name}: there is no element {record!r}, which the feed names under format: {{record: …}}; found"
            f" {', '.join(tags[:40])}"
        )
    repeated = [path for path, count in paths.items() if count > 1] or [path for path in paths if len(path) == 2]
    if not repeated:
        raise BatchError(f"{name}: the XML holds no elements that could be rows; expected an element for each row")
    return min(repeated, key=lambda path: (len(path), -paths[path]))


class _Rows:
    """Gathers the elements at one path as objects, each with the line on which it begins."""

    def __init__(self, path: Path) -> None:
        self.objects: list[tuple[int, dict[str, Any]]] = []
        self._path, self._open = path, []  # type: tuple[Path, list[str]]
        self._inner: list[tuple[str, dict[str, Any], list[str]]] = []

    def start(self, tag: str, attributes: dict[str, str], line: int) -> None:
        self._open.append(tag)
        if self._inner:
            attributes = dict(attributes)
            self._inner.append((attributes.pop("name", tag), attributes, []))  # type: ignore[arg-type]
        elif tuple(self._open) == self._path:
            self.objects.append((line, dict(attributes)))
            self._inner.append((tag, self.objects[-1][1], []))

    def end(self) -> None:
        self._open.pop()
        if not self._inner:
            return
        key, inside, texts = self._inner.pop()
        text = "".join(texts).strip()
        if not self._inner:
            if text:  # the row's own text stands in a column of the element's name
                _add(inside, key, text)
            return
        row = self._inner[-1][1]
        _add(row, key, _value(inside, text))
        if text:
            for attribute, value in inside.items():
                if isinstance(value, str) and attribute not in _VALUES:
                    _add(row, f"{key}.{attribute}", value)

    def text(self, text: str) -> None:
        if self._inner:
            self._inner[-1][2].append(text)


def _value(inside: dict[str, Any], text: str) -> Any:
    if not inside:
        return text or None
    if text:
        return text
    known = [inside[attribute] for attribute in _VALUES if isinstance(inside.get(attribute), str)]
    return known[0] if known else inside


def _add(row: dict[str, Any], key: str, value: Any) -> None:
    if key not in row or row[key] is None:
        row[key] = value
    elif value is not None:
        before = row[key] if isinstance(row[key], list) else [row[key]]
        row[key] = [*before, value]
