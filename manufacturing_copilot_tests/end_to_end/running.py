"""A site run whole for the tests: a home, a database and Dagster's own storage, and real servers that are told."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa

from manufacturing_copilot.demo.listener import Listener, Message
from manufacturing_copilot.orchestration.run import Outcome, run_site
from manufacturing_copilot.site import Site, load_site
from manufacturing_copilot.store import Store, open_store, read_frame

REPOSITORY = Path(__file__).resolve().parents[2]
QUIET = [
    pytest.mark.filterwarnings(f"ignore::dagster.{name}")
    for name in ("BetaWarning", "PreviewWarning", "SupersessionWarning")
]
"""What is beta in Dagster was chosen; a test that builds definitions marks itself with these."""


@dataclass
class Running:
    """A site with everything that it needs to run."""

    site: Site
    store: Store
    home: Path
    listener: Listener

    def run(self, tell: Callable[[str], None] | None = None) -> Outcome:
        """Run the flow once, as `copilot run` does; `tell` hears the name of each step before it begins."""
        return run_site(
            self.store,
            self.site,
            self.home,
            actor="test",
            tell=tell or (lambda name: None),
            told=lambda step: None,
        )

    @property
    def messages(self) -> list[Message]:
        return self.listener.messages

    def rows(self, query: sa.Select) -> pl.DataFrame:
        with self.store.read() as connection:
            return read_frame(connection, query)

    def number(self, query: sa.Select) -> float:
        with self.store.read() as connection:
            return float(connection.scalar(query))


@contextmanager
def running(folder: Path, home: Path, *, url: str | None = None, **environment: str) -> Iterator[Running]:
    """Give the site in `folder`, ready to run with `home` and the database at `url` (SQLite where not given)."""
    dagster_home = home / "dagster"
    dagster_home.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(REPOSITORY / "dagster.yaml", dagster_home / "dagster.yaml")
    variables = {"COPILOT_HOME": home, "COPILOT_SITE": folder, "DAGSTER_HOME": dagster_home, **environment}
    with pytest.MonkeyPatch.context() as patch, Listener() as listener:
        patch.delenv("COPILOT_DATABASE_URL", raising=False)
        for name, value in variables.items():
            patch.setenv(name, str(value))
        if url:
            patch.setenv("COPILOT_DATABASE_URL", url)
        site = load_site(folder)
        for name, value in listener.environment(site.people).items():
            patch.setenv(name, value)
        # dagster.yaml keeps its files below .copilot of the folder it is started from
        patch.chdir(home)
        store = open_store()
        try:
            yield Running(site, store, home, listener)
        finally:
            store.close()


def free_of(environment: dict[str, str]) -> dict[str, str]:
    """Return an environment for a process of its own: ours without what names a site, a home or a database."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("COPILOT_", "DAGSTER_"))}
    return kept | environment
