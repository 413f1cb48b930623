"""What the tests of the forecasts share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from manufacturing_copilot.store import Store, open_store


@pytest.fixture
def embedded(home: Path) -> Iterator[Store]:
    """An empty store on SQLite alone, for tests of figures that no database changes."""
    opened = open_store()
    yield opened
    opened.close()
