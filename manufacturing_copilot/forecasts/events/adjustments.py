"""Taking events and days without stock out of the histories before they are forecast; restoring events afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from manufacturing_copilot.forecasts.contract import Backtest, Floats, stretched
from manufacturing_copilot.forecasts.events.cells import FlatHistories, event_cells, lag_of, usual_demand
from manufacturing_copilot.forecasts.events.censoring import CENSORED, JUDGED_BELOW, censored_cells, filled
from manufacturing_copilot.forecasts.events.declared_events import CLOSED, PROMOTION, DeclaredEvents
from manufacturing_copilot.forecasts.events.effects import Effect, closure, elasticity, promotion
from manufacturing_copilot.forecasts.events.outliers import OUTLIERS, cut_outliers
from manufacturing_copilot.forecasts.events.prices import price_changes, price_steps
from manufacturing_copilot.forecasts.groups import ForecastGroup
from manufacturing_copilot.forecasts.history.panel import Panel

LEAST_FACTOR = 0.2
"""Below this share of the usual, what came says too little of it: the neighbouring periods stand in."""


@dataclass(frozen=True)
class EventEffect:
    """The effect of one kind of event, as a run notes it: its size, the cells it was learned from, those ahead."""

    effect: float
    learned_from: int
    periods_ahead: int


@dataclass(frozen=True)
class AdjustedPanel:
    """A panel whose histories are as they would have been without closures, promotions and outliers.

    `ahead` (series × steps) is what each step ahead is multiplied with; `behind` (series × horizon) the same for the
    last periods past, and `actual` what really came in them. `outliers` are the periods of history that were cut
    (OUTLIERS); `effects` what was learned of each kind of event; `censored` the periods with days without stock, and
    what stands in for those (CENSORED). `actual` is NaN where too much of a period was without stock to judge by it.
    """

    panel: Panel
    ahead: Floats
    behind: Floats
    actual: Floats
    outliers: pl.DataFrame
    effects: Mapping[str, EventEffect] = field(default_factory=dict)
    censored: pl.DataFrame = field(default_factory=CENSORED.empty)


def adjust_panel(
    panel: Panel, events: DeclaredEvents, *, clean: bool = True, without_stock: pl.DataFrame | None = None
) -> AdjustedPanel:
    """Return the panel to forecast from. Without events nothing changes; `clean` cuts outliers as well.

    `without_stock`: DAYS_WITHOUT_STOCK. What was recorded in their periods stays, and what other periods of the series
    brought stands in for the share of the days without stock.
    """
    flat = FlatHistories.of(panel)
    steps = panel.horizon
    ahead = np.ones((len(panel.values), steps))
    values, factor = flat.values, np.ones(len(flat.values))
    effects: Mapping[str, EventEffect] = {}
    cells = CENSORED.empty() if without_stock is None else censored_cells(panel, without_stock)
    out = flat.index(cells["row"].to_numpy(), cells["at"].to_numpy())
    if not (events.days.is_empty() and events.prices.is_empty()):
        factors, differs, effects = _event_factors(panel, flat, events, cells)
        ahead = np.prod([kind.ahead for kind in factors], axis=0)
        factor = np.prod([kind.behind for kind in factors], axis=0)
        values = _without_events(flat, differs, factor, lag_of(panel))
    if len(out):
        values, cells = filled(replace(flat, values=values), cells, lag_of(panel))
    outliers = OUTLIERS.empty()
    if clean:
        values, outliers = cut_outliers(replace(flat, values=values))
    judged = flat.values.copy()
    judged[out] += cells["filled"].to_numpy()
    judged[out[cells["share"].to_numpy() >= JUDGED_BELOW]] = np.nan
    actual, behind = _last(flat, judged, steps), _last(flat, factor, steps)
    return AdjustedPanel(replace(panel, values=flat.split(values)), ahead, behind, actual, outliers, effects, cells)


def restore_events(groups: Sequence[ForecastGroup], adjusted: AdjustedPanel) -> list[ForecastGroup]:
    """Return the groups with the events in their forecasts; their held-back windows are judged by what came."""
    row_of = {name: row for row, name in enumerate(adjusted.panel.keys["name"].to_list())}
    return [
        _with_events(group, adjusted, np.array([row_of[name] for name in group.keys["name"]], dtype=int))
        for group in groups
    ]


def _with_events(group: ForecastGroup, adjusted: AdjustedPanel, rows: NDArray[np.int64]) -> ForecastGroup:
    factor = adjusted.ahead[rows]
    # "known" is what runs have always called them in their stored figures.
    notes = {"known": {kind: asdict(effect) for kind, effect in adjusted.effects.items()}} if adjusted.effects else {}
    outcome = replace(
        group.outcome,
        mean=group.outcome.mean * factor,
        quantiles=stretched(group.outcome.quantiles, factor),
        backtest=_backtest_with_events(group.outcome.backtest, adjusted, rows),
        notes={**group.outcome.notes, **notes},
    )
    return replace(group, outcome=outcome)


def _backtest_with_events(
    backtest: Backtest | None, adjusted: AdjustedPanel, rows: NDArray[np.int64]
) -> Backtest | None:
    if backtest is None:
        return None
    factor, actual = adjusted.behind[rows][backtest.rows], adjusted.actual[rows][backtest.rows]
    restored = replace(
        backtest, actual=actual, mean=backtest.mean * factor, quantiles=stretched(backtest.quantiles, factor)
    )
    return restored.judgeable()


@dataclass(frozen=True)
class _Factor:
    """What one kind of event multiplies demand with: series × steps ahead, and along the flat histories."""

    ahead: Floats
    behind: Floats


def _event_factors(
    panel: Panel, flat: FlatHistories, events: DeclaredEvents, censored: pl.DataFrame
) -> tuple[list[_Factor], NDArray[np.bool_], dict[str, EventEffect]]:
    closed = event_cells(panel, events.days.filter(pl.col("event") == CLOSED))
    promoted = event_cells(panel, events.days.filter(pl.col("event") == PROMOTION))
    changes = price_changes(panel, events.prices)
    lag, categories = lag_of(panel), _category_numbers(panel)
    differs = _cells_with_events(flat, [closed, promoted, censored])
    # What came while there was no stock teaches nothing of closures and promotions.
    seen = [cells.join(censored, on=["row", "at"], how="anti") for cells in (closed, promoted)]
    lost = closure(flat, seen[0], differs, lag)
    lift = promotion(flat, seen[1], differs, lag, categories)
    slope = elasticity(flat, changes, differs)
    promotion_factor = 1 + (lift.of(categories[promoted["row"].to_numpy()]) - 1) * promoted["share"].to_numpy()
    factors = [
        _factor_of_cells(panel, flat, closed, 1 - lost.value * closed["share"].to_numpy()),
        _factor_of_cells(panel, flat, promoted, promotion_factor),
        _Factor(np.exp(slope.value * price_steps(panel, events.prices)), np.ones(len(flat.values))),
    ]
    by_kind = {"closures": (lost, closed), "promotions": (lift, promoted), "prices": (slope, changes)}
    effects = {kind: _event_effect(*learned) for kind, learned in by_kind.items() if not learned[1].is_empty()}
    return factors, differs, effects


def _event_effect(effect: Effect, cells: pl.DataFrame) -> EventEffect:
    return EventEffect(round(effect.value, 3), effect.cells, int((cells["at"] >= 0).sum()))


def _category_numbers(panel: Panel) -> NDArray[np.int64]:
    return panel.keys["category"].fill_null("").rank("dense").to_numpy().astype(np.int64)


def _cells_with_events(flat: FlatHistories, event_cells_by_kind: Sequence[pl.DataFrame]) -> NDArray[np.bool_]:
    differs = np.zeros(len(flat.values), dtype=bool)
    for cells in event_cells_by_kind:
        index = flat.index(cells["row"].to_numpy(), cells["at"].to_numpy())
        differs[index[index >= 0]] = True
    return differs


def _factor_of_cells(panel: Panel, flat: FlatHistories, cells: pl.DataFrame, factor: Floats) -> _Factor:
    ahead, behind = np.ones((len(panel.values), panel.horizon)), np.ones(len(flat.values))
    row, at = cells["row"].to_numpy(), cells["at"].to_numpy()
    coming = at >= 0
    ahead[row[coming], at[coming]] = factor[coming]
    index = flat.index(row, at)
    behind[index[index >= 0]] = factor[index >= 0]
    return _Factor(ahead, behind)


def _without_events(flat: FlatHistories, differs: NDArray[np.bool_], factor: Floats, lag: int) -> Floats:
    """Divide what came by what the events made of it; where almost nothing was left, the neighbours stand in."""
    values = flat.values.copy()
    index = np.flatnonzero(differs)
    row = np.searchsorted(flat.ends, index, side="right")
    stand_in = usual_demand(flat, row, index - flat.ends[row], differs, lag)
    enough = factor[index] >= LEAST_FACTOR
    instead = np.where(np.isfinite(stand_in), stand_in, values[index])
    values[index] = np.where(enough, values[index] / np.maximum(factor[index], LEAST_FACTOR), instead)
    return values


def _last(flat: FlatHistories, values: Floats, steps: int) -> Floats:
    """Return the last `steps` values of each series, series × steps; 0 before a history begins."""
    rows = np.repeat(np.arange(len(flat.lengths)), steps)
    at = np.tile(np.arange(-steps, 0), len(flat.lengths))
    index = flat.index(rows, at)
    return np.where(index >= 0, values[index] if len(values) else 0.0, 0.0).reshape(len(flat.lengths), steps)
