"""Keeping what came as it came: the original bytes by their content, and the rows as received as Parquet.

Everything is written beside its place and then moved there, under a name that follows from the content or the
file's number: whoever is killed half-way and starts again finds or makes the same files.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from manufacturing_copilot.ingest.reading.rows import bad_frame
from manufacturing_copilot.ingest.received import LINE, Received
from manufacturing_copilot.store.private import private_folder

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Kept:
    """The archived original of a file: the SHA-256 of its bytes, their number, and where they lie below home."""

    sha256: str
    size: int
    archived_as: str


def keep_original(source: BinaryIO, home: Path) -> Kept:
    """Archive the bytes of `source`, compressed with zstd under their SHA-256; the same bytes are kept once."""
    digest, size = hashlib.sha256(), 0
    private_folder(home / "archive")
    with _beside(home / "archive" / "incoming") as temporary:
        with pa.CompressedOutputStream(pa.OSFile(str(temporary), "wb"), "zstd") as target:
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
                target.write(chunk)
        name = digest.hexdigest()
        archived = Path("archive") / name[:2] / f"{name}.zst"
        private_folder((home / archived).parent)
        temporary.replace(home / archived)
    return Kept(name, size, archived.as_posix())


def original_bytes(archived_as: str, home: Path) -> bytes:
    """Return the archived bytes of a file; raises FileNotFoundError where the archive has lost them."""
    with pa.CompressedInputStream(pa.OSFile(str(home / archived_as), "rb"), "zstd") as source:
        return bytes(source.read())


@contextmanager
def original_stream(archived_as: str, home: Path) -> Iterator[BinaryIO]:
    """Give the archived bytes of a file, to be read bit by bit."""
    with pa.CompressedInputStream(pa.OSFile(str(home / archived_as), "rb"), "zstd") as source:
        yield source


def keep_received(received: Received, home: Path, reference: str, file_id: int) -> str:
    """Write the rows of a file, and its bad lines where it has any, as Parquet; return where, below home."""
    place = Path("received") / reference / f"{file_id}.parquet"
    private_folder((home / place).parent)
    _write_parquet(received.rows, home / place)
    if not received.bad_lines.is_empty():
        _write_parquet(received.bad_lines, home / place.with_suffix(".bad.parquet"))
    return place.as_posix()


class ReceivedWriter:
    """Writes the rows of a file as `keep_received` does, part by part; what was not closed leaves nothing behind."""

    def __init__(self, home: Path, reference: str, file_id: int) -> None:
        """Write below `home`, as file `file_id` of the batch `reference`."""
        self._place = Path("received") / reference / f"{file_id}.parquet"
        self._target = home / self._place
        self._parquet: pq.ParquetWriter | None = None
        self._bad: list[pl.DataFrame] = []
        self._after = ExitStack()

    def __enter__(self) -> ReceivedWriter:
        """Open the file beside its place."""
        private_folder(self._target.parent)
        self._temporary = self._after.enter_context(_beside(self._target))
        return self

    def __exit__(self, *_: object) -> None:
        """Remove what is left over."""
        if self._parquet is not None:
            self._parquet.close()
        self._after.close()

    def write(self, part: Received) -> None:
        """Write one part."""
        rows = part.rows.to_arrow(compat_level=pl.CompatLevel.oldest())
        if self._parquet is None:
            self._parquet = pq.ParquetWriter(
                str(self._temporary),
                rows.schema,
                compression="zstd",
                compression_level=1,
                use_dictionary=False,
                write_statistics=[LINE],  # rows are looked up by their lines alone
            )
        self._parquet.write_table(rows)
        if not part.bad_lines.is_empty():
            self._bad.append(part.bad_lines)

    def close(self) -> str:
        """Put the file in its place and return where that is, below home."""
        assert self._parquet is not None, "a file in parts has one"
        self._parquet.close()
        self._parquet = None
        self._temporary.replace(self._target)
        if self._bad:
            _write_parquet(pl.concat(self._bad), self._target.with_suffix(".bad.parquet"))
        return self._place.as_posix()


def kept_received(received_as: str, home: Path) -> Received:
    """Return the rows of a file and its bad lines as they were kept; what was found of it is in the ledger."""
    place = home / received_as
    bad = place.with_suffix(".bad.parquet")
    return Received(pl.read_parquet(place), pl.read_parquet(bad) if bad.exists() else bad_frame([]))


def kept_lines(received_as: str, home: Path) -> pl.Series:
    """Return `_line` of every row that a file came with."""
    kept = kept_received(received_as, home)
    return pl.concat([kept.rows[LINE], kept.bad_lines[LINE]])


def kept_columns(received_as: str, home: Path) -> list[str]:
    """Return the names of a kept file's own columns."""
    return [name for name in pl.read_parquet_schema(home / received_as) if name != LINE]


def received_texts(received_as: str, home: Path, lines: pl.Series) -> pl.DataFrame:
    """Return `_line` and `received` (JSON text: the original columns and texts) of some lines of a kept file."""
    return in_json(pl.scan_parquet(home / received_as).filter(pl.col(LINE).is_in(lines.implode())).collect())


def in_json(rows: pl.DataFrame) -> pl.DataFrame:
    """Return `_line` and `received` (JSON text: the original columns and texts) of rows as received."""
    return rows.select(LINE, pl.struct(pl.exclude(LINE)).struct.json_encode().alias("received"))


def _write_parquet(frame: pl.DataFrame, path: Path) -> None:
    with _beside(path) as temporary:
        frame.write_parquet(temporary, compression="zstd", compression_level=1)
        temporary.replace(path)


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """Give a name next to `path` that nobody else writes to; what is left there at the end is removed."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}")
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)
