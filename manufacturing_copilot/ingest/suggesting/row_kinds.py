"""Whether the rows of a file are of several kinds, as in fixtures: each kind fills columns of its own."""

from __future__ import annotations

import polars as pl

from manufacturing_copilot.ingest.received import LINE, Received

_MOST_KINDS = 40
_LOOKED_AT = 3  # the column that tells stands among the first
_WIDEST = 400  # columns that are looked at
_SPARSE = 3  # columns that some kinds fill and others leave empty, at least


def kinds_of_rows(received: Received) -> tuple[str, dict[str, int]] | None:
    """Return the column that tells kinds of rows apart and how many rows each has, None where all are of one kind.

    Such a column is always filled, holds few words, and for most other columns that are not always filled each word
    says whether they are.
    """
    rows = received.rows.drop(LINE)
    rows = rows.select(rows.columns[:_WIDEST])
    if rows.height < 2 or rows.width < _SPARSE + 1:
        return None
    filled = rows.select(pl.all().is_not_null() & (pl.all() != ""))
    sparse = [name for name in rows.columns if not filled[name].all() and filled[name].any()]
    if len(sparse) < _SPARSE:
        return None
    for name in rows.columns[:_LOOKED_AT]:
        words = rows[name].n_unique()
        if name in sparse or not 2 <= words <= _MOST_KINDS or words > rows.height / 2:
            continue
        shares = filled.select(sparse).with_columns(rows[name].alias(LINE)).group_by(LINE).agg(pl.all().mean())
        decided = [(shares[column].is_between(0.05, 0.95)).sum() == 0 for column in sparse]
        if sum(decided) >= 0.5 * len(sparse):
            return name, dict(rows[name].alias("word").value_counts(sort=True).rows())
    return None
