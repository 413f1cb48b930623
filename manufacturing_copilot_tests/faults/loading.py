"""What the processes do that the tests kill on the way: load batches, or `copilot run` as far as it loads batches.

Everything a worker needs is imported here, so that a process forked from a server that has imported this module
begins at once.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from multiprocessing.connection import Connection
from pathlib import Path

import manufacturing_copilot.orchestration.assembly
import manufacturing_copilot.report.defs.assets  # noqa: F401
from manufacturing_copilot.cli.main import main
from manufacturing_copilot.ingest.discovery.claim import claim
from manufacturing_copilot.ingest.ledger.batches import pending_batches, sweep
from manufacturing_copilot.ingest.loading.context import LoadSettings
from manufacturing_copilot.ingest.loading.load import load_batch
from manufacturing_copilot.orchestration.run import Step, run_site
from manufacturing_copilot.site import load_site
from manufacturing_copilot.store import Store, open_store

IN_PARTS = LoadSettings(stream_from_bytes=0, part_bytes=20_000)
"""Small files come in many parts."""


def load_everything(store: Store, home: Path, settings: LoadSettings | None = None) -> None:
    """Put back what was left behind, claim what waits, and load until nothing is pending."""
    site = load_site(home / "site")
    sweep(store, actor="test")
    claim(store, site, home, actor="test")
    with store.read() as connection:
        pending = pending_batches(connection)["reference"].to_list()
    for reference in pending:
        load_batch(store, site, reference, home=home, actor="test", settings=settings)


def run_ingest(store: Store, home: Path) -> None:
    """Do what `copilot run` does until the last batch is loaded; fail, saying why, where a step of it fails."""

    class LoadedError(Exception):
        pass

    def tell(name: str) -> None:
        if not name.startswith("ingest_"):
            raise LoadedError  # the stages after ingest are not what is killed here

    def told(step: Step) -> None:
        if not step.success:
            print(step.name, *step.problems, file=sys.stderr)  # noqa: T201  (pytest shows it with a failure)
            sys.exit(1)

    with contextlib.suppress(LoadedError):
        run_site(store, load_site(home / "site"), home, actor="test", tell=tell, told=told)


def settle_in_the_environment(home: Path, url: str) -> None:
    """Make this process one that works on the site in `home`, as the command line would."""
    (home / "dagster").mkdir(exist_ok=True)
    os.environ |= {
        "COPILOT_HOME": str(home),
        "COPILOT_SITE": str(home / "site"),
        "COPILOT_DATABASE_URL": url,
        "COPILOT_ACTOR": "test",
    }
    os.environ.pop("DAGSTER_HOME", None)
    os.chdir(home)


class _OnlyStreamed(logging.Handler):
    """Ends the process where a batch is not loaded part by part."""

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        assert "reading: " not in message or "reading: streaming" in message, message


def copilot_run(said: Path) -> None:
    """Be the command `copilot run`; what it says goes to the file `said`."""
    with said.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.argv = ["copilot", "run"]
    main()
    sys.exit(0)


def process(way: str, home: Path, url: str, ready: Connection) -> None:
    """Say that it is ready, then work: `load`, `pieces` (loads of large files) or `run`.

    `cli:FILE` is the command `copilot run` itself, which says to FILE what it has to say.
    """
    settle_in_the_environment(home, url)
    if way.startswith("cli:"):
        ready.send("ready")
        copilot_run(Path(way.removeprefix("cli:")))
    settings = None
    if way == "pieces":
        settings, logger = IN_PARTS, logging.getLogger("manufacturing_copilot.ingest.loading.load")
        logger.setLevel(logging.DEBUG)
        logger.addHandler(_OnlyStreamed())
    store = open_store(url)
    ready.send("ready")
    if way == "run":
        run_ingest(store, home)
    else:
        load_everything(store, home, settings)
    store.close()
