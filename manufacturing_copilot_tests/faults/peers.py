"""Compares our readers with independent ones, cell by cell: `python -m manufacturing_copilot_tests.faults.peers`.

Delimited text against Python's csv, workbooks against openpyxl (and xlrd for .xls), Parquet against pyarrow, JSON
against Python's json. Over generated files, and over the raw files of a data folder where COPILOT_DATA names one.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import io
import json
import os
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.ingest.reading import read_file
from manufacturing_copilot.ingest.received import LINE, Received
from manufacturing_copilot.site import FileFormat

Table = list[tuple[str | None, ...]]
_LARGEST = 60_000_000
_WORDS = ("bolt", "Größe", '1/2" nut', "a, b", "two\nlines", "", " x ", "007", "=1+1", "#N/A", "naïve", "ß", "0")


def generated(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Give so many files of each kind, of random cells: the name and the bytes."""
    chance = random.Random(seed)
    for number in range(count):
        width, height = chance.randint(2, 8), chance.randint(1, 40)
        names = [f"c{place}" for place in range(width)]
        words = [[chance.choice(_WORDS) for _ in names] for _ in range(height)]
        for row in words:
            row[0] = f"K{chance.randint(0, 99)}"
        text = io.StringIO()
        csv.writer(text, delimiter=chance.choice(",;\t|"), lineterminator=chance.choice(["\n", "\r\n"])).writerows(
            [names, *words]
        )
        yield f"{number}.csv", text.getvalue().encode(chance.choice(["utf-8", "utf-8-sig", "utf-16"]))
        values = [[row[0], *(_value(chance) for _ in names[1:])] for row in words]
        book = openpyxl.Workbook()
        for cells in ([*names], *values):
            book.active.append(cells)
        packed = io.BytesIO()
        book.save(packed)
        yield f"{number}.xlsx", packed.getvalue()
        records = [dict(zip(names, row, strict=True)) for row in words]
        yield f"{number}.json", json.dumps(records).encode()
        sink = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(records), sink)
        yield f"{number}.parquet", sink.getvalue()


def _value(chance: random.Random) -> Any:
    return chance.choice(
        [
            None,
            chance.randint(-(10**9), 10**9),
            round(chance.uniform(-1e6, 1e6), chance.randint(0, 6)),
            chance.uniform(0, 1),
            dt.datetime(2024, 1, 1) + dt.timedelta(seconds=chance.randint(0, 10**8)),
            chance.choice(_WORDS[:2]),
            chance.random() < 0.5,
        ]
    )


def ours_of(received: Received) -> Table:
    """Return what we read, bad lines left out."""
    return received.rows.drop(LINE).rows()


def peer_of(content: bytes, name: str, received: Received) -> Table | None:
    """Return the rows that an independent reader gives, blank ones left out; None where it cannot read the file."""
    ending = Path(name).suffix.lower()
    if ending == ".csv" or (ending == ".txt" and received.found.type == "csv"):
        text = content.decode(received.found.encoding or "utf-8").removeprefix("\ufeff")
        rows = [*csv.reader(io.StringIO(text, newline=""), delimiter=received.found.delimiter or ",")]
        header = (received.found.header_line or 1) - 1
        width = len(received.found.columns or ())
        body = [tuple(cell.replace("\r\n", "\n") for cell in row) for row in rows[header + 1 :] if len(row) == width]
        return [row for row in body if any(cell.strip() for cell in row)]
    if ending in (".xlsx", ".xlsm"):
        sheet = openpyxl.load_workbook(io.BytesIO(content), data_only=True, read_only=True)[received.found.sheet or ""]
        cells = [tuple(map(_as_text, row)) for row in sheet.iter_rows(values_only=True)]
        filled = [row for row in cells if any((cell or "").strip() for cell in row)]
        width = len(received.found.columns or ())
        return [(row + (None,) * width)[:width] for row in filled[1:]]
    if ending == ".json":
        records = json.loads(content, parse_float=str, parse_int=str)
        if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
            return None
        names = received.found.columns or ()
        return [tuple(record.get(name) for name in names) for record in records]
    if ending == ".parquet":
        table = pq.read_table(io.BytesIO(content))
        return [tuple(_as_text(value) for value in row.values()) for row in table.to_pylist()]
    return None


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dt.datetime):
        value = value.replace(microsecond=round(value.microsecond, -3) % 1_000_000)
        return value.isoformat(" ", "milliseconds" if value.microsecond else "seconds")
    if isinstance(value, float):
        return str(int(value)) if value == int(value) else f"{float(f'{value:.15g}')!r}"
    return str(value)


def compare(name: str, content: bytes) -> tuple[str, str]:
    """Return "same", "refused", "apart" (the peer cannot read it) or "differs", and where."""
    try:
        received = read_file(content, name, FileFormat())
    except BatchError as error:
        return "refused", str(error)
    try:
        peer = peer_of(content, name, received)
    except Exception as error:  # noqa: BLE001  (whatever an independent reader raises)
        return "apart", str(error)
    if peer is None:
        return "apart", "no peer"
    ours = [tuple(_even(cell) for cell in row) for row in ours_of(received)]
    theirs = [tuple(_even(cell) for cell in row) for row in peer]
    if Counter(ours) == Counter(theirs):
        return "same", f"{sum(map(len, ours))} cells"
    row = next(iter((Counter(theirs) - Counter(ours)) or (Counter(ours) - Counter(theirs))))
    return "differs", f"{len(ours)} rows, the peer {len(theirs)}; first: {row}"


def _even(cell: str | None) -> str:
    """Return a cell with its numbers in one form: what is compared is the value, and the text where it is none."""
    text = (cell or "").replace("\r\n", "\n")
    try:
        number = float(text)
    except ValueError:
        return text
    return text if text[:1] in ("0", " ") or "_" in text else f"{number:.15g}"


def raw_files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Give the raw files of a data folder that an independent reader takes too."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in (".csv", ".xlsx", ".json", ".parquet") and path.stat().st_size < _LARGEST:
            yield str(path.relative_to(folder)), path.read_bytes()


def main() -> None:
    """Print how many files of each kind were read alike."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=250, help="generated files of each kind")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    sources = {"generated": generated(options.files, options.seed)}
    if (data := os.environ.get("COPILOT_DATA")) is not None:
        sources["raw"] = raw_files(Path(data))
    for source, files in sources.items():
        fates: Counter[tuple[str, str]] = Counter()
        for name, content in files:
            fate, what = compare(name, content)
            fates[Path(name).suffix, fate] += 1
            if fate == "differs" or (source == "generated" and fate != "same"):
                print(f"{name}: {fate}: {what[:200]}")  # noqa: T201
        for (kind, fate), count in sorted(fates.items()):
            print(f"{source} {kind}: {count} {fate}")  # noqa: T201


if __name__ == "__main__":
    main()
