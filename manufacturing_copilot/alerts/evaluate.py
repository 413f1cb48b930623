"""Where rules apply: facts within a rule's scope that reach one of its levels, in words and with evidence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.alerts import templates
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
    evidence: dict[str, Any]

    @property
    def key(self) -> tuple[str, str]:
        """The rule's name and the subject: what makes two hits the same trouble."""
        return self.rule.rule, self.subject


@dataclass(frozen=True)
class Findings:
    """What the rules found: hits by (rule, subject), rules nothing is known for, and stale record kinds."""

    hits: dict[tuple[str, str], Hit]
    unknown: tuple[str, ...]
    stale: Mapping[str, str]


def find(connection: sa.Connection, question: Question) -> Findings:
    """Gather every fact that a rule of the site watches, once, and return where the rules hold.

    Raises SiteError where a rule's text or scope uses what its fact does not have.
    """
    rules = question.site.rules
    templates.check(rules)
    frames = {when: FACTS[when].gather(connection, question) for when in dict.fromkeys(rule.when for rule in rules)}
    hits: dict[tuple[str, str], Hit] = {}
    for rule in rules:
        frame = frames[rule.when]
        if frame is not None:
            hits.update({hit.key: hit for hit in _hits(connection, rule, frame)})
    unknown = tuple(rule.rule for rule in rules if frames[rule.when] is None)
    return Findings(hits, unknown, stale_kinds(connection, question))


def stale_feed_behind(rule: Rule, stale: Mapping[str, str]) -> str | None:
    """Return the stale feed that `rule` rests on, if any."""
    return next((stale[kind] for kind in sorted(FACTS[rule.when].rests_on) if kind in stale), None)


def _hits(connection: sa.Connection, rule: Rule, frame: pl.DataFrame) -> list[Hit]:
    lowest = min(rule.levels.values())
    rows = _within(rule, frame).filter(pl.col("value") >= lowest).sort("subject")
    if rows.is_empty():
        return []
    traced = FACTS[rule.when].trace(connection, rows)
    origins: dict[str, list[dict[str, Any]]] = {}
    for (subject,), lines in traced.sort("batch", "file", "line").group_by("subject", maintain_order=True):
        origins[str(subject)] = lines.drop("subject").head(LINES_SHOWN).to_dicts()
    return [_hit(rule, row, origins.get(row["subject"], [])) for row in rows.iter_rows(named=True)]


def _within(rule: Rule, frame: pl.DataFrame) -> pl.DataFrame:
    for name, wanted in rule.scope.items():
        columns = [column for column in _SCOPE_COLUMNS[name] if column in frame.columns]
        if not columns:
            known = [key for key, names in _SCOPE_COLUMNS.items() if names[0] in FACTS[rule.when].names]
            raise SiteError(
                f"rules.yaml, rule {rule.rule!r}, key for: {rule.when.value} has no {name};"
                f" it can be narrowed by {', '.join(known)}"
            )
        frame = frame.filter(pl.any_horizontal(pl.col(column).is_in(list(wanted)) for column in columns))
    return frame


def _hit(rule: Rule, row: dict[str, Any], lines: list[dict[str, Any]]) -> Hit:
    facts = {name: row[name] for name in FACTS[rule.when].names} | {"value": row["value"]}
    title, advice = templates.render(rule, templates.nested(facts))
    severity = rule.severity_of(row["value"])
    assert severity is not None  # rows below the lowest level were left out
    evidence = templates.nested({name: row[name] for name in FACTS[rule.when].names}) | {
        "batches": sorted({line["batch"] for line in lines}),
        "lines": lines,
    }
    return Hit(rule, row["subject"], row["item_id"], float(row["value"]), severity, title, advice, _as_stored(evidence))


def _as_stored(evidence: dict[str, Any]) -> dict[str, Any]:
    """Return the evidence as JSON gives it back, so that what is stored can be compared with what is found."""

    def plain(value: Any) -> str:
        if isinstance(value, date | datetime):
            return value.isoformat()
        raise TypeError(f"{type(value).__name__} is no evidence")

    return json.loads(json.dumps(evidence, default=plain))
