"""Which fields name a record of a file: found by trying, on the rows themselves."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from manufacturing_copilot.ingest.suggesting.column_profile import ColumnEvidence
from manufacturing_copilot.records import FieldType, RecordKind

EVENTS = frozenset(
    {"stock_movements", "order_lines", "purchase_lines", "purchase_returns", "receipts", "work_orders", "inspections"}
)
"""Kinds whose rows happen: two rows that are alike may be two events."""

_NAMES = 0.995
"""Share of rows with a key of their own from which a key names records: a few rows of an export may repeat."""


@dataclass(frozen=True)
class Key:
    """The fields of a key, empty where the rows have none; `unique`: the share of rows that have one of their own.

    `repeating`: how many rows repeat the key of another, where a kind that states what is needs its key all the same.
    """

    fields: tuple[str, ...]
    unique: float
    repeating: int = 0


def key_of(rows: pl.DataFrame, kind: RecordKind, columns: dict[str, ColumnEvidence]) -> Key:
    """Return the shortest key that names the rows: the kind's own, or that and further fields, or none."""
    own = [name for name in kind.key if name in columns]
    if rows.is_empty():
        return Key(tuple(own), 1.0)
    best = Key((), 0.0)
    for fields in _candidates(own, kind, columns):
        names = list(dict.fromkeys(columns[name].name for name in fields))
        share = rows.select(pl.struct(names).n_unique()).item() / rows.height
        # The kind's own key may repeat in a few rows of an export; a longer one that was only tried must not.
        if share >= (_NAMES if fields == own and len(own) == len(kind.key) else 1.0):
            return Key(tuple(fields), share)
        best = max(best, Key(tuple(fields), share), key=lambda key: key.unique)
    if kind.name not in EVENTS and own:
        # What states how things are is never kept twice: a list sent again would count each of its rows once more.
        names = list(dict.fromkeys(columns[name].name for name in own))
        repeating = rows.height - int(rows.select(pl.struct(names).n_unique()).item())
        return Key(tuple(own), 1 - repeating / rows.height, repeating)
    return Key((), best.unique)


def _candidates(own: list[str], kind: RecordKind, columns: dict[str, ColumnEvidence]) -> list[list[str]]:
    single = [field.name for field in kind.fields if field.type is FieldType.CODE and field.name in columns]
    more = [
        field.name
        for field in kind.fields
        if field.name in columns and field.name not in own and field.type in (FieldType.CODE, FieldType.DATE)
    ]
    growing = [own + more[:count] for count in range(1, min(len(more), 4) + 1)]
    candidates = [own] if own else []
    if len(own) == len(kind.key):
        # The whole key is there; if it does not name the rows, a longer one may.
        return candidates + growing
    alone = [[name] for name in single if columns[name].unique and name not in ("item", "customer")]
    # Without any of the kind's key, columns that differ by chance are no names: two events may be alike.
    return candidates + alone + (growing if own else [])
