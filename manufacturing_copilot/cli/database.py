"""Verbs about the database."""

from __future__ import annotations

import typer

from manufacturing_copilot.cli.console import out
from manufacturing_copilot.store import migrate
from manufacturing_copilot.store.engine import connect_store

app = typer.Typer(help="The database.", no_args_is_help=True)


@app.command("upgrade")
def upgrade() -> None:
    """Bring the database to this version's tables; safe to repeat."""
    store = connect_store()
    try:
        changed = migrate.upgrade(store)
        out.print(f"the database is at revision {migrate.current_revision(store)}{'' if changed else ' already'}")
    finally:
        store.close()


@app.command("revision")
def revision() -> None:
    """Say which revision the database has, and which one this version needs."""
    store = connect_store()
    try:
        found = migrate.current_revision(store) or "none"
        out.print(f"the database is at {found}, this version needs {migrate.newest_revision()}")
    finally:
        store.close()
