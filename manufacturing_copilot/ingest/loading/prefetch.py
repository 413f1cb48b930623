"""Prefetching: an iterator runs in a thread of its own, a few steps ahead of whoever takes what it gives."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

_STEPS_AHEAD = 2
_T = TypeVar("_T")


class Prefetch(Generic[_T]):
    """Runs an iterator in a thread of its own, a few steps ahead of whoever takes what it gives."""

    def __init__(self, source: Iterator[_T]) -> None:
        """Prepare; it begins with the context."""
        self._source = source
        self._ready: queue.Queue[tuple[str, Any]] = queue.Queue(_STEPS_AHEAD)
        self._left, self._begun = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="prefetch", daemon=True)

    def __enter__(self) -> Prefetch[_T]:
        """Begin; an error of the source is raised where its next thing is taken."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Make no more, and wait until what is in hand is put down."""
        self._left.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            for thing in self._source:
                if not self._put("next", thing):
                    return
            self._put("end", None)
        except BaseException as error:  # noqa: BLE001  (raised again where the next thing is taken)
            self._put("error", error)

    def _put(self, what: str, thing: Any) -> bool:
        while not self._left.is_set():
            try:
                self._ready.put((what, thing), timeout=0.1)
            except queue.Full:
                continue
            self._begun.set()
            return True
        return False

    def wait_for_first(self) -> None:
        """Wait until there is a first thing to take, or an error, or the end."""
        self._begun.wait()

    def __iter__(self) -> Iterator[_T]:
        """Give what is made; nothing that was taken is held on to."""
        return self

    def __next__(self) -> _T:
        """Give the next thing."""
        what, thing = self._ready.get()
        if what == "error":
            raise thing
        if what == "end":
            raise StopIteration
        return thing  # type: ignore[no-any-return]
