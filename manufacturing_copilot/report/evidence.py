"""An alert's evidence in words: the facts it rests on, and the files and lines they came from.

Evidence is what `alerts` keeps with an alert: facts by their names, and `lines` with file, line and batch. What is
known here gets its label and its unit; a fact that is not known is shown under its own name rather than dropped,
so that a new rule's facts reach the reader.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import PurePath
from typing import Any

from manufacturing_copilot import formatting
from manufacturing_copilot.report.plots import Runway

LINES_SHOWN = 6
LONGEST_LEAD_TIME = 3650


@dataclass(frozen=True)
class Fact:
    """One fact with its label, as text for people."""

    label: str
    text: str


def as_day(value: Any) -> date | None:
    """Return the day that an ISO text (a day or a moment) names; None where it names none."""
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        return None


def pick(evidence: Mapping[str, Any] | None, path: str) -> Any:
    """Return the fact that a dotted name such as `runout.p10` leads to; None where there is none."""
    value: Any = evidence
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _quantity(value: Any, unit: str = "") -> str:
    if isinstance(value, int | float):
        return f"{formatting.number(float(value))} {unit}".rstrip()
    return str(value)


def _plain(value: Any, _unit: str) -> str:
    return _quantity(value)


def _share(value: Any, _unit: str) -> str:
    return formatting.percent(float(value)) if isinstance(value, int | float) else str(value)


def _day(value: Any, _unit: str) -> str:
    found = as_day(value)
    return formatting.day(found) if found else str(value)


def _of(unit: str) -> Callable[[Any, str], str]:
    return lambda value, _unit: _quantity(value, unit)


_LABELS: dict[str, tuple[str, Callable[[Any, str], str]]] = {
    "probability": ("chance to run out before an order arrives", _share),
    "on_hand": ("on hand", _quantity),
    "on_order": ("on order", _quantity),
    "lead_time_days": ("lead time", _of("days")),
    "expected_lead_time_demand": ("expected demand in the lead time", _quantity),
    "reorder_point": ("reorder point", _quantity),
    "shortfall": ("missing to the reorder point", _quantity),
    "supplier": ("supplier", _plain),
    "location": ("location", _plain),
    "order_no": ("purchase order", _plain),
    "line_no": ("line", _plain),
    "promised_on": ("promised", _day),
    "days_late": ("late", _of("days")),
    "ordered": ("ordered", _quantity),
    "open_quantity": ("still to come", _quantity),
    "operation": ("operation", _plain),
    "bad": ("bad pieces in the newest signal", _quantity),
    "inspected": ("of inspected", _quantity),
    "rate": ("share", _share),
    "centre": ("usual share", _share),
    "limit": ("control limit", _share),
    "sigmas": ("sigmas above usual", _plain),
    "signal": ("signal", _plain),
    "feed": ("feed", _plain),
    "rows_rejected": ("rows rejected", _plain),
    "rows_received": ("of rows received", _plain),
    "example": ("for example", _plain),
    "hours_silent": ("silent for", _of("hours")),
    "fresh_within": ("expected within", _plain),
    "since": ("last heard", _day),
}
_SHOWN_ELSEWHERE = frozenset({"value", "fact", "forecast_run", "batches"})


def facts_of(evidence: Mapping[str, Any] | None, unit: str = "") -> tuple[Fact, ...]:
    """Return the facts that the evidence holds: those with a label in their order, then the rest by their names."""
    facts = evidence or {}
    found = []
    for name, (label, show) in _LABELS.items():
        if facts.get(name) not in (None, "") and not isinstance(facts[name], dict | list):
            found.append(Fact(label, show(facts[name], unit)))
    for name, value in facts.items():
        if name in _LABELS or name in _SHOWN_ELSEWHERE or value in (None, "") or isinstance(value, dict | list):
            continue
        found.append(Fact(name.replace("_", " "), _day(value, "") if name.endswith("_on") else _quantity(value)))
    return tuple(found)


def runway_of(evidence: Mapping[str, Any] | None, today: date) -> Runway | None:
    """Return the days that decide about an order; None where the evidence names no day of running out."""
    first, likely, last = (as_day(pick(evidence, f"runout.{name}")) for name in ("p10", "p50", "p90"))
    known = [day for day in (first, likely, last) if day is not None]
    if not known:
        return None
    lead = pick(evidence, "lead_time_days")
    measured = isinstance(lead, int | float) and 0 <= lead <= LONGEST_LEAD_TIME
    return Runway(
        today=today,
        order_by=as_day(pick(evidence, "order.by")),
        first=known[0],
        likely=likely,
        last=last,
        arrives=today + timedelta(days=round(lead)) if measured else None,
    )


def places_of(evidence: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Return where the numbers came from, one text a file: what was read, the file, its lines and its batch."""
    files: dict[tuple[str, str, str], list[str]] = {}
    for line in (evidence or {}).get("lines") or []:
        files.setdefault((line["what"], line["file"], line["batch"]), []).append(str(line["line"]))
    return tuple(
        f"{what}: {PurePath(file).name}, {'line' if len(lines) == 1 else 'lines'} {', '.join(lines[:LINES_SHOWN])}"
        f"{' …' if len(lines) > LINES_SHOWN else ''} (batch {batch})"
        for (what, file, batch), lines in files.items()
    )
