"""Rules: which facts raise an alert, at which severity, and with which text."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Any

from pydantic import Field as Key
from pydantic import field_validator, model_validator

from manufacturing_copilot.site.durations import Duration
from manufacturing_copilot.site.yaml_documents import Declared, KeyProblemError, did_you_mean

SCOPES = ("item", "category", "supplier", "location", "abc", "feed")


class Severity(StrEnum):
    """Severity of an alert, ordered from `info` to `critical`."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for info, 1 for warning, 2 for critical."""
        return list(Severity).index(self)


class Topic(StrEnum):
    """What an alert is about; people subscribe by topic."""

    STOCK = "stock"
    SUPPLY = "supply"
    QUALITY = "quality"
    DATA = "data"


class Condition(StrEnum):
    """The named facts that a rule can watch. A higher value is worse."""

    STOCKOUT_PROBABILITY_IN_LEAD_TIME = "stockout_probability_in_lead_time"
    BELOW_REORDER_POINT = "below_reorder_point"  # reorder point less on hand, as a share of the reorder point
    DAYS_LATE = "days_late"  # of an open purchase line, past its promised date
    QUALITY_SIGNAL = "quality_signal"  # standard deviations beyond the control chart's centre
    REJECTED_ROWS = "rejected_rows"  # of a feed, in batches of the last day with data
    STALE_FEED = "stale_feed"  # hours beyond the feed's fresh_within
    MODEL_DECAY = "model_decay"  # per cent by which a model's error is above its usual one

    @property
    def topic(self) -> Topic:
        """The topic of the alerts that this fact raises."""
        return _TOPICS[self]


_TOPICS = {
    Condition.STOCKOUT_PROBABILITY_IN_LEAD_TIME: Topic.STOCK,
    Condition.BELOW_REORDER_POINT: Topic.STOCK,
    Condition.DAYS_LATE: Topic.SUPPLY,
    Condition.QUALITY_SIGNAL: Topic.QUALITY,
    Condition.REJECTED_ROWS: Topic.DATA,
    Condition.STALE_FEED: Topic.DATA,
    Condition.MODEL_DECAY: Topic.DATA,
}


class Rule(Declared):
    """One rule: a fact, the levels of its severities, and the texts of the alert."""

    rule: str = Key(description="the rule's name, as people read it")
    when: Condition = Key(description="the fact it watches, from the list below")
    levels: dict[Severity, float] = Key(description="severity: minimum value of the fact")
    scope: dict[str, tuple[str, ...]] = Key(
        default_factory=dict,
        alias="for",
        description="limits the rule to: item, category, supplier, location, abc, feed",
    )
    lasting: Duration = Key(timedelta(0), description="minimum duration before an alert is raised")
    say: str = Key(description="the alert's title, a Jinja template over the evidence")
    advise: str = Key("", description="what to do, a Jinja template over the evidence")

    @field_validator("levels")
    @classmethod
    def _rising(cls, value: dict[Severity, float]) -> dict[Severity, float]:
        if not value:
            raise ValueError("expected at least one level, for example {warning: 0.2, critical: 0.5}")
        ranked = [value[level] for level in Severity if level in value]
        if ranked != sorted(ranked):
            raise ValueError("expected levels that rise with severity: info ≤ warning ≤ critical")
        return value

    @field_validator("scope", mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {k: tuple(map(str, v)) if isinstance(v, list | tuple) else (str(v),) for k, v in value.items()}

    @model_validator(mode="after")
    def _known_scope(self) -> Rule:
        for name in self.scope:
            if name not in SCOPES:
                raise KeyProblemError(
                    ("for", name), f"found {name!r}, expected {', '.join(SCOPES)}{did_you_mean(name, SCOPES)}"
                )
        return self

    def severity_of(self, value: float) -> Severity | None:
        """Return the highest severity whose level `value` reaches, or None."""
        reached = [level for level in Severity if level in self.levels and value >= self.levels[level]]
        return reached[-1] if reached else None
