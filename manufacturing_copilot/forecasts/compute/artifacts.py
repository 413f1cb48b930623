"""What a method learned over many series, kept as it was: in an open format, named by its hash, below the home folder.

A version does not hold what it learns: it learns anew from the facts of each cut-off, always the same from the same
facts. What a run learned is kept for a while all the same, so that a forecast can be looked into afterwards.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from manufacturing_copilot.store.private import private_folder

DAYS_KEPT = 30


@dataclass
class _Keeper:
    folder: Path
    kept: list[dict[str, str]] = field(default_factory=list)


_in_use: ContextVar[_Keeper | None] = ContextVar("learned", default=None)


def keep_artifact(what: str, text: str, suffix: str = "txt") -> None:
    """Keep what was learned, a text such as LightGBM's own format; nothing outside of `artifacts_kept_below`."""
    keeper = _in_use.get()
    if keeper is None:
        return
    name = f"{hashlib.sha256(text.encode()).hexdigest()}.{suffix}"
    private_folder(keeper.folder)
    path = keeper.folder / name
    half = path.with_suffix(".half")
    half.write_text(text)
    half.replace(path)
    keeper.kept.append({"what": what, "file": name})


@contextmanager
def artifacts_kept_below(folder: Path) -> Iterator[None]:
    """Keep below `folder` what is learned within the context; what is older than a month is cleared away."""
    before = _in_use.set(_Keeper(folder))
    try:
        yield
    finally:
        _in_use.reset(before)
    oldest = time.time() - DAYS_KEPT * 86_400
    for path in folder.glob("*"):
        if path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)


@contextmanager
def noted_artifacts() -> Iterator[list[dict[str, str]]]:
    """Give the list that is filled with what is kept within the context: what, and the name of its file."""
    keeper = _in_use.get()
    if keeper is None:
        yield []
        return
    mine = _Keeper(keeper.folder)
    before = _in_use.set(mine)
    try:
        yield mine.kept
    finally:
        _in_use.reset(before)
