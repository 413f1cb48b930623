"""Verbs about items."""

from __future__ import annotations

import typer


def add_to(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
