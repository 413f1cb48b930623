"""Dying series: quiet for long, or discontinued. TSB's level has decayed with every quiet period and decays on."""

from __future__ import annotations

import numpy as np

from manufacturing_copilot.forecasts.bounds import negative_binomial_quantiles, variance_ratios
from manufacturing_copilot.forecasts.sparse import demand_unit
from manufacturing_copilot.forecasts.tasks import Outcome, Task, tidy


def forecast(task: Task) -> Outcome:
    """Forecast dying series. Parameter: decay, the share by which the chance of a demand falls each period."""
    from statsforecast.models import TSB

    decay = float(task.parameters["decay"])
    model = TSB(alpha_d=0.3, alpha_p=decay)
    units = np.array([demand_unit(y) for y in task.values])
    level = np.zeros(len(task))
    failures: list[tuple[int, str]] = []
    for row, (y, unit) in enumerate(zip(task.values, units, strict=True)):
        try:
            if not np.isfinite(y).all():
                raise ValueError("the history holds a value that is no number")
            level[row] = max(float(model.forecast(y=y / unit, h=1)["mean"][0]), 0.0)
        except Exception as error:  # noqa: BLE001 - models raise bare Exceptions; one series must not end the run
            level[row] = 0.0
            failures.append((row, f"TSB: {error or type(error).__name__}"))
    mean = level[:, None] * (1 - decay) ** np.arange(task.horizon)[None, :]
    ratio = variance_ratios([np.nan_to_num(y) / unit for y, unit in zip(task.values, units, strict=True)], 26)
    return Outcome(
        mean=mean * units[:, None],
        quantiles=tidy(negative_binomial_quantiles(mean, ratio)) * units[:, None, None],
        deviation=np.sqrt(np.maximum(level, 1e-9) * ratio) * units,
        inflation=np.ones(task.horizon),
        failures=failures,
    )
