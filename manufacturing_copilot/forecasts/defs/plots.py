"""Plots of a forecast's quality, small enough to stand in Dagster's metadata."""

from __future__ import annotations

from collections.abc import Sequence

from manufacturing_copilot.forecasts.recording import RunSummary
from manufacturing_copilot.plotting.canvas import markdown_image
from manufacturing_copilot.plotting.shares import Measure, shares_plot

_LABEL = "coverage of the bounds"
_MEASURES = {
    "coverage_80": Measure("80 % bounds", 0.80, "#2b6cb0"),
    "coverage_95": Measure("95 % bounds", 0.95, "#c05621"),
}


def coverage_plot(runs: Sequence[RunSummary]) -> str | None:
    """Return Markdown with a plot: the share of held-back values within the bounds, per frequency and class.

    None where no run was scored.
    """
    rows: dict[str, list[float]] = {}
    for run in runs:
        shares = [share for name in _MEASURES if (share := run.metrics.measure(name)) is not None]
        if len(shares) == len(_MEASURES):
            rows[f"{run.frequency} {run.demand_class}"] = shares
    if not rows:
        return None
    return markdown_image(shares_plot(rows, list(_MEASURES.values()), label=_LABEL), _LABEL)
