from pathlib import Path

import pytest
import sqlalchemy as sa

from manufacturing_copilot.store import Store
from manufacturing_copilot.store.views import EVERYWHERE, VIEWS, meanings, views_page

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_every_view_of_the_database_is_declared_with_a_meaning_for_every_column(store: Store) -> None:
    with store.read() as connection:
        inspector = sa.inspect(connection)
        found = {
            name: [column["name"] for column in inspector.get_columns(name)] for name in inspector.get_view_names()
        }
    assert set(found) == set(VIEWS), "declare the view in store/views/"
    for name, columns in found.items():
        assert list(meanings(name, columns)) == columns
        assert set(VIEWS[name].columns) <= set(columns), f"{name} has no such column any more"
    assert set(EVERYWHERE) <= {column for columns in found.values() for column in columns}


def test_the_page_of_views_says_what_the_code_says() -> None:
    assert (DOCS / "views.md").read_text(encoding="utf-8") == views_page(), "run `make docs`"


@pytest.mark.parametrize("name", list(VIEWS))
def test_every_view_can_be_read(store: Store, name: str) -> None:
    with store.read() as connection:
        assert connection.execute(sa.text(f"SELECT * FROM {name}")).all() == []
