"""How people head their columns and name their files, as data, and how near a header comes to a field."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

import yaml

from manufacturing_copilot.ingest.suggesting.header_words import Words, meaning_of, words_of
from manufacturing_copilot.records import NUMERIC_TYPES, RECORD_KINDS, Field, FieldType
from manufacturing_copilot.site.plain_yaml import SiteLoader

SAME, MEANT, NEUTRAL, STANDS_IN, PERHAPS = 1.0, 0.97, 0.88, 0.68, 0.5
"""How near: the very words; words that mean the same; those and words that add nothing; what stands in where nothing
fits better; words of which one may change the meaning."""

_AT_MOST = {"~": STANDS_IN, "?": PERHAPS}
_ORDER = 0.004  # entries of a field stand in order of preference
_NAMES_A_THING = frozenset({"item", "supplier", "customer", "location", "order", "line", "component", "code"})
_MEASURES = frozenset({"date", "quantity", "price", "cost"})  # of a thing, whichever word comes first
_OF_THE_SYSTEM = frozenset({"modified", "updated", "changed"})
_NOISE = re.compile(
    r"^(\d+|v\d*|x|demo|test|data|export|list|table|report|all|new|final|copy|dump|extract|full|unclean|sample|mfg|fcst|raw"
    r"|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|january|february|march|april|june|july|august|september|october"
    r"|november|december|q\d|overview|liste|daten|detail|line|archive|history)$"
)


def without_common_words(headers: Sequence[str]) -> list[str]:
    """Return headers without the path that most of them begin with, as in fields.item and fields.quantity."""
    first = [header.partition(".")[0] for header in headers if "." in header]
    prefix = max(set(first), key=first.count, default="")
    if not prefix or first.count(prefix) < 3:
        return list(headers)
    return [header.removeprefix(f"{prefix}.") for header in headers]


def nearness(header: str, field: str, kind: str) -> float:
    """Return from 0 to 1 how well a header fits a field of a record kind, by its words alone."""
    return _nearness(words_of(header), field, kind)


@cache
def _nearness(words: Words, field_name: str, kind: str) -> float:
    if not words:
        return 0.0
    squeezed, meant = "".join(words), meaning_of(words)
    field, best = RECORD_KINDS[kind].field(field_name), 0.0
    for index, (entry, entry_meant, at_most) in enumerate(_headers(kind, field_name)):
        near = 0.0
        if squeezed == "".join(entry):
            near = SAME
        elif set(entry_meant) == set(meant):
            near = 0.0 if entry_meant[-1] != meant[-1] and _is_a_things(meant, field) else MEANT
        elif set(entry_meant) <= set(meant) and not _OF_THE_SYSTEM & set(meant):
            near = _with_others(meant, entry_meant, field, kind)
        if near:
            best = max(best, min(near, at_most) - _ORDER * index)
    return best


def _with_others(meant: Words, entry: Words, field: Field, kind: str) -> float:
    """Return how near a header comes that has other words beside those of an entry."""
    others = set(meant) - set(entry)
    if meant[-1] not in entry and _is_a_things(meant, field):
        return 0.0
    neutral = _neutral(kind) | _neutral_of(field)
    return NEUTRAL - 0.02 * len(others) if others <= neutral else PERHAPS


def _is_a_things(meant: Words, field: Field) -> bool:
    """Say whether a header names a thing, which is no number or day of it: a stock item is no stock."""
    return (
        meant[-1] in _NAMES_A_THING
        and not _MEASURES & set(meant)
        and field.type not in (FieldType.CODE, FieldType.TEXT)
    )


@cache
def _neutral_of(field: Field) -> frozenset[str]:
    if field.name in ("unit", "from_unit", "to_unit"):
        return frozenset({"code"}) | _neutral("of_units")
    if field.type is FieldType.CODE:
        return frozenset({"code"})
    if field.type in NUMERIC_TYPES:
        return _neutral("of_numbers") | ({"quantity"} if field.type is FieldType.QUANTITY else set())
    return frozenset({"date", "actual"}) if field.type is FieldType.DATE else frozenset()


def file_name_score(stem: str, kind: str) -> float:
    """Return from 0 to 1 how much a file's name says that its rows are of a kind: its last word that says anything."""
    return _file_name_scores(stem).get(kind, 0.0)


def names_something_else(stem: str, *, surely: bool = False) -> bool:
    """Say whether a file's name calls its rows something of which there is no record kind, such as customers.

    `surely`: in more than one word, as distribution order; a single one may be by the way, as in orders_store_12.
    """
    said = meaning_of(tuple(word for word in words_of(stem) if not _NOISE.match(word)))
    others = [entry for entry in _names_of_files()[""] if len(entry) > surely]
    return _file_name_scores(stem).get("", 0.0) > 0 and any(_ends_at(entry, said) is not None for entry in others)


@cache
def _file_name_scores(stem: str) -> dict[str, float]:
    """Return how much a file's name speaks for each kind; '' is what no kind is for."""
    said = meaning_of(tuple(word for word in words_of(stem) if not _NOISE.match(word)))
    scores: dict[str, float] = {}
    last = -1
    for kind, entries in _names_of_files().items():
        for entry in entries:
            at = _ends_at(entry, said)
            if at is not None:
                # of names that end at one word the longer one says more: purchase order is no order
                value = at + 0.1 * len(entry)
                scores[kind] = max(scores.get(kind, -1.0), value)
                last = max(last, at)
    best = max(scores.values(), default=0.0)
    return {
        kind: min(1.0, 0.7 + 0.1 * len(said)) if value == best else 0.1
        for kind, value in scores.items()
        if value >= last
    }


def _ends_at(entry: Words, said: Sequence[str]) -> int | None:
    for start in range(len(said) - len(entry), -1, -1):
        if tuple(said[start : start + len(entry)]) == entry:
            return start + len(entry) - 1
    return None


def our_word(text: str, choices: tuple[str, ...]) -> str | None:
    """Return which of a field's choices a source's word means, None where that is not known."""
    plain = " ".join(words_of(text))
    for choice in choices:
        if plain in (
            choice.replace("_", " "),
            *(" ".join(words_of(w)) for w in _vocabulary()["choices"].get(choice, ())),
        ):
            return choice
    return None


def means_nothing(text: str) -> bool:
    """Say whether a text is one of those that stand where no value is."""
    return text.strip().casefold() in _missing()


@cache
def prefixes_of(kind: str) -> frozenset[str]:
    """Return the letters that the numbers of a kind's documents begin with, as SO of SO-0001."""
    return frozenset(_vocabulary()["prefixes"].get(kind, ()))


@cache
def _missing() -> frozenset[str]:
    return frozenset(str(word).casefold() for word in _vocabulary()["missing"])


@cache
def _neutral(of: str) -> frozenset[str]:
    return frozenset(_vocabulary()["neutral"].get(of, ()))


@cache
def _headers(kind: str, field: str) -> tuple[tuple[Words, Words, float], ...]:
    """Return the headers of a field as words and what they mean, and how near each comes at most."""
    named = _vocabulary()["kinds"].get(kind, {}).get(field, ())
    entries = [(words_of(str(entry)), _AT_MOST.get(str(entry)[0], SAME)) for entry in (field, *named)]
    return tuple((words, meaning_of(words), at_most) for words, at_most in entries)


@cache
def _names_of_files() -> dict[str, tuple[Words, ...]]:
    """Return the names of files by kind, '' for what no kind is for."""
    named = {kind: entries for kind, entries in _vocabulary()["file_names"].items()} | {"": _vocabulary()["others"]}
    return {kind: tuple(meaning_of(words_of(str(entry))) for entry in entries) for kind, entries in named.items()}


@cache
def _vocabulary() -> dict[str, Any]:
    text = (resources.files(__package__) / "vocabulary.yaml").read_text(encoding="utf-8")
    return yaml.load(text, Loader=SiteLoader)  # a SafeLoader
