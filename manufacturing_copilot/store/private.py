"""Folders and files that only their owner may read: what a plant's data is kept in."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def private_folder(path: Path) -> Path:
    """Make a folder, and those above it that are missing, for their owner alone; return it.

    One that exists keeps its mode: whoever opened it to others, to drop exports into it for example, meant to.
    """
    for missing in reversed([folder for folder in (path, *path.parents) if not folder.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)
    return path


def private_file(path: Path) -> None:
    """Make an empty file for its owner alone where there is none; SQLite gives the files beside it the same mode."""
    with suppress(OSError):  # whoever opens it then says what is in the way
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
