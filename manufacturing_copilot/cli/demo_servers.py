"""The mail and chat servers of the demo plant, which run as long as a command does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from manufacturing_copilot.site import demo_site, load_site, site_folder
from manufacturing_copilot.store import home_folder


def require_demo_servers() -> None:
    """Raise CopilotError where a package that the demo's servers need is not installed."""
    import manufacturing_copilot.demo.listener  # noqa: F401


@contextmanager
def listening_for_demo() -> Iterator[dict[str, str]]:
    """Start the mail and chat servers of the demo's people; yield the environment variables with their addresses.

    Starts nothing, and yields no variables, where the site in use is not the demo plant.
    """
    if site_folder() != demo_site():
        yield {}
        return
    from manufacturing_copilot.demo.listener import Listener

    with Listener(keep_in=messages_file(home_folder())) as listener:
        yield listener.environment(load_site(demo_site()).people)


def messages_file(home: Path) -> Path:
    """Return the file of the messages that the demo's servers received, as JSON lines."""
    return home / "demo" / "messages.jsonl"
