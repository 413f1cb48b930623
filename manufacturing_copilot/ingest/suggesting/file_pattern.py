"""The pattern of the files to come, from the name of one: what changes from file to file becomes `*`."""

from __future__ import annotations

import re

_MONTHS = (
    "jan|feb|mar|mär|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez|january|february|march|april|june|july|august"
    "|september|october|november|december|januar|februar|märz|juni|juli|oktober|dezember"
)
_CHANGES = re.compile(
    rf"(?<![a-zäöü])(?:{_MONTHS})(?![a-zäöü])|(?<=\d)(?:{_MONTHS})(?![a-zäöü])|(?<=[a-z])(?:{_MONTHS})(?=\d)"
    r"|(?<![a-z])(?:kw|cw|wk|week|q)[-_ ]?\d+|\(\d+\)|\d[\d\-_.: T]*\d|\d",
    re.IGNORECASE,
)


def pattern_of(name: str, source: str) -> str:
    """Return the pattern of the files of a feed: orders_2026-10.csv is orders_*.csv in the source's inbox."""
    stem, dot, ending = _parted(name.rpartition("/")[2])
    parts = [re.sub(r"[\[\]?*]", "?", part) for part in _CHANGES.split(stem)]
    pattern = re.sub(r"\*[-_ .]*(?:\*[-_ .]*)+", "*", "*".join(parts))
    if "*" not in pattern:
        pattern += "*"
    letters = pattern.strip("*-_ .?")
    return f"inbox/{source}/{pattern if letters else stem_of_all(stem)}{dot}{ending}"


def stem_of_all(stem: str) -> str:
    """Return the pattern of a file whose name is nothing but a number: as many of them as there are."""
    return re.sub(r"\d+", "*", re.sub(r"[\[\]?*]", "?", stem)) or "*"


def _parted(name: str) -> tuple[str, str, str]:
    """Return stem and ending, both endings of a packed file."""
    found = re.match(r"^(.+?)((?:\.[A-Za-z][A-Za-z0-9]{0,7}){1,2})$", name)
    if found is None:
        return name, "", ""
    stem, endings = found.groups()
    kept = (
        endings if endings.count(".") == 1 or endings.lower().endswith((".gz", ".zip", ".bz2", ".zst", ".xz")) else ""
    )
    if not kept:
        first, _, last = name.rpartition(".")
        return first, ".", last
    return stem, ".", kept[1:]


def stem_of(name: str) -> str:
    """Return a file's name without folder and endings."""
    return _parted(name.rpartition("/")[2])[0]
