from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl

from manufacturing_copilot.forecasts.contract import Outcome, Task
from manufacturing_copilot.forecasts.history.panel import Panel
from manufacturing_copilot.forecasts.history.periods import first_period, periods_from
from manufacturing_copilot.forecasts.methods import sparse
from manufacturing_copilot.forecasts.panel_forecast import forecast_panel
from manufacturing_copilot.runtime.policies import SPARSE, declared_policies
from manufacturing_copilot.runtime.registry import ModelVersion
from manufacturing_copilot.site import Frequency, Target
from manufacturing_copilot_tests.forecasts.plants import AS_OF

WEEKLY = {
    (policy.frequency, policy.demand_class): ModelVersion(
        0, policy.name, 1, "active", policy.code, policy.parameters, policy.package_versions(), policy.hash()
    )
    for policy in declared_policies()
    if (policy.target, policy.frequency) == (Target.DEMAND, Frequency.WEEKLY)
}


TASKS: list[Task] = []
"""The tasks that `watched` was given."""


def watched(task: Task) -> Outcome:
    TASKS.append(task)
    return sparse.forecast(task)


def test_sparse_series_are_forecast_with_what_became_of_those_fading_but_not_of_those_discontinued() -> None:
    seldom = np.tile([0.0, 3, 0, 0, 2], 12)
    quiet = np.concatenate([seldom[:40], np.zeros(20)])
    histories = [seldom, quiet, quiet[5:], seldom[10:]]
    ended = [None, None, AS_OF - timedelta(days=90), None]
    keys = pl.DataFrame(
        {"item_id": [1, 2, 3, 4], "name": ["a", "b", "c", "d"], "category": [None] * 4, "discontinued_on": ended},
        schema_overrides={"category": pl.String, "discontinued_on": pl.Date},
    ).with_columns(pl.lit(1, pl.Int64).alias("location_id"))
    periods = periods_from(first_period(AS_OF, Frequency.WEEKLY), Frequency.WEEKLY, 4)
    panel = Panel(Frequency.WEEKLY, keys, histories, periods, list(range(4)), 1, 0)
    TASKS.clear()
    of_sparse = {key: replace(WEEKLY[key], code=f"{__name__}:watched") for key in WEEKLY if key[1] in SPARSE}
    made = forecast_panel(panel, {**WEEKLY, **of_sparse}, AS_OF)
    assert {group.demand_class: group.keys["name"].to_list() for group in made} == {
        "dying": ["b", "c"],
        "intermittent": ["a", "d"],
    }
    assert [task.names for task in TASKS] == [["a", "d"]]
    assert [y.tolist() for y in TASKS[0].departed] == [quiet.tolist()]
