"""Unpacking gzip and zip, within bounds: a small file that grows without end is refused."""

from __future__ import annotations

import io
import lzma
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import PurePosixPath

from manufacturing_copilot.errors import BatchError

_STEP = 1 << 20
# a damaged directory leads to places outside the file, a damaged stream to each packing's own error
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, OSError, ValueError)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


@dataclass(frozen=True)
class UnpackingLimits:
    """How large a packed file may become.

    `most_bytes`: largest size of one unpacked file. `free_bytes`: up to this size any ratio of packing is believed.
    `highest_ratio`: beyond that, unpacked bytes per packed byte. Exports pack 5 to 50 times; bombs, 1,000 times and
    more.
    """

    most_bytes: int = 4 * 2**30
    free_bytes: int = 64 * 2**20
    highest_ratio: int = 250


LIMITS = UnpackingLimits()


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


def unpack(content: bytes, name: str, limits: UnpackingLimits = LIMITS) -> tuple[bytes, str, str | None]:
    """Return the bytes inside a gzip or zip file, the name of what was inside, and the packing (None where none).

    Raises BatchError for damaged or encrypted packing, several files in one zip, or one that unpacks too large.
    """
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


def _bounded(unpacked: int, packed: int, name: str, limits: UnpackingLimits) -> None:
    is_bomb = unpacked > limits.free_bytes and unpacked > limits.highest_ratio * packed
    if is_bomb or unpacked > limits.most_bytes:
        raise BatchError(
            f"{name}: {packed:,} packed bytes unpack to more than {min(unpacked, limits.most_bytes):,};"
            " that is refused as a zip bomb; deliver the file unpacked or in parts"
        )


def _gunzip(content: bytes, name: str, limits: UnpackingLimits) -> bytes:
    pieces: list[bytes] = []
    size, rest = 0, content
    try:
        while rest:
            decoder = zlib.decompressobj(wbits=31)
            piece = decoder.decompress(rest, _STEP)
            while piece or decoder.unconsumed_tail:
                size += len(piece)
                _bounded(size, len(content), name, limits)
                pieces.append(piece)
                piece = decoder.decompress(decoder.unconsumed_tail, _STEP)
            if not decoder.eof:
                raise BatchError(f"{name}: the gzip file is cut off; fetch it again")
            # gzip allows several members in a row, and some writers pad the end with zeros
            rest = decoder.unused_data.lstrip(b"\x00")
    except zlib.error:
        raise BatchError(f"{name}: the gzip file is damaged; fetch it again") from None
    return b"".join(pieces)


def _unzip(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, packed: int, limits: UnpackingLimits) -> bytes:
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
