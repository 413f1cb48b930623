"""Short and new series: the own average drawn towards the prior of the class, and wide pooled bounds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from manufacturing_copilot.forecasts.contract import LEVELS, Floats, JsonValue, Outcome, Task, tidy
from manufacturing_copilot.forecasts.methods.bounds import negative_binomial_quantiles, variance_ratios
from manufacturing_copilot.forecasts.methods.cohort_learning import judged_cohort, learn_from_cohort
from manufacturing_copilot.forecasts.methods.sparse import demand_unit

WIDER = 2.0
"""By how much the variance is raised where no series was as new before: the level itself is a guess."""

FEWEST_IN_COHORT = 20


def forecast(task: Task) -> Outcome:
    """Forecast series with too little history.

    Parameter: prior_periods, how many periods of own history the prior weighs. The prior is the median level of
    the comparable series of the panel. How the level and its variance turn out is learned from the series that
    were as new at an earlier cut-off, where there were enough of them.
    """
    weight = float(task.parameters["prior_periods"])
    units = np.array([demand_unit(y) for y in task.values])
    values = [np.nan_to_num(y) / unit for y, unit in zip(task.values, units, strict=True)]
    level = _levels(values, task.priors / units, weight)
    ratio = variance_ratios(values, task.horizon)
    failures = [
        (i, "the history holds a value that is no number") for i, y in enumerate(task.values) if np.isnan(y).any()
    ]
    notes: dict[str, JsonValue] = {
        "prior": f"own average with {weight:g} periods of the median level of comparable series"
    }
    levels, cohort = LEVELS, None
    inflated = np.arange(1, task.horizon + 1, dtype=float) ** 0.5
    if task.cohort is not None and len(task.cohort) >= FEWEST_IN_COHORT:
        then = np.repeat(_levels(task.cohort.before, task.cohort.priors, weight)[:, None], task.horizon, axis=1)
        learned = learn_from_cohort(task.cohort, then, task.horizon)
        cohort = judged_cohort(task.cohort, then, task.horizon)
        level, ratio, levels, inflated = (
            level * learned.share,
            ratio * learned.excess,
            learned.levels,
            learned.inflation,
        )
        notes |= {"share_of_the_level": round(learned.share, 3), "learned_from": len(task.cohort)}
    else:
        ratio = WIDER * ratio
    ratio = np.maximum(ratio, 1.02)
    mean = np.repeat(level[:, None], task.horizon, axis=1)
    quantiles = tidy(negative_binomial_quantiles(mean, ratio, levels)) * units[:, None, None]
    return Outcome(
        mean=mean * units[:, None],
        quantiles=quantiles,
        deviation=np.sqrt(np.maximum(level, 1e-9) * ratio) * units,
        inflation=inflated,
        failures=failures,
        notes=notes,
        cohort=cohort,
    )


def _levels(values: Sequence[Floats], priors: Floats, weight: float) -> Floats:
    length = np.array([len(y) for y in values])
    total = np.array([float(np.sum(y)) for y in values])
    prior = np.where(np.isfinite(priors), priors, total / np.maximum(length, 1))
    return (total + weight * prior) / (length + weight)
