"""Bringing the demand forecasts of a day together: over frequencies, and from item over category to all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from manufacturing_copilot.forecasts.contract import Floats
from manufacturing_copilot.forecasts.expected import Expected
from manufacturing_copilot.forecasts.groups import Part
from manufacturing_copilot.forecasts.history.panel import Panel
from manufacturing_copilot.forecasts.history.time_buckets import Spans, spans_of
from manufacturing_copilot.forecasts.overrides.overrides import cuts_of, overridden
from manufacturing_copilot.forecasts.reconcile.coherence import Said, Tree, over_frequencies, over_tree
from manufacturing_copilot.runtime.policies import REGULAR, SPARSE
from manufacturing_copilot.site import Frequency

EVERYTHING = "all items"
AGGREGATES = "aggregates"
"""What stands for the class of the series of categories and of all items."""


def category_name(category: str) -> str:
    """Return the name of the series of a category."""
    return f"category {category}"


def steady_series(parts: Sequence[Sequence[Part]]) -> frozenset[str]:
    """Return the names of the series that sums can be forecast from: those that neither begin nor end.

    `parts`: of each frequency. Young, dying and discontinued series are left out, and those that are so at any
    frequency: the history of a sum that one of them enters or leaves says nothing of what it will be.
    """
    found = []
    for of_one in parts:
        lasting = [part for part in of_one if part.demand_class in (*REGULAR, *SPARSE)]
        keys = (part.keys.filter(pl.col("discontinued_on").is_null()) for part in lasting)
        found.append(frozenset(name for frame in keys for name in frame["name"].to_list()))
    return frozenset.intersection(*found) if found else frozenset()


def aggregate_panel(panel: Panel, steady: frozenset[str]) -> tuple[Panel, list[list[int]]]:
    """Return the panel of the categories (where there are several) and of all items, and the series of each.

    Only steady series are summed; fewer than two have nothing above them.
    """
    names, categories = panel.keys["name"].to_list(), panel.keys["category"].to_list()
    rows = [row for row, name in enumerate(names) if name in steady]
    if len(rows) < 2:
        return replace(panel, keys=panel.keys.clear(), values=[]), []
    known = sorted({categories[row] for row in rows if categories[row] is not None})
    members = {EVERYTHING: rows}
    if len(known) > 1:
        members = {
            **{category_name(name): [row for row in rows if categories[row] == name] for name in known},
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
class _Table:
    """The series of one frequency, of all its parts: names in order, means, variances, and where each came from."""

    names: list[str]
    mean: Floats
    variance: Floats


def together(
    items: Sequence[Expected],
    aggregates: Sequence[Expected],
    steady: frozenset[str],
    weekdays: Sequence[int],
    said: pl.DataFrame,
) -> list[Expected]:
    """Return all of them, moved so that periods add up over frequencies, and items to categories and to all.

    `items` and `aggregates` are the parts of every frequency, `said` the overrides that count (see `known`). The
    aggregates were forecast from the `steady` series, and move those; sums are of all. What moves carries its bounds
    with it; where an override holds, `model_mean` keeps what the models said.
    """
    if not items:
        return [*items, *aggregates]
    periods = {one.part.frequency: one.part.periods for one in items}
    spans = spans_of(periods, weekdays, cuts_of(said))
    leaves, leaf_variance, names = _on_spans(items, spans)
    tops, top_variance, top_names = _on_spans(aggregates, spans)
    if EVERYTHING in top_names:
        rows = [row for row, name in enumerate(names) if name in steady]
        mine = (leaves[rows], leaf_variance[rows], [names[row] for row in rows])
        leaves[rows] = _over_categories(items, mine, (tops, top_variance, top_names))
    told = overridden(leaves, _keys(items, names), spans, said)
    found = {name: row for row, name in enumerate(names)}
    moved = [_moved(one, leaves, told, found, spans) for one in items]
    if EVERYTHING not in top_names:
        return moved
    above = [_summed(items, table, names, top_names) for table in (leaves, told)]
    found = {name: row for row, name in enumerate(top_names)}
    return moved + [_moved(one, above[0], above[1], found, spans) for one in aggregates]


def _keys(items: Sequence[Expected], names: Sequence[str]) -> pl.DataFrame:
    keys = pl.concat([one.part.keys.select("name", "item_id", "location_id") for one in items]).unique("name")
    return pl.DataFrame({"name": names}).join(keys, on="name", how="left", maintain_order="left")


def _on_spans(parts: Sequence[Expected], spans: Spans) -> tuple[Floats, Floats, list[str]]:
    """Return mean and variance on spans of every series of these parts, and their names."""
    tables = {frequency: _table([one for one in parts if one.part.frequency is frequency]) for frequency in spans.holds}
    names = sorted({name for table in tables.values() for name in table.names})
    row = {name: place for place, name in enumerate(names)}
    mean, variance = np.zeros((len(names), len(spans.days))), np.zeros((len(names), len(spans.days)))
    have = np.zeros((len(names), len(tables)), dtype=bool)
    for place, table in enumerate(tables.values()):
        have[[row[name] for name in table.names], place] = True
    # Most series are forecast at every frequency; young ones at the finer ones only.
    for pattern in np.unique(have, axis=0):
        rows = np.flatnonzero((have == pattern).all(axis=1))
        mine = [names[place] for place in rows.tolist()]
        said = {
            frequency: _said(table, mine)
            for there, (frequency, table) in zip(pattern, tables.items(), strict=True)
            if there
        }
        mean[rows], variance[rows] = over_frequencies(said, spans)
    return mean, variance, names


def _table(parts: Sequence[Expected]) -> _Table:
    if not parts:
        return _Table([], np.empty((0, 0)), np.empty(0))
    return _Table(
        [name for one in parts for name in one.part.keys["name"].to_list()],
        np.concatenate([one.mean for one in parts]),
        np.concatenate([_variance(one) for one in parts]),
    )


_PERIODS_OF_THE_NEXT = {Frequency.DAILY: 7, Frequency.WEEKLY: 4, Frequency.MONTHLY: 3, Frequency.QUARTERLY: 1}


def _variance(one: Expected) -> Floats:
    """Return the variance of a period's error, as it counts in sums over the periods of the next coarser frequency.

    Errors of neighbouring periods go together; taken as independent, days would be believed more than weeks.
    """
    inflation = np.asarray(one.part.outcome.inflation)
    place = min(_PERIODS_OF_THE_NEXT[one.part.frequency], len(inflation)) - 1
    return np.asarray(one.part.outcome.deviation) ** 2 * inflation[place]


def _said(table: _Table, names: Sequence[str]) -> Said:
    place = {name: row for row, name in enumerate(table.names)}
    rows = [place[name] for name in names]
    return Said(table.mean[rows], table.variance[rows])


def _over_categories(
    items: Sequence[Expected],
    leaves: tuple[Floats, Floats, list[str]],
    tops: tuple[Floats, Floats, list[str]],
) -> Floats:
    mean, variance, names = leaves
    top_mean, top_variance, top_names = tops
    tree, labels = _tree(items, names)
    place = {name: row for row, name in enumerate(top_names)}
    known = np.array([place.get(label, -1) for label in labels])
    # A branch of which nothing is said of its own (no category) is no observation: its variance is without end.
    said = (known >= 0)[:, None]
    branch = np.where(said, top_mean[known], tree.sums(mean))
    branch_variance = np.where(said, top_variance[known], np.inf)
    total = place[EVERYTHING]
    whole = (top_mean[total], top_variance[total])
    return over_tree(tree, (mean, variance), (branch, branch_variance), whole, _alike(items, tree, names))


def _alike(items: Sequence[Expected], tree: Tree, names: Sequence[str]) -> tuple[float, float]:
    """Return how much more the errors of categories, and of all, vary than those of items that err independently.

    From the windows held back, at the frequency at which they go together most: what all items have in common adds up
    over time, while chance does not.
    """
    place = {name: row for row, name in enumerate(names)}
    found = [(1.0, 1.0)]
    for frequency in {one.part.frequency for one in items}:
        errors = np.zeros((len(names), 0))
        for one in items:
            backtest = one.part.outcome.backtest
            if one.part.frequency is not frequency or backtest is None:
                continue
            if not errors.shape[1]:
                errors = np.zeros((len(names), backtest.actual.shape[1]))
            own = one.part.keys["name"].to_list()
            rows = np.array([place.get(own[row], -1) for row in backtest.rows.tolist()])
            errors[rows[rows >= 0]] = (backtest.actual - backtest.mean)[rows >= 0]
        apart = float(np.sum(errors**2))
        if apart > 0:
            found.append(
                (float(np.sum(tree.sums(errors) ** 2)) / apart, float(np.sum(errors.sum(axis=0) ** 2)) / apart)
            )
    return max(branch for branch, _ in found), max(whole for _, whole in found)


def _summed(items: Sequence[Expected], leaves: Floats, names: Sequence[str], top_names: Sequence[str]) -> Floats:
    tree, labels = _tree(items, names)
    sums = dict(zip(labels, tree.sums(leaves), strict=True))
    return np.array([leaves.sum(axis=0) if name == EVERYTHING else sums[name] for name in top_names])


def _tree(items: Sequence[Expected], names: Sequence[str]) -> tuple[Tree, list[str]]:
    category: dict[str, str] = {}
    for one in items:
        keys = one.part.keys
        category |= dict(zip(keys["name"], keys["category"].fill_null(""), strict=True))
    mine = [category_name(category[name]) if category[name] else "" for name in names]
    labels = sorted(set(mine))
    number = {label: place for place, label in enumerate(labels)}
    return Tree(np.array([number[label] for label in mine], dtype=np.int64)), labels


def _moved(one: Expected, models: Floats, told: Floats, found: Mapping[str, int], spans: Spans) -> Expected:
    rows = [found[name] for name in one.part.keys["name"].to_list()]
    holds = spans.holds[one.part.frequency].T
    mean, quantiles = one.moved_to(told[rows] @ holds)
    said = (told[rows] != models[rows]) @ holds > 0
    model_mean = np.where(said, models[rows] @ holds, np.nan) if said.any() else None
    return replace(one, mean=mean, quantiles=quantiles, model_mean=model_mean)
