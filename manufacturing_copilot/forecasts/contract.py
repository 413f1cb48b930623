"""What a forecasting method is given and what it gives back: the contract between policies and methods."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from manufacturing_copilot.store.tables import QUANTILES

Floats: TypeAlias = NDArray[np.float64]
JsonValue: TypeAlias = "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"
Notes: TypeAlias = Mapping[str, JsonValue]
"""What a method says of its work, by names of its own; the run keeps it as JSON."""

LEVELS: Floats = np.array(list(QUANTILES.values()))
"""The levels of the quantiles, in the order of the forecast table's columns."""


@dataclass(frozen=True)
class Cohort:
    """Series of the panel that stood in a task's class at an earlier cut-off, whatever became of them since.

    `before` are their histories up to then, `actual` what came in the following periods (cohort × horizon).
    """

    before: Sequence[Floats]
    actual: Floats
    priors: Floats
    noise: Floats

    def __len__(self) -> int:
        """Return the number of windows; a series may stand in it with several cut-offs."""
        return len(self.before)


@dataclass(frozen=True)
class Task:
    """Histories to forecast. They all end with the same period, the last complete one; nothing is missing in them.

    `values[i]` is the history of `names[i]`, oldest first; `season` the number of periods of one season (1: none);
    `groups[i]` a small number that says which series belong together (a category); `priors[i]` the level per
    period of comparable series, for those too new to have one of their own. `noise[i]` lies in (0, 1) and is
    fixed by the series' name: where a discrete quantity is ranked, ties are broken by it, the same each time.
    `cohort` is given for classes whose own members have no window to hold back: new and fading ones.
    `departed` are histories of series that are fading now: what is learned over all series from earlier cut-offs must
    see what became of them as well, else only those that lived on would teach.
    """

    names: Sequence[str]
    values: Sequence[Floats]
    season: int
    horizon: int
    parameters: Mapping[str, Any]
    groups: NDArray[np.int64]
    priors: Floats
    noise: Floats
    cohort: Cohort | None = None
    departed: Sequence[Floats] = ()

    def __len__(self) -> int:
        """Return the number of series."""
        return len(self.names)

    def part(self, keep: NDArray[np.bool_]) -> Task:
        """Return the task of the series where `keep` is true."""
        chosen = np.flatnonzero(keep).tolist()
        return Task(
            [self.names[i] for i in chosen],
            [self.values[i] for i in chosen],
            self.season,
            self.horizon,
            self.parameters,
            self.groups[chosen],
            self.priors[chosen],
            self.noise[chosen],
            self.cohort,
            self.departed,
        )


@dataclass(frozen=True)
class Backtest:
    """The last window of the history, forecast from what lay before it.

    `rows` are the places of its series in the task; the other fields have a row for each of them: what came
    (`actual`), the forecast, its quantiles (calibrated on other series than the one they are judged on), the
    seasonal naive forecast, and the history before the window. `actual` is NaN where nobody knows what was wanted.
    """

    rows: NDArray[np.int64]
    actual: Floats
    mean: Floats
    quantiles: Floats
    naive: Floats
    train: Sequence[Floats]

    def part(self, keep: NDArray[np.bool_]) -> Backtest | None:
        """Return the windows of the task's series where `keep` is true, None where there are none."""
        mine = keep[self.rows]
        if not mine.any():
            return None
        row_kept = np.cumsum(keep) - 1
        chosen = np.flatnonzero(mine).tolist()
        return Backtest(
            row_kept[self.rows[mine]],
            self.actual[mine],
            self.mean[mine],
            self.quantiles[mine],
            self.naive[mine],
            [self.train[i] for i in chosen],
        )

    def judgeable(self) -> Backtest | None:
        """Return the windows of which something that came is known, None where there are none."""
        known = np.isfinite(self.actual).any(axis=1)
        if known.all():
            return self
        if not known.any():
            return None
        train = [self.train[i] for i in np.flatnonzero(known).tolist()]
        return Backtest(
            self.rows[known], self.actual[known], self.mean[known], self.quantiles[known], self.naive[known], train
        )


@dataclass(frozen=True)
class Observations:
    """Histories of what is observed now and then (lead times of lines, defect rates), oldest first.

    `ages[i]` says how many periods before the first period ahead each value of `values[i]` was seen (1: in the
    last one); `weights[i]` on how much it rests (1 for a line, the pieces inspected for a rate).
    """

    names: Sequence[str]
    values: Sequence[Floats]
    ages: Sequence[Floats]
    weights: Sequence[Floats]
    horizon: int
    parameters: Mapping[str, Any]
    noise: Floats

    def __len__(self) -> int:
        """Return the number of series."""
        return len(self.names)


@dataclass(frozen=True)
class Outcome:
    """Forecasts of a task's series, in its order.

    `mean` is series × horizon, `quantiles` series × horizon × level. `deviation` is the standard deviation of
    one period's demand about the forecast; `inflation[k]` how many times the variance of the sum of the first
    k + 1 periods exceeds the sum of their variances (errors of neighbouring periods go together).
    `failures` are (place in the task, reason); such a series carries the prior of its class.
    `clipped` counts series whose point forecast a model put below the floor. `cohort` are the windows of the
    task's cohort, judged as a whole; its rows are places in the cohort, not in the task.
    """

    mean: Floats
    quantiles: Floats
    deviation: Floats
    inflation: Floats
    backtest: Backtest | None = None
    failures: Sequence[tuple[int, str]] = ()
    clipped: int = 0
    notes: Notes = field(default_factory=dict)
    cohort: Backtest | None = None

    def part(self, keep: NDArray[np.bool_]) -> Outcome:
        """Return the outcome of the series where `keep` is true; what was counted over all stays as it is."""
        row_kept = np.cumsum(keep) - 1
        return Outcome(
            self.mean[keep],
            self.quantiles[keep],
            self.deviation[keep],
            self.inflation,
            self.backtest.part(keep) if self.backtest else None,
            [(int(row_kept[row]), reason) for row, reason in self.failures if keep[row]],
            self.clipped,
            self.notes,
            self.cohort,
        )


Method: TypeAlias = Callable[[Task], Outcome]


def tidy(quantiles: Floats, floor: float = 0.0, ceiling: float = np.inf) -> Floats:
    """Return the quantiles in order along the last axis and within floor and ceiling."""
    return np.maximum.accumulate(np.clip(quantiles, floor, ceiling), axis=-1)


def stretched(quantiles: Floats, ratio: Floats) -> Floats:
    """Return the quantiles (series × periods × levels) times `ratio` (series × periods).

    What was counted in whole pieces stays so: a bound just below a whole piece would leave that piece out.
    """
    scaled = quantiles * ratio[:, :, None]
    whole = (quantiles == np.rint(quantiles)).all(axis=(1, 2))
    scaled[whole] = np.rint(scaled[whole])
    return scaled


def holdout(values: Sequence[Floats], horizon: int, at_least: int) -> NDArray[np.int64]:
    """Return the places of the whole histories long enough to hold back `horizon` periods and keep `at_least`."""
    enough = [i for i, y in enumerate(values) if len(y) >= horizon + at_least and np.isfinite(y).all()]
    return np.array(enough, dtype=np.int64)


def seasonal_naive(y: Floats, season: int, horizon: int) -> Floats:
    """Return the last season repeated, or the last value where there is no whole season."""
    if season < 2 or len(y) < season:
        return np.full(horizon, y[-1])
    return np.resize(y[-season:], horizon)


def seasonal_naive_scale(y: Floats, season: int) -> float:
    """Return the mean absolute difference from one season to the next within the history.

    Where a season does not fit twice, or nothing differs, the neighbouring periods and then the mean level serve.
    """
    for lag in (season, 1):
        if len(y) > lag:
            scale = float(np.mean(np.abs(y[lag:] - y[:-lag])))
            if scale > 0:
                return scale
    return max(float(np.mean(np.abs(y))), 1e-9) if len(y) else 1e-9


def name_noise(names: Sequence[str]) -> Floats:
    """Return a number in (0, 1) for each name, the same each time."""
    return np.array([(zlib.crc32(name.encode()) + 0.5) / 2**32 for name in names])


def folds(count: int, parts: int = 5) -> NDArray[np.int64]:
    """Return a fold number for each series, dealt out in turn: what is judged is calibrated on the other folds."""
    return np.arange(count) % min(parts, max(count, 1))
