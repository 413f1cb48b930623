"""Where rules apply: facts within a rule's scope that reach one of its levels, in words and with evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.alerts import templates
from manufacturing_copilot.alerts.evidence import Evidence, SourceLine
from manufacturing_copilot.alerts.facts import FACTS, Question, stale_kinds
from manufacturing_copilot.alerts.facts.base import LINES_SHOWN
from manufacturing_copilot.errors import SiteError
from manufacturing_copilot.site import Rule, Severity

_SCOPE_COLUMNS = {
    "item": ("item.sku",),
    "category": ("item.category",),
    "abc": ("item.abc",),
    "supplier": ("supplier", "_supplier_code"),
    "location": ("location",),
    "feed": ("feed",),
}


@dataclass(frozen=True)
class Hit:
    """One rule that holds for one subject now, and what to say about it."""

    rule: Rule
    subject: str
    item_id: int | None
    value: float
    severity: Severity
    title: str
    advice: str
    evidence: Evidence
    failed_texts: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """The rule's name and the subject: what makes two hits the same trouble."""
        return self.rule.rule, self.subject


@dataclass(frozen=True)
class RuleResults:
    """What the rules gave: hits by (rule, subject), rules nothing is known for, and stale record kinds by feed."""

    hits: dict[tuple[str, str], Hit]
    unknown: tuple[str, ...]
    stale: Mapping[str, str]


def evaluate_rules(connection: sa.Connection, question: Question) -> RuleResults:
    """Gather every fact that a rule of the site watches, once, and return where the rules hold.

    A text that cannot be written is replaced by a plain one that says so. Raises SiteError where a rule's scope uses
    what its fact does not have.
    """
    rules = question.site.rules
    frames = {when: FACTS[when].read(connection, question) for when in dict.fromkeys(rule.when for rule in rules)}
    hits: dict[tuple[str, str], Hit] = {}
    for rule in rules:
        frame = frames[rule.when]
        if frame is not None:
            hits.update({hit.key: hit for hit in _hits(connection, rule, frame)})
    unknown = tuple(rule.rule for rule in rules if frames[rule.when] is None)
    return RuleResults(hits, unknown, stale_kinds(connection, question))


def stale_feed_behind(rule: Rule, stale: Mapping[str, str]) -> str | None:
    """Return the stale feed that `rule` rests on, if any."""
    return next((stale[kind] for kind in sorted(FACTS[rule.when].rests_on) if kind in stale), None)


def _hits(connection: sa.Connection, rule: Rule, frame: pl.DataFrame) -> list[Hit]:
    lowest_level = min(rule.levels.values())
    rows = _within_scope(rule, frame).filter(pl.col("value") >= lowest_level).sort("subject")
    if rows.is_empty():
        return []
    traced = FACTS[rule.when].trace(connection, rows)
    lines: dict[str, tuple[SourceLine, ...]] = {}
    for (subject,), of_subject in traced.sort("batch", "file", "line").group_by("subject", maintain_order=True):
        first = of_subject.drop("subject").head(LINES_SHOWN)
        lines[str(subject)] = tuple(SourceLine(**line) for line in first.iter_rows(named=True))
    return [_hit(rule, row, lines.get(row["subject"], ())) for row in rows.iter_rows(named=True)]


def _within_scope(rule: Rule, frame: pl.DataFrame) -> pl.DataFrame:
    for scope, wanted in rule.scope.items():
        columns = [column for column in _SCOPE_COLUMNS[scope] if column in frame.columns]
        if not columns:
            possible = [key for key, columns in _SCOPE_COLUMNS.items() if columns[0] in FACTS[rule.when].names]
            raise SiteError(
                f"rules.yaml, rule {rule.rule!r}, key for: {rule.when.value} has no {scope};"
                f" it can be narrowed by {', '.join(possible)}"
            )
        frame = frame.filter(pl.any_horizontal(pl.col(column).is_in(list(wanted)) for column in columns))
    return frame


def _hit(rule: Rule, row: Mapping[str, Any], lines: tuple[SourceLine, ...]) -> Hit:
    values = {name: row[name] for name in FACTS[rule.when].names}
    texts = templates.render(rule, values | {"value": row["value"]}, row["subject"])
    severity = rule.severity_of(row["value"])
    assert severity is not None  # rows below the lowest level were left out
    evidence = Evidence(values, lines)
    return Hit(
        rule,
        row["subject"],
        row["item_id"],
        float(row["value"]),
        severity,
        texts.title,
        texts.advice,
        evidence,
        texts.failed,
    )
