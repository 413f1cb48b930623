"""Bringing a database to this version's tables, by Alembic."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from manufacturing_copilot.errors import StoreError
from manufacturing_copilot.store import views
from manufacturing_copilot.store.comments import write_comments
from manufacturing_copilot.store.engine import Store

_SCRIPTS = Path(__file__).parent / "migrations"


@cache  # the store is opened at every step, and reading all migrations takes longer than many a step
def newest_revision() -> str:
    """Return the revision that this version of the program works with."""
    head = ScriptDirectory(str(_SCRIPTS)).get_current_head()
    if head is None:
        raise StoreError(f"{_SCRIPTS}: no migration was found; the installation is not whole")
    return head


@cache
def _known_revisions() -> frozenset[str]:
    return frozenset(script.revision for script in ScriptDirectory(str(_SCRIPTS)).walk_revisions())


def _require_known(revision: str | None) -> None:
    if revision is not None and revision not in _known_revisions():
        raise StoreError(
            f"the database is at {revision}, which this version of the program does not know: a newer one made it;"
            " install that version"
        )


def current_revision(store: Store) -> str | None:
    """Return the revision of the database, None where it has no tables of ours."""
    with store.read() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def config() -> Config:
    """Return what Alembic needs to find the migrations; a `connection` goes into its attributes."""
    settings = Config()
    settings.set_main_option("script_location", str(_SCRIPTS))
    return settings


def upgrade(store: Store) -> bool:
    """Bring the database to the newest revision, in one transaction; return whether anything was done.

    The views are laid over the tables as they are at the end: no migration meets one, or has to make it. Nor has one
    to change a comment: those of the code are written at the end. Raises StoreError where a newer version of the
    program made the database.
    """
    current = current_revision(store)
    if current == newest_revision():
        if store.is_sqlite:
            return False
        with store.write() as connection:
            return write_comments(connection) > 0
    _require_known(current)
    scripts = config()
    with store.write() as connection:
        scripts.attributes["connection"] = connection
        views.drop_views(connection)
        command.upgrade(scripts, "head")
        views.create_views(connection)
        write_comments(connection)
    return True


def require_current(store: Store) -> None:
    """Raise StoreError where the database is not at the newest revision."""
    current, expected = current_revision(store), newest_revision()
    _require_known(current)
    if current != expected:
        raise StoreError(
            f"the database is at {current or 'no revision (it has no tables of ours)'}, this version needs {expected};"
            " run `copilot db upgrade`"
        )
