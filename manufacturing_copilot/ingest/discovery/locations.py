"""Where files land: folders of this machine, or any URL that fsspec opens. Finds the whole ones, opens them.

Nothing is read here. What a remote store says goes into sentences without the secrets of the environment.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from errno import EDQUOT, ENOSPC
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import fsspec

from manufacturing_copilot.errors import BatchError, CopilotError, SiteError
from manufacturing_copilot.site import Feed

_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")
_MODIFIED_KEYS = ("mtime", "LastModified", "last_modified", "modified", "modify", "updated", "created")
_SECRET = re.compile(r"KEY|SECRET|PASSW|TOKEN|CREDENTIAL", re.IGNORECASE)

UNFINISHED_ENDINGS = (".part", ".partial", ".filepart", ".tmp", ".temp", ".crdownload", "~")
"""Endings that programs give to a file while they write it, and take away when it is whole."""


@dataclass(frozen=True)
class FoundFile:
    """A file that lies where a feed's files land.

    `path` is as the ledger keeps it: below the home folder relative to it, else absolute or a URL.
    """

    path: str
    size: int
    modified_ns: int


def files_of(feed: Feed, home: Path, told: list[str] | None = None) -> list[FoundFile]:
    """Return the files that match the feed's patterns, oldest first and by name where equally old.

    Left out is what goes by a name for unfinished files, and where the feed names an ending for `done`, every file
    beside which no such mark lies. A relative pattern stays below the home folder. Raises SiteError where it leads out
    of it by `..`, names an environment variable that is not set, or a place that cannot be looked into.
    `told` takes a sentence for each thing that matches and is no file to be read: a link out of the home folder, a
    pipe, a name that is no text.
    """
    told = [] if told is None else told
    files: dict[str, FoundFile] = {}
    for pattern in feed.files:
        expanded = _expanded(pattern, feed)
        matching = {file.path: file for file in _matching(expanded, home, feed, told)}
        if feed.done is not None:
            marks = {path.removesuffix(feed.done) for path in matching if path.endswith(feed.done)}
            marks |= {file.path.removesuffix(feed.done) for file in _matching(expanded + feed.done, home, feed, told)}
            stem, dot, _ = expanded.rpartition(".")
            if dot and "/" not in _:
                marks |= {file.path.removesuffix(feed.done) for file in _matching(stem + feed.done, home, feed, told)}
            matching = {path: file for path, file in matching.items() if {path, _without_ending(path)} & marks}
        unfinished = UNFINISHED_ENDINGS if feed.done is None else (*UNFINISHED_ENDINGS, feed.done)
        files |= {path: file for path, file in matching.items() if not path.endswith(unfinished)}
    return sorted(files.values(), key=lambda file: (file.modified_ns, file.path))


def _matching(pattern: str, home: Path, feed: Feed, told: list[str]) -> Iterator[FoundFile]:
    if "://" in pattern:
        return _remote(pattern, feed)
    found = _local(pattern, home, told)
    return found if os.path.isabs(pattern) else _below(pattern, home, feed, told)  # noqa: PTH117  (a pattern)


def _without_ending(path: str) -> str:
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}{name.rpartition('.')[0] or name}"


def look_again(file: FoundFile, home: Path) -> FoundFile | None:
    """Return the file as it is now, None where it is gone; raises BatchError where its place does not answer."""
    if "://" not in file.path:
        return next(_local(glob.escape(str(home / file.path)), home, []), None)
    with _answering(file.path, BatchError, "run `copilot batch retry` once it does"):
        system, path = fsspec.url_to_fs(file.path)
        system.invalidate_cache()
        try:
            return _found_file(file.path, system.info(path))
        except FileNotFoundError:
            return None


def local_path(path: str, home: Path) -> Path | None:
    """Return where a file of the ledger lies on this machine, None where it is a URL."""
    return None if "://" in path else home / path


@contextmanager
def opened(path: str, home: Path) -> Iterator[BinaryIO]:
    """Give a file of the ledger, open for reading its bytes.

    Raises FileNotFoundError where it is gone, BatchError where its place does not answer or stops in the middle.
    """
    local = local_path(path, home)
    if local is not None:
        with local.open("rb") as source:
            yield source
        return
    with _answering(path, BatchError, "run `copilot batch retry` once it does"), fsspec.open(path, "rb") as source:
        yield source


def _expanded(pattern: str, feed: Feed) -> str:
    def value(match: re.Match[str]) -> str:
        name = match.group(1) or match.group(2)
        folder = os.environ.get(name)
        if not folder:
            raise SiteError(
                f"feed {feed.feed}: files names ${name}, and no environment variable of that name is set;"
                f" set it to the folder, or write the folder itself"
            )
        return folder

    expanded = os.path.expanduser(_VARIABLE.sub(value, pattern))  # noqa: PTH111  (a pattern, not a path)
    if "://" in expanded and urlsplit(expanded).password is not None:
        raise SiteError(
            f"feed {feed.feed}: the URL under files holds a password, which would stand in the ledger and in every"
            " sentence about its files; take it out and set it as FSSPEC_<PROTOCOL>_PASSWORD, for example"
            " FSSPEC_SFTP_PASSWORD"
        )
    return expanded


def _local(pattern: str, home: Path, told: list[str]) -> Iterator[FoundFile]:
    """Give the regular files that match; what else lies there under such a name is `told` in a sentence."""
    below = f"{home}{os.sep}"
    for path in glob.iglob(pattern, recursive=True):  # noqa: PTH207  (absolute patterns; 4 times faster than Path.glob)
        try:
            status = os.stat(path)  # noqa: PTH116
        except FileNotFoundError:
            continue  # taken away between the listing and the look
        except OSError as error:
            told.append(f"{_shown(path)}: the file cannot be looked at ({error.strerror}); correct it or take it away")
            continue
        if S_ISDIR(status.st_mode):
            continue
        if not S_ISREG(status.st_mode):
            told.append(f"{_shown(path)}: this is no file but a pipe, a socket or a device; take it out of the folder")
            continue
        if (shown := _shown(path)) != path:
            told.append(f"{shown}: the file's name is no UTF-8 text; rename it, then it is loaded")
            continue
        yield FoundFile(path.removeprefix(below), status.st_size, status.st_mtime_ns)


def _shown(path: str) -> str:
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _below(pattern: str, home: Path, feed: Feed, told: list[str]) -> Iterator[FoundFile]:
    """Give what matches a relative pattern, which may not lead out of the home folder."""
    if ".." in Path(pattern).parts:
        raise SiteError(
            f"feed {feed.feed}: files names {pattern!r}, which leads out of the home folder; write the folder with its"
            " whole path if that is meant"
        )
    root = os.path.realpath(home)
    inside: dict[str, bool] = {}
    for file in _local(str(home / pattern), home, told):
        path = home / file.path
        folder = str(path.parent)
        if folder not in inside:
            inside[folder] = Path(os.path.realpath(folder)).is_relative_to(root)
        if not inside[folder] or (path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(root)):
            told.append(
                f"feed {feed.feed}: {file.path} is a link that leads out of the home folder, to"
                f" {os.path.realpath(path)}; declare that folder under files: with its whole path if it is meant"
            )
            continue
        yield file


def _remote(pattern: str, feed: Feed) -> Iterator[FoundFile]:
    with _answering(f"feed {feed.feed}: {pattern}", SiteError, "correct files: in the feed, or its credentials"):
        system, path = fsspec.url_to_fs(pattern)
        system.invalidate_cache()
        # the path of a file on a host of its own does not name that host
        url = urlsplit(pattern)
        host = f"{url.scheme}://{url.netloc}" if type(system)._get_kwargs_from_urls(pattern).get("host") else None
        for name, info in system.glob(path, detail=True).items():
            if info["type"] == "file":
                yield _found_file(system.unstrip_protocol(name) if host is None else f"{host}{name}", info)


def _found_file(url: str, info: dict[str, Any]) -> FoundFile:
    return FoundFile(url, int(info["size"]), _modified_ns(info))


@contextmanager
def _answering(location: str, problem: type[CopilotError], then: str) -> Iterator[None]:
    """Raise what goes wrong at a remote location as `problem`, in a sentence.

    A file that is not there stays that, and a full disk is of this machine.
    """
    try:
        yield
    except (CopilotError, FileNotFoundError):
        raise
    except ImportError as error:
        raise SiteError(f"{location}: {_without_secrets(error)}; install the package of this protocol") from None
    except Exception as error:
        # each protocol's package raises errors of its own
        if isinstance(error, OSError) and error.errno in (ENOSPC, EDQUOT):
            raise
        raise problem(f"{location} does not answer as expected: {_without_secrets(error)}; {then}") from None


def _without_secrets(error: Exception) -> str:
    line = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
    for name, value in os.environ.items():
        if len(value) >= 4 and _SECRET.search(name):
            line = line.replace(value, "…")
    return line


def _modified_ns(info: dict[str, Any]) -> int:
    """Return when the store says the file was modified; 0 where it does not say (then size alone tells versions)."""
    value = next((info[key] for key in _MODIFIED_KEYS if info.get(key) is not None), 0)
    if isinstance(value, str):
        # FTP writes its times without marks, in UTC
        compact = value[:14].isdigit()
        value = datetime.strptime(value[:14], "%Y%m%d%H%M%S") if compact else datetime.fromisoformat(value)
    if isinstance(value, datetime):
        value = (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    return int(value * 1_000_000) * 1_000
