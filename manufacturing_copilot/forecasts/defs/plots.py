"""Pictures of a forecast's quality, small enough to stand in Dagster's metadata."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

from manufacturing_copilot.forecasts.forecast import RunSummary


def coverage_plot(runs: Sequence[RunSummary]) -> str | None:
    """Return Markdown with a picture: the share of held-back values within the bounds, per frequency and class.

    None where no run was scored.
    """
    scored = [run for run in runs if run.metrics.get("coverage_80") is not None]
    if not scored:
        return None
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 0.6 + 0.28 * len(scored)), layout="constrained")
    axes = figure.add_subplot()
    places = range(len(scored))
    for measure, nominal, colour in (("coverage_80", 0.80, "#2b6cb0"), ("coverage_95", 0.95, "#c05621")):
        axes.axvline(nominal, color=colour, linewidth=0.8, linestyle="--")
        axes.plot([run.metrics[measure] for run in scored], places, "o", color=colour, label=f"{nominal:.0%} bounds")
    axes.set_yticks(list(places), [f"{run.frequency} {run.demand_class}" for run in scored], fontsize=7)
    axes.set_xlim(0, 1.02)
    axes.invert_yaxis()
    axes.tick_params(axis="x", labelsize=7)
    axes.legend(fontsize=7, loc="lower left", frameon=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    picture = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(picture, format="png", dpi=90)
    return f"![coverage of the bounds](data:image/png;base64,{base64.b64encode(picture.getvalue()).decode()})"
