"""Days on which a hall, a supplier or a lane works, and counting along them; no clock times."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

Days = NDArray[np.int64]
"""Days as whole numbers, counted from 1 January 1970, as numpy's datetime64[D] does."""


def day_number(day: date) -> int:
    """Return the day as a number."""
    return int(np.datetime64(day, "D").astype(np.int64))


def day_numbers(days: Iterable[date]) -> Days:
    """Return days as numbers."""
    return np.array(list(days), dtype="datetime64[D]").astype(np.int64)


def dates(days: Days) -> NDArray[np.datetime64]:
    """Return numbers as days again."""
    return np.asarray(days, dtype=np.int64).astype("datetime64[D]")


@dataclass(frozen=True)
class OpenDays:
    """The open days of a calendar, ascending; before the first and after the last of them every day counts as open."""

    opened: Days

    @classmethod
    def between(
        cls, first: date, last: date, *, weekdays: Iterable[int] = range(7), closed: Iterable[date] = ()
    ) -> OpenDays:
        """Return the calendar that opens on these weekdays (Monday is 0) but for the closed days.

        Raises ValueError where no day at all is open.
        """
        days = np.arange(day_number(first), day_number(last) + 1)
        # 1 January 1970 was a Thursday.
        works = np.isin((days + 3) % 7, list(weekdays)) & ~np.isin(days, day_numbers(closed))
        if not works.any():
            raise ValueError(f"no day from {first} to {last} is open")
        return cls(days[works])

    def on_or_before(self, days: Days) -> Days:
        """Return each day, or the open day before it where it is closed: what is due on a closed day comes earlier."""
        return self._at(self._position(days))

    def on_or_after(self, days: Days) -> Days:
        """Return each day, or the next open one where it is closed."""
        days = np.asarray(days, dtype=np.int64)
        earlier = self.on_or_before(days)
        return np.where(earlier == days, days, self._at(self._position(days) + 1))

    def back(self, days: Days, count: NDArray) -> Days:
        """Return the open day that lies `count` open days before each; a closed day counts from the one before it."""
        return self._at(self._position(days) - np.asarray(count, dtype=np.int64))

    def forward(self, days: Days, count: NDArray) -> Days:
        """Return the open day that lies `count` open days after each; a closed day counts from the one after it."""
        return self._at(self._position(self.on_or_after(days)) + np.asarray(count, dtype=np.int64))

    def _position(self, days: Days) -> Days:
        days = np.asarray(days, dtype=np.int64)
        inside = np.searchsorted(self.opened, days, side="right") - 1
        last = len(self.opened) - 1
        before, after = days - self.opened[0], last + days - self.opened[-1]
        return np.where(days < self.opened[0], before, np.where(days > self.opened[-1], after, inside))

    def _at(self, position: Days) -> Days:
        last = len(self.opened) - 1
        inside = self.opened[np.clip(position, 0, last)]
        return inside + np.minimum(position, 0) + np.maximum(position - last, 0)


EVERY_DAY = OpenDays(np.array([0], dtype=np.int64))
"""The calendar without a closed day."""
