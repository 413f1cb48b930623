"""Which system's export a file is, by the fingerprint of its header."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from manufacturing_copilot.ingest.suggesting.profiles.model import (
    Profile,
    ProfileTable,
    common_headers,
    folded,
    load_profiles,
)
from manufacturing_copilot.records import RECORD_KINDS

DISTINCTIVE_AT_LEAST = 2
"""So many headers that only one system has must be there: a single one may be chance."""

SCORE_AT_LEAST = 0.5
_ALL_BUT_SURE = 0.95
"""A small table may have only one header of its own; then all the others must fit."""


@dataclass(frozen=True)
class Recognised:
    """A file's header beside one table of a profile.

    `score`: 0 to 1: 0.6 for the share of the file's columns that the table knows, 0.4 for the share of what the
    table's kind needs that the file has. `distinctive`: the file's columns that no other system has. `columns`:
    field → the file's column.
    """

    profile: Profile
    table: ProfileTable
    score: float
    distinctive: tuple[str, ...]
    columns: dict[str, str]

    @property
    def missing(self) -> tuple[str, ...]:
        """The fields that records of this kind need and the file has no column for."""
        return tuple(name for name in RECORD_KINDS[self.table.records].required if name not in self.columns)


def recognise(columns: Sequence[str], records: str | None = None) -> list[Recognised]:
    """Return the tables whose export the columns may be, best first; of one record kind where it is given.

    Empty where the header is no known system's.
    """
    matches = []
    for profile in load_profiles():
        for table in profile.tables:
            if records is None or table.records == records:
                beside = _beside(columns, profile, table)
                least = SCORE_AT_LEAST if len(beside.distinctive) >= DISTINCTIVE_AT_LEAST else _ALL_BUT_SURE
                if beside.distinctive and beside.score >= least:
                    matches.append(beside)
    return sorted(matches, key=_rank, reverse=True)


def _rank(match: Recognised) -> tuple[float, int, int]:
    return round(match.score, 2), len(match.columns), len(match.distinctive)


def _beside(columns: Sequence[str], profile: Profile, table: ProfileTable) -> Recognised:
    named: dict[str, str] = {}
    for column in columns:
        named.setdefault(folded(column), column)
    mapped: dict[str, str] = {}
    scaled = any(folded(h) in named for spec in table.columns.values() for h in spec.factor_headers)
    for field, spec in table.columns.items():
        taken = set(mapped.values())
        headers = spec.headers if scaled else (*spec.headers, *spec.unscaled)
        header = next((h for h in map(folded, headers) if h in named and named[h] not in taken), None)
        if header is not None:
            mapped[field] = named[header]
    of_table, distinct = table.headers, _distinctive(profile.profile)
    listed = [column for header, column in named.items() if header in of_table]
    distinctive = tuple(named[h] for h in named if h in of_table and h in distinct)
    required = RECORD_KINDS[table.records].required
    needed = sum(name in mapped for name in required) / len(required)
    score = 0.6 * len(listed) / max(len(columns), 1) + 0.4 * needed
    return Recognised(profile, table, score, distinctive, mapped)


@cache
def _distinctive(name: str) -> frozenset[str]:
    """Return the headers that this system has and no other, and that are no everyday words."""
    of = {
        profile.profile: frozenset().union(*(table.headers for table in profile.tables)) for profile in load_profiles()
    }
    others = frozenset().union(*(headers for other, headers in of.items() if other != name))
    return of[name] - others - common_headers()
