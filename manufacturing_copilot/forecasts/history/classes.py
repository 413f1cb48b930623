"""Classes of series: smooth, erratic, intermittent, lumpy; first of all short, new or fading (stored as "dying").

Smooth to lumpy are cut at an average interval between demands (ADI) of 1.32 and a squared coefficient of
variation of the demand sizes (CV²) of 0.49 (Syntetos, Boylan, Croston 2005).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from manufacturing_copilot.forecasts.contract import Floats
from manufacturing_copilot.site import Frequency

ADI_CUT = 1.32
CV2_CUT = 0.49
SHORT_BELOW = 8
"""Periods of history below which nothing is learned from a series alone."""

NEW_BELOW = {Frequency.DAILY: 40, Frequency.WEEKLY: 13, Frequency.MONTHLY: 10, Frequency.QUARTERLY: 8}
"""Periods of history below which a series is new: no window can be held back to learn its errors from."""

QUIET_AT_LEAST = {Frequency.DAILY: 60, Frequency.WEEKLY: 13, Frequency.MONTHLY: 4, Frequency.QUARTERLY: 3}
QUIET_INTERVALS = 5.0
"""A series is fading once it has been quiet for the periods above and for this many of its usual intervals."""


def demand_class(y: Floats, frequency: Frequency, *, discontinued: bool = False) -> str:
    """Return the class of one history (oldest first, starting with its first demand)."""
    if discontinued:
        return "dying"
    if len(y) < SHORT_BELOW:
        return "short"
    sizes = y[y > 0]
    if len(sizes) == 0:
        return "dying"
    last = int(np.flatnonzero(y > 0)[-1])
    interval = (last + 1) / len(sizes)
    if len(y) - 1 - last >= max(QUIET_AT_LEAST[frequency], QUIET_INTERVALS * interval):
        return "dying"
    if len(y) < NEW_BELOW[frequency]:
        return "new"
    often = len(y) / len(sizes) <= ADI_CUT
    even = float(np.var(sizes) / np.mean(sizes) ** 2) <= CV2_CUT
    return {(True, True): "smooth", (True, False): "erratic", (False, True): "intermittent"}.get((often, even), "lumpy")


def classify(values: Sequence[Floats], frequency: Frequency, discontinued: Sequence[bool]) -> list[str]:
    """Return the class of every history."""
    return [demand_class(y, frequency, discontinued=gone) for y, gone in zip(values, discontinued, strict=True)]
