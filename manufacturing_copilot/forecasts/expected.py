"""What is expected in each period: the outcome of a part, laid on the plant's calendar."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from scipy import stats

from manufacturing_copilot.forecasts.contract import LEVELS, Floats, stretched
from manufacturing_copilot.forecasts.groups import Part


@dataclass(frozen=True)
class Expected:
    """Mean (series × periods) and quantiles (series × periods × levels) of a part.

    `model_mean` is what the models said where a person says otherwise, not a number elsewhere.
    """

    part: Part
    mean: Floats
    quantiles: Floats
    model_mean: Floats | None = None

    def moved_to(self, mean: Floats) -> tuple[Floats, Floats]:
        """Return `mean` and the quantiles stretched with it; Poisson's where nothing was expected before."""
        ratio = np.divide(mean, self.mean, out=np.ones_like(mean), where=self.mean > 0)
        quantiles = stretched(self.quantiles, ratio)
        fresh = (self.mean <= 0) & (mean > 0)
        if fresh.any():
            quantiles[fresh] = stats.poisson.ppf(LEVELS, mean[fresh][:, None])
        return mean, quantiles


def expected(part: Part) -> Expected:
    """Return what the part expects: nothing on days on which the plant is closed, nor after an item's last day."""
    steps = np.array(part.steps, dtype=int)
    closed = steps < 0
    mean = np.where(closed, 0.0, part.outcome.mean[:, steps])
    quantiles = np.where(closed[:, None], 0.0, part.outcome.quantiles[:, steps, :])
    if "discontinued_on" in part.keys.columns:
        last_day = part.keys["discontinued_on"].fill_null(date.max).to_numpy()
        gone = np.array(part.periods, dtype="datetime64[D]")[None, :] > last_day.astype("datetime64[D]")[:, None]
        mean, quantiles = np.where(gone, 0.0, mean), np.where(gone[:, :, None], 0.0, quantiles)
    return Expected(part, mean, quantiles)
