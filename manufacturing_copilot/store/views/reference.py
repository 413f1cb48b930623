"""The reference page of the views, made from their declarations."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from manufacturing_copilot.store.views.build import VIEWS, meanings, queries


def views_page() -> str:
    """Return the Markdown page of every view and column."""
    dialect: sa.Dialect = sqlite.dialect()
    parts = [
        "# Views for BI tools\n",
        "<!-- Made by `make docs` from the declarations in the code; edit those. -->\n",
        "The same on SQLite and PostgreSQL: plain numbers, codes instead of ids. Tables may change from version to"
        " version, views keep their columns. Quantities are in the item's base unit, money is in the site's currency,"
        " times are UTC.\n",
    ]
    selects = queries(dialect)
    for name, view in VIEWS.items():
        columns = meanings(name, list(selects[name].selected_columns.keys()))
        rows = "".join(f"| {column} | {meaning} |\n" for column, meaning in columns.items())
        parts.append(f"## {name}\n\nOne row per {view.rows}.\n\n| column | meaning |\n|---|---|\n{rows}")
    return "\n".join(parts)
