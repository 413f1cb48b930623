"""Reading JSON and JSON lines: objects become rows, nested objects become dotted columns, numbers keep their digits."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import polars as pl

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.ingest.file_contract import FileContract, FileFindings, FileReading, LeftOut
from manufacturing_copilot.ingest.reading.bounded import DEFAULTS, refuse_large_table, refuse_over
from manufacturing_copilot.ingest.reading.encoding import to_utf8
from manufacturing_copilot.ingest.reading.rows import bad_frame, column_names, tidy
from manufacturing_copilot.ingest.received import LINE, Received
from manufacturing_copilot.site import FileFormat
from manufacturing_copilot.site.file_bounds import Limits

_DEEPEST = 8
_BYTES_A_VALUE = 128
"""What a value, a key or a list takes at least while JSON is read."""


def _parse(text: str) -> Any:
    # Numbers stay the texts they were written as: no digit is lost, no 1.10 becomes 1.1.
    return json.loads(text, parse_float=str, parse_int=str, parse_constant=str)


def read_json(
    content: bytes, name: str, format: FileFormat, earlier: FileReading, limits: Limits = DEFAULTS
) -> Received:
    """Return the rows of a JSON array of objects, or of an object that holds one list of them.

    `_line` is the object's number. Raises BatchError where the file is no JSON, or holds no such list.
    """
    text, encoding, damaged = _text(content, name, format, limits)
    try:
        document = _parse(text) if text.strip() else []
    except json.JSONDecodeError as error:
        raise BatchError(
            f"{name}, line {error.lineno}: this is not JSON ({error.msg}); export it again, or declare"
            " format: {type: jsonl} if each line is a record of its own"
        ) from None
    except RecursionError:
        raise BatchError(f"{name}: the JSON is nested too deeply; expected a list of records") from None
    entries, inside = _entries(document, name)
    objects, bad = [], []
    for number, entry in enumerate(entries, start=1):
        if isinstance(entry, dict):
            objects.append((number, entry))
        else:
            reason = f"is {_kind(entry)}, expected an object with keys and values"
            bad.append((number, json.dumps(entry), reason, "object"))
    return received_objects(
        objects, bad, FileFindings(encoding=encoding, list_key=inside, damaged=damaged), format, name, limits=limits
    )


def read_json_lines(
    content: bytes, name: str, format: FileFormat, earlier: FileReading, limits: Limits = DEFAULTS
) -> Received:
    """Return the rows of a file with one JSON object a line; a line that is none is a bad line."""
    text, encoding, damaged = _text(content, name, format, limits)
    objects, bad = [], []
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            entry = _parse(line)
        except (json.JSONDecodeError, RecursionError) as error:
            reason = f"is not JSON ({error.msg})" if isinstance(error, json.JSONDecodeError) else "is nested too deeply"
            bad.append((number, line, reason, "object"))
            continue
        if isinstance(entry, dict):
            objects.append((number, entry))
        else:
            bad.append((number, line, f"is {_kind(entry)}, expected an object with keys and values", "object"))
    return received_objects(objects, bad, FileFindings(encoding=encoding, damaged=damaged), format, name, limits=limits)


def _text(content: bytes, name: str, format: FileFormat, limits: Limits) -> tuple[str, str, bool]:
    decoded = to_utf8(content, name, format.encoding, None)
    values = sum(map(decoded.content.count, (b",", b":", b"{", b"[")))
    refuse_over(name, "memory", 3 * len(decoded.content) + _BYTES_A_VALUE * values, limits.memory)
    return decoded.content.decode("utf-8"), decoded.encoding, decoded.lossy


def _entries(document: Any, name: str) -> tuple[list[Any], str | None]:
    if isinstance(document, list):
        return document, None
    if isinstance(document, dict):
        lists = {key: value for key, value in document.items() if isinstance(value, list)}
        if len(lists) == 1:
            key = next(iter(lists))
            return lists[key], key
        if lists:
            raise BatchError(
                f"{name}: found {len(lists)} lists ({', '.join(lists)}), expected one list of records;"
                " export each list to a file of its own"
            )
    raise BatchError(f"{name}: found {_kind(document)}, expected a list of records; export the records as a list")


def received_objects(
    objects: list[tuple[int, dict[str, Any]]],
    bad: list[tuple[int, str, str, str]],
    found: FileFindings,
    format: FileFormat,
    name: str,
    reading: FileReading | None = None,
    limits: Limits = DEFAULTS,
) -> Received:
    """Return objects, each with its number or line, as rows; `reading` is what holds for the next file."""
    columns: dict[str, list[str | None]] = {}
    kept: list[int] = []
    for number, entry in objects:
        flat = _flat(entry)
        wrong = _no_text(flat)
        if wrong is not None:
            bad.append((number, json.dumps(entry), *wrong))
            continue
        new = flat.keys() - columns.keys()
        if new:
            refuse_large_table(name, len(objects), len(columns) + len(new), limits)
        for key in new:
            columns[key] = [None] * len(kept)
        for key, values in columns.items():
            values.append(flat.get(key))
        kept.append(number)
    # the order of first appearance, which the set difference above does not keep
    order = dict.fromkeys(key for _, entry in objects[:1000] for key in _flat(entry))
    keys = [key for key in order if key in columns] + [key for key in columns if key not in order]
    names = column_names(keys)
    if not names:  # objects without keys are blank rows
        return Received(
            pl.DataFrame(schema={LINE: pl.Int64}),
            bad_frame(bad),
            replace(found, left_out=LeftOut(blank_rows=len(kept)), columns=()),
            FileContract(reading),
        )
    rows = pl.DataFrame(
        {one: pl.Series(columns[key], dtype=pl.String) for one, key in zip(names, keys, strict=True)}
    ).with_columns(pl.Series(LINE, kept, dtype=pl.Int64))
    rows, left_out = tidy(rows, format, name)
    found = replace(found, left_out=left_out, columns=tuple(names))
    return Received(rows, bad_frame(bad), found, FileContract(reading))


def _no_text(flat: dict[str, str | None]) -> tuple[str, str] | None:
    """Return the reason and rule where a key or value is no text that a database can hold."""
    joined = "\n".join([*flat, *filter(None, flat.values())])
    if "\x00" in joined:
        return "holds a NUL character, which no text may hold", "nul"
    try:
        joined.encode()
    except UnicodeEncodeError:
        return "holds half of a character (an escape such as \\ud83d without its other half)", "encoding"
    return None


def _flat(entry: dict[str, Any], depth: int = 1) -> dict[str, str | None]:
    flat: dict[str, str | None] = {}
    for key, value in entry.items():
        if isinstance(value, dict) and depth < _DEEPEST:
            flat |= {f"{key}.{inner}": text for inner, text in _flat(value, depth + 1).items()}
        else:
            flat[key] = _written(value)
    return flat


def _written(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value)


def _kind(value: Any) -> str:
    names: Iterable[tuple[Any, str]] = ((dict, "an object"), (list, "a list"), (str, "a text or number"))
    return next((word for kind, word in names if isinstance(value, kind)), "a lone value")
