"""The named facts that rules can watch, each in the module of its topic."""

from __future__ import annotations

from manufacturing_copilot.alerts.facts.base import Fact, Question
from manufacturing_copilot.alerts.facts.data import REJECTED_ROWS, STALE_FEED, stale_kinds
from manufacturing_copilot.alerts.facts.models import MODEL_DECAY
from manufacturing_copilot.alerts.facts.quality import QUALITY_SIGNAL
from manufacturing_copilot.alerts.facts.stock import BELOW_REORDER_POINT, STOCKOUT
from manufacturing_copilot.alerts.facts.supply import DAYS_LATE
from manufacturing_copilot.site import Condition

FACTS: dict[Condition, Fact] = {
    Condition.STOCKOUT_PROBABILITY_IN_LEAD_TIME: STOCKOUT,
    Condition.BELOW_REORDER_POINT: BELOW_REORDER_POINT,
    Condition.DAYS_LATE: DAYS_LATE,
    Condition.QUALITY_SIGNAL: QUALITY_SIGNAL,
    Condition.REJECTED_ROWS: REJECTED_ROWS,
    Condition.STALE_FEED: STALE_FEED,
    Condition.MODEL_DECAY: MODEL_DECAY,
}

__all__ = ["FACTS", "Fact", "Question", "stale_kinds"]
