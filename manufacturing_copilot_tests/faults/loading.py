"""A process that claims what waits and loads every pending batch, to be killed on the way: `python -m … SITE`."""

from __future__ import annotations

import sys
from pathlib import Path

from manufacturing_copilot.ingest.batches import pending_batches, sweep
from manufacturing_copilot.ingest.claim import claim
from manufacturing_copilot.ingest.load import load_batch
from manufacturing_copilot.site import load_site
from manufacturing_copilot.store import Store, home_folder, open_store


def load_everything(store: Store, site_folder: Path, home: Path) -> None:
    """Put back what was left behind, claim what waits, and load until nothing is pending."""
    site = load_site(site_folder)
    sweep(store, actor="test")
    claim(store, site, home, actor="test")
    with store.read() as connection:
        pending = pending_batches(connection)["reference"].to_list()
    for reference in pending:
        load_batch(store, site, reference, home=home, actor="test")


if __name__ == "__main__":
    opened = open_store()
    print("ready", flush=True)  # noqa: T201
    load_everything(opened, Path(sys.argv[1]), home_folder())
    opened.close()
