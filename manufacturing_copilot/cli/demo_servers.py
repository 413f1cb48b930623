"""The mail and chat servers of the demo plant, for as long as a verb runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from manufacturing_copilot.site import demo_site, load_site, site_folder
from manufacturing_copilot.store import home_folder


@contextmanager
def listening_for_demo() -> Iterator[dict[str, str]]:
    """Start the mail and chat servers that the demo's people are told on; give the environment that names them.

    Gives an empty environment, and starts nothing, where the site in use is not the demo plant.
    """
    if site_folder() != demo_site():
        yield {}
        return
    from manufacturing_copilot.demo.listener import Listener

    with Listener(keep_in=messages_file(home_folder())) as listener:
        yield listener.environment(load_site(demo_site()).people)


def messages_file(home: Path) -> Path:
    """Return the file that keeps the messages which the demo's servers received, one JSON a line."""
    return home / "demo" / "messages.jsonl"
