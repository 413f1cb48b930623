"""The choice of what policies declare, made on windows cut from the training part of the public data alone.

    python -m benchmarks.forecast --choose [--rows m3,m4,carparts,m5_afcs] [--every 1]

For each setting the declared value and its rivals forecast the windows before the held-back part, by the path that
the assets call; what the tables of results are scored on is cut off first and never read. The line that wins is
marked. `--every 4` looks at every fourth series.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import forecast_accuracy as accuracy
from benchmarks.forecast_data import HeldBack, carparts, champions, m3, m4_weekly, m5_afcs, ours
from manufacturing_copilot.forecasts.history.panel import Panel
from manufacturing_copilot.runtime.policies import FADING, REGULAR, SPARSE
from manufacturing_copilot.runtime.registry import Champions

Changes = Mapping[str, Any]
"""Parameters that a rival changes; None leaves the parameter out."""

FEWEST_LEFT = 8
"""Periods that must remain before a window."""


@dataclass(frozen=True)
class Setting:
    """A setting, its classes, and its rivals by what they are called; the declared policy is the first."""

    name: str
    classes: tuple[str, ...]
    rivals: Mapping[str, Changes]


@dataclass(frozen=True)
class Row:
    """A data set: how it is read, how many windows its training part gives, its score (least is best), its settings."""

    read: Callable[[Path], list[HeldBack]]
    windows: int
    score: Callable[[Sequence[HeldBack], Champions | None], float]
    settings: Sequence[Setting]


def choose(folder: Path, names: Sequence[str], every: int = 1) -> Iterator[str]:
    """Yield the lines of a Markdown table: per setting and rival the score of each window, and their mean."""
    yield "| data | setting | value | windows, newest first | mean | least |"
    yield "|---|---|---|---|---|---|"
    for name in names:
        row = ROWS[name]
        whole = [_some(held, every) for held in row.read(folder)]
        panels = [[cut(held, back) for held in whole] for back in range(1, row.windows + 1)]
        for setting in row.settings:
            found: dict[str, list[float]] = {}
            for rival, changes in setting.rivals.items():
                print(f"{name}: {setting.name}: {rival}", file=sys.stderr)
                found[rival] = [row.score(window, _changed(window, setting.classes, changes)) for window in panels]
            least = min(found, key=lambda rival: float(np.mean(found[rival])))
            for rival, scores in found.items():
                each = ", ".join(f"{score:.4f}" for score in scores)
                mark = "✓" if rival == least else ""
                yield f"| {name} | {setting.name} | {rival} | {each} | {np.mean(scores):.4f} | {mark} |"


def cut(held: HeldBack, back: int) -> HeldBack:
    """Return the window `back` horizons before the held-back part: what came is the end of what was known."""
    horizon, values = held.panel.horizon, held.panel.values
    rows = [row for row, y in enumerate(values) if len(y) >= back * horizon + FEWEST_LEFT]
    before = [values[row][: -back * horizon] for row in rows]
    actual = np.array([values[row][len(y) : len(y) + horizon] for row, y in zip(rows, before, strict=True)])
    return HeldBack(_panel(held.panel, rows, before), actual, held.as_of)


def _some(held: HeldBack, every: int) -> HeldBack:
    rows = list(range(0, len(held.panel.values), every))
    return HeldBack(_panel(held.panel, rows, [held.panel.values[row] for row in rows]), held.actual[rows], held.as_of)


def _panel(panel: Panel, rows: list[int], values: list[np.ndarray]) -> Panel:
    return replace(panel, keys=panel.keys[rows], values=values)


def _changed(window: Sequence[HeldBack], classes: tuple[str, ...], changes: Changes) -> Champions:
    found = {}
    for frequency in {held.panel.frequency for held in window}:
        for (_, name), version in champions(frequency).items():
            parameters = {**version.parameters, **changes} if name in classes else version.parameters
            kept = {key: value for key, value in parameters.items() if value is not None}
            found[frequency, name] = replace(version, parameters=kept)
    return found


def _smape(window: Sequence[HeldBack], versions: Champions | None) -> float:
    errors = [accuracy.smape(held.actual, ours(held, versions).mean).ravel() for held in window]
    return float(np.mean(np.concatenate(errors)))


def _rmsse(window: Sequence[HeldBack], versions: Champions | None) -> float:
    errors = [accuracy.rmsse(held.actual, ours(held, versions).mean, held.panel.values) for held in window]
    return float(np.nanmean(np.concatenate(errors)))


def _without(member: str, models: Sequence[str]) -> Changes:
    return {"models": [name for name in models if name != member]}


_MODELS = ["dynamic_theta", "theta", "ets", "ces", "boosting", "linear"]
_WEEKLY = ["dynamic_theta", "theta", "ces", "autoregression", "boosting", "linear"]
_SPARSE_SETTINGS = [
    Setting(
        "trees over all series",
        SPARSE,
        {"as declared": {}, "none": {"tree_windows": None}, "a third of the examples": {"tree_rows": 40_000}},
    ),
    Setting("share of the trees", SPARSE, {"half, unless clear": {}, "by the window alone": {"tree_doubt": 0.0}}),
    Setting("dying series teach the trees", SPARSE, {"yes": {}, "no": {"departed": False}}),
    Setting("usual level of dying series", FADING, {"it fades": {}, "whole history": {"fade": 0.0}}),
]

ROWS: dict[str, Row] = {
    "m3": Row(
        m3,
        1,
        _smape,
        [
            Setting(
                "members",
                REGULAR,
                {"as declared": {}, **{f"without {name}": _without(name, _MODELS) for name in _MODELS}},
            ),
            Setting("windows", REGULAR, {"2": {}, "1": {"windows": 1}, "3": {"windows": 3}}),
            Setting("median turned into mean", REGULAR, {"yes": {}, "no": {"unbiased": False}}),
        ],
    ),
    "m4": Row(
        lambda folder: [m4_weekly(folder)],
        2,
        _smape,
        [
            Setting(
                "members",
                REGULAR,
                {"as declared": {}, **{f"without {name}": _without(name, _WEEKLY) for name in _WEEKLY}},
            ),
            Setting("windows", REGULAR, {"2": {}, "1": {"windows": 1}, "3": {"windows": 3}}),
            Setting("trees, examples", REGULAR, {"400, 300,000": {}, "150, 120,000": {"trees": 150, "rows": 120_000}}),
        ],
    ),
    "carparts": Row(lambda folder: [carparts(folder)], 1, _rmsse, _SPARSE_SETTINGS),
    "m5_afcs": Row(
        lambda folder: [m5_afcs(folder)],
        12,
        _rmsse,
        [
            *_SPARSE_SETTINGS,
            Setting(
                "members beside the trees",
                SPARSE,
                {
                    "ADIDA, IMAPA, TSB": {},
                    "an average, IMAPA, TSB": {"members": ["average", "IMAPA", "TSB"]},
                    "all four": {"members": ["average", "ADIDA", "IMAPA", "TSB"]},
                    "ADIDA, IMAPA": {"members": ["ADIDA", "IMAPA"]},
                },
            ),
            Setting(
                "averages that trees start from",
                SPARSE,
                {"7, 28, 91 days": {}, "28, 91": {"tree_base": [28, 91]}, "28, 56": {"tree_base": [28, 56]}},
            ),
        ],
    ),
}
