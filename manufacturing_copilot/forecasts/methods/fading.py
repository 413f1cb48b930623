"""Fading series: quiet for long, or discontinued.

What such series still sell is learned from those that stood there before: their usual level times the share of it
that came back. The usual level lies between the average of the whole history and one that fades while nothing comes:
of what has just fallen quiet more comes back. With too few of them the level of TSB, which has decayed with every quiet
period, decays on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from manufacturing_copilot.forecasts.contract import Floats, Outcome, Task, tidy
from manufacturing_copilot.forecasts.methods.bounds import negative_binomial_quantiles, variance_ratios
from manufacturing_copilot.forecasts.methods.cohort_learning import judged_cohort, learn_from_cohort
from manufacturing_copilot.forecasts.methods.sparse import demand_unit

FEWEST_IN_COHORT = 20
LONGEST_MEMORY = 26
"""Periods whose variance is looked at."""


def forecast(task: Task) -> Outcome:
    """Forecast fading series.

    Parameters: decay, the share by which the chance of a demand falls each period; fade, the share by which the
    usual level does, from which the share that comes back is learned (0: it is the average of the whole history).
    """
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
    fade = float(task.parameters.get("fade", 0.0))
    then = _usual(task.cohort.before, fade, task.horizon)
    learned = learn_from_cohort(task.cohort, then, LONGEST_MEMORY)
    mean = _usual(values, fade, task.horizon) * learned.share
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


def _usual(histories: Sequence[Floats], fade: float, horizon: int) -> Floats:
    """Return the geometric mean of the average and of TSB's level, the same for each period ahead."""
    level = np.array([float(np.mean(y)) for y in histories])
    if fade > 0:
        level = np.sqrt(level * _tsb_levels(histories, fade)[0])
    return np.repeat(level[:, None], horizon, axis=1)


def _tsb_levels(values: Sequence[Floats], decay: float) -> tuple[Floats, list[tuple[int, str]]]:
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
