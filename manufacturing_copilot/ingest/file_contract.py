"""What is known of how a feed's files are written: the contract for the next file, and the findings of one file.

Plain values inside `ingest`; JSON in the ledger alone (`feed.contract`, `batch_file.found`), as `to_json` writes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from manufacturing_copilot.site.feeds import DateOrder

DecimalMark = Literal[".", ","]


@dataclass(frozen=True)
class FileReading:
    """How the rows of a feed's files are read: what the declared format leaves open and the files have answered.

    `type`: csv, excel, json, jsonl, parquet or xml. `encoding` and `delimiter` of text files, where a file decided
    them; `sheet` of workbooks; `record`, the name of the elements that are rows, of XML. None: open.
    """

    type: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    record: str | None = None

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> FileReading:
        """Return a reading that `to_json` wrote."""
        return cls(**{part.name: stored.get(part.name) for part in fields(cls)})

    def to_json(self) -> dict[str, Any]:
        """Return what is not open, as JSON."""
        return {part.name: value for part in fields(self) if (value := getattr(self, part.name)) is not None}


@dataclass(frozen=True)
class ValueFormats:
    """How the values of a feed's files are read, by the field's name.

    `decimal`: the decimal mark. `dates`: the order of day and month. `marked_by_x`: the flags of which an x means yes
    and an empty cell no, and `moments` the dates with a time of day in a zone of their own that is not always midnight,
    in alphabetical order. A field that no file has decided yet is in none of them.
    """

    decimal: Mapping[str, DecimalMark] = field(default_factory=dict)
    dates: Mapping[str, DateOrder] = field(default_factory=dict)
    marked_by_x: tuple[str, ...] = ()
    moments: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> ValueFormats:
        """Return the formats that `to_json` wrote."""
        return cls(
            stored.get("decimal", {}),
            {name: DateOrder(order) for name, order in stored.get("dates", {}).items()},
            tuple(stored.get("marked_by_x", ())),
            tuple(stored.get("moments", ())),
        )

    def to_json(self) -> dict[str, Any]:
        """Return what is decided, as JSON; empty where nothing is."""
        decided = {
            "decimal": dict(self.decimal),
            "dates": {name: str(order) for name, order in self.dates.items()},
            "marked_by_x": list(self.marked_by_x),
            "moments": list(self.moments),
        }
        return {name: value for name, value in decided.items() if value}


@dataclass(frozen=True)
class FileContract:
    """What earlier files of a feed were found to be, which holds for the next one.

    `reading`: how rows are read, None where no file was read yet. `columns`: every name that the files' columns have
    had, None where no file was checked yet. `values`: how values are read. `key`: the fields by which its records are
    known, None where they have no key or were loaded before this was noted.
    """

    reading: FileReading | None = None
    columns: tuple[str, ...] | None = None
    values: ValueFormats = field(default_factory=ValueFormats)
    key: tuple[str, ...] | None = None

    @classmethod
    def from_json(cls, stored: Mapping[str, Any] | None) -> FileContract:
        """Return the contract that `to_json` wrote."""
        stored = stored or {}
        reading, columns, key = stored.get("reading"), stored.get("columns"), stored.get("key")
        return cls(
            None if reading is None else FileReading.from_json(reading),
            None if columns is None else tuple(columns),
            ValueFormats.from_json(stored),
            None if key is None else tuple(key),
        )

    def to_json(self) -> dict[str, Any] | None:
        """Return what is known, as JSON; None where nothing is."""
        known: dict[str, Any] = {}
        if self.reading is not None:
            known["reading"] = self.reading.to_json()
        known |= self.values.to_json()
        if self.columns is not None:
            known["columns"] = list(self.columns)
        if self.key is not None:
            known["key"] = list(self.key)
        return known or None


FIRST_FILE = FileContract()
"""The contract of a feed of which no file has been loaded: everything is open."""


@dataclass(frozen=True)
class LeftOut:
    """Rows of a file that are none of the feed's: how many, or on which lines (ascending) they stand."""

    blank_rows: int = 0
    repeated_headers: tuple[int, ...] = ()
    totals_rows: tuple[int, ...] = ()
    heading_rows: tuple[int, ...] = ()
    rows_of_others: int = 0

    def __add__(self, other: LeftOut) -> LeftOut:
        """Return what was left out of two parts of one file."""
        return LeftOut(
            self.blank_rows + other.blank_rows,
            tuple(sorted(self.repeated_headers + other.repeated_headers)),
            tuple(sorted(self.totals_rows + other.totals_rows)),
            tuple(sorted(self.heading_rows + other.heading_rows)),
            self.rows_of_others + other.rows_of_others,
        )

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> LeftOut:
        """Return what `to_json` wrote."""
        lines = ("repeated_headers", "totals_rows", "heading_rows")
        return cls(
            blank_rows=stored.get("blank_rows", 0),
            **{name: tuple(stored.get(name, ())) for name in lines},
            rows_of_others=stored.get("rows_of_others", 0),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the kinds of rows that were left out, as JSON."""
        counted = {part.name: getattr(self, part.name) for part in fields(self)}
        return {name: list(rows) if isinstance(rows, tuple) else rows for name, rows in counted.items() if rows}


@dataclass(frozen=True)
class FileFindings:
    """What was detected in one file.

    Of reading it. `type`: as in FileReading. `encoding`; of delimited text, `delimiter` and `header_line` (from 1, None
    where the file has no header). `sheet`, `sheets`: the sheet that was read, and all of a workbook. `list_key`: the
    key of the JSON list that holds the records. `element`: the path of the XML elements that are rows. `left_out`:
    rows that are none of the feed's. `columns`: the file's own, in order. `plain_numbers`: columns whose texts come
    from typed numbers, None where the type of file has no such. `packing` and `member`: how the file was packed, and
    the name of what was inside.

    `earlier_encoding`: that of earlier files, where this one is written in another. `damaged`: texts hold stand-ins
    for bytes that are no text; only while a file is read.

    Of checking it, None before. `matched`: the column that each field is read from. `unmapped_columns`: read by
    no field. `new_columns`: that earlier files did not have. `missing_columns`: declared, and not there.
    `discarded_columns`: dropped, as the feed lets in no new ones. `decided`: how values were read.
    `read_as_missing`: by field, how often each text was read as no value. `summed`: how many `records` are totals, of
    how many `rows`, and by field in how many of them the rows say different things.
    """

    type: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    header_line: int | None = None
    sheet: str | None = None
    sheets: tuple[str, ...] = ()
    list_key: str | None = None
    element: str | None = None
    left_out: LeftOut = field(default_factory=LeftOut)
    columns: tuple[str, ...] | None = None
    plain_numbers: tuple[str, ...] | None = None
    packing: str | None = None
    member: str | None = None
    earlier_encoding: str | None = None
    damaged: bool = False
    matched: Mapping[str, str] | None = None
    unmapped_columns: tuple[str, ...] = ()
    new_columns: tuple[str, ...] = ()
    missing_columns: tuple[str, ...] = ()
    discarded_columns: tuple[str, ...] = ()
    decided: ValueFormats | None = None
    read_as_missing: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    summed: Mapping[str, int] = field(default_factory=dict)

    def counted_with(self, before: FileFindings) -> FileFindings:
        """Return the findings up to and with this part of a file; texts read as no value are counted over both."""
        counts: dict[str, Counter[str]] = {}
        for part in (before, self):
            for name, texts in part.read_as_missing.items():
                counts.setdefault(name, Counter()).update(texts)
        return replace(self, read_as_missing={name: dict(sorted(texts.items())) for name, texts in counts.items()})

    @classmethod
    def from_json(cls, stored: Mapping[str, Any] | None) -> FileFindings:
        """Return the findings that `to_json` wrote; None stands for those of a file that was not read yet."""
        stored = stored or {}
        columns, plain, decided = stored.get("columns"), stored.get("plain_numbers"), stored.get("decided")
        matched = columns if isinstance(columns, Mapping) else None
        return cls(
            type=stored.get("type"),
            encoding=stored.get("encoding"),
            delimiter=stored.get("delimiter"),
            header_line=stored.get("header_line"),
            sheet=stored.get("sheet"),
            sheets=tuple(stored.get("sheets", ())),
            list_key=stored.get("list"),
            element=stored.get("element"),
            left_out=LeftOut.from_json(stored),
            columns=None if columns is None or matched is not None else tuple(columns),
            plain_numbers=None if plain is None else tuple(plain),
            packing=stored.get("packing"),
            member=stored.get("member"),
            earlier_encoding=stored.get("earlier_encoding"),
            matched=matched,
            unmapped_columns=tuple(stored.get("unmapped_columns", ())),
            new_columns=tuple(stored.get("new_columns", ())),
            missing_columns=tuple(stored.get("missing_columns", ())),
            discarded_columns=tuple(stored.get("discarded_columns", ())),
            decided=None if decided is None else ValueFormats.from_json(decided),
            read_as_missing=stored.get("read_as_missing", {}),
            summed=stored.get("summed", {}),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the findings as JSON: what was not asked of this type of file, or of an unchecked one, is left out.

        `columns` is the file's own until it was checked, then the column of each field.
        """
        first = ("type", "encoding", "earlier_encoding", "delimiter", "sheet", "element", "packing", "member")
        found: dict[str, Any] = {name: value for name in first if (value := getattr(self, name)) is not None}
        if self.delimiter is not None:
            found["header_line"] = self.header_line
        if self.sheet is not None:
            found["sheets"] = [*self.sheets]
        if self.list_key is not None:
            found["list"] = self.list_key
        found |= self.left_out.to_json()
        if self.discarded_columns:
            found["discarded_columns"] = [*self.discarded_columns]
        if self.plain_numbers is not None:
            found["plain_numbers"] = [*self.plain_numbers]
        if self.matched is None:
            return found if self.columns is None else {**found, "columns": [*self.columns]}
        found["columns"] = dict(self.matched)
        for name in ("unmapped_columns", "new_columns", "missing_columns"):
            found[name] = [*getattr(self, name)]
        if self.decided is not None:
            found["decided"] = self.decided.to_json()
        if self.read_as_missing:
            found["read_as_missing"] = {name: dict(texts) for name, texts in self.read_as_missing.items()}
        if self.summed:
            found["summed"] = dict(self.summed)
        return found
