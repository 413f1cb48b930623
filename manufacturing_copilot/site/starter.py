"""The site to start from: commented YAML that a data engineer adapts to a plant's own exports."""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from manufacturing_copilot.errors import SiteError

_FILES = "starter_files"


def write_starter(folder: Path) -> list[Path]:
    """Write the starter site into `folder` (created if missing) and return the files written.

    Raises SiteError, and writes nothing, if one of its files exists already.
    """
    templates = dict(_below(resources.files(__package__) / _FILES, Path()))
    if folder.exists() and not folder.is_dir():
        raise SiteError(f"{folder}: this is a file; expected a folder, or a name for a new one")
    for name in templates:
        if (folder / name).exists():
            raise SiteError(f"{folder / name}: this file exists and is kept; choose an empty folder for a new site")
    for name, template in templates.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(template.read_bytes())
    return [folder / name for name in templates]


def _below(folder: Traversable, at: Path) -> list[tuple[Path, Traversable]]:
    """Return the files below `folder` with their relative paths, a folder's own files before its subfolders."""
    entries = sorted(folder.iterdir(), key=lambda entry: (entry.is_dir(), _rank(entry.name), entry.name))
    files: list[tuple[Path, Traversable]] = []
    for entry in entries:
        files += _below(entry, at / entry.name) if entry.is_dir() else [(at / entry.name, entry)]
    return files


def _rank(name: str) -> int:
    return 0 if name == "site.yaml" else 1
