"""Mutations of valid files: whatever is done to a file, nothing crashes and no row is lost.

    python -m manufacturing_copilot_tests.faults.mutations --count 10000

damages valid files of every format at random, tries each as a feed's first batch, and loads every fiftieth into a
database, as a whole and in pieces. A file that breaks something is written to `--keep`.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import random
import re
import shutil
import sys
import tempfile
import time
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
from openpyxl import Workbook

from manufacturing_copilot.errors import CopilotError
from manufacturing_copilot.ingest.defs.checks import batches_to_check, conservation, count_again
from manufacturing_copilot.ingest.discovery.claim import claim
from manufacturing_copilot.ingest.dry_run import rehearse
from manufacturing_copilot.ingest.ledger.attempts import BatchCounts
from manufacturing_copilot.ingest.loading.context import LoadSettings
from manufacturing_copilot.ingest.loading.load import load_batch
from manufacturing_copilot.site import Feed, Site
from manufacturing_copilot.store import migrate
from manufacturing_copilot.store.engine import connect_store
from manufacturing_copilot_tests.ingest.plants import aged, site_of

CORPUS = Path(__file__).with_name("corpus")
"""Files that once broke something, or that lead a fuzzer into every reader."""

_COLUMNS = ["order", "line", "item", "quantity", "ordered", "price"]
_FIELDS = {"order_no": "order", "line_no": "line", "item": "item", "quantity": "quantity", "ordered_on": "ordered"}
FEEDS: tuple[dict[str, object], ...] = (
    {
        "feed": "shop/orders",
        "records": "order_lines",
        "files": "inbox/shop/orders*",
        "key": ["order_no", "line_no"],
        "columns": {**_FIELDS, "price": {"column": "price", "optional": True, "missing": ["n/a"]}},
    },
    {
        "feed": "shop/first_holds",
        "records": "order_lines",
        "files": "inbox/shop/first*",
        "key": ["order_no", "line_no"],
        "repeats": "reject",
        "columns": {**_FIELDS, "price": {"column": "price", "optional": True}},
    },
    {
        "feed": "shop/moves",
        "records": "stock_movements",
        "files": "inbox/shop/moves*",
        "repeats": "keep",
        "columns": {"item": "item", "moved_on": "ordered", "quantity": "quantity", "movement": {"constant": "sale"}},
    },
)


@dataclass(frozen=True)
class Seed:
    """A valid file; `opened` and `closed` lead from what is packed to what is in it and back."""

    ending: str
    content: bytes
    opened: Callable[[bytes], bytes] | None = None
    closed: Callable[[bytes, bytes], bytes] | None = None


def _rows(count: int = 30) -> list[list[str]]:
    return [
        [f"O{n // 2}", str(n % 2 + 1), f"{n % 7:04d}", f"{n % 9 + 1}.5", f"2026-0{n % 9 + 1}-1{n % 9}", f"{n}.25"]
        for n in range(count)
    ]


def _text(rows: list[list[str]], delimiter: str = ",", end: str = "\n") -> str:
    return end.join(delimiter.join(row) for row in [_COLUMNS, *rows]) + end


def _german(rows: list[list[str]]) -> list[list[str]]:
    return [[*row[:3], row[3].replace(".", ","), f"15.0{row[4][6]}.2026", row[5].replace(".", ",")] for row in rows]


def _workbook(rows: list[list[str]]) -> bytes:
    book, target = Workbook(), io.BytesIO()
    sheet: Any = book.active
    for row in [_COLUMNS, *rows]:
        sheet.append(row)
    book.save(target)
    # what says when it was written would make every file another
    return _rezipped(
        target.getvalue(), lambda name, inner: re.sub(rb"20\d\d-[-\dT:.]+Z", b"2026-03-01T00:00:00Z", inner)
    )


def _zipped(name: str, content: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as packed:
        packed.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return target.getvalue()


def _rezipped(content: bytes, changed: Callable[[str, bytes], bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as packed, zipfile.ZipFile(target, "w") as again:
        for member in packed.namelist():
            again.writestr(zipfile.ZipInfo(member), changed(member, packed.read(member)))
    return target.getvalue()


def _largest_member(content: bytes) -> tuple[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        names = [name for name in packed.namelist() if "sheet" in name or not name.endswith(".xml")]
        name = max(names or packed.namelist(), key=lambda one: packed.getinfo(one).file_size)
        return name, packed.read(name)


def _with_member(content: bytes, changed: bytes) -> bytes:
    name, _ = _largest_member(content)
    return _rezipped(content, lambda member, inner: changed if member == name else inner)


def seeds() -> list[Seed]:
    """Return valid files of every format that is read."""
    rows = _rows()
    records = [dict(zip(_COLUMNS, row, strict=True)) for row in rows]
    plain = _text(rows).encode()
    parquet = io.BytesIO()
    pl.DataFrame(records).write_parquet(parquet)
    quoted = [[f'"{cell}"' if n % 3 else f'"{cell}\n"' for n, cell in enumerate(row)] for row in rows]
    return [
        Seed("csv", plain),
        Seed("csv", _text(_german(rows), ";", "\r\n").encode("cp1252")),
        Seed("csv", _text(rows, "\t", "\r").encode("utf-16")),
        Seed("csv", _text(rows, "+|").encode("utf-8-sig")),
        Seed("csv", _text(quoted).encode()),
        Seed("csv", b"\n\n" + plain + b"Total,,,135,,\n"),
        Seed("csv.gz", gzip.compress(plain, mtime=0), gzip.decompress, lambda _, inner: gzip.compress(inner, mtime=0)),
        Seed("zip", _zipped("orders.csv", plain), lambda packed: _largest_member(packed)[1], _with_member),
        Seed("xlsx", _workbook(rows), lambda packed: _largest_member(packed)[1], _with_member),
        Seed("json", json.dumps(records).encode()),
        Seed("json", json.dumps({"value": records, "next": None}).encode()),
        Seed("jsonl", "\n".join(map(json.dumps, records)).encode()),
        Seed("parquet", parquet.getvalue()),
    ]


_TOKENS = [
    *(
        b",",
        b";",
        b"\t",
        b"|",
        b"+|",
        b'"',
        b"'",
        b"\n",
        b"\r",
        b"\r\n",
        b"\r\r\n",
        b"\x00",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
    ),
    *(
        b"",
        b" ",
        b"\xc2\xa0",
        b"\xe4",
        b"=1+1",
        b"-",
        b"(1)",
        b"1e308",
        b"1e-400",
        b"NaN",
        b"inf",
        b"1,234.5",
        b"1.234,5",
    ),
    *(b"99999999999999999999", b"0001", b"31.12.9999", b"12/13/2026", b"13/12/2026", b"00/00/0000", b"45000", b"24:00"),
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b":",
        b"null",
        b"true",
        b"\\u0000",
        b"\\ud800",
        b"<c>",
        b"</row>",
        b"&amp;",
        b"PK\x03\x04",
    ),
    *(b"Total", b"order", b"item,item", b"n/a", b"\xe2\x82\xac5", b"50%", b"O1\x1f1", "½".encode(), "١٢".encode()),
]


def mutate(content: bytes, chance: random.Random, others: list[bytes]) -> bytes:
    """Return the content with one to five damages: bytes, tokens, lines or parts of other files."""
    for _ in range(chance.randint(1, 5)):
        content = chance.choice(_DAMAGES)(content, chance, others)
    return content[:200_000]


def _place(content: bytes, chance: random.Random) -> int:
    return chance.randint(0, len(content))


def _flip(content: bytes, chance: random.Random, _: list[bytes]) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.randint(1, 8)) if changed else ():
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def _insert(content: bytes, chance: random.Random, _: list[bytes]) -> bytes:
    at = _place(content, chance)
    return content[:at] + chance.choice(_TOKENS) * chance.choice([1, 1, 1, 2, 50]) + content[at:]


def _cut(content: bytes, chance: random.Random, _: list[bytes]) -> bytes:
    at = _place(content, chance)
    return content[:at] + content[at + chance.choice([1, 2, 10, 100, 100_000]) :]


def _lines(content: bytes, chance: random.Random, _: list[bytes]) -> bytes:
    lines = content.split(b"\n")
    way = chance.randrange(4)
    if way == 0:
        chance.shuffle(lines)
    elif way == 1:
        lines.insert(chance.randint(0, len(lines)), chance.choice(lines))
    elif way == 2:
        lines *= chance.randint(2, 4)
    else:
        del lines[chance.randrange(len(lines))]
    return b"\n".join(lines)


def _cell(content: bytes, chance: random.Random, _: list[bytes]) -> bytes:
    lines = content.split(b"\n")
    at = chance.randrange(len(lines))
    cells = lines[at].split(b",")
    cells[chance.randrange(len(cells))] = chance.choice(_TOKENS)
    lines[at] = b",".join(cells)
    return b"\n".join(lines)


def _splice(content: bytes, chance: random.Random, others: list[bytes]) -> bytes:
    other = chance.choice(others)
    return content[: _place(content, chance)] + other[_place(other, chance) :]


_DAMAGES = [_flip, _insert, _insert, _cut, _lines, _cell, _cell, _splice]


def mutations(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Give `count` damaged files, with the endings of their names; the same for the same seed."""
    chance = random.Random(seed)
    valid = seeds()
    others = [one.content for one in valid]
    for _ in range(count):
        one = chance.choice(valid)
        if one.opened is not None and one.closed is not None and chance.random() < 0.7:
            content = one.closed(one.content, mutate(one.opened(one.content), chance, others))
        else:
            content = mutate(one.content, chance, others)
        yield one.ending if chance.random() < 0.9 else chance.choice(["csv", "txt", "xlsx", "json"]), content


class Broken(AssertionError):  # noqa: N818  (a finding, not an error)
    """What must hold of every file does not hold of this one."""


def must_hold(site: Site, feed: Feed, path: Path) -> str:
    """Try a file as the feed's first batch; return what came of it. Raises Broken, or the crash itself."""
    try:
        found = rehearse(None, site, feed, path)
    except CopilotError as error:
        return _a_sentence(str(error))
    if found.refused is not None:
        return _a_sentence(found.refused)
    if found.received != found.accepted + found.duplicate + found.rejected:
        raise Broken(f"{found.received} rows received, {found.accepted} + {found.duplicate} + {found.rejected} told")
    for reasons in found.rejected_rows["reasons"].to_list() if found.rejected_rows.width else []:
        if not all(reason["sentence"] for reason in json.loads(reasons)):
            raise Broken("a row is rejected without a sentence")
    return "read"


def _a_sentence(text: str) -> str:
    if len(text.split()) < 4 or "Traceback" in text:
        raise Broken(f"refused without a sentence: {text!r}")
    return "refused"


class Loader:
    """Loads single files as first batches of a feed, each into a database of its own, as a whole and in pieces."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._template = folder / "template.db"
        store = connect_store(f"sqlite:///{self._template}")
        migrate.upgrade(store)
        store.close()

    def must_hold(self, feed: dict[str, object], ending: str, content: bytes) -> None:
        """Load the file both ways; raises Broken where rows are lost or the ways differ."""
        # what a sentence hints at may differ: a piece is less than the file
        whole, in_pieces = (replace(self._loaded(feed, ending, content, way), problem=None) for way in (False, True))
        if whole != in_pieces:
            raise Broken(f"as a whole {whole}, in pieces {in_pieces}")

    def _loaded(self, feed: dict[str, object], ending: str, content: bytes, in_pieces: bool) -> BatchCounts:
        home = self._folder / "home"
        shutil.rmtree(home, ignore_errors=True)
        site = site_of(home / "site", feed)
        path = home / (str(feed["files"]).replace("*", "_1.") + ending)
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        aged(path, 60)
        shutil.copyfile(self._template, home / "copilot.db")
        store = connect_store(f"sqlite:///{home}/copilot.db")
        try:
            settings = LoadSettings(stream_from_bytes=0 if in_pieces else 1 << 40, part_bytes=400)
            [found] = claim(store, site, home, actor="test")
            counts = load_batch(store, site, found.reference, home=home, actor="test", settings=settings)
            if counts.problem is not None:
                _a_sentence(counts.problem)
            elif not conservation(count_again(store, site.feeds[0], batches_to_check(store, site.feeds[0], ""))).passed:
                raise Broken("the tables do not hold the rows that the ledger counts")
        finally:
            store.close()
        return counts


def try_all(files: Iterator[tuple[str, bytes]], folder: Path, *, load_every: int, keep: Path | None) -> Counter[str]:
    """Try files and count what came of them; what breaks something is told, kept in `keep`, and counted as broken."""
    site = site_of(folder / "site", *FEEDS)
    declared = [site.feed(str(feed["feed"])) for feed in FEEDS]
    loader = Loader(folder)
    came: Counter[str] = Counter()
    for number, (ending, content) in enumerate(files):
        feed = declared[number % len(declared)]
        path = folder / f"file.{ending}"
        path.write_bytes(content)
        try:
            came[must_hold(site, feed, path)] += 1
            if number % load_every == 0:
                loader.must_hold(FEEDS[number % len(FEEDS)], ending, content)
                came["loaded both ways"] += 1
        except Exception as error:  # noqa: BLE001  (whatever it is, it is a finding)
            came["broken"] += 1
            _tell(error, feed.feed, number, ending, content, keep)
    return came


def _tell(error: Exception, feed: str, number: int, ending: str, content: bytes, keep: Path | None) -> None:
    last = traceback.format_exception(error)[-4:]
    sys.stderr.write(f"mutation {number} ({feed}, {ending}): {''.join(last)}\n")
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        (keep / f"broken_{number}_{feed.partition('/')[2]}.{ending}").write_bytes(content)


def main() -> int:
    """Try as many mutations as the command line asks for; the exit code says whether all held."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--load-every", type=int, default=50)
    parser.add_argument("--keep", type=Path, help="a folder for the files that break something")
    asked = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="copilot-mutations-") as folder:
        came = try_all(mutations(asked.count, asked.seed), Path(folder), load_every=asked.load_every, keep=asked.keep)
    told = ", ".join(f"{count} {what}" for what, count in came.most_common())
    print(f"{asked.count} mutations in {time.monotonic() - began:.0f} s: {told}")  # noqa: T201
    return 1 if came["broken"] else 0


if __name__ == "__main__":
    sys.exit(main())
