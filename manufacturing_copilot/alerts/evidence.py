"""The evidence that an alert keeps: the values of a fact's names, and the file lines that they came from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

_LINES, _BATCHES = "lines", "batches"

Value = str | int | float | bool | date | datetime | None


@dataclass(frozen=True)
class SourceLine:
    """A line of a file that numbers came from: what it records, file, line and the reference of its batch."""

    what: str
    file: str
    line: int
    batch: str


@dataclass(frozen=True)
class Evidence:
    """What an alert rests on: values by dotted name, and the first lines they came from."""

    values: Mapping[str, Value]
    lines: tuple[SourceLine, ...] = ()

    @classmethod
    def from_json(cls, stored: Mapping[str, Any] | None) -> Evidence:
        """Return the evidence that the alert table holds; days stay the ISO texts that JSON knows."""
        stored = stored or {}
        lines = tuple(
            SourceLine(line.get("what", ""), line["file"], line["line"], line.get("batch", ""))
            for line in stored.get(_LINES) or ()
            if line.get("file")
        )
        return cls(dict(_flat({name: stored[name] for name in stored if name not in (_LINES, _BATCHES)})), lines)

    def as_json(self) -> dict[str, Any]:
        """Return the object that is stored, as JSON gives it back, so that stored and new can be compared."""
        evidence = nested(self.values) | {
            _BATCHES: sorted({line.batch for line in self.lines}),
            _LINES: [
                {"what": line.what, "file": line.file, "line": line.line, "batch": line.batch} for line in self.lines
            ],
        }
        return json.loads(json.dumps(evidence, default=_iso))

    def day(self, name: str) -> date | None:
        """Return the day of a value that is a day or a moment; None where it is missing or no day."""
        return as_day(self.values.get(name))

    def number(self, name: str) -> float | None:
        """Return a value that is a number; None where it is missing or something else."""
        value = self.values.get(name)
        return float(value) if isinstance(value, int | float) else None

    def text(self, name: str) -> str:
        """Return a value as text; empty where it is missing."""
        value = self.values.get(name)
        return "" if value is None else str(value)


def as_day(value: Any) -> date | None:
    """Return the day that a date, or the ISO text of a day or a moment, names; None where it names none."""
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        return None


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return dotted names as nested ones: {"item.sku": 1} becomes {"item": {"sku": 1}}."""
    result: dict[str, Any] = {}
    for name, value in values.items():
        *above, last = name.split(".")
        level = result
        for key in above:
            level = level.setdefault(key, {})
        level[last] = value
    return result


def _flat(level: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in level.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _iso(value: Any) -> str:
    if isinstance(value, date | datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is no evidence")
