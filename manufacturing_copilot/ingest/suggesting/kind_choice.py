"""What the rows of a table are: argued by several columns and the file's name, or said to be unknown."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from manufacturing_copilot.ingest.suggesting.column_profile import ColumnEvidence
from manufacturing_copilot.ingest.suggesting.field_matching import Matches, match
from manufacturing_copilot.ingest.suggesting.header_words import words_of
from manufacturing_copilot.ingest.suggesting.vocabulary import (
    NEUTRAL,
    file_name_score,
    names_something_else,
    nearness,
    without_common_words,
)
from manufacturing_copilot.records import RECORD_KINDS, RecordKind

_MASTERS = frozenset({"items", "suppliers", "locations"})
_WITHOUT_DOCUMENTS = frozenset({*_MASTERS, "boms", "routings", "prices", "item_costs", "unit_conversions", "calendar"})
_LED = 0.25  # by how much the best kind must lead where the file's name says nothing
_ARGUED = 0.8
_MASTER_UNIQUE = 0.98
_PERIODS = 6
_YEAR_OR_MONTH = re.compile(r"^(?:19|20)\d\d(?:[-/.]?(?:0?[1-9]|1[0-2]))?$|^(?:0?[1-9]|1[0-2])[-/.](?:19|20)\d\d$")
_PERIOD = re.compile(r"^(.*?)[ _./-]?(\d{1,8}(?:[-/. ]\d{1,2}){0,2})$")


@dataclass(frozen=True)
class Choice:
    """A record kind for a table: `sure` where it is argued, with what argues for it, or what speaks against it."""

    kind: RecordKind
    matches: Matches
    sure: bool
    why: str
    next_best: tuple[str, ...] = ()


def choose_kind(evidence: Sequence[ColumnEvidence], stem: str) -> Choice:
    """Return the record kind that the columns and the file's name argue for best, and whether that is enough."""
    headers = without_common_words([column.name for column in evidence])
    all_matches = {
        name: match(kind, evidence, headers, weak=_may_stand_in(kind, stem)) for name, kind in RECORD_KINDS.items()
    }
    told = _told_by(all_matches)
    documents = _documents(evidence, headers)
    scores = {name: _score(RECORD_KINDS[name], matches, told, stem, documents) for name, matches in all_matches.items()}
    ranked = sorted(scores, key=lambda name: scores[name], reverse=True)
    best, second = ranked[0], ranked[1]
    kind, matches = RECORD_KINDS[best], all_matches[best]
    argued = sum(near * told[matches.columns[name].position] for name, near in matches.nearness.items())
    lead = scores[best] - scores[second]
    doubt = _doubt(kind, matches, argued, lead, stem, evidence)
    if not matches.columns:
        return Choice(kind, matches, False, "nothing in it looks like the fields of a record kind")
    near_ones = tuple(name for name in ranked[1:4] if scores[name] > scores[best] - 1.0)
    return Choice(kind, matches, doubt is None, doubt or _because(matches, told, stem, kind), near_ones)


def _may_stand_in(kind: RecordKind, stem: str) -> bool:
    """Whether `id` or `name` may be the code of what the file's name says it lists."""
    return kind.name not in _MASTERS or file_name_score(stem, kind.name) >= 0.6


def _told_by(all_matches: Mapping[str, Matches]) -> dict[int, float]:
    """Return how much each column tells of the kind, from 0 to 1: a work order tells much, a quantity little."""
    kinds = Counter(column.position for matches in all_matches.values() for column in matches.columns.values())
    most = math.log(len(RECORD_KINDS))
    return {position: 1 - math.log(count) / most for position, count in kinds.items()}


def _documents(evidence: Sequence[ColumnEvidence], headers: Sequence[str]) -> bool:
    """Whether a column numbers documents, such as work orders or purchase orders."""
    fields = (("order_lines", "order_no"), ("purchase_lines", "order_no"), ("work_orders", "work_order"))
    return any(
        nearness(header, name, kind) >= NEUTRAL - 0.05
        for column, header in zip(evidence, headers, strict=True)
        for kind, name in fields
        if column.filled > 0.5 * column.rows and column.dates < 0.5
    )


def _score(kind: RecordKind, matches: Matches, told: Mapping[int, float], stem: str, documents: bool) -> float:
    missing = [
        name for name in kind.required if name not in matches.columns and name not in excused(kind, matches, stem)
    ]
    score = sum(near * (0.25 + told[matches.columns[name].position]) for name, near in matches.nearness.items())
    score += 1.5 * file_name_score(stem, kind.name) - 0.9 * len(missing)
    score += 0.4 if not missing else 0.0
    if kind.name in _MASTERS:
        own = matches.columns.get(kind.key[0])
        if own is None or own.distinct < _MASTER_UNIQUE * own.rows:
            score -= 1.5
        if names_something_else(stem):
            score -= 1.5
    if documents and kind.name in _WITHOUT_DOCUMENTS:
        score -= 1.0
    return score


def excused(kind: RecordKind, matches: Matches, stem: str) -> set[str]:
    """Return the required fields that a table of a kind may do without."""
    if kind.name == "order_lines" and "order_no" not in matches.unsure:
        return {"order_no"} | ({"ordered_on"} if "requested_on" in matches.columns else set())
    if kind.name == "order_lines" and "requested_on" in matches.columns:
        return {"ordered_on"}
    if kind.name == "stock_movements" and "return" in words_of(stem):
        return {"movement"}
    return set()


def _doubt(
    kind: RecordKind, matches: Matches, argued: float, lead: float, stem: str, evidence: Sequence[ColumnEvidence]
) -> str | None:
    """Return why the kind is not sure, None where it is."""
    named = file_name_score(stem, kind.name) >= 0.6
    missing = [
        name for name in kind.required if name not in matches.columns and name not in excused(kind, matches, stem)
    ]
    if periods(evidence):
        return "its columns are periods: turn them into rows (item, day, quantity) first"
    if names_something_else(stem, surely=kind.name not in _MASTERS):
        return "its name says that it lists something else"
    if len(missing) > (1 if len(kind.required) > 2 and (named or argued >= 2 * _ARGUED) else 0):
        return f"nothing in it is surely {', '.join(missing)}"
    if kind.name in _MASTERS:
        own = matches.columns.get(kind.key[0])
        if own is not None and own.distinct < 0.9 * own.filled:
            return f"'{own.name}' repeats, so that it is no list of {kind.name}"
        few = 2 if matches.nearness.get(kind.key[0], 0.0) >= NEUTRAL - 0.05 else 3
        if not named and len(matches.columns) < few:
            return "a code and a name may be of anything"
        return None if named or lead >= _LED else "another kind fits nearly as well"
    if not named and argued < _ARGUED:
        return "too few columns argue for one kind"
    return None if named or lead >= _LED else "another kind fits nearly as well"


def _because(matches: Matches, told: Mapping[int, float], stem: str, kind: RecordKind) -> str:
    strongest = sorted(matches.columns.values(), key=lambda column: -told[column.position])[:3]
    named = [f"the file's name '{stem}'"] if file_name_score(stem, kind.name) >= 0.6 else []
    return ", ".join([*named, *(f"'{column.name}'" for column in strongest)])


def periods(evidence: Sequence[ColumnEvidence]) -> bool:
    """Whether most columns are periods, as in `item, 2023-01, 2023-02` or `sku, m01, m02`."""
    if sum(bool(_YEAR_OR_MONTH.match(column.name)) for column in evidence) >= max(2, 0.5 * len(evidence)):
        return True
    stems = Counter(
        found.group(1) for column in evidence if column.numbers >= 0.8 and (found := _PERIOD.match(column.name))
    )
    count = max(stems.values(), default=0)
    return count >= _PERIODS and count >= 0.6 * len(evidence)
