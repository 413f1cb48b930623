"""Columns that come and go: what a feed says about a file whose columns differ from those of earlier files.

The first file sets what the columns are; columns that the feed itself names are never news. A column that a feed
needs and that is gone stops the batch under every policy: that is told where columns are matched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.ingest.file_contract import FileFindings
from manufacturing_copilot.ingest.received import LINE, Received
from manufacturing_copilot.ingest.validation.headers import declared_columns, match_name
from manufacturing_copilot.site import ColumnSpec, Drift, Feed


def held_to_contract(received: Received, feed: Feed, file_name: str) -> Received:
    """Return the rows of a file with the columns that the feed's policy lets in.

    Its contract names the columns that earlier files had; where it names none, every column is let in.
    Raises BatchError, naming the column, where the feed is frozen and its columns have changed.
    """
    earlier = received.contract.columns
    if earlier is None or feed.drift is Drift.EVOLVE:
        return received
    names = [name for name in received.rows.columns if name != LINE]
    new = _new_columns(names, earlier, feed)
    if feed.drift is Drift.FREEZE:
        _refuse(new, _lost_columns(names, earlier, feed), feed, file_name)
        return received
    if not new:
        return received
    findings = replace(received.found, discarded_columns=tuple(new))
    return replace(received, rows=received.rows.drop(new), found=findings)


def drift_of(found: Sequence[FileFindings]) -> dict[str, list[str]]:
    """Return in what a batch's files differed from before: new, discarded and missing columns, and their encoding.

    `found`: what was found of each file. Empty where nothing differed.
    """
    named = {
        "new columns": [name for file in found for name in file.new_columns],
        "discarded columns": [name for file in found for name in file.discarded_columns],
        "missing columns": [name for file in found for name in file.missing_columns],
        "another encoding": [
            f"{file.encoding} after {file.earlier_encoding}" for file in found if file.earlier_encoding is not None
        ],
    }
    return {word: list(dict.fromkeys(names)) for word, names in named.items() if names}


def drift_in_words(drift: dict[str, list[str]]) -> str:
    """Return what `drift_of` gave, in words."""
    return "; ".join(f"{word}: {', '.join(map(repr, names))}" for word, names in drift.items())


def _new_columns(names: Sequence[str], earlier: Sequence[str], feed: Feed) -> list[str]:
    before = set(earlier)
    declared = declared_columns(names, feed)
    # A place within the columns there were says nothing about a new name that stands there now.
    ours = {
        column
        for field, column in declared.items()
        if not isinstance(place := _spec(feed, field).column, int) or place > len(earlier)
    }
    return [name for name in names if name not in before and name not in ours]


def _spec(feed: Feed, field: str) -> ColumnSpec:
    return feed.columns.get(field, ColumnSpec(column="-"))  # the column of a sign has no field of its own


def _lost_columns(names: Sequence[str], earlier: Sequence[str], feed: Feed) -> list[str]:
    declared = declared_columns(names, feed)
    absent = [spec.column for field, spec in feed.columns.items() if spec.optional and field not in declared]
    return [column for column in absent if isinstance(column, str) and match_name(list(earlier), column) is not None]


def _refuse(new: list[str], lost: list[str], feed: Feed, file_name: str) -> None:
    if not new and not lost:
        return
    parts = [f"the column {name!r} is new" for name in new] + [f"the column {name!r} is missing" for name in lost]
    raise BatchError(
        f"{file_name}: {', '.join(parts)}, and {feed.feed} says drift: freeze; correct the export, or let the feed"
        " evolve with drift: evolve"
    )
