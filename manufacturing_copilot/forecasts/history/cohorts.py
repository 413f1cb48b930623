"""Cohorts: who stood in a class at an earlier cut-off, and what came of them.

New and fading series cannot be backtested on their own members: a new series has no window to hold back, and
of those that were fading only the ones that did not recover still are. So their windows are taken from all series of
the panel, by the class each had at the cut-off.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from manufacturing_copilot.forecasts.contract import Cohort, Floats
from manufacturing_copilot.forecasts.history.classes import classify
from manufacturing_copilot.runtime.policies import NEW
from manufacturing_copilot.site import Frequency

CUT_OFFS = 3
"""Windows looked back at, one horizon apart."""

MOST = 3_000
"""Windows kept of a cohort: evenly over the panel, enough for any share that is learned from them."""


def cohorts(
    values: Sequence[Floats], frequency: Frequency, horizon: int, priors: Floats, noise: Floats, wanted: Sequence[str]
) -> dict[str, Cohort]:
    """Return the cohort of each of the `wanted` classes; a class that nobody stood in has none."""
    members: dict[str, list[tuple[int, int]]] = {name: [] for name in wanted}
    longest = max((len(y) for y in values), default=0)
    for back in range(1, CUT_OFFS + 1):
        gap = back * horizon
        rows = [row for row, y in enumerate(values) if len(y) > gap and np.isfinite(y).all()]
        then = classify([values[row][:-gap] for row in rows], frequency, [False] * len(rows))
        for row, name in zip(rows, then, strict=True):
            if name in NEW and len(values[row]) == longest:
                continue  # its start lies before the records': it only looks new
            if name in members:
                members[name].append((row, gap))
    return {
        name: _cohort(values, rows_and_gaps[:: len(rows_and_gaps) // MOST + 1], horizon, priors, noise)
        for name, rows_and_gaps in members.items()
        if rows_and_gaps
    }


def _cohort(
    values: Sequence[Floats], places: list[tuple[int, int]], horizon: int, priors: Floats, noise: Floats
) -> Cohort:
    rows = [row for row, _ in places]
    return Cohort(
        [values[row][:-gap] for row, gap in places],
        np.array([values[row][len(values[row]) - gap :][:horizon] for row, gap in places]),
        priors[rows],
        (noise[rows] + np.array([gap * 0.7548776662466927 for _, gap in places])) % 1.0,
    )
