"""Parts of a forecast: the series of one frequency and class, with the version that forecast them and the outcome."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from time import perf_counter
from typing import TypeAlias

import numpy as np
import polars as pl

from manufacturing_copilot.forecasts.compute.artifacts import noting_learned
from manufacturing_copilot.forecasts.contract import Cohort, Floats, Method, Observations, Outcome, Task, name_noise
from manufacturing_copilot.forecasts.history.classes import classify
from manufacturing_copilot.forecasts.history.cohorts import cohorts
from manufacturing_copilot.forecasts.history.panel import Panel
from manufacturing_copilot.forecasts.history.periods import SEASON
from manufacturing_copilot.runtime.policies import ALL, DYING, REGULAR, SPARSE, YOUNG
from manufacturing_copilot.runtime.registry import ModelVersion, load_code
from manufacturing_copilot.site import Frequency, Target
from manufacturing_copilot.store.types import utc_now

Champions: TypeAlias = Mapping[tuple[Frequency, str], ModelVersion]
Progress: TypeAlias = Callable[[str], None]
Begin: TypeAlias = Callable[[ModelVersion, Frequency, str, int], int | None]
"""Called with version, frequency, class and count of series before they are forecast; gives the run's number."""


def unseen(_version: ModelVersion, _frequency: Frequency, _demand_class: str, _series: int) -> None:
    """Begin no run: it is written when it is done."""


@dataclass(frozen=True)
class Part:
    """What one version forecast for the series of one frequency and class.

    `keys` names the series (item_id, location_id, supplier_id, name); `outcome` has them in that order, with
    `steps` telling which of its steps belongs to each of `periods` (-1: nothing is expected).
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


def demand_parts(
    panel: Panel,
    champions: Champions,
    as_of: date,
    begin: Begin = unseen,
    name: str | None = None,
    only: str | None = None,
) -> list[Part]:
    """Forecast every series of the panel with the champion of its class.

    Classes whose champions have the same code and parameters are forecast together: they share the global model
    and the pooled errors. A discontinued item is expected to sell nothing after its last day. A `name` is for series
    that are not items but sums of them: it stands in the parts in place of a class, and all are taken as regular.
    With `only`, just that class and those that share its method are forecast.
    """
    if panel.keys.is_empty():
        return []
    gone = (panel.keys["discontinued_on"] <= as_of).fill_null(False).to_list()
    classes = np.array(classify(panel.values, panel.frequency, gone))
    if name:
        classes[np.isin(classes, [*REGULAR, *SPARSE])] = REGULAR[0]
    task = _task(panel, classes)
    wanted = [one for one in (*YOUNG, *DYING) if one in classes]
    groups = cohorts(panel.values, panel.frequency, panel.horizon, task.priors, task.noise, wanted) if wanted else {}
    # What was discontinued was ended by a decision, which says nothing of how demand ends by itself.
    departed = [y for y, one, ended in zip(panel.values, classes, gone, strict=True) if one in DYING and not ended]
    runs = {
        one: begin(champions[panel.frequency, one], panel.frequency, name or one, int((classes == one).sum()))
        for one in sorted(set(classes))
    }
    parts: list[Part] = []
    for names in _sharing(sorted(set(classes)), champions, panel.frequency):
        if only is not None and only not in names:
            continue
        version = champions[panel.frequency, names[0]]
        started_at, start = utc_now(), perf_counter()
        shared = np.isin(classes, names)
        method: Method = load_code(version.code)
        asked = replace(
            task.part(shared),
            parameters=version.parameters,
            cohort=_joined(groups, names),
            departed=[] if set(names) & {*DYING} else departed,
        )
        with noting_learned() as learned:
            outcome = method(asked)
        if learned:
            outcome = replace(outcome, notes={**outcome.notes, "learned": learned})
        seconds = perf_counter() - start
        for one in names:
            inside = classes[shared] == one
            keys = panel.keys.filter(pl.Series(classes == one))
            parts.append(
                Part(
                    Target.DEMAND,
                    panel.frequency,
                    name or one,
                    champions[panel.frequency, one],
                    keys.select(
                        "item_id",
                        "location_id",
                        pl.lit(None, pl.Int64).alias("supplier_id"),
                        "name",
                        "category",
                        "discontinued_on",
                    ),
                    outcome.part(inside),
                    panel.periods,
                    panel.steps,
                    panel.season,
                    started_at,
                    seconds * float(inside.mean()),
                    panel.clipped,
                    runs[one],
                )
            )
    return parts


def observed_part(
    target: Target,
    frequency: Frequency,
    keys: pl.DataFrame,
    task: Observations,
    version: ModelVersion,
    periods: Sequence[date],
    begin: Begin = unseen,
) -> list[Part]:
    """Forecast a target that is observed now and then (supply, quality) as one part; none where nothing was seen."""
    if not len(task):
        return []
    run = begin(version, frequency, ALL, len(task))
    started_at, start = utc_now(), perf_counter()
    outcome = load_code(version.code)(task)
    return [
        Part(
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
    numbers = {name: place for place, name in enumerate(sorted(set(categories)))}
    groups = np.array([numbers[name] for name in categories], dtype=np.int64)
    names = panel.keys["name"].to_list()
    return Task(
        names, panel.values, panel.season, panel.horizon, {}, groups, _priors(panel, classes, groups), name_noise(names)
    )


def _priors(panel: Panel, classes: np.ndarray, groups: np.ndarray) -> Floats:
    """Give the level of comparable series: the median of the category's grown ones, else of all grown ones."""
    grown = ~np.isin(classes, [*YOUNG, "dying"])
    levels = np.array([float(np.mean(y[-SEASON[panel.frequency] :])) for y in panel.values])
    overall = float(np.median(levels[grown])) if grown.any() else np.nan
    priors = np.full(len(levels), overall)
    for group in np.unique(groups):
        inside = grown & (groups == group)
        if inside.any():
            priors[groups == group] = float(np.median(levels[inside]))
    return priors


def _sharing(classes: list[str], champions: Champions, frequency: Frequency) -> list[list[str]]:
    together: dict[str, list[str]] = {}
    for name in classes:
        version = champions[frequency, name]
        content = json.dumps([version.code, dict(version.parameters)], sort_keys=True)
        together.setdefault(content, []).append(name)
    return list(together.values())


def _joined(groups: Mapping[str, Cohort], names: Sequence[str]) -> Cohort | None:
    mine = [groups[name] for name in names if name in groups]
    if not mine:
        return None
    return Cohort(
        [y for group in mine for y in group.before],
        np.concatenate([group.actual for group in mine]),
        np.concatenate([group.priors for group in mine]),
        np.concatenate([group.noise for group in mine]),
    )
