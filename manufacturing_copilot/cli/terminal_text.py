"""Text that comes from a plant's data, made harmless for a terminal.

A name in an export may hold what a terminal takes for a command: to clear the screen, to set the title, to write from
right to left so that a figure reads differently.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

_SEQUENCES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # colours, cursor, screen
    r"|(?:\x1b[\]P^_X]|[\x9d\x90\x9e\x9f\x98])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"  # titles, links, the clipboard
    r"|\x1b[ -/]*[0-~]"
)
_CONTROLS = r"\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
"""Control characters but for tab and line feed, marks of the writing direction, halves of characters."""
_CONTROL = re.compile(f"[{_CONTROLS}]")


def printable(text: str) -> str:
    """Return `text` without escape sequences, control characters and marks that turn the writing direction."""
    return _CONTROL.sub("", _SEQUENCES.sub("", text))


def escaped(json_text: str) -> str:
    """Return JSON with these characters in its own escapes: the values are as they were."""
    return _CONTROL.sub(lambda match: f"\\u{ord(match.group()):04x}", json_text)


class PlainConsole(Console):
    """A console whose texts are printable, whatever they come from; colours and layout are its own."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Return the segments of `renderable`, with printable texts."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)
