"""Models from outside as a method: plug-ins, and models of statsforecast and mlforecast, by their names.

The model gives the means, and may give quantiles; without them the bounds come from the pooled errors of the last
window, like those of our own regular series. Where it fails, the method that the program declares for the class
stands in, and the run names every such series with the reason. Series are forecast alone, in shards, where the
model says so; else it sees all of them in one call.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from manufacturing_copilot.forecasts.compute.shards import map_series
from manufacturing_copilot.forecasts.contract import (
    Backtest,
    Floats,
    Outcome,
    Task,
    holdout,
    seasonal_naive,
    seasonal_naive_scale,
    tidy,
)
from manufacturing_copilot.forecasts.methods.bounds import (
    conformal_quantiles,
    cross_conformal_quantiles,
    inflation,
    pooled_deviation,
)
from manufacturing_copilot.runtime.plugins import find_plugin, find_regressor, find_statsforecast
from manufacturing_copilot.runtime.registry import load_code
from manufacturing_copilot.store.tables import QUANTILES

logger = logging.getLogger(__name__)

FEWEST_POINTS = 8
"""Points that must remain before a window held back."""


@dataclass
class _Answer:
    """What the model gave: means (NaN where it failed), its own quantiles where it has any, reasons by place."""

    mean: Floats
    quantiles: Floats | None
    reasons: dict[int, str]


def forecast(task: Task) -> Outcome:
    """Forecast with the model that the parameters name: plugin, statsforecast or mlforecast, with `options`.

    Parameter `stand_in` (code and parameters) is the method for the series that the model fails on.
    """
    now = _answer(task.values, task)
    rows = holdout(task.values, task.horizon, FEWEST_POINTS)
    train = [task.values[i][: -task.horizon] for i in rows]
    then = _answer(train, task.part(np.isin(np.arange(len(task)), rows)))
    good = np.asarray(np.isfinite(then.mean).all(axis=1))
    clipped = int((np.nan_to_num(now.mean) < 0).any(axis=1).sum())
    outcome = _bounded(task, _positive(now), _chosen(_positive(then), good), rows[good])
    outcome = replace(
        outcome,
        clipped=clipped,
        failures=[(row, f"{_model_phrase(task.parameters)}: {reason}") for row, reason in sorted(now.reasons.items())],
        notes={"model": _model_phrase(task.parameters), "windows_it_failed_on": int((~good).sum())},
    )
    return _with_stand_in(task, outcome, np.isin(np.arange(len(task)), list(now.reasons)))


def plugin_alone(reference: str, options: Mapping[str, Any], season: int, horizon: int, **_: Any) -> Callable[
    [Floats], Floats
]:  # fmt: skip
    """Return the function that forecasts one history with a plug-in."""
    make = find_plugin(reference).make

    def alone(y: Floats) -> Floats:
        answer = _called(make(**options), [y], season, horizon)
        if answer.reasons:
            raise ValueError(answer.reasons[0])
        return answer.mean[0]

    return alone


def statsforecast_alone(
    name: str, options: Mapping[str, Any], season: int, horizon: int, **_: Any
) -> Callable[[Floats], Floats]:
    """Return the function that forecasts one history with a model of statsforecast.

    A model that knows seasons gets the panel's, unless the options name another.
    """
    import inspect

    make = find_statsforecast(name).make
    seasonal = {"season_length": season} if "season_length" in inspect.signature(make).parameters else {}
    model = make(**{**seasonal, **options})
    return lambda y: np.asarray(model.forecast(y=y, h=horizon)["mean"], dtype=float)


def _answer(values: Sequence[Floats], task: Task) -> _Answer:
    parameters = task.parameters
    options = dict(parameters.get("options") or {})
    what = {"options": options, "season": task.season, "horizon": task.horizon}
    if not len(values):
        return _Answer(np.empty((0, task.horizon)), None, {})
    if "statsforecast" in parameters:
        mean, reasons = map_series(
            f"{__name__}:statsforecast_alone", values, task.horizon, name=parameters["statsforecast"], **what
        )
        return _Answer(mean, None, reasons)
    if "mlforecast" in parameters:
        return _all_at_once(lambda: _Mlforecast(parameters, options), values, task)
    plugin = find_plugin(parameters["plugin"])
    if getattr(plugin.make, "alone", False):
        mean, reasons = map_series(
            f"{__name__}:plugin_alone",
            values,
            task.horizon,
            reference=parameters["plugin"],
            content=dict(plugin.packages),
            **what,
        )
        return _Answer(mean, None, reasons)
    return _all_at_once(lambda: plugin.make(**options), values, task)


def _all_at_once(make: Callable[[], Any], values: Sequence[Floats], task: Task) -> _Answer:
    try:
        return _called(make(), values, task.season, task.horizon)
    except Exception as error:
        logger.warning("%s failed on all its series", _model_phrase(task.parameters), exc_info=True)
        reason = f"{type(error).__name__}: {error}"
        empty = np.full((len(values), task.horizon), np.nan)
        return _Answer(empty, None, dict.fromkeys(range(len(values)), reason))


def _called(model: Any, values: Sequence[Floats], season: int, horizon: int) -> _Answer:
    """Return the answer of a model to long frames: unique_id (the series' place), ds (the period's number), y."""
    longest = max(len(y) for y in values)
    history = pd.DataFrame(
        {
            "unique_id": np.repeat(np.arange(len(values)), [len(y) for y in values]),
            "ds": np.concatenate([np.arange(longest - len(y), longest) for y in values]),
            "y": np.concatenate(values),
        }
    )
    fitted = model.fit(history, season=season)
    forecasts = (model if fitted is None else fitted).forecast(horizon)
    return _gathered(forecasts, len(values), horizon, longest)


def _gathered(forecasts: Any, count: int, horizon: int, start: int) -> _Answer:
    if not isinstance(forecasts, pd.DataFrame) or not {"unique_id", "ds", "mean"} <= set(forecasts.columns):
        columns = list(forecasts.columns) if isinstance(forecasts, pd.DataFrame) else type(forecasts).__name__
        raise ValueError(f"it gave {columns}, expected a pandas frame with the columns unique_id, ds, mean")
    rows, steps = forecasts["unique_id"].to_numpy(int), forecasts["ds"].to_numpy(int) - start
    inside = (steps >= 0) & (steps < horizon) & (rows >= 0) & (rows < count)
    names = ["mean", *(QUANTILES if set(QUANTILES) <= set(forecasts.columns) else ())]
    grid = np.full((count, horizon, len(names)), np.nan)
    grid[rows[inside], steps[inside]] = forecasts[names].to_numpy(float)[inside]
    missing = ~np.isfinite(grid).all(axis=(1, 2))
    grid[missing] = np.nan
    reason = f"it gave no finite number for each of the {horizon} periods ahead (ds {start} to {start + horizon - 1})"
    reasons = {int(row): reason for row in np.flatnonzero(missing)}
    return _Answer(grid[:, :, 0], grid[:, :, 1:] if len(names) > 1 else None, reasons)


class _Mlforecast:
    """A regressor of mlforecast in the shape of a plug-in."""

    def __init__(self, parameters: Mapping[str, Any], options: Mapping[str, Any]) -> None:
        from mlforecast import MLForecast
        from mlforecast.target_transforms import Differences

        make = find_regressor(parameters["mlforecast"]).make
        differences = list(parameters.get("differences") or ())
        self.engine = MLForecast(
            models={"mean": make(**options)},
            freq=1,
            lags=list(parameters["lags"]),
            target_transforms=[Differences(differences)] if differences else None,
        )

    def fit(self, history: pd.DataFrame, season: int) -> None:
        """Learn one model over all series; the season is that of the lags."""
        del season
        self.engine.fit(history, static_features=[])

    def forecast(self, horizon: int) -> pd.DataFrame:
        """Return unique_id, ds, mean."""
        return self.engine.predict(horizon)


def _bounded(task: Task, now: _Answer, then: _Answer, rows: np.ndarray) -> Outcome:
    """Return means and bounds of the series, judged on the windows of `rows`."""
    scale = np.array([seasonal_naive_scale(y[np.isfinite(y)], task.season) for y in task.values])
    train = [task.values[i][: -task.horizon] for i in rows]
    actual = np.array([task.values[i][-task.horizon :] for i in rows]).reshape(len(rows), task.horizon)
    then_scale = np.array([seasonal_naive_scale(y, task.season) for y in train])
    errors = (actual - then.mean) / then_scale[:, None]
    own = now.quantiles is not None and then.quantiles is not None
    backtest = Backtest(
        rows=rows,
        actual=actual,
        mean=then.mean,
        quantiles=then.quantiles if own else cross_conformal_quantiles(then.mean, then_scale, errors, signed=True),  # type: ignore[arg-type]
        naive=np.array([seasonal_naive(y, task.season, task.horizon) for y in train]),
        train=train,
    )
    return Outcome(
        mean=now.mean,
        quantiles=now.quantiles if own else conformal_quantiles(now.mean, scale, errors, signed=True),  # type: ignore[arg-type]
        deviation=scale * pooled_deviation(errors),
        inflation=inflation(actual - then.mean) if len(rows) else np.ones(task.horizon),
        backtest=backtest if len(rows) else None,
    )


def _positive(answer: _Answer) -> _Answer:
    quantiles = None if answer.quantiles is None else tidy(answer.quantiles)
    return _Answer(np.maximum(answer.mean, 0.0), quantiles, answer.reasons)


def _chosen(answer: _Answer, keep: np.ndarray) -> _Answer:
    return _Answer(answer.mean[keep], None if answer.quantiles is None else answer.quantiles[keep], {})


def _with_stand_in(task: Task, outcome: Outcome, failed: np.ndarray) -> Outcome:
    if not failed.any():
        return outcome
    stand_in = task.parameters["stand_in"]
    other: Outcome = load_code(stand_in["code"])(replace(task.part(failed), parameters=stand_in["parameters"]))
    mean, quantiles, deviation = outcome.mean.copy(), outcome.quantiles.copy(), outcome.deviation.copy()
    mean[failed], quantiles[failed], deviation[failed] = other.mean, other.quantiles, other.deviation
    return replace(
        outcome,
        mean=mean,
        quantiles=quantiles,
        deviation=deviation,
        inflation=other.inflation if failed.all() else outcome.inflation,
        backtest=other.backtest if failed.all() else outcome.backtest,
        failures=[(row, f"{reason}; {_method(stand_in['code'])} stands in") for row, reason in outcome.failures],
        notes={**outcome.notes, "stood_in_for": int(failed.sum())},
    )


def _model_phrase(parameters: Mapping[str, Any]) -> str:
    if "plugin" in parameters:
        return f"the plug-in {parameters['plugin']}"
    return f"statsforecast's {parameters['statsforecast']}" if "statsforecast" in parameters else (
        f"mlforecast with {parameters['mlforecast']}"
    )  # fmt: skip


def _method(code: str) -> str:
    return f"the declared method {code.partition(':')[0].rpartition('.')[2]}"
