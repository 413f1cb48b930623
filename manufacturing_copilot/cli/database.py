"""Commands for the database."""

from __future__ import annotations

import typer

from manufacturing_copilot.cli.console import out
from manufacturing_copilot.store import migrate
from manufacturing_copilot.store.engine import connect_store

app = typer.Typer(help="The database: upgrade its tables, show its revision.", no_args_is_help=True)


@app.command("upgrade")
def upgrade() -> None:
    """Upgrade the database to the tables of this version; safe to repeat."""
    store = connect_store()
    try:
        changed = migrate.upgrade(store)
        out.print(f"the database is at revision {migrate.current_revision(store)}{'' if changed else ' already'}")
    finally:
        store.close()


@app.command("revision")
def revision() -> None:
    """Show the database's revision and the one that this version needs."""
    store = connect_store()
    try:
        current = migrate.current_revision(store) or "none"
        out.print(f"the database is at {current}, this version needs {migrate.newest_revision()}")
    finally:
        store.close()
