"""The words of a header, and what they mean whatever language and system they come from."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib import resources

import yaml

from manufacturing_copilot.site.plain_yaml import SiteLoader

Words = tuple[str, ...]

_CAMEL = re.compile(r"(?<=[a-zß0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[\W_]+|(?<=[A-Za-z])(?=[0-9])")
_PLURALS = re.compile(r"(?<=[a-z]{3}[^sui])s$")
_LINKS = ("", "s", "n", "en", "es", "e", "er")  # what stands between the parts of a German or Dutch compound
_LONGEST = 80
"""Characters of a header that are looked at: what is longer is no header."""


def words_of(text: str) -> Words:
    """Return the words of a header or a file's name, folded: 'OrderLineItems' is order, line, item."""
    parts = (part.casefold() for part in _CAMEL.split(_without_accents(text[:_LONGEST])) if part)
    return tuple(_PLURALS.sub("", part) for part in parts)


@cache
def meaning_of(words: Words) -> Words:
    """Return the words in our language: translated, compounds taken apart, fillers left out."""
    meant = [ours for word in words for ours in _translated(word)]
    return tuple(dict.fromkeys(word for word in meant if word not in _fillers())) or words


def _without_accents(text: str) -> str:
    apart = unicodedata.normalize("NFKD", text)
    return "".join(char for char in apart if not unicodedata.combining(char))


def _translated(word: str) -> Words:
    known = _lexicon().get(word)
    if known is not None:
        return (known,)
    return _parts(word) or (word,)


@cache
def _parts(word: str) -> Words:
    """Return what the parts of a compound mean, nothing where it is none."""
    lexicon = _lexicon()
    for length in range(len(word) - 2, 2, -1):
        first = lexicon.get(word[:length])
        if first is None:
            continue
        for link in _LINKS:
            rest = word[length + len(link) :] if word[length:].startswith(link) else ""
            if len(rest) < 2:
                continue
            if rest in lexicon:
                return first, lexicon[rest]
            further = _parts(rest)
            if further:
                return first, *further
    return ()


@cache
def _lexicon() -> dict[str, str]:
    """Return every word that is known → ours."""
    ours: dict[str, str] = {}
    for key, words in _entries().items():
        for word in words:
            # without accents two words may be one (commande, commandé): the first that is listed holds
            ours.setdefault("".join(words_of(str(word))), key)
    return ours | {key: key for key in _entries()}


@cache
def _fillers() -> frozenset[str]:
    return frozenset("".join(words_of(str(word))) for word in _file()["neutral"])


@cache
def _entries() -> dict[str, list[str]]:
    return {key: words for key, words in _file().items() if key != "neutral"}


@cache
def _file() -> dict[str, list[str]]:
    text = (resources.files(__package__) / "lexicon.yaml").read_text(encoding="utf-8")
    loaded: dict[str, list[str]] = yaml.load(text, Loader=SiteLoader)  # a SafeLoader
    return loaded
