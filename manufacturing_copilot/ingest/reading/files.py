"""The front door of reading: unpack a file, tell its type, hand it to the reader of that type."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import polars as pl

from manufacturing_copilot.errors import BatchError, CopilotError
from manufacturing_copilot.ingest.file_contract import FIRST_FILE, FileContract, FileReading
from manufacturing_copilot.ingest.reading.bounded import DEFAULTS
from manufacturing_copilot.ingest.reading.columnar import read_parquet
from manufacturing_copilot.ingest.reading.delimited import read_delimited
from manufacturing_copilot.ingest.reading.encoding import STAND_IN, bytes_in, damage_in_words
from manufacturing_copilot.ingest.reading.json_documents import read_json, read_json_lines
from manufacturing_copilot.ingest.reading.markup import read_xml
from manufacturing_copilot.ingest.reading.rows import bad_frame
from manufacturing_copilot.ingest.reading.unpacking import is_workbook, unpack
from manufacturing_copilot.ingest.reading.workbook import read_workbook
from manufacturing_copilot.ingest.received import LINE, Received
from manufacturing_copilot.site import FileFormat
from manufacturing_copilot.site.file_bounds import Limits

logger = logging.getLogger(__name__)

_READERS = {
    "csv": read_delimited,
    "excel": read_workbook,
    "json": read_json,
    "jsonl": read_json_lines,
    "parquet": read_parquet,
    "xml": read_xml,
}
Wanted = Callable[[Received], Iterable[str]]
"""Gives the columns of a file that are read."""
ENDINGS = {".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl", ".xml": "xml"}


def read_file(
    content: bytes | Path,
    name: str,
    format: FileFormat,
    contract: FileContract = FIRST_FILE,
    limits: Limits = DEFAULTS,
    wanted: Wanted | None = None,
) -> Received:
    """Return the rows of one file, all as text, and the lines that are no rows.

    `name` is how sentences call the file; its ending helps to tell the type. `contract` is what earlier files of
    the feed were found to be; the declared `format` goes before it, it before detection. Raises BatchError, with
    what to do, where the file cannot be read at all or is over one of the `limits`.
    `wanted` names those of a file's columns that are read: bytes that are no text spoil a row only there.
    """
    if isinstance(content, Path):
        content = content.read_bytes()
    content, member, packing = unpack(content, name, limits)
    kind = format.type or _type_of(content, member)
    _refuse_other_type(kind, content, name)
    with _unreadable_is_a_sentence(kind, name):
        received = _READERS[kind](content, name, format, contract.reading or FileReading(), limits)
    if received.found.damaged:
        received = _without_damaged_rows(received, wanted)
    found = replace(received.found, type=kind, packing=packing, member=member if packing else None)
    reading = replace(received.contract.reading or FileReading(), type=kind)
    earlier = None if contract.reading is None else contract.reading.encoding
    if earlier is not None and reading.encoding not in (None, earlier) and format.encoding is None:
        found = replace(found, earlier_encoding=earlier)
    return replace(received, found=found, contract=replace(contract, reading=reading))


def _without_damaged_rows(received: Received, wanted: Wanted | None) -> Received:
    """Make bad lines of the rows that hold bytes that are no text in a column that is read.

    In other columns, and in what is shown, U+FFFD stands for such bytes.
    """
    rows, encoding = received.rows, received.found.encoding or "utf-8"
    names = [name for name in rows.columns if name != LINE]
    read = names if wanted is None else [name for name in wanted(received) if name in names]
    spoilt = rows.select(
        pl.any_horizontal([pl.col(name).str.contains(STAND_IN) for name in read]).fill_null(False)
        if read
        else pl.lit(False)
    ).to_series()
    bad = []
    for row in rows.filter(spoilt).iter_rows(named=True):
        column = next(name for name in read if bytes_in(row[name] or ""))
        text = (received.found.delimiter or ", ").join(row[name] or "" for name in names)
        bad.append((row[LINE], text, damage_in_words(row[column], column, encoding), "encoding"))
    rows = rows.filter(~spoilt) if bad else rows
    bad_lines = pl.concat([received.bad_lines, bad_frame(bad)]).sort(LINE, maintain_order=True)
    return replace(
        received,
        rows=rows.with_columns(pl.exclude(LINE).str.replace_all(STAND_IN, "\ufffd")),
        bad_lines=bad_lines.with_columns(pl.col("text").str.replace_all(STAND_IN, "\ufffd")),
        found=replace(received.found, damaged=False),
    )


@contextmanager
def _unreadable_is_a_sentence(kind: str, name: str) -> Iterator[None]:
    """Turn what a library raises on a file it does not understand into a BatchError; the log holds the details."""
    try:
        yield
    except CopilotError:
        raise
    except BaseException as error:
        # A library written in Rust panics with an exception that is no Exception.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        logger.warning("%s could not be read", name, exc_info=True)
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise BatchError(
            f"{name}: the {kind} file is damaged or holds what cannot be read ({first_line});"
            " export it again, or export it as CSV"
        ) from None


def _type_of(content: bytes, name: str) -> str:
    if content.startswith(b"PAR1"):
        return "parquet"
    if is_workbook(content):
        return "excel"
    ending = Path(name).suffix.lower()
    if ending in ENDINGS:
        return ENDINGS[ending]
    start = content[:64].removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.lstrip(b"\xff\xfe").replace(b"\x00", b"")[:14].lower().startswith((b"<?xml", b"<html", b"<!doctype html")):
        return "xml"
    if start[:1] == b"[" and start[1:].lstrip()[:1] in (b"{", b"]"):
        return "json"
    if start.startswith(b'{"'):
        first = content.lstrip().split(b"\n", 1)[0].rstrip()
        return "jsonl" if first.endswith(b"}") and b"\n" in content.strip() else "json"
    return "csv"


def _refuse_other_type(kind: str, content: bytes, name: str) -> None:
    """Refuse a workbook that is called .csv, or a table that is called .xlsx, instead of reading noise."""
    actual = "parquet" if content.startswith(b"PAR1") else "excel" if is_workbook(content) else None
    if content and kind in ("parquet", "excel") and actual != kind:
        what = "a Parquet file" if kind == "parquet" else "an Excel workbook"
        raise BatchError(f"{name}: expected {what}, but its first bytes are not those of one; export it again")
    if kind in ("csv", "json", "jsonl", "xml") and actual is not None:
        what = "a Parquet file" if actual == "parquet" else "an Excel workbook"
        raise BatchError(
            f"{name}: expected {kind}, found {what}; change format: {{type: {actual}}} in the feed, or the export"
        )
