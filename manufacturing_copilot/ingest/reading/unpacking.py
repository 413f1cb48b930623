"""Unpacking gzip and zip, within bounds: a small file that grows without end is refused."""

from __future__ import annotations

import io
import lzma
import re
import zipfile
import zlib
from pathlib import PurePosixPath

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.ingest.reading.bounded import DEFAULTS, refuse_over
from manufacturing_copilot.site.file_bounds import Limits

_STEP = 1 << 20
_TAKEN = 1 << 16
_PADDING = re.compile(rb"\x00*+")
# a damaged directory leads to places outside the file, a damaged stream to each packing's own error
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, OSError, ValueError)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


FREE_BYTES = 64 * 2**20
"""Up to this size any ratio of packing is believed."""
HIGHEST_RATIO = 250
"""Beyond it, unpacked bytes per packed byte. Exports pack 5 to 50 times; bombs, 1,000 times and more."""


def is_workbook(content: bytes) -> bool:
    """Say whether the bytes are those of an Excel or OpenDocument workbook."""
    if content.startswith(_OLE):
        return True
    if not content.startswith(b"PK\x03\x04"):
        return False
    try:
        names = zipfile.ZipFile(io.BytesIO(content)).namelist()
    except _DAMAGED:
        return False
    return "[Content_Types].xml" in names or ("mimetype" in names and "content.xml" in names)


def unpack(content: bytes, name: str, limits: Limits = DEFAULTS) -> tuple[bytes, str, str | None]:
    """Return the bytes inside a gzip or zip file, the name of what was inside, and the packing (None where none).

    Raises BatchError for damaged or encrypted packing, several files in one zip, or one that unpacks too large.
    """
    if content.startswith((b"\x1f\x8b", b"PK", b"PAR1", _OLE)):
        refuse_over(name, "packed", len(content), limits.packed)
    else:
        refuse_over(name, "unpacked", len(content), limits.unpacked)
    if content.startswith(b"\x1f\x8b"):
        inner = name[:-3] if name.lower().endswith(".gz") else name
        return _gunzip(content, name, limits), inner, "gzip"
    if not content.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return content, name, None
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except _DAMAGED:
        raise BatchError(f"{name}: the zip file is damaged or cut off; fetch it again") from None
    members = [m for m in archive.infolist() if not m.filename.endswith("/") and not _is_litter(m.filename)]
    if is_workbook(content):
        _bounded(sum(m.file_size for m in members), len(content), name, limits)
        return content, name, None
    if len(members) != 1:
        listed = ", ".join(m.filename for m in members[:5]) or "nothing"
        raise BatchError(f"{name}: expected one file in the zip, found {len(members)} ({listed}); zip each file alone")
    return _unzip(archive, members[0], name, len(content), limits), members[0].filename, "zip"


def _is_litter(path: str) -> bool:
    return path.startswith("__MACOSX/") or PurePosixPath(path).name in (".DS_Store", "Thumbs.db")


def _bounded(unpacked: int, packed: int, name: str, limits: Limits) -> None:
    refuse_over(name, "unpacked", unpacked, limits.unpacked)
    if unpacked > FREE_BYTES and unpacked > HIGHEST_RATIO * packed:
        raise BatchError(
            f"{name}: {packed:,} packed bytes unpack to more than {unpacked:,}; that is refused as a zip bomb;"
            " deliver the file unpacked or in parts"
        )


def _gunzip(content: bytes, name: str, limits: Limits) -> bytes:
    """Unpack all members of a gzip file; some writers pad the end with zeros."""
    pieces: list[bytes] = []
    size, position = 0, 0
    try:
        while position < len(content):
            decoder = zlib.decompressobj(wbits=31)
            while not decoder.eof:
                # what the decoder has not taken is handed in again, so it gets little at a time
                given = content[position : position + _TAKEN]
                if not given:
                    raise BatchError(f"{name}: the gzip file is cut off; fetch it again")
                piece = decoder.decompress(given, _STEP)
                left = len(decoder.unused_data) if decoder.eof else len(decoder.unconsumed_tail)
                position += len(given) - left
                size += len(piece)
                _bounded(size, len(content), name, limits)
                pieces.append(piece)
            padding = _PADDING.match(content, position)
            position = padding.end() if padding else position
    except zlib.error:
        raise BatchError(f"{name}: the gzip file is damaged; fetch it again") from None
    return b"".join(pieces)


def _unzip(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, packed: int, limits: Limits) -> bytes:
    _bounded(member.file_size, packed, name, limits)
    if member.flag_bits & 0x1:
        raise BatchError(f"{name}: {member.filename} in the zip is encrypted; deliver it without a password")
    pieces: list[bytes] = []
    size = 0
    try:
        with archive.open(member) as stream:
            # the size in the zip's directory is a claim, so what really comes out is counted too
            while piece := stream.read(_STEP):
                size += len(piece)
                _bounded(size, packed, name, limits)
                pieces.append(piece)
    except _DAMAGED:
        raise BatchError(f"{name}: {member.filename} in the zip is damaged; fetch it again") from None
    return b"".join(pieces)
