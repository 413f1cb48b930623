"""The time buckets that a plan looks ahead: days first, then weeks; each starts on a day and ends before the next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from manufacturing_copilot.planning.arithmetic.open_days import Days, day_number


@dataclass(frozen=True)
class Horizon:
    """Buckets by their first days, ascending, and the day after the last of them.

    What is due before the first bucket falls into it; what is due after the last one is outside.
    """

    starts: Days
    end: int

    @classmethod
    def ahead(cls, as_of: date, *, days: int, weeks: int = 0) -> Horizon:
        """Return `days` daily buckets from the day after `as_of`, then `weeks` weekly ones."""
        first = day_number(as_of) + 1
        weekly = first + days + 7 * np.arange(weeks, dtype=np.int64)
        return cls(np.concatenate([first + np.arange(days, dtype=np.int64), weekly]), first + days + 7 * weeks)

    @property
    def buckets(self) -> int:
        """How many buckets there are."""
        return len(self.starts)

    @property
    def ends(self) -> Days:
        """The day after each bucket."""
        return np.append(self.starts[1:], self.end)

    def bucket_of(self, days: Days) -> Days:
        """Return the bucket of each day: 0 for what lies before, `buckets` for what lies after the horizon."""
        days = np.asarray(days, dtype=np.int64)
        inside = np.maximum(np.searchsorted(self.starts, days, side="right") - 1, 0)
        return np.where(days >= self.end, self.buckets, inside)

    def first_bucket_from(self, days: Days) -> Days:
        """Return the first bucket that starts on each day or after it; `buckets` where none does."""
        return np.searchsorted(self.starts, np.asarray(days, dtype=np.int64), side="left").astype(np.int64)

    def spread(self, rows: int, row: Days, day: Days, quantity: np.ndarray) -> np.ndarray:
        """Return quantities by row and bucket, rows × buckets; what lies after the horizon is left out."""
        bucket = self.bucket_of(day)
        inside = bucket < self.buckets
        at = np.asarray(row, dtype=np.int64)[inside] * self.buckets + bucket[inside]
        sums = np.bincount(at, weights=np.asarray(quantity, dtype=float)[inside], minlength=rows * self.buckets)
        return sums.reshape(rows, self.buckets)
