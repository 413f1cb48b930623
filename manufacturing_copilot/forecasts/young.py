"""Short and new series: the own average drawn towards the prior of the class, and wide pooled bounds."""

from __future__ import annotations

import numpy as np

from manufacturing_copilot.forecasts.bounds import negative_binomial_quantiles, variance_ratios
from manufacturing_copilot.forecasts.sparse import demand_unit
from manufacturing_copilot.forecasts.tasks import Outcome, Task, tidy

WIDER = 2.0
"""By how much the variance is raised: the level itself is a guess."""


def forecast(task: Task) -> Outcome:
    """Forecast series with too little history.

    Parameter: prior_periods, how many periods of own history the prior weighs. The prior is the median level of
    the comparable series of the panel; the notes say how many series rest on it.
    """
    weight = float(task.parameters["prior_periods"])
    units = np.array([demand_unit(y) for y in task.values])
    values = [np.nan_to_num(y) / unit for y, unit in zip(task.values, units, strict=True)]
    length = np.array([len(y) for y in values])
    total = np.array([float(np.sum(y)) for y in values])
    prior = np.where(np.isfinite(task.priors), task.priors / units, total / np.maximum(length, 1))
    level = (total + weight * prior) / (length + weight)
    mean = np.repeat(level[:, None], task.horizon, axis=1)
    ratio = WIDER * variance_ratios(values, task.horizon)
    quantiles = tidy(negative_binomial_quantiles(mean, ratio)) * units[:, None, None]
    failures = [
        (i, "the history holds a value that is no number") for i, y in enumerate(task.values) if np.isnan(y).any()
    ]
    return Outcome(
        mean=mean * units[:, None],
        quantiles=quantiles,
        deviation=np.sqrt(np.maximum(level, 1e-9) * ratio) * units,
        inflation=np.arange(1, task.horizon + 1, dtype=float) ** 0.5,
        failures=failures,
        notes={"prior": f"own average with {weight:g} periods of the median level of comparable series"},
    )
