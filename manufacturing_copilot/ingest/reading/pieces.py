"""Reading a large, plain CSV file in pieces, so that its size does not matter to the memory.

Plain: UTF-8, no NUL, every row on one line, not packed. A piece is read by the same parser as a whole file, and the
pieces give the same rows under the same line numbers. Whatever is not plain is left to the reader of whole files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.ingest.file_contract import FileContract, FileFindings, FileReading, LeftOut
from manufacturing_copilot.ingest.reading.bounded import DEFAULTS, refuse_over
from manufacturing_copilot.ingest.reading.delimited import line_feeds, parsed_plain
from manufacturing_copilot.ingest.reading.files import ENDINGS
from manufacturing_copilot.ingest.reading.layout import Layout, find_layout
from manufacturing_copilot.ingest.reading.rows import tidy
from manufacturing_copilot.ingest.received import Received
from manufacturing_copilot.site import FileFormat
from manufacturing_copilot.site.file_bounds import Limits

PIECE_BYTES = 6 << 20
_BOM = b"\xef\xbb\xbf"


@dataclass
class PieceReader:
    """Reads the pieces of one file; `found` and `reading` are those of `read_file`, whole once all pieces were read.

    `earlier` is what earlier files of the feed were found to be. The pieces end where the file turns out not to be
    plain: `plain` says so then, and the file is to be read as a whole.
    """

    source: BinaryIO
    name: str
    format: FileFormat
    earlier: FileContract
    piece_bytes: int = PIECE_BYTES
    limits: Limits = DEFAULTS
    ascii: bool = True

    def __post_init__(self) -> None:
        """Look at what the declared format and the name already say."""
        declared = (self.format.encoding or "utf-8").lower().replace("_", "-")
        of_csv = self.format.type in (None, "csv") and declared in ("utf-8", "utf8") and not self.format.line_end
        of_csv = of_csv and self.format.escape is None
        of_another_type = self.format.type is None and Path(self.name).suffix.lower() in ENDINGS
        self.plain = of_csv and not of_another_type
        self.layout: Layout | None = None
        self.left_out = LeftOut()

    def __iter__(self) -> Iterator[Received]:
        """Give the pieces, in order, as far as the file is plain."""
        line = 1
        for block in _blocks(self.source, self.piece_bytes) if self.plain else ():
            text = None if block is None else self._plain_text(block)
            start = 0
            if text is not None and self.layout is None:
                self.layout = self._layout_of(text)
                start, line = (self.layout.start, self.layout.line) if self.layout is not None else (0, 1)
            if text is None or self.layout is None:
                self.plain = False
                return
            body = text[start:] if start else text
            parsed = parsed_plain(body, self.name, self.format, replace(self.layout, line=line))
            if parsed is None:
                self.plain = False
                return
            line += body.count(b"\n")
            refuse_over(self.name, "columns", len(self.layout.names), self.limits.columns)
            refuse_over(self.name, "rows", line, self.limits.rows)
            rows, left_out = tidy(parsed.rows, self.format, self.name)
            self.left_out = self.left_out + left_out + parsed.found.left_out
            found = FileFindings(type="csv", delimiter=self.layout.delimiter, columns=tuple(self.layout.names))
            yield Received(rows, parsed.bad_lines, found, self.earlier)

    def _layout_of(self, text: bytes) -> Layout | None:
        try:
            return find_layout(text, self.name, self.format, self._earlier_reading.delimiter)
        except BatchError:
            return None  # perhaps the rest of the file has what its beginning lacks

    @property
    def found(self) -> FileFindings:
        """What was found of the file."""
        assert self.layout is not None
        return FileFindings(
            type="csv",
            encoding="utf-8",
            delimiter=self.layout.delimiter,
            header_line=self.layout.header_line,
            left_out=self.left_out,
            columns=tuple(self.layout.names),
        )

    @property
    def reading(self) -> FileReading:
        """How the file was read, for the next one."""
        assert self.layout is not None
        return FileReading(
            type="csv",
            encoding=self._earlier_reading.encoding if self.ascii else "utf-8",
            delimiter=self.layout.delimiter if self.layout.decided else self._earlier_reading.delimiter,
        )

    @property
    def _earlier_reading(self) -> FileReading:
        return self.earlier.reading or FileReading()

    def _plain_text(self, block: bytes) -> bytes | None:
        if self.layout is None:
            if block.startswith((b"PAR1", b"PK", b"\x1f\x8b", b"\xd0\xcf")) or block.lstrip()[:1] in (b"[", b"{", b"<"):
                return None
            if block.startswith(_BOM):
                block, self.ascii = block[len(_BOM) :], False
        if b"\x00" in block:
            return None
        if not block.isascii():
            self.ascii = False
            try:
                block.decode("utf-8")
            except UnicodeDecodeError:
                return None
        elif self.format.encoding is not None:
            self.ascii = False  # declared is decided
        return line_feeds(block)


def _blocks(source: BinaryIO, size: int) -> Iterator[bytes | None]:
    """Give the bytes of a file in blocks that end with a line; None, at the end, where a block holds no line end."""
    rest = b""
    while more := source.read(size):
        cut = more.rfind(b"\n") + 1
        if not cut:  # lines longer than a block, or another line end
            yield None
            return
        yield rest + more[:cut]
        rest = more[cut:]
    if rest:
        yield rest
