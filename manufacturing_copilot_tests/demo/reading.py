"""The demo's files read with the plain csv module, and the fates of their rows worked out a second way."""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from datetime import date, datetime
from pathlib import Path

from manufacturing_copilot.demo.exports import EXPORTS, Export
from manufacturing_copilot.demo.truth import FeedTruth
from manufacturing_copilot.records import FieldType
from manufacturing_copilot.site import Feed, load_site

SITE = load_site(Path(__file__).resolve().parents[2] / "manufacturing_copilot" / "demo" / "site")
BY_FEED = {export.feed: export for export in EXPORTS}
TYPES = {FieldType.QUANTITY: float, FieldType.MONEY: float, FieldType.RATIO: float, FieldType.INTEGER: int}


def files_of(home: Path, feed: Feed) -> list[Path]:
    """The feed's files, in order of path, found by the pattern that the site declares."""
    return sorted(home.glob(feed.files[0]))


def rows_of(path: Path, export: Export, feed: Feed) -> list[dict[str, str]]:
    """The rows of a file under our field names; blank rows and totals rows are none."""
    text = path.read_bytes().decode(export.encoding)
    header, *lines = csv.reader(io.StringIO(text, newline=""), delimiter=export.delimiter)
    ours = {spec.column: name for name, spec in feed.columns.items()}
    assert set(header) == set(ours)
    totals = feed.format.totals
    return [
        dict(zip((ours[name] for name in header), line, strict=True))
        for line in lines
        if line and not (totals and next(filter(None, line), "").startswith(totals))
    ]


def passes(row: dict[str, str], feed: Feed, export: Export) -> bool:
    """Whether every value can be read as its field's type, within its range and choices."""
    for field in feed.kind.fields:
        text = row.get(field.name, "")
        spec = feed.columns.get(field.name)
        if spec is None:
            continue
        text = spec.values.get(text, "" if text in spec.missing else text)
        if not text:
            if field.required:
                return False
            continue
        if field.choices and text not in field.choices:
            return False
        try:
            if field.type is FieldType.DATE:
                datetime.strptime(text, export.dates)
            elif field.type in TYPES:
                plain = text.replace(".", "").replace(",", ".") if export.decimal == "," else text
                if field.at_least is not None and TYPES[field.type](plain) < field.at_least:
                    return False
                TYPES[field.type](plain)
        except ValueError:
            return False
    return True


def fates(home: Path, feed: Feed) -> FeedTruth:
    """Count a feed's rows: file repeated → duplicate; unreadable → rejected; key known → duplicate or change."""
    export = BY_FEED[feed.feed]
    contents: set[str] = set()
    newest: dict[tuple[str, ...], dict[str, str]] = {}
    count: Counter[str] = Counter()
    for path in files_of(home, feed):
        rows = rows_of(path, export, feed)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        count["files"] += 1
        count["received"] += len(rows)
        if digest in contents:
            count["duplicate"] += len(rows)
            continue
        contents.add(digest)
        for row in rows:
            key = tuple(row[name] for name in feed.record_key)
            if not passes(row, feed, export):
                count["rejected"] += 1
            elif newest.get(key) == row:
                count["duplicate"] += 1
            else:
                count["accepted"] += 1
                count["changed"] += key in newest
                newest[key] = row
    return FeedTruth(**count)


def records(home: Path, feed_name: str) -> list[dict[str, str]]:
    """The records of a feed as they stand after all its files: readable rows only, the last of each key."""
    feed = SITE.feed(feed_name)
    export = BY_FEED[feed_name]
    last: dict[tuple[str, ...], dict[str, str]] = {}
    for path in files_of(home, feed):
        for row in rows_of(path, export, feed):
            if passes(row, feed, export):
                last[tuple(row[name] for name in feed.record_key)] = row
    return list(last.values())


def day(text: str, export: Export) -> date:
    """The day that `text` writes."""
    return datetime.strptime(text, export.dates).date()
