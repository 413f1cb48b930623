"""Reconciling the demand forecasts of a day: over frequencies, and from item over category to all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from manufacturing_copilot.forecasts.contract import Floats
from manufacturing_copilot.forecasts.groups import DatedForecast, ForecastGroup
from manufacturing_copilot.forecasts.history.panel import Panel
from manufacturing_copilot.forecasts.history.time_buckets import TimeBuckets, time_buckets
from manufacturing_copilot.forecasts.overrides.overrides import apply_overrides, boundary_days
from manufacturing_copilot.forecasts.reconcile.coherence import (
    FrequencyForecast,
    Tree,
    reconcile_frequencies,
    reconcile_tree,
)
from manufacturing_copilot.runtime.policies import REGULAR, SPARSE
from manufacturing_copilot.site import Frequency

EVERYTHING = "all items"
AGGREGATES = "aggregates"
"""What stands for the class of the series of categories and of all items."""


def category_name(category: str) -> str:
    """Return the name of the series of a category."""
    return f"category {category}"


def steady_series(groups_by_frequency: Sequence[Sequence[ForecastGroup]]) -> frozenset[str]:
    """Return the names of the series that sums can be forecast from: those that neither begin nor end.

    New, fading and discontinued series are left out, and those that are so at any frequency: the history of a sum
    that one of them enters or leaves says nothing of what it will be.
    """
    lasting_at_each = []
    for groups in groups_by_frequency:
        lasting = [group for group in groups if group.demand_class in (*REGULAR, *SPARSE)]
        keys = (group.keys.filter(pl.col("discontinued_on").is_null()) for group in lasting)
        lasting_at_each.append(frozenset(name for frame in keys for name in frame["name"].to_list()))
    return frozenset.intersection(*lasting_at_each) if lasting_at_each else frozenset()


def aggregate_panel(panel: Panel, steady: frozenset[str]) -> tuple[Panel, list[list[int]]]:
    """Return the panel of the categories (where there are several) and of all items, and the series of each.

    Only steady series are summed; fewer than two have nothing above them.
    """
    names, categories = panel.keys["name"].to_list(), panel.keys["category"].to_list()
    rows = [row for row, name in enumerate(names) if name in steady]
    if len(rows) < 2:
        return replace(panel, keys=panel.keys.clear(), values=[]), []
    distinct = sorted({categories[row] for row in rows if categories[row] is not None})
    members = {EVERYTHING: rows}
    if len(distinct) > 1:
        members = {
            **{category_name(name): [row for row in rows if categories[row] == name] for name in distinct},
            **members,
        }
    keys = panel.keys.clear(len(members)).with_columns(pl.Series("name", list(members), dtype=pl.String))
    values = [_sum([panel.values[row] for row in rows]) for rows in members.values()]
    return replace(panel, keys=keys, values=values, clipped=0), list(members.values())


def _sum(histories: Sequence[Floats]) -> Floats:
    total = np.zeros(max(len(y) for y in histories))
    for y in histories:
        total[len(total) - len(y) :] += y
    return total


@dataclass(frozen=True)
class _FrequencyTable:
    """The series of one frequency, of all its groups: names, means (series × periods), variances (series)."""

    names: list[str]
    mean: Floats
    variance: Floats


@dataclass(frozen=True)
class _BucketTable:
    """Series by name, with mean and variance in each time bucket: series × buckets."""

    names: list[str]
    mean: Floats
    variance: Floats

    def rows_of(self, names: Sequence[str]) -> _BucketTable:
        """Return the series of these names, in their order."""
        row_of = {name: row for row, name in enumerate(self.names)}
        rows = [row_of[name] for name in names]
        return _BucketTable(list(names), self.mean[rows], self.variance[rows])


def reconcile_forecasts(
    items: Sequence[DatedForecast],
    aggregates: Sequence[DatedForecast],
    steady: frozenset[str],
    weekdays: Sequence[int],
    overrides: pl.DataFrame,
) -> list[DatedForecast]:
    """Return all forecasts, moved so that periods add up over frequencies, and items to categories and to all.

    `items` and `aggregates` are the groups of every frequency, `overrides` those that hold (see
    `read_overrides`). The aggregates were forecast from the `steady` series, and move those; sums are of all. Bounds
    are scaled with the means; where an override holds, `model_mean` keeps what the models forecast.
    """
    if not items:
        return [*items, *aggregates]
    periods = {forecast.group.frequency: forecast.group.periods for forecast in items}
    buckets = time_buckets(periods, weekdays, boundary_days(overrides))
    leaves = _in_buckets(items, buckets)
    tops = _in_buckets(aggregates, buckets)
    mean = leaves.mean
    if EVERYTHING in tops.names:
        steady_rows = [row for row, name in enumerate(leaves.names) if name in steady]
        steady_leaves = leaves.rows_of([leaves.names[row] for row in steady_rows])
        mean[steady_rows] = _reconcile_categories(items, steady_leaves, tops)
    overridden = apply_overrides(mean, _keys(items, leaves.names), buckets, overrides)
    row_of = {name: row for row, name in enumerate(leaves.names)}
    moved = [_moved(forecast, mean, overridden, row_of, buckets) for forecast in items]
    if EVERYTHING not in tops.names:
        return moved
    model_sums, sums = (_summed(items, table, leaves.names, tops.names) for table in (mean, overridden))
    row_of = {name: row for row, name in enumerate(tops.names)}
    return moved + [_moved(forecast, model_sums, sums, row_of, buckets) for forecast in aggregates]


def _keys(items: Sequence[DatedForecast], names: Sequence[str]) -> pl.DataFrame:
    keys = pl.concat([forecast.group.keys.select("name", "item_id", "location_id") for forecast in items])
    return pl.DataFrame({"name": names}).join(keys.unique("name"), on="name", how="left", maintain_order="left")


def _in_buckets(forecasts: Sequence[DatedForecast], buckets: TimeBuckets) -> _BucketTable:
    """Return mean and variance by time bucket of every series of these forecasts, over all frequencies."""
    tables = {
        frequency: _table([forecast for forecast in forecasts if forecast.group.frequency is frequency])
        for frequency in buckets.holds
    }
    names = sorted({name for table in tables.values() for name in table.names})
    row_of = {name: row for row, name in enumerate(names)}
    mean, variance = np.zeros((len(names), len(buckets.days))), np.zeros((len(names), len(buckets.days)))
    is_forecast = np.zeros((len(names), len(tables)), dtype=bool)
    for column, table in enumerate(tables.values()):
        is_forecast[[row_of[name] for name in table.names], column] = True
    # Most series are forecast at every frequency; new ones at the finer ones only.
    for pattern in np.unique(is_forecast, axis=0):
        rows = np.flatnonzero((is_forecast == pattern).all(axis=1))
        names_of_pattern = [names[row] for row in rows.tolist()]
        by_frequency = {
            frequency: _frequency_forecast(table, names_of_pattern)
            for present, (frequency, table) in zip(pattern, tables.items(), strict=True)
            if present
        }
        mean[rows], variance[rows] = reconcile_frequencies(by_frequency, buckets)
    return _BucketTable(names, mean, variance)


def _table(forecasts: Sequence[DatedForecast]) -> _FrequencyTable:
    if not forecasts:
        return _FrequencyTable([], np.empty((0, 0)), np.empty(0))
    return _FrequencyTable(
        [name for forecast in forecasts for name in forecast.group.keys["name"].to_list()],
        np.concatenate([forecast.mean for forecast in forecasts]),
        np.concatenate([_variance(forecast) for forecast in forecasts]),
    )


_PERIODS_OF_THE_NEXT = {Frequency.DAILY: 7, Frequency.WEEKLY: 4, Frequency.MONTHLY: 3, Frequency.QUARTERLY: 1}


def _variance(forecast: DatedForecast) -> Floats:
    """Return the variance of a period's error, as it counts in sums over the periods of the next coarser frequency.

    Errors of neighbouring periods go together; taken as independent, days would be believed more than weeks.
    """
    outcome = forecast.group.outcome
    inflation = np.asarray(outcome.inflation)
    index = min(_PERIODS_OF_THE_NEXT[forecast.group.frequency], len(inflation)) - 1
    return np.asarray(outcome.deviation) ** 2 * inflation[index]


def _frequency_forecast(table: _FrequencyTable, names: Sequence[str]) -> FrequencyForecast:
    row_of = {name: row for row, name in enumerate(table.names)}
    rows = [row_of[name] for name in names]
    return FrequencyForecast(table.mean[rows], table.variance[rows])


def _reconcile_categories(items: Sequence[DatedForecast], leaves: _BucketTable, tops: _BucketTable) -> Floats:
    tree, labels = _tree(items, leaves.names)
    row_of = {name: row for row, name in enumerate(tops.names)}
    top_rows = np.array([row_of.get(label, -1) for label in labels])
    # A branch without a forecast of its own (no category) is no observation: its variance is infinite.
    is_forecast = (top_rows >= 0)[:, None]
    branch = np.where(is_forecast, tops.mean[top_rows], tree.sums(leaves.mean))
    branch_variance = np.where(is_forecast, tops.variance[top_rows], np.inf)
    total = row_of[EVERYTHING]
    whole = (tops.mean[total], tops.variance[total])
    correlation = _correlation(items, tree, leaves.names)
    return reconcile_tree(tree, (leaves.mean, leaves.variance), (branch, branch_variance), whole, correlation)


def _correlation(items: Sequence[DatedForecast], tree: Tree, names: Sequence[str]) -> tuple[float, float]:
    """Return how much more the errors of categories, and of all, vary than those of items that err independently.

    From the windows held back, at the frequency at which they go together most: what all items have in common adds up
    over time, while chance does not.
    """
    row_of = {name: row for row, name in enumerate(names)}
    ratios = [(1.0, 1.0)]
    for frequency in {forecast.group.frequency for forecast in items}:
        errors = np.zeros((len(names), 0))
        for forecast in items:
            backtest = forecast.group.outcome.backtest
            if forecast.group.frequency is not frequency or backtest is None:
                continue
            if not errors.shape[1]:
                errors = np.zeros((len(names), backtest.actual.shape[1]))
            group_names = forecast.group.keys["name"].to_list()
            rows = np.array([row_of.get(group_names[row], -1) for row in backtest.rows.tolist()])
            errors[rows[rows >= 0]] = np.nan_to_num(backtest.actual - backtest.mean)[rows >= 0]
        independent = float(np.sum(errors**2))
        if independent > 0:
            of_branches, of_all = np.sum(tree.sums(errors) ** 2), np.sum(errors.sum(axis=0) ** 2)
            ratios.append((float(of_branches) / independent, float(of_all) / independent))
    return max(branch for branch, _ in ratios), max(whole for _, whole in ratios)


def _summed(items: Sequence[DatedForecast], leaves: Floats, names: Sequence[str], top_names: Sequence[str]) -> Floats:
    tree, labels = _tree(items, names)
    sums = dict(zip(labels, tree.sums(leaves), strict=True))
    return np.array([leaves.sum(axis=0) if name == EVERYTHING else sums[name] for name in top_names])


def _tree(items: Sequence[DatedForecast], names: Sequence[str]) -> tuple[Tree, list[str]]:
    category_of: dict[str, str] = {}
    for forecast in items:
        keys = forecast.group.keys
        category_of |= dict(zip(keys["name"], keys["category"].fill_null(""), strict=True))
    label_of_each = [category_name(category_of[name]) if category_of[name] else "" for name in names]
    labels = sorted(set(label_of_each))
    number_of = {label: number for number, label in enumerate(labels)}
    return Tree(np.array([number_of[label] for label in label_of_each], dtype=np.int64)), labels


def _moved(
    forecast: DatedForecast, models: Floats, overridden: Floats, row_of: Mapping[str, int], buckets: TimeBuckets
) -> DatedForecast:
    rows = [row_of[name] for name in forecast.group.keys["name"].to_list()]
    holds = buckets.holds[forecast.group.frequency].T
    mean, quantiles = forecast.scaled_to(overridden[rows] @ holds)
    is_overridden = (overridden[rows] != models[rows]) @ holds > 0
    model_mean = np.where(is_overridden, models[rows] @ holds, np.nan) if is_overridden.any() else None
    return replace(forecast, mean=mean, quantiles=quantiles, model_mean=model_mean)
