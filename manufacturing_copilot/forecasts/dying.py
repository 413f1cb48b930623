"""Dying series: quiet for long, or discontinued.

What such series still sell is learned from those that stood there before: their usual level times the share of it
that came back. With too few of them the level of TSB, which has decayed with every quiet period, decays on.
"""

from __future__ import annotations

import numpy as np

from manufacturing_copilot.forecasts.bounds import negative_binomial_quantiles, variance_ratios
from manufacturing_copilot.forecasts.sparse import demand_unit
from manufacturing_copilot.forecasts.tasks import Cohort, Floats, Outcome, Task, tidy
from manufacturing_copilot.forecasts.windows import judged_cohort, learn_from_cohort

FEWEST_IN_COHORT = 20
LONGEST_MEMORY = 26
"""Periods whose variance is looked at."""


def forecast(task: Task) -> Outcome:
    """Forecast dying series. Parameter: decay, the share by which the chance of a demand falls each period."""
    decay = float(task.parameters["decay"])
    units = np.array([demand_unit(y) for y in task.values])
    values = [np.nan_to_num(y) / unit for y, unit in zip(task.values, units, strict=True)]
    level, failures = _tsb_levels([y / unit for y, unit in zip(task.values, units, strict=True)], decay)
    mean = level[:, None] * (1 - decay) ** np.arange(task.horizon)[None, :]
    ratio = variance_ratios(values, LONGEST_MEMORY)
    if task.cohort is None or len(task.cohort) < FEWEST_IN_COHORT:
        return Outcome(
            mean=mean * units[:, None],
            quantiles=tidy(negative_binomial_quantiles(mean, ratio)) * units[:, None, None],
            deviation=np.sqrt(np.maximum(level, 1e-9) * ratio) * units,
            inflation=np.ones(task.horizon),
            failures=failures,
        )
    then = _usual(task.cohort, task.horizon)
    learned = learn_from_cohort(task.cohort, then, LONGEST_MEMORY)
    mean = np.repeat(np.array([float(np.mean(y)) for y in values])[:, None], task.horizon, axis=1) * learned.share
    ratio = np.maximum(ratio * learned.excess, 1.02)
    return Outcome(
        mean=mean * units[:, None],
        quantiles=tidy(negative_binomial_quantiles(mean, ratio, learned.levels)) * units[:, None, None],
        deviation=np.sqrt(np.maximum(mean[:, 0], 1e-9) * ratio) * units,
        inflation=learned.inflation,
        failures=failures,
        notes={"share_that_comes_back": round(learned.share, 4), "learned_from": len(task.cohort)},
        cohort=judged_cohort(task.cohort, then, LONGEST_MEMORY),
    )


def _usual(cohort: Cohort, horizon: int) -> Floats:
    return np.repeat(np.array([float(np.mean(y)) for y in cohort.before])[:, None], horizon, axis=1)


def _tsb_levels(values: list[Floats], decay: float) -> tuple[Floats, list[tuple[int, str]]]:
    from statsforecast.models import TSB

    model = TSB(alpha_d=0.3, alpha_p=decay)
    level = np.zeros(len(values))
    failures: list[tuple[int, str]] = []
    for row, y in enumerate(values):
        try:
            if not np.isfinite(y).all():
                raise ValueError("the history holds a value that is no number")
            level[row] = max(float(model.forecast(y=y, h=1)["mean"][0]), 0.0)
        except Exception as error:  # noqa: BLE001 - models raise bare Exceptions; one series must not end the run
            level[row] = 0.0
            failures.append((row, f"TSB: {error or type(error).__name__}"))
    return level, failures
