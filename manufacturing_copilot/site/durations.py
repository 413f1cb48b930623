"""Lengths of time as people write them: `26 hours`, `2 days`, `90 minutes`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator

_UNITS = {"minute": "minutes", "hour": "hours", "day": "days", "week": "weeks"}
_FORM = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(minute|hour|day|week)s?\s*$")


def parse_duration(text: Any) -> timedelta:
    """Return the length of time that `text` names; raises ValueError with the expected form."""
    if isinstance(text, timedelta):
        return text
    match = _FORM.match(str(text))
    if match is None:
        raise ValueError(f"found {text!r}, expected a length of time such as '26 hours' or '2 days'")
    return timedelta(**{_UNITS[match.group(2)]: float(match.group(1))})


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
