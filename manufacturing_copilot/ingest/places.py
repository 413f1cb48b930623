"""Where files land: folders of this machine, or any URL that fsspec opens. Finds them, opens them; reads none."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from stat import S_ISREG
from typing import Any, BinaryIO

import fsspec

from manufacturing_copilot.errors import SiteError
from manufacturing_copilot.site import Feed

_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")
_MODIFIED_KEYS = ("mtime", "LastModified", "last_modified", "modified", "updated", "created")


@dataclass(frozen=True)
class FoundFile:
    """A file that lies where a feed's files land.

    `path` is as the ledger keeps it: below the home folder relative to it, else absolute or a URL.
    """

    path: str
    size: int
    modified_ns: int


def files_of(feed: Feed, home: Path) -> list[FoundFile]:
    """Return the files that match the feed's patterns, oldest first and by name where equally old.

    A relative pattern stays below the home folder. Raises SiteError where it leads out of it, by `..` or by a link, or
    names an environment variable that is not set.
    """
    found: dict[str, FoundFile] = {}
    for pattern in feed.files:
        expanded = _expanded(pattern, feed)
        if "://" in expanded:
            matching = _remote(expanded)
        elif os.path.isabs(expanded):  # noqa: PTH117  (a pattern, not a path)
            matching = _local(expanded, home)
        else:
            matching = _below(expanded, home, feed)
        found.update((file.path, file) for file in matching)
    return sorted(found.values(), key=lambda file: (file.modified_ns, file.path))


def look_again(file: FoundFile, home: Path) -> FoundFile | None:
    """Return the file as it is now, None where it is gone."""
    if "://" in file.path:
        return next(_remote(glob.escape(file.path)), None)
    return next(_local(glob.escape(str(home / file.path)), home), None)


def local_path(path: str, home: Path) -> Path | None:
    """Return where a file of the ledger lies on this machine, None where it is a URL."""
    return None if "://" in path else home / path


def opened(path: str, home: Path) -> BinaryIO:
    """Return a file of the ledger, open for reading its bytes; raises FileNotFoundError where it is gone."""
    local = local_path(path, home)
    return local.open("rb") if local is not None else fsspec.open(path, "rb").open()


def _expanded(pattern: str, feed: Feed) -> str:
    def value(match: re.Match[str]) -> str:
        name = match.group(1) or match.group(2)
        found = os.environ.get(name)
        if not found:
            raise SiteError(
                f"feed {feed.feed}: files names ${name}, and no environment variable of that name is set;"
                f" set it to the folder, or write the folder itself"
            )
        return found

    return os.path.expanduser(_VARIABLE.sub(value, pattern))  # noqa: PTH111  (a pattern, not a path)


def _local(pattern: str, home: Path) -> Iterator[FoundFile]:
    below = f"{home}{os.sep}"
    for path in glob.iglob(pattern, recursive=True):  # noqa: PTH207  (absolute patterns; 4 times faster than Path.glob)
        try:
            status = os.stat(path)  # noqa: PTH116
        except FileNotFoundError:
            continue  # taken away between the listing and the look
        if S_ISREG(status.st_mode):
            yield FoundFile(path.removeprefix(below), status.st_size, status.st_mtime_ns)


def _below(pattern: str, home: Path, feed: Feed) -> Iterator[FoundFile]:
    """Give what matches a relative pattern, which may not lead out of the home folder."""
    if ".." in Path(pattern).parts:
        raise SiteError(
            f"feed {feed.feed}: files names {pattern!r}, which leads out of the home folder; write the folder with its"
            " whole path if that is meant"
        )
    root = os.path.realpath(home)
    inside: dict[str, bool] = {}
    for file in _local(str(home / pattern), home):
        path = home / file.path
        folder = str(path.parent)
        if folder not in inside:
            inside[folder] = Path(os.path.realpath(folder)).is_relative_to(root)
        if not inside[folder] or (path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(root)):
            raise SiteError(
                f"feed {feed.feed}: {file.path} is a link that leads out of the home folder, to"
                f" {os.path.realpath(path)}; declare that folder under files: with its whole path if it is meant"
            )
        yield file


def _remote(pattern: str) -> Iterator[FoundFile]:
    system, path = fsspec.url_to_fs(pattern)
    system.invalidate_cache()
    for name, info in system.glob(path, detail=True).items():
        if info["type"] == "file":
            yield FoundFile(system.unstrip_protocol(name), int(info["size"]), _modified_ns(info))


def _modified_ns(info: dict[str, Any]) -> int:
    """Return when the store says the file was modified; 0 where it does not say (then size alone tells versions)."""
    value = next((info[key] for key in _MODIFIED_KEYS if info.get(key) is not None), 0)
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        value = (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    return int(value * 1_000_000) * 1_000
