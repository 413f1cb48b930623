"""An alert's evidence in words: why it was raised, and which forecast and file lines the numbers came from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any

from manufacturing_copilot.alerts import templates

_NOT_REASONS = frozenset({"item", "batches", "lines", "order", "feed", "example", "forecast_run"})
"""Said elsewhere in the message, or no reason."""


def _day(value: Any) -> str:
    return templates.day(date.fromisoformat(str(value)[:10]))


def _share(value: Any) -> str:
    return f"{templates.number(100 * value, places=1)} %"


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return templates.number(value) if isinstance(value, int | float) else " ".join(str(value).split())


_WORDED: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("probability", "chance to run out before new stock arrives", _share),
    ("runout.p50", "likely to run out by", _day),
    ("runout.p10", "at the earliest (1 in 10) by", _day),
    ("runout.p90", "at the latest (9 in 10) by", _day),
    ("on_hand", "on hand", _plain),
    ("on_order", "on order", _plain),
    ("expected_lead_time_demand", "expected demand in the lead time", _plain),
    ("lead_time_days", "lead time in days", _plain),
    ("reorder_point", "reorder point", _plain),
    ("shortfall", "short of it by", _plain),
    ("promised_on", "promised for", _day),
    ("days_late", "days late", _plain),
    ("open_quantity", "still to come", _plain),
    ("signal", "signal:", _plain),
    ("rate", "bad now", _share),
    ("centre", "usually", _share),
    ("limit", "upper limit", _share),
    ("sigmas", "sigmas beyond the usual", _plain),
    ("period.from", "from", _day),
    ("period.to", "to", _day),
    ("rows_rejected", "rows refused", _plain),
    ("rows_received", "of rows received", _plain),
    ("hours_silent", "hours silent", _plain),
    ("fresh_within", "expected within", _plain),
)
"""What is known of the facts, in the order of reading: dotted name, label, how the value is written."""


def reasons(evidence: Mapping[str, Any]) -> list[str]:
    """Return the lines that say why, such as what, and where from."""
    facts = [*_worded(evidence), *_unworded(evidence)]
    lines = [f"Why: {'; '.join(facts)}"] if facts else []
    if evidence.get("example"):
        lines.append(f"Such as: {_plain(evidence['example'])}")
    if evidence.get("forecast_run") is not None:
        lines.append(f"From forecast run {evidence['forecast_run']}")
    found = [line for line in evidence.get("lines", ()) if line.get("file")]
    return [*lines, *(f"From {line['what']}: {line['file']}, line {line['line']}" for line in found)]


def _worded(evidence: Mapping[str, Any]) -> Iterator[str]:
    for name, label, shown in _WORDED:
        value: Any = evidence
        for part in name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if value is not None:
            yield f"{label} {shown(value)}"


def _unworded(evidence: Mapping[str, Any]) -> Iterator[str]:
    """Give the other facts under their own names, so that a new one reaches the reader too."""
    known = {name.partition(".")[0] for name, _, _ in _WORDED} | _NOT_REASONS
    for name in sorted(set(evidence) - known):
        value = evidence[name]
        if value not in (None, "") and not isinstance(value, Mapping | list):
            yield f"{name.replace('_', ' ')} {_plain(value)}"
