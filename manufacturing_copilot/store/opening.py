"""Opening the site's database for use: at this version's tables, or not at all."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from manufacturing_copilot.store import migrate
from manufacturing_copilot.store.engine import Store, connect_store


def open_store(url: sa.URL | str | None = None, *, home: Path | None = None, upgrade: bool = True) -> Store:
    """Open the site's database (see `database_url`).

    The embedded database is made where it is missing, and with `upgrade` brought to this version's tables.
    Raises StoreError where PostgreSQL does not answer, or the tables are of another version.
    """
    store = connect_store(url, home=home)
    try:
        if store.is_sqlite and (upgrade or migrate.current_revision(store) is None):
            migrate.upgrade(store)
        else:
            migrate.require_current(store)
    except BaseException:
        store.close()
        raise
    return store
