"""Groups of a forecast: the series of one frequency and class, with the model version that forecast them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeAlias

import numpy as np
import polars as pl
from scipy import stats

from manufacturing_copilot.forecasts.contract import LEVELS, Floats, Outcome, stretched
from manufacturing_copilot.runtime.registry import ModelVersion
from manufacturing_copilot.site import Frequency, Target

Champions: TypeAlias = Mapping[tuple[Frequency, str], ModelVersion]
Progress: TypeAlias = Callable[[str], None]
"""Called with a sentence for whoever watches."""

BeginRun: TypeAlias = Callable[[ModelVersion, Frequency, str, int], int | None]
"""Called with version, frequency, class and number of series before they are forecast; returns the run's number."""


def begin_no_run(_version: ModelVersion, _frequency: Frequency, _demand_class: str, _series: int) -> None:
    """Begin no run: it is recorded once it is done."""


@dataclass(frozen=True)
class ForecastGroup:
    """What one model version forecast for the series of one frequency and class.

    `keys` names the series (item_id, location_id, supplier_id, name; of demand also category, discontinued_on);
    `outcome` has them in that order. `steps` says which step of the outcome belongs to each of `periods` (-1: the
    plant is closed, nothing is expected). `run` is the number of the run, where it has begun already.
    """

    target: Target
    frequency: Frequency
    demand_class: str
    version: ModelVersion
    keys: pl.DataFrame
    outcome: Outcome
    periods: Sequence[date]
    steps: Sequence[int]
    season: int
    started_at: datetime
    seconds: float
    clipped_history: int = 0
    run: int | None = None


@dataclass(frozen=True)
class DatedForecast:
    """A group's forecast by period: mean (series × periods) and quantiles (series × periods × levels).

    `model_mean` is what the models forecast where a planner's override holds, NaN elsewhere.
    """

    group: ForecastGroup
    mean: Floats
    quantiles: Floats
    model_mean: Floats | None = None

    def scaled_to(self, mean: Floats) -> tuple[Floats, Floats]:
        """Return `mean` and the quantiles scaled with it; Poisson's where nothing was expected before."""
        ratio = np.divide(mean, self.mean, out=np.ones_like(mean), where=self.mean > 0)
        quantiles = stretched(self.quantiles, ratio)
        fresh = (self.mean <= 0) & (mean > 0)
        if fresh.any():
            quantiles[fresh] = stats.poisson.ppf(LEVELS, mean[fresh][:, None])
        return mean, quantiles


def dated_forecast(group: ForecastGroup) -> DatedForecast:
    """Return the group's forecast by period: zero on days the plant is closed and after an item's last day."""
    steps = np.array(group.steps, dtype=int)
    closed = steps < 0
    mean = np.where(closed, 0.0, group.outcome.mean[:, steps])
    quantiles = np.where(closed[:, None], 0.0, group.outcome.quantiles[:, steps, :])
    if "discontinued_on" in group.keys.columns:
        last_day = group.keys["discontinued_on"].fill_null(date.max).to_numpy()
        gone = np.array(group.periods, dtype="datetime64[D]")[None, :] > last_day.astype("datetime64[D]")[:, None]
        mean, quantiles = np.where(gone, 0.0, mean), np.where(gone[:, :, None], 0.0, quantiles)
    return DatedForecast(group, mean, quantiles)
