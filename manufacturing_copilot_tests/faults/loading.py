"""What a loading process does, for tests that kill it on the way."""

from __future__ import annotations

from multiprocessing.connection import Connection
from pathlib import Path

from manufacturing_copilot.ingest.batches import pending_batches, sweep
from manufacturing_copilot.ingest.claim import claim
from manufacturing_copilot.ingest.load import load_batch
from manufacturing_copilot.site import load_site
from manufacturing_copilot.store import Store, open_store


def load_everything(store: Store, home: Path) -> None:
    """Put back what was left behind, claim what waits, and load until nothing is pending."""
    site = load_site(home / "site")
    sweep(store, actor="test")
    claim(store, site, home, actor="test")
    with store.read() as connection:
        pending = pending_batches(connection)["reference"].to_list()
    for reference in pending:
        load_batch(store, site, reference, home=home, actor="test")


def process(home: Path, url: str, ready: Connection) -> None:
    """Say that it is ready, then load everything."""
    store = open_store(url)
    ready.send("ready")
    load_everything(store, home)
    store.close()
