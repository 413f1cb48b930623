"""Telling a file's encoding, and writing it anew as UTF-8."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

import numpy as np

from manufacturing_copilot.errors import BatchError

REPLACED = "\ufffd".encode()
"""What stands in for bytes that are no text; lines that hold it are bad lines where `lossy` is set."""

_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_MULTIBYTE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
# Bytes that Western exports in cp1252 really hold: signs and quotes, and accented letters beside another letter.
_WESTERN = re.compile(
    rb"[\x80\x82\x84\x85\x91-\x97\x99\xa0\xa3\xa5\xa7-\xa9\xab\xae\xb0-\xb5\xb7\xb9-\xbe\xd7\xd8\xf8]"
    rb"|[\xc0-\xd6\xd9-\xdd\xdf](?=[A-Za-z\xc0-\xfd])|(?<=[A-Z\xc0-\xdd])[\xc0-\xd6\xd9-\xdd\xdf]"
    rb"|[\xe0-\xef\xf1-\xf6\xf9-\xfd](?=[A-Za-z\xc0-\xfd])|(?<=[A-Za-z\xc0-\xfd])[\xdf\xe0-\xef\xf1-\xf6\xf9-\xfd]"
)
_STRAY = re.compile(rb"\xc3[\x80-\x90\x95-\xbf]|\xc2[\xa0-\xbf]")
_NO_WESTERN = b"\x81"
_SAMPLE = 1 << 16


@dataclass(frozen=True)
class Decoded:
    """A file's text as UTF-8, without a byte order mark.

    `encoding`: what it was written in. `decided`: whether the content says so (plain ASCII says nothing).
    `lossy`: some bytes were no text in that encoding; U+FFFD stands in their place.
    """

    content: bytes
    encoding: str
    decided: bool
    lossy: bool = False


def to_utf8(content: bytes, name: str, declared: str | None, expected: str | None) -> Decoded:
    """Return the text of `content` as UTF-8.

    A byte order mark goes before `declared`, which goes before what the bytes say; `expected` (from earlier files)
    decides where they leave it open. Raises BatchError where `declared` is no encoding.
    """
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            return _decode(content[len(mark) :], encoding, decided=True)
    if declared is not None:
        try:
            codec = codecs.lookup(declared).name
        except LookupError:
            raise BatchError(
                f"{name}: the feed declares the encoding {declared!r}, which is not known;"
                " expected one such as utf-8, utf-16 or cp1252"
            ) from None
        # without a byte order mark, systems that write UTF-16 mean the little-endian one
        return _decode(content, {"utf-16": "utf-16-le", "utf-8-sig": "utf-8"}.get(codec, codec), decided=True)
    wide = _wide(content)
    if wide:
        return _decode(content, wide, decided=True)
    if content.isascii():
        return Decoded(content, "utf-8", decided=False)
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        encoding = _narrow(content, expected)
        return _decode(content if encoding == "utf-8" else _spoil_strays(content), encoding, decided=True)
    return Decoded(content, "utf-8", decided=True)


def _decode(content: bytes, encoding: str, *, decided: bool) -> Decoded:
    if encoding.startswith(("utf-16", "utf-32")) and len(content) % 2:
        content = content[:-1]
    try:
        text, lossy = content.decode(encoding), False
    except UnicodeDecodeError:
        text, lossy = content.decode(encoding, "replace"), True
    if encoding == "utf-8" and not lossy:
        return Decoded(content, encoding, decided)
    return Decoded(text.encode("utf-8", "replace"), encoding, decided, lossy)


def _wide(content: bytes) -> str | None:
    """UTF-16 without a mark shows itself by a zero in every second byte of Western text."""
    sample = content[: _SAMPLE // 2 * 2]
    if len(sample) < 4 or b"\x00" not in sample:
        return None
    half = len(sample) // 2
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if odd > 0.4 * half and even < 0.05 * half:
        return "utf-16-le"
    if even > 0.4 * half and odd < 0.05 * half:
        return "utf-16-be"
    return None


def _spoil_strays(content: bytes) -> bytes:
    """Make the UTF-8 letters of a Western one-byte text what is no text in it, so that their lines are bad lines.

    Read as they stand, "ü" would become "Ã¼" in silence. A line counts as UTF-8 where all that goes beyond ASCII are
    such pairs, of the accented letters; quotation marks after a capital are left alone.
    """
    pieces, end = [], 0
    for stray in _STRAY.finditer(content):
        start, stop = content.rfind(b"\n", 0, stray.start()) + 1, content.find(b"\n", stray.end())
        line = content[start : stop if stop >= 0 else len(content)]
        if _STRAY.sub(b"", line).isascii():
            pieces += [content[end : stray.start()], _NO_WESTERN]
            end = stray.end()
    return b"".join([*pieces, content[end:]]) if pieces else content


def _narrow(content: bytes, expected: str | None) -> str:
    """UTF-8 with a few damaged bytes, or a Western one-byte encoding."""
    codes = np.frombuffer(content, dtype=np.uint8)
    near = codes >= 0x80
    high = int(near.sum())
    # Only the bytes beyond ASCII and their neighbours are looked at: in most files, a few of millions.
    near[1:] |= codes[:-1] >= 0x80
    near[:-1] |= codes[1:] >= 0x80
    content = codes[near].tobytes()
    multibyte = sum(len(match) for match in _MULTIBYTE.findall(content))
    if multibyte > high / 2:
        return "utf-8"
    if expected in ("utf-8", "cp1252", "latin-1"):
        return expected
    return "cp1252" if len(_WESTERN.findall(content)) > 0.5 * high else "utf-8"
