"""Telling a file's encoding, and writing it anew as UTF-8."""

from __future__ import annotations

import codecs
import contextlib
import re
from dataclasses import dataclass

import charset_normalizer
import numpy as np

from manufacturing_copilot.errors import BatchError

_STAND_INS = 0x10FF00
"""The last characters of Unicode's last private plane: each stands for a byte that is no text."""
STAND_IN = "[\U0010ff00-\U0010ffff]"
"""Expression for such a character."""

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
_RUN = re.compile(rb"[\x80-\xff]{3,}|(?<![A-Za-z\x80-\xff])[\x80-\xff]{2}(?![A-Za-z\x80-\xff])")
_OTHER_SCRIPTS = (
    "cp1251",
    "koi8_r",
    "cp866",
    "gb18030",
    "big5",
    "cp932",
    "cp949",
    "cp1253",
    "cp1255",
    "cp1256",
    "cp874",
)
_SAMPLE = 1 << 16


@dataclass(frozen=True)
class Decoded:
    """A file's text as UTF-8, without a byte order mark.

    `encoding`: what it was written in. `decided`: whether the content says so (plain ASCII says nothing).
    `lossy`: some bytes were no text in that encoding; a STAND_IN stands for each.
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
        encoding = _narrow(content, expected) or _of_another_script(content, name, expected)
        return _decode(content, encoding, decided=True)
    return Decoded(content, "utf-8", decided=True)


def _decode(content: bytes, encoding: str, *, decided: bool) -> Decoded:
    if encoding.startswith(("utf-16", "utf-32")) and len(content) % 2:
        content = content[:-1]
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        text = content.decode(encoding, "copilot_stand_ins")
        return Decoded(text.encode("utf-8", "replace"), encoding, decided, lossy=True)
    if encoding == "utf-8":
        return Decoded(content, encoding, decided)
    plain = text.encode("utf-8", "replace")
    if encoding in ("cp1252", "iso8859-1", "iso8859-15"):
        spoilt = _without_strays(content, encoding)
        return Decoded(plain if spoilt is None else spoilt, encoding, decided, lossy=spoilt is not None)
    return Decoded(plain, encoding, decided)


def _stand_ins(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    wrong = error.object[error.start : error.end]
    return "".join(chr(_STAND_INS + byte) for byte in wrong), error.end


codecs.register_error("copilot_stand_ins", _stand_ins)


def bytes_in(text: str) -> bytes:
    """Return the bytes that the stand-ins in a text stand for."""
    return bytes(ord(character) - _STAND_INS for character in text if ord(character) >= _STAND_INS)


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


def damage_in_words(text: str, column: str, encoding: str) -> str:
    """Return why a row is not read whose `column` holds bytes that are no text, and the key that settles it."""
    wrong = bytes_in(text)
    shown = wrong[:12].hex(" ").upper() + (" …" if len(wrong) > 12 else "")
    byte = "byte" if len(wrong) == 1 else "bytes"
    for other in ("utf-8", "cp1252"):
        if other != encoding:
            with contextlib.suppress(UnicodeDecodeError):
                meant = wrong.decode(other)
                return (
                    f"holds the {byte} {shown} in the column {column!r}: no text in {encoding}, as the file is, but"
                    f" {meant[:12]!r} in {other}; if all of the file is, the feed declares"
                    f" format: {{encoding: {other}}}"
                )
    return (
        f"holds the {byte} {shown} in the column {column!r}, no text in {encoding}, as the file is; if that is not"
        " its encoding, the feed declares format: {encoding: …}"
    )


def _without_strays(content: bytes, encoding: str) -> bytes | None:
    """Return a Western one-byte text as UTF-8, with stand-ins for the UTF-8 letters in it; None where it has none.

    Read as they stand, "ü" would become "Ã¼" in silence. A line counts as UTF-8 where all that goes beyond ASCII are
    such pairs, of the accented letters; quotation marks after a capital are left alone.
    """
    pieces: list[str] = []
    end = 0
    for stray in _STRAY.finditer(content):
        start, stop = content.rfind(b"\n", 0, stray.start()) + 1, content.find(b"\n", stray.end())
        line = content[start : stop if stop >= 0 else len(content)]
        if _STRAY.sub(b"", line).isascii():
            pieces.append(content[end : stray.start()].decode(encoding, "copilot_stand_ins"))
            pieces.append("".join(chr(_STAND_INS + byte) for byte in stray.group()))
            end = stray.end()
    if not pieces:
        return None
    return "".join([*pieces, content[end:].decode(encoding, "copilot_stand_ins")]).encode()


def _of_another_script(content: bytes, name: str, expected: str | None) -> str:
    """Return the encoding of text in Cyrillic, Greek, Chinese or another script that is no UTF-8.

    Raises BatchError where several are as likely; `expected` (from earlier files) settles it. Where none is likely the
    text is UTF-8 with damaged bytes.
    """
    lines = [line for line in content[: 4 * _SAMPLE].split(b"\n")[:-1] or [content[:_SAMPLE]] if not line.isascii()]
    matches = list(charset_normalizer.from_bytes(b"\n".join(lines), cp_isolation=list(_OTHER_SCRIPTS)))
    likely = [one.encoding for one in matches if one.chaos <= matches[0].chaos + 0.1] if matches else []
    coherent = [one.encoding for one in matches if one.coherence >= 0.2]
    if len(coherent) == 1:
        likely = coherent
    if expected in likely:
        return expected  # type: ignore[return-value]
    if len(likely) > 1:
        raise BatchError(
            f"{name}: the text is no UTF-8 and could be in {', '.join(likely[:-1])} or {likely[-1]}; say which with"
            f" format: {{encoding: {likely[0]}}} in the feed, or export it as UTF-8"
        )
    return likely[0] if likely else "utf-8"


def _narrow(content: bytes, expected: str | None) -> str | None:
    """UTF-8 with a few damaged bytes, or a Western one-byte encoding; None where it is rather another script's."""
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
    if sum(map(len, _RUN.findall(content))) > 0.3 * high:
        return None
    if len(_WESTERN.findall(content)) > 0.5 * high:
        return "cp1252"
    return expected if expected in ("cp1252", "latin-1") else "utf-8"
