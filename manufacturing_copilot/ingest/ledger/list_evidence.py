"""Whether the files of a feed look like full lists: nearly all of a file's keys stand in the next one, few vanish."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import polars as pl
import sqlalchemy as sa

from manufacturing_copilot.ingest.ledger.full_lists import lists_of, named_by
from manufacturing_copilot.site import Feed
from manufacturing_copilot.site.holds import ABSENT, Holds
from manufacturing_copilot.store.tables import accepted

LISTS_LOOKED_AT, LISTS_AT_LEAST, KEYS_AT_LEAST = 4, 3, 10
REPEATED_AT_LEAST = 0.9
"""Share of a file's keys that the next one names again, where both are full lists."""
_SAYS_WHAT_ENDS = frozenset({"active", "discontinued_on", "status", "valid_to", "finished_on"})
"""Fields by which a system says itself that something has ended."""


@dataclass(frozen=True)
class ListEvidence:
    """`files` in a row, of which each names at least the share `repeated` of the one before; `vanished` keys in all."""

    files: int
    repeated: float
    vanished: int

    @property
    def sentence(self) -> str:
        """What was seen, and the key that says so."""
        are = "record was" if self.vanished == 1 else "records were"
        return (
            f"{self.files} files in a row each name {self.repeated:.0%} or more of what the one before named, and"
            f" {self.vanished:,} {are} left out: they look like full lists. Where they are, declare `holds: all`, and"
            " what a newer file leaves out has ended; else declare `holds: changes`."
        )


def evidence_of_lists(keys: Sequence[pl.Series]) -> ListEvidence | None:
    """Return what speaks for successive files being full lists, by their keys; None where too little does."""
    if len(keys) < LISTS_AT_LEAST or min(each.n_unique() for each in keys) < KEYS_AT_LEAST:
        return None
    shares, vanished = [], 0
    for earlier, later in pairwise(keys):
        before = earlier.unique()
        again = int(before.is_in(later.implode()).sum())
        shares.append(again / before.len())
        vanished += before.len() - again
    if min(shares) < REPEATED_AT_LEAST or not vanished:
        return None
    return ListEvidence(len(keys), min(shares), vanished)


def undeclared_lists(connection: sa.Connection, feed: Feed) -> ListEvidence | None:
    """Return what speaks for a feed's last files being full lists, where it does not say what they hold."""
    says_itself = _SAYS_WHAT_ENDS & feed.columns.keys()
    if feed.records not in ABSENT or "holds" in feed.model_fields_set or says_itself:
        return None
    lists = lists_of(connection, feed.feed, Holds.ALL)[-LISTS_LOOKED_AT:]
    as_list = feed.model_copy(update={"holds": Holds.ALL})
    evidence = evidence_of_lists([named_by(connection, as_list, each).rows["entity"] for each in lists])
    if evidence is None or _sends_zeros(connection, feed, [each.file_id for each in lists]):
        return None
    return evidence


def _sends_zeros(connection: sa.Connection, feed: Feed, files: list[int]) -> bool:
    """Whether a feed of counts names what is at zero: then it leaves out what it has nothing to say about."""
    if feed.records != "stock_levels":
        return False
    table = accepted["stock_levels"]
    zero = sa.exists().where(table.c.file_id.in_(files), table.c.on_hand == 0)
    return bool(connection.scalar(sa.select(zero)))
