"""Writing a suggested feed as YAML, with the evidence for each guess beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping

import polars as pl
import yaml

from manufacturing_copilot.ingest.received import LINE
from manufacturing_copilot.ingest.suggesting.column_profile import WIDEST, ColumnEvidence
from manufacturing_copilot.ingest.suggesting.profiles.model import ProfileColumn, folded
from manufacturing_copilot.ingest.suggesting.suggest import Suggestion
from manufacturing_copilot.ingest.suggesting.vocabulary import our_word
from manufacturing_copilot.ingest.validation.casts.numbers import in_days
from manufacturing_copilot.ingest.validation.casts.words import ANY_OTHER
from manufacturing_copilot.records import NUMERIC_TYPES, Field, FieldType

UNKNOWN = "?"
"""The header that stands for a column nobody has found yet: the feed loads, its files are refused until it is named."""

_UNUSED_SHOWN = 60
_PLAIN = re.compile(r"^[A-Za-zÄÖÜäöüß_][\wÄÖÜäöüß ./()-]*[\wÄÖÜäöüß)]$|^[A-Za-z]$")
_WORDS_OF_YAML = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


def draft(suggestion: Suggestion, file_name: str) -> str:
    """Return the YAML of a suggested feed, with the evidence for each guess as a comment."""
    lines = [f"# {_comment(line)}" for line in _opening(suggestion, file_name)]
    lines += ["", f"feed: {suggestion.source}/{suggestion.name}"]
    lines.append(f"records: {suggestion.kind.name}{_beside(_why_kind(suggestion))}")
    lines.append(f"files: {_scalar(suggestion.files)}")
    declared = suggestion.format.model_dump(exclude_defaults=True)
    if declared:
        lines.append(f"format: {_flow(declared)}{_beside('detection alone would read the file otherwise')}")
    lines += _key_lines(suggestion)
    lines.append("columns:")
    width = max((len(name) for name in suggestion.kind.field_names), default=0)
    lines += [line for field in suggestion.kind.fields for line in _column_lines(suggestion, field, width)]
    mapped = {column.position for column in suggestion.columns.values()}
    unused = [column for column in suggestion.evidence if column.position not in mapped]
    if unused:
        lines += ["", "# Kept as received, read by nothing:"]
        lines += [f"#   {_comment(f'{column.name!r}: {column}')}" for column in unused[:_UNUSED_SHOWN]]
        lines += [f"#   and {len(unused) - _UNUSED_SHOWN} more"] if len(unused) > _UNUSED_SHOWN else []
    return "\n".join(lines) + "\n"


def _opening(suggestion: Suggestion, file_name: str) -> list[str]:
    findings = suggestion.received.found
    detected = (
        ("element", findings.element),
        ("sheet", findings.sheet),
        ("encoding", findings.encoding),
        ("delimiter", findings.delimiter),
    )
    settings = [f"{key} {value!r}" for key, value in detected if value]
    rows = suggestion.received.rows.height
    format_in_words = ", ".join([str(findings.type), *settings])
    lines = [f"Drafted from {file_name}: {rows:,} rows, {_width(suggestion):,} columns, {format_in_words}."]
    bad = suggestion.received.bad_lines.height
    if bad:
        lines.append(f"{bad:,} lines of it are no rows and would be rejected.")
    recognised = suggestion.recognised
    if recognised is not None:
        lines.append(f"{recognised.profile.name}, {recognised.table.table}: told by {_some(recognised.distinctive)}.")
        notes = [recognised.table.note, *recognised.profile.notes]
        lines += [f"Mind: {note}" for note in notes if note]
    elif suggestion.kind_is_sure:
        lines.append("No known system: the kind and the columns are told by names and values. Go through them.")
    else:
        lines += _not_sure(suggestion)
    lines += _warnings(suggestion)
    if suggestion.missing and suggestion.kind_is_sure:
        lines.append(f'NOT READY: nothing in the file is surely {", ".join(suggestion.missing)}; see "?" below.')
    return lines


def _not_sure(suggestion: Suggestion) -> list[str]:
    """Return what is said of a file whose rows may be anything."""
    kinds = [suggestion.kind.name, *suggestion.other_kinds]
    return [
        f"NOT READY, and not sure what its rows are: {suggestion.why}.",
        f"Nearest are {', '.join(kinds)} (docs/records.md); say which with --records, or leave the file alone.",
    ]


def _warnings(suggestion: Suggestion) -> list[str]:
    """Return what a person should know before anything else."""
    findings, lines = suggestion.received.found, []
    ruined = [repr(column.name) for column in suggestion.evidence if column.ruined]
    if ruined:
        lines.append(f"RUINED by a spreadsheet: {_some(tuple(ruined))}. Export again before you use this feed.")
    others = [sheet for sheet in findings.sheets if sheet != findings.sheet]
    if others:
        lines.append(f"Other sheets, each a feed of its own (--sheet): {_some(tuple(map(repr, others)))}.")
    if suggestion.kinds is not None:
        column, counts = suggestion.kinds
        each = _some(tuple(f"{word} ({rows:,})" for word, rows in counts.items()))
        lines.append(f"Rows of several kinds: {column!r} is {each}.")
        lines.append(f"Draft a feed for each that matters, as with --only {column}={next(iter(counts))}.")
    if _width(suggestion) > WIDEST:
        lines.append(f"Only the first {len(suggestion.evidence)} columns were looked at. Turn periods into rows.")
    return lines


def _width(suggestion: Suggestion) -> int:
    return len([name for name in suggestion.received.rows.columns if name != LINE])


def _why_kind(suggestion: Suggestion) -> str:
    if suggestion.recognised is not None:
        return f"the header fits by {suggestion.recognised.score:.0%}"
    return f"{suggestion.kind.meaning}; told by {suggestion.why}" if suggestion.why else suggestion.kind.meaning


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:6]) + (", …" if len(names) > 6 else "")


def _key_lines(suggestion: Suggestion) -> list[str]:
    key = suggestion.key
    if key.repeating:
        mind = f"{key.repeating:,} rows repeat the key of another: add what tells them apart"
        asked = "or say sum, for parts of one record, or last, for versions of it"
        return [
            f"key: [{', '.join(key.fields)}]{_beside(mind)}",
            "repeats: update",
            f"same_key: ask{_beside(asked)}",
        ]
    if key.fields:
        share = "every row" if key.unique == 1 else f"{key.unique:.2%} of the rows"
        return [
            f"key: [{', '.join(key.fields)}]{_beside(f'{share} of the file has one of its own')}",
            "repeats: update",
        ]
    near = f" (at best {key.unique:.1%} of the rows have a key of their own)" if key.unique else ""
    why = f"no columns name the rows{near}: rows sent again in another file count twice"
    return [f"repeats: keep{_beside(why)}"]


def _column_lines(suggestion: Suggestion, field: Field, width: int) -> list[str]:
    column = suggestion.columns.get(field.name)
    label = f"  {field.name}:"
    if column is None:
        if field.name in suggestion.constants:
            why = "the file has no such column; the same for every row"
            return [f"{label} {{constant: {_scalar(suggestion.constants[field.name])}}}{_beside(why)}"]
        if field.name in suggestion.missing:
            what = "header" if suggestion.format.header is not False else "column's place, from 1,"
            perhaps = _perhaps(suggestion, field)
            why = f"{perhaps or 'nothing looks like ' + field.meaning}: put the {what} here, or constant:"
            return [f'{label} "{UNKNOWN}"{_beside(why)}']
        perhaps = _perhaps(suggestion, field)
        return [f"  # {field.name}: {_comment(perhaps)}"] if perhaps else []
    spec, remarks = _spec(suggestion, field, column)
    if suggestion.alike.get(field.name):
        others = " and ".join(repr(other.name) for other in suggestion.alike[field.name])
        remarks.append(f"{others} may name the same, one to one: take what other files use")
    if field.name == "ordered_on" and column == suggestion.columns.get("requested_on"):
        remarks.append("the file has no order day: the day wanted stands in")
    headed = suggestion.format.header is not False
    where = column.name if headed else column.position
    short = _scalar(where) if not spec else _flow({"column": where, **spec})
    example = f"'{column.name}': {column}" if headed else f"{column}"
    return [f"{label.ljust(width + 4)}{short}{_beside('; '.join([example, *remarks]))}"]


def _perhaps(suggestion: Suggestion, field: Field) -> str:
    """Return which columns a field may be read from, where that is not sure; '' where none is near."""
    columns = suggestion.unsure.get(field.name, ())
    if not columns:
        return ""
    headed = suggestion.format.header is not False
    named = [f"'{column.name}' ({column})" if headed else f"column {column.position} ({column})" for column in columns]
    return f"not sure; it may be {' or '.join(named)}"


def _spec(suggestion: Suggestion, field: Field, column: ColumnEvidence) -> tuple[dict[str, object], list[str]]:
    """Return what has to be said about a column beside its header, and remarks for the reader."""
    spec: dict[str, object] = {}
    remarks: list[str] = []
    profile = suggestion.profiled.get(field.name)
    if column.nothing:
        spec["missing"] = sorted(column.nothing)
    if field.type in NUMERIC_TYPES or field.type is FieldType.INTEGER:
        if column.mark and suggestion.received.found.type == "csv":
            spec["decimal"] = column.mark
        elif column.open_mark:
            remarks.append("add decimal: '.' or decimal: ',', the numbers do not tell")
        texts = pl.Series(column.words, dtype=pl.String)
        if field.type is FieldType.INTEGER and (in_days(texts) != texts).any():
            remarks.append("date formulas are read as days, a month as 30")
        if profile is not None:
            spec |= _beside_the_number(suggestion, profile)
    elif field.type is FieldType.DATE:
        if column.order is not None:
            spec["dates"] = column.order.value
        elif column.either:
            remarks.append("add dates: day-first or dates: month-first")
        elif column.two_orders:
            remarks.append("two orders of dates in one column: the export must be mended")
    values = _values(field, column, profile.values if profile is not None else {})
    if values:
        spec["values"] = values
    if values or field.choices:
        unknown = [word for word in column.words if ANY_OTHER not in values and not _known(word, values, field)]
        if unknown:
            remarks.append(f"say under values: what these mean: {', '.join(unknown[:6])}")
    if profile is not None and profile.default is not None:
        spec["default"] = profile.default
    return spec, remarks


def _values(field: Field, column: ColumnEvidence, profiled: Mapping[str, str]) -> dict[str, str]:
    if profiled or not field.choices:
        return dict(profiled)
    meant = {word: our_word(word, field.choices) for word in column.words}
    return {word: ours for word, ours in meant.items() if ours is not None and word.casefold() != ours}


def _known(word: str, values: Mapping[str, str], field: Field) -> bool:
    listed = {source_word.casefold() for source_word in values}
    return word.casefold() in listed or word.casefold().replace(" ", "_").replace("-", "_") in field.choices


def _beside_the_number(suggestion: Suggestion, profile: ProfileColumn) -> dict[str, object]:
    """Return the sign and the factors of a number, as far as the file has their columns."""
    named = {folded(column.name): column.name for column in suggestion.evidence}
    spec: dict[str, object] = {}
    sign = profile.negative_where
    if sign is not None and folded(sign.column) in named:
        spec["negative_where"] = {"column": named[folded(sign.column)], "holds": list(sign.holds)}
    for key, factors in (("times", profile.times), ("divided_by", profile.divided_by)):
        present = [value for factor in factors if (value := _factor(factor, named)) is not None]
        if present:
            spec[key] = present if len(present) > 1 else present[0]
    return spec


def _factor(factor: tuple[str, ...] | float, named: Mapping[str, str]) -> str | float | None:
    if isinstance(factor, tuple):
        return next((named[folded(header)] for header in factor if folded(header) in named), None)
    return int(factor) if float(factor).is_integer() else factor


def _flow(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(key)}: {_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_flow(inner) for inner in value) + "]"
    return _scalar(value)


def _scalar(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    text = str(value)
    if _PLAIN.match(text) and text.casefold() not in _WORDS_OF_YAML:
        return text
    dumped = yaml.safe_dump(text, default_style='"', allow_unicode=True, width=float("inf"))
    return str(dumped).removesuffix("\n")


def _beside(text: str) -> str:
    return f"  # {_comment(text)}" if text else ""


def _comment(text: str) -> str:
    plain = "".join(char if char.isprintable() else " " for char in text)
    return plain if len(plain) <= 240 else plain[:239] + "…"
