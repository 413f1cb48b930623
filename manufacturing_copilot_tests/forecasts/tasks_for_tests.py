"""Tasks made in a line."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from manufacturing_copilot.forecasts.contract import Outcome, Task, name_noise
from manufacturing_copilot.runtime.policies import declared_policies
from manufacturing_copilot.site import Frequency, Target


def a_task(
    values: Sequence[np.ndarray],
    demand_class: str = "smooth",
    *,
    horizon: int = 6,
    season: int = 1,
    **parameters: object,
) -> Task:
    declared = next(
        policy
        for policy in declared_policies()
        if (policy.target, policy.frequency, policy.demand_class) == (Target.DEMAND, Frequency.WEEKLY, demand_class)
    )
    names = [f"series {k}" for k in range(len(values))]
    return Task(
        names,
        [np.asarray(y, dtype=float) for y in values],
        season,
        horizon,
        {**declared.parameters, **parameters},
        np.zeros(len(values), dtype=np.int64),
        np.full(len(values), np.nan),
        name_noise(names),
    )


def assert_sound(outcome: Outcome, count: int, horizon: int) -> None:
    """Complete, in order, never negative."""
    assert outcome.mean.shape == (count, horizon)
    assert outcome.quantiles.shape == (count, horizon, 10)
    assert np.isfinite(outcome.mean).all() and (outcome.mean >= 0).all()
    assert np.isfinite(outcome.quantiles).all() and (outcome.quantiles >= 0).all()
    assert (np.diff(outcome.quantiles, axis=2) >= 0).all()
    assert np.isfinite(outcome.deviation).all() and (outcome.deviation > 0).all()
    assert (outcome.inflation >= 1).all() and len(outcome.inflation) == horizon
