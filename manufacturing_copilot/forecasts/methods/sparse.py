"""Intermittent and lumpy series: the mean of ADIDA, IMAPA and TSB, and trees; negative-binomial quantiles.

The trees have half of the mean, or none or all of it where the window held back clearly says so. The variance ratio of
each series is shrunk towards that of its class and widened by the excess seen in the window; then the levels of the
quantiles are recalibrated from the ranks of the actual values. Series with even and with uneven sizes are calibrated
separately. A weekly rhythm of the days is learned over all series together: a single sparse history cannot show one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from manufacturing_copilot.forecasts.compute.shards import map_series
from manufacturing_copilot.forecasts.contract import (
    LEVELS,
    Backtest,
    Floats,
    Outcome,
    Task,
    folds,
    holdout,
    seasonal_naive,
    tidy,
)
from manufacturing_copilot.forecasts.history.classes import CV2_CUT
from manufacturing_copilot.forecasts.methods.bounds import (
    RECALIBRATE_FROM,
    excess_dispersion,
    inflation,
    negative_binomial_quantiles,
    noise_grid,
    ranks,
    recalibrated_levels,
    variance_ratios,
)
from manufacturing_copilot.forecasts.methods.tweedie import sparse_trees

_UNDECLARED = ("average", "IMAPA", "TSB")
"""The members of versions that were registered before members were declared."""

FEWEST_POINTS = 8
LONGEST_RHYTHM = 7
RHYTHM_SEASONS = 26
RHYTHM_BY_CHANCE = 0.001


TREE_SHARES = (0.5, 0.0, 1.0)
"""Shares of the trees in the mean: what holds without evidence, and what is tried on the newest window."""


@dataclass(frozen=True)
class _Calibration:
    """What the held-back window shows of some series: the factor of their variance, and the levels to ask for."""

    excess: float
    levels: Floats


_UNCALIBRATED = _Calibration(1.0, LEVELS)


@dataclass(frozen=True)
class MeanForecasts:
    """Means of the periods ahead, series × horizon: of the Croston family, and of the trees where there are any."""

    croston: Floats
    trees: Floats | None
    failures: Sequence[tuple[int, str]] = ()
    clipped: int = 0

    def combined(self, share: float) -> Floats:
        """Return the mean with this share of the trees."""
        return self.croston if self.trees is None else share * self.trees + (1 - share) * self.croston


@dataclass(frozen=True)
class HeldBackWindow:
    """A held-back window of the series `rows`: their histories before it, the actual values, and their forecasts."""

    rows: NDArray[np.int64]
    train: Sequence[Floats]
    actual: Floats
    means: MeanForecasts


def forecast(task: Task) -> Outcome:
    """Forecast sparse series.

    Parameters: window (periods whose variance is looked at), members (see `croston_family_mean`),
    those of `sparse_trees`, tree_doubt (see `share_of_trees`), and departed
    (whether the trees learn from series that are fading now).
    """
    window = int(task.parameters["window"])
    units = np.array([demand_unit(y) for y in task.values])
    values = [y / unit for y, unit in zip(task.values, units, strict=True)]
    now = _mean_forecasts(values, task, 0)
    ratio = variance_ratios(values, window)
    uneven = np.array([_uneven(y) for y in values], dtype=bool)
    held_back = _held_back_window(task, values)
    share, learned = 0.0, {False: _UNCALIBRATED, True: _UNCALIBRATED}
    backtest, inflated = None, np.ones(task.horizon)
    if held_back is not None:
        share = share_of_trees(held_back, float(task.parameters.get("tree_doubt", 0.0)))
        learned, backtest, inflated = _calibrated(task, held_back, share, units)
    mean = now.combined(share)
    quantiles = np.empty((*mean.shape, len(LEVELS)))
    for kind, calibration in learned.items():
        rows = uneven == kind
        ratio[rows] *= calibration.excess
        quantiles[rows] = negative_binomial_quantiles(mean[rows], _over_one(ratio[rows]), calibration.levels)
    return Outcome(
        mean=mean * units[:, None],
        quantiles=tidy(quantiles) * units[:, None, None],
        deviation=np.sqrt(np.maximum(mean.mean(axis=1), 1e-9) * _over_one(ratio)) * units,
        inflation=inflated,
        backtest=backtest,
        failures=now.failures,
        clipped=now.clipped,
        notes={
            "share_of_trees": share if now.trees is not None else 0.0,
            "calibration": {
                "uneven sizes" if kind else "even sizes": {
                    "excess_variance": round(calibration.excess, 3),
                    "levels": [round(float(level), 4) for level in calibration.levels],
                }
                for kind, calibration in learned.items()
            },
        },
    )


def _mean_forecasts(values: Sequence[Floats], task: Task, back: int) -> MeanForecasts:
    """Return the means of what follows these histories, which end `back` periods before those of the task."""
    window, members = int(task.parameters["window"]), task.parameters.get("members", _UNDECLARED)
    mean, failures, clipped = means(values, task.season, task.horizon, window, members)
    trees = None
    if "tree_windows" in task.parameters:
        whole = [np.nan_to_num(y) for y in values]
        season = task.season if task.season <= LONGEST_RHYTHM else 1
        departed = _departed(task, back) if task.parameters.get("departed") else []
        trees = sparse_trees(whole, season, task.horizon, task.parameters, departed)
    return MeanForecasts(mean, trees, failures, clipped)


def _departed(task: Task, back: int) -> list[Floats]:
    whole = (np.nan_to_num(y[: len(y) - back]) for y in task.departed if len(y) > back)
    return [y / demand_unit(y) for y in whole]


def demand_unit(y: Floats) -> float:
    """Return the unit that makes the sizes whole numbers of some extent: 1, or a tenth of a small median size."""
    sizes = y[y > 0]
    if len(sizes) == 0:
        return 1.0
    middle = float(np.median(sizes))
    return 1.0 if middle >= 5 or np.allclose(sizes, np.round(sizes)) else middle / 10


def croston_family(window: int, members: Sequence[str]) -> Callable[[Floats], Floats]:
    """Return the function that gives one history's mean demand per period."""
    return lambda y: np.array([croston_family_mean(y, window, members)])


def croston_family_mean(y: Floats, window: int, members: Sequence[str]) -> float:
    """Return the mean demand per period: the mean of the members.

    Members: ADIDA, IMAPA, TSB (0.3, 0.1), and average, that of the last `window` periods. The models are asked for
    points only: with `level` they raise unless conformal intervals are given.
    """
    from statsforecast.models import ADIDA, IMAPA, TSB

    models: dict[str, Any] = {"ADIDA": ADIDA(), "IMAPA": IMAPA(), "TSB": TSB(alpha_d=0.3, alpha_p=0.1)}
    # A history shorter than the window is averaged whole: WindowAverage would silently give NaN.
    forecasts = [
        np.mean(y[-window:]) if name == "average" else models[name].forecast(y=y, h=1)["mean"][0] for name in members
    ]
    return float(np.mean(forecasts))


def means(
    values: Sequence[Floats], season: int, horizon: int, window: int, members: Sequence[str]
) -> tuple[Floats, list[tuple[int, str]], int]:
    """Return the means of the periods ahead, the series that failed with their reasons, and the number clipped."""
    forecasts, reasons = map_series(f"{__name__}:croston_family", values, 1, window=window, members=list(members))
    level = forecasts[:, 0]
    for row in reasons:
        finite = values[row][np.isfinite(values[row])]
        level[row] = float(np.mean(finite[-window:])) if len(finite) else 0.0
    failures = [(row, f"{', '.join(members)}: {reason}") for row, reason in sorted(reasons.items())]
    clipped = int((level < 0).sum())
    return np.maximum(level, 0.0)[:, None] * np.resize(rhythm(values, season), horizon)[None, :], failures, clipped


def rhythm(values: Sequence[Floats], season: int) -> Floats:
    """Return the factor of each position in a short season (of days), learned from how often demand fell on it.

    All are 1 where the counts of all series together may be even by chance (chi-square test, 0.1 %).
    """
    if not 2 <= season <= LONGEST_RHYTHM:
        return np.ones(max(season, 1))
    counts = np.zeros(season)
    for y in values:
        recent = y[-RHYTHM_SEASONS * season :]
        whole = recent[len(recent) % season :]
        counts += (whole.reshape(-1, season) > 0).sum(axis=0)
    if counts.sum() < 5 * season or stats.chisquare(counts).pvalue > RHYTHM_BY_CHANCE:
        return np.ones(season)
    return np.asarray(counts / counts.mean())


def _uneven(y: Floats) -> bool:
    sizes = y[y > 0]
    return len(sizes) > 0 and float(np.var(sizes)) > CV2_CUT * float(np.mean(sizes)) ** 2


def _over_one(ratio: Floats) -> Floats:
    return np.maximum(ratio, 1.02)


def _held_back_window(task: Task, values: Sequence[Floats]) -> HeldBackWindow | None:
    rows = holdout(values, task.horizon, FEWEST_POINTS)
    if len(rows) == 0:
        return None
    train = [values[i][: -task.horizon] for i in rows]
    actual = np.array([values[i][-task.horizon :] for i in rows])
    return HeldBackWindow(rows, train, actual, _mean_forecasts(train, task, task.horizon))


def share_of_trees(held_back: HeldBackWindow, doubt: float) -> float:
    """Return the share of the trees (one of TREE_SHARES) with the least mean RMSSE of the window, if significant.

    One window of a few series is weak evidence, and half of both is a good forecast: another share must be better
    than that by `doubt` standard errors. The number is large, since series that err in the same window err together.
    Without trees the share is 0.
    """
    if held_back.means.trees is None:
        return 0.0
    scale = np.array([float(np.sqrt(np.mean(np.diff(y) ** 2))) for y in held_back.train])
    scalable = scale > 0
    if scalable.sum() < 2:
        return TREE_SHARES[0]

    def errors(share: float) -> Floats:
        root = np.sqrt(np.mean((held_back.actual - held_back.means.combined(share)) ** 2, axis=1))
        return root[scalable] / scale[scalable]

    usual = errors(TREE_SHARES[0])

    def gained(share: float) -> float:
        saved = usual - errors(share)
        return float(np.mean(saved) - doubt * np.std(saved) / np.sqrt(len(saved)))

    return max(TREE_SHARES, key=gained)


def _of_kind(held_back: HeldBackWindow, kind: bool) -> NDArray[np.int64]:
    return np.flatnonzero(np.array([_uneven(y) for y in held_back.train], dtype=bool) == kind)


def _calibrated(
    task: Task, held_back: HeldBackWindow, share: float, units: Floats
) -> tuple[dict[bool, _Calibration], Backtest, Floats]:
    rows, actual, mean = held_back.rows, held_back.actual, held_back.means.combined(share)
    ratio = variance_ratios(list(held_back.train), int(task.parameters["window"]))
    noise = noise_grid(task.noise[rows], task.horizon)
    quantiles, learned = np.empty((*mean.shape, len(LEVELS))), {}
    fold = folds(len(rows))
    for kind in (False, True):
        of_kind = _of_kind(held_back, kind)
        # A few series of a kind give too little evidence: then it is calibrated on both kinds.
        source = of_kind if len(of_kind) * task.horizon >= RECALIBRATE_FROM else np.arange(len(rows))
        learned[kind] = _calibrate(actual, mean, ratio, noise, source)
        for part in np.unique(fold[of_kind]):
            inside = of_kind[fold[of_kind] == part]
            calibration = _calibrate(actual, mean, ratio, noise, source[fold[source] != part])
            wide = _over_one(ratio[inside] * calibration.excess)
            quantiles[inside] = tidy(negative_binomial_quantiles(mean[inside], wide, calibration.levels))
    unit = units[rows]
    backtest = Backtest(
        rows=rows,
        actual=actual * unit[:, None],
        mean=mean * unit[:, None],
        quantiles=quantiles * unit[:, None, None],
        naive=np.array([seasonal_naive(y, 1, task.horizon) for y in held_back.train]) * unit[:, None],
        train=[y * u for y, u in zip(held_back.train, unit, strict=True)],
    )
    return learned, backtest, inflation(actual - mean)


def _calibrate(actual: Floats, mean: Floats, ratio: Floats, noise: Floats, rows: NDArray[np.int64]) -> _Calibration:
    excess = excess_dispersion(actual[rows], mean[rows], ratio[rows])
    rank = ranks(actual[rows], mean[rows], _over_one(ratio[rows] * excess), noise[rows])
    return _Calibration(excess, recalibrated_levels(rank))
