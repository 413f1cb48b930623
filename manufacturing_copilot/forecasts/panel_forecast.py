"""Forecasting a panel: the champion of each class forecasts the series of that class."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from time import perf_counter

import numpy as np
import polars as pl

from manufacturing_copilot.forecasts.compute.artifacts import noted_artifacts
from manufacturing_copilot.forecasts.contract import Cohort, Floats, Method, Observations, Task, name_noise
from manufacturing_copilot.forecasts.groups import BeginRun, ForecastGroup, begin_no_run
from manufacturing_copilot.forecasts.history.classes import classify
from manufacturing_copilot.forecasts.history.cohorts import cohorts
from manufacturing_copilot.forecasts.history.panel import Panel
from manufacturing_copilot.forecasts.history.periods import SEASON
from manufacturing_copilot.runtime.policies import ALL, FADING, NEW, REGULAR, SPARSE
from manufacturing_copilot.runtime.registry import Champions, ModelVersion, load_code
from manufacturing_copilot.site import Frequency, Target
from manufacturing_copilot.store.types import utc_now


def forecast_panel(
    panel: Panel,
    champions: Champions,
    as_of: date,
    begin_run: BeginRun = begin_no_run,
    name: str | None = None,
    only: str | None = None,
) -> list[ForecastGroup]:
    """Forecast every series of the panel with the champion of its class; return a group per class.

    Classes whose champions have the same code and parameters are forecast together: they share the global model
    and the pooled errors. A discontinued item is expected to sell nothing after its last day. A `name` is for series
    that are not items but sums of them: the groups carry it in place of a class, and all series count as regular.
    With `only`, just that class and those that share its method are forecast.
    """
    if panel.keys.is_empty():
        return []
    discontinued = (panel.keys["discontinued_on"] <= as_of).fill_null(False).to_list()
    classes = np.array(classify(panel.values, panel.frequency, discontinued))
    if name:
        classes[np.isin(classes, [*REGULAR, *SPARSE])] = REGULAR[0]
    present = sorted(set(classes))
    task = _task(panel, classes)
    without_window = [demand_class for demand_class in (*NEW, *FADING) if demand_class in classes]
    cohort_of = (
        cohorts(panel.values, panel.frequency, panel.horizon, task.priors, task.noise, without_window)
        if without_window
        else {}
    )
    # What was discontinued was ended by a decision, which says nothing of how demand ends by itself.
    departed = [
        y
        for y, demand_class, is_over in zip(panel.values, classes, discontinued, strict=True)
        if demand_class in FADING and not is_over
    ]
    runs = {
        demand_class: begin_run(
            champions[panel.frequency, demand_class],
            panel.frequency,
            name or demand_class,
            int((classes == demand_class).sum()),
        )
        for demand_class in present
    }
    groups: list[ForecastGroup] = []
    for sharing in _classes_by_method(present, champions, panel.frequency):
        if only is not None and only not in sharing:
            continue
        version = champions[panel.frequency, sharing[0]]
        started_at, start = utc_now(), perf_counter()
        of_method = np.isin(classes, sharing)
        method: Method = load_code(version.code)
        method_task = replace(
            task.part(of_method),
            parameters=version.parameters,
            cohort=_combined_cohort(cohort_of, sharing),
            departed=[] if set(sharing) & {*FADING} else departed,
        )
        with noted_artifacts() as learned:
            outcome = method(method_task)
        if learned:
            outcome = replace(outcome, notes={**outcome.notes, "learned": learned})
        seconds = perf_counter() - start
        for demand_class in sharing:
            of_class = classes[of_method] == demand_class
            keys = panel.keys.filter(pl.Series(classes == demand_class))
            groups.append(
                ForecastGroup(
                    Target.DEMAND,
                    panel.frequency,
                    name or demand_class,
                    champions[panel.frequency, demand_class],
                    keys.select(
                        "item_id",
                        "location_id",
                        pl.lit(None, pl.Int64).alias("supplier_id"),
                        "name",
                        "category",
                        "discontinued_on",
                    ),
                    outcome.part(of_class),
                    panel.periods,
                    panel.steps,
                    panel.season,
                    started_at,
                    seconds * float(of_class.mean()),
                    panel.clipped,
                    runs[demand_class],
                )
            )
    return groups


def forecast_observations(
    target: Target,
    frequency: Frequency,
    keys: pl.DataFrame,
    task: Observations,
    version: ModelVersion,
    periods: Sequence[date],
    begin_run: BeginRun = begin_no_run,
) -> list[ForecastGroup]:
    """Forecast a target that is observed now and then (supply, quality) as one group; none without observations."""
    if not len(task):
        return []
    run = begin_run(version, frequency, ALL, len(task))
    started_at, start = utc_now(), perf_counter()
    outcome = load_code(version.code)(task)
    return [
        ForecastGroup(
            target,
            frequency,
            ALL,
            version,
            keys,
            outcome,
            periods,
            range(len(periods)),
            1,
            started_at,
            perf_counter() - start,
            run=run,
        )
    ]


def _task(panel: Panel, classes: np.ndarray) -> Task:
    categories = panel.keys["category"].fill_null("").to_list()
    numbers = {category: number for number, category in enumerate(sorted(set(categories)))}
    groups = np.array([numbers[category] for category in categories], dtype=np.int64)
    names = panel.keys["name"].to_list()
    return Task(
        names, panel.values, panel.season, panel.horizon, {}, groups, _priors(panel, classes, groups), name_noise(names)
    )


def _priors(panel: Panel, classes: np.ndarray, groups: np.ndarray) -> Floats:
    """Return the level of comparable series: the median of the category's grown ones, else of all grown ones."""
    grown = ~np.isin(classes, [*NEW, *FADING])
    levels = np.array([float(np.mean(y[-SEASON[panel.frequency] :])) for y in panel.values])
    overall = float(np.median(levels[grown])) if grown.any() else np.nan
    priors = np.full(len(levels), overall)
    for group in np.unique(groups):
        grown_of_group = grown & (groups == group)
        if grown_of_group.any():
            priors[groups == group] = float(np.median(levels[grown_of_group]))
    return priors


def _classes_by_method(classes: list[str], champions: Champions, frequency: Frequency) -> list[list[str]]:
    """Return the classes, those whose champions have the same code and parameters in one list."""
    by_content: dict[str, list[str]] = {}
    for demand_class in classes:
        version = champions[frequency, demand_class]
        content = json.dumps([version.code, dict(version.parameters)], sort_keys=True)
        by_content.setdefault(content, []).append(demand_class)
    return list(by_content.values())


def _combined_cohort(cohort_of: Mapping[str, Cohort], classes: Sequence[str]) -> Cohort | None:
    parts = [cohort_of[demand_class] for demand_class in classes if demand_class in cohort_of]
    if not parts:
        return None
    return Cohort(
        [y for cohort in parts for y in cohort.before],
        np.concatenate([cohort.actual for cohort in parts]),
        np.concatenate([cohort.priors for cohort in parts]),
        np.concatenate([cohort.noise for cohort in parts]),
    )
