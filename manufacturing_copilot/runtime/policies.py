"""Policies as data: which code, with which parameters, forecasts a target at a frequency for a class of series.

A policy names its function by a text, `module:function`, so that this stage imports no forecasting code.
What the figures rest on stands beside the methods themselves.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from manufacturing_copilot.site import Frequency, Target

ALL = "all"
"""The class of a target whose series are all treated alike."""

REGULAR = ("smooth", "erratic")
SPARSE = ("intermittent", "lumpy")
NEW = ("short", "new")
FADING = ("dying",)
"""Classes of series that end; stored under the name they have always had."""

DEMAND_CLASSES = (*REGULAR, *SPARSE, *NEW, *FADING)

_METHODS = "manufacturing_copilot.forecasts"


@dataclass(frozen=True)
class Policy:
    """A way to forecast one class of series of one target at one frequency.

    `packages` are those it computes with; `contents` says what is in the code from outside: name and version.
    """

    target: Target
    frequency: Frequency
    demand_class: str
    code: str
    description: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    packages: tuple[str, ...] = ("numpy", "scipy")
    contents: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The model's name, for example `demand/weekly/smooth`."""
        return f"{self.target.value}/{self.frequency.value}/{self.demand_class}"

    @property
    def place(self) -> tuple[str, str, str]:
        """Target, frequency and class."""
        return self.target.value, self.frequency.value, self.demand_class

    def package_versions(self) -> dict[str, str]:
        """Return the installed version of every package that the policy computes with."""
        ours = {name: version(name) for name in sorted((*self.packages, "manufacturing-copilot"))}
        return {**ours, **self.contents}

    def hash(self) -> str:
        """Return the SHA-256 of code, parameters and package versions."""
        return content_hash(self.code, self.parameters, self.package_versions())


def content_hash(code: str, parameters: Mapping[str, Any], packages: Mapping[str, str]) -> str:
    """Return the SHA-256 that names a version: of its code reference, parameters and packages."""
    content = {"code": code, "parameters": dict(parameters), "packages": dict(packages)}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


# The slow models cost far more than linearly in length, so their history is capped (points); the boosted
# trees share one fit over all series of a frequency, on at most `rows` examples.
_REGULAR_PARAMETERS: dict[Frequency, dict[str, Any]] = {
    Frequency.DAILY: {
        "models": ["theta", "seasonal_average", "boosting"],
        "cap": 182,
        "lags": 14,
        "base": 14,
        "trees": 120,
        "rows": 80_000,
    },
    Frequency.WEEKLY: {
        "models": ["dynamic_theta", "theta", "ces", "autoregression", "boosting", "linear"],
        "cap": 156,
        "lags": 16,
        "base": 4,
        "trees": 400,
        "rows": 300_000,
        "windows": 2,
        "linear_lags": 53,
    },
    Frequency.MONTHLY: {
        "models": ["dynamic_theta", "theta", "ets", "ces", "boosting", "linear"],
        "cap": 120,
        "windows": 2,
        "linear_lags": 18,
        "lags": 12,
        "base": 3,
        "trees": 400,
        "rows": 1_000_000,
    },
    Frequency.QUARTERLY: {
        "models": ["dynamic_theta", "theta", "ets", "ces", "boosting", "linear"],
        "cap": 60,
        "windows": 2,
        "linear_lags": 8,
        "lags": 8,
        "base": 2,
        "trees": 300,
        "rows": 400_000,
    },
}
_BOOSTING = {"leaves": 31, "rate": 0.05, "seeds": 1, "unbiased": True, "signed": True, "linear_rows": 60_000}
_AVERAGE_WINDOW = {Frequency.DAILY: 91, Frequency.WEEKLY: 26, Frequency.MONTHLY: 12, Frequency.QUARTERLY: 6}
_TREES: dict[Frequency, dict[str, Any]] = {
    Frequency.DAILY: {"tree_windows": [7, 28, 91, 182, 365], "tree_base": [7, 28, 91]},
    Frequency.WEEKLY: {"tree_windows": [4, 13, 26, 52], "tree_base": [13, 26]},
    Frequency.MONTHLY: {"tree_windows": [3, 6, 12, 24], "tree_base": [6, 12]},
    Frequency.QUARTERLY: {"tree_windows": [2, 4, 8], "tree_base": [4, 8]},
}
_CROSTON = ["ADIDA", "IMAPA", "TSB"]
# Series err together in a window, so that the standard error of their mean is larger than it looks.
_TREE_CHOICE = {"tree_doubt": 4.0, "departed": True}

# The chance that a fading series sells again halves each month, whatever the length of its periods.
_DECAY = {Frequency.DAILY: 0.03, Frequency.WEEKLY: 0.15, Frequency.MONTHLY: 0.5, Frequency.QUARTERLY: 0.88}
# Its usual level halves each quarter.
_FADE = {Frequency.DAILY: 0.0076, Frequency.WEEKLY: 0.052, Frequency.MONTHLY: 0.206, Frequency.QUARTERLY: 0.5}


def _demand_policies(frequency: Frequency) -> list[Policy]:
    regular = {**_REGULAR_PARAMETERS[frequency], **_BOOSTING}
    sparse = {"window": _AVERAGE_WINDOW[frequency], "members": _CROSTON, **_TREES[frequency], "tree_rows": 120_000}
    sparse |= _TREE_CHOICE
    slow = ("lightgbm", "numpy", "scipy", "statsforecast")
    light = ("numpy", "scipy", "statsforecast")
    return [
        *(
            Policy(
                Target.DEMAND,
                frequency,
                name,
                f"{_METHODS}.regular:forecast",
                f"{', '.join(regular['models'])}, joined; bounds from pooled errors of the last window",
                regular,
                slow,
            )
            for name in REGULAR
        ),
        *(
            Policy(
                Target.DEMAND,
                frequency,
                name,
                f"{_METHODS}.sparse:forecast",
                f"mean of {', '.join(_CROSTON)}, and trees; negative-binomial quantiles, recalibrated over the class",
                sparse,
                slow,
            )
            for name in SPARSE
        ),
        *(
            Policy(
                Target.DEMAND,
                frequency,
                name,
                f"{_METHODS}.young:forecast",
                "own average drawn towards the class's prior; too short a history to learn more from",
                {"prior_periods": 2},
            )
            for name in NEW
        ),
        *(
            Policy(
                Target.DEMAND,
                frequency,
                name,
                f"{_METHODS}.dying:forecast",
                "usual level, fading since the last demand, times the share of it that came back for series like it",
                {"decay": _DECAY[frequency], "fade": _FADE[frequency]},
                light,
            )
            for name in FADING
        ),
    ]


def _whole_target_policies(frequency: Frequency) -> list[Policy]:
    return [
        Policy(
            Target.SUPPLY,
            frequency,
            ALL,
            f"{_METHODS}.supply:forecast",
            "lead time per supplier: recent level of the logarithm, spread of the own and all suppliers' lines",
            {"half_life_lines": 8, "shrink_lines": 20},
        ),
        Policy(
            Target.QUALITY,
            frequency,
            ALL,
            f"{_METHODS}.quality:forecast",
            "defect rate per item and operation: recent rate drawn towards the plant's, beta quantiles",
            {"half_life_periods": 8, "shrink_periods": 4},
        ),
        Policy(
            Target.INVENTORY,
            frequency,
            ALL,
            f"{_METHODS}.inventory:forecast",
            "stock less cumulative demand plus scheduled receipts, with the quantiles of cumulative demand",
            {},
        ),
    ]


def declared_policies() -> tuple[Policy, ...]:
    """Return the policies that this version of the program declares, one per target, frequency and class."""
    policies: list[Policy] = []
    for frequency in Frequency:
        policies += _demand_policies(frequency)
        policies += _whole_target_policies(frequency)
    return tuple(policies)
