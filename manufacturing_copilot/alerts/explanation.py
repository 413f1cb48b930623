"""An alert's evidence in words: the reasons for it, and the forecast and files that they came from.

Mail and page lay these words out; the words themselves are the same in both.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from manufacturing_copilot import formatting
from manufacturing_copilot.alerts.evidence import Evidence, as_day
from manufacturing_copilot.alerts.facts.names import FORECAST_RUN, IN_READING_ORDER, EvidenceName, Style

LINES_SHOWN = 6

_POSITION_TWICE = re.compile(r"^((?:.*/)?(?P<position>[^/]+, line \d+): )(?P=position): ")
"""File and line before a reason that begins with them itself, as the example of rejected rows is stored."""

_DECLARED = frozenset(name.name for name in IN_READING_ORDER)


@dataclass(frozen=True)
class Reason:
    """One value of the evidence: its name in rules, its label and its text for people.

    `sentence`: the text is a sentence of its own, too long to stand among others.
    """

    name: str
    label: str
    text: str
    sentence: bool = False


def reasons(evidence: Evidence, item_unit: str = "") -> tuple[Reason, ...]:
    """Return what the evidence says: the declared names in their order, then any others under their own names.

    `item_unit` is written behind quantities of the alert's item. Values that are missing or empty are left out.
    """
    declared = [
        Reason(name.name, name.label, _worded(name, value, item_unit), name.style is Style.SENTENCE)
        for name in IN_READING_ORDER
        if name.listed and (value := evidence.values.get(name.name)) not in (None, "")
    ]
    return (*declared, *_undeclared(evidence))


def sources(evidence: Evidence) -> tuple[str, ...]:
    """Return where the numbers came from: the forecast's run, then one text a file with lines and batch."""
    run = evidence.values.get(FORECAST_RUN.name)
    files: dict[tuple[str, str, str], list[str]] = {}
    for line in evidence.lines:
        files.setdefault((line.what, line.file, line.batch), []).append(str(line.line))
    return (
        *([] if run is None else [f"{FORECAST_RUN.label} {run}"]),
        *(_file_lines(what, file, batch, lines) for (what, file, batch), lines in files.items()),
    )


def _file_lines(what: str, file: str, batch: str, lines: list[str]) -> str:
    more = " …" if len(lines) > LINES_SHOWN else ""
    noun = "line" if len(lines) == 1 else "lines"
    return f"{what}: {PurePath(file).name}, {noun} {', '.join(lines[:LINES_SHOWN])}{more} (batch {batch})"


def _undeclared(evidence: Evidence) -> list[Reason]:
    """Give values whose name is not declared, such as those of an older release, so that they reach the reader."""
    names = sorted(name for name in evidence.values if name not in _DECLARED and "." not in name)
    return [
        Reason(name, name.replace("_", " "), _undeclared_text(name, evidence.values[name]))
        for name in names
        if evidence.values[name] not in (None, "") and not isinstance(evidence.values[name], list)
    ]


def _undeclared_text(name: str, value: Any) -> str:
    day = as_day(value) if name.endswith("_on") else None
    return _plain(value) if day is None else formatting.day(day)


def _worded(name: EvidenceName, value: Any, item_unit: str) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if name.style is Style.DAY and (day := as_day(value)) is not None:
        return formatting.day(day)
    if name.style is Style.SHARE and is_number:
        return formatting.percent(value)
    if is_number:
        unit = item_unit if name.style is Style.QUANTITY else name.unit
        return f"{formatting.number(value)} {unit}".rstrip()
    text = _plain(value)
    return _POSITION_TWICE.sub(r"\1", text) if name.style is Style.SENTENCE else text


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    # a value from outside stays on one line: in a message a line of its own would read as ours
    return formatting.number(value) if isinstance(value, int | float) else " ".join(str(value).split())
