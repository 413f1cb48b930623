"""Suggesting a feed for a file: what system it comes from, what its rows are, and which column is which field.

A known system is told by its header; else the kind and the columns are guessed from names and values. Every guess
keeps its evidence, so that a person can judge it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from manufacturing_copilot.errors import BatchError, SiteError
from manufacturing_copilot.ingest.reading import read_file
from manufacturing_copilot.ingest.received import Received
from manufacturing_copilot.ingest.suggesting.column_profile import ColumnEvidence, evidence_of
from manufacturing_copilot.ingest.suggesting.field_matching import Columns, Matches, fits, match
from manufacturing_copilot.ingest.suggesting.file_pattern import pattern_of, stem_of
from manufacturing_copilot.ingest.suggesting.header_words import words_of
from manufacturing_copilot.ingest.suggesting.kind_choice import Choice, choose_kind
from manufacturing_copilot.ingest.suggesting.natural_keys import Key, key_of
from manufacturing_copilot.ingest.suggesting.profiles import Recognised, recognise
from manufacturing_copilot.ingest.suggesting.profiles.model import ProfileColumn, folded
from manufacturing_copilot.ingest.suggesting.row_kinds import kinds_of_rows
from manufacturing_copilot.ingest.suggesting.table_shape import names_of, read_table
from manufacturing_copilot.ingest.suggesting.vocabulary import file_name_score, without_common_words
from manufacturing_copilot.records import RECORD_KINDS, RecordKind
from manufacturing_copilot.site import FileFormat
from manufacturing_copilot.site.feeds import SOURCE_NAME
from manufacturing_copilot.site.yaml_documents import did_you_mean

_FILLED = 0.75  # share of rows that must have what every record needs
_TIE = 0.12  # scores so near to the best that the file's name may decide


@dataclass(frozen=True)
class Suggestion:
    """A feed for a file, as far as the file shows it.

    `columns`: field → evidence of the column it is read from. `profiled`: what a system's profile adds to a field.
    `missing`: fields that the kind needs and no column looks like. `recognised`: the system, None where the header
    is no known one's. `format`: what has to be said about the file, as detection alone would read it wrongly.
    `kind_is_sure`: whether several columns argue for the kind; where they do not, no field has a column. `why`: what
    argues for it, or what is in doubt, with `other_kinds` that fit nearly as well. `unsure`: fields → columns that may
    be theirs; `alike`: columns that name the same things one to one as the one that was taken.
    `kinds`: where rows of several kinds stand in one file, the column that tells them and how many rows each has.
    """

    source: str
    name: str
    kind: RecordKind
    files: str
    format: FileFormat
    received: Received
    evidence: tuple[ColumnEvidence, ...]
    columns: dict[str, ColumnEvidence]
    missing: tuple[str, ...]
    constants: dict[str, str]
    key: Key
    kind_is_sure: bool = True
    why: str = ""
    unsure: dict[str, tuple[ColumnEvidence, ...]] = field(default_factory=dict)
    alike: dict[str, tuple[ColumnEvidence, ...]] = field(default_factory=dict)
    other_kinds: tuple[str, ...] = ()
    kinds: tuple[str, dict[str, int]] | None = None
    recognised: Recognised | None = None
    profiled: dict[str, ProfileColumn] = field(default_factory=dict)


def suggest(
    content: bytes,
    name: str,
    *,
    source: str | None = None,
    records: str | None = None,
    sheet: str | None = None,
    only: Mapping[str, str] | None = None,
) -> Suggestion:
    """Return a feed for a file; `name` is the file's own, all else what a person says about it.

    `sheet` is that of a workbook, `only` which rows are meant: column → text. Raises BatchError where the file cannot
    be read or has no columns, SiteError where `source` is no name for a source or `records` no record kind.
    """
    if source is not None and not SOURCE_NAME.match(source):
        raise SiteError(f"found the source {source!r}, expected lower-case letters, digits and _, such as erp")
    if records is not None and records not in RECORD_KINDS:
        hint = did_you_mean(records, RECORD_KINDS)
        raise SiteError(f"found the records {records!r}, expected one of {', '.join(RECORD_KINDS)}{hint}")
    plain = FileFormat(sheet=sheet, only={column: (text,) for column, text in (only or {}).items()})
    format, received = read_table(content, name, plain)
    evidence = tuple(evidence_of(received))
    if not evidence:
        raise BatchError(f"{name}: the file has no columns; expected a table with a header")
    stem = " ".join(only.values()) if only else stem_of(name)
    recognised = _recognised([column.name for column in evidence], records, stem, table=stem if only else "")
    if recognised is not None:
        format, received = _as_the_system_writes(content, name, format, received, recognised)
        evidence = tuple(evidence_of(received))
    kinds = kinds_of_rows(received) if not format.only else None
    choice = _choice(evidence, stem, records, recognised)
    if kinds is not None and records is None:
        choice = replace(choice, sure=False, why="its rows are of several kinds")
    kind, columns, unsure = choice.kind, dict(choice.matches.columns), dict(choice.matches.unsure)
    for needed in kind.required:
        if needed in columns and columns[needed].filled < _FILLED * columns[needed].rows:
            unsure[needed] = (columns.pop(needed),)  # rows without it would all be rejected
    if not choice.sure:
        # Of a kind that is not sure no column is mapped, only named.
        unsure = {name: (column,) for name, column in columns.items()} | unsure
        columns = {}
    constants = _constants(kind, columns, unsure, stem) if choice.sure else {}
    if kind.name == "order_lines" and "ordered_on" not in columns and "requested_on" in columns:
        columns["ordered_on"] = columns["requested_on"]  # the day wanted stands in for a day that the file has not
        unsure.pop("ordered_on", None)
    missing = tuple(required for required in kind.required if required not in columns and required not in constants)
    if choice.sure:
        unsure |= _by_values(kind, evidence, columns, unsure, missing)
    source = source or (recognised.profile.profile if recognised else "erp")
    return Suggestion(
        source=source,
        name=kind.name,
        kind=kind,
        files=pattern_of(name, source),
        format=format,
        received=received,
        evidence=evidence,
        columns={field.name: columns[field.name] for field in kind.fields if field.name in columns},
        missing=missing,
        constants=constants,
        key=key_of(received.rows, kind, columns),
        kind_is_sure=choice.sure,
        why=choice.why,
        unsure={name: found for name, found in unsure.items() if name not in columns and name not in constants},
        alike=choice.matches.alike,
        other_kinds=choice.next_best,
        kinds=kinds,
        recognised=recognised,
        profiled={name: recognised.table.columns[name] for name in recognised.columns if name in columns}
        if recognised
        else {},
    )


def _choice(
    evidence: Sequence[ColumnEvidence], stem: str, records: str | None, recognised: Recognised | None
) -> Choice:
    """Return the record kind and the columns of its fields: by the system's profile, as a person says, or argued."""
    headers = without_common_words([column.name for column in evidence])
    if recognised is not None:
        kind = RECORD_KINDS[recognised.table.records]
        named = {column.name: column for column in evidence}
        # A column that is empty tells nothing: it is named, not mapped.
        own = {name: named[header] for name, header in recognised.columns.items() if named[header].filled}
        others = match(
            kind, [c for c in evidence if c not in own.values()], _headers_without(evidence, headers, own), weak=False
        )
        further = {name: column for name, column in others.columns.items() if name not in recognised.table.columns}
        unsure = {name: found for name, found in others.unsure.items() if name not in recognised.table.columns}
        return Choice(kind, Matches({**further, **own}, {}, unsure), True, "")
    if records is not None:
        kind = RECORD_KINDS[records]
        return Choice(kind, match(kind, evidence, headers, weak=True), True, "")
    return choose_kind(evidence, stem)


def _headers_without(evidence: Sequence[ColumnEvidence], headers: Sequence[str], taken: Columns) -> list[str]:
    return [header for column, header in zip(evidence, headers, strict=True) if column not in taken.values()]


def _by_values(
    kind: RecordKind,
    evidence: Sequence[ColumnEvidence],
    columns: Columns,
    unsure: Mapping[str, tuple[ColumnEvidence, ...]],
    missing: Sequence[str],
) -> dict[str, tuple[ColumnEvidence, ...]]:
    """Return for fields that are needed still the columns that could be theirs by their values alone."""
    taken = {column.position for column in columns.values()}
    free = [column for column in evidence if column.position not in taken]
    found = {}
    for name in missing:
        if name not in unsure:
            found[name] = tuple(column for column in free if fits(kind.field(name), column))[:4]
    return {name: columns for name, columns in found.items() if columns}


def _as_the_system_writes(
    content: bytes, name: str, format: FileFormat, received: Received, recognised: Recognised
) -> tuple[FileFormat, Received]:
    """Return the format with what the system's profile says of its rows, and the rows that it leaves."""
    table = recognised.table
    names = {folded(header): header for header in names_of(received)}
    only = {names[folded(column)]: texts for column, texts in table.only.items() if folded(column) in names}
    settings: dict[str, Any] = {"totals": table.totals, "headings": table.headings, "only": only}
    settings = {key: value for key, value in settings.items() if value}
    if not settings:
        return format, received
    fitting = format.model_copy(update=settings)
    remaining = read_file(content, name, fitting)
    return (fitting, remaining) if remaining.rows.height else (format, received)


def _recognised(names: list[str], records: str | None, stem: str, *, table: str) -> Recognised | None:
    candidates = recognise(names, records)
    if "." in table:
        # rows that name their own table, as stock.inventory.line does, are of no other
        candidates = [one for one in candidates if "." not in one.table.table or table in one.table.table.split()]
    if not candidates:
        return None
    tied = [candidate for candidate in candidates if candidate.score >= candidates[0].score - _TIE]
    return max(tied, key=lambda candidate: (file_name_score(stem, candidate.table.records), candidate.score))


def _constants(
    kind: RecordKind, columns: Columns, unsure: Mapping[str, tuple[ColumnEvidence, ...]], stem: str
) -> dict[str, str]:
    """Return values that hold for every row where the file has no column: what its name or its nature says."""
    constants = {}
    if kind.name == "order_lines" and "order_no" not in columns and "order_no" not in unsure:
        constants["order_no"] = "-"
    if kind.name == "stock_movements" and "movement" not in columns and "movement" not in unsure:
        returns = "return" in words_of(stem)
        sales = file_name_score(stem, "order_lines") > 0
        if returns or sales:
            constants["movement"] = "sales_return" if returns else "sale"
    return constants
