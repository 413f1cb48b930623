"""Numbers, days, moments and lists of names in the words that people read; no markup and no colours here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from math import isfinite
from zoneinfo import ZoneInfo

NOTHING = "–"
NAMES_LISTED = 5
"""So many names stand in a sentence."""


def number(value: float | None) -> str:
    """Return a quantity with thousands marks and no more places than matter: 1,240; 12.5; 0.031."""
    if value is None or not isfinite(value):
        return NOTHING
    size = abs(value)
    if size >= 100 or value == int(value):
        return rounded(value, 0)
    return rounded(value, 1 if size >= 10 else 2 if size >= 0.1 else 4)


def rounded(value: float | None, places: int = 2, *, missing: str = NOTHING) -> str:
    """Return a number with thousands marks and at most `places` decimals: 1,250; 0.25. No number gives `missing`."""
    if value is None:
        return missing
    text = f"{value:,.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def compact(value: float | None) -> str:
    """Return a quantity in a few characters, for axes and tiles: 940; 12.4k; 1.3M."""
    if value is None or not isfinite(value):
        return NOTHING
    for limit, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= limit:
            scaled = value / (1e3 if letter == "k" else limit)
            return f"{scaled:.1f}".removesuffix(".0") + letter
    return number(value)


def percent(share: float | None) -> str:
    """Return a share of one as a percentage that does not wrap: 0.123 is 12 %; small shares keep a place."""
    if share is None or not isfinite(share):
        return NOTHING
    hundredths = share * 100
    places = 0 if abs(hundredths) >= 10 or hundredths == int(hundredths) else 1 if abs(hundredths) >= 1 else 2
    return f"{hundredths:.{places}f}\u00a0%"


def counted(count: int, one: str, many: str | None = None) -> str:
    """Return a count with its noun: 1 alert, 1,200 alerts."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def day(value: date | None) -> str:
    """Return a day with its weekday: Mon 3 Mar 2026."""
    return NOTHING if value is None else f"{value:%a} {value.day} {value:%b %Y}"


def spoken_day(value: date | None, *, missing: str = NOTHING) -> str:
    """Return a day as people say it, without its year: Thursday 3 December. No day gives `missing`."""
    return missing if value is None else f"{value:%A} {value.day} {value:%B}"


def short_day(value: date | None) -> str:
    """Return a day without its year: 3 Mar."""
    return NOTHING if value is None else f"{value.day} {value:%b}"


def days_between(first: date | None, last: date | None) -> str:
    """Return a range of days, saying month and year once: 3 to 19 Mar 2026."""
    if first is None or last is None:
        return NOTHING
    if first == last:
        return f"{short_day(first)} {first.year}"
    if first.year != last.year:
        return f"{short_day(first)} {first.year} to {short_day(last)} {last.year}"
    start = f"{first.day}" if first.month == last.month else short_day(first)
    return f"{start} to {short_day(last)} {last.year}"


def distance(value: date | None, today: date) -> str:
    """Return how far off a day is, in words: today, tomorrow, in 12 days, in 5 weeks, 3 days ago."""
    if value is None:
        return NOTHING
    ahead = (value - today).days
    named = {0: "today", 1: "tomorrow", -1: "yesterday"}.get(ahead)
    if named:
        return named
    length = f"{abs(ahead)} days" if abs(ahead) < 21 else f"{round(abs(ahead) / 7)} weeks"
    return f"in {length}" if ahead > 0 else f"{length} ago"


def moment(value: datetime | None, zone: str) -> str:
    """Return a moment in the plant's own time: 3 Mar 05:31."""
    if value is None:
        return NOTHING
    local = value.astimezone(ZoneInfo(zone))
    return f"{short_day(local.date())} {local:%H:%M}"


def listed(names: Sequence[object], *, most: int = NAMES_LISTED) -> str:
    """Return names in a sentence; those beyond the first `most` as their number."""
    shown = ", ".join(str(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
