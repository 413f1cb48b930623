"""Durations and times of day as people write them: `26 hours`, `2 days`, `90 minutes`; `06:30`."""

from __future__ import annotations

import re
from datetime import time, timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

_UNITS = {"minute": "minutes", "hour": "hours", "day": "days", "week": "weeks"}
_PATTERN = r"^\s*(\d+(?:\.\d+)?)\s*(minute|hour|day|week)s?\s*$"
_FORM = re.compile(_PATTERN, re.IGNORECASE)
_TIME_PATTERN = r"^\s*([01]?\d|2[0-3]):([0-5]\d)\s*$"
_TIME = re.compile(_TIME_PATTERN)


def parse_duration(text: Any) -> timedelta:
    """Return the duration that `text` names; raises ValueError with the expected form."""
    if isinstance(text, timedelta):
        return text
    match = _FORM.match(str(text))
    if match is None:
        raise ValueError(f"found {text!r}, expected a length of time such as '26 hours' or '2 days'")
    return timedelta(**{_UNITS[match.group(2).lower()]: float(match.group(1))})


def parse_time_of_day(text: Any) -> time:
    """Return the time of day that `text` names; raises ValueError with the expected form."""
    if isinstance(text, time):
        return text
    match = _TIME.match(str(text))
    if match is None:
        raise ValueError(f'found {text!r}, expected a time of day such as "05:30"')
    return time(int(match.group(1)), int(match.group(2)))


Duration = Annotated[
    timedelta, BeforeValidator(parse_duration), WithJsonSchema({"type": "string", "pattern": _PATTERN})
]
TimeOfDay = Annotated[
    time, BeforeValidator(parse_time_of_day), WithJsonSchema({"type": "string", "pattern": _TIME_PATTERN})
]
