"""Bounds of a file: what is over one is refused in a sentence that names the file, the bound and its key."""

from __future__ import annotations

from manufacturing_copilot.errors import BatchError
from manufacturing_copilot.site.file_bounds import Limits

DEFAULTS = Limits()


def refuse_over(name: str, key: str, value: int | None, limit: int, *, where: str = "") -> None:
    """Raise BatchError where `value` (None: nobody knows how much) is over the limit that `key` raises."""
    if value is not None and value <= limit:
        return
    amount, bound = _amount(key, value), _amount(key, limit)
    raise BatchError(
        f"{name}{where}: found {amount}, at most {bound} are read; if the file is right, raise"
        f" bounds: {{{key}: …}} in the feed or in site.yaml, else export it again or in parts"
    )


def _amount(key: str, value: int | None) -> str:
    if value is None:
        return f"more {_NAMES[key]} than allowed"
    return f"{value:,} {_NAMES[key]}"


_NAMES = {
    "packed": "packed bytes",
    "unpacked": "unpacked bytes",
    "rows": "rows",
    "columns": "columns",
    "cells": "cells (rows × columns)",
    "seconds": "seconds",
    "memory": "bytes of memory",
}


def refuse_large_table(name: str, rows: int, columns: int, limits: Limits, *, where: str = "") -> None:
    """Raise BatchError where a table has too many rows, columns or cells."""
    refuse_over(name, "rows", rows, limits.rows, where=where)
    refuse_over(name, "columns", columns, limits.columns, where=where)
    refuse_over(name, "cells", rows * columns, limits.cells, where=where)
