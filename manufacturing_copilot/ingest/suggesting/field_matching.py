"""Which column of a table is which field of a record kind, by names, values and what stands beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from manufacturing_copilot.ingest.suggesting.column_profile import ColumnEvidence
from manufacturing_copilot.ingest.suggesting.header_words import meaning_of, words_of
from manufacturing_copilot.ingest.suggesting.vocabulary import (
    NEUTRAL,
    PERHAPS,
    STANDS_IN,
    nearness,
    our_word,
    prefixes_of,
)
from manufacturing_copilot.records import NUMERIC_TYPES, Field, FieldType, RecordKind

_FITS = 0.8  # share of values that must fit a field's type
_ENOUGH = 0.6  # how near a column must come to be mapped; farther ones are only named
_CLOSE = 0.002
_DOCUMENT_FIELDS = ("order_no", "work_order")
_NAMES_A_DOCUMENT = frozenset({"reference", "document", "code", "order", "name", "number"})
_SHOWN = 4

Columns = dict[str, ColumnEvidence]


@dataclass(frozen=True)
class Matches:
    """Fields → columns that are all but sure, how near each comes, and the columns that others may be, best first.

    `alike`: fields → further columns that name the same thing one to one, of which the first was taken.
    """

    columns: Columns
    nearness: dict[str, float]
    unsure: dict[str, tuple[ColumnEvidence, ...]] = field(default_factory=dict)
    alike: dict[str, tuple[ColumnEvidence, ...]] = field(default_factory=dict)


def match(kind: RecordKind, evidence: Sequence[ColumnEvidence], headers: Sequence[str], *, weak: bool) -> Matches:
    """Return which columns are which fields; `headers` as they are compared, `weak`: also what only stands in.

    What only stands in is a name for a code, or an `id` that does not say of what.
    """
    near = {
        (spec.name, column.position): score
        for spec in kind.fields
        for column, header in zip(evidence, headers, strict=True)
        if (score := _score(kind, spec, column, header)) >= PERHAPS - 0.1
        and fits(spec, column)
        and (column.unique or words_of(header) != ("reference",) or kind.name != "boms")  # designators name no line
    }
    chosen = _assigned(kind, evidence, near, least=NEUTRAL - 0.15, taken=set())
    if weak:
        own = _own_key(kind, evidence, near, chosen)
        if own is not None:
            left = {pair: score for pair, score in near.items() if pair[0] != kind.key[0]}
            chosen = _assigned(kind, evidence, left, least=NEUTRAL - 0.15, taken={own.position}) | {kind.key[0]: own}
        taken = {column.position for column in chosen.values()}
        stand_ins = {pair: score for pair, score in near.items() if pair[0] not in chosen}
        chosen |= _assigned(kind, evidence, stand_ins, least=_ENOUGH, taken=taken)
    unsure, alike = _doubts(kind, evidence, near, chosen)
    sure = {name: column for name, column in chosen.items() if name not in unsure}
    _names_beside_codes(kind, headers, sure, unsure)
    return Matches(sure, {name: near[name, column.position] for name, column in sure.items()}, unsure, alike)


def _own_key(
    kind: RecordKind, evidence: Sequence[ColumnEvidence], near: dict[tuple[str, int], float], chosen: Columns
) -> ColumnEvidence | None:
    """Return the column that stands in for the code of what a table lists, though it is its name or its SKU as well."""
    if len(kind.key) > 1 or kind.key[0] in chosen:
        return None
    rivals = [column for column in evidence if near.get((kind.key[0], column.position), 0) >= _ENOUGH and column.unique]
    return max(rivals, key=lambda column: near[kind.key[0], column.position], default=None)


def _assigned(
    kind: RecordKind,
    evidence: Sequence[ColumnEvidence],
    near: dict[tuple[str, int], float],
    *,
    least: float,
    taken: set[int],
) -> Columns:
    chosen: Columns = {}
    by_position = {column.position: column for column in evidence}
    required = set(kind.required)
    ranked = sorted(near.items(), key=lambda pair: (-pair[1], pair[0][0] not in required, pair[0][1]))
    for (name, position), score in ranked:
        if score >= least and name not in chosen and position not in taken:
            chosen[name] = by_position[position]
            taken.add(position)
    return chosen


def _score(kind: RecordKind, spec: Field, column: ColumnEvidence, header: str) -> float:
    score = nearness(header, spec.name, kind.name)
    if spec.name in _DOCUMENT_FIELDS and column.prefix:
        meant = set(meaning_of(words_of(header)))
        if column.prefix in prefixes_of("purchase_lines" if kind.name == "purchase_orders" else kind.name):
            if meant <= _NAMES_A_DOCUMENT or score >= PERHAPS:
                score = max(score, NEUTRAL)
        elif score and score <= STANDS_IN and _is_another_document(column.prefix):
            return 0.0  # SO-0001 is no purchase order
    return score


def _is_another_document(prefix: str) -> bool:
    return any(prefix in prefixes_of(kind) for kind in ("order_lines", "purchase_lines", "work_orders"))


def _doubts(
    kind: RecordKind, evidence: Sequence[ColumnEvidence], near: dict[tuple[str, int], float], chosen: Columns
) -> tuple[dict[str, tuple[ColumnEvidence, ...]], dict[str, tuple[ColumnEvidence, ...]]]:
    """Return the fields that two columns fit as well, or that no column fits well, with the columns."""
    taken = {column.position for column in chosen.values()}
    unsure: dict[str, tuple[ColumnEvidence, ...]] = {}
    alike: dict[str, tuple[ColumnEvidence, ...]] = {}
    for spec in kind.fields:
        free = [column for column in evidence if column.position not in taken and (spec.name, column.position) in near]
        free.sort(key=lambda column: -near[spec.name, column.position])
        picked = chosen.get(spec.name)
        if picked is None:
            if free:
                unsure[spec.name] = tuple(free[:_SHOWN])
            continue
        score = near[spec.name, picked.position]
        equals = [column for column in free if near[spec.name, column.position] >= score - _CLOSE]
        if equals and spec.type is FieldType.CODE and all(_may_be_one_to_one(picked, other) for other in equals):
            alike[spec.name] = tuple(equals)
        elif equals and spec.type is not FieldType.TEXT:
            unsure[spec.name] = (picked, *equals[: _SHOWN - 1])
    return unsure, alike


def _may_be_one_to_one(column: ColumnEvidence, other: ColumnEvidence) -> bool:
    return column.distinct == other.distinct and column.filled == other.filled


def _names_beside_codes(
    kind: RecordKind, headers: Sequence[str], sure: Columns, unsure: dict[str, tuple[ColumnEvidence, ...]]
) -> None:
    """Take back a name that would stand beside a code in one table: both ends of a link must be of one kind."""
    if kind.name not in ("boms", "successions"):
        return
    ends = [name for name in ("item", "component", "successor") if name in sure]
    if len(ends) < 2:
        return
    named = {name: "name" in meaning_of(words_of(headers[sure[name].position - 1])) for name in ends}
    if len(set(named.values())) > 1:
        for name in [name for name, is_name in named.items() if is_name]:
            unsure[name] = (sure.pop(name),)


def fits(spec: Field, column: ColumnEvidence) -> bool:
    """Say whether a column's values can be a field's; an empty column tells nothing and fits nothing."""
    if not column.filled or column.ruined:
        return False
    if spec.type in NUMERIC_TYPES or spec.type is FieldType.INTEGER:
        return column.numbers >= _FITS
    if spec.type is FieldType.DATE:
        return column.dates >= _FITS and not column.two_orders
    if spec.type is FieldType.FLAG:
        return column.flags
    if spec.choices:
        few = 0 < len(column.words) <= 20
        return few and (spec.required or any(our_word(word, spec.choices) for word in column.words))
    if spec.name in ("unit", "from_unit", "to_unit", "currency"):
        return column.numbers < _FITS and column.distinct <= 200
    return column.dates < _FITS or column.numbers >= _FITS
