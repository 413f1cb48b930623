"""How people head their columns and name their files, as data, and how near a header comes to a field."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import Any

import yaml

from manufacturing_copilot.site.plain_yaml import SiteLoader

Words = tuple[str, ...]

_CAMEL = re.compile(r"(?<=[a-zäöüß0-9])(?=[A-ZÄÖÜ])|(?<=[A-Z])(?=[A-Z][a-zäöü])|[\W_]+|(?<=[A-Za-z])(?=[0-9])")
_PLURALS = re.compile(r"(?<=[a-z]{3}[^su])s$")

_OF_A_CODE = frozenset({"id", "no", "nr", "key", "code", "number", "name", "ref"})
_OF_THE_SYSTEM = frozenset({"modified", "updated", "changed"})
_WEAK = 0.66


def words_of(text: str) -> Words:
    """Return the words of a header or a file's name, folded: 'OrderLineItems' is order, line, item."""
    parts = (part.casefold() for part in _CAMEL.split(text) if part)
    return tuple(_PLURALS.sub("", part) for part in parts)


def nearness(header: str, field: str, kind: str) -> float:
    """Return from 0 to 1 how well a header fits a field of a record kind, by its words alone."""
    words = words_of(header)
    if not words:
        return 0.0
    squeezed, best = "".join(words), 0.0
    for header_words, weak in _headers(kind, field):
        if squeezed == "".join(header_words):
            best = max(best, _WEAK if weak else 1.0)
        elif not weak and set(header_words) <= set(words) and _means(header_words, words):
            best = max(best, 0.5 + 0.4 * len(header_words) / len(words))
    return best


def _means(header_words: Words, words: Words) -> bool:
    """Whether the words that a header has beside the known ones only say more of the same: SupplierQuality is not."""
    return not _OF_THE_SYSTEM & set(words) and (words[-1] in header_words or words[-1] in _OF_A_CODE)


def file_name_score(stem: str, kind: str) -> float:
    """Return from 0 to 1 how much a file's name says that its rows are of a kind."""
    words = words_of(stem)
    squeezed = "".join(word for word in words if not word.isdigit())
    best = 0.0
    for name_words in _file_names(kind):
        joined = "".join(name_words)
        if squeezed == joined:
            return 1.0
        if set(name_words) <= set(words):
            best = max(best, 0.6 + 0.1 * len(name_words))
        elif len(joined) > 3 and joined in squeezed:
            best = max(best, 0.4 + 0.01 * len(joined))
    return best


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
    return text.strip().casefold() in {str(word).casefold() for word in _vocabulary()["missing"]}


@cache
def _headers(kind: str, field: str) -> tuple[tuple[Words, bool], ...]:
    """Return the headers of a field as words, and whether each is one that only stands in where nothing fits better."""
    named = _vocabulary()["kinds"].get(kind, {}).get(field, ())
    return tuple((words_of(str(entry)), str(entry).startswith("~")) for entry in (field, *named))


@cache
def _file_names(kind: str) -> tuple[Words, ...]:
    return tuple(words_of(str(entry)) for entry in _vocabulary()["file_names"].get(kind, ()))


@cache
def _vocabulary() -> dict[str, Any]:
    text = (resources.files(__package__) / "vocabulary.yaml").read_text(encoding="utf-8")
    return yaml.load(text, Loader=SiteLoader)  # a SafeLoader
