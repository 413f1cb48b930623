"""The resource `plant` over a store of the test's own."""

from __future__ import annotations

from pathlib import Path

from manufacturing_copilot.dagster_support import Plant
from manufacturing_copilot.store import Store


def plant_over(store: Store, folder: Path, home: Path, plant: type[Plant] = Plant) -> Plant:
    """The plant declared in `folder`, with this home folder and this database."""
    url = store.engine.url.render_as_string(hide_password=False)
    return plant(site_folder=str(folder), home_folder=str(home), database_url=url)
