"""Taking what is known out of the histories before they are forecast, and putting it back into the forecasts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from manufacturing_copilot.forecasts.contract import Backtest, Floats, stretched
from manufacturing_copilot.forecasts.events.cells import Flat, event_cells, lag_of, usual
from manufacturing_copilot.forecasts.events.declared_events import CLOSED, PROMOTION, KnownFuture
from manufacturing_copilot.forecasts.events.effects import Effect, closure, elasticity, promotion
from manufacturing_copilot.forecasts.events.outliers import SCHEMA as CUT
from manufacturing_copilot.forecasts.events.outliers import cut_outliers
from manufacturing_copilot.forecasts.events.prices import price_changes, price_steps
from manufacturing_copilot.forecasts.groups import Part
from manufacturing_copilot.forecasts.history.panel import Panel

LEAST_FACTOR = 0.2
"""Below this share of the usual, what came says too little of it: the neighbouring periods stand in."""


@dataclass(frozen=True)
class Adjusted:
    """A panel whose histories are as they would have been without closures, promotions and outliers.

    `ahead` (series × steps) is what each step ahead is multiplied with; `behind` (series × horizon) the same for the
    last periods past, and `came` what really came in them. `cut` says which periods of history were outliers.
    """

    panel: Panel
    ahead: Floats
    behind: Floats
    came: Floats
    cut: pl.DataFrame
    notes: dict[str, Any]


def adjusted(panel: Panel, known: KnownFuture, *, clean: bool = True) -> Adjusted:
    """Return the panel to forecast from. What is not known changes nothing; `clean` cuts outliers as well."""
    flat = Flat.of(panel)
    steps = panel.horizon
    ahead = np.ones((len(panel.values), steps))
    values, factor = flat.values, np.ones(len(flat.values))
    notes: dict[str, Any] = {}
    if not (known.days.is_empty() and known.prices.is_empty()):
        factors, differs, notes = _factors(panel, flat, known)
        ahead = np.prod([one.ahead for one in factors], axis=0)
        factor = np.prod([one.behind for one in factors], axis=0)
        values = _as_usual(flat, differs, factor, lag_of(panel))
    cut = pl.DataFrame(schema=CUT)
    if clean:
        values, cut = cut_outliers(replace(flat, values=values))
    came, behind = _last(flat, flat.values, steps), _last(flat, factor, steps)
    return Adjusted(replace(panel, values=flat.split(values)), ahead, behind, came, cut, notes)


def put_back(parts: Sequence[Part], adjusted: Adjusted) -> list[Part]:
    """Return the parts with what is known in their forecasts, and their windows held back judged by what came."""
    rows = {name: row for row, name in enumerate(adjusted.panel.keys["name"].to_list())}
    return [
        _put_back(part, adjusted, np.array([rows[name] for name in part.keys["name"]], dtype=int)) for part in parts
    ]


def _put_back(part: Part, adjusted: Adjusted, rows: NDArray[np.int64]) -> Part:
    factor = adjusted.ahead[rows]
    outcome = replace(
        part.outcome,
        mean=part.outcome.mean * factor,
        quantiles=stretched(part.outcome.quantiles, factor),
        backtest=_judged(part.outcome.backtest, adjusted, rows),
        notes={**part.outcome.notes, **adjusted.notes},
    )
    return replace(part, outcome=outcome)


def _judged(backtest: Backtest | None, adjusted: Adjusted, rows: NDArray[np.int64]) -> Backtest | None:
    if backtest is None:
        return None
    factor = adjusted.behind[rows][backtest.rows]
    return replace(
        backtest,
        actual=adjusted.came[rows][backtest.rows],
        mean=backtest.mean * factor,
        quantiles=stretched(backtest.quantiles, factor),
    )


@dataclass(frozen=True)
class _Factor:
    """What one kind of event multiplies demand with: series × steps ahead, and along the flat histories."""

    ahead: Floats
    behind: Floats


def _factors(panel: Panel, flat: Flat, known: KnownFuture) -> tuple[list[_Factor], NDArray[np.bool_], dict[str, Any]]:
    closed = event_cells(panel, known.days.filter(pl.col("event") == CLOSED))
    promoted = event_cells(panel, known.days.filter(pl.col("event") == PROMOTION))
    changes = price_changes(panel, known.prices)
    lag, groups = lag_of(panel), _groups(panel)
    differs = _touched(flat, [closed, promoted])
    lost = closure(flat, closed, differs, lag)
    lift = promotion(flat, promoted, differs, lag, groups)
    slope = elasticity(flat, changes, differs)
    factors = [
        _laid_out(panel, flat, closed, 1 - lost.value * closed["share"].to_numpy()),
        _laid_out(
            panel, flat, promoted, 1 + (lift.of(groups[promoted["row"].to_numpy()]) - 1) * promoted["share"].to_numpy()
        ),
        _Factor(np.exp(slope.value * price_steps(panel, known.prices)), np.ones(len(flat.values))),
    ]
    found = {"closures": (lost, closed), "promotions": (lift, promoted), "prices": (slope, changes)}
    notes = {name: _noted(effect, cells) for name, (effect, cells) in found.items() if not cells.is_empty()}
    return factors, differs, {"known": notes} if notes else {}


def _noted(effect: Effect, cells: pl.DataFrame) -> dict[str, Any]:
    return {
        "effect": round(effect.value, 3),
        "learned_from": effect.cells,
        "periods_ahead": int((cells["at"] >= 0).sum()),
    }


def _groups(panel: Panel) -> NDArray[np.int64]:
    return panel.keys["category"].fill_null("").rank("dense").to_numpy().astype(np.int64)


def _touched(flat: Flat, parts: Sequence[pl.DataFrame]) -> NDArray[np.bool_]:
    differs = np.zeros(len(flat.values), dtype=bool)
    for cells in parts:
        index = flat.index(cells["row"].to_numpy(), cells["at"].to_numpy())
        differs[index[index >= 0]] = True
    return differs


def _laid_out(panel: Panel, flat: Flat, cells: pl.DataFrame, factor: Floats) -> _Factor:
    ahead, behind = np.ones((len(panel.values), panel.horizon)), np.ones(len(flat.values))
    row, at = cells["row"].to_numpy(), cells["at"].to_numpy()
    coming = at >= 0
    ahead[row[coming], at[coming]] = factor[coming]
    index = flat.index(row, at)
    behind[index[index >= 0]] = factor[index >= 0]
    return _Factor(ahead, behind)


def _as_usual(flat: Flat, differs: NDArray[np.bool_], factor: Floats, lag: int) -> Floats:
    """Divide what came by what the events made of it; where next to nothing was left, the neighbours stand in."""
    values = flat.values.copy()
    index = np.flatnonzero(differs)
    row = np.searchsorted(flat.ends, index, side="right")
    stand_in = usual(flat, row, index - flat.ends[row], differs, lag)
    told = factor[index] >= LEAST_FACTOR
    instead = np.where(np.isfinite(stand_in), stand_in, values[index])
    values[index] = np.where(told, values[index] / np.maximum(factor[index], LEAST_FACTOR), instead)
    return values


def _last(flat: Flat, values: Floats, steps: int) -> Floats:
    """Return the last `steps` values of each series, series × steps; 0 before a history begins."""
    rows = np.repeat(np.arange(len(flat.lengths)), steps)
    at = np.tile(np.arange(-steps, 0), len(flat.lengths))
    index = flat.index(rows, at)
    return np.where(index >= 0, values[index] if len(values) else 0.0, 0.0).reshape(len(flat.lengths), steps)
