"""Secrets: named in YAML as env:NAME, kept in the environment."""

from __future__ import annotations

import re

_NAME = re.compile(r"^env:[A-Za-z_][A-Za-z0-9_]*$")


def in_environment(reference: str) -> bool:
    """Return whether `reference` names an environment variable: env: and letters, digits or underscores."""
    return _NAME.match(reference) is not None
