"""Options that several commands share, each with one help text; an option of one command stands beside it."""

from __future__ import annotations

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="machine-readable output (JSON)")]
Limit = Annotated[int, typer.Option("--limit", help="maximum number of rows")]
Reason = Annotated[str, typer.Option("--reason", help="why; kept in the audit trail")]
Note = Annotated[str, typer.Option("--note", help="why; kept in the audit trail")]
