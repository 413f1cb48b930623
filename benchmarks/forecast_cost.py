"""The cost rows."""

from __future__ import annotations

from collections.abc import Callable

ROWS: dict[str, Callable[[object], dict[str, float]]] = {}
